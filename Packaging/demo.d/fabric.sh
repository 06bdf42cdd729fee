# Sourced by Packaging/demo --fabric: two switches with VXLAN and FRR, two tenants with the same addresses. Not to be run by itself.
# shellcheck shell=bash disable=SC2154 # the variables are the demo's: id, lab, captures, bin
# shellcheck disable=SC2034 # the summary is the demo's

FRR_PACKAGES=(frr libyang2 libc-ares2 libcap2 libjson-c5 libreadline8)

# Tenant a is VNI 5000, tenant b is VNI 6000. Machine a1 is on host a1 at switch s1, a2 on host a2 at switch s2; so are b's.
vni_of() { case $1 in a*) say 5000 ;; b*) say 6000 ;; esac; }
ip_of() { say "10.0.0.${1#?}"; }
mac_of() { case $1 in a*) say "52:54:00:00:0a:0${1#?}" ;; b*) say "52:54:00:00:0b:0${1#?}" ;; esac; }
id_of() { case $1 in a*) say "1f9b1c53-8b5c-4eeb-8f00-d84eaa0cca0${1#?}" ;; b*) say "1f9b1c53-8b5c-4eeb-8f00-d84eaa0ccb0${1#?}" ;; esac; }

# FRR, installed or from its packages, which are unpacked and not installed: no service starts.
find_frr() {
  step "Looking for FRR"
  if [[ -x /usr/lib/frr/zebra && -x /usr/lib/frr/bgpd ]]; then
    frr=
  elif frr=${EVBD_LAB_CACHE:-.build-lab}/frr && [[ -x $frr/usr/lib/frr/zebra ]]; then
    frr=$(readlink -f "$frr")
  else
    frr=$lab/frr
    mkdir "$frr"
    (cd "$frr" && { apt-get -q -o APT::Sandbox::User=root download "${FRR_PACKAGES[@]}" \
        || { apt-get -q update && apt-get -q -o APT::Sandbox::User=root download "${FRR_PACKAGES[@]}"; }; } >/dev/null 2>&1) \
      || die "apt cannot download ${FRR_PACKAGES[*]}"
    local package
    for package in "$frr"/*.deb; do dpkg -x "$package" "$frr"; done
  fi
  frr_libraries=$(find "$frr/usr/lib" "$frr/lib" -name '*.so.*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
  say "   zebra and bgpd are in $frr/usr/lib/frr"
}

# Users of their own and a /run/frr of its own, in a mount namespace, so that each switch has its daemons.
frr_enter='run=$1 && shift && mount --make-rprivate / && cp /etc/passwd /etc/group "$run" &&
{ grep -q ^frr: "$run/passwd" || echo "frr:x:64998:64998::/:/bin/false" >>"$run/passwd"; } &&
{ grep -q ^frr: "$run/group" || echo "frr:x:64998:" >>"$run/group"; } &&
{ grep -q ^frrvty: "$run/group" || echo "frrvty:x:64997:frr" >>"$run/group"; } &&
mount --bind "$run/passwd" /etc/passwd && mount --bind "$run/group" /etc/group &&
mount -t tmpfs none /run && mkdir /run/frr && mount --bind "$run" /run/frr && chown -R frr:frr /run/frr && exec "$@"'

start_frr() { # SWITCH ADDRESS PEER
  local run=$lab/$1-frr program
  mkdir -m 755 "$run"
  say "hostname $1" >"$run/zebra.conf"
  cat >"$run/bgpd.conf" <<CONFIG
hostname $1
router bgp 65000
 bgp router-id $2
 no bgp default ipv4-unicast
 neighbor $3 remote-as 65000
 neighbor $3 timers connect 1
 address-family l2vpn evpn
  neighbor $3 activate
  advertise-all-vni
 exit-address-family
CONFIG
  [[ $1 != s1 ]] || indent <"$run/bgpd.conf"
  chmod 711 "$lab"
  for program in zebra bgpd; do
    # shellcheck disable=SC2154 # the daemon's
    start "$1-$program" ip netns exec "$id-$1" unshare --mount sh -c "$frr_enter" sh "$run" \
      env LD_LIBRARY_PATH="$frr_libraries" "$frr/usr/lib/frr/$program" -A 127.0.0.1 -u frr -g frr -i "/run/frr/$program.pid" \
      -f "/run/frr/$program.conf" --log stdout
    eventually 20 "$program of $1 runs" test -S "$run/$program.vty"
  done
}

lay_fabric() {
  local switch host tenant number
  step "Laying the lab: two switches on one cable, and on each a host of tenant a and one of tenant b"
  for switch in s1 s2; do namespace "$switch"; done
  ip -n "$id-s1" link add u0 mtu 1550 type veth peer name u0 netns "$id-s2" mtu 1550
  for number in 1 2; do
    switch=s$number
    ip -n "$id-$switch" address add "192.0.2.$number/24" dev u0
    ip -n "$id-$switch" link set u0 up
    for tenant in a b; do
      host=$tenant$number
      namespace "h$host"
      ip -n "$id-$switch" link add "br$tenant" type bridge stp_state 1 forward_delay 200 mcast_snooping 0
      ip -n "$id-$switch" link add "vx$tenant" type vxlan id "$(vni_of "$host")" dstport 4789 local "192.0.2.$number" nolearning
      ip -n "$id-$switch" link set "vx$tenant" master "br$tenant"
      inside "$switch" bridge link set dev "vx$tenant" learning off
      ip -n "$id-h$host" link add uplink0 type veth peer name "p$tenant" netns "$id-$switch"
      ip -n "$id-$switch" link set "p$tenant" master "br$tenant" up
      ip -n "$id-h$host" link set uplink0 up
      ip -n "$id-$switch" link set "vx$tenant" up
      ip -n "$id-$switch" link set "br$tenant" up
    done
  done
  cat <<PICTURE

     host a1 --- pa [bra, VNI 5000] vxa --+                      +-- vxa [bra, VNI 5000] pa --- host a2
                          s1              |== u0 ======== u0 ==  |              s2
     host b1 --- pb [brb, VNI 6000] vxb --+                      +-- vxb [brb, VNI 6000] pb --- host b2

PICTURE
  capture underlay s1 u0
}

start_fabric() {
  local switch host number
  step "Starting FRR on both switches: this is all of its configuration on s1"
  start_frr s1 192.0.2.1 192.0.2.2
  start_frr s2 192.0.2.2 192.0.2.1
  step "Starting evbd as the switch: a group is a virtual network, on its ports pa and pb"
  cat >"$lab/types.yaml" <<'TYPES'
overlay: {}
types:
  - { name: tenant a, type: 1, groups: [{ group: 5000, vlan: 0 }] }
  - { name: tenant b, type: 2, groups: [{ group: 6000, vlan: 0 }] }
TYPES
  indent <"$lab/types.yaml"
  for switch in s1 s2; do
    daemon "$switch" "$switch" <<CONFIG
ports:
  - { interface: pa, role: bridge, vsi-types: $lab/types.yaml }
  - { interface: pb, role: bridge, vsi-types: $lab/types.yaml }
CONFIG
  done
  step "Starting evbd on the four hosts"
  for host in a1 b1 a2 b2; do daemon "h$host" "h$host" <<<$'ports:\n  - { interface: uplink0 }'; done
  for host in a1 b1 a2 b2; do eventually 20 "host $host and its switch have found each other" fabric_granted "h$host"; done
  for number in 1 2; do
    for host in a b; do eventually 20 "p$host of s$number forwards" fabric_forwards "s$number" "p$host"; done
  done
}
fabric_granted() { evbctl --socket "$lab/$1.sock" status | grep -Eq '^uplink0 .* granted '; }
fabric_forwards() { inside "$1" bridge link show dev "$2" | grep -q 'state forwarding'; }

words_for() { # MACHINE
  local type=1
  [[ $1 != b* ]] || type=2
  say "$(id_of "$1") --port uplink0 --type $type --filter mac=$(mac_of "$1"),vlan=0,group=$(vni_of "$1")"
}
plug_into() { # MACHINE HOST NAME: its VSI is associated, and its link is the machine's card
  # shellcheck disable=SC2046 # words
  at "h$2" vsi associate $(words_for "$1") --link "vm$1" --link-kind macvlan
  ip -n "$id-h$2" link set "vm$1" netns "$id-vm$1" name "$3"
}
address_in() { # MACHINE NAME
  ip -n "$id-vm$1" address add "$(ip_of "$1")/24" dev "$2"
  ip -n "$id-vm$1" link set "$2" up
}
known_behind() { # MACHINE SWITCH PORT: where the switch has the machine
  inside "$2" bridge fdb show br "br${1%?}" | grep -q "^$(mac_of "$1") dev $3 "
}
answers() { # FROM TO COUNT
  inside "vm$1" ping -n -q -i 0.02 -W 1 -c "$3" "$(ip_of "$2")" | sed -n 's/.* \([0-9]*\) received.*/\1/p'
}

talk_in_networks() {
  local machine tenant answered
  step "Associating four machines. Those of both tenants have the same IP addresses"
  for machine in a1 b1 a2 b2; do
    namespace "vm$machine"
    plug_into "$machine" "$machine" eth0
    address_in "$machine" eth0
  done
  at s1 vsi list
  for tenant in a b; do
    eventually 20 "s2 has heard by BGP that ${tenant}1 is behind s1" known_behind "${tenant}1" s2 "vx$tenant"
    eventually 20 "s1 has heard that ${tenant}2 is behind s2" known_behind "${tenant}2" s1 "vx$tenant"
  done
  step "Each machine pings its own tenant's other machine, by the same address"
  for tenant in a b; do
    typed_in "${tenant}1" ping -c 20 "$(ip_of "${tenant}2")"
    answered=$(answers "${tenant}1" "${tenant}2" 20)
    ((answered >= 19)) || die "NOT so: ${tenant}1 reaches ${tenant}2 ($answered of 20 pings came back)"
    ok "${tenant}1 reaches ${tenant}2 ($answered of 20)"
    check "and it is ${tenant}2 that has answered" has_neighbour "${tenant}1" "$(mac_of "${tenant}2")"
  done
}
has_neighbour() { ip -n "$id-vm$1" neighbour show | grep -q "$2"; }

move_across() {
  step "Machine a1 moves from s1 to s2, while a2 pings it 100 times a second"
  start moving ip netns exec "$id-vma2" ping -n -i 0.01 -W 1 -c 400 "$(ip_of a1)"
  local process=$started
  eventually 20 "pings come back" says moving 'icmp_seq=50 '
  # shellcheck disable=SC2046 # words
  at ha2 vsi preassociate $(words_for a1) --migrating --reserve
  plug_into a1 a2 eth1
  ip -n "$id-vma1" link set eth0 down
  address_in a1 eth1
  at ha1 vsi deassociate "$(id_of a1)"
  wait "$process" || true
  local answered
  answered=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$lab/moving.log")
  lost=$((400 - ${answered:-0}))
  say "   $lost of 400 pings were lost"
  ((lost <= 40)) || die "NOT so: at most 40 pings are lost"
  eventually 10 "s2 has a1 at its own port" known_behind a1 s2 pa
  eventually 10 "s1 has heard that it is behind s2" known_behind a1 s1 vxa
  answered=$(answers b2 b1 20)
  ((answered >= 19)) || die "NOT so: tenant b is as before ($answered of 20 pings came back)"
  ok "tenant b is as before ($answered of 20)"
}

draw_fabric() {
  step "Where everything is now"
  at s1 vsi list
  at s2 vsi list
  cat <<PICTURE

     s1  192.0.2.1                       s2  192.0.2.2
     VNI 5000  -                         VNI 5000  a1 10.0.0.1, a2 10.0.0.2
     VNI 6000  b1 10.0.0.1               VNI 6000  b2 10.0.0.2

PICTURE
  /usr/bin/python3 -I Packaging/demo.d/fabric.py "$lost" >"$captures/fabric.svg"
  [[ ${SUDO_UID:-0} == 0 ]] || chown "$SUDO_UID:$SUDO_GID" "$captures/fabric.svg"
  say "   The picture: $captures/fabric.svg"
  summary=("Two switches carry two tenants with the same addresses in two virtual networks, and FRR tells each where a machine is."
    "A group ID that a host asks for by VDP is the network; evbd has it at the switch before the first frame"
    "$lost of 400 pings were lost while a machine moved to the other switch.")
}
