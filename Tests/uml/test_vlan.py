"""VLAN devices: what the kernel of a build machine may not have. To be run inside Tests/uml/run."""

import uuid

import pytest

from lab import Wire, eventually, netlink
from lab.codec import ASSOCIATE, Filter, mac

GUEST = "52:54:00:11:22:33"


def add_vlan(namespace, parent, identifier):
    """A VLAN device on the parent, up. Without this kernel feature the test fails: it was run in the wrong place."""
    name = f"{parent}.{identifier}"
    namespace.ip("link", "add", "link", parent, "name", name, "type", "vlan", "id", identifier)
    namespace.ip("link", "set", name, "up")
    eventually(lambda: namespace.link(name)["operstate"] == "UP", 5, f"{name} is up")
    return name


def test_the_kernel_has_vlan_devices(cable):
    assert add_vlan(cable.host, "uplink0", 10) in cable.host.links()


def test_a_vsi_on_a_vlan_device(cable):
    """VDP-04 ARC-06 A VSI with filter VID 10 is associated at lldpad, and its macvtap is there and up."""
    bridge = cable.lldpad_bridge()
    vlan = add_vlan(cable.host, "uplink0", 10)
    wire = cable.wire()
    evbd = cable.evbd().wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--filter", f"mac={GUEST},vlan=10", "--link", "vm10", mac=None)

    shown = evbd.vsi(vsi)
    assert shown["state"] == "associated"
    assert [(entry["mac"], entry["vlan"]) for entry in shown["filters"]] == [(GUEST, 10)]
    assert shown["link"] == {"name": "vm10", "kind": "macvtap", "mode": "vepa"}
    assert bridge.holds(vsi)
    asked = [item for frame in wire.received() if frame.vdp for item in frame.vdp.vsis if item.command == ASSOCIATE]
    assert asked[0].filters == (Filter(10, mac(GUEST)),)

    # On the VLAN's device, so that the guest need not tag its frames, and its macvtap takes the tag off.
    link = cable.host.link("vm10")
    assert link["link"] == vlan and link["linkinfo"]["info_data"]["mode"] == "vepa" and link["address"] == GUEST
    assert cable.host.is_up("vm10")

    assert evbd.ctl("vsi", "deassociate", vsi).returncode == 0
    assert cable.host.link("vm10") is None and evbd.state(vsi) in (None, "deassociated")
    eventually(lambda: not bridge.holds(vsi), 5, "the bridge has let the VSI go")
    assert cable.host.is_up(vlan), "a VLAN device that evbd did not make is not evbd's to remove"


def test_evbd_makes_the_vlan_device_and_takes_it_away(cable):
    """VDP-04 ARC-06 Without a device of the VLAN evbd makes one, which the VSIs of this VLAN share and which goes with the last; frames leave tagged."""
    cable.lldpad_bridge()
    wire = cable.wire()
    evbd = cable.evbd().wait_for_bridge()
    vsis = [str(uuid.uuid4()) for _ in range(3)]
    for number, (vsi, vlan) in enumerate(zip(vsis, (10, 10, 11))):
        evbd.associate(vsi, "--filter", f"mac=52:54:00:11:00:0{number},vlan={vlan}", "--link", f"vm{number}", "--link-kind", "macvlan", mac=None)
    assert [cable.host.link(f"vm{number}")["link"] for number in range(3)] == ["uplink0.10", "uplink0.10", "uplink0.11"]
    assert cable.host.link("uplink0.10")["linkinfo"]["info_data"]["id"] == 10 and cable.host.is_up("uplink0.10")
    guest = Wire(cable.host, "vm0")
    cable.lab.at_end(guest.close)
    guest.send(b"\xff" * 6 + mac("52:54:00:11:00:00") + b"\x88\xb5" + b"tag me".ljust(60, b"\0"))
    # A packet socket is told the tag beside the frame; the other end's own VLAN device sees the frame only if it had it.
    ten = Wire(cable.switch, add_vlan(cable.switch, "port0", 10))
    cable.lab.at_end(ten.close)
    eventually(lambda: guest.send(b"\xff" * 6 + mac("52:54:00:11:00:00") + b"\x88\xb5" + b"tag me".ljust(60, b"\0"))
               or ten.received(lambda frame: b"tag me" in frame.octets), 5, "its frames are of VLAN 10 on the wire")
    assert wire.received(lambda frame: b"tag me" in frame.octets)

    for vsi, left in ((vsis[0], {"uplink0.10", "uplink0.11"}), (vsis[1], {"uplink0.11"}), (vsis[2], set())):
        assert evbd.ctl("vsi", "deassociate", vsi).returncode == 0
        eventually(lambda: {name for name in cable.host.links() if name.startswith("uplink0.")} == left, 5, f"left are {left}")


def test_the_vlan_that_the_bridge_gives(cable):
    """VDP-04 ARC-06 The filter asks for a VLAN, the bridge gives 20: the link is on the device of VLAN 20. A taken name is got around."""
    def give(request):
        return request.answered(filters=tuple(Filter(20, entry.mac) for entry in request.filters))
    cable.scripted_bridge(answer=give)
    cable.host.ip("link", "add", "uplink0.20", "type", "dummy")
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    index = cable.host.index("uplink0")
    device = cable.host.link("vm0")["link"]
    assert device == f"evb{index}.20" and cable.host.link(device)["linkinfo"]["info_data"]["id"] == 20
    assert evbd.ctl("vsi", "deassociate", vsi).returncode == 0
    eventually(lambda: cable.host.link(device) is None, 5, "gone with its last link")
    assert cable.host.link("uplink0.20")


def test_libvirts_link_on_a_vlan_device(cable):
    """VDP-41 ARC-06 <source dev='uplink0.10'/>: libvirt asks on the port with VLAN 10; its macvtap on the VLAN device is adopted."""
    bridge = cable.scripted_bridge()
    vlan, other = add_vlan(cable.host, "uplink0", 10), add_vlan(cable.host, "uplink0", 11)
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    # The same address in another VLAN is another machine.
    for name, parent in (("macvtap1", other), ("macvtap0", vlan)):
        cable.host.ip("link", "add", "link", parent, "name", name, "address", GUEST, "type", "macvtap", "mode", "vepa")
    client = evbd.libvirt()
    assert client.request(GUEST, vsi, netlink.ASSOCIATE, vlan=10)
    assert evbd.vsi(vsi)["link"]["name"] == "macvtap0" and cable.host.is_up("macvtap0") and not cable.host.is_up("macvtap1")
    bridge.stop(goodbye=True)
    eventually(lambda: not cable.host.is_up("macvtap0"), 5, "cut with the bridge")
    assert cable.host.is_up(vlan)


def test_a_kernel_without_netdev_rules_is_reported(cable):
    """ARC-09 This kernel has no nftables of the family netdev: machines run, and evbd says loudly that they are not filtered."""
    cable.scripted_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    assert cable.host.is_up("vm0")
    assert "can speak LLDP and ECP to the switch" in evbd.process.output() and "guest-filter: false" in evbd.process.output()


@pytest.mark.parametrize("link", [False, True], ids=["control-plane", "with-link"])
def test_a_vlan_device_as_port(cable, link):
    """ARC-10 EVB, ECP and VDP run tagged on a VLAN device that is itself the port. lldpad takes no VLAN devices, so the bridge is ours."""
    add_vlan(cable.switch, "port0", 10)
    uplink = add_vlan(cable.host, "uplink0", 10)
    bridge = cable.scripted_bridge(interface="port0.10")
    evbd = cable.evbd(ports=[uplink]).wait_for_bridge(uplink)
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, *(["--link", "vm0"] if link else []), port=uplink, mac=GUEST)
    assert evbd.state(vsi) == "associated"
    assert [item.uuid for item in bridge.commands(ASSOCIATE)][0] == vsi
    if link:
        assert cable.host.link("vm0")["link"] == uplink and cable.host.is_up("vm0")
    assert evbd.ctl("vsi", "deassociate", vsi, "--port", uplink).returncode == 0
    if link:
        assert cable.host.link("vm0") is None
    assert evbd.port("uplink0") is None, "only the configured port is a port"


def test_SEC_39_an_8021ad_device_is_not_the_vlans(cable):
    """SEC-39 Where an 802.1ad device has the name and the number that the VLAN's would have, the VSI's link is on a device of 802.1Q."""
    cable.lldpad_bridge()
    cable.host.ip("link", "add", "link", "uplink0", "name", "uplink0.20", "type", "vlan", "proto", "802.1ad", "id", "20")
    cable.host.ip("link", "set", "uplink0.20", "up")
    evbd = cable.evbd().wait_for_bridge()
    evbd.associate(str(uuid.uuid4()), "--filter", f"mac={GUEST},vlan=20", "--link", "vm0", mac=None)
    device = cable.host.link(cable.host.link("vm0")["link"])
    assert device["ifname"] != "uplink0.20" and device["link"] == "uplink0"
    assert device["linkinfo"]["info_data"]["protocol"] == "802.1Q" and device["linkinfo"]["info_data"]["id"] == 20
    # A link that another program has made on the 802.1ad device is in another network: it is not the VSI's.
    other = "52:54:00:11:22:77"
    cable.host.ip("link", "add", "link", "uplink0.20", "name", "vm1", "address", other, "type", "macvtap", "mode", "vepa")
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--filter", f"mac={other},vlan=20", mac=None)
    assert evbd.vsi(vsi)["link"] is None and not cable.host.is_up("vm1")


def test_HEAL_1101_an_announcement_is_in_the_vlan_of_the_filter(cable):
    """The link is on the device of the VLAN, which tags what evbd sends by it."""
    cable.scripted_bridge()
    inside = Wire(cable.switch, add_vlan(cable.switch, "port0", 100))
    cable.lab.at_end(inside.close)
    evbd = cable.evbd().wait_for_bridge()
    evbd.associate(str(uuid.uuid4()), "--filter", f"mac={GUEST},vlan=100", "--link", "vm10", "--link-kind", "macvlan", mac=None)
    head = b"\xff" * 6 + mac(GUEST) + b"\x80\x35"
    eventually(lambda: len(inside.received(lambda heard: heard.octets.startswith(head))) == 5, 5, "announced in the VLAN")
