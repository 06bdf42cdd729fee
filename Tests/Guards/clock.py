"""A clock that the test moves, for the daemons that it counts: none of their timers is due because the machine was busy.

While it stands, daemons work off what has come, and then wait for a descriptor; `settle` returns when all of them do. `advance` moves it from
one timer that is due to the next, and lets each be worked off. So a daemon takes the same turns however long they last.
"""

import mmap
import os
import struct
import subprocess
import time
from pathlib import Path

SOURCE = Path(__file__).with_name("stepclock.c")
SECOND = 1_000_000_000
# Looks in a row, each so long after the other, at which nothing has moved: what is on its way through the kernel arrives meanwhile.
LOOKS, PAUSE = 3, 0.001
# The calls in which a thread may wait (x86-64, arm64): epoll_wait and epoll_pwait for the loop, futex for the others.
POLLING, SLEEPING = {"232", "281", "22"}, {"202", "98"}


class Clock:
    """The time of some daemons. `programs` is a directory on a file system from which code may be mapped, as /dev/shm may be none."""

    def __init__(self, directory, programs):
        self._directory, self._now, self.hands = Path(directory), 1000 * SECOND, []
        self._library = Path(programs) / "stepclock.so"
        subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", self._library, SOURCE], check=True)

    def words(self, name):
        """What to put before the command of a daemon that lives by this clock."""
        file = self._directory / f"{name}.clock"
        file.write_bytes(struct.pack("=qq", self._now, 0))
        os.mkfifo(f"{file}.timer")
        self.hands.append(Hand(file))
        return ["env", f"LD_PRELOAD={self._library}", f"EVBD_STEP_CLOCK={file}"]

    def settle(self, seconds=60):
        """Waits until each daemon waits."""
        deadline, quiet, former = time.monotonic() + seconds, 0, None
        while quiet < LOOKS:
            seen = [hand.waits() for hand in self.hands]
            quiet = quiet + 1 if None not in seen and seen == former else 0
            former = seen
            assert time.monotonic() < deadline, f"the daemons have not come to rest in {seconds} s"
            time.sleep(PAUSE)

    def next_due(self):
        """When the next timer is due; None for never."""
        return min((due for hand in self.hands if (due := hand.due)), default=None)

    def advance(self, seconds):
        """Moves the clock, and lets each timer be worked off that is due meanwhile."""
        target = self._now + int(seconds * SECOND)
        self.settle()
        while (due := self.next_due()) is not None and due <= target:
            self.step()
        self._set(target)

    def step(self):
        """Moves the clock to the next timer that is due, and lets that be worked off."""
        due = self.next_due()
        assert due is not None, "all daemons wait, and none of them for a time"
        self._set(max(due, self._now))
        self.settle()

    def _set(self, now):
        self._now = now
        for hand in self.hands:
            hand.now = now
        for hand in self.hands:
            hand.ring(now)

    def until(self, check, seconds, what, step=0.1):
        """Lets time pass until check gives something true, and returns that."""
        end = self._now + int(seconds * SECOND)
        while True:
            self.settle()
            if found := check():
                return found
            assert self._now < end, f"not within {seconds} s of the stepped clock: {what}"
            self.advance(step)


class Hand:
    """The clock as one daemon has it."""

    def __init__(self, file):
        self.process = None
        with open(file, "r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 16)
        self._timer = os.open(f"{file}.timer", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    now = property(lambda self: struct.unpack_from("=q", self._map, 0)[0], lambda self, now: struct.pack_into("=q", self._map, 0, now))
    due = property(lambda self: struct.unpack_from("=q", self._map, 8)[0], lambda self, due: struct.pack_into("=q", self._map, 8, due))

    def ring(self, now):
        """Lets the timer expire if it is due."""
        if 0 < self.due <= now:
            self.due = 0
            os.write(self._timer, struct.pack("=Q", 1))

    def waits(self):
        """What is the same in two looks if the daemon has done nothing between them; None while it does something."""
        assert self.process.alive, f"the daemon has ended\n{self.process.tail()}"
        pid = self.process.pid
        try:
            threads = sorted(map(int, os.listdir(f"/proc/{pid}/task")))
            calls = {thread: Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split(" ")[0] for thread in threads}
            statuses = [Path(f"/proc/{pid}/task/{thread}/status").read_text() for thread in threads]
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The loop's is the first thread.
        waits = calls.pop(pid, None) in POLLING and all(call in SLEEPING for call in calls.values())
        # A thread that its tracer holds at the call is in it too, and does not sleep.
        sleeps = all("\nState:\tS" in status for status in statuses)
        return (threads, [status.rsplit("voluntary_ctxt_switches", 2)[1:] for status in statuses]) if waits and sleeps else None
