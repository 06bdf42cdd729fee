"""What an operator asks and does at night: ask again, see what happened, take a switch down for maintenance, see what a switch can do."""

import json
import re

import pytest

from lab.codec import EVB, HARD, KEEP
from lab.evbd import FAILED, NO_ANSWER, OK, USAGE, binary
from lab.netlink import PREASSOCIATE
from lab.pair import Pair
from lab.system import eventually
from lab.varlink import Events

VSIS = [f"5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a{number:02x}" for number in range(16)]
MACS = [f"52:54:00:11:33:{number:02x}" for number in range(16)]


@pytest.fixture
def scripted(cable):
    """evbd at the host, and a bridge that does what the test says."""
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=10, rwd=17, rka=20))
    return cable, cable.evbd().wait_for_bridge(), bridge


def test_OPS_233_a_hard_refusal_is_asked_again_by_hand(scripted):
    """OPS-233 OPS-234 A VSI that was refused hard waits for ever; retry asks at once, by name or all of a port, and says how it ended."""
    _, evbd, bridge = scripted
    bridge.answer = lambda request: request.answered(3 | HARD)
    for vsi, mac in zip(VSIS[:3], MACS):
        assert evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", 7, "--filter", f"mac={mac}").returncode == FAILED
    count = len(bridge.commands())

    refused = evbd.ctl("vsi", "retry", VSIS[0])
    assert refused.returncode == FAILED and "refused" in refused.stderr, refused
    assert len(bridge.commands()) == count + 1

    bridge.answer = lambda request: request.answered()
    asked = evbd.ctl("vsi", "retry", VSIS[0])
    assert asked.returncode == OK and "is associated" in asked.stdout, asked
    again = evbd.ctl("vsi", "retry", VSIS[0])
    assert again.returncode == FAILED and "holds VSI" in again.stderr, again
    assert evbd.ctl("vsi", "retry", "--all", "--port", "uplink0").stdout == "2 VSIs are asked for again\n"
    for vsi in VSIS[1:3]:
        evbd.wait_for_state(vsi, "associated")
    assert evbd.ctl_json("vsi", "retry", "--all") == {"retried": 0}

    assert evbd.ctl("vsi", "retry").returncode == USAGE
    assert evbd.ctl("vsi", "retry", "--all", VSIS[0]).returncode == USAGE
    assert evbd.ctl("vsi", "retry", VSIS[0], VSIS[9]).returncode == FAILED
    bridge.stop(goodbye=True)
    eventually(lambda: not evbd.hears_bridge(), 10, "the bridge is gone")
    assert evbd.ctl("vsi", "retry", VSIS[0]).returncode == NO_ANSWER


# MARK: why


def why(evbd, vsi, *words):
    """The one history of a VSI."""
    (history,) = evbd.ctl_json("why", vsi, *words)
    return history


def kinds(history):
    return [event["kind"] for event in history["events"]]


def test_OPS_238_what_happened_to_a_vsi(scripted):
    """OPS-238 OPS-239 OPS-240 Who asked, what the bridge said, the link, the loss, the way back; kept over kill -9; and what comes next."""
    cable, evbd, bridge = scripted
    vsi = VSIS[0]
    bridge.answer = lambda request: request.answered(2)
    refused = evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", 7, "--type-version", 2, "--filter", f"mac={MACS[0]}",
                       "--link", "vm0")
    assert refused.returncode == FAILED
    history = why(evbd, vsi)
    assert kinds(history) == ["requested", "asked", "refused"], history
    first = history["events"][0]["message"]
    assert "user 0, process " in first and "(evbctl)" in first and "type 7 v2" in first and MACS[0] in first
    assert history["events"][2]["reason"] == "insufficient-resources" and history["state"] == "deassociated"
    assert "asked for again by itself" in history["next"] and history["nextMilliseconds"] >= history["nowMilliseconds"] - 1000
    eventually(lambda: why(evbd, vsi)["events"][2]["count"] > 1, 10, "tries that fail alike are one line with a count")
    assert len(why(evbd, vsi)["events"]) == 3

    bridge.answer = lambda request: request.answered()
    assert evbd.ctl("vsi", "retry", vsi).returncode == OK
    history = why(evbd, vsi)
    assert kinds(history)[3:] == ["retried", "granted", "link-up"], history
    assert "vm0" in history["events"][-1]["message"] and "keep-alives" in history["next"]
    shown = evbd.ctl("why", "vm0")
    assert shown.returncode == OK and "insufficient-resources" in shown.stdout and "ago" in shown.stdout and "\nNow: " in shown.stdout, shown

    # Half a second is enough for the file, and nothing is lost afterwards.
    eventually(lambda: b"link-up" in (evbd.directory / "history").read_bytes(), 2, "the file has it")
    before = why(evbd, vsi)["events"]
    evbd.process.signal(9)
    evbd.process.wait(10)
    evbd.start()
    evbd.wait_for_state(vsi, "associated")
    history = why(evbd, vsi)
    assert history["events"][:len(before)] == before or [event["number"] for event in history["events"][:len(before)]] == list(range(1, len(before) + 1))
    assert "restored" in kinds(history)[len(before):], history

    bridge.stop(goodbye=True)
    eventually(lambda: "lost" in kinds(why(evbd, vsi)), 10, "the loss is there")
    history = why(evbd, vsi)
    assert "link-cut" in kinds(history) and "as soon as an EVB bridge is heard on uplink0" in history["next"], history
    assert evbd.ctl("vsi", "deassociate", vsi, "--no-wait").returncode == OK
    eventually(lambda: evbd.vsi(vsi) is None, 10, "it is gone")
    history = why(evbd, vsi, "--port", "uplink0")
    assert kinds(history)[-3:][0] == "withdrawn" and kinds(history)[-1] == "ended" and history["state"] is None, history
    assert evbd.ctl("why", "vm0").returncode == FAILED, "one that is gone has no link to be named by"
    unknown = evbd.ctl("why", VSIS[9])
    assert unknown.returncode == FAILED and "knows nothing of VSI" in unknown.stderr
    assert evbd.terminate() == 0

    # A torn end is nothing to speak of; a file that is not evbd's is set aside, and evbd starts all the same.
    path = evbd.directory / "history"
    path.write_bytes(path.read_bytes()[:-5])
    evbd.start()
    assert kinds(why(evbd, vsi))[0] == "requested" and not (evbd.directory / "history.rejected").exists()
    assert evbd.terminate() == 0
    path.write_bytes(b"\x00\xff" * 1000)
    evbd.start()
    assert (evbd.directory / "history.rejected").exists()
    assert "its file is set aside" in evbd.process.tail(200)
    assert evbd.ctl("why", vsi).returncode == FAILED


def test_OPS_241_a_silent_bridge_and_the_bridges_side(cable):
    """OPS-241 OPS-242 Not acknowledged and not answered are told apart; on a bridge port: what the station asked and what it was told."""
    pair = Pair(cable)
    switch, evbd = pair.bridge, pair.evbd
    assert switch.ctl("port", "misbehave", "port0", "--silent", "answers").returncode == OK
    assert evbd.ctl("vsi", "associate", VSIS[0], "--port", "uplink0", "--type", 1, "--filter", f"mac={MACS[0]}").returncode != OK
    eventually(lambda: "unanswered" in kinds(why(evbd, VSIS[0])), 20, "it was acknowledged and not answered")
    assert switch.ctl("port", "misbehave", "port0", "--silent", "all").returncode == OK
    assert evbd.ctl("vsi", "associate", VSIS[1], "--port", "uplink0", "--type", 1, "--filter", f"mac={MACS[1]}").returncode != OK
    assert "unacknowledged" in kinds(why(evbd, VSIS[1])), why(evbd, VSIS[1])

    assert switch.ctl("port", "misbehave", "port0", "--refuse", "manager-unreachable", "--vsi", VSIS[2]).returncode == OK
    assert evbd.ctl("vsi", "associate", VSIS[2], "--port", "uplink0", "--type", 9, "--filter", f"mac={MACS[2]}").returncode == FAILED
    history = why(switch, VSIS[2])
    assert kinds(history) == ["requested", "refused"] and history["port"] == "port0", history
    assert "type 9 v0" in history["events"][0]["message"] and "station" in history["events"][0]["message"]
    assert switch.ctl("port", "misbehave", "port0", "--off").returncode == OK
    evbd.wait_for_state(VSIS[2], "associated", 30)
    assert kinds(why(switch, VSIS[2]))[2:] == ["granted"]
    assert switch.ctl("vsi", "deassociate", VSIS[2]).returncode == OK
    eventually(lambda: "taken-back" in kinds(why(evbd, VSIS[2])), 10, "the station's side of it")
    history = why(switch, VSIS[2])
    assert kinds(history)[3:5] == ["withdrawn", "released"] and "user 0" in history["events"][3]["message"], history


# MARK: drain


def test_OPS_245_a_port_is_drained_and_comes_back(cable):
    """OPS-245 OPS-246 OPS-247 Links down, VSIs released, libvirt hears nothing, the switch's loss is no warning; kept over kill -9; back by --end or by itself."""
    pair = Pair(cable)
    evbd, switch = pair.evbd, pair.bridge
    evbd.associate(VSIS[0], "--link", "vm0", mac=MACS[0])
    assert cable.host.is_up("vm0")
    changes = Events(cable.lab, evbd.socket)
    libvirt = evbd.libvirt()
    assert libvirt.request(MACS[5], VSIS[5], PREASSOCIATE) is True

    said = evbd.ctl("drain", "uplink0", "--for", "30m")
    assert said.returncode == OK and "uplink0 is drained until" in said.stdout and "2 VSIs wait" in said.stdout, said
    eventually(lambda: not pair.held() and not cable.host.is_up("vm0"), 5, "the switch has released it, and its link is down")
    assert (evbd.state(VSIS[0]), evbd.vsi(VSIS[0])["reason"]) == ("deassociated", "drained")
    port = evbd.port()
    assert port["drain"]["untilMilliseconds"] - port["drain"]["sinceMilliseconds"] == 1_800_000 and "user 0" in port["drain"]["by"]
    assert "uplink0 is DRAINED until" in evbd.ctl("status").stdout

    mark = len(evbd.process.output())
    cable.switch.ip("link", "set", "port0", "down")
    eventually(lambda: not evbd.port()["linkUp"], 5, "the switch is away")
    new = evbd.ctl("vsi", "associate", VSIS[1], "--port", "uplink0", "--type", 1, "--filter", f"mac={MACS[1]}")
    assert new.returncode == NO_ANSWER and "uplink0 is drained" in new.stderr, new
    retried = evbd.ctl("vsi", "retry", VSIS[0])
    assert retried.returncode == NO_ANSWER and "uplink0 is drained" in retried.stderr, retried
    cable.switch.ip("link", "set", "port0", "up")
    evbd.wait_for_bridge(seconds=30)
    warnings = [line for line in evbd.process.output()[mark:].splitlines() if " warning" in line]
    assert not warnings, warnings
    assert [event for _, event in changes.seen if event["kind"] == "port" and event["to"] == "drained"]
    assert libvirt.event(0.5) is None, "libvirt has nothing to hear of it"

    evbd.process.signal(9)
    evbd.process.wait(10)
    evbd.start()
    evbd.wait_for_bridge()
    assert evbd.port()["drain"] and not pair.held()
    assert "drained" in why(evbd, VSIS[0])["next"]
    assert evbd.ctl("drain", "uplink0", "--end").stdout == "uplink0 is in service; 3 VSIs asked for\n"
    for vsi in VSIS[:2]:
        evbd.wait_for_state(vsi, "associated")
    eventually(lambda: cable.host.is_up("vm0"), 5, "its link is up again")
    assert evbd.port()["drain"] is None

    assert evbd.ctl("drain", "uplink0", "--for", "2s").returncode == OK
    eventually(lambda: not pair.held(), 5, "released again")
    eventually(lambda: len(pair.held()) == 2, 10, "and back by itself")
    for words in (["--for", "8d"], ["--for", "x"], ["--for", "1h", "--end"]):
        assert evbd.ctl("drain", "uplink0", *words).returncode == USAGE, words
    assert switch.ctl("drain", "port0").returncode == USAGE


# MARK: probe


def steps(report):
    return {step["name"]: step for step in report["steps"]}


def test_OPS_251_probe_of_our_own_bridge(cable):
    """OPS-251 OPS-252 OPS-253 What the bridge does is told step by step; nothing of it stays, at its end, when evbctl is interrupted, or after kill -9."""
    pair = Pair(cable)
    evbd, switch = pair.evbd, pair.bridge
    evbd.associate(VSIS[0], "--link", "vm0", mac=MACS[0])
    assert switch.ctl("port", "misbehave", "port0", "--refuse", "invalid-vid-group-mac", "--hard", "--keep", "--vsi", VSIS[15]).returncode == OK
    report = evbd.ctl_json("probe", "uplink0", "--type", "7", "--vsis", "6")
    found = steps(report)
    assert report["isComplete"] and report["dialect"] == "ratified" and report["neighbour"]["portID"], report
    assert (found["pre-associate a VSI"]["granted"], found["associate it"]["granted"]) == (1, 1), report
    assert found["pre-associate a VSI"]["firstMicroseconds"] > 0
    batch = found["pre-associate 4 VSIs at once"]
    assert batch["granted"] == 4 and batch["largestSent"] > 1 and batch["largestAnswer"] > 1 and batch["sentPDUs"] < 4, batch
    assert found["de-associate all"]["granted"] == found["de-associate all"]["asked"] == 6, report
    assert set(evbd.vsis()) == set(switch.vsis()) == {VSIS[0]} and cable.host.is_up("vm0")
    assert [vsi["vsiID"] for vsi in evbd.stored()] == [VSIS[0]]
    shown = evbd.ctl("probe", "uplink0")
    assert shown.returncode == OK and "STEP" in shown.stdout and "associate it" in shown.stdout, shown

    # The bridge answers late: evbctl is interrupted in the middle.
    assert switch.ctl("port", "misbehave", "port0", "--delay", "700").returncode == OK
    probing = cable.lab.start("probe", cable.host.command(binary("evbctl"), "--socket", evbd.socket, "probe", "uplink0"))
    eventually(lambda: len(evbd.vsis()) > 1, 5, "a test VSI is there")
    assert evbd.ctl("probe", "uplink0").returncode == FAILED, "one probe at a time"
    probing.signal(2)
    eventually(lambda: set(evbd.vsis()) == {VSIS[0]} and set(switch.vsis()) == {VSIS[0]}, 20, "they are given back")

    probing = cable.lab.start("probe2", cable.host.command(binary("evbctl"), "--socket", evbd.socket, "probe", "uplink0"))
    eventually(lambda: len(evbd.vsis()) > 1, 5, "a test VSI is there")
    evbd.process.signal(9)
    evbd.process.wait(10)
    assert switch.ctl("port", "misbehave", "port0", "--off").returncode == OK
    evbd.start()
    evbd.wait_for_state(VSIS[0], "associated")
    assert set(evbd.vsis()) == {VSIS[0]}
    for words in (["--vsis", "1"], ["--type", "-1"], ["--vlan", "4095"]):
        assert evbd.ctl("probe", "uplink0", *words).returncode == USAGE, words
    assert evbd.ctl("drain", "uplink0").returncode == OK
    assert evbd.ctl("probe", "uplink0").returncode == NO_ANSWER


def test_OPS_254_probe_of_a_bridge_that_refuses(scripted):
    """OPS-254 Reason, Hard and Keep of a refusal, a bridge that answers one by one, and one that does not take a longer RKA."""
    _, evbd, bridge = scripted
    bridge.answer = lambda request: request.answered(3 | HARD | KEEP) if request.type_id == 0xFFFFFF else request.answered()
    report = evbd.ctl_json("probe", "uplink0", "--type", "100", "--type-version", "1")
    found = steps(report)
    changed = found["change it to a type that does not exist"]
    assert (changed["outcome"], changed["reasonCode"], changed["hard"], changed["keep"]) == ("refused", 3, True, True), changed
    unknown = found["pre-associate with a type that does not exist"]
    assert (unknown["outcome"], unknown["hard"], unknown["granted"]) == ("refused", True, 0), unknown
    batch = next(step for name, step in found.items() if name.endswith("at once"))
    assert batch["largestAnswer"] == 1 and batch["answerPDUs"] == batch["asked"], batch
    assert evbd.vsis() == {} and report["keepAlive"] in ("not-followed", "own-is-longer"), report


def test_OPS_255_probe_of_lldpad(cable):
    """OPS-255 Debian's lldpad as the bridge: it grants one VSI after the other, and nothing of the probe stays there."""
    bridge = cable.lldpad_bridge()
    evbd = cable.evbd().wait_for_bridge()
    report = evbd.ctl_json("probe", "uplink0", "--type", "1193047", "--type-version", "2", "--manager", "11", "--vsis", "3")
    found = steps(report)
    assert found["pre-associate a VSI"]["outcome"] in ("granted", "refused", "unanswered", "mismatched"), report
    assert report["isComplete"] and evbd.vsis() == {}, report
    eventually(lambda: not bridge.vsis(), 10, "lldpad has let all go")
    print(evbd.ctl("probe", "uplink0", "--vsis", "3").stdout)


def test_OPS_257_the_conclusion_of_a_probe_and_its_exit_status(scripted):
    """OPS-257 OPS-258 Granted is 0, all refused is 1, nothing answered is 4; the last line says what to ask for. A bridge that drops no VSI is one that keeps silent ones."""
    _, evbd, bridge = scripted
    bridge.evb = EVB(rrcap=True, rrctr=True, rte=10, rwd=17, rka=18)
    eventually(lambda: evbd.port()["timers"]["rka"] == 18, 5, "a short keep-alive period is in force")

    def probe(*words):
        said = evbd.ctl("probe", "uplink0", "--type", "101", "--vsis", "2", *words, timeout=240)
        return said.returncode, said.stdout.rstrip().splitlines()[-1]
    status, line = probe("--manager", "12", "--keep-alive")
    assert status == OK and line.startswith("Conclusion: the switch knows manager 12 and grants type 101 version 0"), (status, line)
    assert re.search(r"was not taken back within [\d.]+ s \(by RKA: [\d.]+ s\): the switch keeps silent VSIs longer", line), line
    # Its silence was kept: of the VSI for that one request came, and one that ends it.
    asked = [item.uuid for _, pdu in bridge.requests for item in pdu.vsis]
    assert min(asked.count(vsi) for vsi in set(asked)) == 2, asked
    bridge.answer = lambda request: request.answered(4)
    status, line = probe("--manager", "12")
    assert status == FAILED and "knows manager 12; it refuses type 101 version 0 (reason 4, other-failure" in line, (status, line)
    assert "ask its administrator" in line and json.loads(evbd.ctl("probe", "uplink0", "--json").stdout)["verdict"] == "refused"
    bridge.answer = lambda request: request.answered(3)
    assert "--manager" in probe()[1]
    bridge.answer = lambda request: None
    status, line = probe()
    assert status == NO_ANSWER and "answers no VDP request" in line, (status, line)


def test_OPS_258_a_probe_tries_the_keep_alive_period(cable):
    """OPS-258 Our own bridge takes back a VSI of which it hears nothing, when the timers say so; without the option nobody waits for that."""
    pair = Pair(cable)
    report = pair.evbd.ctl_json("probe", "uplink0", "--vsis", "2", "--keep-alive")
    trial = report["keepAliveTrial"]
    assert abs(trial["droppedMilliseconds"] - trial["expectedMilliseconds"]) < 1000, trial
    assert "is not kept alive is dropped after" in report["conclusion"] and report["verdict"] == "granted", report
    assert pair.evbd.vsis() == {} == pair.bridge.vsis()
    assert pair.evbd.ctl_json("probe", "uplink0", "--vsis", "2")["keepAliveTrial"] is None
