"""What the work of evbd costs where no clock can move it: system calls and octets written."""

import re
import shutil

import pytest

from lab import eventually
from lab.pair import Pair, requests
from lab.strace import Strace

COUNT = 40


class Calls:
    """The system calls of a process about files in its directory of VSIs."""

    NAMES = "open,openat,creat,rename,renameat2,unlink,unlinkat,fchmod,ftruncate,write,pwrite64,fsync,fdatasync,lstat,newfstatat"

    def __init__(self, evbd):
        if not shutil.which("strace"):
            pytest.skip("strace is not installed (apt install strace)")
        self._strace = Strace(evbd, "-y", "-e", f"trace={self.NAMES}")

    def end(self):
        """The names of the calls, in their order."""
        return [re.search(r"(\w+)\(", line).group(1) for line in self._strace.end().splitlines() if "/vsis" in line and "(" in line]


def test_SPD_322_a_client_waits_for_no_line_of_the_log(cable):
    """SPD-322 Of an association that is asked for alone, the client is answered before its line is written to the log, and no memory is asked of the kernel for the call."""
    pair = Pair(cable, log={"level": "notice"})
    control = pair.control()
    first, *wanted = requests(COUNT + 1, wait=10_000)
    control.call("Associate", **first)
    if not shutil.which("strace"):
        pytest.skip("strace is not installed (apt install strace)")
    tracer = Strace(pair.evbd, "-y", "-e", "trace=recvfrom,sendto,write,mmap,munmap")
    for request in wanted:
        control.call("Associate", **request)
    eventually(lambda: pair.evbd.process.output().count("VSI associated") > COUNT, 5, "the last line is written")
    loops = re.findall(rf"^{pair.evbd.pid} +(\w+)\((\d*)<?(\w*)", tracer.end(), re.M)
    memory = [name for name, _, _ in loops if "map" in name]
    assert len(memory) < COUNT / 4, memory
    # The client's socket is the one that is read by recvfrom and written by sendto.
    asked = {number for name, number, _ in loops if name == "recvfrom"}
    steps = [name for name, number, _ in loops if name == "sendto" and number in asked or name == "write" and number == "2"]
    assert steps.count("sendto") == steps.count("write") == COUNT, steps
    # A slice of work may be over between the grant and the answer, the more often the more there is to do on the machine: the line has its
    # turn then. Where the line is written first by intention, none of the answers comes before it.
    assert ["sendto", "write"] in [steps[place:place + 2] for place in range(0, 2 * COUNT, 2)], steps


def test_SPD_108_the_store_costs_an_association_two_writes(cable):
    """SPD-108 An association is one line written and one octet, its release one octet or two; nothing is opened, renamed or removed, and the file's place is looked at once in a turn."""
    pair = Pair(cable)
    control = pair.control()
    first, *wanted = requests(COUNT + 1, wait=10_000)
    control.call("Associate", **first)
    before = pair.evbd.journal.stat().st_size
    calls = Calls(pair.evbd)
    for request in wanted:
        control.call("Associate", **request)
    made = calls.end()
    written = pair.evbd.journal.stat().st_size - before
    assert made.count("pwrite64") == 2 * COUNT, made
    assert len(made) <= 4 * COUNT and set(made) <= {"pwrite64", "lstat", "newfstatat"}, made
    assert written < 700 * COUNT
    calls = Calls(pair.evbd)
    for request in wanted:
        control.call("Deassociate", vsiID=request["vsiID"], wait=10_000)
    made = calls.end()
    assert made.count("pwrite64") <= 2 * COUNT and set(made) <= {"pwrite64", "lstat", "newfstatat"}, made
    assert pair.evbd.journal.stat().st_size == before + written and len(pair.evbd.stored()) == 1
