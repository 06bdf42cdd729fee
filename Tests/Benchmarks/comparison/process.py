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


def _kibibytes(file, name):
    return next(int(line.split()[1]) for line in Path(file).read_text().splitlines() if line.startswith(f"{name}:"))


def resident(pid):
    """Octets of the process's own data that are in memory, without the pages of its program and libraries."""
    return 1024 * _kibibytes(f"/proc/{pid}/status", "RssAnon")


def all_resident(pid):
    """Octets in memory, the program's too."""
    return 1024 * _kibibytes(f"/proc/{pid}/status", "VmRSS")


def private(pid):
    """Octets that it has written, and that no other process shares."""
    return 1024 * _kibibytes(f"/proc/{pid}/smaps_rollup", "Private_Dirty")


def load():
    """The load of the last minute."""
    return os.getloadavg()[0]
