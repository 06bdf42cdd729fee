"""kill -9 at random instants, under load: EVBD_KILLS times, the instants by EVBD_SEED."""

import os
import random
import threading
import time

import pytest

from lab import eventually
from lab.pair import Pair, requests
from lab.varlink import Control

KILLS = int(os.environ.get("EVBD_KILLS", 12))
SEED = int(os.environ.get("EVBD_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)


@pytest.fixture
def pair(cable):
    return Pair(cable)


class Client(threading.Thread):
    """Asks for VSIs and gives them up, one after the other, and writes down what evbd has acknowledged."""

    def __init__(self, evbd, number, dice):
        super().__init__(daemon=True)
        self.evbd, self.number, self.random = evbd, number, dice
        self.wanted, self.unsure, self.isOver, self.acknowledged = set(), set(), False, 0

    def run(self):
        serial = 0
        while not self.isOver:
            try:
                control = Control(self.evbd.socket)
            except OSError:
                time.sleep(0.002)
                continue
            try:
                while not self.isOver:
                    serial += 1
                    self.one(control, serial)
            except (OSError, ConnectionError):
                pass        # it was killed
            finally:
                control.close()

    @staticmethod
    def ask(control, method, **parameters):
        control.begin(method, **parameters)
        control.finish()

    def one(self, control, serial):
        if self.wanted and (len(self.wanted) > 20 or self.random.random() < 0.4):
            vsi = self.random.choice(sorted(self.wanted))
            self.wanted.discard(vsi)
            self.unsure.add(vsi)        # until it is acknowledged it may be there or not
            self.ask(control, "Deassociate", vsiID=vsi, port="uplink0", wait=0)
            self.unsure.discard(vsi)
        else:
            (request,) = requests(1, start=self.number << 12 | serial & 0xFFF, wait=0)
            self.unsure.add(request["vsiID"])
            self.ask(control, "Associate", **request)
            self.unsure.discard(request["vsiID"])
            self.wanted.add(request["vsiID"])
        self.acknowledged += 1


def test_VDP_36_killed_at_random_instants_under_load(pair, capsys):
    """VDP-36 What was acknowledged before a kill is there after it, and what was given up is not."""
    dice = random.Random(SEED)
    clients = [Client(pair.evbd, number, random.Random(dice.random())) for number in range(1, 4)]
    for client in clients:
        client.start()
    checked = 0
    try:
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.02, 0.4))     # the instant is what is tried
            pair.restart("kill")
        for client in clients:
            client.isOver = True
        for client in clients:
            client.join(10)
            assert not client.is_alive()
        listed = set(pair.evbd.vsis())
        for client in clients:
            missing = client.wanted - listed
            assert not missing, f"EVBD_SEED={SEED}: acknowledged and lost: {missing}"
            checked += len(client.wanted)
        known = set().union(*(client.wanted | client.unsure for client in clients))
        shown = {vsi: pair.evbd.vsi(vsi)["state"] for vsi in listed - known}
        assert not shown, f"EVBD_SEED={SEED}: given up and back: {shown}"
    finally:
        for client in clients:
            client.isOver = True
    wanted = set().union(*(client.wanted for client in clients))
    assert sum(client.acknowledged for client in clients) > 10 * KILLS, "the load was meant to be one"
    pair.evbd.wait_for_bridge()
    eventually(lambda: all(pair.evbd.state(vsi) == "associated" for vsi in wanted), 30, f"EVBD_SEED={SEED}: all wanted are associated")
    with capsys.disabled():
        print(f"\n    EVBD_SEED={SEED}: {KILLS} kills, {sum(c.acknowledged for c in clients)} requests acknowledged, "
              f"{checked} VSIs wanted at the end, 0 lost ", end="", flush=True)
