"""Whose an address and a VSI is, where several stations are on one evbd bridge; and what VSI types hold to, come what may."""

import re
import signal
import struct
import threading
import time
import uuid

import pytest

from lab import Evbd, Wire, eventually
from lab.evbd import FAILED, OK, yaml
from lab.switch import Switch
from lab.system import always
from lab.types import Rules, frame, octets
from lab.varlink import Events
from test_vsi_types import STRANGER, Bench

GUEST, OTHER, GATEWAY = "52:54:00:aa:aa:01", "52:54:00:aa:aa:02", "02:00:00:00:ee:01"
TYPES = {"types": [
    {"name": "web", "type": 100},
    {"name": "here", "type": 101, "ports": ["porta"]},
    {"name": "router", "type": 102, "shared-addresses": ["00:00:5e:00:01:00/40"]},
    {"name": "red", "type": 110, "vlans": [10]},
], "protected-macs": [GATEWAY]}


def new_vsi():
    return str(uuid.uuid4())


class TwoStations:
    """Two hosts, each with evbd, on one Linux bridge with evbd."""

    def __init__(self, lab, typed=True):
        self.lab, self.typed, self.switch_ns = lab, typed, lab.namespace("switch")
        hosts = [lab.namespace(name) for name in ("hosta", "hostb")]
        for number, (host, port) in enumerate(zip(hosts, ("porta", "portb")), 1):
            lab.veth(host, "uplink0", f"02:00:00:00:aa:{number:02x}", self.switch_ns, port, f"02:00:00:00:bb:{number:02x}")
        self.switch = Switch(lab, self.switch_ns, ports=("porta", "portb"), stp=True).wait_until_forwarding()
        self.types = lab.directory / "types.yaml"
        self.types.write_text(yaml(TYPES) + "\n")
        kind = {"vsi-types": self.types} if typed else {"protected-macs": [GATEWAY]}
        self.bridge = self.switch.evbd(ports=[{"interface": port, **kind} for port in ("porta", "portb")])
        self.a, self.b = (Evbd(lab, host, name=host.name.split("-")[-1]) for host in hosts)
        self.wires = [Wire(host, "uplink0") for host in hosts]
        for wire in self.wires:
            lab.at_end(wire.close)
        for station in (self.a, self.b):
            station.wait_for_bridge()
        self.rules = Rules(self.switch_ns)

    def ask(self, station, vsi, mac=GUEST, type_id=100, *words):
        return station.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", type_id, "--filter", f"mac={mac}", *words)

    def port_of(self, vsi):
        """The ports where the bridge has a VSI."""
        return sorted(item["port"] for item in self.bridge.ctl_json("vsi", "list") if item["vsiID"] == vsi and item["state"] == "associated")

    def problems(self, port):
        return self.bridge.ctl_json("port", "show", port)["problems"]

    def log(self):
        return self.bridge.process.output()


@pytest.fixture(params=[True, False], ids=["types", "no-types"])
def two(request, new_lab):
    return TwoStations(new_lab(), request.param)


@pytest.fixture
def typed(new_lab):
    return TwoStations(new_lab())


def check_holders(two):
    mine, theirs, third = new_vsi(), new_vsi(), new_vsi()
    assert two.ask(two.a, mine).returncode == OK
    for station, vsi in ((two.b, theirs), (two.a, third)):
        said = two.ask(station, vsi)
        assert said.returncode == FAILED and "invalid" in said.stdout + said.stderr, said
        assert station.vsi(vsi)["reason"] == "invalid-vid-group-mac"
        assert two.bridge.vsi(vsi) is None
    assert station.ctl("vsi", "deassociate", third).returncode == OK
    details = two.b.ctl_json("vsi", "show", theirs)["vsidb"]
    assert details["operReasonCode"] == 5 and details["operHard"] is False
    assert re.search(rf"VSI refused port=portb .*vsi={theirs}.* cause=\"[^\"]*belongs to VSI {mine} on porta", two.log()), two.log()
    assert two.port_of(mine) == ["porta"] and two.a.state(mine) == "associated"
    assert two.bridge.ctl_json("stats", "portb")[0]["counters"]["VdpAddressConflicts"] >= 1
    problem = {"kind": "address-conflict", "vsiID": theirs, "otherVSIID": mine, "otherPort": "porta", "address": GUEST}
    assert [problem] == [{key: one[key] for key in problem} for one in two.problems("portb")]
    assert f"PROBLEM: VSI {theirs} asks for address {GUEST}" in two.bridge.ctl("port", "show", "portb").stdout
    assert two.a.ctl("vsi", "deassociate", mine).returncode == OK
    eventually(lambda: two.port_of(theirs) == ["portb"], 20, "it asks again, and has it")
    assert two.problems("portb") == [], "it is over"


def test_SEC_22_SEC_24_SEC_27_an_address_is_one_vsis_and_some_are_none(two):
    """Another VSI that asks for an address, on another port or the same, is refused with reason 5 and not for good; both are logged;
    it gets the address by itself when the holder has gone. A protected address, that of the bridge and of its ports are no VSI's;
    a learned one is, and that is told."""
    check_holders(two)
    for mac in (GATEWAY, "02:00:00:00:bb:02", two.switch_ns.mac("br0")):
        vsi = new_vsi()
        assert two.ask(two.b, vsi, mac).returncode == FAILED, mac
        assert two.b.vsi(vsi)["reason"] == "invalid-vid-group-mac"
        assert two.b.ctl("vsi", "deassociate", vsi).returncode == OK
    if not two.typed:
        return
    two.types.write_text(yaml(TYPES | {"allow-macs": [OTHER]}) + "\n")
    two.bridge.process.signal(signal.SIGHUP)
    eventually(lambda: two.rules.elements("stations-porta") == 1, 5, "what the station sends from this address passes")
    events = Events(two.lab, two.bridge.socket)
    eventually(lambda: two.wires[0].send(frame(OTHER)) or two.rules.forwarding(OTHER, "porta"), 5, "learned")
    assert two.ask(two.b, new_vsi(), OTHER).returncode == OK
    assert two.rules.forwarding(OTHER, "porta") == [] and len(two.rules.forwarding(OTHER, "portb")) == 1
    eventually(lambda: any(f"address {OTHER} was learned behind porta" in event["message"] for _, event in events.seen), 5, "the event")


def test_SEC_21_SEC_27_a_vsi_moves_once(typed):
    """Two stations that both keep one VSI alive do not take it from each other by turns, which is told."""
    two = typed
    vsi = new_vsi()
    events = Events(two.lab, two.bridge.socket)
    assert two.ask(two.a, vsi).returncode == OK and two.ask(two.b, vsi).returncode == OK
    eventually(lambda: two.port_of(vsi) == ["portb"], 5, "it has moved")
    assert len(two.rules.forwarding(GUEST, "porta")) == 0
    eventually(lambda: two.a.state(vsi) != "associated", 10, "the first station's keep-alive is refused")
    deadline = time.monotonic() + 15
    while "keeps asking for it" not in two.log():
        assert time.monotonic() < deadline, "the problem is told"
        always(lambda: two.port_of(vsi) == ["portb"] and two.b.state(vsi) == "associated", 0.3, "it stays where it is")
    assert two.log().count("keeps asking for it") == 1
    told = lambda: [event for _, event in events.seen if event["kind"] == "notice" and event["port"] == "porta" and vsi in event["message"]]   # noqa: E731
    eventually(told, 5, "the event")
    assert two.bridge.ctl_json("stats", "porta")[0]["counters"]["VdpMovesRefused"] >= 2
    for port, other in (("porta", "portb"), ("portb", "porta")):
        assert [(one["kind"], one["vsiID"], one["otherPort"]) for one in two.problems(port)] == [("vsi-contest", vsi, other)]
        shown = two.bridge.ctl("port", "show", port).stdout
        assert f"PROBLEM: VSI {vsi} is associated " in shown and "end it at one of the two" in shown
    assert two.b.ctl("vsi", "deassociate", vsi).returncode == OK
    eventually(lambda: two.problems("porta") == two.problems("portb") == [], 5, "it is over")


def test_SEC_23_migrations_types_for_ports_and_shared_addresses(typed):
    """A VSI migrates there and back without a word; a type is for its ports alone; one that shares addresses is on both ports."""
    vsi = new_vsi()
    assert typed.ask(typed.a, vsi).returncode == OK
    for source, target, port in ((typed.a, typed.b, "portb"), (typed.b, typed.a, "porta")):
        assert typed.ask(target, vsi).returncode == OK
        eventually(lambda: typed.port_of(vsi) == [port], 5, "moved")
        assert source.ctl("vsi", "deassociate", vsi).returncode == OK
        assert typed.rules.elements("untagged-porta") + typed.rules.elements("untagged-portb") == 1
    assert "on and on" not in typed.log()
    there = new_vsi()
    assert typed.ask(typed.a, new_vsi(), OTHER, 101).returncode == OK
    assert typed.ask(typed.b, there, "52:54:00:aa:aa:03", 101).returncode == FAILED
    assert typed.b.ctl_json("vsi", "show", there)["vsidb"]["operHard"] is True
    virtual = "00:00:5e:00:01:07"
    for station in (typed.a, typed.b):
        assert typed.ask(station, new_vsi(), virtual, 102).returncode == OK
    # The bridge learns where the virtual router is.
    assert typed.rules.forwarding(virtual, "porta") == typed.rules.forwarding(virtual, "portb") == []
    for wire, port in zip(typed.wires, ("porta", "portb")):
        wire.send(frame(virtual))
        eventually(lambda: typed.rules.forwarding(virtual, port), 5, "learned")


def tags(*pairs):
    return b"".join(struct.pack("!HH", ethertype, vid) for ethertype, vid in pairs)


Q, AD, OLD = 0x8100, 0x88A8, 0x9100
STACKS = [
    [(Q, 0), (Q, 20)], [(Q, 10), (Q, 20)], [(Q, 1), (Q, 20)], [(Q, 10), (AD, 20)], [(Q, 10), (OLD, 20)], [(Q, 0), (Q, 0), (Q, 20)],
    [(AD, 10)], [(AD, 0)], [(AD, 10), (Q, 20)], [(AD, 0), (Q, 20)], [(OLD, 20)], [(0x9200, 20)], [(0x88E7, 20)], [(0x893F, 0), (Q, 20)],
    [(Q, 20)], [(Q, 4095)]]


def stacked(source, stack, payload):
    ethertype = struct.pack("!H", 0x88B5)
    return b"\xff" * 6 + octets(source) + tags(*stack) + ethertype + payload.ljust(46, b"\0")


def test_SEC_31_no_second_tag_passes(cable):
    """A VSI of one VLAN gets nothing across with another tag before or behind its own, nor does a station that may send; its own tag,
    none, or a priority in front pass. A station sends in the VLANs that VSIs are in, and in no other."""
    bench = Bench(cable, **{"allow-macs": [Bench.fence_mac], "types": TYPES["types"]})
    passing = [[], [(Q, 10)], [(Q, 0)]]
    assert crossed(bench, bench.fence_mac, [[(Q, 10)], *STACKS]) == [], "no VSI is there yet"
    bench.associate(GUEST, 110)
    for source in (GUEST, bench.fence_mac):
        assert crossed(bench, source, STACKS) == []
        assert crossed(bench, source, passing) == passing
    assert crossed(bench, OTHER, STACKS + passing) == []


def crossed(bench, source, stacks):
    """Which of frames with these tags get to the other port."""
    marks = [f"stack {uuid.uuid4()};".encode() for _ in stacks]
    for stack, mark in zip(stacks, marks):
        bench.wire.send(stacked(source, stack, mark))
    bench.passes(bench.fence_mac)
    heard = b"".join(f.octets for f in bench.far.wire.look())
    return [stack for stack, mark in zip(stacks, marks) if mark in heard]


def test_SEC_61_a_restart_never_opens_a_policed_port(cable):
    """Of what a stranger sends all the time, over a stop in order and a start, nothing passes; the VSI's own frames do. What has been
    left in force is taken over, and goes when the port goes by SIGHUP."""
    bench = Bench(cable, **{"allow-macs": [Bench.fence_mac]})
    vsi = bench.associate(GUEST)
    stop, sent = threading.Event(), []
    wire = bench.cable.host_wire()

    def spoof():
        while not stop.is_set():
            wire.send(frame(STRANGER, payload=b"spoofed"))
            sent.append(1)
            time.sleep(0.001)
    thread = threading.Thread(target=spoof, daemon=True)
    thread.start()
    assert bench.bridge.terminate() == 0
    assert bench.rules.table() is not None and len(bench.rules.forwarding(GUEST)) == 1
    assert bench.passes(GUEST)
    bench.bridge.start()
    eventually(lambda: bench.bridge.state(vsi) == "associated", 15, "associated anew")
    stop.set()
    thread.join()
    assert bench.passes(GUEST) and not bench.passes(STRANGER)
    assert len(sent) > 100 and bench.far.heard(STRANGER) == [], f"{len(bench.far.heard(STRANGER))} of {len(sent)} passed"
    # The port goes: so does what was imposed there.
    bench.bridge.config["ports"][0].pop("vsi-types")
    bench.bridge.write_config()
    bench.bridge.process.signal(signal.SIGHUP)
    eventually(lambda: bench.rules.table() is None, 10, "taken back")
    assert bench.rules.forwarding(GUEST) == []


def test_SEC_125_inherited_rules_go_with_their_vsi(typed):
    """After a restart of the bridge's evbd, what was in force for a VSI that has moved goes when it is associated at its new port,
    and what was in force for one that is released goes with that; what nobody has touched stays."""
    moved, ended, stays = new_vsi(), new_vsi(), new_vsi()
    third = "52:54:00:aa:aa:03"
    for vsi, mac in ((moved, GUEST), (ended, OTHER), (stays, third)):
        assert typed.ask(typed.a, vsi, mac).returncode == OK
    typed.bridge.process.kill()
    # One has left porta in the meantime; the station there is silent for now.
    typed.a.ctl("vsi", "deassociate", moved)
    typed.a.process.kill()
    typed.bridge.start()
    eventually(lambda: "stays until it is claimed" in typed.log().split("evbd 0")[-1], 10, "inherited")
    assert typed.rules.elements("untagged-porta") == 3
    typed.b.wait_for_bridge()
    assert typed.ask(typed.b, moved).returncode == OK
    held = lambda: (typed.rules.elements("untagged-porta"), typed.rules.elements("forwarding-porta"))   # noqa: E731
    eventually(lambda: held() == (2, 2), 5, lambda: f"porta has what the others need: {held()}")
    assert len(typed.rules.forwarding(GUEST, "portb")) == 1
    # It comes back and goes on with what it had; what is ended then goes at once.
    typed.a.start()
    eventually(lambda: typed.port_of(ended) == ["porta"] and typed.port_of(stays) == ["porta"], 20, "associated anew")
    assert typed.a.ctl("vsi", "deassociate", ended).returncode == OK
    eventually(lambda: len(typed.rules.forwarding(OTHER, "porta")) == 0, 5, "gone")
    # What is noted of an entry goes after the entry.
    eventually(lambda: held() == (1, 1), 5, lambda: f"and what was noted of it: {held()}")
    assert len(typed.rules.forwarding(third, "porta")) == 1


def killed_bridge(two):
    """The first station has a VSI with the guest's address, and the bridge's evbd is killed."""
    mine = new_vsi()
    assert two.ask(two.a, mine).returncode == OK
    journal = two.bridge.directory / "holdings"
    eventually(lambda: journal.exists() and f"+ porta {mine} associated {GUEST}/" in journal.read_text(), 5, "it is noted")
    two.bridge.process.kill()
    return mine


def refused(two, vsi):
    """The rival asks first, and does not get the address; another it does."""
    two.bridge.start()
    two.b.wait_for_bridge()
    assert two.ask(two.b, vsi).returncode == FAILED
    details = two.b.ctl_json("vsi", "show", vsi)["vsidb"]
    assert details["operReasonCode"] == 5 and details["operHard"] is False
    assert two.ask(two.b, new_vsi(), OTHER).returncode == OK
    return True


def test_SEC_25_a_restart_gives_no_address_away(two):
    """The bridge's evbd is killed, and its first station is cut off for a while: another station that asks first does not get the address
    of that station's VSI. Its holder comes back and has it, and the other gets it when that ends it."""
    mine, theirs = killed_bridge(two), new_vsi()
    two.switch_ns.ip("link", "set", "porta", "down")
    assert refused(two, theirs)
    assert re.search(rf"belongs to VSI {mine} on porta, whose station has not asked for it since evbd began", two.log()), two.log()
    assert two.port_of(mine) == [] and two.port_of(theirs) == []
    two.switch_ns.ip("link", "set", "porta", "up")
    eventually(lambda: two.port_of(mine) == ["porta"] and two.a.state(mine) == "associated", 20, "the holder has it again")
    assert two.ask(two.b, theirs).returncode == FAILED
    assert two.a.ctl("vsi", "deassociate", mine).returncode == OK
    eventually(lambda: two.port_of(theirs) == ["portb"], 20, "it asks again, and has it")
    assert two.bridge.terminate() == 0
    assert f"+ portb {theirs} associated {GUEST}/" in (two.bridge.directory / "holdings").read_text(), "kept over a stop in order too"


def test_SEC_25_what_its_holder_does_not_ask_for_is_free_in_the_end(new_lab):
    """The holder has ended while the bridge's evbd was not there. Its station is heard and does not ask: the other gets the address when the
    station had time enough, and no sooner. A port that the configuration has no more keeps nothing."""
    two = TwoStations(new_lab(), typed=False)
    mine, theirs = killed_bridge(two), new_vsi()
    two.a.ctl("vsi", "deassociate", mine)
    began = time.monotonic()
    assert refused(two, theirs)
    eventually(lambda: two.port_of(theirs) == ["portb"] or (two.ask(two.b, theirs) and False), 40, "free", every=0.5)
    assert time.monotonic() - began > 9, "not before its time is over"
    assert "have not been asked for again" in two.log()
    two.bridge.process.kill()
    two.bridge.config["ports"].pop()
    two.bridge.write_config()
    two.bridge.start()
    assert two.ask(two.a, mine).returncode == OK, "nothing is kept for a port that is no more"


def test_SEC_26_what_becomes_protected_is_taken_back_everywhere(two):
    """A reload protects an address that a VSI of another port has: it is taken back. So it is where the port that names it has no interface."""
    mine, theirs = new_vsi(), new_vsi()
    assert two.ask(two.b, mine).returncode == OK
    absent = {"role": "bridge", "interface": "absent0", "protected-macs": [OTHER]}
    if two.typed:
        two.types.write_text(yaml(TYPES | {"protected-macs": [GATEWAY, GUEST]}) + "\n")
    else:
        two.bridge.config["ports"][0]["protected-macs"] = [GATEWAY, GUEST]
    two.bridge.config["ports"].append(absent)
    two.bridge.write_config()
    two.bridge.process.signal(signal.SIGHUP)
    eventually(lambda: two.port_of(mine) == [] and two.b.state(mine) != "associated", 10, "taken back")
    assert re.search(rf"VSI revoked.*port=portb .*vsi={mine}", two.log()), two.log()
    assert two.ask(two.b, theirs, OTHER).returncode == FAILED
    assert two.b.ctl_json("vsi", "show", theirs)["vsidb"]["operHard"] is True


def test_SEC_126_without_spanning_tree_one_station_is_warned_for_too(cable):
    """The warning says what another host on the bridge can do, and it comes with one station as well."""
    switch = Switch(cable.lab, cable.switch)
    bridge = switch.evbd()
    eventually(lambda: "runs no spanning tree protocol" in bridge.process.output(), 5, "the warning")
    line = next(line for line in bridge.process.output().splitlines() if "runs no spanning tree protocol" in line)
    assert "any host on br0" in line and "end its VSIs" in line and "type bridge stp_state 1" in line
