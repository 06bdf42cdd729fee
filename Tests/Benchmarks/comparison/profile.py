"""Where evbd's instructions go, by callgrind: for each kind of work those of the loop and of the worker, and the functions that take most.

For what a table of times does not say: why a figure is what it is. Counting and pinning are those of Tests/Guards.
"""

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


class Profiled:
    """An evbd under callgrind, on the stage's cable."""

    def __init__(self, stage, program, vdp, **port):
        self.evbd = CountedEvbd(stage.lab, stage.ends["evbd"].host, program, True, log={"level": "notice"}, name=f"profiled-{uuid.uuid4().hex[:6]}",
                                ports=[{"interface": "uplink0", "ecp": {"retries": 3, "rte": RTE["evbd"]}, "vdp": vdp, **port}])
        self.client, self.looker = EvbdClient(self.evbd), EvbdClient(self.evbd)

    def show(self, what, count, work):
        """Does the work, and prints what it took for each of so many."""
        self.evbd.dump()
        work()
        loop = self.evbd.dump()
        worker = [Profile(file) for file in self.evbd.directory.glob(f"counted.{self.evbd.dumps}-0[2-9]")]
        theirs = sum(profile.instructions for profile in worker)
        print(f"\n{what}, for each of {count}: loop {loop.instructions // count:,} instructions, {loop.allocations / count:.1f} allocations; "
              f"worker {theirs // count:,} instructions")
        print(*loop.top(TOP, count), sep="\n")
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
    for work in (work_of_sockets, work_of_netlink, work_of_links, work_of_keep_alives):
        work(stage, program)
