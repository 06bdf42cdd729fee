"""VLAN devices: what the kernel of a build machine may not have. To be run inside Tests/uml/run."""

import uuid

import pytest

from lab import eventually
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

    # Whether the link sits on the port, for a guest that tags its frames itself, or on the VLAN device is evbd's choice to document.
    link = cable.host.link("vm10")
    assert link["link"] in ("uplink0", vlan) and link["linkinfo"]["info_data"]["mode"] == "vepa" and link["address"] == GUEST
    assert cable.host.is_up("vm10")

    assert evbd.ctl("vsi", "deassociate", vsi).returncode == 0
    assert cable.host.link("vm10") is None and evbd.state(vsi) in (None, "deassociated")
    eventually(lambda: not bridge.holds(vsi), 5, "the bridge has let the VSI go")
    assert cable.host.is_up(vlan), "a VLAN device that evbd did not make is not evbd's to remove"


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
