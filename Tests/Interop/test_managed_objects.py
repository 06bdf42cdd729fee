"""What evbctl shows under the EVB MIB's names, object by object, against the configuration, the kernel and the frames on the wire."""

import re
import uuid

import pytest

from lab import Wire, eventually
from lab.codec import ASSOCIATE, EVB, HARD, KEEP, LLDPDU, Filter, ethernet, mac, tlvs
from lab.evbd import OK
from lab.fixtures import PORT_MAC

GUEST = "52:54:00:11:22:33"
BRIDGE_EVB = EVB(rrcap=True, rrctr=True, bgid=True, retries=3, rte=9, rwd=18, rka=19)
PORT = {"interface": "uplink0", "ecp": {"retries": 2, "rte": 11}, "vdp": {"rwd": 17, "rka": 20}, "group-ids": True}


def microseconds(exponent):
    return 10 << exponent


def whole(kind, value):
    """A TLV as the MIB's strings have it: hexadecimal, with its header."""
    return (((kind << 9) | len(value)).to_bytes(2, "big") + value).hex()


def objects(text):
    """Name -> value of the lines below MIB OBJECT."""
    table = text.partition("MIB OBJECT")[2].splitlines()[1:]
    return dict(re.split(r"  +", line, maxsplit=1) for line in table if line)


@pytest.fixture
def agreed(cable):
    """evbd with settings that differ from the bridge's, which it has heard; all that the host sends and hears is watched."""
    watch = Wire(cable.host, "uplink0")
    cable.lab.at_end(watch.close)
    bridge = cable.scripted_bridge(evb=BRIDGE_EVB)
    evbd = cable.evbd(ports=[PORT])
    evbd.wait_for_bridge()
    return cable, evbd, bridge, watch


def test_MGT_01_sys_urp_and_ecp(agreed):
    """MGT-01 Each object of the groups Sys, URP and Ecp: as configured, as agreed, as the kernel says; the same on the terminal."""
    cable, evbd, _, _ = agreed
    shown = evbd.ctl_json("port", "show", "uplink0")
    assert shown["sys"] == {
        "type": "evbStation", "numExternalPorts": 1, "evbLldpTxEnable": True, "evbLldpManual": False, "evbLldpGidCapable": True,
        "ecpDfltAckTimerExp": 11, "ecpMaxRetries": 2, "vdpDfltRsrcWaitDelayExp": 17, "vdpDfltReinitKeepAliveExp": 20}
    wait = 3 * (microseconds(18) + 7 * microseconds(11)) // 2
    assert shown["urp"] == {
        "ifIndex": cable.host.index("uplink0"), "bindToISSPort": 1, "lldpManual": False, "vdpOperRsrcWaitDelayExp": 18,
        "vdpOperRespWaitDelay": wait, "vdpOperReinitKeepAliveExp": 20}
    assert (shown["ecp"]["operAckTimerInitExp"], shown["ecp"]["operMaxRetries"]) == (11, 3)
    text = objects(evbd.ctl("port", "show", "uplink0").stdout)
    for name, value in {"SysType": "evbStation", "SysEcpMaxRetries": "2", "URPIfIndex": str(cable.host.index("uplink0")),
                        "URPVdpOperRsrcWaitDelayExp": "18", "URPVdpOperRespWaitDelay": f"{wait} us", "EcpOperMaxRetries": "3"}.items():
        assert text[name] == value, name


def test_MGT_01_manual_and_two_ports(cable):
    """MGT-01 MGT-02 The other values of Sys and URP: manual mode, no EVB, the second port, an interface that is not there."""
    cable.scripted_bridge(evb=BRIDGE_EVB)
    manual = {**PORT, "group-ids": False, "evb": {"manual": True}}
    mute = {"interface": "missing0", "evb": {"transmit": False}}
    evbd = cable.evbd(ports=[manual, mute])
    evbd.wait_for_bridge()
    shown = evbd.ctl_json("port", "show", "uplink0")
    assert (shown["sys"]["numExternalPorts"], shown["sys"]["evbLldpManual"], shown["sys"]["evbLldpGidCapable"]) == (2, True, False)
    assert (shown["urp"]["lldpManual"], shown["urp"]["vdpOperRsrcWaitDelayExp"], shown["urp"]["bindToISSPort"]) == (True, 17, 1)
    assert (shown["ecp"]["operAckTimerInitExp"], shown["ecp"]["operMaxRetries"]) == (11, 2)
    shown = evbd.ctl_json("port", "show", "missing0")
    assert (shown["urp"]["ifIndex"], shown["urp"]["bindToISSPort"], shown["sys"]["evbLldpTxEnable"]) == (0, 2, False)
    assert shown["xdot1"] == {"evbConfigEvbTxEnable": False, "locEvbTlvString": None, "remEvbTlvString": None}


def test_MGT_01_ecp_counters(agreed):
    """MGT-01 ECP-17 EcpTxFrameCount, EcpTxRetryCount, EcpTxFailures and EcpRxFrameCount are what passed the wire."""
    _, evbd, bridge, watch = agreed
    evbd.associate(str(uuid.uuid4()))
    bridge.acknowledge = False
    evbd.ctl("vsi", "associate", str(uuid.uuid4()), "--port", "uplink0", "--type", "5", "--filter", "vlan=7", "--wait", "1")
    bridge.acknowledge = True
    eventually(lambda: evbd.ctl_json("port", "show", "uplink0")["ecp"]["txFailures"], 10, "a PDU is given up")
    ecp = eventually(lambda: _counted(evbd, watch), 5, "the counters are those of the wire")
    assert ecp["txRetryCount"] >= 3
    counters = evbd.ctl_json("stats", "uplink0")[0]["counters"]
    assert counters["EcpTxFailures"] >= 1 and counters["EcpTxFrameCount"] >= ecp["txFrameCount"]


def _counted(evbd, watch):
    """The counters, if nothing passed while they were asked for and they are what has passed."""
    before = len(watch.look())
    ecp = evbd.ctl_json("port", "show", "uplink0")["ecp"]
    if len(watch.look()) != before:
        return None
    sent = [frame.ecp.sequence for frame in watch.frames if frame.outgoing and frame.ecp and not frame.ecp.acknowledge]
    heard = [frame for frame in watch.frames if not frame.outgoing and frame.ecp and not frame.ecp.acknowledge]
    first = len(set(sent))
    return ecp if (ecp["txFrameCount"], ecp["txRetryCount"], ecp["rxFrameCount"]) == (first, len(sent) - first, len(heard)) else None


@pytest.mark.parametrize("form, words, filters, entry", [
    ("vid", ("vlan=30",), (Filter(30),), {"mac": None, "vlan": 30, "pcp": None, "group": None}),
    ("macVid", (f"mac={GUEST},vlan=31,pcp=5",), (Filter(31, mac(GUEST), None, 5),), {"mac": GUEST, "vlan": 31, "pcp": 5, "group": None}),
    ("groupidVid", ("group=77,vlan=32", "group=78,vlan=33"), (Filter(32, None, 77), Filter(33, None, 78)),
     {"mac": None, "vlan": 32, "pcp": None, "group": 77}),
    ("groupidMacVid", (f"group=79,mac={GUEST},vlan=34",), (Filter(34, mac(GUEST), 79),), {"mac": GUEST, "vlan": 34, "pcp": None, "group": 79}),
])
def test_MGT_01_vsidb(agreed, form, words, filters, entry):
    """MGT-01 Each object of VSIDB and VSIDBMac, for all four filter formats, against the TLV and the manager ID on the wire."""
    _, evbd, bridge, _ = agreed
    vsi = str(uuid.uuid4())
    options = [word for each in words for word in ("--filter", each)]
    assert evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--manager", "11", "--type", "1193047", "--type-version", "2",
                    *options).returncode == OK
    manager = bridge.requests[-1][1].manager
    sent = bridge.commands(ASSOCIATE)[-1]
    assert sent.filters == filters
    shown = evbd.ctl_json("vsi", "show", vsi)
    mib = shown["vsidb"]
    assert (shown["vsiIDFormat"], shown["vsiID"]) == ("uuid", sent.uuid)
    assert (shown["typeID"], shown["typeVersion"]) == (sent.type_id, sent.type_version) == (1193047, 2)
    assert mib["mgrID16"] == manager.hex()
    assert (mib["filterFormat"], mib["numMACs"]) == (form, len(filters)) and sent.filter_format == 1 + (
        "vid", "macVid", "groupidVid", "groupidMacVid").index(form)
    assert shown["filters"][0] == entry and len(shown["filters"]) == len(filters)
    assert (mib["vdpOperCmd"], mib["vdpMachineState"]) == ("associate", "associate")
    assert (mib["operRevert"], mib["operHard"], mib["operReason"], mib["operReasonCode"]) == (False, False, "success", 0)
    assert (mib["vdpCommandsSucceeded"], mib["vdpCommandsFailed"], mib["vdpCommandReverts"]) == (1, 0, 0)
    assert 0 <= mib["timeSinceCreate"] < 4000 and mib["vdpCounterDiscontinuity"] == mib["timeSinceCreate"]
    text = objects(evbd.ctl("vsi", "show", vsi).stdout)
    assert (text["VSIMgrID16"], text["VSIFilterFormat"], text["VDPMachineState"]) == (manager.hex(), form, "associate")


@pytest.mark.parametrize("status, reason, code", [
    (1 | HARD, "invalidFormat", 1), (2 | HARD, "insufficientResources", 2), (3 | HARD, "otherfailure", 3), (4 | HARD, "otherfailure", 4),
    (5 | HARD, "otherfailure", 5),
])
def test_MGT_01_refusals(agreed, status, reason, code):
    """MGT-01 VsiOperReason and VsiOperHard of a refusal; the MIB's reasons are fewer than VDP's, whose own is told too."""
    _, evbd, bridge, _ = agreed
    bridge.answer = lambda request: request.answered(status)
    vsi = str(uuid.uuid4())
    evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "5", "--filter", "vlan=7")
    mib = evbd.ctl_json("vsi", "show", vsi)["vsidb"]
    assert (mib["operReason"], mib["operReasonCode"], mib["operHard"], mib["operRevert"]) == (reason, code, True, False)
    assert (mib["vdpMachineState"], mib["vdpCommandsSucceeded"], mib["vdpCommandsFailed"]) == ("deAssociate", 0, 1)


def test_MGT_01_a_command_that_is_reverted(agreed):
    """MGT-01 Keep: the pre-association stays, and VsiOperRevert and VDPCommandReverts tell; while the bridge thinks, so does VsiVdpOperCmd."""
    _, evbd, bridge, _ = agreed
    vsi, words = str(uuid.uuid4()), ("--port", "uplink0", "--type", "5", "--filter", "vlan=7")
    assert evbd.ctl("vsi", "preassociate", vsi, *words).returncode == OK
    shown = evbd.ctl_json("vsi", "show", vsi)["vsidb"]
    assert (shown["vdpOperCmd"], shown["vdpMachineState"]) == ("preAssociate", "preAssociate")
    bridge.held.set()
    bridge.answer = lambda request: request.answered(KEEP | 2 if request.command == ASSOCIATE else 0)
    assert evbd.ctl("vsi", "associate", vsi, *words, "--no-wait").returncode == OK
    eventually(lambda: bridge.commands(ASSOCIATE), 5, "the bridge is asked")
    shown = evbd.ctl_json("vsi", "show", vsi)["vsidb"]
    assert (shown["vdpOperCmd"], shown["vdpMachineState"]) == ("associate", "preAssociate")
    bridge.held.clear()
    shown = eventually(lambda: (lambda mib: mib if mib["vdpCommandReverts"] else None)(evbd.ctl_json("vsi", "show", vsi)["vsidb"]),
                       5, "the command is reverted")
    assert (shown["vdpOperCmd"], shown["vdpMachineState"]) == ("preAssociate", "preAssociate")
    assert shown["operRevert"] is True and shown["vdpCommandsFailed"] == 1 and shown["vdpCommandsSucceeded"] == 1


def test_MGT_02_raw_tlvs(agreed):
    """MGT-02 TLV-28 Both sides' EVB TLVs, octet for octet as they are on the wire, and every other TLV of the neighbour."""
    cable, evbd, bridge, watch = agreed
    mine = eventually(lambda: [frame.lldp for frame in watch.look() if frame.outgoing and frame.lldp and frame.lldp.evb
                               and frame.lldp.evb.rrstat == 1], 10, "evbd says that it has heard the bridge")[-1]
    shown = evbd.ctl_json("port", "show", "uplink0")
    own, = [value for kind, value in mine.others if kind == 127]
    assert shown["xdot1"] == {
        "evbConfigEvbTxEnable": True, "locEvbTlvString": whole(127, own), "remEvbTlvString": whole(127, BRIDGE_EVB.encode())}
    assert objects(evbd.ctl("port", "show", "uplink0").stdout)["lldpV2Xdot1RemEvbTlvString"] == whole(127, BRIDGE_EVB.encode())

    # Reserved bits, octets behind the known ones, a TLV of a stranger: nothing of it is lost.
    bridge.stop()
    odd = EVB.PREFIX + bytes([0xFF, 0xF4, 0x69, 0x52, 0xD3, 0xAB])
    others = ((5, b"leaf 1"), (127, odd), (127, b"\x12\x34\x56\x01hello"))
    pdu = LLDPDU(b"\x04" + mac(PORT_MAC), b"\x03" + mac(PORT_MAC), 20, others)
    Wire(cable.switch, "port0").send(ethernet(PORT_MAC, 0x88CC, pdu.encode()))
    shown = eventually(lambda: (lambda port: port if port["xdot1"]["remEvbTlvString"] == whole(127, odd) else None)(
        evbd.ctl_json("port", "show", "uplink0")), 5, "the new TLV is shown")
    neighbour = shown["lldpNeighbour"]
    assert neighbour["tlvs"] == [whole(kind, value) for kind, value in tlvs(pdu.encode())]
    assert (neighbour["chassisID"], neighbour["chassisIDSubtype"], neighbour["portIDSubtype"]) == (PORT_MAC, 4, 3)
    assert (neighbour["systemName"], neighbour["ttlSeconds"]) == ("leaf 1", 20)


def test_TLV_28_lldp_counters(cable):
    """TLV-28 LLDP's counters are what passed the wire; a neighbour that falls silent is counted as aged."""
    watch = Wire(cable.host, "uplink0")
    cable.lab.at_end(watch.close)
    evbd, other_end = cable.evbd(), Wire(cable.switch, "port0")
    cable.lab.at_end(other_end.close)
    others = ((127, BRIDGE_EVB.encode()), (127, b"\x12\x34\x56\x01hello"), (127, EVB.PREFIX[:3]), (20, b""))
    good = LLDPDU(b"\x04" + mac(PORT_MAC), b"\x03" + mac(PORT_MAC), 1, others).encode()
    other_end.send(ethernet(PORT_MAC, 0x88CC, good))
    other_end.send(ethernet(PORT_MAC, 0x88CC, good[8:]))

    def counters():
        return evbd.ctl_json("stats", "uplink0")[0]["counters"]
    eventually(lambda: counters()["LldpRxAgeouts"] == 1, 5, "the neighbour has aged")
    shown = eventually(lambda: (lambda before, counted: counted if before == len(watch.look()) else None)(len(watch.look()), counters()),
                       5, "nothing passes while the counters are read")
    assert (shown["LldpRxFrames"], shown["LldpRxDiscarded"]) == (1, 1)
    assert (shown["LldpRxTlvsUnrecognized"], shown["LldpRxTlvsDiscarded"]) == (2, 1)
    assert shown["LldpTxFrames"] == len([frame for frame in watch.frames if frame.outgoing and frame.lldp])
    assert evbd.ctl_json("port", "show", "uplink0")["lldpNeighbour"] is None


def test_MGT_03_since_when_counters_count(cable):
    """MGT-03 The time since the last discontinuity grows with the clock, is the VSI's own for a VSI, and begins anew with the daemon."""
    cable.scripted_bridge(evb=BRIDGE_EVB)
    evbd = cable.evbd().wait_for_bridge()

    def shown():
        return evbd.ctl_json("stats", "uplink0")[0]["counterDiscontinuity"]
    first = shown()
    assert first <= 100 * (evbd.ctl_json("status")["daemon"]["uptimeSeconds"] + 1)
    eventually(lambda: shown() >= first + 50, 5, "half a second passes")
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    mib = evbd.ctl_json("vsi", "show", vsi)["vsidb"]
    assert mib["vdpCounterDiscontinuity"] < evbd.ctl_json("port", "show", "uplink0")["counterDiscontinuity"] - 50
    assert "uplink0 has been counting for " in evbd.ctl("stats").stdout
    for number in range(5):
        evbd.associate(str(uuid.uuid4()), mac=f"52:54:00:11:23:0{number}")
    before, sent = shown(), evbd.ctl_json("stats", "uplink0")[0]["counters"]["EcpTxFrameCount"]
    evbd.process.kill()
    evbd.start()
    # The VSIs may be asked for again by then, in fewer frames than each of them took.
    assert shown() < before and evbd.ctl_json("stats", "uplink0")[0]["counters"]["EcpTxFrameCount"] < sent
