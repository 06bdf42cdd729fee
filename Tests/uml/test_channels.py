"""S-channels (802.1Q clause 42) with evbd on both sides. To be run inside Tests/uml/run: a kernel without VLAN devices has none.

A station with channel 1, `red` (VEPA), `blue` (VEB) and `uplink0.c4` (direct) on one cable, and a bridge that gives them by CDCP. Each
channel is a port of the switch's br0 with a VLAN of its own, and a machine on the LAN is in all of them.
"""

import contextlib
import copy
import re
import signal
import struct
import time
import uuid

from lab import Wire, eventually, netlink
from lab.capture import Recording
from lab.codec import ETHERTYPE_LLDP, LLDPDU, ethernet, mac
from lab.switch import Switch
from lab.system import run

BRIDGE = {"svids": "100-131", "bridge": "br0"}
STATION = [{"scid": 2, "name": "red"}, {"scid": 3, "name": "blue", "edge-relay": "veb"}, {"scid": 4, "edge-relay": "direct"}]
PORTS = ("uplink0", "red", "blue", "uplink0.c4")
# The bridge's port of each, and the VLAN that it is in.
SIDES = {"uplink0": ("port0", 101), "red": ("port0.c2", 102), "blue": ("port0.c3", 103), "uplink0.c4": ("port0.c4", 104)}
NON_TPMR = "01:80:c2:00:00:03"
PINGS = 150
LOST = re.compile(r"(\d+) packets transmitted, (\d+) received")


class Bench:
    """A station and a bridge, one cable, S-channels on it."""

    def __init__(self, cable, channels=STATION, bridge=BRIDGE, wait=PORTS, **uplink):
        self.cable, self.lab = cable, cable.lab
        self.switch = Switch(cable.lab, cable.switch, stp=True)
        cable.switch.ip("link", "set", "br0", "type", "bridge", "vlan_filtering", "1")
        # Tests change what is configured.
        channels, bridge = copy.deepcopy((channels, bridge))
        self.bridge = self.switch.evbd(ports=[{"interface": "port0", "s-channels": bridge}])
        self.station = cable.evbd(ports=[{"interface": "uplink0", "s-channels": {"channels": channels, **uplink}}])
        for port in wait:
            self.station.wait_for_bridge(port, 30)

    def uplink(self, side=None):
        evbd = side or self.station
        return evbd.ctl_json("port", "show", "uplink0" if evbd is self.station else "port0")["uplink"]

    def channels(self, side=None):
        """A side's channels: name -> (SCID, SVID, why it is not there)."""
        return {each["interface"]: (each["scid"], each["svid"], each["reason"]) for each in self.uplink(side)["channels"]}

    def lan(self):
        """A machine behind another port of the bridge, in the VLANs of all channels."""
        self.outside = self.lab.namespace("outside")
        self.lab.veth(self.outside, "x0", "02:00:00:00:cc:01", self.cable.switch, "lan0", "02:00:00:00:cc:02")
        self.switch.join("lan0")
        for port, vlan in SIDES.values():
            self.vlan(port, vlan, "pvid", "untagged")
            self.vlan("lan0", vlan)
            name = f"x0.{vlan}"
            self.outside.ip("link", "add", "link", "x0", "name", name, "type", "vlan", "id", vlan)
            self.outside.ip("address", "add", f"10.{vlan}.0.99/24", "dev", name)
            self.outside.ip("link", "set", name, "up")
        for port in [port for port, _ in SIDES.values()] + ["lan0"]:
            eventually(lambda: self.switch.forwards(port), 20, f"{port} forwards")
        return self

    def vlan(self, port, vlan, *flags):
        run(*self.cable.switch.command("bridge", "vlan", "add", "dev", port, "vid", vlan, *flags))

    def vsis(self):
        return {vsi["port"]: vsi["state"] for vsi in self.station.ctl_json("vsi", "list")}


class VM:
    """A machine on a macvlan that evbd has made on a channel."""

    def __init__(self, bench, port, number):
        self.port, self.name = port, f"vm{number}"
        self.mac = f"52:54:00:00:0{number // 10}:0{number % 10}"
        self.vsi = str(uuid.uuid4())
        bench.station.associate(self.vsi, "--link", self.name, "--link-kind", "macvlan", port=port, mac=self.mac)
        self.namespace = bench.lab.namespace(self.name)
        bench.cable.host.ip("link", "set", self.name, "netns", self.namespace.name)
        self.namespace.ip("link", "set", self.name, "up")
        vlan = SIDES[port][1]
        self.address = f"10.{vlan}.0.{number}"
        self.namespace.ip("address", "add", f"{self.address}/24", "dev", self.name)
        self.outside = f"10.{vlan}.0.99"

    def received(self, address, count=5, every=0.05):
        """How many answers come from there."""
        words = ("ping", "-n", "-q", "-i", every, "-W", "1", "-c", count, address)
        return int(LOST.search(run(*self.namespace.command(*words), check=False).stdout).group(2))

    def wire(self, bench):
        wire = Wire(self.namespace, self.name)
        bench.lab.at_end(wire.close)
        return wire


class Pings:
    """Pings of a machine to the LAN, 50 a second."""

    def __init__(self, bench, vm):
        self.process = bench.lab.start(f"ping-{vm.name}", vm.namespace.command("ping", "-n", "-i", "0.02", "-W", "1", "-c", PINGS, vm.outside))

    def sent(self):
        return self.process.output().count("time=")

    def lost(self):
        eventually(lambda: not self.process.alive, 30, "the pings are through")
        sent, received = LOST.search(self.process.output()).groups()
        return int(sent) - int(received)


def machines(bench):
    return [VM(bench, port, number) for port, number in (("red", 1), ("red", 2), ("blue", 11), ("blue", 12), ("uplink0.c4", 21), ("uplink0", 31))]


def test_SCH_176_channels_come_by_cdcp(cable, tell):
    """SCH-01 SCH-10 SCH-14 SCH-176 Channels come by CDCP, are ports of their own, and are shown below their uplink on both sides."""
    bench = Bench(cable)
    assert bench.channels() == {"red": (2, 100, None), "blue": (3, 101, None), "uplink0.c4": (4, 102, None)}
    assert bench.channels(bench.bridge) == {"port0.c2": (2, 100, None), "port0.c3": (3, 101, None), "port0.c4": (4, 102, None)}
    shown = bench.station.ctl("status").stdout
    tell(shown, bench.bridge.ctl("status").stdout, bench.station.ctl("port", "show", "uplink0").stdout[:3000])
    rows = [line.split() for line in shown.splitlines() if line.startswith(("uplink0 ", "  "))]
    assert [row[0] for row in rows][:4] == list(PORTS) and rows[1][1:3] == ["2", "100"]
    for side, role, other in ((bench.station, "station", "bridge"), (bench.bridge, "bridge", "station")):
        uplink = bench.uplink(side)
        assert uplink["state"] == "running" and uplink["role"] == role and uplink["remote"]["role"] == other
        assert uplink["operCapacity"] == 167 and uplink["remote"]["pairs"][0] == {"scid": 1, "svid": 1}
    # Reflective relay is a channel's own: red asks for it, and blue and c4 do not.
    grants = {port["interface"]: port["reflectiveRelay"]["status"] for port in bench.station.ctl_json("status")["ports"]}
    assert grants == {"uplink0": "granted", "red": "granted", "blue": "not-requested", "uplink0.c4": "not-requested"}
    assert [bench.switch.hairpin(port) for port, _ in SIDES.values()] == [True, True, False, False]
    for number, port in enumerate(PORTS):
        bench.station.associate(str(uuid.uuid4()), port=port, mac=f"52:54:00:00:00:0{number}")
    assert bench.vsis() == dict.fromkeys(PORTS, "associated")
    assert sorted(vsi["port"] for vsi in bench.bridge.ctl_json("vsi", "list")) == sorted(port for port, _ in SIDES.values())
    assert bench.station.ctl_json("stats", "uplink0")[0]["counters"]["CdcpRxFrames"] > 0


def test_SCH_177_each_channel_reaches_its_own(cable):
    """SCH-09 SCH-177 Machines of each channel reach the LAN and each other as their relay has it, and nothing of a channel comes out in another."""
    bench = Bench(cable).lan()
    a1, a2, b1, b2, c1, d1 = vms = machines(bench)
    for vm in vms:
        assert vm.received(vm.outside) >= 4, f"{vm.name} on {vm.port} reaches the LAN"
    assert a1.received(a2.address) >= 4, "through the switch, which reflects"
    before = int(run(*cable.host.command("cat", "/sys/class/net/blue/statistics/tx_packets")).stdout)
    assert b1.received(b2.address, 20) >= 19
    assert int(run(*cable.host.command("cat", "/sys/class/net/blue/statistics/tx_packets")).stdout) - before <= 8, "inside the host"
    wires = {vm.name: vm.wire(bench) for vm in vms}
    for sender in vms:
        for wire in wires.values():
            wire.clear()
        text = f"leak of {sender.name}".encode()
        for tags in (b"", b"\x88\xa8\x00\x65", b"\x88\xa8\x00\x66", b"\x88\xa8\x00\x00", b"\x88\xa8\x00\x63", b"\x81\x00\x00\x00\x88\xa8\x00\x65",
                     b"\x88\xa8\x00\x64\x88\xa8\x00\x65"):
            for to in ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01"] + [vm.mac for vm in vms if vm is not sender]:
                # What the rules drop on its way out is no frame that was sent.
                with contextlib.suppress(OSError):
                    wires[sender.name].send(mac(to) + mac(sender.mac) + tags + b"\x99\x99" + text.ljust(60, b"."))
        time.sleep(0.3)
        heard = {vm.name for vm in vms if vm is not sender and wires[vm.name].received(lambda frame: text in frame.octets)}
        assert heard <= {vm.name for vm in vms if vm.port == sender.port}, f"{sender.name} is heard by {heard}"


def test_SCH_178_restarts_keep_channels(cable):
    """SCH-178 kill -9 and a stop of either side leave channels, S-tags and VSIs as they were, and no ping is lost by the station's."""
    bench = Bench(cable).lan()
    vm = VM(bench, "red", 1)
    before = bench.channels()
    for side in (bench.station, bench.bridge):
        for how in (signal.SIGKILL, signal.SIGTERM):
            side.process.signal(how)
            eventually(lambda: not side.process.alive, 10, "it has ended")
            assert vm.received(vm.outside, 10) == 10 or side is bench.bridge, "channels are the kernel's while evbd is away"
            side.start()
            eventually(lambda: bench.vsis() == {"red": "associated"}, 30, "the VSI is associated again")
            assert bench.channels() == before
            assert vm.received(vm.outside) >= 4


def test_SCH_179_a_channel_moves(cable, tell):
    """SCH-11 SCH-179 A bridge gives a channel another S-tag: its device and links stay, its VSIs are asked for again, and few pings are lost."""
    bench = Bench(cable).lan()
    vm, other = VM(bench, "red", 1), VM(bench, "uplink0", 31)
    index = cable.host.index("red")
    bench.bridge.config["ports"][0]["s-channels"]["svids"] = "200-231"
    bench.bridge.write_config()
    pings, others = Pings(bench, vm), Pings(bench, other)
    eventually(lambda: pings.sent() > 20, 10, "pings go")
    assert bench.bridge.ctl("reload", "--yes").returncode == 0
    eventually(lambda: bench.channels()["red"][1] == 200, 10, "it has moved")
    lost, others = pings.lost(), others.lost()
    tell(f"of {PINGS} pings {lost} were lost in the channel, {others} in channel 1")
    assert lost <= 12 and others == 0
    assert cable.host.index("red") == index and vm.received(vm.outside) >= 4
    eventually(lambda: bench.vsis() == {"red": "associated", "uplink0": "associated"}, 10, "asked for again")


def test_SCH_181_channels_come_and_go_beside_others(cable):
    """SCH-12 SCH-181 A reload adds a channel, takes one away and turns CDCP off and on again, and the others' links and pings go on."""
    bench = Bench(cable).lan()
    vm = VM(bench, "red", 1)
    pings = Pings(bench, vm)
    index = cable.host.index("red")
    section = bench.station.config["ports"][0]["s-channels"]

    def reload(side, *words):
        side.write_config()
        assert side.ctl("reload", *words).returncode == 0, side.process.tail()

    section["channels"] = [STATION[0], {"scid": 9, "name": "green"}]
    bench.station.write_config()
    refused = bench.station.ctl("reload", "--dry-run").stdout
    assert "blue" in refused and "green" in refused, refused
    reload(bench.station, "--yes")
    bench.station.wait_for_bridge("green")
    eventually(lambda: "blue" not in cable.host.links() and "port0.c3" not in cable.switch.links(), 10, "it has gone on both sides")
    assert bench.channels()["red"] == (2, 100, None) and cable.host.index("red") == index
    assert pings.lost() == 0

    # By hand what CDCP has given: the devices stay.
    pings = Pings(bench, vm)
    given = {name: svid for name, (_, svid, _) in bench.channels().items()}
    bench.bridge.config["ports"][0]["s-channels"] = {
        "cdcp": False, "bridge": "br0", "channels": [{"scid": 2, "svid": given["red"]}, {"scid": 9, "svid": given["green"]}]}
    section.update({"cdcp": False, "channels": [{"scid": 2, "name": "red", "svid": given["red"]}, {"scid": 9, "name": "green", "svid": given["green"]}]})
    reload(bench.station)
    reload(bench.bridge)
    assert bench.uplink()["cdcp"] is False and bench.vsis() == {"red": "associated"}
    for evbd, section in ((bench.bridge, BRIDGE), (bench.station, {"channels": section["channels"]})):
        evbd.config["ports"][0]["s-channels"] = section
        reload(evbd)
    eventually(lambda: bench.uplink()["state"] == "running" and bench.uplink()["peer"], 40, "by CDCP again")
    assert pings.lost() == 0
    assert cable.host.index("red") == index and bench.channels()["red"] == (2, 100, None) and bench.vsis() == {"red": "associated"}


def test_SCH_182_a_false_neighbour_changes_nothing(cable, tell):
    """SCH-182 Another sender of CDCP on the cable, bad TLVs of the bridge's own name and a same role: channels stay, the problem and counters are shown."""
    bench = Bench(cable, channels=STATION[:1], wait=("uplink0", "red"))
    wire = cable.wire()
    before = bench.channels()

    def send(source, chassis, tlv):
        wire.send(ethernet(source, ETHERTYPE_LLDP, LLDPDU(b"\x04" + mac(chassis), b"\x07port0", 121, ((127, tlv),)).encode(), mac(NON_TPMR)))

    def cdcp(role, capacity, *pairs, component=True):
        word = role << 31 | component << 27 | capacity
        return bytes.fromhex("0080c20e") + struct.pack("!I", word) + b"".join((scid << 12 | svid).to_bytes(3, "big") for scid, svid in pairs)

    own = "02:00:00:00:bb:01"
    for source, chassis, tlv in (
            ("02:66:00:00:00:01", "02:66:00:00:00:01", cdcp(0, 167, (1, 1), (2, 999))),
            (own, own, cdcp(0, 167, (1, 1), (2, 100), (2, 101), (3, 4095))),
            (own, own, cdcp(0, 0, (1, 1), (2, 100))),
            (own, own, cdcp(0, 167, (2, 100), (1, 1))),
            (own, own, cdcp(0, 167, (1, 1), (2, 100)) + b"\0\1"),
            (own, own, bytes.fromhex("0080c20e0000"))):
        send(source, chassis, tlv)
    counters = lambda: bench.station.ctl_json("stats", "uplink0")[0]["counters"]   # noqa: E731
    wanted = ("CdcpSeveralNeighbours", "CdcpBadPair", "CdcpBadCapacity", "CdcpNoDefaultPair", "CdcpRemainder", "CdcpUnusableTlv")
    eventually(lambda: all(counters()[name] > 0 for name in wanted), 10, f"all are counted: {counters()}")
    assert bench.channels() == before and bench.vsis() == {}
    problems = lambda: [problem["message"] for problem in bench.station.ctl_json("status")["problems"] if problem["kind"] == "cdcp"]   # noqa: E731
    # A bad TLV in the bridge's name is the problem until the bridge speaks again.
    eventually(lambda: any("2 neighbours" in message for message in problems()), 40, lambda: f"two neighbours are the problem: {problems()}")
    tell(*problems())
    # Of a flood no more is taken than LLDP has to say: each LLDPDU may change all channels.
    taken, began = counters()["CdcpRxFrames"], time.monotonic()
    for _ in range(500):
        send("02:66:00:00:00:01", "02:66:00:00:00:01", cdcp(0, 167, (1, 1), (2, 999)))
    time.sleep(0.5)
    assert counters()["CdcpRxFrames"] - taken <= 12 + time.monotonic() - began
    bench.station.associate(str(uuid.uuid4()), port="red")


def test_SCH_184_libvirt_on_a_channel(cable):
    """SCH-184 libvirt names the interface at the bottom, and the number of the first VLAN device on its way: the guest is associated on the channel
    that its macvtap is on, in its VLAN there; libvirt's polls at the bottom answer for it, and its disassociation ends it, also after the link."""
    bench = Bench(cable, wait=("uplink0", "red", "blue"))
    client = bench.station.libvirt()
    guests = {}
    cable.host.ip("link", "add", "link", "blue", "name", "blue.50", "type", "vlan", "id", 50)
    cable.host.ip("link", "set", "blue.50", "up")
    for number, (device, port, vlan) in enumerate((("red", "red", 0), ("blue.50", "blue", 50), ("uplink0", "uplink0", 0))):
        vsi, address = str(uuid.uuid4()), f"52:54:00:00:07:0{number}"
        cable.host.ip("link", "add", "link", device, "name", f"guest{number}", "address", address, "type", "macvtap", "mode", "vepa")
        first = {"red": bench.channels()["red"][1], "blue.50": 50, "uplink0": 0}[device]
        assert client.request(address, vsi, netlink.ASSOCIATE, vlan=first) is True
        shown = bench.station.vsi(vsi)
        assert (shown["port"], shown["filters"][0]["vlan"] or 0, shown["state"]) == (port, vlan, "associated"), shown
        guests[vsi] = (address, number, first)
    # After a restart it is the same.
    bench.station.process.signal(signal.SIGKILL)
    eventually(lambda: not bench.station.process.alive, 10, "it has ended")
    bench.station.start()
    eventually(lambda: all(bench.station.state(vsi) == "associated" for vsi in guests), 30, "associated again")
    client = bench.station.libvirt()
    for vsi, (address, number, first) in guests.items():
        if number:
            cable.host.ip("link", "delete", f"guest{number}")
        assert client.request(address, vsi, netlink.DISASSOCIATE, vlan=first) is True
    assert bench.station.vsis() == {} and bench.bridge.vsis() == {}


def test_CAP_113_a_channel_and_its_interface_are_captured_each(cable):
    """CAP-113 The capture of a channel's port has its VSIs and not CDCP; that of the interface has CDCP, and nothing of the channel."""
    bench = Bench(cable)
    red = Recording(bench.station, cable.lab.directory / "red.pcapng", port="red")
    uplink = Recording(bench.station, cable.lab.directory / "uplink0.pcapng")
    vsi = str(uuid.uuid4())
    bench.station.associate(vsi, port="red", mac="52:54:00:00:00:01")
    red.wait_for(": granted; associated here now", 30)
    # It asks again for its channels at once.
    bench.bridge.process.signal(signal.SIGKILL)
    bench.bridge.process.wait(10)
    bench.bridge.start()
    uplink.wait_for("taken for the S-channels; CDCP is running now", 60)
    channel, _ = red.end()
    whole, _ = uplink.end()
    assert channel.interface["name"] == "red" and whole.interface["name"] == "uplink0"
    assert not any("CDCP" in packet.comment for packet in channel.packets)
    assert not any(vsi in packet.comment for packet in whole.packets)
    cdcp = [packet for packet in whole.packets if "CDCP TLV, role " in packet.comment]
    assert {packet.inbound for packet in cdcp} == {True, False} and all(packet.octets[:6].hex(":") == NON_TPMR for packet in cdcp)
    assert any("SCID/SVID 1/1 2/" in packet.comment for packet in cdcp)
