#!/bin/bash
# libnl-route 3.7: rtnl_link_change() says 0 where nothing was changed, and an error where it was.
#
# On a macvtap in mode vepa. A change object of rtnl_link_macvlan_alloc(), the kind of the same driver, with the mode bridge: the answer is
# 0, and the mode is still vepa. The object that rtnl_link_get_kernel() gave, with the mode set in it, as the change: the answer is -10 (not
# supported), and the mode has become bridge. strace shows why: the kernel refuses the other kind as RTM_NEWLINK (EOPNOTSUPP), libnl then
# sends the same as RTM_SETLINK, where the kernel looks at no data of a kind; of the whole object the kernel takes the mode before it
# refuses another attribute, and puts nothing back.
# What to do: make the change object of exactly the link's kind, and read the link again. Seen 2026-11-29 on Linux 6.18.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib/common.sh
. "${0%/*}/lib/common.sh"
packages libnl-3-200=3.7.0-0.2+b1 libnl-route-3-200=3.7.0-0.2+b1

cat >change.py <<'P'
import ctypes, re, subprocess, sys
nl, route = ctypes.CDLL("libnl-3.so.200"), ctypes.CDLL("libnl-route-3.so.200")
pointer, BRIDGE = ctypes.c_void_p, 4
for call in (nl.nl_socket_alloc, route.rtnl_link_macvlan_alloc, route.rtnl_link_macvtap_alloc):
    call.restype = pointer
nl.nl_connect.argtypes = [pointer, ctypes.c_int]
route.rtnl_link_get_kernel.argtypes = [pointer, ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(pointer)]
route.rtnl_link_macvlan_set_mode.argtypes = route.rtnl_link_macvtap_set_mode.argtypes = [pointer, ctypes.c_uint32]
route.rtnl_link_change.argtypes = [pointer, pointer, pointer, ctypes.c_int]
socket = nl.nl_socket_alloc()
assert nl.nl_connect(socket, 0) == 0

def fetched():
    link = pointer()
    assert route.rtnl_link_get_kernel(socket, 0, b"tap0", ctypes.byref(link)) == 0
    return link

if sys.argv[1] == "macvlan":
    change = route.rtnl_link_macvlan_alloc()
    assert route.rtnl_link_macvlan_set_mode(change, BRIDGE) == 0
else:
    change = fetched() if sys.argv[1] == "fetched" else route.rtnl_link_macvtap_alloc()
    assert route.rtnl_link_macvtap_set_mode(change, BRIDGE) == 0
said = route.rtnl_link_change(socket, fetched(), change, 0)
shown = subprocess.run(["ip", "-d", "link", "show", "tap0"], capture_output=True, text=True).stdout
print(f"{said}, then {re.search('macvtap +mode ([a-z]+)', shown).group(1)}")
P
cable
ip -n "$here" link add link port0 name tap0 type macvtap mode vepa || unable "this kernel has no macvtap"
change() {
  ip -n "$here" link set tap0 type macvtap mode vepa
  ip netns exec "$here" env LD_LIBRARY_PATH="$libraries" /usr/bin/python3 change.py "$1"
}
expect "a macvlan object as the change" "$(change macvlan)" "0, then vepa"
expect "the fetched object as the change" "$(change fetched)" "-10, then bridge"
expect "a macvtap object as the change" "$(change macvtap)" "0, then bridge"
