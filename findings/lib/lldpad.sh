# Sourced by the findings about lldpad, after common.sh: Debian 12's lldpad at both ends of a cable, ratified EVB on.
# shellcheck shell=bash disable=SC2154 # of common.sh
packages lldpad=1.1+git20221028.aa18720-1 libconfig9=1.5-0.4
export LD_LIBRARY_PATH=$libraries

# lldpad NAMESPACE ROLE KEY=VALUE...: an lldpad with a configuration, memory and pid file of its own.
lldpad() {
  local namespace=$1 role=$2 state=$folder/$2
  shift 2
  mkdir "$state"
  {
    printf 'nearest_customer_bridge : { port0 : { adminStatus = 3; tlvid0080c20d : { enableTx = true; evbmode = "%s";' "$role"
    printf ' %s;' "$@"
    printf ' }; }; };\n'
  } >"$state/lldpad.conf"
  # shellcheck disable=SC2016 # $0 is the inner shell's
  start "lldpad-$role" ip netns exec "$namespace" unshare --mount --ipc sh -c 'mount --make-rprivate / && mount -t tmpfs none /dev/shm &&
    mount -t tmpfs none /run && mount -t tmpfs none /var/lib && mkdir /var/lib/lldpad && mount --bind "$0" /var/lib/lldpad && exec "$1" -t -V 5' \
    "$state" "$root/usr/sbin/lldpad"
  eventually 10 "lldpad answers" tool "$namespace" lldptool -p
}
# tool NAMESPACE PROGRAM WORDS...: lldptool or vdptool there.
tool() { ip netns exec "$1" "$root/usr/sbin/$2" "${@:3}"; }
