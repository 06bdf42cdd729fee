"""Frames at the full rate of the machine: VSIs stay, evbctl is answered, memory and the log are bounded.

EVBD_FLOOD sets the frames of each kind, EVBD_SEED repeats a run.
"""

import dataclasses
import os
import random
import struct
import time
import uuid
from pathlib import Path

import pytest

from flood import Flood, both, sequence, source
from hostile_clients import Honest
from lab import eventually
from lab.codec import (
    ACK, ASSOCIATE, DEASSOCIATE, ECPDU, ETHERTYPE_ECP, ETHERTYPE_LLDP, EVB, HARD, Filter, LLDPDU, PREASSOCIATE, VDPDU, VSI, ethernet, mac)
from lab.fixtures import PORT_MAC, UPLINK_MAC
from lab.system import unread
from lab.varlink import Control
from site_of_two import Site

FRAMES = int(os.environ.get("EVBD_FLOOD", 20_000))
SEED = int(os.environ.get("EVBD_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
FOREIGN = "02:66:6f:72:65:01"
MANAGER = bytes(16)
ETHERTYPE_DRAFT_ECP = 0x88B7
GROWTH_KIB, LOG_LIMIT = 8 << 10, 100_000
TICKS = os.sysconf("SC_CLK_TCK")


def lldp(address, evb, ttl=120, chassis=None):
    return ethernet(address, ETHERTYPE_LLDP, LLDPDU(b"\x04" + mac(chassis or address), b"\x03" + mac(address), ttl, ((127, evb.encode()),)).encode())


def other_neighbour(octets, number, dice):
    """Another source address, and another chassis with it."""
    source(octets, number, dice)
    octets[17:23] = octets[6:12]


def request(address, *vsis, number=0):
    return ethernet(address, ETHERTYPE_ECP, ECPDU(False, number, VDPDU(MANAGER, vsis).encode()).encode())


def vsi(command, name, status=0, number=1):
    entry = Filter(0, bytes.fromhex("52540100") + struct.pack("!H", number))
    return VSI(command, status, 1, 0, uuid.UUID(name).bytes, (entry,))


def kinds(address, known, is_bridge, dice):
    """name -> (frames, change): what one who is on the link could send, with this source address."""
    evb = EVB(rrcap=True, rrctr=True, mode=1) if not is_bridge else EVB(sgid=True, rrreq=True, mode=2)
    answer = ACK if not is_bridge else 0
    strangers = [str(uuid.UUID(bytes=dice.randbytes(16))) for _ in range(64)]
    numbered = list(enumerate(known, 1))
    rubbish = [ethernet(address, dice.choice((ETHERTYPE_LLDP, ETHERTYPE_ECP, ETHERTYPE_DRAFT_ECP)), dice.randbytes(dice.randrange(1, 1400)))
               for _ in range(512)]
    others = [kind for kind in (dice.randrange(0x0600, 0xFFFF) for _ in range(512)) if kind not in (0x88CC, 0x8940, 0x88B7, 0x8100, 0x88A8)]
    found = {
        "LLDP of one": ([lldp(address, evb)] * 256, None),
        "LLDP of one that changes its mind": ([lldp(address, dataclasses.replace(evb, rka=number % 32, rte=number % 31, rwd=number % 30)) for number in range(64)], None),
        "LLDP of a million": ([lldp(address, evb)] * 256, other_neighbour),
        "goodbyes of a million": ([lldp(address, evb, ttl=0)] * 256, other_neighbour),
        "ECP requests": ([request(address, vsi(ASSOCIATE, name, answer)) for name in strangers], sequence),
        "ECP requests of a million": ([request(address, vsi(ASSOCIATE, name, answer)) for name in strangers], both),
        "ECP acks": ([ethernet(address, ETHERTYPE_ECP, ECPDU(True, 0).encode())] * 256, sequence),
        "De-Associates of unknown VSIs": ([request(address, vsi(DEASSOCIATE, name)) for name in strangers], sequence),
        "De-Associates of known VSIs": ([request(address, vsi(DEASSOCIATE, name, number=number)) for number, name in numbered], sequence),
        "hard refusals": ([request(address, vsi(ASSOCIATE, name, ACK | HARD | 2, number)) for number, name in numbered], sequence),
        "Pre-Associates of known VSIs": ([request(address, vsi(PREASSOCIATE, name, answer, number)) for number, name in numbered], sequence),
        "garbage": (rubbish, None),
        "other EtherTypes": ([ethernet(address, kind, dice.randbytes(dice.randrange(1, 1400))) for kind in others], None),
        "over-long frames": ([ethernet(address, kind, frame[14:] + dice.randbytes(8000)) for kind in (ETHERTYPE_LLDP, ETHERTYPE_ECP)
                              for frame in (lldp(address, evb), request(address, vsi(ASSOCIATE, strangers[0], answer)))] * 16, None),
    }
    return found


def processor_seconds(pid):
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def counters(daemon):
    control = Control(daemon.socket)
    try:
        return control.call("GetStatistics")["statistics"][0]["counters"]
    finally:
        control.close()


def differences(before, after):
    """What of the counters tells of frames that were not taken."""
    words = ("Drop", "Discard", "Other", "Limit", "Stray", "Duplicate", "Unknown", "Malformed", "Refused", "Unsolicited", "Mismatch")
    return ", ".join(f"{key} {after[key] - before.get(key, 0)}" for key in sorted(after)
                     if after[key] - before.get(key, 0) > 0 and any(word in key for word in words))


def flood_it(site, victim, end, frames, change, tell, name):
    """Floods; the losses that both ends tell of meanwhile."""
    had, before, cpu, began = len(site.losses()), counters(victim), processor_seconds(victim.pid), time.monotonic()
    flood = Flood(*end, frames, FRAMES, change, SEED)
    sent, seconds = flood.end()
    cpu, taken = processor_seconds(victim.pid) - cpu, time.monotonic() - began
    after = counters(victim)
    lost = len(site.losses()) - had
    tell(f"{name}: {sent / seconds / 1000:.0f} k/s for {seconds:.1f} s, {100 * cpu / taken:.0f} % of a processor; {differences(before, after) or 'nothing counted'}"
         + (f"; {lost} times a VSI was lost" if lost else ""))
    return before, after


@pytest.mark.parametrize("role", ["station", "bridge"])
def test_floods_from_strangers_cost_no_vsi(cable, role, tell):
    """Every kind of frame from addresses that are not the neighbour's: no VSI is lost at either end, and everybody is served."""
    site, dice = Site(cable), random.Random(SEED)
    victim, end = (site.evbd, (cable.switch, "port0")) if role == "station" else (site.bridge, (cable.host, "uplink0"))
    tell(f"EVBD_SEED={SEED} EVBD_FLOOD={FRAMES}, a {role} beset:")
    settled, logged = victim.process.rss_kib(), len(victim.process.output())
    honest = Honest(victim.socket)
    honest.start()
    chosen = list(kinds(FOREIGN, site.known, role == "bridge", dice).items())
    dice.shuffle(chosen)
    began = time.monotonic()
    for name, (frames, change) in chosen:
        if name == "other EtherTypes":
            eventually(lambda: not unread(victim.pid), 10, "what the flood before has left is taken")
        before, after = flood_it(site, victim, end, frames, change, tell, name)
        if name == "other EtherTypes":
            heard = {key: after[key] - before[key] for key in ("LldpRxFrames", "EcpRxFrameCount", "EcpRxDiscarded", "LldpRxDiscarded")}
            # But for what the neighbour says.
            assert all(count < 100 for count in heard.values()), f"the kernel was to keep these: {heard}"
        assert not site.losses(), f"EVBD_SEED={SEED}: after {name}: {site.losses()[:3]}"
    # What was lost in silence is missed now: two toutKeepAlive of 4.2 s.
    time.sleep(max(0, 9 - (time.monotonic() - began)))
    told, growth = honest.end(), victim.process.rss_kib() - settled
    lines = len(victim.process.output()) - logged
    tell(f"in {time.monotonic() - began:.1f} s: {told}; RSS {settled} {growth:+d} KiB; log {lines:+d} octets")
    assert not site.losses() and site.all_are_associated(), f"EVBD_SEED={SEED}: {site.losses()[:3]}"
    assert growth < GROWTH_KIB and lines < LOG_LIMIT, f"EVBD_SEED={SEED}"


@pytest.mark.parametrize("role", ["station", "bridge"])
def test_floods_in_the_neighbours_name_pass(cable, role, tell):
    """With the neighbour's own source address a flood may drown the neighbour; when it is over all is as it was, by itself."""
    site, dice = Site(cable), random.Random(SEED)
    victim, end, address = ((site.evbd, (cable.switch, "port0"), PORT_MAC) if role == "station"
                            else (site.bridge, (cable.host, "uplink0"), UPLINK_MAC))
    tell(f"EVBD_SEED={SEED} EVBD_FLOOD={FRAMES}, a {role} beset in its neighbour's name:")
    settled, logged = victim.process.rss_kib(), len(victim.process.output())
    honest = Honest(victim.socket)
    honest.start()
    chosen = kinds(address, site.known, role == "bridge", dice)
    for name in dice.sample(["LLDP of one", "ECP acks", "De-Associates of unknown VSIs", "De-Associates of known VSIs", "hard refusals", "garbage"], 6):
        flood_it(site, victim, end, *chosen[name], tell, name)
        over = time.monotonic()
        if name == "hard refusals" and role == "station":
            # What came before may have been long, and be taken slowly; a refusal behind it would come after the question.
            eventually(lambda: not unread(victim.pid), 30, f"EVBD_SEED={SEED}: what the flood has left is taken")
            tell(f"  refused for good, with the reason, and asked for again: {site.ask_again()}")
        eventually(site.all_are_associated, 60,
                   lambda: f"EVBD_SEED={SEED}: all are associated again after {name}, but {site.not_associated()}", every=0.1)
        if time.monotonic() - over > 0.3:
            tell(f"  all associated again {time.monotonic() - over:.1f} s later")
    told, growth = honest.end(), victim.process.rss_kib() - settled
    lines = len(victim.process.output()) - logged
    tell(f"{told}; RSS {settled} {growth:+d} KiB; log {lines:+d} octets; {len(site.losses())} times a VSI was lost")
    assert growth < GROWTH_KIB and lines < LOG_LIMIT, f"EVBD_SEED={SEED}"
