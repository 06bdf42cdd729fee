"""Packaging/lab as a tester of stations and bridges uses it, with the examples of Packaging/labs."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from lab import eventually
from lab.evbd import BINARIES
from lab.system import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "Packaging/lab.d"))
import description  # noqa: E402

LAB, EXAMPLES = REPOSITORY / "Packaging/lab", REPOSITORY / "Packaging/labs"
LABS = Path("/run/evbd-lab")


class Laboratory:
    """Labs of this test by names of its own."""

    def __init__(self, directory):
        self.directory, self.names, self.environment = directory, [], {**os.environ, "EVBD_BIN_DIR": str(BINARIES.resolve())}

    def name(self, example):
        self.names.append(f"t{os.getpid()}-{example}"[:32])
        return self.names[-1]

    def run(self, *words, status=0, **options):
        # Not by pipes: what is left up would hold them.
        log = self.directory / "lab.log"
        with open(log, "wb") as output:
            ended = subprocess.run([LAB, *map(str, words)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment, timeout=120, **options)
        said = log.read_text()
        assert ended.returncode == status, said
        return said

    def up(self, example, *words):
        name = self.name(example)
        self.run(EXAMPLES / f"{example}.yaml", "--name", name, *words)
        return name

    def ctl(self, name, node, *words):
        return json.loads(self.run("exec", name, node, "evbctl", *words, "--json"))

    def state(self, name, node, machine):
        """The state and the reason of a machine's VSI, by its label."""
        found = {vsi["label"]: (vsi["state"], vsi["reason"]) for vsi in self.ctl(name, node, "vsi", "list")}
        return found.get(machine, (None, None))

    def pings(self, name, machine, address):
        return subprocess.run(["ip", "netns", "exec", f"{name}-{machine}", "ping", "-n", "-q", "-c", "1", "-W", "1", address],
                              stdout=subprocess.DEVNULL).returncode == 0

    def left(self, name):
        """What there is of a lab: its folder, namespaces, devices and processes."""
        said = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout
        found = [word for word in said.split() if word.startswith(f"{name}-")]
        found += map(str, [*LABS.glob(name), *Path("/dev").glob(f"{name}-*")])
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if f"/{name}/" in words or f"{name}-" in words:
                found.append(words)
        return found

    def end(self):
        for name in self.names:
            if (LABS / name).exists():
                self.run("down", name)


@pytest.fixture
def laboratory(tmp_path):
    made = Laboratory(tmp_path)
    yield made
    made.end()


SOUND = """name: sound
switches: { s: {} }
hosts: { h: {} }
links:
  - ends: [h:up0, s:p0]
machines:
  m: { host: h, mac: 52:54:00:00:00:01, type: 100 }
"""
MISTAKES = {
    "name: sound": ("nam: sound", 1, "nam: there is no such key; allowed here: name, hosts, switches, links, machines"),
    "name: sound\n": ("", 1, "the file: the key name is missing"),
    "s: {} }": ("s: { misbehav: {} } }", 2, "switches.s.misbehav: there is no such key; allowed here: port, misbehave, command"),
    "{ s: {} }": ("{ S: {} }", 2, "switches.S: no name; a name has 1 to 32 small letters, digits and dashes"),
    "h: {} }": ("h: { port: { edge: vepa } } }", 3, "hosts.h.port.edge: there is no such key; allowed here: dialect, "),
    "hosts: { h: {} }": ("hosts: { h: { command: x, port: {} } }", 3, "hosts.h: command stands for a program of your own"),
    "hosts: { h: {} ": ("hosts: { h: {}, s: {} ", 2, "switches.s: the name is taken already, in hosts"),
    "[h:up0, s:p0]": ("[h:up0, t:p0]", 5, "links[0].ends[1]: there is no host or switch t; there are: h, s"),
    "h:up0,": ("h,", 5, "links[0].ends[0]: has to be NODE:INTERFACE"),
    "p0]": ("p0]\n    loss: 101", 6, "links[0].loss: has to be a number from 0 to 100"),
    "s:p0]": ("s:p0]\n    of: ecp", 6, "links[0].of: says what is lost: it needs the key loss"),
    ":p0]": (":p0]\n    loss: 1\n    of: vdp", 7, "links[0].of: has to be one of all, lldp, ecp"),
    "host: h": ("host: x", 7, "machines.m.host: there is no host x; there are: h"),
    "mac: 52:": ("mac: 53:", 7, "machines.m.mac: is a group address"),
    ", type: 100": ("", 7, "machines.m: the key type is missing: the VSI type ID, 0 to 16777215"),
    "type: 100": ("type: web", 7, "machines.m.type: has to be a whole number from 0 to 16777215"),
    "100 }": ("100, address: 192.0.2.300/24 }", 7, "machines.m.address: has to be an IPv4 address with its prefix"),
    " }\n": (" }\n  n: [\n", 9, "this is no YAML"),
    "type: 100 ": ("type: 2026-13-45 ", 7, "machines.m.type: is no value that YAML knows: month must be"),
    "h: {} }\n": ("h: { port: !!python/object:os.system {} } }\n", 3, "hosts.h.port: is no value that YAML knows: could not determine a constructor"),
    "name: sound\ns": ("name: &own { a: *own }\ns", 1, "name: has to be 1 to 32"),
    "hosts: { h: {} }\n": ("hosts: { h: { port: &own { evb: *own } } }\n", 3, "hosts.h.port: is no value that YAML knows: found unconstructable recursive node"),
}


@pytest.mark.parametrize("part", MISTAKES, ids=lambda part: part.strip())
def test_LAB_101_mistakes(part):
    """LAB-101 Each mistake has its file, its line, its key, and what would do."""
    other, line, words = MISTAKES[part]
    at = SOUND.rindex(part)
    text = SOUND[:at] + other + SOUND[at + len(part):]
    assert description.read("lab.yaml", SOUND)["name"] == "sound"
    with pytest.raises(description.Mistake) as caught:
        description.read("lab.yaml", text)
    assert str(caught.value).startswith(f"lab.yaml:{line}: {words}")


def test_LAB_101_what_evbd_does_not_take(laboratory, tmp_path):
    """LAB-101 Values of a port's keys are evbd's to check; no file is no traceback either."""
    file = tmp_path / "wrong.yaml"
    file.write_text(SOUND.replace("s: {} }", "s: { misbehave: { silent: never } } }"))
    name = laboratory.name("wrong")
    said = laboratory.run(file, "--name", name, status=1)
    assert f"{file}: evbd does not take what is said of s:" in said and "silent" in said and laboratory.left(name) == []
    said = laboratory.run(tmp_path / "none.yaml", status=1)
    assert said == f"lab: {tmp_path}/none.yaml cannot be read: No such file or directory; examples are in Packaging/labs\n"
    assert "usage" in laboratory.run(status=64) and "--name" in laboratory.run("--help")
    assert "there is no option --nme" in laboratory.run(file, "--nme", "x", status=64)
    assert "there is no lab nowhere" in laboratory.run("down", "nowhere", status=1)


def test_LAB_102_two_hosts(laboratory):
    """LAB-102 LAB-103 LAB-104 LAB-109 Two hosts and a switch, from their beginning to their end."""
    name = laboratory.up("two-hosts")
    for machine, host in (("vm1", "host-a"), ("vm2", "host-a"), ("vm3", "host-b")):
        eventually(lambda: laboratory.state(name, host, machine) == ("associated", "success"), 20, f"{machine} is associated")
    # By the reflective relay, and between the hosts.
    eventually(lambda: laboratory.pings(name, "vm1", "192.0.2.2") and laboratory.pings(name, "vm1", "192.0.2.3"), 20, "the machines reach each other")
    shown = laboratory.run("status", name)
    assert re.search(r"^switch +switch +evbd runs ", shown, re.M) and re.search(r"^vm3 +machine +on host-b: associated ", shown, re.M), shown
    assert re.search(rf"^{name}: switch host-a host-b vm1 vm2 vm3 \({EXAMPLES}/two-hosts\.yaml\)$", laboratory.run("list"), re.M)

    # A second one of the name is refused, and costs the first nothing.
    said = laboratory.run(EXAMPLES / "two-hosts.yaml", "--name", name, status=1)
    assert f"a lab {name} is up already" in said and laboratory.pings(name, "vm1", "192.0.2.3")

    # A switch that forgets: it has another process, and the stations ask it again.
    before = laboratory.ctl(name, "switch", "status")["daemon"]["pid"]
    laboratory.run("restart", name, "switch")
    assert laboratory.ctl(name, "switch", "status")["daemon"]["pid"] != before
    eventually(lambda: len(laboratory.ctl(name, "switch", "vsi", "list")) == 3, 60, "the switch has the VSIs again")
    assert "vm1 is a machine" in laboratory.run("restart", name, "vm1", status=1)
    assert "has no vm9" in laboratory.run("exec", name, "vm9", "true", status=1)

    assert len(laboratory.left(name)) > 10
    assert laboratory.run("down", name) == f"lab {name} is gone\n"
    assert laboratory.left(name) == []


def test_LAB_104_a_namespace_of_another(laboratory):
    """LAB-104 A network namespace that has a name of the lab's is no part of it, and stays."""
    name = laboratory.name("two-hosts")
    subprocess.run(["ip", "netns", "add", f"{name}-host-b"], check=True)
    try:
        said = laboratory.run(EXAMPLES / "two-hosts.yaml", "--name", name, status=1)
        assert f"there is a network namespace {name}-host-b already, which is not this lab's" in said
        assert laboratory.left(name) == [f"{name}-host-b"]
    finally:
        subprocess.run(["ip", "netns", "delete", f"{name}-host-b"], check=True)


def test_LAB_105_loss(laboratory):
    """LAB-105 Some of ECP is lost on its way and none of LLDP, and the association comes all the same."""
    name = laboratory.up("lossy", "--wait", "0")

    def dropped():
        rules = json.loads(subprocess.run(["ip", "netns", "exec", f"{name}-cable0", "nft", "-j", "list", "table", "netdev", "cable"],
                                          capture_output=True, check=True).stdout)["nftables"]
        return sum(each["counter"]["packets"] for rule in rules if "rule" in rule
                   for each, after in zip(rule["rule"]["expr"], rule["rule"]["expr"][1:]) if "counter" in each and "drop" in after)

    def asks():
        vsi = laboratory.ctl(name, "host", "vsi", "list")[0]["vsiID"]
        laboratory.run("exec", name, "host", "evbctl", "vsi", "associate", vsi, "--port", "uplink0", "--type", "100",
                       "--filter", "mac=52:54:00:00:00:01", "--link", "vm1", "--wait", "20")
        return dropped() > 0
    eventually(asks, 60, "a frame of ECP is lost")
    eventually(lambda: laboratory.state(name, "host", "vm1")[0] == "associated", 20, "it is associated")
    assert "loses 30 % of ecp towards host; loses 30 % of ecp towards switch" in laboratory.run("status", name)


def test_LAB_106_misbehaving(laboratory):
    """LAB-106 One switch refuses, the other acknowledges, answers nothing and does not reflect."""
    name = laboratory.up("misbehaving", "--wait", "0")
    assert laboratory.ctl(name, "refusing", "port", "show", "port0")["misbehaviour"]["refuse"] == "insufficient-resources"
    eventually(lambda: laboratory.state(name, "host-a", "vm1")[1] == "insufficient-resources", 20, "vm1 is refused")
    eventually(lambda: laboratory.ctl(name, "host-b", "status")["ports"][0]["reflectiveRelay"]["status"] == "refused", 20, "nothing is reflected")
    eventually(lambda: laboratory.ctl(name, "host-b", "port", "show", "uplink0")["ecp"]["txFrameCount"] > 0, 20, "vm2 is asked for")
    assert laboratory.state(name, "host-b", "vm2")[0] in ("pending", "deassociated")


@pytest.mark.parametrize("example, node", [("own-station", "station"), ("own-bridge", "bridge")])
def test_LAB_107_own_programs(laboratory, example, node):
    """LAB-107 The command runs in its namespace, with its interfaces, and hears evbd at the other end."""
    name = laboratory.up(example, "--wait", "0")
    log = LABS / name / f"{node}.log"
    eventually(lambda: "LLDP from " in log.read_text(), 20, "evbd's LLDP is heard")
    assert re.search(rf"^{node} +(host|switch) +command runs ", laboratory.run("status", name), re.M)
    if example == "own-station":
        shown = json.loads(laboratory.run("exec", name, node, "ip", "-d", "-j", "link", "show", "vm1"))[0]
        assert (shown["linkinfo"]["info_data"]["mode"], shown["address"]) == ("vepa", "52:54:00:00:00:01")
        eventually(lambda: (LABS / name / "vm1.log").read_text().endswith("runs\n"), 20, "the machine is plugged in")


def test_LAB_108_failure(laboratory, tmp_path):
    """LAB-108 An evbd that does not start: its log is shown, and nothing stays."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "evbctl").symlink_to(BINARIES.resolve() / "evbctl")
    (programs / "evbd").write_text('#!/bin/sh\n[ "$1" != --check-config ] || exit 0\necho no evbd today >&2\nexit 1\n')
    (programs / "evbd").chmod(0o755)
    laboratory.environment["EVBD_BIN_DIR"] = str(programs)
    name = laboratory.name("two-hosts")
    said = laboratory.run(EXAMPLES / "two-hosts.yaml", "--name", name, status=1)
    assert "evbd of switch does not answer" in said and "no evbd today" in said
    assert laboratory.left(name) == []


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_LAB_108_interrupted(laboratory, tmp_path, number, status):
    """LAB-108 Ctrl-C and kill while a switch is waited for that never answers."""
    name = laboratory.name("own-bridge")
    with open(tmp_path / "up.log", "wb") as output:
        child = subprocess.Popen(
            [LAB, EXAMPLES / "own-bridge.yaml", "--name", name, "--wait", "600"], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            env=laboratory.environment, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    eventually(lambda: (LABS / name / "vm1.log").exists(), 20, "the lab is built")
    child.send_signal(number)
    assert child.wait(30) == status, (tmp_path / "up.log").read_text()
    assert laboratory.left(name) == []


def test_LAB_110_the_demo(laboratory):
    """LAB-110 What Packaging/demo has laid is a lab of its own too."""
    name = laboratory.up("demo", "--wait", "20")
    assert laboratory.state(name, "host-a", "vm1")[0] == laboratory.state(name, "host-a", "vm2")[0] == "associated"
    eventually(lambda: laboratory.pings(name, "vm1", "192.0.2.2"), 20, "vm1 reaches vm2")


def test_LAB_101_the_pages_file():
    """LAB-101 The file that Documentation/labs.md shows is one, and each key has its place there."""
    page = (REPOSITORY / "Documentation/labs.md").read_text()
    text, = re.findall(r"^```text\n(name: .*?)^```$", page, re.M | re.S)
    assert description.read("labs.md", text)["links"][0]["loss"]
    for keys in ("misbehave", "command", "port", "loss", "of", "associate", "manager", "type-version", "vlan", "address", "vsi"):
        assert f"{keys}:" in text, keys
