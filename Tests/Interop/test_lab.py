"""The lab itself, without evbd: decoders against the recorded frames, lldpad against lldpad, the netlink client against lldpad."""

import json
import os
import uuid

import pytest

from lab import Lldpad, eventually, netlink
from lab.codec import (
    ASSOCIATE, DEASSOCIATE, ECPDU, EVB, ETHERTYPE_ECP, ETHERTYPE_LLDP, LLDPDU, VDPDU, Filter, mac, read_pcap)
from lab.system import REPOSITORY

CAPTURES = REPOSITORY / "Tests/Captures"
GUEST = "52:54:00:11:22:33"


@pytest.mark.parametrize("name", ["22-evb-negotiation", "22-libvirt-lldpadbridge", "22-vdptool-assoc-deassoc"])
def test_recorded_frames_decode_and_encode_octet_for_octet(name):
    seen = 0
    for frame in read_pcap(CAPTURES / f"{name}.pcap"):
        if frame.ethertype == ETHERTYPE_LLDP:
            pdu = LLDPDU.decode(frame.payload)
            assert frame.payload.startswith(pdu.encode()) and not frame.payload[len(pdu.encode()):].strip(b"\0")
            assert pdu.evb and pdu.evb.encode() == pdu.others[0][1]
        elif frame.ethertype == ETHERTYPE_ECP:
            pdu = ECPDU.decode(frame.payload)
            assert pdu.encode() == frame.payload
            if not pdu.acknowledge:
                assert VDPDU.decode(pdu.payload).encode() == pdu.payload
        else:
            continue
        seen += 1
    assert seen >= 8


def test_a_recorded_association_reads_as_it_was_asked_for():
    frames = [frame for frame in read_pcap(CAPTURES / "22-libvirt-lldpadbridge.pcap") if frame.vdp]
    request = frames[0].vdp
    assert request.manager == bytes([11]) + bytes(15)
    vsi, = request.vsis
    assert (vsi.command, vsi.status, vsi.type_id, vsi.type_version) == (ASSOCIATE, 0, 0x123457, 2)
    assert vsi.uuid == "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f"
    assert vsi.filters == (Filter(0, mac(GUEST)),)
    assert frames[1].vdp.vsis[0] == vsi.answered()


def test_the_client_builds_libvirts_own_messages():
    recorded = [json.loads(line) for line in (CAPTURES / "messages-22-libvirt-lldpadbridge.jsonl").read_text().splitlines()]
    for line in recorded:
        if line["dir"] != "to-lldpad":
            continue
        raw = bytes.fromhex(line["raw"])
        if line["type"] == "RTM_SETLINK":
            code = netlink.ASSOCIATE if "02" in line["decoded"]["attrs"][2][1][0][2] else netlink.DISASSOCIATE
            body = netlink.setlink_body(2, "uplink0", GUEST, "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f", code)
            built = netlink.message(netlink.RTM_SETLINK, body, line["seq"], line["nlmsg_pid"])
        else:
            built = netlink.message(netlink.RTM_GETLINK, netlink.getlink_body(2), line["seq"], line["nlmsg_pid"])
        assert built == raw


@pytest.fixture
def pair(cable):
    """lldpad as station at the host, lldpad as bridge at the switch."""
    wire = cable.wire()
    bridge = cable.lldpad_bridge()
    station = Lldpad(cable.lab, cable.host, "uplink0", role="station")
    eventually(lambda: wire.received(lambda frame: frame.lldp and frame.lldp.evb and frame.lldp.evb.rrstat == 1),
               15, "the station has heard that reflective relay is on")
    return cable, station, bridge, wire


def libvirt(cable, daemon):
    client = netlink.Client(cable.host, daemon.pid, cable.host.index("uplink0"), "uplink0")
    cable.lab.at_end(client.close)
    return client


def test_lldpad_associates_with_lldpad_as_libvirt_asks(pair):
    cable, station, bridge, wire = pair
    client, vsi = libvirt(cable, station), str(uuid.uuid4())
    assert client.request(GUEST, vsi, netlink.ASSOCIATE) is True
    assert bridge.holds(vsi)
    assert client.request(GUEST, vsi, netlink.DISASSOCIATE) is True
    eventually(lambda: not bridge.holds(vsi), 5, "the bridge has let the VSI go")
    heard = [pdu.vsis[0].command for pdu in (frame.vdp for frame in wire.received()) if pdu]
    assert heard[0] == ASSOCIATE and heard[-1] == DEASSOCIATE


def test_vdptool_associates_and_the_bridge_refuses_to_list_by_it(pair):
    cable, station, bridge, _ = pair
    vsi = str(uuid.uuid4())
    words = [f"mode=assoc,mgrid2=blabla,typeid=5,typeidver=4,uuid={vsi},filter=200-{GUEST}-".rstrip("-")]
    result = station.tool("vdptool", "-T", "-i", "uplink0", "-V", "assoc", "-W", *sum((["-c", word] for word in words[0].split(",")), []))
    assert result.returncode == 0, result.stdout + result.stderr
    eventually(lambda: bridge.holds(vsi), 5, "the bridge lists the VSI")
    assert "not applicable" in bridge.tool("vdptool", "-t", "-i", "port0", "-V", "assoc").stdout


def test_a_stopped_bridge_says_goodbye(cable):
    wire = cable.wire()
    bridge = cable.lldpad_bridge()
    eventually(lambda: [frame for frame in wire.look() if frame.lldp and frame.lldp.evb], 5, "the bridge announces itself")
    bridge.stop()
    eventually(lambda: [frame for frame in wire.look() if frame.lldp and frame.lldp.ttl == 0], 5, "an LLDPDU with TTL 0")


def test_a_frozen_bridge_is_silent_and_comes_back(cable):
    bridge = cable.lldpad_bridge()
    bridge.freeze()
    with pytest.raises(netlink.NoAnswer):
        bridge.vsis()
    bridge.thaw()
    assert bridge.vsis() == set()


def test_the_scripted_bridge_satisfies_lldpad(cable):
    """lldpad as station agrees with what our own bridge says, refuses as it refuses, and drops a VSI when told."""
    refuse = set()
    bridge = cable.scripted_bridge(answer=lambda request: request.answered(3 if request.uuid in refuse else 0))
    station = Lldpad(cable.lab, cable.host, "uplink0", role="station")
    client = libvirt(cable, station)
    good, bad = str(uuid.uuid4()), str(uuid.uuid4())
    refuse.add(bad)
    eventually(lambda: _accepts(client, good), 15, "lldpad takes requests")
    eventually(lambda: [entry for entry in netlink.entries(client.getlink()) if entry.response == 0], 5, "success")
    assert client.request("52:54:00:11:22:44", bad, netlink.ASSOCIATE) == 3
    vsi = bridge.commands(ASSOCIATE)[0]
    assert bridge.deassociate(vsi, bridge.requests[0][1].manager)
    event = client.event(5)
    assert event and event.kind == netlink.RTM_SETLINK and event.port == station.pid


def _accepts(client, vsi):
    try:
        return client.setlink(GUEST, vsi, netlink.ASSOCIATE)
    except netlink.Refused:
        return None


def test_nothing_is_left_behind(new_lab):
    lab = new_lab()
    namespace = lab.namespace("a")
    process = lab.start("sleeper", namespace.command("sleep", "1000"))
    directory, name, pid = lab.directory, namespace.name, process.pid
    assert os.path.exists(f"/run/netns/{name}")
    lab.__exit__()
    assert not os.path.exists(f"/run/netns/{name}") and not directory.exists() and not os.path.exists(f"/proc/{pid}")
