"""The clock of the host is stepped by years: VSIs know only the time since the boot. To be run inside Tests/uml/run, whose clock it is."""

import time
from pathlib import Path

import pytest

from lab import eventually
from lab.pair import Pair, requests
from lab.varlink import Events

COUNT, SECONDS = 50, 6      # more than a round of keep-alives, and more than toutKeepAlive
YEAR = 365 * 86400


@pytest.fixture
def clock():
    """Sets the wall clock; the kernel of a test is the one that it runs on, so this is for no other."""
    assert "User Mode Linux" in Path("/proc/cpuinfo").read_text(), "only in Tests/uml/run: this steps the clock"
    before, since = time.time(), time.monotonic()
    yield lambda seconds: time.clock_settime(time.CLOCK_REALTIME, seconds)
    time.clock_settime(time.CLOCK_REALTIME, before + time.monotonic() - since)


def kept_alive(pair):
    """How many VSIs the station has asked for, or to keep, since the last look."""
    count = sum(len(frame.vdp.vsis) for frame in pair.wire.received() if frame.vdp)
    pair.wire.clear()
    return count


def test_VDP_18_the_clock_is_stepped_by_years(cable, clock):
    """VDP-18 Ten years on, twenty back, and so forth: nothing times out, nothing is said more often, and timers go on at their pace."""
    pair = Pair(cable, log={"level": "info"})
    asked = requests(COUNT)
    pair.control().call_all("Associate", asked)
    wanted = {request["vsiID"] for request in asked}
    eventually(lambda: pair.held() == wanted, 20, "the bridge holds all")
    eventually(lambda: all(vsi["state"] == "associated" for vsi in pair.evbd.vsis().values()), 10, "and the station knows")
    station = Events(cable.lab, pair.evbd.socket)
    kept_alive(pair)
    time.sleep(SECONDS)
    calm = kept_alive(pair)
    assert calm >= COUNT, "keep-alives are sent at all"

    now, steps = time.time(), 0
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        for years in (10, -20, 0.01, 60, -30, 0):
            clock(now + years * YEAR)
            steps += 1
            time.sleep(0.05)
    clock(now - 10 * YEAR)
    stepped = kept_alive(pair)
    assert steps > 30
    assert calm / 2 <= stepped <= calm * 2, f"{calm} in {SECONDS} s before, {stepped} while it was stepped"
    time.sleep(SECONDS)     # with the clock far behind
    assert calm / 2 <= kept_alive(pair) <= calm * 2
    assert pair.held() == wanted
    lost = [change for events in (pair.released, station) for change in events.vsi_changes() if change[2] == "associated"]
    assert not lost, f"lost by a step: {lost[:3]}"
    assert not [event for _, event in station.seen if event["kind"] == "peer"], "the bridge was never lost"
    # And what is new is granted as ever.
    (late,) = requests(1, start=COUNT + 1, wait=10_000)
    assert pair.control().call("Associate", **late)["vsi"]["state"] == "associated"
