"""VSI types on a bridge that filters VLANs. To be run inside Tests/uml/run."""

import json
import re
import signal
import struct
import uuid

from lab import eventually
from lab.evbd import yaml
from lab.switch import Switch
from lab.system import run
from lab.types import Observer, Rules, frame, octets

ONE, TWO, THREE = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
TYPES = {"types": [
    {"name": "red", "type": 10, "vlans": [{"vlan": 10, "pcp": 3}]},
    {"name": "blue", "type": 20, "vlans": [20]},
    {"name": "native", "type": 1, "vlans": [1]},
    {"name": "port's own", "type": 2},
]}
ICMP_LOST = re.compile(r"(\d+) packets transmitted, (\d+) received")


class Vlans:
    """Two stations' worth of VLANs on one port of a bridge, and an observer who is a member of both."""

    def __init__(self, cable):
        self.cable = cable
        self.switch = Switch(cable.lab, cable.switch)
        cable.switch.ip("link", "set", "br0", "type", "bridge", "vlan_filtering", "1")
        self.rules = Rules(cable.switch)
        types = cable.lab.directory / "types.yaml"
        types.write_text(yaml(TYPES) + "\n")
        self.bridge = self.switch.evbd(ports=[{"interface": "port0", "vsi-types": types}])
        self.station = cable.evbd().wait_for_bridge()

    def bridge_command(self, *words):
        return run(*self.cable.switch.command("bridge", *words)).stdout

    def vlans(self, port="port0"):
        """The VLANs of a port, each with its flags."""
        entries = json.loads(self.bridge_command("-j", "vlan", "show", "dev", port))
        return {vlan["vlan"]: sorted(vlan.get("flags", [])) for entry in entries for vlan in entry["vlans"]}

    def associate(self, mac, type_id, *words):
        vsi = str(uuid.uuid4())
        self.station.associate(vsi, *words, mac=mac, type_id=type_id)
        return vsi

    def filters(self, vsi):
        return [(entry["mac"], entry["vlan"], entry["pcp"]) for entry in self.station.vsi(vsi)["filters"]]


class VlanVM:
    """A machine on a macvlan that evbd has made, on the device of its VSI's VLAN, so that the machine need not tag."""

    def __init__(self, bench, mac, type_id, number):
        self.name, self.address = f"vm{number}", f"192.0.2.{number}"
        bench.associate(mac, type_id, "--link", self.name, "--link-kind", "macvlan")
        self.namespace = bench.cable.lab.namespace(self.name)
        bench.cable.host.ip("link", "set", self.name, "netns", self.namespace.name)
        self.namespace.ip("link", "set", self.name, "up")
        self.namespace.ip("address", "add", f"{self.address}/24", "dev", self.name)
        self.device = self.name

    def join(self, vlan, address):
        """A second tag, of another VLAN."""
        device = f"{self.name}.{vlan}"
        self.namespace.ip("link", "add", "link", self.name, "name", device, "type", "vlan", "id", vlan)
        self.namespace.ip("address", "add", f"{address}/24", "dev", device)
        self.namespace.ip("link", "set", device, "up")
        eventually(lambda: self.namespace.link(device)["operstate"] == "UP", 5, f"{device} is up")
        return device

    def received(self, address, count=5, device=None):
        device = device or self.device
        words = ("ping", "-I", device, "-n", "-q", "-i", "0.1", "-W", "1", "-c", count, address)
        said = run(*self.namespace.command(*words), check=False).stdout
        return int(ICMP_LOST.search(said).group(2))


def test_membership_follows_the_vsis(cable):
    """VDP-21 VDP-22 Null VIDs are filled in from the type; the port is a member of a VLAN as long as a VSI is in it, and no longer."""
    bench = Vlans(cable)
    bench.bridge_command("vlan", "add", "dev", "port0", "vid", "20", "untagged")
    assert bench.vlans() == {1: ["Egress Untagged", "PVID"], 20: ["Egress Untagged"]}
    red, second, blue = bench.associate(ONE, 10), bench.associate(TWO, 10), bench.associate(THREE, 20)
    assert bench.filters(red) == [(ONE, 10, 3)] and bench.filters(blue)[0][:2] == (THREE, 20)
    assert bench.vlans() == {1: ["Egress Untagged", "PVID"], 10: [], 20: ["Egress Untagged"]}, "tagged; and another's stays as it is"
    assert [entry["vlan"] for entry in bench.rules.forwarding(ONE)] == [10]
    assert bench.rules.elements("members-port0") == 1 and bench.rules.elements("untagged-port0") == 0

    release = lambda vsi: bench.station.ctl("vsi", "deassociate", vsi)   # noqa: E731
    assert release(red).returncode == 0
    eventually(lambda: bench.bridge.vsi(red) is None, 5, "released")
    assert 10 in bench.vlans(), "there is another VSI in it"
    assert release(second).returncode == release(blue).returncode == 0
    eventually(lambda: 10 not in bench.vlans(), 5, "the last has gone")
    assert bench.vlans() == {1: ["Egress Untagged", "PVID"], 20: ["Egress Untagged"]}
    assert bench.rules.forwarding(ONE) == bench.rules.forwarding(THREE) == []

    # Untagged frames are those of the port's own VLAN: of a VSI in it, and of one whose type names none.
    native, own = bench.associate(ONE, 1), bench.associate(TWO, 2)
    assert bench.filters(native)[0][1] == 1 and not bench.filters(own)[0][1]
    assert bench.rules.elements("untagged-port0") == bench.rules.elements("tagged-port0") == 2
    assert [entry["vlan"] for entry in bench.rules.forwarding(TWO)] == [1]
    assert bench.rules.elements("members-port0") == 0
    bench.bridge.config["ports"] = [{"interface": "elsewhere", "role": "bridge"}]
    bench.bridge.write_config()
    bench.bridge.process.signal(signal.SIGHUP)
    eventually(lambda: bench.rules.table() is None, 10, "the port goes, and what was imposed there")
    assert bench.rules.forwarding(ONE) == []
    assert bench.vlans() == {1: ["Egress Untagged", "PVID"], 20: ["Egress Untagged"]}


def test_SEC_1126_a_removed_membership_comes_back(cable):
    """SEC-1126 A VLAN that another process takes from the port is back with its entries, also after the port has left its bridge."""
    bench = Vlans(cable)
    bench.associate(ONE, 10)
    bench.associate(THREE, 20)
    is_whole = lambda: {10, 20} <= set(bench.vlans()) and all([e["vlan"] for e in bench.rules.forwarding(mac)] == [vid]   # noqa: E731
                                                               for mac, vid in ((ONE, 10), (THREE, 20)))
    assert is_whole()
    bench.bridge_command("vlan", "del", "dev", "port0", "vid", "10")
    eventually(is_whole, 10, "put back")
    eventually(lambda: "VLAN 10" in bench.bridge.process.output().split("VLANs of VSIs were gone")[-1], 5, "the log says what")
    bench.switch.leave("port0")
    eventually(lambda: "is in no Linux bridge" in bench.bridge.process.output(), 10, "the log says so")
    bench.switch.join("port0")
    eventually(is_whole, 10, "put back")
    eventually(lambda: bench.bridge.process.output().count("VLANs of VSIs were gone") >= 2, 5, "the log says what")


def test_membership_after_a_crash(cable):
    """An evbd that begins where another died takes back the VLANs that this one had added, and no others."""
    bench = Vlans(cable)
    bench.bridge_command("vlan", "add", "dev", "port0", "vid", "20")
    bench.associate(ONE, 10)
    bench.associate(THREE, 20)
    assert set(bench.vlans()) == {1, 10, 20}
    bench.bridge.process.kill()
    bench.bridge.config["ports"][0].pop("vsi-types")
    bench.bridge.write_config()
    bench.bridge.start()
    eventually(lambda: bench.rules.table() is None, 10, "taken back")
    assert set(bench.vlans()) == {1, 20}
    assert bench.rules.forwarding(ONE) == bench.rules.forwarding(THREE) == []


def test_two_vlans_on_one_port(cable):
    """VSIs in different VLANs on one port, null VIDs filled in: tagged on the wire, reflected within their VLAN, kept out of the other."""
    bench = Vlans(cable)
    capture = cable.lab.start("tcpdump", cable.switch.command("tcpdump", "-i", "port0", "-e", "-n", "-l", "--immediate-mode", "vlan or arp"))
    eventually(lambda: "listening on" in capture.output(), 10, "tcpdump listens")
    one, two = VlanVM(bench, ONE, 10, 1), VlanVM(bench, TWO, 10, 2)
    three = VlanVM(bench, THREE, 20, 3)
    eventually(lambda: bench.switch.hairpin() is True, 5, "granted")
    bench.switch.wait_until_forwarding()
    eventually(lambda: one.received(two.address, 1) == 1, 10, "the first gets through")
    assert one.received(two.address) == 5 and two.received(one.address) == 5
    assert one.received(three.address) == 0 and three.received(two.address) == 0, "another VLAN"

    # Even one that tags its frames for the other VLAN, behind its own tag, does not get in: it is not associated there.
    assert three.received("192.0.2.1", device=three.join(10, "192.0.2.33")) == 0
    eventually(lambda: re.search(rf"{ONE} > {TWO}, ethertype 802.1Q \(0x8100\), .*vlan 10,", capture.output()), 5, "red on the wire")
    # The question comes from the host, and goes back to it by the reflective relay: tcpdump sees it twice.
    questions = lambda mac, vlan: len(re.findall(rf"{mac} > ff:ff:ff:ff:ff:ff, .*vlan {vlan},.*ARP", capture.output()))   # noqa: E731
    assert questions(ONE, 10) >= 2
    assert questions(THREE, 20) >= 2, "its own VLAN is reflected too"
    asked = questions(THREE, 10)
    known = json.loads(run(*one.namespace.command("ip", "-j", "neighbour", "show")).stdout or "[]")
    assert asked >= 1 and THREE not in [entry.get("lladdr") for entry in known], "it has asked, and nobody has heard of it"


def test_no_leak_between_vlans(cable):
    """What comes in is taken by its tag: an observer in one VLAN hears the VSIs of that alone, and none that uses another's tag, or none."""
    bench = Vlans(cable)
    far = Observer(cable, bench.switch)
    bench.bridge_command("vlan", "del", "dev", "far0", "vid", "1")
    bench.bridge_command("vlan", "add", "dev", "far0", "vid", "10", "pvid", "untagged")
    bench.associate(ONE, 10)
    bench.associate(THREE, 20)
    wire = cable.host_wire()
    sent = [(ONE, 10), (ONE, 20), (ONE, None), (ONE, 0), (THREE, 10), (THREE, 20), (THREE, None), (TWO, 10)]
    for mac, vlan in sent:
        wire.send(frame(mac, payload=f"{mac} {vlan};".encode(), vlan=vlan))
    wire.send(frame(ONE, payload=b"the last", vlan=10))
    eventually(lambda: any(b"the last" in f.octets for f in far.wire.look()), 5, "what is allowed passes")
    heard = {(mac, vlan) for mac, vlan in sent for f in far.wire.look() if f"{mac} {vlan};".encode() in f.octets}
    assert heard == {(ONE, 10)}


def test_SEC_32_no_second_tag_passes(cable):
    """On a bridge that filters VLANs too, nothing gets into a VLAN by another tag before or behind the VSI's own: not into that of an
    observer who is in all of them, whether the bridge takes the outer tag off or not."""
    bench = Vlans(cable)
    far = Observer(cable, bench.switch)
    for vid in (10, 20):
        bench.bridge_command("vlan", "add", "dev", "far0", "vid", vid)
    bench.associate(ONE, 10)
    bench.associate(TWO, 1)
    wire = cable.host_wire()
    q, ad, old = 0x8100, 0x88A8, 0x9100
    stacks = [[(q, 0), (q, 20)], [(q, 10), (q, 20)], [(q, 1), (q, 20)], [(q, 10), (ad, 20)], [(q, 1), (ad, 20)], [(ad, 10)], [(ad, 0), (q, 20)],
              [(ad, 10), (q, 20)], [(old, 20)], [(q, 1), (old, 20)], [(q, 0), (q, 0), (q, 20)], [(q, 20)]]
    sent = {f"{mac} {stack};".encode(): (mac, stack) for mac in (ONE, TWO) for stack in stacks}
    for mark, (mac, stack) in sent.items():
        tags = b"".join(struct.pack("!HH", kind, vid) for kind, vid in stack)
        wire.send(b"\xff" * 6 + octets(mac) + tags + struct.pack("!H", 0x88B5) + mark)
    for mac, vlan in ((ONE, 10), (TWO, None), (TWO, 1)):
        wire.send(frame(mac, payload=f"last {mac} {vlan}".encode(), vlan=vlan))
        eventually(lambda: any(f"last {mac} {vlan}".encode() in f.octets for f in far.wire.look()), 5, "what is allowed passes")
    assert [mark for mark in sent if any(mark in f.octets for f in far.wire.look())] == []


def test_OPS_615_traffic_is_counted_in_each_vlan(cable):
    """Frames with a tag count for the VSI in their VLAN, and those without for the VSI in the port's own; what another VLAN has is apart."""
    bench = Vlans(cable)
    far = Observer(cable, bench.switch)
    for vlan in (10, 20):
        bench.bridge_command("vlan", "add", "dev", "far0", "vid", vlan)
    red, blue, native = bench.associate(ONE, 10), bench.associate(TWO, 20), bench.associate(THREE, 1)
    wire = cable.host_wire()
    seen = lambda vsi, way: bench.bridge.ctl_json("vsi", "show", vsi)["traffic"][way]   # noqa: E731
    frames = lambda way: [seen(vsi, way)["frames"] for vsi in (red, blue, native)]   # noqa: E731

    def add(way, send, counts):
        before, octets = frames(way), seen(red, way)["octets"]
        send()
        wanted = [a + b for a, b in zip(before, counts)]
        eventually(lambda: frames(way) == wanted, 5, f"{way}: {before} -> {frames(way)}, not {wanted}")
        assert seen(red, way)["octets"] == octets + 64 * counts[0], "with the tag"

    def up():
        for _ in range(2):
            wire.send(frame(ONE, vlan=10))
        wire.send(frame(TWO, vlan=20))
        for _ in range(3):
            wire.send(frame(THREE))
        # In VLANs that are not theirs.
        wire.send(frame(ONE, vlan=20))
        wire.send(frame(TWO))

    def down():
        far.wire.send(frame("02:00:00:00:cc:01", ONE, vlan=10))
        for _ in range(2):
            far.wire.send(frame("02:00:00:00:cc:01", TWO, vlan=20))
        for _ in range(4):
            far.wire.send(frame("02:00:00:00:cc:01", THREE))

    add("sent", up, [2, 1, 3])
    add("received", down, [1, 2, 4])
