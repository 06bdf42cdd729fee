"""What an operation of evbd costs, in counts that no clock moves: instructions, allocations, system calls, frames, octets.

baseline.json has the counts of the last commit that took some in; one that is more than its tolerance above it fails. `--update` writes it,
of a release that is built for it or of that in EVBD_RELEASE_DIR:

    /usr/bin/python3 -m pytest Tests/Guards --update

The time of the daemons is the test's (clock.py), one operation follows the other, and VSIIDs and hashes are the same in each run. What is
left to chance is whether two frames, or an answer and the news of it, are read in one turn of the loop or in two.
"""

import functools
import json
import platform
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from clock import Clock
from counting import CountedEvbd, SystemCalls, release, uninterrupted

from lab import Lab
from lab.codec import ASSOCIATE
from lab.fixtures import Cable
from lab.pair import requests
from lab.switch import Switch
from lab.varlink import Control

BASELINE = Path(__file__).with_name("baseline.json")
# What the counts are of, in baseline.json: another compiler or kernel has others.
ORIGIN = "counted with"
EXACT = 0.03
# Where the machine does not let threads be kept in order: two things that come within a moment take the loop a look or two more, of some
# twenty; and of a link the kernel tells at each of its changes, while the worker makes the next.
LOOKS, NEWS = (EXACT, EXACT) if uninterrupted() else (0.10, 0.12)
COUNT, WARM, LINKS, ROUNDS, KEPT, KEEP_ALIVES = 20, 60, 6, 6, 300, 900
# No keep-alive within the test: 168 s. And one each second or so.
LONG = {"ecp": {"retries": 3, "rte": 14}, "vdp": {"rwd": 22, "rka": 24}}
SHORT = {"ecp": {"retries": 3, "rte": 14}, "vdp": {"rwd": 22, "rka": 17}}
# Seconds between two operations, so that no limit of a rate is met; and behind the last, for what is put off, such as closing an address.
BETWEEN, BEHIND = 0.02, 1


class Site:
    """A station and a switch, of which one is counted; the time of both is the test's."""

    def __init__(self, lab, program, timers, callgrind, role="station"):
        self.cable, self.clock = Cable(lab), Clock(lab.directory, program.parent)
        Switch(lab, self.cable.switch)
        as_station = {"ports": [{"interface": "uplink0", **timers}], "log": {"level": "info"}}
        as_bridge = {"ports": [{"role": "bridge", "interface": "port0", **timers}], "log": {"level": "error"}, "libvirt": {"enabled": False}}
        bridge = CountedEvbd(lab, self.cable.switch, program, callgrind and role == "bridge", self.clock, name="switch", **as_bridge)
        station = CountedEvbd(lab, self.cable.host, program, callgrind and role == "station", self.clock, **as_station)
        self.evbd = {"station": station, "bridge": bridge}[role]
        self.clock.until(station.hears_bridge, 60, "the station hears the bridge")
        # Behind the LLDPDUs with which both begin.
        self.clock.advance(10)
        self.control, self.wire = Control(station.socket), self.cable.wire()
        lab.at_end(self.control.close)
        # The same VSIIDs in each run: where they lie in a table is a part of the cost.
        self.left = [{**request, "vsiID": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{number}"))}
                     for number, request in enumerate(requests(KEPT + 500, wait=30_000))]

    def call(self, method, *all_parameters):
        """One call for each of the parameters; time stands still until nothing but time is waited for."""
        for parameters in all_parameters:
            self.control.begin(method, **parameters)
        for _ in all_parameters:
            self.clock.settle()
            while not self.control.answered:
                self.clock.step()
            self.control.finish()

    def calls(self, method, all_parameters):
        """One call after the other."""
        for parameters in all_parameters:
            self.call(method, parameters)
            self.clock.advance(BETWEEN)

    def associate(self, count, link=False):
        asked = [self.left.pop(0) for _ in range(count)]
        linked = lambda number: {"link": {"name": f"vm{len(self.left)}x{number}"}} if link else {}
        self.calls("Associate", [{**request, **linked(number)} for number, request in enumerate(asked)])
        return asked

    def release(self, asked):
        self.calls("Deassociate", [{"vsiID": request["vsiID"], "port": "uplink0", "wait": 30_000} for request in asked])

    def status(self, count):
        self.calls("GetStatus", [{}] * count)

    def operations(self):
        """name -> (how many, the work), ROUNDS times each: the least of them is without the growth of a table, and without what comes before
        the first. First without any link, because what is seen to of links is worked off beside all else."""
        self.do(lambda: (self.release(self.associate(WARM)[:10]), self.status(5)))
        for _ in range(ROUNDS):
            held = []
            yield "association", COUNT, lambda: held.extend(self.associate(COUNT))
            yield "release", COUNT, lambda: self.release(held)
            yield "status", COUNT, lambda: self.status(COUNT)
        self.do(lambda: self.release(self.associate(2, link=True)))
        for _ in range(ROUNDS):
            linked = []
            yield "link", LINKS, lambda: linked.extend(self.associate(LINKS, link=True))
            yield "link's end", LINKS, lambda: self.release(linked)

    def do(self, work):
        """The work, and what it leaves for later."""
        work()
        self.clock.advance(BEHIND)


def least(*rounds):
    """Of each count the least of the rounds."""
    return {what: min(costs[what] for costs in rounds) for what in rounds[0]}


def costs(profile, count):
    return {"instructions": profile.instructions / count, "allocations": profile.allocations / count}


def counted_by_callgrind(lab, program):
    """operation -> its counts, and operation -> a profile and of how many."""
    site, counts, profiles = Site(lab, program, LONG, callgrind=True), {}, {}
    for name, count, work in site.operations():
        if not profiles:
            site.evbd.dump()
        site.do(work)
        profiles[name] = site.evbd.dump(), count
        some = costs(*profiles[name])
        counts[name] = least(some, counts.get(name, some))
    return counts, profiles


def counted_from_outside(lab, program):
    """The same operations at their own speed: what the kernel, the cable and the store see of them."""
    site, counts = Site(lab, program, LONG, callgrind=False), {}
    for name, count, work in site.operations():
        site.wire.clear()
        stored, calls = site.evbd.journal.stat().st_size, SystemCalls(site.evbd)
        site.do(work)
        acts, looks = calls.end()
        frames = [frame for frame in site.wire.received() if frame.ecp]
        some = {"system calls": sum(acts.values()) / count, "looks": sum(looks.values()) / count, "frames": len(frames) / count,
                "octets on the wire": sum(len(frame.octets) for frame in frames) / count,
                "octets stored": max(0, site.evbd.journal.stat().st_size - stored) / count}
        counts[name] = least(some, counts.get(name, some))
    return counts


def counted_keep_alives(lab, program, role="station"):
    """What a VSI costs a station, or the bridge, for each of its keep-alives, while nothing else is done."""
    site = Site(lab, program, SHORT, callgrind=True, role=role)
    site.call("Associate", *(site.left.pop(0) for _ in range(KEPT)))
    # Once all are there, each keep-alive is one TLV of a frame.
    heard = lambda: [frame for frame in site.wire.received() if frame.vdp and frame.vdp.vsis[0].command == ASSOCIATE]
    vsis = lambda frames: sum(len(frame.vdp.vsis) for frame in frames)

    def keep(count):
        site.wire.clear()
        while vsis(heard()) < count:
            site.clock.step()
    keep(2 * KEPT)
    site.evbd.dump()
    keep(KEEP_ALIVES)
    profile, frames = site.evbd.dump(), heard()
    count = vsis(frames)
    counts = {**costs(profile, count), "frames": len(frames) / count, "octets on the wire": sum(len(frame.octets) for frame in frames) / count}
    name = {"station": "keep-alive", "bridge": "keep-alive, the bridge"}[role]
    return {name: counts}, {name: (profile, count)}


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    for tool, package in (("valgrind", "valgrind"), ("callgrind_control", "valgrind"), ("strace", "strace"), ("strip", "binutils"), ("gcc", "gcc")):
        assert shutil.which(tool), f"{tool} is missing: apt install {package}"
    program = release(tmp_path_factory.mktemp("release"))
    counts, profiles = {}, {}
    for count in (counted_by_callgrind, counted_keep_alives, functools.partial(counted_keep_alives, role="bridge")):
        with Lab(in_memory=True) as lab:
            some, of_these = count(lab, program)
        counts.update(some)
        profiles.update(of_these)
    with Lab(in_memory=True) as lab:
        for name, some in counted_from_outside(lab, program).items():
            counts[name].update(some)
    return counts, profiles


def tolerance(name, what):
    if what == "looks":
        return LOOKS
    return NEWS if name.startswith("link") and what in ("instructions", "allocations") else EXACT


def report(counts, profiles, baseline):
    """(lines of what has grown, lines of what has shrunk)."""
    grown, shrunk = [], []
    for name, costs in counts.items():
        worse = []
        for what, now in costs.items():
            before = baseline.get(name, {}).get(what)
            line = f"{name}: {what}: {before} -> {round(now, 4)} each"
            if before is None:
                worse.append(f"{line}; baseline.json has none")
            elif now > before * (1 + tolerance(name, what)):
                worse.append(f"{line}, {100 * (now / before - 1):+.1f} %" if before else line)
            elif now < before * (1 - tolerance(name, what)):
                shrunk.append(f"{line}, {100 * (now / before - 1):+.1f} %")
        grown += worse
        if any("instructions" in line or "allocations" in line for line in worse):
            profile, count = profiles[name]
            grown += [f"  most instructions of {name}, each:", *(f"  {line}" for line in profile.top(12, count))]
    return grown, shrunk


def origin():
    """What has a part in the counts beside evbd's code."""
    swift = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout if shutil.which("swift") else ""
    return {"Swift": (re.findall(r"Swift version (\S+)", swift) or ["unknown"])[0], "Linux": platform.release(), "C library": platform.libc_ver()[1]}


def test_SPD_130_no_operation_costs_more_than_it_did(counted, request, tell):
    """SPD-130 Instructions, allocations, system calls, frames and octets for an association, release, keep-alive, status and link are at most 3 % above baseline.json."""
    counts, profiles = counted
    baseline = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    grown, shrunk = report(counts, profiles, baseline)
    if request.config.getoption("--update"):
        rounded = {name: {what: round(value, 4) for what, value in costs.items()} for name, costs in counts.items()}
        BASELINE.write_text(json.dumps({ORIGIN: origin(), **rounded}, indent=2) + "\n")
        tell("baseline.json is written. What has changed:", *grown, *shrunk)
        return
    if shrunk:
        tell("less than in baseline.json; keep it so with --update:", *shrunk)
    assert not grown, "\n".join([
        "more than Tests/Guards/baseline.json allows (count: before -> now):", *grown,
        f"The baseline was counted with {baseline.get(ORIGIN)}, this with {origin()}.",
        "If a change did that without meaning it, take it back: `Tests/Benchmarks/run --profile` shows who calls what. If it is meant:",
        "  /usr/bin/python3 -m pytest Tests/Guards --update       and say in the commit why."])
