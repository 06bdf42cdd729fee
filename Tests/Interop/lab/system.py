"""Namespaces, links and processes of one test, all taken down with it.

Every namespace carries the run id. Links are born inside their namespace and never show in the caller's own, so their names may
repeat between runs. Processes die with the test runner (PR_SET_PDEATHSIG), also when that is killed.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[3]
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def eventually(check, seconds, what, every=0.05):
    """Calls check until it gives something true, and returns that; an AssertionError names what never came. What that was may be a function,
    for what is to be looked at only then."""
    deadline = time.monotonic() + seconds
    while True:
        last = check()
        if last:
            return last
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what} (last look: {last!r})")
        time.sleep(every)


def unread(pid):
    """Octets that wait in the packet sockets of the namespace in which the process lives."""
    lines = Path(f"/proc/{pid}/net/packet").read_text().splitlines()
    column = lines[0].split().index("Rmem")
    return sum(int(line.split()[column]) for line in lines[1:])


def always(check, seconds, what, every=0.05):
    """The opposite: check has to stay true for the whole time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert check(), f"broke before {seconds} s were over: {what}"
        time.sleep(every)


def run(*command, check=True, timeout=30):
    """Runs a command; with check, a failure carries what the command said."""
    result = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=timeout)
    if check and result.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {result.returncode}: {result.stderr or result.stdout}")
    return result


class Namespace:
    """A network namespace with lo up. Commands and sockets are put into it one by one; the test itself stays outside."""

    def __init__(self, name):
        self.name = name
        run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    @contextlib.contextmanager
    def entered(self):
        """The calling thread is inside; a socket made here stays here."""
        with open("/proc/thread-self/ns/net") as outside, open(f"/run/netns/{self.name}") as inside:
            _setns(inside.fileno())
            try:
                yield
            finally:
                _setns(outside.fileno())

    def command(self, *words):
        return ["ip", "netns", "exec", self.name, *map(str, words)]

    def links(self):
        """name -> what `ip -d -j link` says of it."""
        return {link["ifname"]: link for link in json.loads(self.ip("-d", "-j", "link", "show").stdout or "[]") if link}

    def link(self, name):
        """One link, or None."""
        return self.links().get(name)

    def index(self, name):
        return self.links()[name]["ifindex"]

    def mac(self, name):
        return self.links()[name]["address"]

    def is_up(self, name):
        link = self.link(name)
        return link is not None and "UP" in link["flags"]

    def delete(self):
        run("ip", "netns", "delete", self.name, check=False)


def _setns(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _in_the_child():
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a runner in the background of a shell hands on that it ignores it


class Process:
    """A process with its output in a file. It is ended by its own process id only."""

    def __init__(self, name, command, log, environment=None):
        self.name = name
        self.log = Path(log)
        self.stopped = False
        self._output = open(self.log, "ab")
        self._child = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=self._output, stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})}, start_new_session=True,
            preexec_fn=_in_the_child)

    @property
    def pid(self):
        return self._child.pid

    @property
    def alive(self):
        return self._child.poll() is None

    @property
    def status(self):
        """The exit status, None while it runs; minus the signal's number where one ended it."""
        return self._child.poll()

    def signal(self, number):
        self._child.send_signal(number)

    def freeze(self):
        """Stops the process, and waits until the kernel says so, so that nothing of it happens afterwards."""
        self.signal(signal.SIGSTOP)
        eventually(lambda: self._state() in ("T", "t"), 5, f"{self.name} is frozen", every=0.005)
        self.stopped = True

    def thaw(self):
        self.signal(signal.SIGCONT)
        self.stopped = False

    def _state(self):
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def rss_kib(self):
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise RuntimeError(f"{self.name} has no memory: it ended")

    def wait(self, seconds):
        """Its exit status; AssertionError where it runs on."""
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} has not ended within {seconds} s\n{self.tail()}") from None

    def stop(self, seconds=10):
        """SIGTERM, and after the given time SIGKILL."""
        if self.alive:
            if self.stopped:
                self.thaw()
            self.signal(signal.SIGTERM)
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        self._output.close()
        return self._child.returncode

    def kill(self):
        if self.alive:
            self.signal(signal.SIGKILL)
            self._child.wait(10)

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines=40):
        text = self.output().splitlines()[-lines:]
        return f"--- {self.name} (pid {self.pid}, {'running' if self.alive else f'ended with {self.status}'}), log {self.log}\n" + "\n".join(text)


class Lab:
    """What one test has set up. Use as a context manager: it takes everything down in the reverse order, whatever happened.

    `in_memory`: the runtime directories are no files on a disk, as those in /run are not. Where time is measured, a disk would be too.
    """

    def __init__(self, in_memory=False):
        self.id = f"evbt{os.getpid()}-{os.urandom(3).hex()}"
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.id}-", dir="/dev/shm" if in_memory and os.path.ismount("/dev/shm") else None))
        self.processes = []
        self._undo = contextlib.ExitStack()
        self._undo.callback(shutil.rmtree, self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._undo.close()

    def at_end(self, callback, *arguments):
        self._undo.callback(callback, *arguments)

    def namespace(self, name):
        made = Namespace(f"{self.id}-{name}")
        self.at_end(made.delete)
        return made

    def veth(self, first, first_name, first_mac, second, second_name, second_mac):
        """A cable between two namespaces, both ends up."""
        first.ip("link", "add", first_name, "address", first_mac, "type", "veth",
                 "peer", "name", second_name, "address", second_mac, "netns", second.name)
        first.ip("link", "set", first_name, "up")
        second.ip("link", "set", second_name, "up")
        eventually(lambda: first.links()[first_name]["operstate"] == second.links()[second_name]["operstate"] == "UP",
                   5, f"{first_name} and {second_name} are up")

    def start(self, name, command, environment=None):
        count = sum(process.name.split("#")[0] == name for process in self.processes)
        process = Process(f"{name}#{count + 1}" if count else name, command, self.directory / f"{name}{count or ''}.log", environment)
        self.processes.append(process)
        self.at_end(process.stop)
        return process

    def logs(self):
        return "\n".join(process.tail() for process in self.processes)
