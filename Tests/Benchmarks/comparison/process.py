"""What a process has taken: processor and memory, as the kernel counts them."""

import os
from pathlib import Path


def processor_seconds(pid):
    """Of all of its threads, to the nanosecond: /proc/PID/stat has hundredths of a second only."""
    spent = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            spent += int(Path(f"/proc/{pid}/task/{task}/schedstat").read_text().split()[0])
        except FileNotFoundError:
            pass        # a thread that has ended meanwhile
    return spent / 1e9


def _kibibytes(file, names):
    return sum(int(line.split()[1]) for line in Path(file).read_text().splitlines() if line.split(":")[0] in names)


def resident(pid):
    """Octets."""
    return 1024 * _kibibytes(f"/proc/{pid}/status", {"VmRSS"})


def private(pid):
    """Octets that no other process shares."""
    return 1024 * _kibibytes(f"/proc/{pid}/smaps_rollup", {"Private_Clean", "Private_Dirty"})


def load():
    """The load of the last minute."""
    return os.getloadavg()[0]
