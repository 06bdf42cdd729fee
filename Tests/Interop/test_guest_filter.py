"""What machines say of LLDP and ECP does not leave the host, and what switch and host say to each other they do not hear."""

import errno
import shutil
import signal
import struct
import uuid

import pytest

from lab import Wire, eventually
from lab.codec import DEASSOCIATE, ECPDU, ETHERTYPE_ECP, ETHERTYPE_LLDP, LLDPDU, VDPDU, VSI, Filter, ethernet, mac
from lab.lldpd import Lldpd
from lab.system import run
from lab.tap import Macvtap

GUEST, NEIGHBOUR = "52:54:00:11:22:33", "52:54:00:11:22:44"
DRAFT_ECP, EXPERIMENT, TAGGED = 0x88B7, 0x88B5, 0x8100
NEAREST_BRIDGE = b"\x01\x80\xc2\0\0\x0e"
NEAREST_CUSTOMER_BRIDGE = b"\x01\x80\xc2\0\0\0"
MARKER = b"from a guest"


def forged(vsi, source=GUEST):
    """A De-Associate of somebody else's VSI, as its own station would send it."""
    item = VSI(DEASSOCIATE, 0, 0x123457, 0, uuid.UUID(vsi).bytes, (Filter(0, mac(NEIGHBOUR)),))
    return ethernet(source, ETHERTYPE_ECP, ECPDU(False, 0x7777, VDPDU(bytes(16), (item,)).encode()).encode())


def frames_of(guest_mac):
    """One of each kind that has to stay in the machine."""
    source, filling = mac(guest_mac), MARKER.ljust(60, b"\0")
    kinds = [(NEAREST_CUSTOMER_BRIDGE, ETHERTYPE_ECP), (NEAREST_CUSTOMER_BRIDGE, ETHERTYPE_LLDP), (NEAREST_BRIDGE, DRAFT_ECP),
             (NEAREST_BRIDGE, ETHERTYPE_LLDP), (b"\x01\x80\xc2\0\0\x03", ETHERTYPE_LLDP)]
    plain = [destination + source + struct.pack("!H", kind) + filling for destination, kind in kinds]
    # Priority-tagged: a bridge takes the tag off and sees an ECPDU.
    return plain + [frame[:12] + struct.pack("!HH", TAGGED, 0) + frame[12:] for frame in plain[:1]]


def harmless(guest_mac):
    return b"\xff" * 6 + mac(guest_mac) + struct.pack("!H", EXPERIMENT) + MARKER.ljust(60, b"\0")


class Container:
    """A macvlan in a namespace of its own."""

    def __init__(self, cable, evbd, vsi):
        evbd.associate(vsi, "--link", "vm0", "--link-kind", "macvlan", mac=GUEST)
        self.inside = cable.lab.namespace("guest")
        cable.host.ip("link", "set", "vm0", "netns", self.inside.name)
        self.inside.ip("link", "set", "vm0", "up")
        eventually(lambda: self.inside.link("vm0")["operstate"] == "UP", 5, "vm0 is up")
        self._wire = Wire(self.inside, "vm0")
        cable.lab.at_end(self._wire.close)
        # What is sent to groups that it has not joined it would not hear anyway.
        for address in ("01:80:c2:00:00:00", "01:80:c2:00:00:0e"):
            run(*self.inside.command("ip", "maddress", "add", address, "dev", "vm0"))

    def send(self, octets):
        try:
            self._wire.send(octets)
        except OSError as error:        # a packet socket's sender is told that the frame was dropped
            if error.errno != errno.ENOBUFS:
                raise

    def received(self):
        return [frame.octets for frame in self._wire.received()]


class Machine:
    """A macvtap, with a descriptor open as QEMU has it."""

    def __init__(self, cable, evbd, vsi):
        evbd.associate(vsi, "--link", "vm0", mac=GUEST)
        for address in ("01:80:c2:00:00:00", "01:80:c2:00:00:0e"):
            cable.host.ip("maddress", "add", address, "dev", "vm0")
        self._tap = Macvtap(cable.lab, cable.host, "vm0")
        self.send, self.received = self._tap.send, self._tap.received


def own(frames):
    return [octets for octets in frames if MARKER in octets or octets[6:12] == mac(GUEST)]


def lost(evbd, vsi):
    return [line for line in evbd.process.output().splitlines() if "VSI lost " in line and "reason=bridge-deassociated" in line and vsi in line]


def set_up(cable, kind, **settings):
    wire, bridge = cable.wire(), cable.lldpad_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False, **settings}]).wait_for_bridge()
    neighbour, vsi = str(uuid.uuid4()), str(uuid.uuid4())
    evbd.associate(neighbour, "--link", "vm1", mac=NEIGHBOUR)
    guest = kind(cable, evbd, vsi)
    # Its link carries traffic by now, or nothing below would mean anything.
    guest.send(harmless(GUEST))
    eventually(lambda: wire.received(lambda frame: frame.octets == harmless(GUEST)), 5, "the guest's other traffic gets out")
    return wire, bridge, evbd, neighbour, vsi, guest


@pytest.mark.parametrize("kind", [Container, Machine], ids=["macvlan-in-a-namespace", "macvtap"])
def test_ARC_09_a_forged_de_associate_stays_in_the_guest(cable, kind):
    """ARC-09 De-Associates under its own and under the host's address, LLDP, the draft's ECP, and one behind a tag: none gets out."""
    wire, bridge, evbd, neighbour, vsi, guest = set_up(cable, kind)
    wire.clear()
    guest.received()
    for octets in [forged(neighbour), forged(neighbour, cable.host.mac("uplink0")), *frames_of(GUEST), *frames_of(cable.host.mac("uplink0"))]:
        guest.send(octets)
    guest.send(harmless(GUEST))     # behind the others: when it is out, they would be
    eventually(lambda: wire.received(lambda frame: frame.octets == harmless(GUEST)), 5, "the guest's other traffic gets out")
    # The kernel speaks IPv6 on a new link by itself.
    inner = [frame for frame in wire.received()
             if own([frame.octets]) and frame.octets != harmless(GUEST) and frame.ethertype != 0x86DD]
    assert not inner, [frame.octets.hex() for frame in inner]
    assert not [frame for frame in wire.received() if frame.ecp and frame.ecp.sequence == 0x7777]
    assert bridge.vsis() == {neighbour, vsi}
    assert evbd.state(neighbour) == evbd.state(vsi) == "associated" and not lost(evbd, neighbour)

    # And it hears neither the switch nor the host, though both speak.
    eventually(lambda: [frame for frame in wire.look() if frame.outgoing and frame.ecp], 20, "the bridge has sent ECP")
    eventually(lambda: [frame for frame in wire.look() if frame.outgoing and frame.lldp], 40, "and LLDP")
    wire.send(b"\xff" * 6 + mac("02:00:00:00:00:99") + struct.pack("!H", EXPERIMENT) + b"to all".ljust(60, b"\0"))
    heard = []
    eventually(lambda: heard.extend(guest.received()) or [octets for octets in heard if b"to all" in octets], 5, "it hears what is for all")
    assert not [octets for octets in heard if octets[12:14] in (b"\x89\x40", b"\x88\xcc", b"\x88\xb7")], [o.hex() for o in heard]


@pytest.mark.parametrize("kind", [Container, Machine], ids=["macvlan-in-a-namespace", "macvtap"])
def test_ARC_09_without_the_filter_it_works(cable, kind):
    """ARC-09 guest-filter: false lets it through, and the bridge believes it: what the filter is there for."""
    wire, bridge, evbd, neighbour, _, guest = set_up(cable, kind, **{"guest-filter": False})
    wire.clear()
    guest.received()
    guest.send(forged(neighbour, cable.host.mac("uplink0")))
    eventually(lambda: [frame for frame in wire.received() if frame.ecp and frame.ecp.sequence == 0x7777], 5, "it is on the wire")
    # evbd associates it anew at once, so that the loss is to be seen in what it says only.
    eventually(lambda: lost(evbd, neighbour), 5, "lldpad has de-associated the neighbour")
    for octets in frames_of(GUEST):
        guest.send(octets)
    eventually(lambda: len([f for f in wire.received() if MARKER in f.octets]) == len(frames_of(GUEST)), 5, "all of the kinds get out")
    eventually(lambda: [octets for octets in guest.received() if octets[12:14] in (b"\x89\x40", b"\x88\xcc")], 40, "and it hears the switch")


def ruleset(cable):
    return run(*cable.host.command("nft", "list", "ruleset")).stdout


def test_rules_come_and_go_with_links(cable):
    """No rules are left behind at links: neither when a VSI is de-associated nor when its link is deleted, and SIGHUP switches all of them."""
    cable.lldpad_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    vsis = [str(uuid.uuid4()) for _ in range(3)]
    for number, (vsi, kind) in enumerate(zip(vsis, ("macvtap", "macvtap", "macvlan"))):
        evbd.associate(vsi, "--link", f"vm{number}", "--link-kind", kind, mac=f"52:54:00:11:00:0{number}")
    listing = ruleset(cable)
    assert all(listing.count(f'device "{name}"') == 2 for name in ("vm0", "vm1", "vm2", "uplink0"))

    def switch(on):
        evbd.config["ports"][0]["guest-filter"] = on
        evbd.write_config()
        evbd.process.signal(signal.SIGHUP)
    switch(False)
    eventually(lambda: "device" not in ruleset(cable), 5, "all of them are gone")
    switch(True)
    eventually(lambda: all(f'device "{name}"' in ruleset(cable) for name in ("vm0", "vm1", "vm2", "uplink0")), 5, "all are back")

    evbd.ctl("vsi", "deassociate", vsis[0])
    evbd.ctl("vsi", "deassociate", vsis[2])
    eventually(lambda: not any(f'device "{name}"' in ruleset(cable) for name in ("vm0", "vm2")), 5, "gone with their links")
    assert all(f'device "{name}"' in ruleset(cable) for name in ("vm1", "uplink0"))
    evbd.process.kill()
    cable.host.ip("link", "delete", "vm1")
    # Else the VSI would come back, its link be made anew, and the rule be there again.
    shutil.rmtree(evbd.directory / "vsis")
    evbd.start()
    eventually(lambda: 'device "vm1"' not in ruleset(cable), 5, "the next evbd clears away what the last one could not")


def test_ARC_09_rules_that_somebody_flushes_come_back(cable):
    """ARC-09 `nft flush ruleset`, as a reload of a host's firewall does it: the filter is in force again, at links and at the port, with a word."""
    cable.lldpad_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    vsis = [str(uuid.uuid4()) for _ in range(2)]
    for number, (vsi, kind) in enumerate(zip(vsis, ("macvtap", "macvlan"))):
        evbd.associate(vsi, "--link", f"vm{number}", "--link-kind", kind, mac=f"52:54:00:11:00:0{number}")
    before = [line.strip() for line in ruleset(cable).splitlines() if "counter" not in line]
    for count in (1, 2):
        run(*cable.host.command("nft", "flush", "ruleset"))
        eventually(lambda: sorted(line.strip() for line in ruleset(cable).splitlines() if "counter" not in line) == sorted(before), 5, "all are back")
        assert "drop" in ruleset(cable)
        eventually(lambda: evbd.process.output().count("another process has removed rules") == count, 5, "told")
    # Somebody else's table is somebody else's business.
    run(*cable.host.command("nft", "add table inet mine; delete table inet mine"))
    evbd.ctl("vsi", "deassociate", vsis[1])
    eventually(lambda: 'device "vm1"' not in ruleset(cable), 5, "gone with its VSI")
    assert evbd.process.output().count("another process has removed rules") == 2 and evbd.state(vsis[0]) == "associated"


def test_lldpd_is_not_disturbed_by_machines(cable):
    """MGT-03 ARC-09 Another LLDP agent on the host speaks on, beside macvtaps and beside a container's macvlan."""
    wire = cable.wire()
    cable.lldpad_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    other = Lldpd(cable.lab, cable.host, "uplink0")
    address = mac(cable.host.mac("uplink0"))

    def lldpds():
        return [f for f in wire.received() if f.source == address and f.ethertype == ETHERTYPE_LLDP and f.destination == NEAREST_BRIDGE]
    for name, kind, guest in (("vm0", "macvtap", GUEST), ("vm1", "macvlan", NEIGHBOUR)):
        vsi = str(uuid.uuid4())
        evbd.associate(vsi, "--link", name, "--link-kind", kind, mac=guest)
        wire.clear()
        other.send_now()
        eventually(lldpds, 10, f"lldpd is heard at the switch beside a {kind}")
        assert evbd.state(vsi) == "associated"
