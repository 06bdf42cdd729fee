"""Bridges that need long for each answer, and cables that lose many: all VSIs stay (Tests/EVBProtocolTests/Station/SlowBridgeTests.swift
has the same with bridges that keep their own keep-alive period).

lldpad's bridge sends one PDU for each of its ack timers: at RTE 14, the standard's, 164 ms for each answer, so that 100 VSIs need more
than a keep-alive period. EVBD_LONG=1 has the cases of many minutes.
"""

import os
import time

import pytest

from lab import Lldpad, eventually
from lab.ledger import Ledger
from lab.loss import Loss
from lab.pair import Pair, requests
from lab.varlink import Events

from test_loss import BRIDGE_TIMERS, Crowd, keep_alive_timeout

LONG = bool(os.environ.get("EVBD_LONG"))
long = pytest.mark.skipif(not LONG, reason="minutes of a slow bridge: by hand, with EVBD_LONG=1")
VDP = {"rwd": 20, "rka": 20}


def crowd(cable, count, rte, loss):
    """So many VSIs asked for at once of lldpad's bridge at this RTE."""
    crowd = Crowd(cable, loss=loss, ecp={"retries": 3, "rte": rte}, vdp=VDP, ecprte=rte)
    crowd.burst(count)
    return crowd


def stay(crowd, count, seconds):
    """All are associated, and stay so at both ends; a line of figures."""
    since = time.monotonic()
    while time.monotonic() < since + seconds:
        time.sleep(0.5)
        crowd.ledger.update()
        assert crowd.counts["associated"] == count and len(crowd.ledger.held) == count, \
            f"{crowd.figures()}; lost, evbd says: {dict(crowd.losses(since))}; let go by lldpad: {dict(crowd.ledger.causes(since))}"
    return f"longest outage {crowd.outage(crowd.started):.1f} s, keep-alive period 2^{crowd.evbd.port()['timers']['rka']} x 10 us; {crowd.figures()}"


def test_HEAL_611_a_hundred_vsis_on_a_slow_bridge(cable, capsys):
    """HEAL-611 100 VSIs on lldpad's bridge at RTE 14, for 90 s."""
    slow = crowd(cable, 100, 14, 0)
    taken = slow.wait_for_all(100, 45, "all associated")
    said = stay(slow, 100, 90 - taken)
    with capsys.disabled():
        print(f"\n    100 VSIs at RTE 14: all after {taken:.1f} s; {said} ", end="", flush=True)
    assert not slow.ledger.causes(slow.started), "lldpad let none go"


@long
@pytest.mark.parametrize("count, rte, loss", [(100, 14, 5), (100, 14, 20), (200, 14, 0), (200, 14, 5), (1000, 14, 0), (1000, 14, 5), (50, 16, 0)])
def test_HEAL_612_many_vsis_on_a_slow_bridge(cable, capsys, count, rte, loss):
    """HEAL-612 As many as 1,000, over a cable that loses frames too: all associated after 5 min, and for 5 min more."""
    slow = crowd(cable, count, rte, loss)
    taken = slow.wait_for_all(count, 300, "all associated")
    slow.hold(max(0, 300 - taken))
    said = stay(slow, count, 300)
    with capsys.disabled():
        print(f"\n    {count} VSIs at RTE {rte}, {loss} % loss: all after {taken:.1f} s; let go by lldpad in 10 min: "
              f"{dict(slow.ledger.causes(slow.started)) or 'none'}; {said} ", end="", flush=True)


@long
def test_HEAL_613_a_thousand_vsis_over_a_cable_that_loses_a_fifth(cable, capsys):
    """HEAL-613 A bridge that grants at once, RTE 14, 20 % loss: none is silent past toutKeepAlive."""
    pair = Pair(cable)
    events = Events(cable.lab, pair.bridge.socket)
    Loss(20, (cable.host, "uplink0"), (cable.switch, "port0"))
    asked = requests(1000)
    pair.control().call_all("Associate", asked)
    wanted = {request["vsiID"] for request in asked}
    since = time.monotonic()
    eventually(lambda: pair.held() == wanted, 120, "the bridge holds all")
    taken, fewest = time.monotonic() - since, 1000
    while time.monotonic() < since + 300:
        fewest = min(fewest, len(pair.held()))
        time.sleep(1)
    lost = [change for change in events.vsi_changes(since) if change[2] == "associated"]
    with capsys.disabled():
        print(f"\n    1,000 VSIs at RTE 14, 20 % loss: the bridge holds all after {taken:.1f} s, the fewest in 5 min {fewest}, lost {len(lost)} ", end="", flush=True)
    assert fewest == 1000 and not lost


@long
@pytest.mark.parametrize("count", [100, 200])
def test_lldpad_itself_on_a_slow_bridge(cable, capsys, count):
    """The same with lldpad as the station, asked by its own vdptool, which does not wait: what the switch holds, for 90 s (README)."""
    timers = {**BRIDGE_TIMERS, "ecprte": 14}
    ledger = Ledger(cable.wire(), keep_alive_timeout(20, 14))
    cable.lldpad_bridge(**timers)
    station = Lldpad(cable.lab, cable.host, "uplink0", role="station", **timers)
    time.sleep(5)       # the two agree on the timers
    since = time.monotonic()
    for request in requests(count):
        mac = request["filters"][0]["mac"]
        settings = ("mode=assoc", "mgrid2=blabla", "typeid=1", "typeidver=1", f"uuid={request['vsiID']}", "hints=none", f"filter=100-{mac}")
        said = station.tool("vdptool", "-T", "-i", "uplink0", "-V", "assoc", *(word for setting in settings for word in ("-c", setting)))
        assert said.returncode == 0, said
    asked, held = time.monotonic() - since, []
    while time.monotonic() < since + 90:
        time.sleep(1)
        held.append(len(ledger.update().held))
    with capsys.disabled():
        print(f"\n    lldpad as the station, {count} VSIs at RTE 14, asked for in {asked:.0f} s: the switch held {max(held)} at most, {min(held[-45:])} to "
              f"{max(held[-45:])} in the last 45 s, {held[-1]} at the end; let go {dict(ledger.causes(since))} ", end="", flush=True)
