"""VSI types: what a bridge port grants, and that the kernel enforces what it has granted."""

import itertools
import re
import signal
import uuid

import pytest

from lab import eventually
from lab.evbd import FAILED, yaml
from lab.switch import Switch
from lab.system import run
from lab.types import ARP, EXPERIMENTAL, IPV4, Observer, Rules, frame
from lab.varlink import Control
from test_two_vms import VM

GUEST, OTHER, STRANGER = "52:54:00:11:22:33", "52:54:00:11:22:44", "52:54:00:66:66:66"
TYPES = [
    {"name": "web", "type": 100},
    {"name": "plain-ip", "type": 101, "ethertypes": ["ipv4", "arp"]},
    {"name": "slow", "type": 102, "rate-limit": "64kbit"},
    {"name": "few", "type": 103, "version": 2, "vlans": [7], "macs": ["52:54:00:11:00:00/32"], "vsis": 1},
    {"name": "anyone", "type": 104, "anti-spoofing": False},
]
_payloads = itertools.count()


class Bench:
    """A station and a bridge with VSI types, and somebody behind another port of the bridge."""

    def __init__(self, cable, stp=False, **types):
        self.cable, self.lab = cable, cable.lab
        self.switch = Switch(cable.lab, cable.switch, stp=stp)
        self.rules = Rules(cable.switch)
        self.types_file = cable.lab.directory / "types.yaml"
        self.write({"types": TYPES, **types})
        self.bridge = self.switch.evbd(ports=[{"interface": "port0", "vsi-types": self.types_file}])
        # What is tried is the switch's policy: the host lets the addresses of its VSIs pass also while they are not associated.
        self.station = cable.evbd(ports=[{"interface": "uplink0", "gate": "none"}])
        self.far = Observer(cable, self.switch)
        self.wire = cable.host_wire()
        self.station.wait_for_bridge()

    def write(self, types):
        self.types_file.write_text(yaml(types) + "\n")

    def reload(self, types):
        self.write(types)
        self.bridge.process.signal(signal.SIGHUP)

    def associate(self, mac=GUEST, type_id=100, *words):
        vsi = str(uuid.uuid4())
        self.station.associate(vsi, *words, mac=mac, type_id=type_id)
        return vsi

    def refused(self, mac=GUEST, type_id=100, *words):
        """The reason for which an association is refused."""
        vsi = str(uuid.uuid4())
        result = self.station.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", type_id, "--filter", f"mac={mac}", *words)
        assert result.returncode == FAILED, f"exit {result.returncode}: {result.stdout}{result.stderr}"
        return self.station.vsi(vsi)["reason"]

    def give_up(self):
        """The port goes from the configuration, which takes back what was imposed there."""
        self.bridge.config["ports"] = [{"interface": "elsewhere", "role": "bridge"}]
        self.bridge.write_config()
        self.bridge.process.signal(signal.SIGHUP)
        eventually(lambda: self.rules.table() is None, 10, "taken back")

    def deassociate(self, vsi):
        """Ends a VSI, and waits for the kernel: the station is told first, so as not to wait for what it does not need."""
        address = self.bridge.vsi(vsi)["filters"][0]["mac"]
        assert self.station.ctl("vsi", "deassociate", vsi).returncode == 0
        eventually(lambda: address not in (self.rules.table() or ""), 10, lambda: f"nothing of {address} is left in {self.rules.table()}")

    def passes(self, mac, ethertype=EXPERIMENTAL, **tag):
        """Whether a frame from an address gets to the other port. One that surely does is sent after it, and waited for."""
        payload = f"frame {next(_payloads)}".encode()
        self.wire.send(frame(mac, ethertype=ethertype, payload=payload, **tag))
        fence = f"fence {next(_payloads)}".encode()
        fenced = lambda: any(fence in f.octets for f in self.far.wire.look())   # noqa: E731
        with_fence = frame(self.fence_mac, payload=fence)
        eventually(lambda: self.wire.send(with_fence) or fenced(), 10, "the fence passes")
        return any(payload in f.octets for f in self.far.wire.look())

    fence_mac = "02:00:00:00:fe:fe"


@pytest.fixture
def bench(cable):
    return Bench(cable, **{"allow-macs": [Bench.fence_mac]})


def test_only_associated_addresses_send(bench):
    """A frame passes while its source is associated, and neither before nor after; a stranger's never does."""
    assert not bench.passes(GUEST) and not bench.passes(OTHER)
    vsi = bench.associate()
    assert bench.passes(GUEST) and not bench.passes(OTHER) and not bench.passes(STRANGER)
    assert [(e["state"], "sticky" in e["flags"]) for e in bench.rules.forwarding(GUEST)] == [("static", True)]
    other = bench.associate(OTHER)
    assert bench.passes(OTHER) and bench.passes(GUEST) and not bench.passes(STRANGER)
    bench.deassociate(vsi)
    assert not bench.passes(GUEST) and bench.passes(OTHER)
    assert bench.rules.forwarding(GUEST) == [] and len(bench.rules.forwarding(OTHER)) == 1
    bench.deassociate(other)
    assert not bench.passes(OTHER)
    assert all(bench.rules.elements(f"{name}-port0") == 0 for name in ("untagged", "tagged", "forwarding", "members", "rates"))


def test_pre_associated_addresses_do_not_send(bench):
    vsi = str(uuid.uuid4())
    words = ("--port", "uplink0", "--type", 100, "--filter", f"mac={GUEST}")
    assert bench.station.ctl("vsi", "preassociate", vsi, *words, "--reserve").returncode == 0
    assert not bench.passes(GUEST) and bench.rules.forwarding(GUEST) == []
    assert bench.station.ctl("vsi", "associate", vsi, *words).returncode == 0
    assert bench.passes(GUEST)


def test_reserved_addresses_are_not_relayed(bench):
    """What is sent to the bridge group addresses stays on its link, even without spanning tree, and still reaches evbd."""
    bench.associate()
    bench.wire.send(frame(GUEST, "01:80:c2:00:00:00", payload=b"to the bridge"))
    bench.wire.send(frame(GUEST, "01:80:c2:00:00:0e", payload=b"to the bridge"))
    assert bench.passes(GUEST)
    assert not [f for f in bench.far.wire.look() if b"to the bridge" in f.octets]
    assert not [f for f in bench.far.wire.received() if f.octets[12:14] in (b"\x88\xcc", b"\x89\x40")]
    assert bench.bridge.port("port0")["peer"] is not None


def test_ethertypes(bench):
    bench.associate(GUEST, 101)
    assert bench.passes(GUEST, IPV4) and bench.passes(GUEST, ARP) and not bench.passes(GUEST, EXPERIMENTAL)
    bench.associate(OTHER)
    assert bench.passes(OTHER, EXPERIMENTAL)


def test_rate_limit(bench):
    """Of a burst of 2 MB, an address with 64 kbit/s gets at most some 100 KB across; another has no limit."""
    bench.associate(GUEST, 102)
    bench.associate(OTHER)
    for mac in (GUEST, OTHER):
        for _ in range(2000):
            bench.wire.send(frame(mac, payload=b"burst".ljust(1000, b"x")))
    assert bench.passes(OTHER)
    heard = {mac: sum(b"burst" in f.octets for f in bench.far.heard(mac)) for mac in (GUEST, OTHER)}
    assert heard[OTHER] == 2000 and 20 <= heard[GUEST] <= 400, heard


def test_without_anti_spoofing(bench):
    vsi = bench.associate(GUEST, 104)
    assert bench.passes(GUEST) and bench.passes(STRANGER)
    bench.deassociate(vsi)
    assert not bench.passes(GUEST) and not bench.passes(STRANGER)


def test_what_is_refused(bench):
    """VDP-13 Each way in which a type does not allow a request, by its reason."""
    assert bench.refused(GUEST, 999) == "other-failure"
    assert bench.refused(GUEST, 103) == "other-failure", "version 0 is asked for"
    version = ("--type-version", 2)
    assert bench.refused("52:54:00:99:00:01", 103, *version) == "invalid-vid-group-mac"
    assert bench.refused(f"{GUEST},vlan=8", 103, *version) == "invalid-vid-group-mac"
    vsi = bench.associate(GUEST, 103, *version)
    assert bench.station.vsi(vsi)["filters"][0]["vlan"] == 7, "the null VID is filled in"
    assert bench.refused(OTHER, 103, *version) == "insufficient-resources"
    bench.deassociate(vsi)
    assert bench.associate(OTHER, 103, *version)


def test_other_peoples_entries_stay(bench):
    """A static entry that somebody has made serves, and is not removed; one that points elsewhere is a refusal."""
    run(*bench.switch.namespace.command("bridge", "fdb", "add", GUEST, "dev", "port0", "master", "static"))
    vsi = bench.associate()
    assert bench.passes(GUEST) and bench.rules.elements("forwarding-port0") == 0
    bench.deassociate(vsi)
    assert [entry["state"] for entry in bench.rules.forwarding(GUEST)] == ["static"]
    run(*bench.switch.namespace.command("bridge", "fdb", "add", OTHER, "dev", "far0", "master", "static"))
    assert bench.refused(OTHER) == "insufficient-resources"
    assert len(bench.rules.forwarding(OTHER, "far0")) == 1 and not bench.passes(OTHER)
    assert bench.rules.elements("forwarding-port0") == 0 and bench.rules.elements("untagged-port0") == 0
    assert "belongs to a static entry" in bench.bridge.process.output()
    # A stranger's rules are left alone too.
    run(*bench.switch.namespace.command("nft", "add table bridge mine"))
    bench.give_up()
    assert bench.rules.table() is None
    assert "table bridge mine" in run(*bench.switch.namespace.command("nft", "list", "tables")).stdout


def test_a_learned_address_comes_over(bench):
    """What another port has sent from the address gives way, and does not get it back by sending again."""
    bench.far.wire.send(frame(GUEST))
    eventually(lambda: bench.rules.forwarding(GUEST, "far0"), 5, "learned")
    bench.associate()
    assert len(bench.rules.forwarding(GUEST)) == 1
    bench.far.wire.send(frame(GUEST))
    assert bench.passes(GUEST)
    assert len(bench.rules.forwarding(GUEST)) == 1 and bench.rules.forwarding(GUEST, "far0") == []


def test_all_is_taken_back_when_the_port_goes(bench):
    bench.associate()
    bench.associate(OTHER, 102)
    assert not bench.passes(STRANGER)
    bench.give_up()
    assert bench.rules.forwarding(GUEST) == [] and bench.rules.forwarding(OTHER) == []
    assert bench.passes(STRANGER)


def test_what_a_dead_evbd_has_imposed(bench):
    """It holds while evbd is dead and after it is back; what is de-associated then goes, as does all when evbd leaves."""
    vsi, other = bench.associate(), bench.associate(OTHER, 102)
    bench.bridge.process.kill()
    assert bench.passes(GUEST) and bench.passes(OTHER) and not bench.passes(STRANGER)
    bench.bridge.start()
    assert bench.passes(GUEST) and bench.passes(OTHER) and not bench.passes(STRANGER)
    assert len(bench.rules.forwarding(GUEST)) == 1 and bench.rules.elements("rates-port0") == 1
    for name in (vsi, other):
        eventually(lambda: bench.bridge.state(name) == "associated", 15, "associated anew")
    bench.deassociate(vsi)
    eventually(lambda: bench.bridge.vsi(vsi) is None, 5, "released")
    bench.bridge.process.kill()
    # Without VSI types nothing is to be imposed: what is left goes at once.
    bench.bridge.config["ports"][0].pop("vsi-types")
    bench.bridge.write_config()
    bench.bridge.start()
    eventually(lambda: bench.rules.table() is None, 5, "taken back")
    assert bench.rules.forwarding(GUEST) == [] and bench.rules.forwarding(OTHER) == []


def test_a_flushed_ruleset_comes_back(bench):
    bench.associate()
    run(*bench.switch.namespace.command("nft", "flush", "ruleset"))
    eventually(lambda: bench.rules.table() is not None, 10, "evbd sets its rules up again")
    assert bench.passes(GUEST) and not bench.passes(STRANGER)


def test_another_database_while_it_runs(bench):
    """VSIs whose type is gone are de-associated, the others stay, under what their types impose now. A bad file changes nothing."""
    web, ip = bench.associate(), bench.associate(OTHER, 101)
    assert bench.passes(GUEST) and not bench.passes(OTHER)
    allowed = {"allow-macs": [Bench.fence_mac]}
    bench.write({"types": [{"type": "many"}], **allowed})
    bench.bridge.process.signal(signal.SIGHUP)
    eventually(lambda: "types.yaml:2: types[0].type" in bench.bridge.process.output(), 5, "the mistake is told")
    assert bench.bridge.state(web) == bench.bridge.state(ip) == "associated" and bench.passes(GUEST)

    bench.reload({"types": [{"type": 101}], **allowed})
    eventually(lambda: bench.bridge.vsi(web) is None, 5, "its type is gone")
    eventually(lambda: bench.station.state(web) != "associated", 5, "the station is told")
    eventually(lambda: not bench.passes(GUEST) and bench.passes(OTHER), 5, "the other may send what it likes now")
    assert bench.bridge.state(ip) == bench.station.state(ip) == "associated"

    # Without the key, whatever comes is accepted, and nothing is enforced.
    bench.bridge.config["ports"][0].pop("vsi-types")
    bench.bridge.write_config()
    bench.bridge.process.signal(signal.SIGHUP)
    eventually(lambda: bench.rules.table() is None, 5, "nothing is imposed")
    eventually(lambda: bench.bridge.state(ip) == "associated", 20, "associated anew")
    assert bench.passes(STRANGER)


def test_OPS_116_lines_of_the_bridge_have_the_fields_of_a_vsi(bench):
    """OPS-116 A grant, a refusal with its cause, and a VSI that is taken back: each is one line with address, type, manager and station."""
    station = re.search(r"EVB station found.* chassis=(\S+)", bench.bridge.process.output())[1]
    vsi = bench.associate(GUEST, 100, "--manager", 5)
    facts = rf'vsi=%s mac={GUEST} type="%d v0" manager=5 .*who="station {station}"'

    def lines(pattern):
        return re.findall(rf"^.*(?:{pattern}).*$", bench.bridge.process.output(), re.M)
    granted, = lines(f"VSI associated .*{vsi}")
    assert re.search(facts % (vsi, 100), granted) and " type-name=web" in granted, granted
    other = str(uuid.uuid4())
    assert bench.station.ctl("vsi", "associate", other, "--port", "uplink0", "--type", 999, "--manager", 5, "--filter", f"mac={GUEST}").returncode == FAILED
    refused, = lines(f"not admitted|refused .*{other}")
    assert re.search(r" warning VSI refused port=port0 reason=other-failure " + facts % (other, 999), refused), refused
    assert re.search(r' cause="[^"]*999[^"]*" ', refused), refused
    bench.reload({"types": [{"type": 101}]})
    eventually(lambda: bench.bridge.vsi(vsi) is None, 5, "its type is gone")
    revoked, = lines("VSI revoked")
    assert re.search(r' warning VSI revoked port=port0 reason="[^"]+" ' + facts % (vsi, 100), revoked), revoked


def test_check_config_reads_the_types(bench):
    bench.write({"types": [{"type": 1, "vlan": 5}], "colour": "blue"})
    from lab.evbd import binary
    said = run(str(binary("evbd")), "--check-config", "--config", str(bench.bridge.config_file), check=False)
    assert said.returncode == 1
    assert said.stderr.splitlines() == [
        f"{bench.types_file}:3: types[0].vlan: is not a known key; did you mean vlans?",
        f"{bench.types_file}:4: colour: is not a known key; the known keys are types, overlay, default-manager, allow-macs, protected-macs"]


def test_VDP_39_a_thousand_vsis_are_enforced(bench):
    """VDP-39 1,000 VSIs, each with a forwarding entry and a rule of its own; and none is left of them."""
    count = 1000
    control = Control(bench.station.socket)
    bench.lab.at_end(control.close)
    vsis = [str(uuid.uuid4()) for _ in range(count)]
    mac = "52:54:00:22:{:02x}:{:02x}".format
    control.call_all("Associate", [
        {"vsiID": vsi, "port": "uplink0", "typeID": 102 if n % 2 else 101, "filters": [{"mac": mac(n >> 8, n & 255)}]}
        for n, vsi in enumerate(vsis)])
    eventually(lambda: bench.bridge.port("port0")["vsis"]["associated"] == count, 60, "the bridge has all", every=0.2)
    assert bench.rules.elements("untagged-port0") == bench.rules.elements("forwarding-port0") == count
    assert bench.rules.elements("rates-port0") == count / 2
    assert bench.passes(mac(3, 0xe6), IPV4) and not bench.passes(mac(3, 0xe8), IPV4)
    control.call_all("Deassociate", [{"vsiID": vsi, "port": "uplink0"} for vsi in vsis])
    eventually(lambda: bench.bridge.vsis() == {}, 60, "all are released", every=0.5)
    eventually(lambda: bench.rules.elements("untagged-port0") == bench.rules.elements("forwarding-port0") == 0, 30, "nothing is left")


def test_two_vms_and_a_stranger_on_their_host(cable):
    """ARC-05 Two associated VMs talk through the reflective relay; what their host sends from another address reaches neither."""
    bench = Bench(cable)
    one, two = (VM(cable, _Typed(bench.station), number) for number in (1, 2))
    eventually(lambda: bench.switch.hairpin() is True, 5, "granted")
    eventually(lambda: one.lost(two, 1) == 0, 10, "the first gets through")
    assert one.lost(two, 50) == 0
    inside = two.wire(cable.lab)
    for destination in (two.mac, "ff:ff:ff:ff:ff:ff"):
        bench.wire.send(frame(STRANGER, destination, payload=b"stranger"))
        bench.wire.send(frame(one.mac, destination, payload=b"associated"))
    heard = lambda words: [f for f in inside.look() if words in f.octets]   # noqa: E731
    eventually(lambda: len(heard(b"associated")) == 2, 5, "the associated address is heard")
    assert not heard(b"stranger")


class _Typed:
    """A station whose VSIs have a type of the database."""

    def __init__(self, station):
        self.station = station

    def associate(self, vsi, *words, **changes):
        return self.station.associate(vsi, *words, type_id=100, **changes)


def test_OPS_614_traffic_of_vsis_is_counted_at_the_switch(bench):
    """Both ways, by address, in frames of 60 octets; what rules drop is counted for the port; a restart of evbd loses nothing of it."""
    vsi, other = bench.associate(), bench.associate(OTHER)
    waiting = str(uuid.uuid4())
    bench.station.ctl("vsi", "preassociate", waiting, "--port", "uplink0", "--type", 100, "--filter", "mac=52:54:00:11:22:55")
    shown = lambda which=vsi: bench.bridge.ctl_json("vsi", "show", which)   # noqa: E731
    count = lambda way, which=vsi: (lambda c: (c["frames"], c["octets"], c["drops"]))(shown(which)["traffic"][way])   # noqa: E731
    dropped = lambda: bench.bridge.ctl_json("port", "show", "port0")["dropped"]["frames"]   # noqa: E731
    assert shown()["trafficNote"] is None
    assert shown(waiting)["traffic"] is None and shown(waiting)["trafficNote"] == "rules count from the association on"

    sent, quiet, lost = count("sent"), count("sent", other), dropped()
    for _ in range(3):
        assert bench.passes(GUEST)
    assert count("sent") == (sent[0] + 3, sent[1] + 180, None) and count("sent", other) == quiet
    assert not bench.passes(STRANGER) and not bench.passes("52:54:00:11:22:55")
    assert dropped() >= lost + 2
    received = count("received")
    for _ in range(2):
        bench.far.wire.send(frame(bench.fence_mac, GUEST, payload=b"to the machine"))
    eventually(lambda: count("received")[0] >= received[0] + 2, 5, "what goes out to it")
    assert count("received") == (received[0] + 2, received[1] + 120, None) and count("received", other) == (0, 0, None)

    # Rules that another process removes come back, and what was counted stays.
    before, lost = count("sent"), dropped()
    run(*bench.switch.namespace.command("nft", "flush chain bridge evbd port-port0; flush chain bridge evbd to-port0"))
    eventually(lambda: bench.rules.table().count("@sentplain-port0") == bench.rules.table().count("@receivedplain-port0") == 2, 5, "rules are back")
    assert count("sent") == before and count("received")[0] == received[0] + 2 and dropped() >= lost
    # The counters are the kernel's: evbd may go and come.
    assert bench.bridge.terminate() == 0
    bench.wire.send(frame(GUEST, payload=b"meanwhile"))
    bench.bridge.start()
    eventually(lambda: bench.bridge.state(vsi) == "associated", 20, "it is associated again")
    assert count("sent") == (before[0] + 1, before[1] + 60, None) and dropped() >= lost
    text = bench.bridge.ctl("metrics", "--vsi").stdout
    assert f'evbd_vsi_sent_frames_total{{port="port0",role="bridge",vsi="{vsi}"}} {before[0] + 1}\n' in text
    assert 'evbd_port_dropped_frames_total{port="port0",role="bridge"} ' in text and waiting not in text
    assert "evbd_vsi_" not in bench.bridge.ctl("metrics").stdout
    said = bench.bridge.ctl("vsi", "show", vsi).stdout
    assert f"Machine sent      {before[0] + 1} frames, {before[1] + 60} octets\n" in said, said

    bench.deassociate(vsi)
    assert bench.rules.elements("sentplain-port0") == bench.rules.elements("receivedplain-port0") == 1
    bench.deassociate(other)
    assert all(bench.rules.elements(f"{name}-port0") == 0 for name in ("sent", "sentplain", "received", "receivedplain"))
