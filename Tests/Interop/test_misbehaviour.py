"""A bridge that misbehaves on demand, and how evbd as the station takes each misbehaviour."""

import signal
import time
import uuid

import pytest

from lab import eventually
from lab.codec import ACK, ASSOCIATE, DEASSOCIATE, HARD, KEEP, mac
from lab.evbd import FAILED, NO_ANSWER, OK, USAGE
from lab.switch import Switch
from lab.system import always

GUEST = "52:54:00:11:22:33"
REASONS = {"invalid-format": 1, "insufficient-resources": 2, "manager-unreachable": 3, "other-failure": 4,
           "invalid-vid-group-mac": 5, "reserved": 9}
# 1.5 x (1.31 s + 7 x 10.24 ms), as both sides have it in this lab
RESPONSE_WAIT = 2.07


def new_vsi():
    return str(uuid.uuid4())


class Pair:
    """evbd on both ends of the cable, and the wire between them."""

    def __init__(self, cable, dialect="auto", **bridge_port):
        self.wire, self.address = cable.wire(), mac(cable.switch.mac("port0"))
        self.bridge = Switch(cable.lab, cable.switch).evbd(ports=[{"interface": "port0", **bridge_port}])
        self.station = cable.evbd(ports=[{"interface": "uplink0", "dialect": dialect}]).wait_for_bridge()

    def misbehave(self, *words, status=OK):
        said = self.bridge.ctl("port", "misbehave", "port0", *words)
        assert said.returncode == status, said
        return said

    def ask(self, vsi, *words, guest=GUEST):
        return self.station.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "1", "--filter", f"mac={guest}", *words)

    def answers(self, vsi):
        """The bridge's answers about a VSI, repetitions left out. What it reflects is not its own."""
        said, last = [], None
        for frame in self.wire.look():
            if frame.source == self.address and frame.ecp and not frame.ecp.acknowledge and frame.ecp != last:
                last = frame.ecp
                said += [item for item in frame.vdp.vsis if item.uuid == vsi]
        return said


@pytest.fixture
def pair(cable):
    return Pair(cable)


def test_it_behaves_unless_it_is_told(pair):
    """Off by default; status, port show and the log say loudly when it is on, and evbctl names what cannot be."""
    assert pair.bridge.port("port0")["misbehaviour"] is None and "MISBEHAVES" not in pair.bridge.ctl("status").stdout
    assert "MISBEHAVES ON PURPOSE: it answers nothing" in pair.misbehave("--silent", "answers").stdout
    assert pair.bridge.port("port0")["misbehaviour"]["silent"] == "answers"
    for words in (("status",), ("port", "show", "port0")):
        assert "port0 MISBEHAVES ON PURPOSE: it answers nothing" in pair.bridge.ctl(*words).stdout
    assert "the port misbehaves on purpose: it answers nothing" in pair.bridge.process.output()
    assert "port0 behaves" in pair.misbehave("--off").stdout
    assert pair.bridge.port("port0")["misbehaviour"] is None
    pair.misbehave(status=USAGE)
    pair.misbehave("--off", "--hard", status=USAGE)
    assert "--hard needs --refuse" in pair.misbehave("--hard", status=USAGE).stderr
    pair.misbehave("--drop-acks-percent", "0", status=USAGE)
    said = pair.station.ctl("port", "misbehave", "uplink0", "--silent", "all")
    assert said.returncode == USAGE and "uplink0 is a station port" in said.stderr


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
def test_VDP_13_it_refuses_with_any_reason(pair, reason, hard):
    """VDP-13 VDP-15 Each reason and Hard come to the station's manager; afterwards nothing is held at either end."""
    pair.misbehave("--refuse", reason, *(["--hard"] if hard else []), "--count", "1")
    vsi = new_vsi()
    said = pair.ask(vsi)
    shown = "other-failure" if reason == "reserved" else reason
    assert said.returncode == FAILED and shown in said.stderr, said
    assert ("asking again will not help" in said.stderr) == hard
    answer = pair.answers(vsi)[0]
    assert (answer.command, answer.status) == (ASSOCIATE, ACK | REASONS[reason] | (HARD if hard else 0))
    assert pair.station.state(vsi) == "deassociated" and pair.bridge.vsi(vsi) is None


def test_VDP_38_the_next_n_refusals(pair):
    """VDP-38 VDP-33 A soft refusal of one VSI only, once: the other is not touched, and the refused one is asked for again by itself."""
    refused, other = new_vsi(), new_vsi()
    pair.misbehave("--refuse", "insufficient-resources", "--count", "1", "--vsi", refused)
    assert pair.ask(other, guest="52:54:00:11:22:44").returncode == OK
    assert pair.ask(refused).returncode == FAILED
    pair.station.wait_for_state(refused, "associated", 30)
    assert [item.status & 0x0F for item in pair.answers(refused)] == [2, 0]


def test_VDP_16_a_false_keep(pair):
    """VDP-16 Keep with nothing to keep does not make the VSI associated."""
    pair.misbehave("--refuse", "other-failure", "--keep", "--hard")
    vsi = new_vsi()
    assert pair.ask(vsi).returncode == FAILED
    assert pair.answers(vsi)[0].status == ACK | KEEP | HARD | 4
    assert pair.station.state(vsi) == "deassociated"


def test_VDP_14_a_change_that_is_refused_and_kept(pair):
    """VDP-14 A refused change with Keep: both sides stay with what was."""
    vsi = new_vsi()
    assert pair.ask(vsi).returncode == OK
    pair.misbehave("--refuse", "insufficient-resources", "--keep", "--count", "1")
    said = pair.ask(vsi, guest="52:54:00:11:22:44")
    assert said.returncode == FAILED and "it stays as it was" in said.stderr, said
    assert pair.station.state(vsi) == pair.bridge.state(vsi) == "associated"
    assert [entry["mac"] for entry in pair.bridge.vsi(vsi)["filters"]] == [GUEST]


def test_VDP_19_a_keep_alive_that_is_refused_with_keep(pair):
    """VDP-19 The station answers by a De-Associate, and asks anew."""
    vsi = new_vsi()
    assert pair.ask(vsi).returncode == OK
    pair.misbehave("--refuse", "other-failure", "--keep", "--count", "1")
    eventually(lambda: any(item.command == DEASSOCIATE for item in pair.answers(vsi)), 6, "the De-Associate is answered")
    pair.station.wait_for_state(vsi, "associated", 30)


def test_late_answers(pair):
    """VDP-17 Answers that come late and within respWaitDelay are taken; requests are acknowledged at once."""
    pair.misbehave("--delay", "1000")
    vsi, since = new_vsi(), time.monotonic()
    assert pair.ask(vsi).returncode == OK
    assert time.monotonic() - since >= 1
    assert len(pair.answers(vsi)) == 1
    counters = pair.station.ctl_json("stats", "uplink0")[0]["counters"]
    assert counters["EcpTxRetryCount"] == counters["EcpTxFailures"] == counters["EcpRxStrayAcks"] == 0


def test_answers_that_come_too_late(pair):
    """VDP-20 Later than respWaitDelay: the request has ended by then, and a late answer wakes nothing; once it is in time again all is well."""
    pair.misbehave("--delay", "4000")
    vsi = new_vsi()
    said = pair.ask(vsi, "--wait", "10")
    assert said.returncode == NO_ANSWER, said
    pair.misbehave("--off")
    pair.station.wait_for_state(vsi, "associated", 40)
    eventually(lambda: pair.bridge.state(vsi) == "associated", 5, "both agree in the end")


@pytest.mark.parametrize("what", ["answers", "all"])
def test_VDP_20_silence(pair, what):
    """VDP-20 ECP-12 No answer, or not even an acknowledgement: the request ends without an answer, and ends well when the silence does."""
    pair.misbehave("--silent", what)
    vsi = new_vsi()
    said = pair.ask(vsi, "--wait", "8")
    assert said.returncode == NO_ANSWER, said
    assert not pair.answers(vsi) and pair.bridge.vsi(vsi) is None
    failures = pair.station.ctl_json("stats", "uplink0")[0]["counters"]["EcpTxFailures"]
    assert (failures > 0) == (what == "all")
    pair.misbehave("--off")
    pair.station.wait_for_state(vsi, "associated", 40)


def test_VDP_11_silence_takes_down_what_was(pair):
    """VDP-20 Keep-alives that nobody answers: the station gives the VSI up, and has it back afterwards."""
    vsi = new_vsi()
    assert pair.ask(vsi).returncode == OK
    pair.misbehave("--silent", "answers")
    eventually(lambda: pair.station.state(vsi) != "associated", 12, "given up", every=0.1)
    pair.misbehave("--off")
    pair.station.wait_for_state(vsi, "associated", 40)


def test_ECP_lost_acknowledgements(pair):
    """ECP-05 ECP-08 Three acknowledgements are lost: the same PDU is sent three times more, and answered once."""
    pair.misbehave("--drop-acks", "3")
    vsi = new_vsi()
    assert pair.ask(vsi).returncode == OK

    def requests():
        return [frame.ecp for frame in pair.wire.received(lambda f: f.ecp and not f.ecp.acknowledge and f.vdp)]
    eventually(lambda: len(requests()) == 4, 2, "sent four times")
    assert len({(request.sequence, request.payload) for request in requests()}) == 1
    always(lambda: len(requests()) == 4, 0.2, "and no more")
    assert len(pair.answers(vsi)) == 1
    assert pair.station.ctl_json("stats", "uplink0")[0]["counters"]["EcpTxRetryCount"] == 3


def test_a_fraction_of_acknowledgements_is_lost(cable):
    """Every other acknowledgement: nothing is lost of forty VSIs, only sent again. Each try has 82 ms, so that a bridge which
    the machine keeps waiting for 41 ms has not given up a PDU."""
    pair = Pair(cable, ecp={"rte": 13})
    pair.misbehave("--drop-acks-percent", "50")
    vsis = [new_vsi() for _ in range(40)]
    for number, vsi in enumerate(vsis):
        assert pair.ask(vsi, "--no-wait", guest=f"52:54:00:11:33:{number:02x}").returncode == OK
    eventually(lambda: pair.bridge.port("port0")["vsis"]["associated"] == 40, 20, "all are associated", every=0.1)
    eventually(lambda: pair.station.port()["vsis"]["associated"] == 40, 20, "and know it", every=0.1)
    counters = pair.station.ctl_json("stats", "uplink0")[0]["counters"]
    assert counters["EcpTxRetryCount"] > 0 and counters["EcpTxFailures"] == 0


def test_VDP_24_other_vlans(pair):
    """VDP-24 VDP-22 Another VLAN than was asked for is no grant and is given back; for a null VID it is one."""
    pair.misbehave("--vlan", "999")
    vsi = new_vsi()
    said = pair.station.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "1", "--filter", f"mac={GUEST},vlan=100")
    assert said.returncode == FAILED and "another filter" in said.stderr, said
    assert pair.station.ctl("vsi", "deassociate", vsi).returncode == OK
    eventually(lambda: pair.bridge.vsi(vsi) is None, 5, "given back")
    vsi = new_vsi()
    assert pair.ask(vsi).returncode == OK
    assert [entry["vlan"] for entry in pair.station.vsi(vsi)["filters"]] == [999] == [entry["vlan"] for entry in pair.bridge.vsi(vsi)["filters"]]
    always(lambda: pair.bridge.state(vsi) == "associated", 5, "it is kept alive with the VLAN that was given", every=0.25)


def test_VDP_11_unsolicited_deassociations(pair):
    """VDP-11 Every three seconds all VSIs are taken back: the station says why, and comes back each time."""
    vsis = [new_vsi(), new_vsi()]
    for number, vsi in enumerate(vsis):
        assert pair.ask(vsi, guest=f"52:54:00:11:22:{number:02x}").returncode == OK
    pair.misbehave("--deassociate-every", "1")
    for vsi in vsis:
        eventually(lambda: (pair.station.vsi(vsi)["state"], pair.station.vsi(vsi)["reason"]) == ("deassociated", "bridge-deassociated"),
                   5, f"{pair.station.vsi(vsi)}", every=0.05)
    pair.misbehave("--off")
    for vsi in vsis:
        pair.station.wait_for_state(vsi, "associated", 40)


def test_by_the_configuration(cable):
    """`misbehave` in evbd.yaml is the same, and SIGHUP takes it away."""
    pair = Pair(cable, misbehave={"refuse": {"reason": "manager-unreachable", "hard": True}, "drop-acks": {"count": 1}})
    vsi = new_vsi()
    assert "manager-unreachable" in pair.ask(vsi).stderr
    assert pair.bridge.port("port0")["misbehaviour"]["refuse"] == "manager-unreachable"
    del pair.bridge.config["ports"][0]["misbehave"]
    pair.bridge.write_config()
    pair.bridge.process.signal(signal.SIGHUP)
    eventually(lambda: pair.bridge.port("port0")["misbehaviour"] is None, 5, "it behaves again")
    assert pair.ask(vsi).returncode == OK


def test_a_station_of_the_draft(cable):
    """The draft too: refused with a reason, answered late, not acknowledged, and a keep-alive refused, which takes the VSI down."""
    pair = Pair(cable, dialect="draft")
    eventually(lambda: pair.bridge.port("port0")["dialect"] == "draft", 10, "the draft is spoken")
    vsi = new_vsi()
    pair.misbehave("--refuse", "insufficient-resources", "--count", "1", "--drop-acks", "1")
    said = pair.ask(vsi, "--wait", "10")
    assert said.returncode == FAILED and "insufficient-resources" in said.stderr, said
    assert pair.station.ctl("vsi", "deassociate", vsi).returncode == OK
    vsi, since = new_vsi(), time.monotonic()
    pair.misbehave("--delay", "1000")
    # With an address of its own: the first request came twice, by the lost acknowledgement, and was granted the second time.
    assert pair.ask(vsi, guest="52:54:00:11:22:34").returncode == OK and time.monotonic() - since >= 1
    pair.misbehave("--refuse", "insufficient-resources", "--count", "1")
    eventually(lambda: pair.station.state(vsi) != "associated", 15, "the keep-alive was refused", every=0.1)
    pair.misbehave("--off")
    pair.station.wait_for_state(vsi, "associated", 60)
