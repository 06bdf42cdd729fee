"""ECP and LLDP count only when sent to the group address of their dialect, untagged: what is sent elsewhere a bridge relays from anywhere."""

import uuid

from lab import Evbd, Wire, eventually
from lab.codec import (ASSOCIATE, DEASSOCIATE, ECPDU, ETHERTYPE_ECP, ETHERTYPE_LLDP, LLDPDU, VDPDU, VSI, Filter, ethernet, mac)
from lab.evbd import yaml
from lab.fixtures import PORT_MAC, UPLINK_MAC
from lab.switch import Switch
from lab.tap import Macvtap
from lab.types import Observer, frame as plain_frame
from test_reload import reload

GUEST, NEIGHBOUR, STRANGER = "52:54:00:11:22:33", "52:54:00:11:22:44", "52:54:00:66:66:66"
FURTHER, OTHER = "01:00:0d:00:0f:0a", "01:00:0d:00:0f:0b"


def saying(command, vsi, address, source, destination, sequence, type_id=100):
    """An ECPDU with one association TLV, as its station or its bridge would send it but for the destination."""
    item = VSI(command, 0, type_id, 0, uuid.UUID(vsi).bytes, (Filter(0, mac(address)),))
    payload = ECPDU(False, sequence, VDPDU(bytes(16), (item,)).encode()).encode()
    return ethernet(source, ETHERTYPE_ECP, payload, destination=mac(destination))


def count(evbd, name, interface):
    """A counter of a port."""
    return evbd.ctl_json("stats", interface)[0]["counters"][name]


def dropped(evbd, interface, send, counter="SocketStrays"):
    """Sends, and waits until evbd has counted the frame: from then on it has had whatever effect it has."""
    before = count(evbd, counter, interface)
    send()
    eventually(lambda: count(evbd, counter, interface) > before, 5, f"{counter} rises\n{evbd.process.tail()}")


def test_SEC_18_a_guest_cannot_speak_by_unicast(cable):
    """SEC-18 ECP to the unicast address of switch or host, from a guest or from elsewhere in the network, changes no VSI and makes none; it is counted and logged once."""
    switch = Switch(cable.lab, cable.switch)
    types = cable.lab.directory / "types.yaml"
    types.write_text(yaml({"types": [{"name": "web", "type": 100}], "allow-macs": [UPLINK_MAC]}) + "\n")
    bridge = switch.evbd(ports=[{"interface": "port0", "vsi-types": types}])
    evbd = cable.evbd()
    far = Observer(cable, switch)
    evbd.wait_for_bridge()
    neighbour, own, forged = (str(uuid.uuid4()) for _ in range(3))
    evbd.associate(neighbour, "--link", "vm1", mac=NEIGHBOUR, type_id=100)
    evbd.associate(own, "--link", "vm0", mac=GUEST, type_id=100)
    switch.wait_until_forwarding()
    eventually(switch.hairpin, 5, "the switch reflects")
    # The switch learns where the host is, as by any traffic of the host.
    cable.host_wire().send(plain_frame(UPLINK_MAC))
    tap = Macvtap(cable.lab, cable.host, "vm0")

    for sequence in (0x7001, 0x7002):
        frame = saying(DEASSOCIATE, neighbour, NEIGHBOUR, UPLINK_MAC, PORT_MAC, sequence)
        dropped(bridge, "port0", lambda frame=frame: tap.send(frame))
    # In the switch's name to the host: from another machine of the network, past the types that bind the guest.
    goodbye = LLDPDU(b"\x04" + mac(PORT_MAC), b"\x05port0", 0).encode()
    dropped(evbd, "uplink0", lambda: far.wire.send(ethernet(PORT_MAC, ETHERTYPE_LLDP, goodbye, destination=mac(UPLINK_MAC))))
    dropped(evbd, "uplink0", lambda: far.wire.send(saying(DEASSOCIATE, neighbour, NEIGHBOUR, PORT_MAC, UPLINK_MAC, 0x7004)))
    dropped(bridge, "port0", lambda: tap.send(saying(ASSOCIATE, forged, STRANGER, UPLINK_MAC, PORT_MAC, 0x7005)))

    assert evbd.state(neighbour) == "associated" and cable.host.is_up("vm1") and evbd.hears_bridge()
    assert bridge.vsi(neighbour)["state"] == "associated"
    assert bridge.vsi(forged) is None and evbd.vsi(forged) is None
    assert count(bridge, "EcpRxOtherSource", "port0") == 0 and count(evbd, "EcpRxOtherSource", "uplink0") == 0
    for process in (bridge.process, evbd.process):
        assert process.output().count("dropping ECP from") == 1, process.output()


def test_SEC_19_one_further_address(new_lab):
    """SEC-19 Behind a box that consumes the standards' addresses, both ends speak by the one that the configuration names; a reload takes it away."""
    lab = new_lab()
    host, box, switch = (lab.namespace(name) for name in ("host", "box", "switch"))
    lab.veth(host, "uplink0", UPLINK_MAC, box, "south", "02:00:00:00:cc:01")
    lab.veth(switch, "port0", PORT_MAC, box, "north", "02:00:00:00:cc:02")
    # With STP it takes what is for bridges, as 802.1Q has it.
    Switch(lab, box, ports=("south", "north"), bridge="mid", stp=True).wait_until_forwarding()
    bridge = Evbd(lab, switch, name="switch", libvirt={"enabled": False},
                  ports=[{"interface": "port0", "role": "bridge", "group-address": FURTHER}])
    evbd = Evbd(lab, host, ports=[{"interface": "uplink0", "group-address": FURTHER}]).wait_for_bridge()
    wire = Wire(switch, "port0")
    lab.at_end(wire.close)
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    assert bridge.vsi(vsi)["state"] == "associated"
    spoken = [frame for frame in wire.look() if frame.ethertype in (ETHERTYPE_ECP, ETHERTYPE_LLDP)]
    assert spoken and {frame.destination for frame in spoken} == {mac(FURTHER)}
    # Only that one.
    dropped(bridge, "port0", lambda: Wire(box, "north").send(saying(DEASSOCIATE, vsi, GUEST, UPLINK_MAC, OTHER, 0x7001)))
    assert bridge.vsi(vsi)["state"] == "associated"
    # The switch does not hear it any more: the host's frames are strays there.
    del bridge.config["ports"][0]["group-address"]
    reload(bridge)
    # Its sockets are others now; each of the host's keep-alives is counted.
    dropped(bridge, "port0", lambda: evbd.ctl("vsi", "deassociate", vsi))
    assert bridge.vsi(vsi)["state"] == "associated"


def test_SEC_14_SEC_16_a_draft_address_is_not_the_ratified_one(cable):
    """SEC-14 SEC-16 ECP and LLDP to the group address of the other dialect pass the kernel, for the draft needs it, and are dropped and counted by the port."""
    bridge = cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    wire = cable.wire()
    nearest = "01:80:c2:00:00:0e"
    dropped(evbd, "uplink0", lambda: wire.send(saying(DEASSOCIATE, vsi, GUEST, PORT_MAC, nearest, 0x7001, 0x123457)), "EcpRxOtherDestination")
    goodbye = LLDPDU(b"\x04" + mac(PORT_MAC), b"\x05port0", 0).encode()
    dropped(evbd, "uplink0", lambda: wire.send(ethernet(PORT_MAC, ETHERTYPE_LLDP, goodbye, destination=mac(nearest))), "LldpRxOtherDestination")
    assert evbd.state(vsi) == "associated" and evbd.hears_bridge() and bridge.commands(DEASSOCIATE) == []
    assert evbd.process.output().count(f"dropping ECP to {nearest}") == 1
