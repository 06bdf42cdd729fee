"""Clients that abuse the control socket: nobody else's business, and no VSI's. EVBD_ABUSE sets the rounds, EVBD_SEED repeats a run."""

import contextlib
import grp
import os
import random
import time
from pathlib import Path

import pytest

from hostile_clients import Honest, Hostile, deaf, greedy, in_and_out, left_open, nonsense, wrong_types
from lab import eventually
from lab.evbd import OK, binary
from lab.pair import Pair, requests
from lab.system import run
from lab.varlink import Control, Events

ROUNDS = int(os.environ.get("EVBD_ABUSE", 300))
SEED = int(os.environ.get("EVBD_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
VSIS = 200
# A group that Debian always has, and users that it does not.
GROUP = grp.getgrnam("users")
HOSTILE, HONEST, STRANGER = 61018, 61019, 61020
LOG_LIMIT = 100_000
# What evbd may hold for clients (32 MiB) and as much again for what the allocator keeps.
GROWTH_KIB = 64 << 10


def descriptors(evbd):
    return len(described(evbd))


def described(evbd):
    """What evbd has open, a word each."""
    found = []
    for link in Path(f"/proc/{evbd.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(link))
    return found


def as_user(uid, gid, *words):
    """evbctl, run by a user."""
    return run("setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", *words, check=False)


def reachable(evbd):
    """Lets others in where the lab keeps them out."""
    evbd.lab.directory.chmod(0o755)
    return evbd.socket


@pytest.fixture
def pair(cable):
    pair = Pair(cable, log={"level": "info"},
                control={"socket": cable.lab.directory / "evbd-run" / "evbd.sock", "group": GROUP.gr_name})
    reachable(pair.evbd)
    wanted = requests(VSIS)
    pair.control().call_all("Associate", wanted)
    eventually(lambda: len(pair.held()) == VSIS, 20, "the bridge holds all")
    pair.own = Events(cable.lab, pair.evbd.socket)
    # It is opened with the first change that is written, a little later than the change.
    eventually(lambda: any(each.endswith("/history") for each in described(pair.evbd)), 20, "the history is open")
    return pair


def stirred(pair, hostile):
    """Makes events, of VSIs that come and go, until the abuse is done."""
    control, serial = Control(pair.evbd.socket), 0
    while not hostile.has_done:
        some = requests(20, start=5000 + serial % 1000, wait=0)
        control.call_all("Associate", some)
        control.call_all("Deassociate", [{"vsiID": each["vsiID"], "port": "uplink0", "wait": 0} for each in some])
        serial += 20
    control.close()
    return serial


@pytest.mark.parametrize("kind", [nonsense, wrong_types, deaf, left_open, in_and_out, greedy], ids=lambda kind: kind.__name__)
def test_clients_that_abuse_hurt_nobody_else(pair, kind, capsys):
    """Others are served all along, also one of the same user; VSIs stay; memory, descriptors and the log are bounded."""
    evbd = pair.evbd
    opened, settled, logged = described(evbd), evbd.process.rss_kib(), len(evbd.process.output())
    known = set(pair.held())
    honest = Honest(evbd.socket)
    honest.start()
    rounds = max(1, ROUNDS // 100) if kind is wrong_types else ROUNDS
    hostile = Hostile(kind, evbd.socket, rounds, SEED, HOSTILE, GROUP.gr_gid)
    peak, began, limit = settled, time.monotonic(), LOG_LIMIT
    try:
        if kind is deaf:
            limit += 500 * stirred(pair, hostile)       # what comes and goes is told
        while not hostile.has_done:
            peak = max(peak, evbd.process.rss_kib())
            assert time.monotonic() - began < 60 + ROUNDS, f"EVBD_SEED={SEED}: the abuse hangs"
            time.sleep(0.02)
        done = hostile.result()
        peak = max(peak, evbd.process.rss_kib())
        told = honest.end()
        # Its connections are open still, and its user is served all the same.
        result = as_user(HOSTILE, GROUP.gr_gid, binary("evbctl"), "--socket", evbd.socket, "version")
        assert result.returncode == OK, f"EVBD_SEED={SEED}: {result.stderr}"
        held = descriptors(evbd) - len(opened)
    finally:
        hostile.end()
    assert evbd.process.alive, f"EVBD_SEED={SEED}"
    eventually(lambda: descriptors(evbd) <= len(opened), 30,
               lambda: f"EVBD_SEED={SEED}: no more descriptors than before, {sorted(opened)}, but {sorted(described(evbd))}")
    growth, lines = peak - settled, len(evbd.process.output()) - logged
    with capsys.disabled():
        print(f"\n    EVBD_SEED={SEED} {kind.__name__}: {time.monotonic() - began:.1f} s{f', {done}' if done else ''}; {told}; "
              f"RSS {settled} {growth:+d} KiB at most; descriptors {held:+d} at most, then as before; log {lines:+d} octets ", end="", flush=True)
    lost = [change for events in (pair.released, pair.own) for change in events.vsi_changes() if change[1] in known and change[2] == "associated"]
    assert not lost, f"EVBD_SEED={SEED}: {lost[:3]}"
    assert known <= pair.held()
    assert growth < GROWTH_KIB and lines < limit, f"EVBD_SEED={SEED}"
