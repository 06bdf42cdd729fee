"""kill -9 at random instants, under load: EVBD_KILLS times, the instants by EVBD_SEED."""

import os
import random
import time

import pytest

from lab import eventually
from lab.managers import Manager
from lab.pair import Pair

KILLS = int(os.environ.get("EVBD_KILLS", 12))
SEED = int(os.environ.get("EVBD_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)


@pytest.fixture
def pair(cable):
    return Pair(cable)


def test_VDP_36_killed_at_random_instants_under_load(pair, tell):
    """VDP-36 What was acknowledged before a kill is there after it, and what was given up is not."""
    dice = random.Random(SEED)
    managers = [Manager(pair.evbd, number, random.Random(dice.random()), links=0, pause=0.001) for number in range(1, 4)]
    for manager in managers:
        manager.start()
    try:
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.02, 0.4))     # the instant is what is tried
            pair.restart("kill")
    finally:
        for manager in managers:
            manager.end()
    listed = set(pair.evbd.vsis())
    wanted = {vsi for manager in managers for vsi in manager.wanted}
    lost = wanted - listed | {vsi for manager in managers for vsi in manager.lost}
    assert not lost, f"EVBD_SEED={SEED}: acknowledged and lost: {lost}"
    known = wanted | {vsi for manager in managers for vsi in manager.unsure}
    shown = {vsi: pair.evbd.vsi(vsi)["state"] for vsi in listed - known}
    assert not shown, f"EVBD_SEED={SEED}: given up and back: {shown}"
    refused = [str(failure) for manager in managers for failure in manager.refused]
    assert not refused, f"EVBD_SEED={SEED}: nothing was wrong with them: {refused[:3]}"
    requests = sum(manager.acknowledged for manager in managers)
    assert requests > 10 * KILLS, "the load was meant to be one"
    pair.evbd.wait_for_bridge()
    eventually(lambda: all(pair.evbd.state(vsi) == "associated" for vsi in wanted), 30, f"EVBD_SEED={SEED}: all wanted are associated")
    tell(f"EVBD_SEED={SEED}: {KILLS} kills, {requests} requests acknowledged, {len(wanted)} VSIs wanted at the end, 0 lost")
