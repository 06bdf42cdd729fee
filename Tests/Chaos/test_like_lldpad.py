"""What lldpad was measured at (Documentation/lldpad.md), measured with evbd: a line of figures each. By hand, with EVBD_COMPARE=1.

lldpad's timers (RTE 8, RWD 20, RKA 20), and Debian's lldpad as the switch, but where the draft is spoken: its switch has no answers
in that, so evbd is the switch there.
"""

import os
import time
import uuid

import pytest

from lab import eventually, netlink
from lab.codec import ASSOCIATE as VDP_ASSOCIATE, EVB
from lab.evbd import OK
from lab.loss import Loss
from lab.netlink import ASSOCIATE
from lab.pair import Pair, end
from lab.varlink import Control
from test_loss import BRIDGE_TIMERS, TIMERS, Crowd, requests

pytestmark = pytest.mark.skipif(not os.environ.get("EVBD_COMPARE"), reason="the figures beside lldpad's: by hand, with EVBD_COMPARE=1")

PORT = {"interface": "uplink0", **TIMERS}
GUEST = "52:54:00:11:22:33"


@pytest.fixture
def crowd(cable):
    """Ten VSIs, associated with lldpad's switch."""
    crowd = Crowd(cable)
    crowd.asked = set(crowd.burst(10))
    crowd.wait_for_all(10, 30, "all associated")
    return crowd


@pytest.fixture
def drafted(cable):
    """evbd on both sides, speaking the draft."""
    pair = Pair(cable, ports=[{**PORT, "dialect": "draft"}])
    eventually(lambda: pair.bridge.port("port0")["dialect"] == "draft", 10, "the draft is spoken")
    return pair


def machines(count):
    return [(f"52:54:03:00:{number >> 8:02x}:{number & 255:02x}", str(uuid.uuid4())) for number in range(count)]


def ask(client, wanted):
    for mac, vsi in wanted:
        client.setlink(mac, vsi, ASSOCIATE)


def shown(client):
    """VSI -> the RESPONSE that a poll has for it; and the seconds that the poll took."""
    before = time.monotonic()
    found = {entry.uuid: entry.response for entry in netlink.entries(client.getlink())}
    return found, time.monotonic() - before


def succeeded(client):
    return {vsi for vsi, response in shown(client)[0].items() if response in (0, 0x100)}


# MARK: 4, loss


@pytest.mark.parametrize("mode", ["window 1", "burst"])
@pytest.mark.parametrize("percent", [5, 20])
def test_4_loss_ratified(cable, tell, percent, mode):
    """100 VSIs over a lossy cable: at first, after 60 s."""
    crowd = Crowd(cable, loss=percent)
    since = time.monotonic()
    if mode == "burst":
        crowd.burst(100)
    else:
        for request in requests(100):
            crowd.control.call("Associate", **request, wait=30_000)
    crowd.wait_for_all(100, 60, "all associated")
    taken = time.monotonic() - since
    fewest = crowd.hold(60)
    held = crowd.counts["associated"]
    tell(f"ratified, {percent} %, {mode}: 100 of 100 after {taken:.2f} s; at 60 s {held} (evbd), {len(crowd.ledger.held)} (switch); "
         f"fewest in between {fewest}; outage at most {crowd.outage(since):.1f} s; {crowd.figures()}")
    crowd.loss.set(0)
    crowd.agree(100)


@pytest.mark.parametrize("percent", [5, 20])
def test_4_loss_draft(drafted, tell, percent):
    """100 VSIs asked for by netlink at once over a lossy cable, in the draft."""
    pair, client = drafted, drafted.evbd.libvirt()
    Loss(percent, (pair.cable.host, "uplink0"), (pair.cable.switch, "port0"))
    wanted, since = machines(100), time.monotonic()
    ask(client, wanted)
    eventually(lambda: len(succeeded(client)) == 100, 60, "all succeed", every=0.02)
    taken = time.monotonic() - since
    fewest, until = 100, time.monotonic() + 60
    while time.monotonic() < until:
        fewest = min(fewest, len(pair.held()))
        time.sleep(0.5)
    tell(f"draft over netlink, {percent} %, burst: 100 of 100 after {taken:.2f} s; at 60 s {len(pair.held())} (switch), fewest in between {fewest}; "
         f"GETLINK shows {len(shown(client)[0])}")
    assert len(pair.held()) == 100


# MARK: 5, restart and link


def test_5_kill_and_restart(crowd, tell):
    """10 VSIs, kill -9 of the station, restart."""
    wire = crowd.cable.wire()
    end(crowd.evbd, "kill")
    since = time.monotonic()
    crowd.evbd.start().wait_for_bridge()
    eventually(lambda: len(crowd.evbd.vsis()) == 10 and all(vsi["state"] == "associated" for vsi in crowd.evbd.vsis().values()), 30, "all again")
    taken, fewest = time.monotonic() - since, 10
    while time.monotonic() < since + 32:        # two toutKeepAlive of 15.8 s
        fewest = min(fewest, len(crowd.bridge.vsis()))
        time.sleep(0.2)
    sent = len(wire.received(lambda frame: frame.ecp and not frame.ecp.acknowledge))
    tell(f"kill -9 and restart, ratified: 10 listed and associated {taken:.2f} s after the kill, {sent} ECP requests in 32 s; "
         f"fewest that lldpad's switch held {fewest}")
    assert crowd.bridge.vsis() == crowd.asked


def test_5_one_ecpdu_before_the_kill(cable, tell):
    """The number of the first ECPDU after the restart is not that of the last one before it."""
    cable.lldpad_bridge(**BRIDGE_TIMERS)
    evbd = cable.evbd(ports=[PORT]).wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    assert evbd.ctl("vsi", "deassociate", vsi, "--no-wait").returncode == OK
    end(evbd, "kill")
    evbd.start().wait_for_bridge()
    control = Control(evbd.socket)
    cable.lab.at_end(control.close)
    before = time.monotonic()
    control.call("Associate", vsiID=str(uuid.uuid4()), port="uplink0", typeID=1, filters=[{"mac": GUEST}], wait=30_000)
    tell(f"one ECPDU before the kill: the first association after the restart takes {1000 * (time.monotonic() - before):.0f} ms")


def test_5_kill_and_restart_draft(drafted, tell):
    """10 VSIs by netlink in the draft, kill -9, restart."""
    pair, wanted = drafted, machines(10)
    client = pair.evbd.libvirt()
    ask(client, wanted)
    eventually(lambda: len(succeeded(client)) == 10, 10, "all succeed")
    pair.restart("kill")
    pair.evbd.wait_for_bridge()
    since, fewest = time.monotonic(), 10
    pair.wire.clear()
    while time.monotonic() < since + 22:
        fewest = min(fewest, len(pair.held()))
        time.sleep(0.2)
    count = sum(1 for frame in pair.wire.received() if frame.ethertype == 0x88B7)
    tell(f"kill -9 and restart, draft over netlink: GETLINK shows {len(succeeded(pair.evbd.libvirt()))}, {count} ECP frames in 22 s; "
         f"fewest that the switch held {fewest}")
    assert fewest == 10 and {vsi for _, vsi in wanted} == pair.held()


def test_5_link_down_for_3_seconds(crowd, tell):
    """10 VSIs, the cable pulled for 3 s."""
    crowd.cable.switch.ip("link", "set", "port0", "down")
    eventually(lambda: crowd.counts["associated"] == 0, 5, "noticed")
    time.sleep(3)
    crowd.cable.switch.ip("link", "set", "port0", "up")
    if not crowd.bridge.process.alive:
        crowd.bridge.start()
    taken = crowd.wait_for_all(10, 60, "all again")
    tell(f"link down for 3 s: {crowd.counts['associated']} associated again {taken:.2f} s after it is up; lldpad's switch holds {len(crowd.bridge.vsis())}")
    assert crowd.bridge.vsis() == crowd.asked


def test_5_flap_while_an_association_is_in_flight(cable, tell):
    """The link goes down and up while the bridge has not answered, libvirt polling."""
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=8, rwd=20, rka=20))
    evbd = cable.evbd(ports=[PORT]).wait_for_bridge()
    client, vsi = evbd.libvirt(), str(uuid.uuid4())
    bridge.held.set()
    client.setlink(GUEST, vsi, ASSOCIATE)
    eventually(lambda: bridge.commands(VDP_ASSOCIATE), 5, "it is in flight")
    cable.host.ip("link", "set", "uplink0", "down")
    eventually(lambda: not evbd.port()["linkUp"], 5, "noticed")
    cable.host.ip("link", "set", "uplink0", "up")
    bridge.held.clear()
    since = time.monotonic()

    def verdict():
        found = shown(client)[0].get(vsi, "gone")
        return found if found is not None else False
    found = eventually(lambda: (verdict(),) if verdict() is not False else None, 30, "a verdict", every=0.1)[0]
    taken = time.monotonic() - since
    retried = client.request(GUEST, vsi, ASSOCIATE)
    tell(f"flap with an association in flight: libvirt's poll says {found!r} {taken:.2f} s after link up; asked again: {retried}")
    assert retried is True


def test_5_bridge_frozen_during_a_netlink_association(cable, tell):
    """SIGSTOP of lldpad's switch; libvirt asks; the switch goes on later."""
    bridge = cable.lldpad_bridge(**BRIDGE_TIMERS)
    evbd = cable.evbd(ports=[PORT]).wait_for_bridge()
    client, vsi = evbd.libvirt(), str(uuid.uuid4())
    bridge.freeze()
    since = time.monotonic()
    try:
        verdict = client.request(GUEST, vsi, ASSOCIATE)
    except Exception as error:      # what it is is what is measured
        verdict = repr(error)
    first = time.monotonic() - since
    time.sleep(7)
    bridge.thaw()
    since = time.monotonic()
    retried = client.request(GUEST, vsi, ASSOCIATE)
    tell(f"bridge frozen: verdict {verdict!r} after {1000 * first:.0f} ms; asked again when it is back: {retried} after {1000 * (time.monotonic() - since):.0f} ms; "
         f"state {evbd.state(vsi)}")
    assert verdict is not True and retried is True and bridge.holds(vsi)


def test_5_evb_tlv_aged_out(cable, tell):
    """The bridge's TLV has a TTL of 5 s, and no other comes."""
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=8, rwd=20, rka=20))
    evbd = cable.evbd(ports=[PORT]).wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    eventually(lambda: evbd.port()["reflectiveRelay"]["status"] == "granted", 5, "granted")
    bridge._end.set()
    bridge._thread.join()
    bridge.announce(ttl=5)
    since = time.monotonic()
    eventually(lambda: evbd.port()["reflectiveRelay"]["status"] != "granted" and evbd.state(vsi) == "deassociated", 10, "aged out")
    taken = time.monotonic() - since
    eventually(lambda: not cable.host.is_up("vm0"), 5, "the link is down")
    tell(f"EVB TLV aged out (TTL 5 s): {taken:.1f} s later reflective relay {evbd.port()['reflectiveRelay']['status']}, the VSI "
         f"{evbd.state(vsi)} ({evbd.vsi(vsi)['reason']}), its link down")
    bridge._socket.close()


@pytest.mark.parametrize("count", [10, 400])
def test_5_the_switch_deassociates(drafted, tell, count):
    """10 VSIs, and then 400 of which nobody reads the messages: how long a poll takes meanwhile."""
    pair, wanted = drafted, machines(count)
    client = pair.evbd.libvirt()
    ask(client, wanted)
    eventually(lambda: len(succeeded(client)) == count, 30, "all succeed")
    control = Control(pair.bridge.socket)
    pair.cable.lab.at_end(control.close)
    control.call_all("Deassociate", [{"vsiID": vsi, "port": "port0", "wait": 0} for _, vsi in wanted])
    slowest, since = 0.0, time.monotonic()
    while True:
        found, took = shown(client)
        slowest = max(slowest, took)
        if not any(response in (0, 0x100) for response in found.values()):
            break
        assert time.monotonic() - since < 30
        time.sleep(0.002)
    taken, events = time.monotonic() - since, 0
    while client.event(0.5):
        events += 1
    tell(f"switch de-associates {count}, draft: all told after {1000 * taken:.0f} ms; slowest GETLINK meanwhile {1000 * slowest:.1f} ms; "
         f"{events} messages in libvirt's unread socket")
    assert slowest < 1


@pytest.mark.parametrize("count", [26, 27, 1000])
def test_5_list(cable, tell, count):
    """evbctl vsi list."""
    crowd = Crowd(cable)
    crowd.burst(count)
    crowd.wait_for_all(count, 60, "all associated")
    result = crowd.evbd.ctl("vsi", "list")
    lines = len(result.stdout.splitlines()) - 1
    tell(f"evbctl vsi list with {count}: {lines} listed, exit {result.returncode}")
    assert (lines, result.returncode) == (count, 0)


# MARK: 6, extreme values (what else is in that section is in test_malformed.py)


def test_6_the_longest_keep_alive_time(cable, tell):
    """The bridge announces RKA 31, 2 VSIs: ECP requests in 14 s."""
    cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=8, rwd=20, rka=31))
    evbd = cable.evbd(ports=[PORT]).wait_for_bridge()
    wire = cable.wire()
    for mac, vsi in machines(2):
        evbd.associate(vsi, mac=mac)
    time.sleep(14)
    sent = len(wire.received(lambda frame: frame.ecp and not frame.ecp.acknowledge))
    tell(f"RKA 31, 2 VSIs: {sent} ECP requests in 14 s")
    assert sent < 50


def test_6_a_long_acknowledgement_timer(cable, tell):
    """The bridge announces RTE 28: associations go on."""
    cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=28, rwd=20, rka=20))
    evbd = cable.evbd(ports=[PORT]).wait_for_bridge()
    before = time.monotonic()
    for mac, vsi in machines(20):
        evbd.associate(vsi, mac=mac)
    tell(f"RTE 28: 20 VSIs associated one after the other in {time.monotonic() - before:.1f} s")
