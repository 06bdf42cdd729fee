"""One evbd, whatever other users of the host do: what keeps it from starting or running, and what does not."""

import os
import select
import signal
import subprocess
import time
import uuid

import pytest

from lab import Evbd, eventually
from lab.evbd import OK, binary
from lab.netlink import ASSOCIATE

# Some user without any right.
USER_WITHOUT_RIGHTS = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs", "--"]


def without_rights(lab, namespace, name, program):
    """A Python program of a user without rights, which says "ready" when it has done its worst."""
    squatter = lab.start(name, namespace.command(*USER_WITHOUT_RIGHTS, "/usr/bin/python3", "-I", "-c", program))
    eventually(lambda: "ready" in squatter.output(), 10, f"{name} is ready\n{squatter.tail()}")
    return squatter


BIND = """
import os, socket, time
held = []
for name in {names!r}:
    held.append(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    held[-1].bind(name)
assert os.getuid() == 65534
print("ready", flush=True)
time.sleep(600)
"""


def test_SEC_95_names_that_any_user_may_bind_stop_no_evbd(cable):
    """A user without rights has bound the abstract name of lldpad's socket, and names that end or begin alike: evbd starts."""
    without_rights(cable.lab, cable.host, "squatter", BIND.format(names=[b"\0/com/intel/lldpad", b"\0x @/com/intel/lldpad", b"\0/com/intel/lldpadx"]))
    assert cable.evbd().ctl("status").returncode == OK


SQUAT = """
import socket, time
held = []
for port in range({first}, {first} + {count}):
    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    try:
        s.bind((port, 0))
        held.append(s)
    except OSError:
        s.close()
print("ready", len(held), flush=True)
time.sleep(600)
"""


def test_SEC_96_netlink_ports_that_any_user_may_bind_stop_no_evbd(cable):
    """A user without rights has bound the netlink ports of the next processes: evbd serves libvirt at another, which the file tells."""
    last = int(open("/proc/loadavg").read().split()[-1])
    squatter = without_rights(cable.lab, cable.host, "squatter", SQUAT.format(first=last, count=1000))
    cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    assert last <= evbd.pid < last + 1000, f"the test has to be repeated: {evbd.pid} is not among the ports from {last} on"
    port = int(evbd.pid_file.read_text())
    assert port != evbd.pid and len(str(port)) <= 8
    assert f"netlink port {evbd.pid} is taken" in evbd.process.output()
    vsi = str(uuid.uuid4())
    assert evbd.libvirt().request("52:54:00:11:22:33", vsi, ASSOCIATE) is True
    assert evbd.state(vsi) == "associated"
    assert evbd.terminate() == 0 and not evbd.pid_file.exists()
    assert squatter.alive


def test_SEC_97_of_two_evbds_that_start_at_once_one_lives(cable):
    """On one interface of one namespace, with one runtime directory or with two: one serves, and the other says why it does not."""
    first = Evbd(cable.lab, cable.host, start=False, libvirt={"enabled": False})
    same = Evbd(cable.lab, cable.host, name="same", start=False, libvirt={"enabled": False})
    same.directory, same.socket = first.directory, first.socket
    same.config["control"]["socket"] = first.socket
    same.write_config()
    other = Evbd(cable.lab, cable.host, name="other", start=False, libvirt={"enabled": False})
    for turn in range(8):
        pair = (first, same) if turn % 2 else (first, other)
        for evbd in pair if turn % 4 < 2 else reversed(pair):
            evbd.launch()
        eventually(lambda: any(not evbd.process.alive for evbd in pair), 10, "one of two has ended")
        ended, alive = sorted(pair, key=lambda evbd: evbd.process.alive)
        eventually(lambda: alive.ctl("status").returncode == OK, 10, f"the other serves\n{alive.process.tail()}")
        assert ended.process.status == 1 and "another evbd" in ended.process.output(), ended.process.tail()
        alive.process.signal(signal.SIGKILL)
        alive.process.wait(10)


def test_SEC_98_an_interface_that_another_evbd_has_rests_until_that_ends(cable):
    """By SIGHUP a port comes that another evbd serves: it is refused with the reason, the rest goes on, and it comes when it is free."""
    cable.host.ip("link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
    first = cable.evbd()
    second = Evbd(cable.lab, cable.host, ports=("spare0",), name="second", libvirt={"enabled": False})
    second.config["ports"].append({**second.config["ports"][0], "interface": "uplink0"})
    second.write_config()
    second.process.signal(signal.SIGHUP)
    eventually(lambda: second.port("uplink0"), 10, "the port is listed")
    eventually(lambda: "another evbd has the interface" in second.process.output(), 5, "it says why")
    taken = lambda: second.ctl_json("stats", "uplink0")[0]["counters"]["InterfaceTaken"]  # noqa: E731
    assert taken() == 1 and not second.port("uplink0")["linkUp"] and first.port("uplink0")["linkUp"]
    assert first.terminate() == 0
    eventually(lambda: taken() == 0 and second.port("uplink0")["linkUp"], 10, f"it has the interface now\n{second.process.tail()}")


def test_SEC_98_an_interface_of_the_same_name_elsewhere_is_another(cable):
    """Two namespaces have an uplink0 each: two evbds have one each."""
    elsewhere = cable.lab.namespace("elsewhere")
    elsewhere.ip("link", "add", "uplink0", "type", "veth", "peer", "name", "uplink1")
    cable.evbd()
    assert Evbd(cable.lab, elsewhere, name="elsewhere").ctl("status").returncode == OK


@pytest.mark.parametrize("name", ["vm%d", "a\x1b[31mb", "\u202evm", "a b"])
def test_SEC_106_a_link_of_such_a_name_is_not_made(cable, name):
    """evbctl and evbd say the rule and make nothing; what they print is safe."""
    cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    before = cable.host.links()
    result = evbd.ctl("vsi", "associate", uuid.uuid4(), "--port", "uplink0", "--type", 1, "--filter", "mac=52:54:00:11:00:01", "--link", name)
    assert result.returncode == 64 and "is not an interface name" in result.stderr and "without /, :, %" in result.stderr
    shown = result.stdout + result.stderr + evbd.ctl("vsi", "list").stdout + evbd.process.output()
    assert not [character for character in shown if character != "\n" and not " " <= character <= "~"]
    assert cable.host.links().keys() == before.keys() and not evbd.vsis()


def test_SEC_106_what_stands_in_arguments_is_safe_to_print(cable):
    """Names and values that a script hands on are shown without what a terminal obeys, by evbctl, evbd and --check-config."""
    hostile = "a\x1b[31m\u202e\x9bb"
    evbd = Evbd(cable.lab, cable.host, start=False)
    evbd.config["ports"][0]["interface"] = f'"{hostile}"'.replace("\x1b", "\\e").replace("\x9b", "\\x9b")
    evbd.config["libvirt"][hostile.replace("\x1b", "").replace("\x9b", "")] = True
    evbd.write_config()
    told = [evbd.ctl("vsi", "associate", hostile, "--port", "p", "--type", 1), evbd.ctl("port", "show", hostile), evbd.ctl(hostile),
            evbd.ctl("status", "--socket", hostile), *(
                subprocess.run([binary("evbd"), *words], capture_output=True, text=True, timeout=20)
                for words in (["--log-level", hostile], ["--" + hostile], ["--check-config", "--config", evbd.config_file], ["--config", hostile]))]
    for result in told:
        assert result.returncode and result.stderr, result
        assert not [character for character in result.stdout + result.stderr if character != "\n" and not " " <= character <= "~"], result
    shown = [evbd.ctl("--help"), subprocess.run([binary("evbd"), "--help"], capture_output=True, text=True, timeout=20)]
    assert all(result.returncode == 0 and "--help" in result.stdout and not result.stderr for result in shown)


def test_SEC_93_a_runtime_directory_that_others_may_write_to_is_none(cable):
    """Another user could hold the lock, or plant VSIs: evbd says so and does not start."""
    evbd = Evbd(cable.lab, cable.host, start=False)
    evbd.directory.chmod(0o777)
    evbd.launch()
    assert evbd.process.wait(10) == 1 and "other users may write to" in evbd.process.output()


def test_SEC_703_a_log_that_is_not_read_holds_nothing_up(cable):
    """Standard error is a pipe whose reader stands still: evbctl is answered, VSIs stay, lines are lost and counted, and told later."""
    cable.scripted_bridge()
    evbd = Evbd(cable.lab, cable.host, start=False, log={"level": "trace"})
    reading, writing = os.pipe()
    process = subprocess.Popen(
        cable.host.command(binary("evbd"), "--config", evbd.config_file, "--runtime-dir", evbd.directory), stderr=writing, stdout=subprocess.DEVNULL)
    cable.lab.at_end(process.kill)
    os.close(writing)
    eventually(lambda: evbd.ctl("status").returncode == OK and evbd.hears_bridge(), 15, "it has a bridge", every=0.1)
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    # Each costs a line at this level. At most 2,000 a second are taken.
    wire = cable.wire()
    lost = lambda: evbd.ctl_json("stats")[-1]["counters"].get("LogLinesLost", 0)  # noqa: E731
    junk = bytes.fromhex("0180c2000000") + bytes.fromhex("0200000000bb") + bytes.fromhex("88cc") + bytes(46)

    def fill():
        for _ in range(500):
            wire.send(junk)
        return lost() > 0
    eventually(fill, 40, "lines are lost", every=0.1)
    answers = []
    for _ in range(5):
        start = time.monotonic()
        assert evbd.ctl("status").returncode == OK
        answers.append(time.monotonic() - start)
    assert max(answers) < 2 and evbd.state(vsi) == "associated" and process.poll() is None

    def read():
        while select.select([reading], [], [], 0.05)[0]:
            octets = os.read(reading, 1 << 16)
            text.append(octets)
        return b"log lines were lost: the reader of the log stood still" in b"".join(text)
    text = []
    eventually(read, 10, "it tells what was lost")
    process.terminate()
    assert process.wait(10) == 0
