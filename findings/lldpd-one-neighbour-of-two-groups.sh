#!/bin/bash
# lldpd 1.0.16: what a neighbour says to one LLDP group address is replaced by what it says to another.
#
# LLDP has an agent, with a memory of its own, for each of the group addresses 01-80-C2-00-00-0E, -03 and -00, and an EVB switch says
# other things to -00 than to -0E. lldpd hears all three, whichever `configure lldp agent-type` it has (that chooses only where it sends
# to), and keeps one memory by chassis and port ID: of a neighbour with one identity it shows the last LLDPDU, whatever its address, and
# counts one neighbour. So its picture of an EVB switch may flip with every LLDPDU, and its owner sees TLVs come and go.
# What to do: give the speakers of two groups different port IDs, as evbd does. Seen 2026-11-29: name-for-0e, then name-for-00.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/common.sh
. "${0%/*}/lib/common.sh"
packages lldpd=1.0.16-1+deb12u1 libbsd0=0.11.7-2 libmd0=1.0.4-2 libcap2=1:2.66-4+deb12u3+b1 libevent-2.1-7=2.1.12-stable-8+deb12u1 \
  libreadline8=8.2-1.3 libsnmp40=5.9.3+dfsg-2+deb12u1 libxml2=2.9.14+dfsg-1.3~deb12u6 libicu72=72.1-3+deb12u1 libpci3=1:3.9.0-4 \
  libperl5.36=5.36.0-7+deb12u4 libsensors5=1:3.6.0-7.1 libssl3=3.0.22-1~deb12u2 libudev1=252.39-1~deb12u2 libwrap0=7.6.q-32
export LD_LIBRARY_PATH=$libraries

cat >say.py <<'P'
import socket, sys
group, name = bytes.fromhex(sys.argv[1]), sys.argv[2].encode()
source = bytes.fromhex("020000000002")
def tlv(kind, value): return (kind << 9 | len(value)).to_bytes(2, "big") + value
octets = group + source + b"\x88\xcc" + tlv(1, b"\x04" + source) + tlv(2, b"\x05port0") + tlv(3, (120).to_bytes(2, "big")) + tlv(5, name) + tlv(0, b"")
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("port0", 0))
sender.send(octets.ljust(60, b"\0"))
P
cable
# It wants a user and a directory of its own, which it has in a mount namespace alone.
# shellcheck disable=SC2016 # $0 and $@ are the inner shell's
start lldpd ip netns exec "$here" unshare --mount sh -c 'mount --make-rprivate / && mount -t tmpfs none /run && mkdir /run/lldpd &&
  cp /etc/passwd /etc/group "$0" && echo "_lldpd:x:64999:64999::/run/lldpd:/bin/false" >>"$0/passwd" && echo "_lldpd:x:64999:" >>"$0/group" &&
  mount --bind "$0/passwd" /etc/passwd && mount --bind "$0/group" /etc/group && exec "$@"' \
  "$folder" "$root/usr/sbin/lldpd" -d -I port0 -u "$folder/socket" -L /bin/true
ask() { "$root/usr/sbin/lldpcli" -u "$folder/socket" -f keyvalue "$@"; }
eventually 10 "lldpd answers" ask resume
say() { ip netns exec "$there" /usr/bin/python3 "$folder/say.py" "$1" "$2"; }
names() { ask show neighbors | sed -n 's/.*chassis\.name=//p' | sort | tr '\n' ' '; }
shows() { [[ $(names) == *"$1"* ]]; }

for type in nearest-bridge nearest-customer-bridge; do
  ask configure lldp agent-type "$type" >/dev/null
  say 0180c200000e "$type-for-0e"
  eventually 5 "what was said to -0E is shown" shows "$type-for-0e"
  expect "neighbours after an LLDPDU to -0E" "$(names)" "$type-for-0e "
  say 0180c2000000 "$type-for-00"
  eventually 5 "what was said to -00 is shown" shows "$type-for-00"
  expect "neighbours after one of the same to -00" "$(names)" "$type-for-00 "
done
