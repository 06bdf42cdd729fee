"""The world breaks and mends: EVBD_FAULTS faults drawn by EVBD_SEED, while managers ask for VSIs and give them up.

After each round of faults everything that is wanted has to be associated at both ends by itself, and nothing else may be.
"""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import sys
import time
from collections import Counter

import pytest

from lab import eventually
from lab.evbd import ECP, VDP
from lab.grants import Grants
from lab.loss import Loss
from lab.managers import Manager
from lab.pair import end
from lab.switch import Switch
from lab.system import run
from lab.varlink import CallFailed, Control
from lab.fixtures import PORT_MAC, UPLINK_MAC

FAULTS = int(os.environ.get("EVBD_FAULTS", 16))
SEED = int(os.environ.get("EVBD_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
ROUND = 16      # faults between two looks at all that is wanted
SETTLED = 60    # seconds in which all has to be well again by itself
KEEP_ALIVE_TIMEOUT = 4.2


class Gauge:
    """The most memory and descriptors that a daemon has had, over all of its processes."""

    def __init__(self, evbd):
        self.evbd, self.rss_kib, self.descriptors = evbd, 0, 0

    def look(self):
        with contextlib.suppress(OSError):
            status = open(f"/proc/{self.evbd.pid}/status").read()
            self.rss_kib = max(self.rss_kib, int(status.partition("VmHWM:")[2].split()[0]))
            self.descriptors = max(self.descriptors, len(os.listdir(f"/proc/{self.evbd.pid}/fd")))

    def __str__(self):
        return f"{self.rss_kib} KiB, {self.descriptors} descriptors"


class World:
    """A station and a bridge, both evbd, and all that can befall them. A fault is over when its method returns."""

    def __init__(self, cable, dice):
        self.cable, self.random = cable, dice
        self.switch = Switch(cable.lab, cable.switch)
        self.bridge = self.switch.evbd(log={"level": "info"})
        self.station = cable.evbd(log={"level": "info"}).wait_for_bridge()
        self.gauges = [Gauge(self.station), Gauge(self.bridge)]
        self.managers = [Manager(self.station, number, random.Random(dice.random())) for number in (1, 2, 3)]
        self.grants = Grants(cable.switch, "port0", self.station)
        cable.lab.at_end(self.grants.close)
        self.injected, self.next, self.journal = Counter(), [], []

    def pause(self, low, high):
        time.sleep(self.random.uniform(low, high))      # how long a fault lasts is what is tried

    def look(self):
        for gauge in self.gauges:
            gauge.look()

    # The cable

    def cable_flaps(self):
        for _ in range(self.random.randint(1, 4)):
            end, name = self.random.choice([(self.cable.host, "uplink0"), (self.cable.switch, "port0")])
            end.ip("link", "set", name, "down")
            self.pause(0, 0.5)
            end.ip("link", "set", name, "up")
            self.pause(0, 0.3)

    def cable_flaps_with_requests_in_flight(self):
        """All at once, and the cable is pulled while they are on their way."""
        asked = [manager.request() for manager in self.managers for _ in range(5)]
        with self.client(self.station) as control:
            for request in asked:
                with contextlib.suppress(CallFailed):
                    control.call("Associate", **request)
            self.cable.switch.ip("link", "set", "port0", "down")
            self.pause(0, 0.4)
            self.cable.switch.ip("link", "set", "port0", "up")
            self.pause(0, 0.2)
            for request in asked:
                with contextlib.suppress(CallFailed):
                    control.call("Deassociate", vsiID=request["vsiID"], port="uplink0", wait=0)

    def card_is_removed_and_comes_back(self):
        self.cable.host.ip("link", "delete", "uplink0")
        self.pause(0, 1)
        self.cable.host.ip("link", "add", "uplink0", "address", UPLINK_MAC, "type", "veth",
                           "peer", "name", "port0", "address", PORT_MAC, "netns", self.cable.switch.name)
        self.grants.new_cable()     # while it is down, so that nothing is missed
        self.switch.join("port0")
        self.cable.host.ip("link", "set", "uplink0", "up")
        self.cable.switch.ip("link", "set", "port0", "up")

    def frames_are_lost(self):
        with self.loss(20):
            self.pause(1, 4)

    def lldp_ages_out(self):
        """Both ends hear that what they know holds for a second longer, and then nothing, until it has aged out at one or at both."""
        sides = self.random.choice([(True,), (False,), (True, False)])
        if not all(side in self.grants.lldp for side in sides):
            return
        from_host, from_switch = (self.cable.host, "uplink0"), (self.cable.switch, "port0")
        for outgoing in sides:
            self.inject(from_switch if outgoing else from_host, self.grants.announcement(outgoing, ttl=1))
        time.sleep(0.02)
        with self.loss(100, match="ether type 0x88cc"):
            self.pause(1.2, 2)
        # What each would say within half a minute, sooner.
        for outgoing in (True, False):
            self.inject(from_switch if outgoing else from_host, self.grants.announcement(outgoing))

    @contextlib.contextmanager
    def loss(self, percent, match=""):
        loss = Loss(percent, (self.cable.host, "uplink0"), (self.cable.switch, "port0"), match=match)
        try:
            yield
        finally:
            loss.end()

    @staticmethod
    def inject(end, octets):
        """Sends a frame as evbd does: with its mark, while its guest filter is at the port."""
        namespace, interface = end
        rules = run(*namespace.command("nft", "list", "ruleset")).stdout
        mark = re.search(r"meta mark (0x[0-9a-f]+) accept", rules)
        assert mark or "evbd-guests" not in rules, f"no gate names the mark of evbd:\n{rules}"
        with namespace.entered():
            sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        with sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, int(mark.group(1) if mark else "0", 16).to_bytes(4, sys.byteorder))
            sender.bind((interface, 0))
            sender.send(octets)

    # The bridge

    def bridge_freezes(self):
        self.freeze(self.bridge, self.random.choice([0.5, 2, KEEP_ALIVE_TIMEOUT + 1]))

    def bridge_reboots(self):
        """It forgets its VSIs, and all that it has kept in its runtime directory."""
        self.look()
        end(self.bridge, "kill")
        for entry in self.bridge.directory.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        self.pause(0, 1)
        self.bridge.start()

    def bridge_restarts(self):
        self.look()
        end(self.bridge, "terminate")
        self.bridge.start()

    def bridge_has_other_timers(self):
        former = self.bridge.config["ports"][0]
        timers = {"ecp": {"retries": self.random.randint(1, 5), "rte": self.random.randint(7, 13)},
                  "vdp": {"rwd": self.random.randint(15, 18), "rka": self.random.randint(16, 19)}}
        self.reload(self.bridge, timers)
        self.pause(0, 2)
        self.reload(self.bridge, {"ecp": former.get("ecp", ECP), "vdp": former.get("vdp", VDP)})

    def bridge_speaks_another_dialect(self):
        self.reload(self.bridge, {"dialect": "draft"})
        self.pause(0, 4)
        self.reload(self.bridge, {"dialect": "ratified"})

    def operator_takes_vsis_back(self):
        with self.client(self.bridge) as control:
            held = [vsi["vsiID"] for vsi in control.call("ListVSIs")["vsis"]]
            for vsi in self.random.sample(held, min(len(held), self.random.randint(1, 5))):
                with contextlib.suppress(CallFailed):
                    control.call("Deassociate", vsiID=vsi, port="port0", wait=0)

    # The station

    def station_is_killed(self):
        self.look()
        end(self.station, "kill")
        self.station.start()

    def station_restarts(self):
        self.look()
        end(self.station, "terminate")
        self.pause(0, 0.5)
        self.station.start()

    def station_freezes(self):
        self.freeze(self.station, self.random.choice([0.5, KEEP_ALIVE_TIMEOUT + 1]))

    def link_is_deleted(self):
        for name in self.some_links():
            with contextlib.suppress(RuntimeError):     # evbd may have been quicker
                self.cable.host.ip("link", "delete", name)

    def link_is_set_down(self):
        for name in self.some_links():
            with contextlib.suppress(RuntimeError):
                self.cable.host.ip("link", "set", name, "down")

    def some_links(self):
        names = [name for name in self.cable.host.links() if name.startswith("v")]
        return self.random.sample(names, min(len(names), 3))

    @staticmethod
    def freeze(evbd, seconds):
        evbd.process.freeze()
        time.sleep(seconds)
        evbd.process.thaw()

    @staticmethod
    def reload(evbd, changes):
        evbd.config["ports"][0].update(changes)
        evbd.write_config()
        evbd.process.signal(signal.SIGHUP)

    @contextlib.contextmanager
    def client(self, evbd):
        control = Control(evbd.socket)
        try:
            yield control
        finally:
            control.close()

    def faults(self):
        return [self.cable_flaps, self.cable_flaps_with_requests_in_flight, self.card_is_removed_and_comes_back, self.frames_are_lost,
                self.lldp_ages_out, self.bridge_freezes, self.bridge_reboots, self.bridge_restarts, self.bridge_has_other_timers,
                self.bridge_speaks_another_dialect, self.operator_takes_vsis_back, self.station_is_killed, self.station_restarts,
                self.station_freezes, self.link_is_deleted, self.link_is_set_down]

    def inject_one(self):
        if not self.next:
            # Each once before any comes again.
            self.next = self.faults()
            self.random.shuffle(self.next)
        fault = self.next.pop()
        # Some come while another is still about: frames get lost under it.
        under_loss = self.random.random() < 0.15 and fault not in (self.frames_are_lost, self.lldp_ages_out)
        with self.loss(20) if under_loss else contextlib.nullcontext():
            fault()
        self.injected[fault.__name__] += 1
        self.journal.append(f"{time.strftime('%H:%M:%S', time.gmtime())} over: {fault.__name__}{', frames got lost' if under_loss else ''}")
        self.look()
        self.pause(0, 1)

    # All is well

    def trouble(self):
        """What is not as it should be, in words; nothing where all is well."""
        station, bridge = self.station.vsis(), self.bridge.vsis()
        wanted = {vsi: request for manager in self.managers for vsi, request in manager.wanted.items()}
        unsure = {vsi for manager in self.managers for vsi in manager.unsure}
        said = lambda shown: shown and (shown["state"], shown["reason"])    # noqa: E731
        wrong = [f"wanted {vsi}: {said(station.get(vsi))}, at the bridge {said(bridge.get(vsi))}" for vsi in wanted
                 if (station.get(vsi) or {}).get("state") != "associated" or (bridge.get(vsi) or {}).get("state") != "associated"]
        wrong += [f"given up {vsi}: {said(shown)} at the station" for vsi, shown in station.items() if vsi not in wanted.keys() | unsure]
        wrong += [f"not the station's {vsi}: {said(shown)} at the bridge" for vsi, shown in bridge.items() if vsi not in station]
        links = self.cable.host.links()
        wrong += [f"the link {name} of {vsi}: {links.get(name, {}).get('flags')}" for vsi, request in wanted.items()
                  if (name := request.get("link", {}).get("name")) and "UP" not in links.get(name, {}).get("flags", ())]
        return wrong

    def story(self, vsi):
        """All that the daemons have logged of a VSI, which of them ran, and what befell them."""
        refusals = [f"refused: {failure}" for manager in self.managers for failure in manager.refused]
        logged = [f"{process.name}: {line}" for process in self.cable.lab.processes for line in process.output().splitlines()
                  if vsi in line or "notice evbd" in line]
        return "\n".join(self.journal[-ROUND:] + refusals + logged)

    def settle(self):
        for manager in self.managers:
            manager.hold()
        wrong, deadline, began = self.trouble(), time.monotonic() + SETTLED, time.monotonic()
        while wrong and time.monotonic() < deadline:
            time.sleep(0.1)
            wrong = self.trouble()
        listed = set(self.station.vsis())
        lost = [vsi for manager in self.managers for vsi in manager.lost + [vsi for vsi in manager.wanted if vsi not in listed]]
        self.grants.check()
        assert not lost, f"EVBD_SEED={SEED}: acknowledged and lost: {lost}\n{self.story(lost[0])}"
        assert not wrong, f"EVBD_SEED={SEED}: not within {SETTLED} s: {wrong}\n{self.story(re.search('[0-9a-f-]{36}', wrong[0]).group())}"
        assert not self.grants.wrong, f"EVBD_SEED={SEED}: called associated without a grant: {self.grants.wrong}"
        for manager in self.managers:
            # What evbd has taken and could not say is its manager's again, to be given up some day.
            manager.wanted.update({vsi: request for vsi, request in manager.unsure.items() if vsi in listed})
            manager.unsure.clear()
            manager.go_on()
        return time.monotonic() - began


@pytest.fixture
def world(cable):
    return World(cable, random.Random(SEED))


def test_VDP_34_VDP_35_VDP_36_the_world_breaks_and_mends(world, capsys):
    """VDP-34 VDP-35 VDP-36 After any faults all that is wanted is associated at both ends by itself, and nothing else is."""
    for manager in world.managers:
        manager.start()
    longest, began = 0, time.monotonic()
    try:
        for number in range(1, FAULTS + 1):
            world.inject_one()
            if number % ROUND == 0 or number == FAULTS:
                longest = max(longest, world.settle())
    finally:
        for manager in world.managers:
            manager.end()
    requests = sum(manager.acknowledged for manager in world.managers)
    refused = [str(failure) for manager in world.managers for failure in manager.refused]
    assert not refused, f"EVBD_SEED={SEED}: nothing was wrong with them: {refused[:3]}"
    assert requests > 5 * FAULTS, "the load was meant to be one"
    with capsys.disabled():
        print(f"\n    EVBD_SEED={SEED}: {FAULTS} faults in {time.monotonic() - began:.0f} s {dict(sorted(world.injected.items()))}\n"
              f"    {requests} requests acknowledged, 0 refused, 0 lost; {world.grants.associations} times called associated, "
              f"0 wrongly; all well again after at most {longest:.1f} s\n"
              f"    at most: station {world.gauges[0]}; bridge {world.gauges[1]} ", end="", flush=True)
