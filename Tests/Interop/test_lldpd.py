"""Another LLDP daemon on the same host: Debian's lldpd, on the nearest bridge address, as many a host has it."""

import uuid

import pytest

from lab import Wire, eventually
from lab.codec import EVB, LLDPDU, ethernet, mac, read_pcap
from lab.fixtures import PORT_MAC, UPLINK_MAC
from lab.lldpd import Lldpd
from lab.switch import Switch
from lab.system import REPOSITORY

NEAREST_BRIDGE = bytes.fromhex("0180c200000e")
LOCAL = 7  # the subtype of evbd's port ID; lldpd's is a MAC address


def counters(evbd):
    return evbd.ctl_json("stats", "uplink0")[0]["counters"]


@pytest.fixture
def watched(cable):
    """All that the host sends and hears."""
    watch = Wire(cable.host, "uplink0")
    cable.lab.at_end(watch.close)
    return watch


def test_TLV_26_lldpd_beside_evbd(cable, watched):
    """TLV-26 lldpd runs on both ends: it sends and hears as without evbd, and evbd negotiates and associates as without lldpd."""
    bridge = cable.lldpad_bridge()
    evbd = cable.evbd()
    here, there = Lldpd(cable.lab, cable.host, "uplink0", "lldpd-here"), Lldpd(cable.lab, cable.switch, "port0", "lldpd-there")
    evbd.wait_for_bridge()
    for daemon in (here, there):
        daemon.send_now()
    eventually(lambda: (PORT_MAC, PORT_MAC) in here.neighbours() and (UPLINK_MAC, UPLINK_MAC) in there.neighbours(), 10,
               "the two lldpds hear each other")
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    assert bridge.holds(vsi) and cable.host.is_up("vm0")

    frames = [frame for frame in watched.look() if frame.lldp]
    mine = [frame for frame in frames if frame.outgoing and frame.lldp.port[0] == LOCAL]
    assert mine and all(frame.destination != NEAREST_BRIDGE for frame in mine), "evbd says nothing on lldpd's address"
    of_lldpd = [frame for frame in frames if frame.destination == NEAREST_BRIDGE]
    assert {frame.outgoing for frame in of_lldpd} == {True, False}
    assert here.statistics()["tx"] == sum(frame.outgoing for frame in of_lldpd)

    shown = counters(evbd)
    assert shown["LldpRxFrames"] <= sum(not frame.outgoing and frame.destination != NEAREST_BRIDGE for frame in watched.look() if frame.lldp)
    assert (shown["LldpRxDiscarded"], shown["LldpRxTlvsDiscarded"], shown["EvbTlvsDiscarded"]) == (0, 0, 0)
    neighbour = evbd.ctl_json("port", "show", "uplink0")["lldpNeighbour"]
    assert neighbour["systemName"] is None, "lldpad tells no name, lldpd does"

    # lldpd says goodbye there: nothing to those who speak here.
    there.process.stop()
    eventually(lambda: (PORT_MAC, PORT_MAC) not in here.neighbours(), 10, "lldpd has gone from the switch")
    assert evbd.hears_bridge() and evbd.state(vsi) == "associated" and cable.host.is_up("vm0")
    said = evbd.process.output()
    assert "bridge lost" not in said and "several" not in said.lower() and "unusable" not in said


def test_TLV_26_evbd_ends_and_lldpd_runs_on(cable, watched):
    """TLV-26 evbd starts, ends and dies: lldpd hears its neighbour all the time, counts no bad frame, and its neighbour loses nothing."""
    here, there = Lldpd(cable.lab, cable.host, "uplink0", "lldpd-here"), Lldpd(cable.lab, cable.switch, "port0", "lldpd-there")
    for daemon in (here, there):
        daemon.send_now()
    eventually(lambda: (PORT_MAC, PORT_MAC) in here.neighbours() and (UPLINK_MAC, UPLINK_MAC) in there.neighbours(), 10,
               "the two lldpds hear each other")
    evbd = cable.evbd()
    eventually(lambda: any(frame.outgoing and frame.lldp and frame.lldp.port[0] == LOCAL for frame in watched.look()), 5,
               "evbd has sent")
    assert evbd.terminate() == 0
    evbd.process.stop()
    evbd.start()
    evbd.process.kill()
    there.send_now()
    here.send_now()
    assert (PORT_MAC, PORT_MAC) in here.neighbours() and (UPLINK_MAC, UPLINK_MAC) in there.neighbours()
    for daemon in (here, there):
        counted = daemon.statistics()
        assert (counted["rx_discarded_cnt"], counted["ageout_cnt"]) == (0, 0)
    assert here.statistics()["delete_cnt"] == 0


def test_TLV_26_nonsense_on_the_nearest_bridge_address(cable):
    """TLV-26 Whatever is sent to 01-80-C2-00-00-0E, an EVB bridge's LLDPDU, a goodbye or half a frame, is not evbd's."""
    bridge = cable.scripted_bridge()
    evbd, wire = cable.evbd().wait_for_bridge(), cable.wire()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    evbs = [frame for frame in read_pcap(REPOSITORY / "Tests/Captures/22-evb-negotiation.pcap") if frame.lldp]
    goodbye = LLDPDU(b"\x04" + mac(PORT_MAC), b"\x03" + mac(PORT_MAC), 0).encode()
    before = counters(evbd)
    for payload in [frame.payload for frame in evbs] + [goodbye, goodbye[:7], b"\xff" * 40, b""]:
        wire.send(ethernet(PORT_MAC, 0x88CC, payload, destination=NEAREST_BRIDGE))
    # A frame of the bridge's after those: when evbd has taken it, it has taken them all.
    eventually(lambda: counters(evbd)["LldpRxFrames"] > before["LldpRxFrames"], 5, "evbd goes on hearing the bridge")
    after = counters(evbd)
    for name in ("LldpRxDiscarded", "LldpRxTlvsDiscarded", "LldpRxTlvsUnrecognized", "EvbTlvsDiscarded", "LldpRxAgeouts"):
        assert after[name] == before[name], name
    assert evbd.hears_bridge() and evbd.state(vsi) == "associated" and not bridge.commands(4)


def test_HEAL_910_lldpd_on_evbds_own_address_does_no_harm(cable):
    """lldpd on the host speaks to the customer bridge, and names the port as evbd did: the switch, an evbd, ends nothing."""
    switch = Switch(cable.lab, cable.switch, stp=True)
    box = switch.evbd()
    switch.wait_until_forwarding()
    # With the guest filter nothing of lldpd's would leave for this address.
    evbd, vsi = cable.evbd(ports=[{"interface": "uplink0", "guest-filter": False}]).wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    here = Lldpd(cable.lab, cable.host, "uplink0")
    here.configure("lldp", "agent-type", "nearest-customer-bridge")
    here.configure("lldp", "portidsubtype", "ifname")
    wire = cable.wire()
    for _ in range(3):
        wire.clear()
        here.send_now()
        eventually(lambda: wire.received(lambda frame: frame.lldp and frame.lldp.port == b"\x05uplink0"), 10, "lldpd speaks")
        assert evbd.state(vsi) == box.state(vsi) == "associated" and cable.host.is_up("vm0")
    assert "lost" not in evbd.process.output() + box.process.output()


def test_HEAL_911_two_speakers_of_one_identity_are_reported(cable):
    """A station that is no evbd, and a second program with its very identity: EVB ends once, then goes on, and the second is named."""
    switch = Switch(cable.lab, cable.switch, stp=True)
    box = switch.evbd()
    switch.wait_until_forwarding()
    wire = cable.host_wire()
    names = (b"\x04" + mac(UPLINK_MAC), b"\x05uplink0")
    station = LLDPDU(*names, 121, ((127, EVB(sgid=True, rrreq=True, mode=2).encode()),)).encode()
    other = LLDPDU(*names, 120, ((5, b"lldpd of the host"),)).encode()
    for _ in range(4):
        wire.send(ethernet(UPLINK_MAC, 0x88CC, station))
        eventually(lambda: box.port("port0")["peer"], 5, "the station is heard")
        wire.send(ethernet(UPLINK_MAC, 0x88CC, other))
    eventually(lambda: box.ctl_json("port", "show", "port0")["problems"], 5, "it is reported")
    problem, = box.ctl_json("port", "show", "port0")["problems"]
    assert problem["kind"] == "second-lldp-speaker" and "lldpd of the host" in problem["message"] and problem["hint"]
    assert "lldpd of the host" in box.process.output() and "PROBLEM: " in box.ctl("port", "show", "port0").stdout
    assert box.process.output().count("EVB station lost") == 1 and box.port("port0")["peer"]
