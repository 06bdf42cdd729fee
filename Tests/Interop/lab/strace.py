"""The system calls of a running evbd, by strace."""

import os
import signal
import subprocess
from pathlib import Path

from .system import eventually


class Strace:
    """Runs beside an evbd from when all of its threads are traced."""

    def __init__(self, evbd, *words):
        self._log = evbd.lab.directory / "calls"
        self._tracer = subprocess.Popen(["strace", "-f", "-s", "0", *words, "-o", self._log, "-p", str(evbd.pid)],
                                        stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        is_traced = lambda thread: f"TracerPid:\t{self._tracer.pid}\n" in Path(f"/proc/{evbd.pid}/task/{thread}/status").read_text()
        eventually(lambda: all(map(is_traced, os.listdir(f"/proc/{evbd.pid}/task"))), 10, "all threads are traced")

    def end(self):
        """What strace has written."""
        self._tracer.send_signal(signal.SIGINT)
        self._tracer.wait(10)
        text = self._log.read_text(errors="replace")
        self._log.unlink()
        return text
