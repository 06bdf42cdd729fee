"""LLDP and ECP in a VLAN of the port: the kernel hands it to the port's own sockets, untagged, where a device of that VLAN is. To be run inside Tests/uml/run."""

import struct
import uuid

import pytest

from lab import eventually
from lab.codec import DEASSOCIATE, ETHERTYPE_LLDP, LLDPDU, ethernet, mac
from lab.fixtures import PORT_MAC
from test_destination import GUEST, count, saying

C_TAG, S_TAG = 0x8100, 0x88A8
NEAREST_CUSTOMER_BRIDGE = "01:80:c2:00:00:00"


def tagged(octets, *tags):
    """A frame with tags, the outer first, each as (EtherType, VLAN with priority)."""
    return octets[:12] + b"".join(struct.pack("!HH", *tag) for tag in tags) + octets[12:]


def device(namespace, parent, name, *kind):
    namespace.ip("link", "add", "link", parent, "name", name, "type", "vlan", *kind)
    namespace.ip("link", "set", name, "up")
    eventually(lambda: namespace.link(name)["operstate"] == "UP", 5, f"{name} is up")


CASES = {
    "no-device": (),
    "devices": (("uplink0.10", "id", 10), ("uplink0.s20", "proto", "802.1ad", "id", 20)),
    "devices-that-keep-the-tag": (("uplink0.10", "id", 10, "reorder_hdr", "off"), ("uplink0.s20", "proto", "802.1ad", "id", 20, "reorder_hdr", "off")),
}
TAGS = {"C10": ((C_TAG, 10),), "S20": ((S_TAG, 20),), "S20, priority": ((S_TAG, 20), (C_TAG, 0xE000)), "priority, C10": ((C_TAG, 0xE000), (C_TAG, 10))}


@pytest.mark.parametrize("devices", CASES)
def test_SEC_20_tagged_frames_are_nothing(cable, devices):
    """SEC-20 A De-Associate and LLDPDUs in a VLAN or an S-VLAN of the port change nothing, whatever devices are on it; with a priority tag they count."""
    wire = cable.wire()
    bridge = cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    for name, *kind in CASES[devices]:
        device(cable.host, "uplink0", name, *kind)

    def lldp(address, ttl):
        pdu = LLDPDU(b"\x04" + mac(address), b"\x03" + mac(address), ttl, ((127, bridge.evb.encode()),) if ttl else ())
        return ethernet(address, ETHERTYPE_LLDP, pdu.encode())

    goodbye, forged = lldp(PORT_MAC, 0), lldp("02:00:00:00:00:99", 100)
    release = saying(DEASSOCIATE, vsi, GUEST, PORT_MAC, NEAREST_CUSTOMER_BRIDGE, 0x7001, 0x123457)
    before = count(evbd, "SocketStrays", "uplink0")
    for tags in TAGS.values():
        for octets in (release, goodbye, forged):
            wire.send(tagged(octets, *tags))
    # Two of the bridge's own LLDPDUs later all has been taken that ever will be.
    heard = count(evbd, "LldpRxFrames", "uplink0")
    eventually(lambda: count(evbd, "LldpRxFrames", "uplink0") >= heard + 2, 5, "the bridge is heard")
    strays = count(evbd, "SocketStrays", "uplink0") - before
    assert evbd.state(vsi) == "associated" and "EVB bridge lost" not in evbd.process.output()
    assert "VSI deassociated" not in evbd.process.output() and count(evbd, "VdpUnsolicited", "uplink0") == 0
    assert evbd.process.output().count("EVB bridge found") == 1 and "EVB bridges are heard" not in evbd.process.output()
    # A device that keeps its tag shows the port's sockets another EtherType: those frames are none of LLDP's or ECP's.
    if devices != "devices-that-keep-the-tag":
        assert strays >= 3 * 2, strays
    wire.send(tagged(release, (C_TAG, 0xE000)))
    eventually(lambda: evbd.state(vsi) != "associated", 5, "a priority-tagged ECPDU counts")
    wire.send(tagged(goodbye, (C_TAG, 0xE000)))
    eventually(lambda: "shutdown LLDPDU" in evbd.process.output(), 5, "a priority-tagged LLDPDU counts")
