"""Where evbd's instructions go, by callgrind: for each kind of work those of the loop and of the worker, and the functions that take most.

For what a table of times does not say: why a figure is what it is. Counting and pinning are those of Tests/Guards.
"""

import collections
import re
import subprocess
import sys
import time
import uuid

from lab import eventually, netlink
from lab.system import REPOSITORY

from .clients import EvbdClient, NetlinkClient, spin
from .links import with_links
from .stage import RTE, associations, releases, vsis

sys.path.insert(0, str(REPOSITORY / "Tests/Guards"))
from counting import CountedEvbd, Profile, release   # noqa: E402

COUNT, TOP = 300, 14
# No keep-alive while other work is counted (168 s); one each second or so where they are.
LONG, SHORT = {"rwd": 22, "rka": 24}, {"rwd": 22, "rka": 17}


# A mangled name begins with its module's length and name.
OURS = re.compile(r"\$s(?:%s)" % "|".join(f"{len(name)}{name}" for name in (path.name.replace("-", "_") for path in (REPOSITORY / "Sources").iterdir())))


NESTED = re.compile(r"closure|partial apply|thunk|protocol witness|ControlServer\.work|runPending|runSlices")


def with_callees(file):
    """mangled name -> instructions of the function and of all that it calls. One that calls itself counts more than once."""
    names, spent, function = {}, collections.Counter(), ""
    for line in file.read_text(errors="replace").splitlines():
        if found := re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line):
            kind, number, name = found.groups()
            if name:
                names[number] = name
            function = names[number] if kind == "fn" else function
        elif line[:1] in "0123456789+-*" and line:
            spent[function] += int(line.split()[1])
    return spent


def ours(file, count, most):
    """Lines of evbd's own functions that take most, with what they call; without closures, which their functions have, and the loop, which has all."""
    spent = {name: cost for name, cost in with_callees(file).items() if OURS.match(name)}
    whole = max(spent.values(), default=0)
    top = sorted(((name, cost) for name, cost in spent.items() if cost < whole), key=lambda each: -each[1])[:10 * most]
    said = subprocess.run(["swift", "demangle", "--compact", "--simplified"], input="\n".join(name for name, _ in top), capture_output=True, text=True)
    shown = said.stdout.splitlines() if said.returncode == 0 else [name for name, _ in top]
    return [f"{cost // count:9} {name[:130]}" for (_, cost), name in zip(top, shown) if not NESTED.search(name)][:most]


class Profiled:
    """An evbd under callgrind, on the stage's cable."""

    def __init__(self, stage, program, vdp, **port):
        self.evbd = CountedEvbd(stage.lab, stage.ends["evbd"].host, program, True, log={"level": "notice"}, name=f"profiled-{uuid.uuid4().hex[:6]}",
                                ports=[{"interface": "uplink0", "ecp": {"retries": 3, "rte": RTE["evbd"]}, "vdp": vdp, **port}]).wait_for_bridge(seconds=60)
        self.client, self.looker = EvbdClient(self.evbd), EvbdClient(self.evbd)

    def show(self, what, count, work):
        """Does the work, and prints what it took for each of so many."""
        self.evbd.dump()
        work()
        self.report(what, count)

    def report(self, what, count):
        loop = self.evbd.dump()
        worker = [Profile(file) for file in self.evbd.directory.glob(f"counted.{self.evbd.dumps}-0[2-9]")]
        theirs = sum(profile.instructions for profile in worker)
        print(f"\n{what}, for each of {count}: loop {loop.instructions // count:,} instructions, {loop.allocations / count:.1f} allocations; "
              f"worker {theirs // count:,} instructions")
        print("  with what they call:", *ours(self.evbd.directory / f"counted.{self.evbd.dumps}-01", count, 2 * TOP), sep="\n")
        print("  by themselves:", *loop.top(TOP, count), sep="\n")
        if theirs > loop.instructions / 4:
            print("  the worker's:", *max(worker, key=lambda profile: profile.instructions).top(TOP // 2, count), sep="\n", flush=True)

    def count(self, state):
        return self.looker.counts().get(state)

    def end(self):
        self.evbd.process.stop(30)


def work_of_sockets(stage, program):
    subject = Profiled(stage, program, LONG)
    ask = lambda questions: [subject.client.ask(question) for question in questions]
    ask(associations(vsis(20), wait=60_000))
    wanted, burst = vsis(COUNT, 100), vsis(COUNT, 100 + COUNT)
    subject.show("association by the control socket", COUNT, lambda: ask(associations(wanted, wait=60_000)))
    subject.show("release by the control socket", COUNT, lambda: ask(releases(wanted, wait=60_000)))

    def all_at_once():
        subject.client.call_all(associations(burst, wait=0))
        spin(lambda: subject.count("associated") == 20 + COUNT, 120, "all are associated", 0.5)
    subject.show("burst", COUNT, all_at_once)
    subject.show("GetStatus", 50, lambda: ask([EvbdClient.question("GetStatus")] * 50))
    subject.show("ListVSIs, for each VSI", 10 * COUNT, lambda: [subject.client.ask_more("ListVSIs") for _ in range(10)])
    subject.end()


def work_of_netlink(stage, program):
    subject = Profiled(stage, program, LONG)
    client = NetlinkClient(subject.evbd.namespace, subject.evbd.pid)

    def ask(count):
        with client.namespace.entered():
            for _ in range(count):
                vsi = str(uuid.uuid4())
                client.whole(vsi, netlink.ASSOCIATE, 0.125)
                client.whole(vsi, netlink.DISASSOCIATE, 0.125)
    ask(5)
    subject.show("association and release by netlink", 50, lambda: ask(50))
    subject.end()


def work_of_links(stage, program):
    subject = Profiled(stage, program, LONG)
    wanted = with_links(COUNT)

    def make():
        subject.client.call_all(associations(wanted, wait=0))
        spin(lambda: subject.count("associated") == COUNT, 240, "all are associated", 0.5)
        time.sleep(2)
    subject.show("association with a macvtap, all at once", COUNT, make)

    def remove():
        subject.client.call_all(releases(wanted, wait=0))
        spin(lambda: not any(subject.looker.counts().values()), 240, "all are released", 0.5)
        time.sleep(2)
    subject.show("release with a macvtap, all at once", COUNT, remove)
    subject.end()


def work_of_restart(stage, program):
    subject, count = Profiled(stage, program, LONG), 5 * COUNT
    subject.client.call_all(associations(vsis(count), wait=0))
    spin(lambda: subject.count("associated") == count, 120, "all are associated", 0.5)
    subject.end()
    for file in subject.evbd.directory.glob("counted*"):
        file.unlink()
    subject.evbd.dumps, granted = 0, stage.ends["evbd"].counts.associations
    subject.evbd.socket.unlink(missing_ok=True)
    subject.evbd.launch()
    eventually(subject.evbd.socket.exists, 60, "evbd has its control socket")
    spin(lambda: stage.ends["evbd"].counts.associations - granted >= count, 120, "all are associated again", 0.5)
    subject.report("restart until all are associated", count)
    subject.end()


def work_of_keep_alives(stage, program):
    subject = Profiled(stage, program, SHORT)
    subject.client.call_all(associations(vsis(COUNT), wait=0))
    eventually(lambda: subject.count("associated") == COUNT, 120, "all are associated")
    time.sleep(3)
    frames = stage.ends["evbd"].counts
    heard = []

    def wait():
        before = frames.associations
        spin(lambda: frames.associations - before >= 2 * COUNT, 60, "keep-alives", 0.05)
        heard.append(frames.associations - before)
    subject.show("keep-alive", 2 * COUNT, wait)
    subject.end()


def measure(stage):
    program = release(stage.lab.directory)
    for work in (work_of_sockets, work_of_netlink, work_of_links, work_of_restart, work_of_keep_alives):
        work(stage, program)
