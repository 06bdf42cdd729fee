"""Whole processes of the command lines, and the size of the programs."""

import os
import subprocess
import time

from lab import lldpad as lldpads
from lab.evbd import binary

ROWS = ("version", "evbctl-status", "evbctl-size", "evbd-size")


def run_once(words, environment):
    quiet = [(os.POSIX_SPAWN_OPEN, descriptor, "/dev/null", os.O_RDWR, 0) for descriptor in (0, 1, 2)]
    began = time.perf_counter()
    pid = os.posix_spawn(words[0], words, environment, file_actions=quiet)
    status = os.waitpid(pid, 0)[1]
    seconds = time.perf_counter() - began
    assert status == 0, f"{' '.join(words)}: status {os.waitstatus_to_exitcode(status)}"
    return 1e3 * seconds


def stripped(program, directory):
    copy = directory / "stripped"
    subprocess.run(["strip", "-o", copy, program], check=True)
    return copy.stat().st_size / 1e6


def measure(stage, results, scope):
    evbd, lldpad = stage.evbd(), stage.lldpad()
    root, (_, libraries) = lldpads.unpacked(), lldpads.command("", "")
    evbctl, lldptool, floor = str(binary("evbctl")), str(root / "usr/sbin/lldptool"), str(stage.floor)
    environment = {**os.environ, **libraries, "EVBCTL_SOCKET": str(evbd.socket)}
    for _ in range(scope.rounds * (3 if scope.quick else 10)):
        for row, words in (("version", [evbctl, "--version"]), ("evbctl-status", [evbctl, "status"])):
            results.add(row, "floor", run_once([floor, "version"], environment))
            results.add(row, "evbd", run_once(words, environment))
        with lldpad.namespace.entered():
            results.add("version", "lldpad", run_once([lldptool, "-v"], environment))
            results.add("evbctl-status", "lldpad", run_once([lldptool, "get-lldp", "-i", "uplink0", "adminStatus"], environment))
    for row, subject, program in (("evbctl-size", "evbd", evbctl), ("evbctl-size", "lldpad", lldptool), ("evbd-size", "evbd", binary("evbd")),
                                  ("evbd-size", "lldpad", root / "usr/sbin/lldpad")):
        results.add(row, subject, stripped(program, stage.lab.directory))
    evbd.process.stop()
    lldpad.process.stop()
