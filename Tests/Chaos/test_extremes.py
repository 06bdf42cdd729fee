"""EVB TLVs with the extreme values of R, RTE, RWD and RKA: no storm, no stall, all VSIs there in the end.

EVBD_EXTREMES sets the changes, EVBD_SEED repeats a run.
"""

import dataclasses
import os
import random
import struct
import time
import uuid

import pytest

from lab import Wire, eventually
from lab.codec import ASSOCIATE, EVB, Filter, VSI
from lab.evbd import OK
from lab.pair import requests
from lab.switch import Switch
from lab.varlink import Control
from scripted_station import ScriptedStation

CHANGES = int(os.environ.get("EVBD_EXTREMES", 6))
SEED = int(os.environ.get("EVBD_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
VSIS = 20
SANE = {"retries": 3, "rte": 10, "rwd": 17, "rka": 18}
# What evbd is configured to: the larger value of the two sides counts, so that 0 leaves everything to the other side.
OWN = {"all 0": {"ecp": {"retries": 0, "rte": 0}, "vdp": {"rwd": 0, "rka": 0}},
       "lab": {"ecp": {"retries": 3, "rte": 10}, "vdp": {"rwd": 17, "rka": 18}},
       "all 31": {"ecp": {"retries": 7, "rte": 31}, "vdp": {"rwd": 31, "rka": 31}}}
STRETCH = 0.6
# Frames a second that are no storm. Where a bridge acknowledges nothing, and has its ack timer at 10 us and R at 7, each VSI is asked for in three
# PDUs that are sent eight times each, within a stretch; then it waits a second, and longer each time.
STORM = VSIS * 3 * 8 / STRETCH


def extremes(dice):
    """One of the corners, or anything."""
    ends = {"retries": (0, 7), "rte": (0, 28, 31), "rwd": (0, 31), "rka": (0, 31)}
    values = {key: dice.choice(choices + (value,)) for (key, choices), value in zip(ends.items(), SANE.values())}
    return {**values, "remote_rwd": dice.random() < 0.5, "remote_rka": dice.random() < 0.5}


class Rate:
    """The frames that pass an interface in each stretch of time."""

    def __init__(self, cable, namespace, interface):
        self._wire = Wire(namespace, interface)
        cable.lab.at_end(self._wire.close)

    def during(self, seconds, outgoing):
        self._wire.clear()
        time.sleep(seconds)
        count = sum(frame.outgoing == outgoing for frame in self._wire.look())
        self._wire.clear()
        return count / seconds


@pytest.mark.parametrize("own", OWN)
def test_extreme_values_of_the_bridge(cable, own, capsys):
    """TLV-10 TLV-11 VDP-18 VDP-20 A station that hears them from its bridge, one after the other."""
    dice = random.Random(SEED)
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, bgid=True, **SANE))
    evbd = cable.evbd(ports=[{"interface": "uplink0", **OWN[own]}], log={"level": "info"}).wait_for_bridge()
    rate = Rate(cable, cable.host, "uplink0")
    control = Control(evbd.socket)
    cable.lab.at_end(control.close)
    control.call_all("Associate", requests(VSIS))
    rates, worst, at = [], 0.0, None
    cornered = [{"retries": 3, "rte": 10, "rwd": 17, "rka": 31}, {"retries": 3, "rte": 28, "rwd": 17, "rka": 18}, {"retries": 0, "rte": 0, "rwd": 0, "rka": 0}]
    for values in cornered + [extremes(dice) for _ in range(CHANGES - len(cornered))]:
        bridge.evb = EVB(rrcap=True, rrctr=True, bgid=True, **values)
        bridge.announce()
        # What is not acknowledged at RTE 31 would be sent again in six hours.
        bridge.acknowledge = dice.random() < 0.6
        seen = rate.during(STRETCH, outgoing=True)
        rates.append(f"{seen:.0f}")
        if seen > worst:
            worst, at = seen, values
        assert evbd.ctl("status", timeout=10).returncode == OK, f"EVBD_SEED={SEED}: {values}"
    with capsys.disabled():
        print(f"\n    EVBD_SEED={SEED}: evbd {own}: RKA 31, RTE 28, all 0, and others: {', '.join(rates)} frames a second; the most at {at} ", end="", flush=True)
    if own == "all 31":     # its own configuration lets it wait for hours: that has to be sane again too
        evbd.config["ports"] = [{"interface": "uplink0", "role": "station", **OWN["lab"]}]
        evbd.write_config()
        evbd.process.signal(1)
    bridge.evb, bridge.acknowledge = EVB(rrcap=True, rrctr=True, bgid=True, **SANE), True
    eventually(lambda: sum(vsi["state"] == "associated" for vsi in evbd.vsis().values()) == VSIS, 30,
               f"EVBD_SEED={SEED}: all are associated once the bridge is sane again: {evbd.vsis()}", every=0.2)
    assert worst < STORM, f"EVBD_SEED={SEED}: {worst} frames a second at {at}"


@pytest.mark.parametrize("own", ["all 0", "lab"])
def test_extreme_values_of_the_station(cable, own, capsys):
    """TLV-10 TLV-11 VDP-19 A bridge that hears them from its station."""
    dice = random.Random(SEED)
    bridge = Switch(cable.lab, cable.switch).evbd(ports=[{"interface": "port0", **OWN[own]}], log={"level": "info"})
    vsis = [VSI(ASSOCIATE, 0, 1, 0, uuid.uuid4().bytes, (Filter(0, bytes.fromhex("525402") + struct.pack("!I", number)[1:]),)) for number in range(VSIS)]
    sane = EVB(sgid=True, rrreq=True, mode=2, **SANE)
    station = ScriptedStation(cable.host, "uplink0", evb=sane, vsis=vsis)
    cable.lab.at_end(station.stop)
    rate = Rate(cable, cable.switch, "port0")
    worst, at = 0.0, None
    for _ in range(CHANGES):
        station.evb = dataclasses.replace(sane, **extremes(dice))
        station.announce()
        seen = rate.during(STRETCH, outgoing=True)
        if seen > worst:
            worst, at = seen, station.evb
        assert bridge.ctl("status", timeout=10).returncode == OK, f"EVBD_SEED={SEED}: {station.evb}"
    with capsys.disabled():
        print(f"\n    EVBD_SEED={SEED}: evbd {own}: at most {worst:.0f} frames a second, at {at} ", end="", flush=True)
    station.evb = sane
    names = {vsi.uuid for vsi in vsis}
    eventually(lambda: names <= {name for name, shown in bridge.vsis().items() if shown["state"] == "associated"}, 30,
               f"EVBD_SEED={SEED}: all are associated once the station is sane again: {bridge.vsis()}", every=0.2)
    assert worst < STORM, f"EVBD_SEED={SEED}: {worst} frames a second at {at}"
