"""Two daemons that both speak EVB on the same links would fight: evbd does not start beside lldpad."""

import pytest

from lab import Evbd, Lldpad
from lab.evbd import OK
from lab.system import eventually


def refuses(evbd):
    """evbd ends by itself, not with 0, and its message tells whom it met and what to do. Gives the message."""
    evbd.launch()
    assert evbd.process.wait(10) != 0
    said = evbd.process.output()
    assert "lldpad" in said, said
    assert any(word in said.lower() for word in ("systemctl", "stop", "disable")), f"no word on what to do: {said}"
    return said


def test_lldpad_in_the_same_namespace(cable):
    """lldpad runs here, its pid file out of evbd's sight."""
    Lldpad(cable.lab, cable.host, "uplink0", role="station")
    refuses(Evbd(cable.lab, cable.host, start=False))


def test_pid_file_of_a_living_lldpad(cable):
    """The pid file that libvirt reads belongs to a living lldpad: evbd names it and leaves the file alone."""
    station = Lldpad(cable.lab, cable.host, "uplink0", role="station")
    evbd = Evbd(cable.lab, cable.host, start=False)
    evbd.pid_file.write_text(f"{station.pid}\n")
    assert str(station.pid) in refuses(evbd)
    assert evbd.pid_file.read_text() == f"{station.pid}\n"
    station.stop()


def test_it_starts_when_lldpad_has_gone(cable):
    """The same configuration starts as soon as lldpad has ended."""
    station = Lldpad(cable.lab, cable.host, "uplink0", role="station")
    station.stop()
    evbd = cable.evbd()
    assert evbd.ctl("status").returncode == OK


@pytest.mark.parametrize("content", ["2147483646\n", "", "nonsense\n", "999999999999999999999\n"], ids=["dead", "empty", "garbled", "huge"])
def test_a_stale_pid_file_is_replaced(cable, content):
    """What a crash left behind does not keep evbd from starting."""
    evbd = Evbd(cable.lab, cable.host, start=False)
    evbd.pid_file.write_text(content)
    evbd.start()
    assert evbd.pid_file.read_text().split("\0")[0].strip() == str(evbd.pid)


def test_a_second_evbd_in_the_same_namespace(cable):
    """Two evbds on one pid file: the second refuses, the first runs on."""
    first = cable.evbd()
    second = Evbd(cable.lab, cable.host, name="second", start=False, libvirt={"enabled": True, "pid-file": first.pid_file})
    second.launch()
    assert second.process.wait(10) != 0
    assert first.ctl("status").returncode == OK and first.pid_file.read_text().split("\0")[0].strip() == str(first.pid)


def test_lldpad_in_another_namespace_does_not_matter(cable):
    """lldpad as the bridge at the other end of the cable is no conflict."""
    cable.lldpad_bridge()
    evbd = cable.evbd()
    eventually(evbd.hears_bridge, 15, "evbd hears the bridge")
