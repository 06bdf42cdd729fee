"""SIGHUP: what the configuration file says is in force at once, on the wire too, and whatever it does not touch goes on. And `monitor`."""

import json
import re
import signal
import socket
import subprocess
import time
import uuid

import pytest

from lab import Lldpad, Wire, eventually
from lab.codec import ASSOCIATE, DEASSOCIATE, HARD
from lab.evbd import FAILED, binary
from lab.loss import Loss
from lab.system import always
from lab.varlink import Events

GUEST, OTHER_GUEST = "52:54:00:11:22:33", "52:54:00:11:22:44"
TAKEN, REFUSED = "configuration read again", "the configuration has mistakes"


def new_vsi():
    return str(uuid.uuid4())


def hang_up(evbd, outcome=TAKEN):
    """SIGHUP, and waits until evbd has said what became of it."""
    before = evbd.process.output().count(outcome)
    evbd.process.signal(signal.SIGHUP)
    eventually(lambda: evbd.process.output().count(outcome) > before, 5, f"evbd says: {outcome}\n{evbd.process.tail()}", every=0.01)


def reload(evbd, number=0, **changes):
    """Changes keys of a port and makes evbd read them."""
    evbd.config["ports"][number].update(changes)
    evbd.write_config()
    hang_up(evbd)


def last_tlv(wire, of_bridge=False):
    """The EVB TLV sent last by the station, or by the bridge, whose end of the cable the wire is."""
    tlvs = [frame.lldp.evb for frame in wire.look() if frame.outgoing == of_bridge and frame.lldp and frame.lldp.evb]
    return tlvs[-1] if tlvs else None


def asked(wire, vsi, command):
    """The station's requests for a VSI, repetitions among them."""
    return [item for frame in wire.received(lambda frame: frame.vdp) for item in frame.vdp.vsis
            if item.uuid == vsi and item.command == command]


def released(wire):
    """Every De-Associate on the wire, whoever sent it."""
    return [item for frame in wire.look() if frame.vdp for item in frame.vdp.vsis if item.command == DEASSOCIATE]


# MARK: timers


@pytest.mark.parametrize("own", [16, 17], ids=["the-bridges-are-lower", "the-bridges-are-between"])
def test_TLV_13_TLV_15_timers_rise_and_fall_live(cable, own):
    """TLV-13 TLV-14 TLV-15 TLV-18 A raised timer is negotiated at once, a lowered one too, as far as lldpad's own allows."""
    low = {"ecp": {"retries": 3, "rte": 8}, "vdp": {"rwd": 16, "rka": 16}}
    high = {"ecp": {"retries": 5, "rte": 12}, "vdp": {"rwd": 19, "rka": 19}}
    wire = cable.wire()
    bridge = cable.lldpad_bridge(ecpretries=3, ecprte=8, vdprwd=own, vdprka=own)
    evbd = cable.evbd(ports=[{"interface": "uplink0", **low}]).wait_for_bridge()
    vsi = new_vsi()
    evbd.associate(vsi)

    def timers(retries, rte, rwd, rka):
        return {"retries": retries, "rte": rte, "rwd": rwd, "rka": rka}

    eventually(lambda: evbd.port()["timers"] == timers(3, 8, own, own), 5, f"what is agreed first: {evbd.port()}")

    since = time.monotonic()
    reload(evbd, **high)
    eventually(lambda: evbd.port()["timers"] == timers(5, 12, 19, 19), 1, "evbd keeps the new timers")
    eventually(lambda: (lambda tlv: (tlv.retries, tlv.rte, tlv.rwd, tlv.rka, tlv.remote_rwd, tlv.remote_rka)
                        == (5, 12, 19, 19, False, False))(last_tlv(wire)), 3, "the new timers are on the wire, as our own")
    assert time.monotonic() - since < 3, "promptly, not with the next LLDPDU in 30 s"
    eventually(lambda: (lambda tlv: (tlv.retries, tlv.rte, tlv.rwd, tlv.rka, tlv.remote_rwd, tlv.remote_rka)
                        == (5, 12, 19, 19, True, True))(last_tlv(wire, of_bridge=True)), 5, "lldpad has them from us")
    shown = evbd.ctl_json("port", "show", "uplink0")["evbTLV"]
    assert (shown["local"]["rte"], shown["local"]["rka"], shown["local"]["rkaOrigin"]) == (12, 19, "local")
    assert (shown["remote"]["rte"], shown["remote"]["rka"], shown["remote"]["rkaOrigin"]) == (12, 19, "remote")

    reload(evbd, **low)
    eventually(lambda: evbd.port()["timers"] == timers(3, 8, own, own), 10, f"the timers have fallen again: {evbd.port()}, {last_tlv(wire)}")
    eventually(lambda: (lambda tlv: (tlv.retries, tlv.rte, tlv.rwd, tlv.rka) == (3, 8, own, own))(last_tlv(wire, of_bridge=True)),
               5, "lldpad's have fallen too")
    assert (last_tlv(wire).retries, last_tlv(wire).rte, last_tlv(wire).rka) == (3, 8, own)

    # They stay where they are, and the association has lived through all of it, with its keep-alives in the new pace.
    wire.clear()
    period = 1e-5 * 2 ** own
    always(lambda: evbd.port()["timers"] == timers(3, 8, own, own) and evbd.state(vsi) == "associated", 2.5 * period, "nothing moves", every=0.2)
    # ECP's repetitions are not counted; one that lldpad lets fall is asked again.
    numbers = {frame.ecp.sequence for frame in wire.received() if frame.vdp and any(tlv.uuid == vsi for tlv in frame.vdp.vsis)}
    assert 2 <= len(numbers) <= 5, numbers
    assert bridge.holds(vsi) and not released(wire)


def test_TLV_13_a_raised_keep_alive_period_does_not_cost_the_vsis(cable):
    """TLV-13 VDP-18 Raised to eight times the period while five VSIs are associated: lldpad, whose time runs for the old one, keeps all."""
    wire, bridge = cable.wire(), cable.lldpad_bridge(ecprte=8, vdprwd=16, vdprka=17)
    evbd = cable.evbd(ports=[{"interface": "uplink0", "ecp": {"retries": 3, "rte": 8}, "vdp": {"rwd": 16, "rka": 17}}]).wait_for_bridge()
    vsis = [new_vsi() for _ in range(5)]
    for vsi in vsis:
        evbd.associate(vsi, "--no-wait")
    eventually(lambda: evbd.port()["vsis"]["associated"] == 5, 10, "all are associated")
    time.sleep(1.5)
    reload(evbd, vdp={"rwd": 16, "rka": 20})
    always(lambda: evbd.port()["vsis"]["associated"] == 5, 4, "all stay associated", every=0.2)
    assert bridge.vsis() == set(vsis) and not released(wire)


def test_TLV_18_a_changed_tlv_that_is_lost_is_said_again_soon(cable):
    """TLV-18 TLV-13 The one LLDPDU with the raised keep-alive period is lost: the bridge hears of it in seconds, and keeps the VSI."""
    loss, wire = Loss(0, (cable.switch, "port0")), cable.wire()
    bridge = cable.lldpad_bridge(ecprte=8, vdprwd=17, vdprka=17)
    evbd = cable.evbd(ports=[{"interface": "uplink0", "ecp": {"retries": 3, "rte": 8}, "vdp": {"rwd": 17, "rka": 17}}]).wait_for_bridge()
    vsi = new_vsi()
    evbd.associate(vsi)
    time.sleep(6)       # the fast LLDPDUs of the beginning are over
    loss.set(100)
    reload(evbd, vdp={"rwd": 17, "rka": 20})
    eventually(lambda: last_tlv(wire).rka == 20, 2, "the raised period was said")
    loss.set(0)
    always(lambda: evbd.state(vsi) == "associated", 4, "the VSI is kept", every=0.1)
    assert last_tlv(wire, of_bridge=True).rka == 20 and bridge.holds(vsi) and not released(wire)


# MARK: other keys


def test_TLV_09_group_ids_are_switched_off_and_on(cable):
    """TLV-09 VDP-05 TLV-18 Without SGID a VSI with a group is told so and waits, one without goes on; with SGID it comes back by itself."""
    wire, bridge = cable.wire(), cable.lldpad_bridge()
    evbd = cable.evbd().wait_for_bridge()
    grouped, plain = new_vsi(), new_vsi()
    evbd.associate(plain, mac=GUEST)
    evbd.associate(grouped, "--filter", f"mac={OTHER_GUEST},vlan=10,group=77", mac=None)
    assert last_tlv(wire).sgid and bridge.vsis() == {plain, grouped}

    reload(evbd, **{"group-ids": False})
    eventually(lambda: last_tlv(wire).sgid is False, 3, "SGID is off on the wire")
    assert evbd.ctl_json("port", "show", "uplink0")["evbTLV"]["local"]["sgid"] is False
    shown = eventually(lambda: (lambda shown: shown if shown["state"] != "associated" else None)(evbd.vsi(grouped)), 3, "the group has ended it")
    assert (shown["state"], shown["reason"]) == ("deassociated", "invalid-vid-group-mac")
    wire.clear()
    result = evbd.ctl("vsi", "associate", new_vsi(), "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST},vlan=10,group=9")
    assert result.returncode == FAILED and "group" in result.stderr
    assert not [item for frame in wire.received(lambda frame: frame.vdp) for item in frame.vdp.vsis if item.filter_format in (3, 4)]

    reload(evbd, **{"group-ids": True})
    eventually(lambda: getattr(last_tlv(wire), "sgid", False), 3, "SGID is on again")
    evbd.wait_for_state(grouped, "associated", 10)
    assert evbd.state(plain) == "associated" and plain in bridge.vsis() and grouped in bridge.vsis()
    assert not asked(wire, plain, DEASSOCIATE)


def test_TLV_07_the_edge_relay_changes_its_kind(cable):
    """TLV-07 TLV-18 vepa to veb: RRREQ is taken back on the wire, and lldpad stops reflecting."""
    wire = cable.wire()
    cable.lldpad_bridge()
    evbd = cable.evbd().wait_for_bridge()
    eventually(lambda: evbd.port()["reflectiveRelay"] == {"requested": True, "status": "granted"}, 10, "reflective relay is granted")
    reload(evbd, **{"edge-relay": "veb"})
    eventually(lambda: last_tlv(wire).rrreq is False, 3, "RRREQ is off on the wire")
    eventually(lambda: evbd.port()["reflectiveRelay"] == {"requested": False, "status": "not-requested"}, 5, "lldpad reflects no longer")
    reload(evbd, **{"edge-relay": "vepa"})
    eventually(lambda: evbd.port()["reflectiveRelay"] == {"requested": True, "status": "granted"}, 5, "and reflects again")


def test_ARC_06_links_follow_a_changed_edge_relay(cable):
    """ARC-06 After vepa to veb a link without a mode of its own is in mode bridge: a new one, and one that was there before."""
    cable.lldpad_bridge()
    evbd = cable.evbd().wait_for_bridge()
    evbd.associate(new_vsi(), "--link", "vm0", mac=GUEST)
    reload(evbd, **{"edge-relay": "veb"})
    evbd.associate(new_vsi(), "--link", "vm1", mac=OTHER_GUEST)
    assert cable.host.link("vm1")["linkinfo"]["info_data"]["mode"] == "bridge"
    eventually(lambda: cable.host.link("vm0")["linkinfo"]["info_data"]["mode"] == "bridge", 3, "the older link has followed")


# MARK: ports


@pytest.fixture
def two_cables(cable):
    """A second switch on uplink1, with an lldpad; evbd runs uplink0 only and has three VSIs there."""
    other = cable.lab.namespace("switch2")
    cable.lab.veth(cable.host, "uplink1", "02:00:00:00:aa:02", other, "port0", "02:00:00:00:bb:02")
    wires = [cable.wire(), Wire(other, "port0")]
    cable.lab.at_end(wires[1].close)
    bridges = [cable.lldpad_bridge(), Lldpad(cable.lab, other, "port0")]
    evbd = cable.evbd().wait_for_bridge()
    vsis = [new_vsi() for _ in range(3)]
    for number, vsi in enumerate(vsis):
        evbd.associate(vsi, "--link", f"vm{number}", mac=f"52:54:00:11:00:0{number}")
    return evbd, wires, bridges, vsis


def second(evbd):
    return {**evbd.config["ports"][0], "interface": "uplink1"}


def test_VDP_33_a_port_comes_and_goes_and_the_other_one_is_not_touched(cable, two_cables):
    """VDP-33 Port added, VSI on it, port removed: three VSIs on the other port never notice."""
    evbd, wires, bridges, vsis = two_cables
    events = Events(cable.lab, evbd.socket)
    wires[0].clear()
    evbd.config["ports"].append(second(evbd))
    evbd.write_config()
    hang_up(evbd)
    assert [port["interface"] for port in evbd.ctl_json("port", "list")] == ["uplink0", "uplink1"]
    evbd.wait_for_bridge("uplink1")
    vsi = new_vsi()
    evbd.associate(vsi, "--link", "vm9", port="uplink1")
    assert bridges[1].holds(vsi) and evbd.port("uplink1")["vsis"]["associated"] == 1

    del evbd.config["ports"][1]
    evbd.write_config()
    hang_up(evbd)
    assert [port["interface"] for port in evbd.ctl_json("port", "list")] == ["uplink0"]
    assert vsi not in evbd.vsis()
    eventually(lambda: not bridges[1].holds(vsi), 5, "the VSI of the removed port is released")
    eventually(lambda: cable.host.link("vm9") is None, 5, "and its link is gone")
    eventually(lambda: released(wires[1]), 5, "its De-Associate was heard")
    eventually(lambda: [frame for frame in wires[1].received() if frame.lldp and frame.lldp.ttl == 0], 7, "good-bye is said")
    wires[1].clear()
    time.sleep(1.5)
    assert not wires[1].received(lambda frame: frame.source.hex() == "02000000aa02"), "a removed port is silent"

    # For the other port nothing has happened: no De-Associate, no event, no word by LLDP that it would not have said anyway.
    assert not released(wires[0]) and bridges[0].vsis() == set(vsis)
    assert {each: evbd.state(each) for each in vsis} == dict.fromkeys(vsis, "associated")
    assert [event["port"] for _, event in events.seen if event["port"] == "uplink0"] == []
    assert not [frame for frame in wires[0].received() if frame.lldp and frame.lldp.ttl == 0]
    kinds = [(event["kind"], event["to"]) for _, event in events.seen if event["kind"] == "port"]
    assert kinds == [("port", "added"), ("port", "removed")]


def test_a_port_is_removed_and_at_once_added_again(cable, two_cables):
    """One speaker on a port: the old one's good-bye must not follow the new one's greeting, or the bridge forgets us."""
    evbd, wires, bridges, vsis = two_cables
    evbd.config["ports"].append(second(evbd))
    evbd.write_config()
    hang_up(evbd)
    evbd.wait_for_bridge("uplink1")
    evbd.associate(new_vsi(), port="uplink1")
    port = evbd.config["ports"].pop()
    evbd.write_config()
    hang_up(evbd)
    wires[1].clear()
    evbd.config["ports"].append(port)
    evbd.write_config()
    hang_up(evbd)
    evbd.wait_for_bridge("uplink1")
    vsi = new_vsi()
    evbd.associate(vsi, port="uplink1", mac=OTHER_GUEST)
    time.sleep(6)
    said = [frame.lldp.ttl for frame in wires[1].received() if frame.lldp]
    # What the bridge said to the old one may have found nobody. It counts from where the new one, which has greeted, has something to ask;
    # each time a PDU was sent counts, as lldpad sends one again whose acknowledgement is late.
    frames = wires[1].look()
    greeting = next(place for place, frame in enumerate(frames) if not frame.outgoing and frame.lldp and frame.lldp.ttl)
    begin = next(place for place, frame in enumerate(frames[greeting:], greeting)
                 if not frame.outgoing and frame.ecp and not frame.ecp.acknowledge)
    exchanged = [frame for frame in frames[begin:] if frame.ecp]
    acks = [frame.ecp.sequence for frame in exchanged if not frame.outgoing and frame.ecp.acknowledge]
    requests = [frame.ecp.sequence for frame in exchanged if frame.outgoing and not frame.ecp.acknowledge]
    assert 0 not in said[said.index(121):] and acks == requests, \
        f"TTLs as they were sent: {said}; PDUs of the bridge as they were sent {requests}, and acknowledged {acks}"
    assert evbd.state(vsi) == "associated" and bridges[1].holds(vsi)
    assert {each: evbd.state(each) for each in vsis} == dict.fromkeys(vsis, "associated") and not released(wires[0])


# MARK: what a reload would end


@pytest.fixture
def guarded(cable):
    """A port with a VSI, and a file that would end it: SIGHUP may not."""
    cable.scripted_bridge()
    evbd, vsi = cable.evbd(reload={"ends-vsis": False}).wait_for_bridge(), new_vsi()
    evbd.associate(vsi, "--link", "vm0")
    evbd.config["ports"] = [{"interface": "elsewhere0"}]
    evbd.write_config()
    return evbd, vsi


def test_OPS_301_a_reload_that_would_end_vsis_is_refused(cable, guarded):
    """OPS-301 SIGHUP and `evbctl reload` leave what is in force where VSIs would end, and say so; --yes takes the file."""
    evbd, vsi = guarded
    hang_up(evbd, "would end by the new configuration")
    result = evbd.ctl("reload")
    assert result.returncode == FAILED and "1 VSI on uplink0 would end" in result.stderr and "--yes" in result.stderr, result.stderr
    assert evbd.state(vsi) == "associated" and cable.host.is_up("vm0")
    assert TAKEN not in evbd.process.output()
    assert [note["kind"] for note in evbd.ctl_json("status")["notes"] if note["isProblem"]] == ["reload"]
    assert "PROBLEM: the configuration in force is not the file's: 1 VSI on uplink0" in evbd.ctl("status").stdout
    result = evbd.ctl("reload", "--yes")
    assert result.returncode == 0 and "uplink0: removed, and 1 VSI on it end" in result.stdout and "in force" in result.stdout, result.stdout
    eventually(lambda: cable.host.link("vm0") is None, 5, "its link is gone")
    assert [port["interface"] for port in evbd.ctl_json("port", "list")] == ["elsewhere0"]
    assert evbd.ctl_json("status")["notes"] == []


def test_OPS_301_a_dry_run_says_what_would_change(cable, guarded):
    """OPS-301 `evbctl reload --dry-run` names ports that come and go, the VSIs that end, and interfaces that are not there."""
    evbd, vsi = guarded
    report = evbd.ctl_json("reload", "--dry-run")
    assert report["ports"] == [{"interface": "elsewhere0", "change": "added", "endedVSIs": 0},
                               {"interface": "uplink0", "change": "removed", "endedVSIs": 1}]
    assert report["isApplied"] is False and report["endedVSIs"] == 1
    assert [text for text in report["warnings"] if "no interface elsewhere0" in text]
    evbd.config["ports"] = [{"interface": "uplink0", "role": "bridge"}]
    evbd.write_config()
    assert evbd.ctl_json("reload", "--dry-run")["ports"] == [{"interface": "uplink0", "change": "replaced", "endedVSIs": 1}]
    assert evbd.state(vsi) == "associated" and TAKEN not in evbd.process.output()


def test_OPS_302_the_caller_hears_of_mistakes(cable):
    """OPS-302 `evbctl reload` fails with the mistakes of the file, a line each, and the configuration in force stays."""
    evbd = cable.evbd()
    evbd.config["ports"][0]["evb"] = {"transmit": "perhaps"}
    evbd.write_config()
    result = evbd.ctl("reload")
    assert result.returncode == FAILED and "ports[0].evb.transmit" in result.stderr and "stays" in result.stderr, result.stderr
    assert result.stderr.count("\n  ") == 2, result.stderr
    assert evbd.ctl("reload", "--dry-run").returncode == FAILED
    assert "PROBLEM: the configuration in force is not the file's: it has mistakes" in evbd.ctl("status").stdout


def test_OPS_303_check_config_looks_at_the_host(cable):
    """OPS-303 `evbd --check-config` names interfaces that are not there, an empty list of ports, and groups that do not exist."""
    evbd = cable.evbd(start=False)
    evbd.config["control"] = {"socket": evbd.socket, "group": "nobody-has-this"}
    evbd.config["ports"] = [{"interface": "elsewhere0"}]
    evbd.write_config()

    def check():
        command = cable.host.command(binary("evbd"), "--check-config", "--config", evbd.config_file)
        return subprocess.run(command, capture_output=True, text=True, timeout=20)

    result = check()
    assert result.returncode == 0 and result.stdout == "OK\n", result.stderr
    assert "no interface elsewhere0" in result.stderr and "control.group: there is no group nobody-has-this" in result.stderr
    evbd.config["ports"] = "[]"
    evbd.write_config()
    assert "ports is empty" in check().stderr
    evbd.config["ports"] = [{"interface": "uplink0"}]
    evbd.config["control"] = {"socket": evbd.socket, "group": "root"}
    evbd.write_config()
    assert check().stderr == ""


# MARK: the log


def test_the_level_of_the_log_changes_for_every_part(cable):
    """A reload changes the log's level for the parts that have loggers of their own too, such as the control socket's."""
    evbd = cable.evbd(log={"level": "notice"})
    line = "control client broke the protocol"

    def break_it():
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(evbd.socket))
            client.sendall(b"no varlink\0")
            client.settimeout(5)
            assert client.recv(1) == b"", "evbd hangs up"

    break_it()
    evbd.config["log"] = {"level": "debug"}
    evbd.write_config()
    hang_up(evbd)
    assert line not in evbd.process.output()
    break_it()
    eventually(lambda: line in evbd.process.output(), 5, "a debug line of the control socket")


# MARK: mistakes


def test_a_broken_file_changes_nothing(cable):
    """A file with mistakes is refused as a whole, each mistake is in the log with its line, and what was in force stays so."""
    wire, bridge = cable.wire(), cable.lldpad_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), new_vsi()
    evbd.associate(vsi)
    before, good = evbd.port(), evbd.config_file.read_text()
    tlv = last_tlv(wire)

    evbd.config_file.write_text(
        "ports:\n  - interface: uplink0\n    ecp: { retries: 3, rte: 12 }\n    vdp: { rwd: 20, rka: 99 }\n    edge-rely: veb\n"
        "  - interface: uplink1\nlog: { level: loud }\n")
    hang_up(evbd, REFUSED)
    said = evbd.process.output()
    said = said[said.rindex(REFUSED):]
    for line, key in ((4, "rka"), (5, "edge-rely"), (7, "level")):
        assert re.search(rf"{re.escape(str(evbd.config_file))}:{line}\b[^\n]*{key}", said), f"line {line}, {key}: {said}"
    for text in ("ports: [\n", ""):
        evbd.config_file.write_text(text)
        hang_up(evbd, REFUSED)
    evbd.config_file.unlink()
    hang_up(evbd, REFUSED)

    time.sleep(1)
    assert evbd.port() == before and evbd.port("uplink1") is None
    assert last_tlv(wire) == tlv and not released(wire)
    assert evbd.state(vsi) == "associated" and bridge.holds(vsi)

    evbd.config_file.write_text(good)
    reload(evbd, ecp={"retries": 3, "rte": 11})
    eventually(lambda: evbd.port()["timers"]["rte"] == 11, 3, "a good file is taken after bad ones")


# MARK: monitor


def test_MGT_05_monitor_prints_json_lines(cable):
    """MGT-05 An association, a refusal and the loss of the bridge, each a JSON object on a line of its own, once."""
    bridge = cable.scripted_bridge(answer=lambda request: request.answered(*([2 | HARD] if request.type_id == 666 else [])))
    evbd = cable.evbd().wait_for_bridge()
    monitor = cable.lab.start("monitor", [binary("evbctl"), "--socket", evbd.socket, "monitor", "--json"])
    good, bad = new_vsi(), new_vsi()

    def events(**wanted):
        lines = [json.loads(line) for line in monitor.output().splitlines(keepends=True) if line.endswith("\n")]
        return [line for line in lines if all(line[key] == value for key, value in wanted.items())]

    def heard():        # only what happens after it has connected is told
        evbd.ctl("vsi", "associate", new_vsi(), "--port", "uplink0", "--type", "1", "--no-wait")
        return events(kind="vsi")
    eventually(heard, 5, "monitor follows", every=0.2)

    evbd.associate(good, mac=GUEST)
    assert evbd.ctl("vsi", "associate", bad, "--port", "uplink0", "--type", "666", "--filter", f"mac={OTHER_GUEST}").returncode == FAILED
    bridge.stop(goodbye=True)
    eventually(lambda: events(vsiID=good, to="deassociated"), 5, "the loss is told")
    eventually(lambda: events(kind="reflective-relay", to="unknown"), 5, "all of the loss is told")

    def course(vsi):
        return [(line["from"], line["to"], line["reason"]) for line in events(kind="vsi", vsiID=vsi)]
    assert course(good) == [("deassociated", "pending", None), ("pending", "associated", "success"),
                            ("associated", "deassociated", "bridge-lost")]
    assert course(bad) == [("deassociated", "pending", None), ("pending", "deassociated", "insufficient-resources")]
    lost, = events(kind="peer")
    assert lost["to"] is None and "shutdown" in lost["reason"]
    for line in events():
        assert set(line) == {"timeMilliseconds", "kind", "port", "vsiID", "from", "to", "reason", "message"}
        assert line["port"] == "uplink0" and line["message"] and abs(line["timeMilliseconds"] / 1000 - time.time()) < 60
    assert [line["timeMilliseconds"] for line in events()] == sorted(line["timeMilliseconds"] for line in events())
    assert monitor.alive
