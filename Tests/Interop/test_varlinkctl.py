"""systemd's varlinkctl, a client that is not ours, with an evbd that runs. Debian 12's systemd has none; Tests/newest runs this in newer Debians."""

import json
import os
import re
import shutil
import subprocess
import uuid

import pytest

from lab import eventually
from lab.evbd import binary

INTERFACE = "io.evbd"

pytestmark = pytest.mark.skipif(shutil.which("varlinkctl") is None, reason="no varlinkctl (systemd 255 or later has one)")


class Varlinkctl:
    """varlinkctl at the socket of an evbd."""

    def __init__(self, evbd):
        self.evbd = evbd
        self.address = f"unix:{evbd.socket}"

    def words(self, command, *words):
        return ["varlinkctl", "--no-pager", *command.split(), self.address, *words]

    def run(self, command, *words):
        return subprocess.run(self.words(command, *words), capture_output=True, text=True, timeout=30, env={**os.environ, "LC_ALL": "C.UTF-8"},
                              stdin=subprocess.DEVNULL)

    def say(self, command, *words):
        """What it prints; it has to succeed."""
        said = self.run(command, *words)
        assert said.returncode == 0, f"{said.args}: exit {said.returncode}: {said.stderr}\n{self.evbd.process.tail()}"
        return said.stdout

    def call(self, method, **parameters):
        return json.loads(self.say("--json=short call", f"{INTERFACE}.{method}", json.dumps(parameters)))


@pytest.fixture
def varlinkctl(cable):
    cable.scripted_bridge()
    return Varlinkctl(cable.evbd().wait_for_bridge())


def declarations(text):
    """What an interface declares, without comments and layout; the order is the printer's choice."""
    bare = "\n".join(line.split("#")[0] for line in text.splitlines())
    parts = re.split(r"^(?=(?:interface|type|method|error)\s)", bare, flags=re.M)
    return sorted(re.sub(r"\s*([(),:>]|->)\s*", r"\1", part).strip() for part in parts if part.strip())


def test_OPS_120_it_finds_and_reads_the_interface(varlinkctl):
    """OPS-120 What the service says of itself: its interface is listed, and read by it is the one that evbctl prints."""
    about = json.loads(varlinkctl.say("--json=short info"))
    assert INTERFACE in about["interfaces"] and about["vendor"] and about["url"].startswith("http"), about
    assert INTERFACE in varlinkctl.say("list-interfaces").split()
    printed = subprocess.run([binary("evbctl"), "varlink"], capture_output=True, text=True, timeout=30, check=True).stdout
    assert declarations(varlinkctl.say("introspect", INTERFACE)) == declarations(printed)


def test_OPS_120_it_associates_and_is_told_why_not(varlinkctl):
    """OPS-120 Calls with parameters, and an error that the interface declares, with its parameters."""
    vsi = str(uuid.uuid4())
    asked = {"vsiID": vsi, "port": "uplink0", "typeID": 5, "filters": [{"mac": "52:54:00:11:22:33"}], "wait": 10}
    assert varlinkctl.call("Associate", **asked)["vsi"]["state"] == "associated" == varlinkctl.evbd.state(vsi)
    assert [port["interface"] for port in varlinkctl.call("ListPorts")["ports"]] == ["uplink0"]
    varlinkctl.call("Deassociate", vsiID=vsi, wait=10)
    assert varlinkctl.evbd.state(vsi) is None
    refused = varlinkctl.run("call", f"{INTERFACE}.GetPort", '{"interface": "none0"}')
    assert refused.returncode and f"{INTERFACE}.NoSuchPort" in refused.stderr, refused.stderr


def test_OPS_120_it_follows_events(varlinkctl):
    """OPS-120 A call with "more": each event is a reply that it prints, as it happens."""
    lab, vsi = varlinkctl.evbd.lab, str(uuid.uuid4())
    follows = lab.start("varlinkctl", varlinkctl.words("--json=short --more --timeout=infinity call", f"{INTERFACE}.Monitor", "{}"))

    # A VSI until one is told of: nothing shows when the call has arrived.
    def told():
        varlinkctl.evbd.associate(str(uuid.uuid4()))
        return follows.output()
    eventually(told, 10, f"an event is printed\n{follows.tail()}")
    varlinkctl.evbd.associate(vsi)
    eventually(lambda: vsi in follows.output().lower(), 10, f"the VSI's event is printed\n{follows.tail()}")
    whole = [line for line in follows.output().rpartition("\n")[0].splitlines() if line]
    assert follows.alive and all("event" in json.loads(line.lstrip("\x1e")) for line in whole)
