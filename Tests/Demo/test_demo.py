"""Packaging/demo as a user runs it: what it shows, what its captures have, and that nothing of it stays, however it ends."""

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import shark

REPOSITORY = Path(__file__).resolve().parents[2]
DEMO = REPOSITORY / "Packaging/demo"
BINARIES = Path(os.environ.get("EVBD_BIN_DIR", REPOSITORY / ".build/debug"))
FIRST, SECOND = "1f9b1c53-8b5c-4eeb-8f00-d84eaa0aaa01", "1f9b1c53-8b5c-4eeb-8f00-d84eaa0aaa02"


class Demo:
    """A run of the demo, without a terminal."""

    def __init__(self, log, *words, binaries=BINARIES):
        self.log = log
        with open(log, "wb") as output:
            # A runner in the background of a shell hands on that it ignores SIGINT.
            self.child = subprocess.Popen(
                [str(DEMO), *words], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
                env={**os.environ, "EVBD_BIN_DIR": str(binaries)}, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.id = f"evbd-demo-{self.child.pid}"

    @property
    def output(self):
        return self.log.read_text()

    def status(self, seconds=600):
        return self.child.wait(seconds)

    def wait_for(self, text, seconds=120):
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert self.child.poll() is None and time.monotonic() < deadline, f"{text!r} never came:\n{self.output}"
            time.sleep(0.05)

    def namespaces(self):
        said = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        return [name for name in said.split() if name.startswith(self.id + "-")]

    def directories(self):
        return [path for path in Path("/tmp").glob(self.id + "-*") if "-captures-" not in path.name]

    def captures(self):
        """Host -> the capture of its cable, by what the demo says."""
        paths = map(Path, re.findall(r"^The capture of a cable: (\S+)", self.output, re.M))
        return {path.stem: path for path in paths}

    def processes(self):
        """Processes that have something of this run in their command lines."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if self.id + "-" in words:
                found.append(words)
        return found

    def leaves_nothing(self):
        assert (self.namespaces(), self.directories(), self.processes()) == ([], [], []), self.output

    def end(self):
        if self.child.poll() is None:
            self.child.terminate()
            self.child.wait(60)
        for path in Path("/tmp").glob(self.id + "-captures-*"):
            shutil.rmtree(path)


@pytest.fixture
def demo(tmp_path):
    runs = []

    def start(*words, **options):
        runs.append(Demo(tmp_path / f"demo{len(runs)}.log", *words, **options))
        return runs[-1]
    yield start
    for run in runs:
        run.end()


def vdp(capture):
    """What passed of VDP, as the dissector's summary has it: (mode, VSIID, what else)."""
    found = []
    for line in shark.run(capture, "-Y", "evbvdp").splitlines():
        found += re.findall(r"((?:Pre-)?Associate(?: with resource reservation)?|De-Associate) ([0-9a-f-]{36}) \(([^)]*)\)", line)
    return found


def echo_requests(capture, destination):
    return shark.run(capture, "-Y", f"icmp.type == 8 && ip.dst == {destination}", "-T", "fields", "-e", "icmp.seq").split()


@pytest.mark.parametrize("words", [(), ("--qemu",)], ids=["namespaces", "guests"])
def test_the_story(demo, words):
    """ARC-01 Pings pass through the reflective relay while both are associated, and only then; a machine moves."""
    run = demo(*words)
    assert run.status() == 0, run.output
    output = run.output
    assert re.search(r"\n== In short\n(   \S.*\.\n){3}All went well\.\n$", output), output[-600:]
    assert re.findall(r"ok: (\d+) of 100 lost", output) == ["100", "0", "100"], output
    assert re.findall(r"\.\.\. (hairpin \w+) \.\.\.", output) == ["hairpin off", "hairpin on", "hairpin off"], output
    sent, = re.findall(r"lost in the move: \d+ of (\d+) pings; the longest time without an answer was \d+ ms", output)
    assert int(sent) >= 150
    assert not [line for line in output.splitlines() if "\x1b" in line], "colours where there is no terminal"
    run.leaves_nothing()

    captures = run.captures()
    assert set(captures) == {"host-a", "host-b"}
    exchanges = {host: vdp(path) for host, path in captures.items()}
    expected = [("Associate", FIRST), ("Associate", SECOND), ("De-Associate", FIRST), ("De-Associate", SECOND)]
    done = [(mode, vsi) for mode, vsi, said in exchanges["host-a"] if said == "success"]
    assert list(dict.fromkeys(done)) == expected, exchanges
    reserve = "Pre-Associate with resource reservation"
    assert exchanges["host-b"][:4] == [(reserve, FIRST, "request, M"), (reserve, FIRST, "success"),
                                       ("Associate", FIRST, "request"), ("Associate", FIRST, "success")], exchanges
    for path in captures.values():
        assert "EVB station" in shark.run(path, "-Y", "evb") and "EVB bridge" in shark.run(path, "-Y", "evb")
        assert not shark.run(path, "-Y", "evb.malformed || _ws.malformed")
    # Machine 2 is on host A, machine 1 at last on host B.
    assert echo_requests(captures["host-b"], "192.0.2.1"), "pings have reached the machine where it is now"


def test_OVL_370_fabric(demo):
    """OVL-370 The story of two switches: tenants with the same addresses do not meet, and a machine moves to the other switch under pings."""
    run = demo("--fabric")
    assert run.status() == 0, run.output
    output = run.output
    assert re.search(r"\n== In short\n(   \S.*\.\n){3}All went well\.\n$", output), output[-600:]
    assert "a1 reaches a2" in output and "b1 reaches b2" in output and "and it is b2 that has answered" in output
    lost, = re.findall(r"(\d+) of 400 pings were lost\n", output)
    picture = Path(re.search(r"The picture: (\S+)", output)[1])
    shown = picture.read_text()
    assert shown.startswith("<svg") and f"{lost} of 400 pings lost" in shown
    # By its UDP port and both VNIs, the pings crossed the cable between the switches in their networks.
    underlay = run.captures()["underlay"]
    assert set(shark.run(underlay, "-Y", "icmp", "-T", "fields", "-e", "vxlan.vni").split()) == {"5000", "6000"}
    run.leaves_nothing()


def test_SCH_185_channels(demo):
    """SCH-185 The story of S-channels: each machine reaches what its channel is for, none gets into another, and a change of S-tags costs few pings."""
    run = demo("--channels")
    status = run.status()
    if status == 77:
        pytest.skip("User Mode Linux does not start on this processor, and this kernel has no VLAN devices")
    output = run.output
    assert status == 0, output
    assert re.search(r"\n== In short\n(   \S.*\.\n){3}All went well\.\n$", output), output[-600:]
    shown = re.findall(r"^     uplink0\.c(\d) +\d +(\d+) +station  up ", output, re.M)
    assert shown[:3] == [("2", "100"), ("3", "101"), ("4", "102")] and shown[-3:] == [("2", "200"), ("3", "201"), ("4", "202")], shown
    lost, = re.findall(r"(\d+) of 200 pings were lost\n", output)
    assert int(lost) <= 20
    run.leaves_nothing()


def test_keep(demo):
    """The lab stays, works on, and goes when its own script takes it away."""
    run = demo("--keep")
    assert run.status() == 0, run.output
    assert len(run.namespaces()) == 5
    remover, = re.findall(r"^To remove it: (\S+)", run.output, re.M)
    try:
        subprocess.run(["ip", "netns", "exec", f"{run.id}-vm2", "ping", "-n", "-c", "3", "192.0.2.1"], check=True, timeout=30,
                       stdout=subprocess.DEVNULL)
    finally:
        subprocess.run([remover], check=True, timeout=60)
    run.leaves_nothing()


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("where", ["== Laying the lab", "== Associating", "== Machine 1 moves"])
def test_interrupted(demo, where, number, status):
    """Ctrl-C and kill, early, in the middle and while a ping runs."""
    run = demo()
    run.wait_for(where)
    run.child.send_signal(number)
    assert run.status(60) == status, run.output
    assert "All went well" not in run.output and "Interrupted." in run.output
    run.leaves_nothing()


def test_a_failure_is_told_and_leaves_nothing(demo, tmp_path):
    """A station that cannot start."""
    for program in ("evbd", "evbctl"):
        (tmp_path / program).symlink_to(BINARIES.resolve() / program)
    (tmp_path / "evbd").unlink()
    (tmp_path / "evbd").write_text("#!/bin/sh\necho no evbd today >&2\nexit 1\n")
    (tmp_path / "evbd").chmod(0o755)
    run = demo(binaries=tmp_path)
    assert run.status(120) == 1, run.output
    assert "The demo failed." in run.output and "no evbd today" in run.output and "All went well" not in run.output
    run.leaves_nothing()


def test_words(demo):
    run = demo("--no-such-thing")
    assert run.status(30) == 64 and run.output.startswith("usage: ")
    run = demo("--help")
    assert run.status(30) == 0 and "--keep" in run.output and "--qemu" in run.output
    # By a path that means something in one directory only.
    said = subprocess.run(["./demo", "--help"], cwd=DEMO.parent, capture_output=True, text=True)
    assert said.returncode == 0 and "--keep" in said.stdout, said.stderr
