"""evbctl capture: what a port sends and hears as a pcapng, with evbd's view, read by tshark, capinfos and by the specification."""

import json
import os
import pty
import signal
import subprocess
import time
import uuid

import pytest

from lab.capture import Recording
from lab.codec import ECPDU, ETHERTYPE_ECP, EVB, ETHERTYPE_LLDP, LLDPDU, VDPDU, ethernet, mac
from lab.evbd import FAILED, NO_DAEMON, NO_PERMISSION, OK, USAGE, binary
from lab.fixtures import PORT_MAC, UPLINK_MAC
from lab.switch import Switch
from lab.system import eventually, run
from lab.varlink import CallFailed, Control

VSI, MAC = "5ab5c6a6-9f4b-4d27-a1bb-3b8d9d7b6a01", "52:54:00:11:33:01"
STRANGER = "02:00:00:00:00:99"


@pytest.fixture
def station(cable):
    """evbd at the host, a bridge that does what the test says, and where captures go."""
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=10, rwd=17, rka=20))
    return cable.evbd().wait_for_bridge(), bridge, cable.lab.directory


def ecp(sequence, payload=bytes(42), source=STRANGER, acknowledge=False):
    return ethernet(source, ETHERTYPE_ECP, ECPDU(acknowledge, sequence, payload).encode())


def test_CAP_107_both_directions_with_what_evbd_made_of_them(station):
    """CAP-107 LLDP and ECP of both sides, octet for octet, in time, with the TLV, the VSI and its state in words; tshark and capinfos read it."""
    evbd, bridge, directory = station
    began = time.time_ns()
    recording = Recording(evbd, directory / "a.pcapng")
    evbd.associate(VSI, mac=MAC, type_id=100)
    recording.wait_for("LLDP from")
    capture, _ = recording.end()
    assert "capturing on uplink0" in recording.said and f"in {recording.path}, 0 lost" in recording.said
    assert capture.interface == {"name": "uplink0", "description": "port of evbd, role station", "mac": UPLINK_MAC}

    asked = next(packet for packet in capture.sent() if "associate VSI" in packet.comment)
    answered = next(packet for packet in capture.received() if "associate VSI" in packet.comment)
    assert f"associate VSI {VSI}, type 100 v0, mac={MAC},vlan=0: asked; pending here now" in asked.comment
    assert ": granted; associated here now" in answered.comment and answered.comment.endswith("taken")
    request = bridge.requests[0][1]
    assert VDPDU.decode(ECPDU.decode(asked.octets[14:]).payload).vsis == request.vsis
    order = [packet.comment.split(",")[0].split(" of ")[0].rstrip("0123456789 ") for packet in capture.packets if "ECP" in packet.comment]
    assert order == ["ECP request", "ECP acknowledgement", "ECP request", "ECP acknowledgement"], order
    assert [packet.inbound for packet in capture.packets if "ECP" in packet.comment] == [False, True, True, False]
    lldp = next(packet for packet in capture.received() if "LLDP" in packet.comment)
    assert f"LLDP from chassis {PORT_MAC}" in lldp.comment and "EVB TLV, mode bridge: RRCAP RRCTR, " in lldp.comment
    assert "its sender is the EVB bridge that is spoken with, reflective relay: granted" in lldp.comment
    assert all(began <= packet.time <= time.time_ns() and packet.length == len(packet.octets) for packet in capture.packets)
    (statistics,) = capture.statistics
    assert statistics["received"] == statistics["delivered"] == len(capture.packets) and statistics["lost"] == statistics["dropped"] == 0

    info = run("capinfos", recording.path).stdout
    assert "nanoseconds (9)" in info and "Name = uplink0" in info and "Number of stat entries = 1" in info, info
    fields = run("tshark", "-n", "-r", recording.path, "-T", "fields", "-e", "eth.type", "-e", "frame.packet_flags_direction",
                 "-e", "frame.comment").stdout.splitlines()
    assert len(fields) == len(capture.packets)
    assert any(line.startswith("0x8940\t0x00000001\tECP request") and "associated here now" in line for line in fields), fields


def test_CAP_108_ignored_frames_say_why(cable, station):
    """CAP-108 What evbd leaves is there as it was on the wire, whole and with its tag, and the comment says why."""
    evbd, bridge, directory = station
    wire = cable.wire()
    recording = Recording(evbd, directory / "a.pcapng")
    evbd.associate(VSI, mac=MAC)
    frames = {
        "is none of the bridge's addresses by LLDP": ecp(1),
        "it cannot be read: the ECP header holds an unknown value, 15": ethernet(STRANGER, ETHERTYPE_ECP, b"\xf0\x01\0\1" + bytes(42)),
        "01:80:c2:00:00:03 is not an address of this protocol on uplink0": ethernet(
            STRANGER, ETHERTYPE_ECP, ECPDU(False, 2, bytes(300)).encode(), mac("01:80:c2:00:00:03")),
        "VLAN": ecp(3)[:12] + bytes.fromhex("8100a005") + ecp(3, bytes(300))[12:],
        "it acknowledges nothing that is under way": ecp(4, source=PORT_MAC, acknowledge=True),
        "ECP of subtype 2 is not spoken here": ethernet(PORT_MAC, ETHERTYPE_ECP, b"\x10\x02\0\5" + bytes(42)),
        "its source is the port's own address": ecp(6, source=UPLINK_MAC),
        "LLDP to 01:80:c2:00:00:0e is for other agents": None,
    }
    lldp = bridge_lldp(bridge)
    frames["LLDP to 01:80:c2:00:00:0e is for other agents"] = mac("01:80:c2:00:00:0e") + lldp[6:]
    for octets in frames.values():
        wire.send(octets)
    for words in frames:
        recording.wait_for(words)
    # The same request again: it is acknowledged, and VDP hears nothing of it.
    answer = next(packet for packet in recording.packets() if packet.inbound and "granted" in packet.comment)
    wire.send(answer.octets)
    recording.wait_for("a repetition: acknowledged again, and not given to VDP")
    capture, _ = recording.end()
    for words, octets in frames.items():
        (packet,) = [packet for packet in capture.received() if words in packet.comment]
        assert "ignored: " in packet.comment and "taken" not in packet.comment.splitlines()
        if "which the kernel has taken off" in packet.comment:
            octets = octets[:12] + octets[16:]
        assert packet.octets.rstrip(b"\0") == octets.rstrip(b"\0") and packet.length == max(len(octets), 60), packet
    assert evbd.state(VSI) == "associated"


def bridge_lldp(bridge):
    """An LLDPDU as the bridge sends it."""
    pdu = LLDPDU(b"\x04" + mac(PORT_MAC), b"\x03" + mac(PORT_MAC), 20, ((127, bridge.evb.encode()),))
    return ethernet(PORT_MAC, ETHERTYPE_LLDP, pdu.encode())


def test_CAP_109_a_stopped_client_loses_frames_and_the_file_says_so(cable, station):
    """CAP-109 While evbctl stands still evbd keeps 1 MiB for it and serves everyone; what is missing is counted where it is missing."""
    evbd, _, directory = station
    wire = cable.wire()
    recording = Recording(evbd, directory / "a.pcapng")
    other = Recording(evbd, directory / "b.pcapng")
    recording.process.send_signal(signal.SIGSTOP)
    count, size = 1200, 1500
    for number in range(count):
        wire.send(ecp(number, bytes(size - 18)))
        if number % 100 == 99:
            # evbd takes 2000 frames a second of those who are not its peer: what the other capture has was taken.
            other.wait_for(f"ECP request {number},")
    assert evbd.ctl("status").returncode == OK
    recording.process.send_signal(signal.SIGCONT)
    sent = [*range(count)]

    def has_room():
        # One that comes before evbctl has read all is lost too.
        sent.append(40_000 + len(sent))
        wire.send(ecp(sent[-1]))
        return any(recording.has(f"ECP request {number},") for number in sent[count:])
    eventually(has_room, 30, "a frame is captured again")
    other.wait_for(f"ECP request {sent[-1]},")
    capture, _ = recording.end()
    numbers, missing = [], 0
    for packet in capture.packets:
        missing += packet.lost
        if packet.octets[6:12] != mac(STRANGER):
            continue
        sequence = ECPDU.decode(packet.octets[14:]).sequence
        numbers.append(sequence)
        assert packet.lost == 0 or f"{packet.lost} frames are missing before this one" in packet.comment
    assert missing > 100 and numbers == sorted(set(numbers)), (missing, len(numbers))
    # Nothing is missing but what is said: others' frames may be among that.
    gone = sent.index(numbers[-1]) + 1 - len(numbers)
    assert 0 < gone <= missing <= gone + 60, (gone, missing)
    (statistics,) = capture.statistics
    assert statistics["lost"] == missing and f"{missing} lost" in recording.said
    assert statistics["delivered"] == len(capture.packets) == statistics["received"] - missing
    whole, _ = other.end()
    assert [ECPDU.decode(packet.octets[14:]).sequence for packet in whole.packets if packet.octets[6:12] == mac(STRANGER)] == sent
    assert whole.statistics[0]["lost"] == 0


def test_CAP_110_every_end_leaves_a_whole_file(station):
    """CAP-110 However a capture ends, its file can be read, and but for kill -9 it has its statistics."""
    evbd, _, directory = station
    for how, number in {"Ctrl-C": signal.SIGINT, "SIGTERM": signal.SIGTERM, "kill -9": signal.SIGKILL, "count": None, "duration": None}.items():
        words = {"count": ("--count", 2), "duration": ("--duration", "1s")}.get(how, ())
        recording = Recording(evbd, directory / f"{how}.pcapng", *words)
        if number:
            recording.wait_for("LLDP from")
        capture, _ = recording.end(number, -9 if how == "kill -9" else OK)
        assert len(capture.statistics) == (how != "kill -9"), how
        if how == "count":
            assert len(capture.packets) == 2
        assert run("capinfos", "-c", "-M", recording.path).stdout.split()[-1] == str(len(capture.packets))
    assert evbd.ctl("status").returncode == OK


def test_CAP_111_what_happens_to_the_port_is_told(cable, station):
    """CAP-111 The interface goes and comes back: the capture goes on and says so. The port leaves by a reload: it ends, as when evbd ends."""
    evbd, bridge, directory = station
    recording = Recording(evbd, directory / "a.pcapng", "--print")
    recording.wait_for("LLDP from")
    bridge.stop()
    cable.host.ip("link", "delete", "uplink0")
    cable.lab.veth(cable.host, "uplink0", UPLINK_MAC, cable.switch, "port0", PORT_MAC)
    recording.wait_for("the interface uplink0 is gone")
    config = evbd.config["ports"]
    evbd.config["ports"] = [{"interface": "other0"}]
    evbd.write_config()
    assert evbd.ctl("reload").returncode == OK
    capture, _ = recording.end(None, FAILED)
    assert "is no port of evbd any more" in recording.said and "evbctl port list" in recording.said
    assert "LLDP from" in capture.sent()[-1].comment and "says good-bye" in capture.sent()[-1].comment
    assert "is no port of evbd any more" in capture.statistics[0]["comment"]

    missing = evbd.ctl("capture", "uplink0", "--print")
    assert missing.returncode == FAILED and "uplink0 is not a port of evbd" in missing.stderr
    evbd.config["ports"] = config
    evbd.write_config()
    assert evbd.ctl("reload").returncode == OK
    second = Recording(evbd, directory / "b.pcapng")
    second.wait_for("LLDP from")
    evbd.terminate()
    capture, _ = second.end(None, NO_DAEMON)
    assert "it was stopped or restarted" in second.said and "it was stopped or restarted" in capture.statistics[0]["comment"]


def test_CAP_112_several_captures(cable, station):
    """CAP-112 Each of eight clients has all frames; a ninth is refused by a limit, and has a place when another one goes."""
    evbd, _, directory = station
    clients = []
    for _ in range(8):
        client = Control(evbd.socket)
        cable.lab.at_end(client.close)
        client._send({"method": "io.evbd.Capture", "parameters": {"port": "uplink0"}, "more": True})
        events = client.stream()
        assert next(events)["event"]["start"]["interface"] == "uplink0"
        clients.append((client, events))
    refused = evbd.ctl("capture", "uplink0", "--print")
    assert refused.returncode == FAILED and "8 captures are being made" in refused.stderr, refused
    wire = cable.wire()
    wire.send(ecp(77))
    for _, events in clients:
        frame = next(event["event"]["frame"] for event in events if event["event"]["frame"] and event["event"]["frame"]["ignored"])
        assert frame["octets"].startswith("0180c2000000020000000099894010010") and frame["direction"] == "received"
    clients.pop()[0].close()
    eventually(lambda: evbd.ctl("capture", "uplink0", "--print", "--count", 1).returncode == OK, 10, "a place is free")
    with pytest.raises(CallFailed, match="ExpectedMore"):
        Control(evbd.socket).call("Capture", port="uplink0")


def test_CAP_114_a_bridge_says_what_it_refuses_and_what_it_does_wrong(cable):
    """CAP-114 At a bridge's port: commands, answers and states, and that a request was left because the port misbehaves on purpose."""
    switch = Switch(cable.lab, cable.switch)
    bridge = switch.evbd()
    recording = Recording(bridge, cable.lab.directory / "a.pcapng", port="port0")
    tagged = ecp(9)[:12] + bytes.fromhex("8100a005") + ecp(9, bytes(300))[12:]
    cable.host_wire().send(tagged)
    recording.wait_for("ignored: it is in VLAN 5")
    assert recording.packets()[-1].octets == tagged
    evbd = cable.evbd().wait_for_bridge()
    evbd.associate(VSI, mac=MAC)
    recording.wait_for(": granted; associated here now")
    assert bridge.ctl("port", "misbehave", "port0", "--refuse", "insufficient-resources").returncode == OK
    other = str(uuid.uuid4())
    assert evbd.ctl("vsi", "associate", other, "--port", "uplink0", "--type", 1, "--filter", "mac=52:54:00:00:00:09").returncode == FAILED
    recording.wait_for(": refused, insufficient-resources")
    assert bridge.ctl("port", "misbehave", "port0", "--delay", 100).returncode == OK
    evbd.associate(str(uuid.uuid4()), mac="52:54:00:00:00:0b")
    recording.wait_for("not known here now\ntaken later, as the port is slow on purpose")
    assert bridge.ctl("port", "misbehave", "port0", "--silent", "all").returncode == OK
    evbd.ctl("vsi", "associate", str(uuid.uuid4()), "--port", "uplink0", "--type", 1, "--filter", "mac=52:54:00:00:00:0a", "--no-wait")
    recording.wait_for("ignored: the port misbehaves on purpose: it ")
    capture, _ = recording.end()
    assert capture.interface["description"] == "port of evbd, role bridge"
    assert any("EVB TLV, mode station" in packet.comment and "is the EVB station" in packet.comment for packet in capture.received())


def test_CAP_115_a_terminal_is_refused_and_a_pipe_is_not(station):
    """CAP-115 On a terminal evbctl says what to do instead. Through a pipe tshark sees frames live, and evbctl ends well when it goes."""
    evbd, _, directory = station
    ours, theirs = pty.openpty()
    command = [str(binary("evbctl")), "--socket", str(evbd.socket), "capture", "uplink0"]
    for words in ([], ["--write", "-"]):
        refused = subprocess.run([*command, *words], stdout=theirs, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=20)
        assert refused.returncode == USAGE and "--print" in refused.stderr and "wireshark -k -i -" in refused.stderr, refused
    os.close(theirs)
    os.close(ours)
    for words in (["--write", "-", "--print"], ["--count", "0"], ["--write", ""]):
        assert evbd.ctl("capture", "uplink0", *words).returncode == USAGE

    for words in ([], ["--write", "-"]):
        capturing = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        shark = subprocess.run(["tshark", "-n", "-i", "-", "-c", "2", "-T", "fields", "-e", "eth.type"], stdin=capturing.stdout,
                               capture_output=True, text=True, timeout=60)
        capturing.stdout.close()
        assert shark.stdout.split() == ["0x88cc", "0x88cc"], shark
        _, error = capturing.communicate(timeout=20)
        assert capturing.returncode == OK, error

    unwritable = evbd.ctl("capture", "uplink0", "--write", directory, "--count", 1)
    assert unwritable.returncode == FAILED and "cannot be written" in unwritable.stderr, unwritable


def test_CAP_115_lines_for_people_and_for_programs(station):
    """CAP-115 --print has a line a frame, --json an object an event; both go together with a file."""
    evbd, _, directory = station
    lines = Recording(evbd, directory / "a.pcapng", "--print", "--count", 3)
    capture, out = lines.end(None)
    assert len(capture.packets) == len(out.splitlines()) == 3
    assert all(" > 01:80:c2:00:00:00 LLDP from chassis " in line and "EVB TLV, mode " in line for line in out.splitlines()), out
    result = evbd.ctl("capture", "uplink0", "--json", "--count", 1)
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert events[0]["start"]["address"] == UPLINK_MAC and events[-1]["frame"]["view"] and not result.stderr, result


def test_CAP_104_who_may_only_look_sees_no_frames(cable):
    """CAP-104 By the read-only socket a capture is refused, with what to do."""
    other = cable.lab.directory / "evbd-run" / "evbd-ro.sock"
    cable.scripted_bridge()
    evbd = cable.evbd(control={"socket": cable.lab.directory / "evbd-run" / "evbd.sock", "group": "root", "read-only": {"socket": other}})
    result = evbd.ctl("--socket", other, "capture", "uplink0", "--print")
    assert result.returncode == NO_PERMISSION and "shows frames as they are on the wire" in result.stderr, result
    assert evbd.ctl("--socket", other, "status").returncode == OK
