"""pytest's side of the lab: root is a must, every test has a lab of its own, a failed test shows the logs."""

import os
import signal

import pytest

from . import Evbd, Lab, Lldpad, ScriptedBridge, Wire

UPLINK_MAC, PORT_MAC = "02:00:00:00:aa:01", "02:00:00:00:bb:01"
_labs = pytest.StashKey[list]()


def pytest_sessionstart(session):
    if os.geteuid():
        pytest.exit("the interop tests make network namespaces and need root", returncode=1)
    # A runner's `kill` takes the labs down as Ctrl-C does; and a shell starts what it has in the background with SIGINT ignored.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for number, lab in enumerate(item.stash.get(_labs, [])):
            report.sections.append((f"logs of lab {number + 1}", lab.logs()))


@pytest.fixture
def tell(capsys):
    """Prints lines that are seen also when the test passes."""
    def print_it(*lines):
        with capsys.disabled():
            print("", *lines, sep="\n    ", end=" ", flush=True)
    return print_it


@pytest.fixture
def new_lab(request):
    """Makes labs; most tests need one only."""
    made = request.node.stash.setdefault(_labs, [])

    def make(**how):
        lab = Lab(**how)
        made.append(lab)
        return lab
    yield make
    for lab in reversed(made):
        lab.__exit__()


class Cable:
    """A host and a switch, one cable between them: uplink0 at the host, port0 at the switch."""

    def __init__(self, lab):
        self.lab = lab
        self.host, self.switch = lab.namespace("host"), lab.namespace("switch")
        lab.veth(self.host, "uplink0", UPLINK_MAC, self.switch, "port0", PORT_MAC)

    def wire(self):
        """The switch's end of the cable."""
        wire = Wire(self.switch, "port0")
        self.lab.at_end(wire.close)
        return wire

    def host_wire(self):
        """The host's end of the cable."""
        wire = Wire(self.host, "uplink0")
        self.lab.at_end(wire.close)
        return wire

    def lldpad_bridge(self, **changes):
        return Lldpad(self.lab, self.switch, "port0", **changes)

    def scripted_bridge(self, interface="port0", **script):
        bridge = ScriptedBridge(self.switch, interface, **script)
        self.lab.at_end(bridge.stop)
        return bridge

    def evbd(self, **changes):
        return Evbd(self.lab, self.host, **changes)


@pytest.fixture
def cable(new_lab):
    return Cable(new_lab())
