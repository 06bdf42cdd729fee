"""The guest filter covers the port: machines without VSIs, containers, odd names; and closed addresses stay closed."""

import errno
import json
import os
import signal
import socket
import struct
import threading
import time
import uuid

from lab import Wire, eventually
from lab.codec import ETHERTYPE_LLDP, EVB, mac
from lab.fixtures import UPLINK_MAC
from lab.system import run
from lab.tap import Macvtap, Tap
from test_guest_filter import GUEST, MARKER, NEAREST_BRIDGE, NEIGHBOUR, forged, frames_of, harmless, ruleset

EAPOL, LACP = 0x888E, 0x8809
RESERVED = b"\x01\x80\xc2\0\0"
SO_MARK = 36


def to_reserved(last, kind, source):
    return RESERVED + bytes([last]) + mac(source) + struct.pack("!H", kind) + MARKER.ljust(60, b"\0")


def frames_of_a_machine(source):
    """All that a machine has no business to say: what `frames_of` has, and 802.1X and LACP."""
    return [*frames_of(source), to_reserved(3, EAPOL, source), to_reserved(0, EAPOL, source), to_reserved(2, LACP, source)]


def macvtap(cable, name, *words, mode="vepa"):
    cable.host.ip("link", "add", "link", "uplink0", "name", name, *words, "type", "macvtap", "mode", mode)
    cable.host.ip("link", "set", name, "up")


def open_macvtap(cable, name):
    """By its index, for names that a shell would have to quote."""
    index = cable.host.index(name)
    said = run(*cable.host.command("sh", "-c", f"cat /sys/class/net/*/tap{index}/dev")).stdout
    node = cable.lab.directory / f"tap-{index}"
    os.mknod(node, 0o600 | 0o020000, os.makedev(*map(int, said.split(":"))))
    tap = Macvtap.__new__(Macvtap)
    tap._descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
    cable.lab.at_end(tap.close)
    return tap


class Inside:
    """A container whose macvlan is made in its own namespace, so that the host has no news of it."""

    def __init__(self, cable, address=GUEST, mode="vepa", name="guest"):
        self.namespace = cable.lab.namespace(name)
        cable.host.ip("link", "add", "link", "uplink0", "name", "eth0", "netns", self.namespace.name, "address", address,
                      "type", "macvlan", "mode", mode)
        self.namespace.ip("link", "set", "eth0", "up")
        eventually(lambda: self.namespace.link("eth0")["operstate"] == "UP", 5, "the container's link is up")
        self._wire = Wire(self.namespace, "eth0")
        cable.lab.at_end(self._wire.close)
        for group in ("01:80:c2:00:00:00", "01:80:c2:00:00:0e"):
            run(*self.namespace.command("ip", "maddress", "add", group, "dev", "eth0"))

    def mark(self, number):
        self._wire._socket.setsockopt(socket.SOL_SOCKET, SO_MARK, struct.pack("I", number))

    def send(self, octets):
        try:
            self._wire.send(octets)
        except OSError as error:
            if error.errno != errno.ENOBUFS:    # a packet socket's sender is told that the frame was dropped
                raise

    def received(self):
        return [frame.octets for frame in self._wire.received()]


def listing(cable):
    return json.loads(run(*cable.host.command("nft", "-j", "list", "table", "netdev", "evbd-guests")).stdout)["nftables"]


def mark_of(cable):
    """What marks evbd's frames, as one who can read the rules knows it."""
    for item in listing(cable):
        for part in item.get("rule", {}).get("expr", []):
            if part.get("match", {}).get("left") == {"meta": {"key": "mark"}}:
                return part["match"]["right"]
    return 0


def closed(cable):
    """The addresses that the gate has closed."""
    return {address for item in listing(cable) if item.get("set", {}).get("name", "").startswith("closed-") for address in item["set"].get("elem", [])}


def sends_nothing(guest, wire, frames, source=GUEST):
    """None of the frames gets out, while the guest's other traffic does."""
    wire.clear()
    for octets in frames:
        guest.send(octets)
    guest.send(harmless(source))
    eventually(lambda: wire.received(lambda frame: frame.octets == harmless(source)), 5, "its other traffic gets out")
    out = [f.octets.hex() for f in wire.received() if f.destination[:5] == RESERVED and (MARKER in f.octets or f.ecp and f.ecp.sequence == 0x7777)]
    assert not out, out


def guarded(cable, name):
    return eventually(lambda: ruleset(cable).count(f'device "{name}"') == 2, 5, f"{name} has its rules")


# MARK: item 4


def test_SEC_41_no_machine_on_the_port_speaks_for_the_host(cable):
    """SEC-41 A macvtap without a VSI, one whose name nft cannot quote, and a container that podman made: none speaks or hears ECP or LLDP."""
    wire, bridge = cable.wire(), cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    neighbour = str(uuid.uuid4())
    evbd.associate(neighbour, "--link", "vm1", mac=NEIGHBOUR)
    macvtap(cable, "bad", "address", GUEST)
    macvtap(cable, 'a"b', "address", "52:54:00:11:22:55")
    guarded(cable, "bad")
    eventually(lambda: ruleset(cable).count('device "a"b"') == 2, 5, "the odd name has its rules")
    guests = {GUEST: Macvtap(cable.lab, cable.host, "bad"), "52:54:00:11:22:55": open_macvtap(cable, 'a"b'),
              "52:54:00:11:22:66": Inside(cable, "52:54:00:11:22:66")}
    assert mark_of(cable), "what marks evbd's frames is known, to one who may read the rules"
    guests["52:54:00:11:22:66"].mark(mark_of(cable))
    for address, guest in guests.items():
        sends_nothing(guest, wire, [forged(neighbour), *[f for source in (address, UPLINK_MAC) for f in (forged(neighbour, source), *frames_of_a_machine(source))]], address)
        guest.received()
    assert evbd.state(neighbour) == "associated" and bridge.requests
    # evbd itself speaks and hears; they do not.
    asked = next(vsi for vsi in bridge.commands() if vsi.uuid == neighbour)
    assert bridge.deassociate(asked, bytes(16)), "evbd hears the switch"
    wire.send(b"\xff" * 6 + mac("02:00:00:00:00:99") + struct.pack("!H", 0x88B5) + b"to all".ljust(60, b"\0"))
    for guest in guests.values():
        heard = []
        eventually(lambda: heard.extend(guest.received()) or [o for o in heard if b"to all" in o], 5, "it hears what is for all")
        assert not [o for o in heard if o[12:14] in (b"\x89\x40", b"\x88\xcc", b"\x88\xb7")], [o.hex() for o in heard]


def test_SEC_42_taps_in_the_bridge_of_the_port(cable):
    """SEC-42 A tap without a VSI in the port's bridge is filtered; the kernel's own BPDUs pass where the bridge runs STP."""
    wire = cable.wire()
    cable.host.ip("link", "add", "hbr", "type", "bridge", "stp_state", "0", "forward_delay", "0")
    cable.host.ip("link", "set", "hbr", "up")
    cable.host.ip("link", "set", "uplink0", "master", "hbr")
    bad = Tap(cable.lab, cable.host, "bad", GUEST, "hbr")
    cable.host.ip("link", "set", "bad", "up")
    cable.scripted_bridge()
    cable.evbd(ports=[{"interface": "uplink0", "announce": False, "edge-relay": "veb"}]).wait_for_bridge()
    guarded(cable, "bad")
    sends_nothing(bad, wire, [f for source in (GUEST, UPLINK_MAC) for f in (forged(str(uuid.uuid4()), source), *frames_of_a_machine(source))])
    wire.clear()
    cable.host.ip("link", "set", "hbr", "type", "bridge", "stp_state", "1")
    eventually(lambda: wire.received(lambda f: f.destination == RESERVED + b"\0" and f.octets[14:17] == b"\x42\x42\x03"), 10, "BPDUs get out")


def test_SEC_43_before_an_association_and_after_a_rename(cable):
    """SEC-43 With `gate: none` a link is filtered before its VSI is asked for, while it is refused and after its end; and under a new name that it got while evbd was dead."""
    wire, bridge = cable.wire(), cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False, "gate": "none"}]).wait_for_bridge()
    macvtap(cable, "vm0", "address", GUEST)
    guarded(cable, "vm0")
    tap, vsi = Macvtap(cable.lab, cable.host, "vm0"), str(uuid.uuid4())
    check = lambda: sends_nothing(tap, wire, [forged(vsi), forged(vsi, UPLINK_MAC), *frames_of_a_machine(GUEST)])
    check()
    bridge.answer = lambda request: request.answered(2)
    evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", 1, "--filter", f"mac={GUEST}")
    check()
    bridge.answer = lambda request: request.answered()
    evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", 1, "--filter", f"mac={GUEST}")
    check()
    evbd.ctl("vsi", "deassociate", vsi)
    check()
    assert not closed(cable), "with gate: none no address is closed"
    evbd.process.kill()
    cable.host.ip("link", "set", "vm0", "down", "name", "vm9")
    cable.host.ip("link", "set", "vm9", "up")
    # The port's own rules are there still, and those of the link are made for its new name.
    wire.clear()
    tap.send(forged(vsi, UPLINK_MAC))
    evbd.start()
    guarded(cable, "vm9")
    check()
    assert not wire.received(lambda frame: frame.ecp and frame.ecp.sequence == 0x7777)


def test_SEC_44_a_restart_opens_nothing(cable):
    """SEC-44 While evbd is stopped, killed and started again, no frame of a container and none of a closed address gets out."""
    wire, bridge = cable.wire(), cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    bridge.answer = lambda request: request.answered(2)
    evbd.ctl("vsi", "associate", str(uuid.uuid4()), "--port", "uplink0", "--type", 1, "--filter", f"mac={NEIGHBOUR}", "--no-wait")
    eventually(lambda: closed(cable) == {NEIGHBOUR}, 5, "its address is closed")
    inside, end = Inside(cable), threading.Event()
    spoofed = b"\xff" * 6 + mac(NEIGHBOUR) + harmless(GUEST)[12:]

    def speak():
        while not end.is_set():
            inside.send(forged(str(uuid.uuid4()), UPLINK_MAC))
            inside.send(spoofed)
            inside.send(harmless(GUEST))
            time.sleep(0.001)
    thread = threading.Thread(target=speak, daemon=True)
    wire.clear()
    thread.start()
    try:
        eventually(lambda: wire.received(lambda f: f.octets == harmless(GUEST)), 5, "it speaks")
        evbd.terminate()
        evbd.start()
        evbd.process.kill()
        evbd.start()
        evbd.wait_for_bridge()
    finally:
        end.set()
        thread.join()
    out = [f.octets[:40].hex() for f in wire.received(lambda f: f.ecp and f.ecp.sequence == 0x7777 or f.octets == spoofed)]
    assert not out, (len(out), out[:3])
    assert closed(cable) == {NEIGHBOUR}


def test_SEC_45_the_hosts_own_protocols_pass(cable):
    """SEC-45 LLDP to other addresses, 802.1X and LACP of the host's own programs pass; a machine in passthru has 802.1X and LACP, and no ECP."""
    wire = cable.wire()
    cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    host = cable.host_wire()
    own = [to_reserved(0x0E, ETHERTYPE_LLDP, UPLINK_MAC), to_reserved(3, EAPOL, UPLINK_MAC), to_reserved(2, LACP, UPLINK_MAC)]
    for octets in own:
        host.send(octets)
    eventually(lambda: {f.octets for f in wire.received()} >= set(own), 5, "all of them get out")
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0", "--link-mode", "passthru", mac=GUEST)
    tap, address = Macvtap(cable.lab, cable.host, "vm0"), cable.host.mac("vm0")
    eventually(lambda: "0x888e" in ruleset(cable), 5, "the port lets its 802.1X pass")
    theirs = [to_reserved(3, EAPOL, address), to_reserved(2, LACP, address)]
    for octets in theirs:
        tap.send(octets)
    eventually(lambda: {f.octets for f in wire.received()} >= set(theirs), 5, "both get out")
    sends_nothing(tap, wire, [forged(vsi, address), *frames_of(address)], address)


def test_SEC_46_flushed_rules_come_back(cable):
    """SEC-46 `nft flush table`, `flush chain` and `flush set` of evbd's table are noticed, and all is as before; evbd's own changes are no such news."""
    bridge = cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    evbd.associate(str(uuid.uuid4()), "--link", "vm0", mac=NEIGHBOUR)
    bridge.answer = lambda request: request.answered(2)
    evbd.ctl("vsi", "associate", str(uuid.uuid4()), "--port", "uplink0", "--type", 1, "--filter", f"mac={GUEST}", "--no-wait")
    eventually(lambda: closed(cable) == {GUEST}, 5, "its address is closed")
    state = lambda: sorted(line.strip() for line in ruleset(cable).splitlines() if "counter" not in line)
    before = state()
    index = cable.host.index("uplink0")
    assert "removed rules" not in evbd.process.output()
    for words in ("flush table netdev evbd-guests", "flush chain netdev evbd-guests guests", f"flush set netdev evbd-guests closed-{index}"):
        run(*cable.host.command("nft", words))
        eventually(lambda: state() == before and closed(cable) == {GUEST}, 5, f"all is back after {words}")


# MARK: item 5


class Sender:
    """A machine that sends a frame a millisecond."""

    def __init__(self, tap):
        self._tap, self._end = tap, threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self.sent = 0
        self._thread.start()

    def _work(self):
        while not self._end.is_set():
            try:
                self._tap.send(harmless(GUEST))
                self.sent += 1
            except OSError:     # the link is down
                pass
            time.sleep(0.001)

    def stop(self):
        self._end.set()
        self._thread.join()


def refused(cable, **settings):
    """A machine's link, adopted, whose VSI has lost its association."""
    wire, bridge = cable.wire(), cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False, **settings}]).wait_for_bridge()
    macvtap(cable, "vm0", "address", GUEST)
    tap, vsi = Macvtap(cable.lab, cable.host, "vm0"), str(uuid.uuid4())
    evbd.associate(vsi)
    sender = Sender(tap)
    cable.lab.at_end(sender.stop)
    eventually(lambda: wire.received(lambda f: f.octets == harmless(GUEST)), 5, "an associated machine's frames get out")
    bridge.answer = lambda request: request.answered(2)
    assert bridge.deassociate(next(item for item in bridge.commands() if item.uuid == vsi), bytes(16))
    eventually(lambda: not cable.host.is_up("vm0"), 5, "cut")
    return wire, bridge, evbd, vsi, sender


def resume(cable, wire, cycles=20):
    """Another program sets the link up again and again; the frames that get out."""
    wire.clear()
    for _ in range(cycles):
        cable.host.ip("link", "set", "vm0", "up")
        eventually(lambda: not cable.host.is_up("vm0"), 5, "closed again", every=0.005)
    return len(wire.received(lambda f: f.octets == harmless(GUEST)))


def test_SEC_51_a_machine_that_is_not_associated_sends_nothing(cable):
    """SEC-51 Twenty times another program sets the link of an unassociated VSI up while its machine sends 1,000 frames a second: none gets out, and it is closed each time. Associated again, it sends."""
    wire, bridge, evbd, vsi, sender = refused(cable)
    # The rule is a command of its own: a link that another program sets up in the same milliseconds is not what this is about.
    eventually(lambda: closed(cable) == {GUEST}, 5, "its address is closed")
    before = sender.sent
    assert resume(cable, wire) == 0
    assert sender.sent > before, "the machine could send, if nothing else stopped it"
    assert closed(cable) == {GUEST}
    # A kernel that is asked by another program while evbd stands still: the gate is there.
    evbd.process.freeze()
    cable.host.ip("link", "set", "vm0", "up")
    time.sleep(0.2)
    assert not wire.received(lambda f: f.octets == harmless(GUEST))
    evbd.process.thaw()
    eventually(lambda: not cable.host.is_up("vm0"), 5, "closed again")
    bridge.answer = lambda request: request.answered()
    evbd.associate(vsi)
    assert not closed(cable), "it is open before its manager hears of the association"
    eventually(lambda: wire.received(lambda f: f.octets == harmless(GUEST)), 5, "it sends")
    # Given up, it stays closed until its link is gone: the link is its maker's.
    evbd.ctl("vsi", "deassociate", vsi)
    cable.host.ip("link", "set", "vm0", "up")
    wire.clear()
    time.sleep(0.1)
    assert not wire.received(lambda f: f.octets == harmless(GUEST)) and closed(cable) == {GUEST}
    cable.host.ip("link", "delete", "vm0")
    eventually(lambda: not closed(cable), 5, "nothing is left of it")


def test_SEC_52_closing_never_ends_without_the_gate_either(cable):
    """SEC-52 Without nftables the link is set down each of twenty times; the limit of five is for other corrections."""
    wire, _, evbd, vsi, sender = refused(cable, **{"guest-filter": False})
    resume(cable, wire)
    said = evbd.process.output()
    assert said.count("that may not send; setting it down") == 5 and said.count("sets it down each time") == 1


# MARK: item 12


def test_SEC_128_a_removed_port_leaves_nothing(cable):
    """SEC-128 A port is taken out of the configuration while its switch acknowledges and never answers: links, rules and files go."""
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, bgid=True, rte=14, rwd=20, rka=20))
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    for number in range(2):
        evbd.associate(str(uuid.uuid4()), "--link", f"vm{number}", mac=f"52:54:00:11:00:0{number}")
    assert len(evbd.stored()) == 2
    bridge.answer = lambda request: None
    evbd.config["ports"] = [{"role": "station", "interface": "elsewhere0"}]
    evbd.write_config()
    evbd.process.signal(signal.SIGHUP)
    eventually(lambda: not [name for name in cable.host.links() if name.startswith("vm")], 12, "the links are gone")
    eventually(lambda: not evbd.stored(), 5, "and what is stored")
    eventually(lambda: "device" not in ruleset(cable) and "closed-" not in ruleset(cable), 5, "and the rules")
    assert evbd.process.alive and "removing their links" in evbd.process.output()
