"""What is wrong stands in `evbctl status` and `port show` until it is cured: the sixteen faults of issue 13, seen from the station."""

import json
import re
import time
import uuid

import pytest

from lab import Evbd, Lab, ScriptedBridge, Wire, eventually
from lab.codec import (ETHERTYPE_LLDP, EVB, HARD, LLDPDU, ECPDU, VDPDU, ETHERTYPE_ECP, ethernet, mac)
from lab.evbd import FAILED, NO_ANSWER
from lab.fixtures import PORT_MAC, UPLINK_MAC, _labs
from lab.problems import is_over, looks
from lab.system import run

SWITCH, STRANGER, OTHER_SWITCH = PORT_MAC, "02:00:00:00:66:66", "02:00:00:00:77:77"
NEAREST_BRIDGE = bytes.fromhex("0180c200000e")
EVB_ON = EVB(rrcap=True, rrctr=True, bgid=True, rrreq=True, rte=10, rwd=17, rka=18)
REASONS = {"invalid-format": 1, "insufficient-resources": 2, "other-failure": 4, "invalid-vid-group-mac": 5}


def lldpdu(evb=None, ttl=20, address=SWITCH, destination=None, tag=None, port=b"\x05ge-0/0/1"):
    """A switch's LLDPDU, with or without EVB TLV."""
    pdu = LLDPDU(b"\x04" + mac(address), port, ttl, ((127, evb.encode()),) if evb else ())
    frame = ethernet(address, ETHERTYPE_LLDP, pdu.encode(), **({"destination": destination} if destination else {}))
    return frame[:12] + b"\x81\x00" + tag.to_bytes(2, "big") + frame[12:] if tag else frame


class Bench:
    """One station for all faults; each test brings the switch that it needs."""

    def __init__(self, lab):
        self.lab = lab
        self.host, self.switch = lab.namespace("host"), lab.namespace("switch")
        lab.veth(self.host, "uplink0", UPLINK_MAC, self.switch, "port0", PORT_MAC)
        lab.veth(self.host, "uplink1", "02:00:00:00:aa:02", self.switch, "port1", "02:00:00:00:bb:02")
        self.evbd = Evbd(lab, self.host, ports=["uplink0", {"interface": "uplink1", "dialect": "draft"}])
        self.wire = Wire(self.switch, "port0")
        lab.at_end(self.wire.close)
        self.bridge = None

    def scripted(self, port="port0", **script):
        self.bridge = ScriptedBridge(self.switch, port, **{"evb": EVB_ON, **script})
        return self.bridge

    def heard(self, **script):
        self.scripted(**script)
        self.evbd.wait_for_bridge()
        return self.bridge

    def clear(self):
        if self.bridge:
            self.bridge.stop()
            self.bridge = None
        self.host.ip("link", "set", "uplink0", "up", "mtu", "1500")
        self.switch.ip("link", "set", "port0", "up", "mtu", "1500")
        self.wire.look()   # takes the news that the link was down
        for address in (SWITCH, OTHER_SWITCH):
            for port in (b"\x05ge-0/0/1", b"\x03" + mac(address)):
                self.wire.send(lldpdu(ttl=0, address=address, port=port))
        for vsi in self.evbd.vsis():
            self.evbd.ctl("vsi", "deassociate", vsi, "--no-wait")
        eventually(lambda: not self.evbd.vsis(), 10, "no VSIs are left")
        eventually(lambda: self.evbd.port()["linkUp"] and not self.evbd.port()["peer"], 5, "no bridge is heard")

    def kinds(self, port="uplink0"):
        return [problem["kind"] for problem in self.evbd.ctl_json("status")["problems"] if problem["port"] == port]

    def shows(self, kind, *words, port="uplink0", seconds=8):
        """Waits until a problem stands in the status, and looks for the words in both of the operator's commands."""
        lines = [f"PROBLEM: {port}: .*{word}" for word in words]
        eventually(lambda: kind in self.kinds(port) and all(re.search(line, self.evbd.ctl("status").stdout) for line in lines),
                   seconds, f"{kind} is shown: {self.kinds(port)}\n{self.evbd.ctl('status').stdout}\n{self.evbd.process.tail()}")
        shown = self.evbd.ctl("port", "show", port).stdout
        for word in words:
            assert re.search(f"PROBLEM: .*{word}", shown), (word, shown)
        problem = next(problem for problem in self.evbd.ctl_json("port", "show", port)["problems"] if problem["kind"] == kind)
        assert problem["port"] == port and problem["ageSeconds"] >= 0 and problem["message"] and problem["hint"], problem
        return problem

    def cured(self, *kinds, seconds=8):
        eventually(lambda: not set(kinds) & set(self.kinds()), seconds, f"{kinds} are over: {self.kinds()}")

    def refused(self, status=FAILED, wait=10, filters=("mac=52:54:00:11:22:33,vlan=10",)):
        """An association that fails: what evbctl says, and how long it took."""
        began = time.monotonic()
        said = self.evbd.ctl("vsi", "associate", str(uuid.uuid4()), "--port", "uplink0", "--type", "12", "--type-version", "3",
                             *(word for text in filters for word in ("--filter", text)), "--wait", wait)
        assert said.returncode == status, said
        return said.stderr, time.monotonic() - began


@pytest.fixture(scope="module")
def whole_bench():
    with Lab() as lab:
        yield Bench(lab)


@pytest.fixture
def bench(whole_bench, request):
    request.node.stash.setdefault(_labs, []).append(whole_bench.lab)
    yield whole_bench
    whole_bench.clear()


def test_OPS_201_silent_switch(bench):
    """OPS-201 A switch that has gone silent is a problem before its information ages out, which is one too; a word of it ends both."""
    bench.wire.send(lldpdu(EVB_ON, ttl=6))
    bench.evbd.wait_for_bridge()
    assert "silent-peer" not in bench.kinds()
    bench.shows("silent-peer", "has sent no LLDPDU for [45] s; in [12] s its information ages out", "all VSIs are lost")
    bench.shows("no-lldp", "no LLDP is heard", "its LLDP information has aged out")
    assert bench.evbd.port()["peer"] is None
    bench.heard()
    bench.cured("silent-peer", "no-lldp")


def test_OPS_202_no_evb_tlv(bench):
    """OPS-202 LLDP without an EVB TLV: the neighbour is named, an association says so, and the log once when it begins and once when it is over."""
    bench.wire.send(lldpdu(ttl=60))
    bench.shows("no-evb-tlv", f"{SWITCH} ge-0/0/1 sends no EVB TLV", "enable EVB")
    said, _ = bench.refused(NO_ANSWER)
    assert f"has to wait: the LLDP neighbour {SWITCH} ge-0/0/1 sends no EVB TLV" in said and "enable EVB" in said, said
    bench.heard()
    bench.cured("no-evb-tlv")
    log = bench.evbd.process.output()
    assert log.count("sends no EVB TLV: enable EVB") == 1 and log.count("problem no-evb-tlv is over") == 1


@pytest.mark.parametrize("place", ["group", "vlan"])
def test_OPS_203_tlv_elsewhere(bench, place):
    """OPS-203 An EVB TLV to another group address, or in a VLAN, is seen and said, and nothing follows it."""
    frame = lldpdu(EVB_ON, destination=NEAREST_BRIDGE) if place == "group" else lldpdu(EVB_ON, tag=10)

    def heard():
        bench.wire.send(frame)
        return "evb-tlv-elsewhere" in bench.kinds()
    eventually(heard, 10, "it is seen", every=0.5)
    bench.shows("evb-tlv-elsewhere", "01:80:c2:00:00:0e" if place == "group" else "in a VLAN", SWITCH)
    said, _ = bench.refused(NO_ANSWER, wait=5)
    assert "has to wait" in said and "EVB TLV" in said, said
    assert bench.evbd.port()["peer"] is None
    bench.heard()
    bench.cured("evb-tlv-elsewhere")


def test_OPS_204_relay_refused(bench):
    """OPS-204 Refused reflective relay is a problem until it is granted; a bridge that has not heard the request yet has refused nothing."""
    bench.heard(evb=EVB(rrcap=True, bgid=True, rte=10, rwd=17, rka=18))
    assert bench.evbd.port()["reflectiveRelay"]["status"] == "unknown" and "relay-refused" not in bench.kinds()
    bench.bridge.evb = EVB(rrcap=True, bgid=True, rrreq=True, rte=10, rwd=17, rka=18)
    bench.shows("relay-refused", "cannot reach each other", "allow it at the bridge")
    assert bench.evbd.port()["reflectiveRelay"]["status"] == "refused"
    bench.bridge.evb = EVB_ON
    bench.cured("relay-refused")


def test_OPS_205_wrong_dialect(bench):
    """OPS-205 A neighbour of the other dialect is a problem for as long as it is heard."""
    bench.scripted("port1")
    bench.shows("dialect-mismatch", "speaks the ratified EVB only, and the port is set to draft", "dialect: auto", port="uplink1")
    assert "speaks the ratified EVB only" in bench.evbd.ctl("vsi", "associate", str(uuid.uuid4()), "--port", "uplink1", "--type", "1",
                                                            "--filter", "mac=52:54:00:11:22:34", "--wait", "10").stderr
    bench.bridge.stop(goodbye=True)
    bench.bridge = None
    eventually(lambda: "dialect-mismatch" not in bench.kinds("uplink1"), 5, "it is over")


def test_OPS_206_no_acknowledgement(bench):
    """OPS-206 A bridge that acknowledges no ECP: the request says so, with the true time; the status has it until something is acknowledged."""
    bench.heard(acknowledge=False)
    said, seconds = bench.refused(NO_ANSWER, wait=30)
    shown = float(re.search(r"did not acknowledge \(ECP\) the request for VSI \S+ given up after ([\d.]+) s", said)[1])
    assert seconds < 15 and abs(shown - seconds) < 1, (said, seconds)
    bench.shows("ecp-unacknowledged", "acknowledges no ECP", "0x8940, to 01:80:c2:00:00:00")
    bench.bridge.acknowledge = True
    bench.cured("ecp-unacknowledged", seconds=20)


def test_OPS_207_no_answer(bench):
    """OPS-207 A bridge that acknowledges and does not answer differs from one that does not acknowledge."""
    bench.heard(answer=lambda request: None)
    said, seconds = bench.refused(NO_ANSWER, wait=30)
    assert re.search(r"acknowledged the request for VSI \S+ \(ECP\) and did not answer it \(VDP\) within [\d.]+ s", said), said
    bench.shows("vdp-unanswered", "acknowledges ECP and does not answer VDP")
    bench.bridge.answer = lambda request: request.answered()
    bench.cured("vdp-unanswered", seconds=20)


def test_OPS_208_ecp_from_another_address(bench):
    """OPS-208 ECP from an address that is not the bridge's: from where, how many frames, and the key that takes them."""
    bench.heard()
    for sequence in range(3):
        bench.wire.send(ethernet(STRANGER, ETHERTYPE_ECP, ECPDU(False, sequence, VDPDU(bytes(16)).encode()).encode()))
    bench.shows("foreign-ecp", f"ECP comes from {STRANGER}", r"\(3 frames\)", "source: any")


@pytest.mark.parametrize("reason, words", [
    ("other-failure", "VSI type or version that it does not know"), ("invalid-vid-group-mac", "VLAN, group or MAC"),
    ("insufficient-resources", "no resources")])
def test_OPS_209_refusals(bench, reason, words):
    """OPS-209 Type unknown, wrong VLAN or MAC, no resources: the reason's number, what it means and what to do, in the refusal and in the status."""
    bench.heard(answer=lambda request: request.answered(REASONS[reason]))
    said, _ = bench.refused()
    assert f"of type 12 version 3: reason {REASONS[reason]}, {reason}: " in said and words in said, said
    bench.shows("vsi-refused", r"\(type 12 v3\)", f"reason {REASONS[reason]}, {reason}", words)
    bench.bridge.answer = lambda request: request.answered()
    bench.cured("vsi-refused", seconds=15)


def test_OPS_210_link_down(bench):
    """OPS-210 While the link is down the link is blamed and not the switch; a missing interface is missing, and a renamed one is named."""
    bench.switch.ip("link", "set", "port0", "down")
    bench.shows("link-down", "no carrier", "cable")
    said, _ = bench.refused(NO_ANSWER)
    assert "has to wait: the link is down" in said and "switch" not in said, said
    bench.host.ip("link", "set", "uplink0", "down")
    bench.shows("link-down", "the interface is set down", "ip link set uplink0 up")
    bench.host.ip("link", "set", "uplink0", "name", "renamed0")
    bench.shows("interface-missing", "there is no interface uplink0; the one that had the name is called renamed0 now")
    assert bench.evbd.port()["linkState"] == "missing" and re.search(r"uplink0 +station +missing", bench.evbd.ctl("status").stdout)
    bench.host.ip("link", "set", "renamed0", "name", "uplink0")
    eventually(lambda: bench.evbd.port()["linkState"] == "down", 5, "it is back")


def test_OPS_211_mtu_too_small(bench):
    """OPS-211 Frames that the MTU does not let out are a problem, and are not counted as sent."""
    bench.heard()
    bench.host.ip("link", "set", "uplink0", "mtu", "68")
    bench.shows("mtu-too-small", "the MTU of uplink0 is 68", "mtu 1500")
    before = bench.evbd.ctl_json("stats", "uplink0")[0]["counters"]
    said, _ = bench.refused(NO_ANSWER, filters=[f"mac=52:54:00:11:22:{number:02x},vlan=10" for number in range(8)])
    after = bench.evbd.ctl_json("stats", "uplink0")[0]["counters"]
    assert "could not be sent" in said and "the MTU of uplink0 is 68" in said, said
    assert after["SocketSendFailures"] > before["SocketSendFailures"]
    assert (after["EcpTxFrameCount"], after["EcpTxRetryCount"]) == (before["EcpTxFrameCount"], before["EcpTxRetryCount"]), after
    bench.host.ip("link", "set", "uplink0", "mtu", "1500")
    bench.cured("mtu-too-small", seconds=15)


def test_OPS_212_second_neighbours(bench):
    """OPS-212 A second EVB bridge is a problem, and so is another neighbour beside the bridge."""
    bench.heard()
    bench.wire.send(lldpdu(EVB_ON, address=OTHER_SWITCH))
    bench.shows("several-peers", "2 EVB bridges are heard", "hub")
    bench.wire.send(lldpdu(ttl=0, address=OTHER_SWITCH))
    bench.cured("several-peers")
    bench.wire.send(lldpdu(address=OTHER_SWITCH))
    bench.shows("several-neighbours", f"such as {OTHER_SWITCH} ge-0/0/1")
    bench.wire.send(lldpdu(ttl=0, address=OTHER_SWITCH))
    bench.cured("several-neighbours")


def test_OPS_213_taken_back_and_refused_for_good(bench):
    """OPS-213 A VSI that the bridge takes back and then refuses hard is named, with the command that asks again."""
    bench.heard()
    vsi = str(uuid.uuid4())
    bench.evbd.associate(vsi)
    bench.bridge.answer = lambda request: request.answered(HARD | 5)
    request = bench.bridge.commands()[-1]
    assert bench.bridge.deassociate(request, bench.bridge.requests[-1][1].manager)
    bench.shows("vsi-refused", f"VSI {vsi}", "reason 5, invalid-vid-group-mac", f"the refusal is hard.*evbctl vsi retry {vsi}")


def test_OPS_262_why_the_kernel_refuses_a_link(bench):
    """OPS-262 A link that the kernel refuses: the answer names whose address it is, which MTU is too large, or who has the port for itself."""
    bench.heard()
    first, second = (str(uuid.uuid4()) for _ in range(2))
    words = ["--port", "uplink0", "--type", "1", "--filter"]

    def refused(*more):
        said = bench.evbd.ctl("vsi", "associate", second, *words, *more, "--wait", "10")
        assert said.returncode == FAILED, said
        return said.stderr
    bench.evbd.associate(first, "--link", "vm1")
    said = refused("mac=52:54:00:11:22:33", "--link", "vm2")
    assert f"its address 52:54:00:11:22:33 is that of vm1 of VSI {first} already" in said, said
    said = refused("mac=52:54:00:11:22:44", "--link", "vm3", "--link-mtu", "9000")
    assert "the MTU 9000 is above the 1500 of uplink0" in said, said
    said = refused("mac=52:54:00:11:22:44", "--link", "vm4", "--link-mode", "passthru")
    assert f"mode passthru wants uplink0 for itself, and vm1 of VSI {first} is on it" in said, said


def test_OPS_221_check(bench):
    """OPS-221 evbctl check ends as a monitoring plugin does: 0, 1, 2 or 3, one line, and performance data."""
    bench.heard()
    bench.evbd.associate(str(uuid.uuid4()))
    eventually(lambda: bench.evbd.ctl("check", "uplink0").returncode == 0, 8, "all is well")
    said = bench.evbd.ctl("check", "uplink0")
    assert re.fullmatch(r"EVB OK - 1 port, 1 of 1 VSI associated \| 'associated'=1;;;0 'vsis'=1;;;0 'lldp-age'=\d+s;13;20;0\n", said.stdout), said
    bench.bridge.evb = EVB(rrcap=True, bgid=True, rrreq=True, rte=10, rwd=17, rka=18)
    eventually(lambda: bench.evbd.ctl("check", "uplink0").returncode == 1, 8, "reflective relay is refused")
    assert bench.evbd.ctl("check", "uplink0").stdout.startswith("EVB WARNING - the bridge refuses reflective relay")
    bench.switch.ip("link", "set", "port0", "down")
    eventually(lambda: bench.evbd.ctl("check").returncode == 2, 8, "the link is down")
    said = bench.evbd.ctl("check").stdout
    assert said.startswith("EVB CRITICAL - uplink0: the link is down") and said.count("\n") == 1 and "'uplink1 associated'=0" in said, said
    assert json.loads(bench.evbd.ctl("check", "uplink0", "--json").stdout)["state"] == "critical"
    assert bench.evbd.ctl("check", "uplink7").returncode == 3
    away = bench.evbd.ctl("--socket", "/nonexistent", "check")
    assert away.returncode == 3 and away.stdout.startswith("EVB UNKNOWN - evbd does not answer"), away


# MARK: faults of the host


def test_OPS_226_unmanaged_addresses(bench):
    """OPS-226 Addresses of machines without a VSI are named in the status until a VSI has them, or they are gone."""
    bench.heard()
    fdb = lambda *words: run(*bench.host.command("bridge", "fdb", *words, "dev", "uplink0", "self", "permanent"))   # noqa: E731
    addresses = [f"52:54:00:22:00:{number:02x}" for number in range(6)]
    for address in addresses:
        fdb("add", address)
    bench.host.ip("link", "set", "uplink0", "alias", "news")
    looks(bench.evbd, "unmanaged-addresses", "6 addresses on the port belong to no VSI", "and 2 more", "associate a VSI with each address")
    for address in addresses[1:]:
        fdb("del", address)
    bench.host.ip("link", "set", "uplink0", "alias", "more news")
    looks(bench.evbd, "unmanaged-addresses", f"an address on the port belongs to no VSI.*{addresses[0]}")
    bench.evbd.associate(str(uuid.uuid4()), mac=addresses[0])
    is_over(bench.evbd, "unmanaged-addresses")
    fdb("del", addresses[0])
    bench.host.ip("link", "set", "uplink0", "alias", "last news")


def test_OPS_228_the_store_fails(bench):
    """OPS-228 What cannot be stored is a problem of the daemon, with a gauge, until all is stored again."""
    bench.heard()
    vsi, store = str(uuid.uuid4()), bench.evbd.directory / "vsis"
    bench.evbd.associate(vsi)
    store.rename(store.with_name("vsis.away"))
    store.write_text("a file where the folder was")
    bench.evbd.ctl("vsi", "deassociate", vsi)
    looks(bench.evbd, "store-failing", "a restart of evbd would go on with what was before", "make room in the runtime directory", port=None)
    assert bench.evbd.ctl("check").returncode == 2
    store.unlink()
    store.with_name("vsis.away").rename(store)
    is_over(bench.evbd, "store-failing", port=None)
    assert bench.evbd.journal.exists() and not bench.evbd.stored()


def test_OPS_229_relay_not_offered(bench):
    """OPS-229 A bridge port that is to offer reflective relay and cannot says why, until it is in a Linux bridge."""
    bridge = Evbd(bench.lab, bench.switch, [{"interface": "port1", "role": "bridge"}], "not-offered")
    looks(bridge, "relay-not-offered", "reflective relay is not offered: the interface is in no Linux bridge", "ip link set port1 master BRIDGE",
          port="port1")
    bench.switch.ip("link", "add", "br0", "type", "bridge", "stp_state", "1")
    bench.switch.ip("link", "set", "port1", "master", "br0")
    is_over(bridge, "relay-not-offered", port="port1")
    assert bridge.terminate() == 0
    bench.switch.ip("link", "delete", "br0")
