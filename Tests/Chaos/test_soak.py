"""evbd for a long time: VSIs come and go, clients too, and something breaks every few seconds; memory and descriptors stay as they are.

EVBD_SOAK is the time in seconds (20, by hand 3600), EVBD_SEED the dice. Every figure over time is in a CSV file, whose name is printed.
"""

import csv
import os
import random
import signal
import statistics
import threading
import time
import uuid
from pathlib import Path

from churn import Administrator, Machine, Manager, Onlooker, Reader
from lab import eventually
from lab.evbd import OK, SANITIZER, Evbd, yaml
from lab.loss import Loss
from lab.switch import Switch
from lab.system import REPOSITORY, run
from lab.varlink import Control

SECONDS = float(os.environ.get("EVBD_SOAK", 20))
SEED = int(os.environ.get("EVBD_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
# Memory may grow so much from the middle third of the run to the last, by the least that is seen in each; and in an hour by this rate.
GROWTH_KIB, KIB_PER_HOUR = 512, 1024
# What a mended fault may take until every VSI is associated again.
MEND_SECONDS = 30
TYPES = {"types": [{"name": "web", "type": 100}]}


class World:
    """A station with two uplinks. The bridge at the first runs all the time, that at the second is restarted again and again."""

    def __init__(self, cable, dice):
        self.cable, self.dice, lab = cable, dice, cable.lab
        other = lab.namespace("other")
        lab.veth(cable.host, "uplink1", "02:00:00:00:aa:02", other, "port1", "02:00:00:00:bb:02")
        types = lab.directory / "types.yaml"
        types.write_text(yaml(TYPES) + "\n")
        self.bridge = Switch(lab, cable.switch).evbd(ports=[{"interface": "port0", "vsi-types": types}], log={"level": "warning"})
        self.restarted = Switch(lab, other, ports=("port1",)).evbd(name="restarted", log={"level": "warning"})
        self.station = Evbd(lab, cable.host, ports=("uplink0", "uplink1"), log={"level": "warning"})
        self.station.wait_for_bridge("uplink0").wait_for_bridge("uplink1")
        self.loss = Loss(0, (cable.host, "uplink0"), (cable.switch, "port0"))
        self.control = Control(self.station.socket)
        lab.at_end(self.control.close)
        # The first VSI leaves an empty table of rules, which stays.
        vsi = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        self.station.associate(vsi, "--link", "first", type_id=100)
        assert self.station.ctl("vsi", "deassociate", vsi).returncode == OK
        eventually(lambda: "first" not in cable.host.links(), 5, "its link is gone")

    def associated(self):
        return {vsi["vsiID"] for vsi in self.control.call("ListVSIs", state="associated")["vsis"]}

    # MARK: faults; each is over when it returns

    def flap(self):
        """The cable is pulled out."""
        self.cable.switch.ip("link", "set", "port0", "down")
        time.sleep(self.dice.uniform(0.1, 1))
        self.cable.switch.ip("link", "set", "port0", "up")

    def lose(self):
        """Half of all frames are lost."""
        self.loss.set(50)
        time.sleep(1)
        self.loss.set(0)

    def freeze(self):
        """The bridge stands still."""
        self.bridge.process.freeze()
        time.sleep(self.dice.uniform(0.5, 2))
        self.bridge.process.thaw()

    def restart(self):
        """The bridge at the second uplink begins anew."""
        if self.dice.random() < 0.5:
            self.restarted.process.kill()
        else:
            self.restarted.terminate()
        self.restarted.start()

    def take_back(self):
        """The bridge's operator takes VSIs back, which the station then asks for again."""
        held = [vsi["vsiID"] for vsi in self.bridge.ctl_json("vsi", "list") if vsi["state"] == "associated"]
        for vsi in self.dice.sample(held, min(3, len(held))):
            self.bridge.ctl("vsi", "deassociate", vsi)     # its station may have given it up meanwhile

    def reload(self):
        """Both read their configuration again, and there is a port more or less in it."""
        for evbd in (self.station, self.bridge):
            ports = evbd.config["ports"]
            if ports[-1]["interface"] == "absent0":
                ports.pop()
            else:
                ports.append({"interface": "absent0", "role": ports[0]["role"]})
            evbd.write_config()
            evbd.process.signal(signal.SIGHUP)
            names = [port["interface"] for port in ports]
            eventually(lambda: [port["interface"] for port in evbd.ctl_json("port", "list")] == names, 10, f"{evbd.name} has ports {names}")

    FAULTS = (flap, lose, freeze, restart, take_back, reload)

    # MARK: what is looked at

    def traces(self):
        """What VSIs leave behind while they are there: links, rules of nftables, files."""
        found = {}
        for name, namespace in (("host", self.cable.host), ("switch", self.cable.switch)):
            found[f"links of the {name}"] = sorted(namespace.links())
            found[f"rules of the {name}"] = run(*namespace.command("nft", "-s", "list", "ruleset")).stdout
        found["VSIs that are stored"] = sorted(vsi["vsiID"] for vsi in self.station.stored())
        found["VSIs of the bridge"] = sorted(vsi for vsi, shown in self.bridge.vsis().items() if shown["state"] != "deassociated")
        return found

    def watched(self):
        return {"station": self.station, "bridge": self.bridge}


def handles(evbd):
    """How many descriptors and threads it has."""
    return tuple(len(os.listdir(f"/proc/{evbd.pid}/{kind}")) for kind in ("fd", "task"))


def handles_at_rest(evbd):
    """The same, when the connections that were closed are closed on its side too."""
    seen = []
    eventually(lambda: seen.append(handles(evbd)) or seen[-5:] == [seen[-1]] * 5, 10, f"{evbd.name} is at rest: {seen[-5:]}", every=0.1)
    return seen[-1]


class Sampler(threading.Thread):
    """Writes down what the watched daemons use."""

    def __init__(self, world, path, every):
        super().__init__(daemon=True)
        self.world, self.path, self.every = world, path, every
        self.rows, self._end = [], threading.Event()
        self._began = time.monotonic()

    def look(self):
        row = {"seconds": round(time.monotonic() - self._began, 1)}
        for name, evbd in self.world.watched().items():
            row[f"{name}_rss_kib"] = evbd.process.rss_kib()
            row[f"{name}_descriptors"], row[f"{name}_threads"] = handles(evbd)
            row[f"{name}_files"] = sum(len(files) for _, _, files in os.walk(evbd.directory))
        self.rows.append(row)
        return row

    def run(self):
        with self.path.open("w") as file:
            writer = csv.DictWriter(file, self.look())
            writer.writeheader()
            writer.writerow(self.rows[-1])
            while not self._end.wait(self.every):
                writer.writerow(self.look())
                file.flush()

    def end(self):
        self._end.set()
        self.join(10)

    def part(self, key, begin, end):
        """The values of a column in a part of the run, both ends as a share of the whole."""
        return [row[key] for row in self.rows[round(begin * len(self.rows)):round(end * len(self.rows))]]

    def growth(self, name):
        """KiB between what it mostly has in the middle third and in the last. Not the least: kernels take idle pages back now and then."""
        return statistics.median(self.part(f"{name}_rss_kib", 2 / 3, 1)) - statistics.median(self.part(f"{name}_rss_kib", 1 / 3, 2 / 3))

    def slope(self, name):
        """KiB per hour: the straight line through the second half."""
        times, sizes = self.part("seconds", 0.5, 1), self.part(f"{name}_rss_kib", 0.5, 1)
        mean, size = sum(times) / len(times), sum(sizes) / len(sizes)
        spread = sum((each - mean) ** 2 for each in times)
        return 3600 * sum((at - mean) * (each - size) for at, each in zip(times, sizes)) / spread


def break_and_mend(world, managers, dice, until):
    """One fault after the other; after each, every VSI that is wanted all the while is associated again. How many there were."""
    faults, waiting = 0, []
    while time.monotonic() < until:
        if not waiting:
            waiting = list(World.FAULTS)
            dice.shuffle(waiting)
        fault = waiting.pop()
        fault(world)
        faults += 1
        wanted = {vsi for manager in managers for vsi in list(manager.wanted.values())}

        def missing():
            there = world.associated()
            # In this order: what is given up meanwhile is no longer wanted.
            return (wanted & {vsi for manager in managers for vsi in list(manager.wanted.values())}) - there
        eventually(lambda: not missing(), MEND_SECONDS, every=0.2,
                   what=f"EVBD_SEED={SEED}: after fault {faults}, {fault.__name__}, all are associated again")
        for worker in managers:
            assert worker.failure is None, f"EVBD_SEED={SEED}: {worker.failure!r}"
        time.sleep(dice.uniform(0.5, 2))    # the churn goes on without a fault
    return faults


def test_memory_and_descriptors_stay_flat(cable, tell):
    """An hour or less of churn and faults: no VSI is lost, the memory is flat, and all that was taken is given back."""
    dice = random.Random(SEED)
    world = World(cable, dice)
    # The VSI that the world has tried is forgotten, its closed address too.
    eventually(lambda: "elements" not in world.traces()["rules of the host"], 10, "no address is closed")
    traces, idle = world.traces(), {name: handles_at_rest(evbd) for name, evbd in world.watched().items()}
    directory = REPOSITORY / ".build-lab"
    directory.mkdir(exist_ok=True)
    sampler = Sampler(world, directory / f"soak-{SEED}-{os.getpid()}.csv", min(5, SECONDS / 20))
    tell(f"EVBD_SEED={SEED} EVBD_SOAK={SECONDS:g}, figures in {sampler.path}")

    managers = [Manager(world.station, number, f"uplink{number % 2}", random.Random(dice.random())) for number in range(4)]
    machines = [Machine(world.station, f"guest{number}", f"52:54:03:00:00:{number:02x}", random.Random(dice.random())) for number in range(2)]
    workers = [*managers, *machines, Reader(world.station), Reader(world.bridge), Onlooker(world.station), Onlooker(world.bridge),
               Administrator(world.station)]
    sampler.start()
    for worker in workers:
        worker.start()
    try:
        faults = break_and_mend(world, managers, dice, time.monotonic() + SECONDS)
    finally:
        for worker in workers:
            worker.end()
    sampler.end()
    for worker in workers:
        worker.finish()
    if world.station.config["ports"][-1]["interface"] == "absent0":
        world.reload()

    requests, unanswered = (sum(getattr(worker, name) for worker in [*managers, *machines]) for name in ("requests", "unanswered"))
    tell(f"{requests} requests, {unanswered} of them told of a fault; {faults} faults, 0 VSIs lost")
    for name, evbd in world.watched().items():
        status = Path(f"/proc/{evbd.pid}/status").read_text()
        peak = int(status.partition("VmHWM:")[2].split()[0])
        tell(f"{name}: peak {peak} KiB, at the end {evbd.process.rss_kib()} KiB; median {sampler.growth(name):+.0f} KiB from the middle third "
             f"to the last, {sampler.slope(name) * SECONDS / 3600:+.0f} KiB by the second half's slope; at most "
             f"{max(sampler.part(f'{name}_descriptors', 0, 1))} descriptors, {handles(evbd)[0]} at the end")
    try:
        eventually(lambda: world.traces() == traces, 10, "nothing is left")
    except AssertionError:
        left = {what: (traces[what], found) for what, found in world.traces().items() if found != traces[what]}
        assert not left, f"EVBD_SEED={SEED}: before and after"
    for name, evbd in world.watched().items():
        eventually(lambda: handles(evbd) == idle[name], 10, f"EVBD_SEED={SEED}: {name} has descriptors and threads {idle[name]}: {handles(evbd)}")
    if SANITIZER:
        tell(f"the memory is the {SANITIZER} sanitizer's, and is not judged")
        return
    for name in world.watched():
        assert sampler.growth(name) <= GROWTH_KIB, f"EVBD_SEED={SEED}: the {name} grows"
        assert SECONDS < 1800 or sampler.slope(name) <= KIB_PER_HOUR, f"EVBD_SEED={SEED}: the {name} grows"
