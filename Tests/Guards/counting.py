"""Counts what an evbd does between two moments: instructions and allocations by callgrind, system calls by strace, frames by a socket.

Counted is the loop's thread, which decides. The worker's depends on the clock: it makes several changes of the kernel at once, as many as
have come while it made the last. Only the same code gives the same counts: the C library and Swift choose some of theirs by the processor and by chance, so both are pinned.
"""

import collections
import os
import re
import shutil
import subprocess
from pathlib import Path

from lab import Evbd, eventually
from lab.strace import Strace
from lab.system import REPOSITORY

BUILD = ["swift", "build", "--configuration", "release", "--static-swift-stdlib"]
# callgrind passes the processor's own features on: what the C library would choose by them is switched off.
SAME_EVERYWHERE = {
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX,-AVX512F,-AVX512VL,-BMI1,-BMI2,-ERMS,-FSRM,-LZCNT,-MOVBE,-RTM,-AVX_Fast_Unaligned_Load,-Prefer_No_VZEROUPPER",
    "SWIFT_DETERMINISTIC_HASHING": "1",
}
ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"}


def release(directory):
    """A release's evbd in the directory, without debugging information: valgrind 3.19 does not read Swift's, and ends."""
    where = os.environ.get("EVBD_RELEASE_DIR")
    if not where:
        subprocess.run([*BUILD, "--product", "evbd"], cwd=REPOSITORY, stdin=subprocess.DEVNULL, check=True)
        where = subprocess.run([*BUILD, "--show-bin-path"], cwd=REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout.strip()
    program = Path(directory) / "evbd"
    subprocess.run(["strip", "--strip-debug", "-o", program, Path(where) / "evbd"], check=True)
    return program


def uninterrupted():
    """What to put before a command for its threads to have one processor, each until it waits: whether the loop hears the news of a link
    before the worker's next change, or after it, is then the same in each run. Nothing where the machine does not allow that."""
    words = ["taskset", "-c", str(max(os.sched_getaffinity(0))), "chrt", "--fifo", "1"]
    return words if subprocess.run([*words, "true"], capture_output=True).returncode == 0 else []


class CountedEvbd(Evbd):
    """An evbd of a release; with `callgrind` under that, with `clock` by a clock that the test moves."""

    def __init__(self, lab, namespace, program, callgrind, clock=None, **more):
        self.program, self.callgrind, self.clock, self.dumps = program, callgrind, clock, 0
        super().__init__(lab, namespace, start=False, **more)
        self.environment = SAME_EVERYWHERE
        self.launch()
        if clock:
            # It would wait for a time that does not come.
            lab.at_end(self.process.kill)
        # callgrind takes some seconds to begin, and evbd is some fifty times slower under it.
        eventually(lambda: self.socket.exists(), 60, f"evbd has its control socket\n{self.process.tail()}")

    def launch(self):
        words = [self.program, "--config", self.config_file, "--runtime-dir", self.directory, "--types-dir", self.directory / "type-copies"]
        if self.callgrind:
            words = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={self.directory / 'counted'}", *words]
        if self.clock:
            words = [*uninterrupted(), *self.clock.words(self.name), *words]
        self.process = self.lab.start(self.name, self.namespace.command(*words), self.environment)
        if self.clock:
            self.clock.hands[-1].process = self.process
        return self.process

    def dump(self):
        """What the loop's thread has done since the last dump."""
        subprocess.run(["callgrind_control", "-d", str(self.pid)], check=True, capture_output=True, timeout=60)
        self.dumps += 1
        file = self.directory / f"counted.{self.dumps}-01"
        eventually(lambda: file.exists() and "totals:" in file.read_text(errors="replace")[-200:], 20, f"callgrind has written {file}")
        return Profile(file)


class Profile:
    """A dump of callgrind: instructions in all and of each function itself, and how often memory was asked for."""

    NAMED = re.compile(r"(c?fn)=\((\d+)\)(?: (.*))?")

    def __init__(self, file):
        names, self.functions, self.allocations = {}, collections.Counter(), 0
        function = called = ""
        after_call = False
        for line in Path(file).read_text(errors="replace").splitlines():
            if found := self.NAMED.match(line):
                kind, number, name = found.groups()
                if name:
                    names[number] = name
                function, called = (names[number], called) if kind == "fn" else (function, names[number])
            elif line.startswith("calls="):
                after_call = True
                self.allocations += int(line[6:].split()[0]) if called in ALLOCATORS else 0
            elif line.startswith("totals:"):
                self.instructions = int(line.split()[1])
            elif line[:1] in "0123456789+-*" and line:
                # The line after a call has what the other function took.
                self.functions[function] += 0 if after_call else int(line.split()[1])
                after_call = False

    def top(self, count, operations):
        """The functions that take most, as lines: instructions for each operation."""
        named = subprocess.run(["swift", "demangle", "--compact", "--simplified"], input="\n".join(self.functions), capture_output=True, text=True)
        shown = dict(zip(self.functions, named.stdout.splitlines())) if named.returncode == 0 else {}
        return [f"{spent // operations:9} {shown.get(name, name)[:120]}" for name, spent in self.functions.most_common(count)]


class SystemCalls:
    """The system calls of a process's first thread."""

    # How many turns the loop takes, and in how many pieces it reads what has come, is the clock's. Those by which it waits are not counted,
    # and those by which it looks are counted for themselves.
    WAITING = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "futex", "restart_syscall", "sched_yield"}
    LOOKING = {"read", "recvfrom", "recvmsg", "recvmmsg", "getsockopt", "newfstatat", "fstat"}

    def __init__(self, evbd):
        assert shutil.which("strace"), "strace is missing: apt install strace"
        self._pid, self._strace = evbd.pid, Strace(evbd)

    def end(self):
        """(name -> how many of those that do something, and of those that look)."""
        made = collections.Counter(re.findall(rf"^{self._pid} +(\w+)\(", self._strace.end(), re.M))
        looks = {name: count for name, count in made.items() if name in self.LOOKING}
        return {name: count for name, count in made.items() if name not in self.WAITING | self.LOOKING}, looks
