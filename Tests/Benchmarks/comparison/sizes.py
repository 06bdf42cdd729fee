"""What grows with the number of VSIs: bursts, releases, restarts, keep-alives, answers, turns of the loop, memory."""

import errno
import re
import signal
import time
import uuid

from lab import netlink

from .clients import EvbdClient, NetlinkClient, address, spin
from .process import private, processor_seconds, resident
from .stage import associations, releases, vsis

SIZES = (1, 100, 1000, 4000, 10_000)
# lldpad takes some 3 ms for each, whatever is done; GETLINK replies of more it cannot fill.
LLDPAD_MOST = 1000
ROWS = ("burst-1000", "burst-10000", "burst-cpu-1000", "burst-cpu-10000", "release-10000", "release-restarted", "restart-answers", "restart-associated", "keep-alive",
        "turn-metrics", "turn-down", "turn-up", "turn-list", "turn-status", "status", "list", "rss", "private")
# Two rounds of keep-alives at RKA 20; before them one for what follows a burst or a link's return: RARP frames, and PDUs that are not full yet.
WINDOW, SETTLING = 21, 10.5


class Both:
    """Takes a value for the curve, and for the row where the size is that of the row."""

    def __init__(self, results):
        self.results = results

    def add(self, curve, subject, size, value, row=None):
        self.results.point(curve, subject, size, value)
        if row:
            self.results.add(row, subject, value)


def floor_burst(both, floor, size):
    both.add("burst", "floor", size, 1e3 * floor.exchange(size), f"burst-{size}" if size in (1000, 10_000) else None)
    both.add("release", "floor", size, 1e3 * floor.exchange(-size), "release-10000" if size == 10_000 else None)


class EvbdAt:
    """An evbd, and what is done with it at one size."""

    def __init__(self, stage, both, size):
        self.stage, self.both, self.size = stage, both, size
        self.evbd, self.counts = stage.evbd(), stage.ends["evbd"].counts
        self.connect()
        self.wanted = vsis(size)

    def connect(self):
        self.client, self.looker = EvbdClient(self.evbd), EvbdClient(self.evbd)

    def row(self, name, *sizes):
        return name if self.size in (sizes or (10_000,)) else None

    def all_associated(self):
        return self.looker.counts().get("associated") == self.size

    def ask_again(self):
        """Associates all once more, for what comes next; nothing is measured."""
        self.wanted = vsis(self.size)
        self.client.call_all(associations(self.wanted, wait=0))
        spin(self.all_associated, 120, f"{self.size} are associated once more")

    def burst(self):
        empty = resident(self.evbd.pid)
        if self.size == 1:
            # Idle: what the start alone needed is given back some seconds later.
            time.sleep(3)
            self.both.results.add("private", "evbd", private(self.evbd.pid) / 1e6)
        questions = associations(self.wanted, wait=0)
        spent, began = processor_seconds(self.evbd.pid), time.perf_counter()
        self.client.call_all(questions)
        spin(self.all_associated, 120, f"{self.size} are associated")
        seconds, spent = time.perf_counter() - began, processor_seconds(self.evbd.pid) - spent
        named = self.size if self.size in (1000, 10_000) else None
        self.both.add("burst", "evbd", self.size, 1e3 * seconds, named and f"burst-{named}")
        self.both.add("burst-cpu", "evbd", self.size, 1e6 * spent / self.size, named and f"burst-cpu-{named}")
        if self.size > 1:
            # As above: what the burst alone needed.
            time.sleep(3)
        grown = resident(self.evbd.pid) - empty
        self.both.results.point("rss", "evbd", self.size, grown / 1e3)
        if self.size == 10_000:
            self.both.results.add("rss", "evbd", grown / 1e3 / self.size)

    def answers(self):
        status = EvbdClient.question("GetStatus")
        for _ in range(20):
            self.both.add("status", "evbd", self.size, 1e3 * self.client.ask(status)[0], self.row("status"))
        for _ in range(3):
            seconds, answer = self.client.ask_more("ListVSIs")
            assert answer.count(b'"vsiID"') == self.size, answer[:300]
            self.both.add("list", "evbd", self.size, 1e6 * seconds / self.size, self.row("list"))

    def restart(self):
        self.client.close()
        self.looker.close()
        self.evbd.process.signal(signal.SIGTERM)
        self.evbd.process.wait(30)
        granted, began = self.counts.associations, time.perf_counter()
        self.evbd.launch()
        while True:
            try:
                self.connect()
                self.looker.counts()
                break
            except OSError:
                if time.perf_counter() > began + 30:
                    raise
                time.sleep(0.0005)
        answers = time.perf_counter() - began
        # Restored is not associated: the bridge has granted all of them again.
        spin(lambda: self.all_associated() and self.counts.associations - granted >= self.size, 60, f"{self.size} are associated again")
        self.both.add("restart", "evbd", self.size, 1e3 * (time.perf_counter() - began), self.row("restart-associated"))
        if self.size == 10_000:
            self.both.results.add("restart-answers", "evbd", 1e3 * answers)

    def _released(self):
        questions = releases(self.wanted, wait=0)
        began = time.perf_counter()
        self.client.call_all(questions)
        spin(lambda: not any(self.looker.counts().values()), 120, f"{self.size} are released")
        return 1e3 * (time.perf_counter() - began)

    def release(self):
        self.both.add("release", "evbd", self.size, self._released(), self.row("release-10000"))

    def release_after_restart(self):
        self.both.results.add("release-restarted", "evbd", self._released())

    def turns(self):
        """Of each kind of work the longest turn, as the histogram has it: the bound of its bucket, or the longest of all where that was it.
        The turn in which the metrics are written is among them."""
        link = lambda state: self.evbd.namespace.ip("link", "set", "uplink0", state)
        associated = lambda: spin(self.all_associated, 60, "all are associated again")
        for name, work in {
                "metrics": lambda: None, "status": lambda: self.client.call("GetStatus"), "list": lambda: self.client.ask_more("ListVSIs"),
                "down": lambda: (link("down"), time.sleep(0.5)), "up": lambda: (link("up"), associated())}.items():
            before = turns_of(self.evbd)
            work()
            self.both.results.add(f"turn-{name}", "evbd", 1e3 * longest(before, turns_of(self.evbd)))

    def end(self):
        self.client.close()
        self.looker.close()
        self.evbd.process.stop()


def turns_of(evbd):
    """(upper bound in seconds -> turns up to that, the longest since evbd has begun)."""
    said = evbd.ctl("metrics").stdout
    buckets = {float(bound): float(count) for bound, count in re.findall(r'^evbd_loop_turn_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)', said, re.M)}
    return buckets, float(re.search(r"^evbd_loop_longest_turn_seconds(?:\{[^}]*\})? (\S+)", said, re.M).group(1))


def longest(before, after):
    """The longest turn between two looks, in seconds."""
    if after[1] > before[1]:
        return after[1]
    below = 0.0
    for bound in sorted(after[0]):
        # All turns of the time between are below the first bound that counts as many as there were.
        if after[0][bound] - before[0].get(bound, 0) == after[0][max(after[0])] - before[0].get(max(before[0]), 0):
            return min(bound, after[1])
        below = bound
    return below


class LldpadAt:
    """The same of lldpad: asked as libvirt asks, and counted at the bridge, since reading what it has costs it more than they do."""

    def __init__(self, stage, both, size):
        self.stage, self.both, self.size = stage, both, size
        self.daemon, self.counts = stage.lldpad(), stage.ends["lldpad"].counts
        self.client = NetlinkClient(self.daemon.namespace, self.daemon.pid)
        self.wanted = [(str(uuid.uuid4()), address(number)) for number in range(1, size + 1)]

    def ask(self, request):
        """Asks for all, and gives how many lldpad has taken: it loses some while the machine is busy, as it waits no 3 ms for its bridge."""
        messages = [self.client.message(vsi, request, mac) for vsi, mac in self.wanted]
        self.lost = 0
        with self.daemon.namespace.entered():
            for message in messages:
                spin(lambda: self._taken(message), 30, "lldpad takes a request", 0.001)
        return self.size - self.lost

    def _taken(self, message):
        """lldpad is busy with a VSI while it waits for the bridge's answer, to a keep-alive too."""
        try:
            self.client.set(message)
        except netlink.Refused as refused:
            if refused.errno not in (errno.EBUSY, errno.EINVAL):
                raise
            self.lost += refused.errno == errno.EINVAL
            return refused.errno == errno.EINVAL
        return True

    def _come(self, count, wanted):
        """Waits until the bridge has counted so many; False where five seconds bring no more, as lldpad forgets some."""
        last, since = count(), time.perf_counter()
        while last < wanted:
            time.sleep(0.0002)
            if count() != last:
                last, since = count(), time.perf_counter()
            elif time.perf_counter() > since + 5:
                self.both.results.remark("burst-1000", f"lldpad left {wanted - last} of {self.size} VSIs without an end, in at least one round, which does not count.")
                return False
        return True

    def burst(self):
        empty, first = resident(self.daemon.pid), self.counts.associations
        spent, began = processor_seconds(self.daemon.pid), time.perf_counter()
        asked = self.ask(netlink.ASSOCIATE)
        if not self._come(lambda: self.counts.associations - first, asked):
            return
        seconds, spent = time.perf_counter() - began, processor_seconds(self.daemon.pid) - spent
        self.both.add("burst", "lldpad", self.size, 1e3 * seconds, "burst-1000" if self.size == 1000 else None)
        self.both.add("burst-cpu", "lldpad", self.size, 1e6 * spent / self.size, "burst-cpu-1000" if self.size == 1000 else None)
        grown = resident(self.daemon.pid) - empty
        self.both.results.point("rss", "lldpad", self.size, grown / 1e3)
        if self.size == LLDPAD_MOST:
            self.both.results.add("rss", "lldpad", grown / 1e3 / self.size)
        elif self.size == 1:
            self.both.results.add("private", "lldpad", private(self.daemon.pid) / 1e6)

    def release(self):
        first, began = self.counts.releases, time.perf_counter()
        asked = self.ask(netlink.DISASSOCIATE)
        if self._come(lambda: self.counts.releases - first, asked):
            self.both.add("release", "lldpad", self.size, 1e3 * (time.perf_counter() - began))

    def end(self):
        self.daemon.process.stop()


def keep_alives(both, stations, size):
    """Both at the same time: they have cables of their own, and what is counted is their processor time."""
    time.sleep(SETTLING)
    spent, began = [processor_seconds(pid) for _, pid in stations], time.perf_counter()
    time.sleep(WINDOW)
    seconds = time.perf_counter() - began
    for (name, pid), before in zip(stations, spent):
        of_row = size == (LLDPAD_MOST if name == "lldpad" else 10_000)
        both.add("keep-alive", name, size, 100 * (processor_seconds(pid) - before) / seconds, "keep-alive" if of_row else None)


def one_round(stage, both, size, floor, scope, turns):
    floor_burst(both, floor, size)
    evbd, lldpad = EvbdAt(stage, both, size), LldpadAt(stage, both, size) if size <= LLDPAD_MOST else None
    evbd.burst()
    if lldpad:
        lldpad.burst()
    evbd.answers()
    if turns:
        if size == 10_000:
            evbd.turns()
        if not scope.quick:
            keep_alives(both, [("evbd", evbd.evbd.pid)] + ([("lldpad", lldpad.daemon.pid)] if lldpad else []), size)
    evbd.release()
    evbd.ask_again()
    evbd.restart()
    if turns and size == 10_000:
        evbd.release_after_restart()
    if lldpad:
        lldpad.release()
        lldpad.end()
    evbd.end()


def measure(stage, results, scope):
    process, floor = stage.station()
    both = Both(results)
    for size in (1, 100) if scope.quick else SIZES:
        for number in range(scope.rounds):
            one_round(stage, both, size, floor, scope, turns=number < 2)
    process.stop()
