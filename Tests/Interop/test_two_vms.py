"""Two VMs' stand-ins on one host talk through the bridge's reflective relay, and only through it."""

import re
import signal
import struct
import uuid

from lab import Wire, eventually
from lab.switch import Switch
from lab.system import run

ETHERTYPE_IP, ICMP, ECHO_REQUEST = 0x0800, 1, 8
BROADCAST = b"\xff" * 6


class VM:
    """A VSI's macvlan, made by evbd and put into a namespace of its own, as a machine's interface would be."""

    def __init__(self, cable, evbd, number):
        self.vsi, self.name = str(uuid.uuid4()), f"vm{number}"
        self.mac, self.address = f"52:54:00:00:00:{number:02x}", f"192.0.2.{number}"
        evbd.associate(self.vsi, "--link", self.name, "--link-kind", "macvlan", mac=self.mac)
        made = cable.host.link(self.name)
        assert made["linkinfo"]["info_data"]["mode"] == "vepa" and made["address"] == self.mac
        self.namespace = cable.lab.namespace(self.name)
        cable.host.ip("link", "set", self.name, "netns", self.namespace.name)
        self.namespace.ip("address", "add", f"{self.address}/24", "dev", self.name)
        self.namespace.ip("link", "set", self.name, "up")
        eventually(lambda: self.namespace.link(self.name)["operstate"] == "UP", 5, f"{self.name} is up")

    def wire(self, lab):
        wire = Wire(self.namespace, self.name)
        lab.at_end(wire.close)
        return wire

    def lost(self, other, count=100):
        """How many of so many echo requests got no answer."""
        said = run(*self.namespace.command("ping", "-n", "-q", "-i", "0.01", "-W", "1", "-c", count, other.address), check=False).stdout
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", said).groups())
        assert sent == count, said
        return sent - received


def echo_requests(frames):
    """The sequence numbers of the echo requests among frames, in the order in which they passed."""
    numbers = []
    for frame in frames:
        octets = frame.octets
        if octets[12:14] == struct.pack("!H", ETHERTYPE_IP) and octets[23] == ICMP and octets[34] == ECHO_REQUEST:
            numbers.append(int.from_bytes(octets[40:42], "big"))
    return numbers


def set_relay(bridge, on):
    bridge.config["ports"][0]["reflective-relay"] = on
    bridge.write_config()
    bridge.process.signal(signal.SIGHUP)


def test_ARC_01_ARC_04_ARC_05_ARC_07_two_vms_talk_through_the_reflective_relay(cable):
    """ARC-01 ARC-04 ARC-05 ARC-07 0 of 100 lost while reflective relay is granted, all without it; every frame takes the way over the
    bridge once, none comes back to its sender, and the edge relay sends no spanning tree frames."""
    switch = Switch(cable.lab, cable.switch)
    bridge, evbd = switch.evbd(), cable.evbd().wait_for_bridge()
    one, two = VM(cable, evbd, 1), VM(cable, evbd, 2)
    eventually(lambda: switch.hairpin() is True, 5, "granted")
    switch.wait_until_forwarding()
    eventually(lambda: one.lost(two, 1) == 0, 5, "the first gets through")

    wire, inside = cable.wire(), one.wire(cable.lab)
    assert one.lost(two) == 0
    frames = wire.look()
    from_host, to_host = echo_requests(f for f in frames if not f.outgoing), echo_requests(f for f in frames if f.outgoing)
    assert from_host == to_host == list(range(1, 101)), "each goes out once and comes back once: by the bridge, and in no loop"

    # A broadcast is reflected to the other one, and not to who sent it.
    wire.clear()
    inside.clear()
    other = two.wire(cable.lab)
    question = BROADCAST + bytes.fromhex(one.mac.replace(":", "")) + struct.pack("!H", 0x88B5) + b"to whom it may concern".ljust(46, b"\0")
    inside.send(question)
    own = lambda frame: frame.octets[:14] == question[:14]   # noqa: E731
    eventually(lambda: other.received(own), 5, "the other one hears it")
    assert len(other.received(own)) == 1 and not inside.received(own)
    assert sum(own(f) and f.outgoing for f in wire.look()) == 1 and len(wire.received(own)) == 1
    assert not inside.received(lambda frame: frame.octets[6:12] == question[6:12]), "nothing of its own comes back to it"

    spanning = [f for f in frames + wire.look() if not f.outgoing and int.from_bytes(f.octets[12:14], "big") < 0x0600]
    assert not spanning, "LLC frames to the bridge group address: an edge relay takes no part in spanning tree"

    # Without reflective relay a VEPA's machines do not reach each other.
    set_relay(bridge, False)
    eventually(lambda: switch.hairpin() is False, 5, "withdrawn")
    assert one.lost(two, 20) == 20
    set_relay(bridge, True)
    eventually(lambda: switch.hairpin() is True, 5, "granted again")
    eventually(lambda: one.lost(two, 1) == 0, 5, "the first gets through")
    assert two.lost(one) == 0
