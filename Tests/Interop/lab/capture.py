"""evbctl capture while a test goes on."""

import signal
import subprocess

from . import pcapng
from .evbd import OK, binary
from .system import eventually


class Recording:
    """evbctl capture, begun: it says so before the first frame."""

    def __init__(self, evbd, path, *words, port="uplink0"):
        self.path = path
        words = [*words] if path is None else ["--write", path, *words]
        self.process = subprocess.Popen(
            [binary("evbctl"), "--socket", evbd.socket, "capture", port, *map(str, words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        evbd.lab.at_end(self._end)
        self.said = self.process.stderr.readline()

    def _end(self):
        self.process.kill()
        self.process.wait()

    def end(self, number=signal.SIGINT, status=OK):
        """Ends it; what it wrote, and what it said on standard output and on standard error."""
        if number:
            self.process.send_signal(number)
        out, error = self.process.communicate(timeout=30)
        assert self.process.returncode == status, (self.process.returncode, self.said, error)
        self.said += error
        return pcapng.read(self.path) if self.path else None, out

    def packets(self):
        """Those that are there by now."""
        return pcapng.read(self.path, is_growing=True).packets if self.path.exists() and self.path.stat().st_size else []

    def wait_for(self, words, seconds=15):
        eventually(lambda: self.has(words), seconds, f"a frame with {words!r} is captured in {self.path}")

    def has(self, words):
        return any(words in packet.comment for packet in self.packets())
