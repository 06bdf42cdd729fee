"""Malformed and oversized frames in the name of the neighbour, case by case, sent to evbd in both roles."""

import dataclasses
import struct
import time
import uuid

import pytest

from lab import eventually
from lab.codec import (
    ACK, ASSOCIATE, ETHERTYPE_ECP, ETHERTYPE_LLDP, EVB, Filter, LLDPDU, VSI, ethernet, mac, tlv)
from lab.evbd import OK
from lab.fixtures import PORT_MAC, UPLINK_MAC
from lab.switch import Switch
from scripted_station import ScriptedStation
from site_of_two import Site

ETHERTYPE_DRAFT_ECP, DRAFT_EVB = 0x88B7, bytes.fromhex("001b3f00")
NEAREST_BRIDGE = bytes.fromhex("0180c200000e")
RATIFIED_EXTRA = (1, 8, 40, 100, 200, 400, 498)
TIMES = 20


def announcement(address, *others):
    return ethernet(address, ETHERTYPE_LLDP, LLDPDU(b"\x04" + mac(address), b"\x03" + mac(address), 20, others).encode())


def ecp(address, sequence, payload, ethertype=ETHERTYPE_ECP, destination=None):
    octets = struct.pack("!HH", 0x1001, sequence) + payload
    return (destination or bytes.fromhex("0180c2000000")) + mac(address) + struct.pack("!H", ethertype) + octets


def cases(address, is_bridge):
    """name -> frames in the neighbour's name."""
    evb = EVB(rrcap=True, rrctr=True, rte=10, rwd=17, rka=18) if not is_bridge else EVB(sgid=True, rrreq=True, rte=10, rwd=17, rka=18, mode=2)
    status = 0 if is_bridge else ACK
    entry = Filter(0, bytes.fromhex("525402000001"))    # no other VSI has it, or it would be refused
    good = VSI(ASSOCIATE, status, 1, 0, uuid.uuid4().bytes, (entry,)).encode()
    huge = bytearray(VSI(ASSOCIATE, status, 1, 0, uuid.uuid4().bytes, (entry,)).encode())
    huge[25:27] = b"\xff\xff"
    manager = tlv(5, bytes(16))
    found = {f"ratified EVB TLV with {extra} octets too many": [announcement(address, (127, evb.encode() + bytes([0x41] * extra)))]
             for extra in RATIFIED_EXTRA}
    found["draft EVB TLV of every length beside it"] = [
        announcement(address, (127, evb.encode()), (127, DRAFT_EVB + bytes([0x41] * extra))) for extra in range(0, 508)]
    found["ECP frames of 14 to 19 octets"] = [(ecp(address, 1, bytes(16))[:length]) for length in range(14, 20)]
    found["108 octets, second VSI TLV with 65,535 entries"] = [ecp(address, 7, manager + good + bytes(huge))[:108]]
    found["ECP frames of 1,600 to 2,300 octets"] = [ecp(address, 0x900 + length, manager + good + bytes(length - 64)) for length in range(1600, 2301, 25)]
    found["draft ECP, short and jumbo"] = [
        ecp(address, length, bytes([0x41] * length), ETHERTYPE_DRAFT_ECP, destination)
        for length in (0, 1, 2, 3, 4, 10, 40, 1600, 2300, 8000) for destination in (NEAREST_BRIDGE, None)]
    return found


def draft_cases(address, is_bridge, own):
    """The same in the draft dialect; `own` is the neighbour's own LLDPDU."""
    value = next(value for kind, value in own.others if kind == 127 and value.startswith(DRAFT_EVB))

    def announced(extra):
        others = tuple((kind, other + bytes([0x41] * extra) if other == value else other) for kind, other in own.others)
        return ethernet(address, ETHERTYPE_LLDP, dataclasses.replace(own, others=others).encode())
    return {"draft EVB TLV, over-long by every length": [announced(extra) for extra in range(512 - len(value))],
            "draft ECP, short and jumbo": cases(address, is_bridge)["draft ECP, short and jumbo"]}


@pytest.mark.parametrize("dialect", ["ratified", "draft"])
@pytest.mark.parametrize("role", ["station", "bridge"])
def test_malformed_frames_cost_nothing(cable, role, dialect):
    """TLV-20 TLV-21 ECP-11 VDP-29 VDP-32 After each case the same process runs, no VSI is lost at either end, and a new one is associated."""
    is_bridge = role == "bridge"
    wire, address = (cable.host_wire(), UPLINK_MAC) if is_bridge else (cable.wire(), PORT_MAC)
    site = Site(cable, 10, dialect)
    own = [frame.lldp for frame in wire.look() if frame.outgoing and frame.lldp and frame.lldp.ttl][-1]
    victim = site.bridge if is_bridge else site.evbd
    pid, began = victim.pid, time.monotonic()
    chosen = cases(address, is_bridge) if dialect == "ratified" else draft_cases(address, is_bridge, own)
    for name, frames in chosen.items():
        for frame in frames * (1 if len(frames) > 100 else TIMES):
            wire.send(frame)
        assert victim.ctl("status").returncode == OK and victim.process.alive and victim.pid == pid, f"after {name}: {victim.process.tail()}"
        assert not site.losses(), f"after {name}: {site.losses()[:2]}"
        assert site.evbd.port()["dialect"] == dialect, f"after {name}"
        fresh = str(uuid.uuid4())
        site.evbd.associate(fresh, mac="52:54:00:77:00:01")
        assert site.evbd.ctl("vsi", "deassociate", fresh).returncode == OK, f"after {name}"
    time.sleep(max(0, 5 - (time.monotonic() - began)))      # longer than toutKeepAlive
    assert site.all_are_associated() and not site.losses(), site.losses()[:2]


# MARK: every request is answered, and no other


def wanted(number, command=ASSOCIATE):
    return VSI(command, 0, 1, 0, uuid.uuid4().bytes, (Filter(0, bytes.fromhex("525402") + struct.pack("!I", number)[1:]),))


@pytest.fixture
def station(cable):
    bridge = Switch(cable.lab, cable.switch).evbd(log={"level": "info"})
    made = ScriptedStation(cable.host, "uplink0")
    cable.lab.at_end(made.stop)
    eventually(lambda: (bridge.port("port0") or {}).get("peer"), 10, "the bridge hears the station")
    return bridge, made


def test_VDP_39_requests_back_to_back_are_all_answered(station):
    """ECP-03 VDP-39 Pairs of ECPDUs up to 5 ms apart, 40 of each distance: every VSI is answered."""
    bridge, station = station
    unanswered, number = {}, 0
    for milliseconds in (0, 0.5, 1, 1.9, 3, 5):
        asked = []
        for _ in range(40):
            for _ in range(2):
                number += 1
                vsi = wanted(number)
                asked.append(vsi.uuid)
                station.send(station.request(vsi))
                if milliseconds:
                    time.sleep(milliseconds / 1000)
            time.sleep(0.002)
        eventually(lambda: set(asked) <= station.granted(), 10, f"all that were asked {milliseconds} ms apart are answered", every=0.01)
        unanswered[milliseconds] = len(set(asked) - station.granted())
    assert not any(unanswered.values()), unanswered


def test_VDP_03_a_short_pdu_after_a_long_one_has_nothing_of_it(station):
    """VDP-03 A PDU with one VSI after a PDU with three: the others are not looked at again."""
    bridge, station = station
    first, second, third, alone = (wanted(number) for number in range(1, 5))
    station.send(station.request(first, second, third))
    eventually(lambda: {first.uuid, second.uuid, third.uuid} <= station.granted(), 5, "three are granted")
    assert bridge.ctl("vsi", "deassociate", second.uuid).returncode == OK
    since = time.monotonic()
    station.send(station.request(alone))
    eventually(lambda: alone.uuid in station.granted(), 5, "the fourth is granted")
    time.sleep(0.5)     # for what should not come
    assert station.granted(since) == {alone.uuid}
    assert bridge.state(second.uuid) in (None, "deassociated")
