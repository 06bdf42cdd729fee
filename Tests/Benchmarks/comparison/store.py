"""What the store costs on a disk, against the same in memory."""

import subprocess
import time

from .clients import EvbdClient, spin
from .process import processor_seconds
from .stage import associations, vsis

ROWS = ("store",)


def kind(directory):
    """The file system's kind, as `stat -f` names it."""
    return subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True, check=True).stdout.strip()


def burst(evbd, count):
    client, wanted = EvbdClient(evbd), vsis(count)
    spent = processor_seconds(evbd.pid)
    client.call_all(associations(wanted, wait=0))
    spin(lambda: client.counts().get("associated") == count, 120, f"{count} are associated")
    time.sleep(0.2)     # what is written behind
    client.close()
    return 1e6 * (processor_seconds(evbd.pid) - spent) / count


def measure(stage, results, scope):
    count = 100 if scope.quick else 1000
    results.remark("store", f"The disk's file system is {kind(stage.elsewhere.directory)}, that in memory {kind(stage.lab.directory)}.")
    for _ in range(scope.rounds):
        for subject, lab in (("floor", stage.lab), ("evbd", stage.elsewhere)):
            evbd = stage.evbd(lab=lab)
            results.add("store", subject, burst(evbd, count))
            evbd.process.stop()
