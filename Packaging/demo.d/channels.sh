# Sourced by Packaging/demo --channels: a VEPA, a VEB and one machine's own wire on one cable. Not to be run by itself.
# shellcheck shell=bash disable=SC2154 # the variables are the demo's: id, lab, captures, bin
# shellcheck disable=SC2034 # the summary is the demo's

# MACHINE: the port on the host, the switch's port, its VLAN at the switch, and the machine's address.
channel_of=('' uplink0.c2 uplink0.c2 uplink0.c3 uplink0.c3 uplink0.c4 uplink0)
sbp_of=('' port0.c2 port0.c2 port0.c3 port0.c3 port0.c4 port0)
vlan_of=('' 102 102 103 103 104 101)
hosts_of=('' 1 2 1 2 1 1)

# VLAN devices of 802.1ad, and VLANs of a bridge.
has_channels_kernel() {
  local probe=evbd-demo-probe-$$ status=0
  ip netns add "$probe"
  { ip -n "$probe" link add br0 type bridge vlan_filtering 1 \
      && ip -n "$probe" link add link br0 name s type vlan proto 802.1ad id 2 \
      && ip -n "$probe" link add v0 type veth peer name v1 && ip -n "$probe" link set v0 master br0 \
      && ip netns exec "$probe" bridge vlan add dev v0 vid 7; } >/dev/null 2>&1 || status=1
  ip netns delete "$probe"
  return "$status"
}

# This kernel cannot, and User Mode Linux can: it is a kernel that runs as a process.
in_another_kernel() {
  step "This kernel ($(uname -r)) has no VLAN devices or VLANs of bridges: the demo runs in User Mode Linux"
  exec Tests/uml/run -t 280 -m 768 -- env EVBD_BIN_DIR="$bin" EVBD_DEMO_KERNEL=1 Packaging/demo --channels
}

lay_channels() {
  step "Laying the lab: a host and a switch, one cable between them, and a machine on the LAN"
  for name in switch host lan; do namespace "$name"; done
  ip -n "$id-switch" link add br0 type bridge vlan_filtering 1 stp_state 1 forward_delay 200 mcast_snooping 0
  ip -n "$id-switch" link set br0 up
  ip -n "$id-host" link add uplink0 address 02:00:00:00:aa:01 type veth peer name port0 netns "$id-switch" address 02:00:00:00:bb:01
  ip -n "$id-lan" link add lan0 type veth peer name port1 netns "$id-switch"
  for port in port0 port1; do ip -n "$id-switch" link set "$port" master br0 up; done
  ip -n "$id-host" link set uplink0 up
  ip -n "$id-lan" link set lan0 up
  cat <<PICTURE

     vm1 vm2     vm3 vm4      vm5         vm6
     VEPA        VEB          direct      VEPA
     uplink0.c2  uplink0.c3   uplink0.c4  uplink0          port0 port0.c2 port0.c3 port0.c4  port1 --- lan
        +------------+-----------+-----------+                +-------+--------+-------+-------+
                     uplink0 ========================= port0                 br0
                   $id-host                                         $id-switch

PICTURE
  capture cable switch port0
}

start_channels() {
  step "Starting evbd as the switch: it gives S-tags 100 to 131 to a station that asks for channels"
  daemon switch switch <<'CONFIG'
ports:
  - interface: port0
    role: bridge
    s-channels: { svids: 100-131, bridge: br0 }
reload: { ends-vsis: true }
CONFIG
  step "Starting evbd on the host: three channels beside channel 1, by what they are for"
  daemon host host <<'CONFIG'
ports:
  - interface: uplink0
    s-channels:
      channels:
        - { scid: 2 }                        # tenants: every frame goes to the switch
        - { scid: 3, edge-relay: veb }       # management: the host relays
        - { scid: 4, edge-relay: direct }    # one machine has it for itself
CONFIG
  local number
  for number in 2 3 4; do eventually 20 "channel $number is there, with a bridge at its other end" heard "uplink0.c$number"; done
  at host port list
  step "Each channel is a port of the switch of its own, with a VLAN of its own; the LAN is in all four"
  local port vlan
  for port in port0:101 port0.c2:102 port0.c3:103 port0.c4:104; do
    vlan=${port#*:}
    shown ip netns exec "$id-switch" bridge vlan add dev "${port%:*}" vid "$vlan" pvid untagged
    inside switch bridge vlan add dev port1 vid "$vlan"
    ip -n "$id-lan" link add link lan0 name "lan0.$vlan" type vlan id "$vlan"
    ip -n "$id-lan" address add "10.$vlan.0.99/24" dev "lan0.$vlan"
    ip -n "$id-lan" link set "lan0.$vlan" up
    eventually 20 "${port%:*} forwards" forwards "${port%:*}"
  done
}
heard() { evbctl --socket "$lab/host.sock" port show "$1" | grep -q '^EVB peer .*(bridge)'; }
forwards() { inside switch bridge link show dev "$1" | grep -q 'state forwarding'; }

address_of() { say "10.${vlan_of[$1]}.0.${hosts_of[$1]}"; }
lan_of() { say "10.${vlan_of[$1]}.0.99"; }

plug_in() { # MACHINE: asked for at the switch, its link into its namespace
  local mac=52:54:00:00:00:0$1 id_of=1f9b1c53-8b5c-4eeb-8f00-d84eaa0bbb0$1
  at host vsi associate "$id_of" --port "${channel_of[$1]}" --type 100 --filter "mac=$mac" --link "vm$1" --link-kind macvlan
  namespace "vm$1"
  ip -n "$id-host" link set "vm$1" netns "$id-vm$1" name eth0
  ip -n "$id-vm$1" link set eth0 up
  ip -n "$id-vm$1" address add "$(address_of "$1")/24" dev eth0
}

pings() { # FROM ADDRESS COUNT: how many are answered
  inside "vm$1" ping -n -q -i 0.02 -W 1 -c "$3" "$2" | sed -n 's/.* \([0-9]*\) received.*/\1/p'
}
reaches() { # FROM ADDRESS WHAT
  typed_in "$1" ping -c 20 "$2"
  local answered
  answered=$(pings "$1" "$2" 20)
  ((answered >= 19)) || die "NOT so: $3 ($answered of 20 pings came back)"
  ok "$3"
}
frames() { inside host cat "/sys/class/net/$1/statistics/tx_packets"; }

talk_in_channels() {
  local number before
  step "Associating two machines on the VEPA, two on the VEB, one on its own wire, one in channel 1"
  for number in 1 2 3 4 5 6; do plug_in "$number"; done
  at switch vsi list
  step "All of them reach the LAN"
  for number in 1 3 5 6; do reaches "$number" "$(lan_of "$number")" "machine $number on ${channel_of[$number]} reaches the LAN"; done
  step "On the VEPA, machines reach each other by way of the switch; on the VEB, inside the host"
  before=$(frames uplink0.c2)
  reaches 1 "$(address_of 2)" "machine 1 reaches machine 2"
  check "20 questions and 20 answers have left by uplink0.c2" at_least $((before + 40)) uplink0.c2
  before=$(frames uplink0.c3)
  reaches 3 "$(address_of 4)" "machine 3 reaches machine 4"
  check "and next to nothing by uplink0.c3" at_most $((before + 12)) uplink0.c3
}
at_least() { (($(frames "$2") >= $1)); }
at_most() { (($(frames "$2") <= $1)); }

hop() {
  step "Machine 6 in channel 1 puts the S-tag of the tenants' channel on its own frames"
  start listener ip netns exec "$id-vm1" tcpdump -n -U --immediate-mode -i eth0 ether proto 0x9999
  eventually 10 "machine 1 listens" says listener 'listening on'
  inside vm6 /usr/bin/python3 - <<'PYTHON' || true
import contextlib, socket
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
wire.bind(("eth0", 0))
for _ in range(20):
    with contextlib.suppress(OSError):   # the kernel says that it has dropped it
        wire.send(b"\xff" * 6 + bytes.fromhex("525400000006") + bytes.fromhex("88a80064") + b"\x99\x99" + b"hop" * 20)
PYTHON
  reaches 6 "$(lan_of 6)" "its own frames pass"
  check "and none of the others has come to machine 1" hears_nothing
  shown ip netns exec "$id-host" tc filter show dev uplink0 egress
}
hears_nothing() { ! grep -q 0x9999 "$lab/listener.log"; }

move_channel() {
  step "The switch gives the channels other S-tags, while machine 1 pings the LAN 50 times a second"
  start moving ip netns exec "$id-vm1" ping -n -i 0.02 -W 1 -c 200 "$(lan_of 1)"
  local process=$started answered
  eventually 10 "pings come back" says moving 'icmp_seq=40 '
  sed -i 's/svids: 100-131/svids: 200-231/' "$lab/switch.yaml"
  at switch reload
  eventually 10 "the host has followed" moved
  wait "$process" || true
  answered=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$lab/moving.log")
  say "   $((200 - answered)) of 200 pings were lost"
  ((200 - answered <= 20)) || die "NOT so: at most 20 pings are lost"
  at host port list
  summary=("One cable carries a VEPA, a VEB and one machine's own wire, each a port of the switch with a VLAN and a hairpin flag of its own."
    "No machine gets into another channel, by an S-tag of its own either"
    "$((200 - answered)) of 200 pings were lost while the switch gave all channels other S-tags.")
}
moved() { evbctl --socket "$lab/host.sock" port show uplink0 | grep -q '(2,200)'; }
