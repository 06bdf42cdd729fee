"""evbd as Packaging/systemd/evbd.service runs it: a user of its own, two capabilities, a read-only world, few system calls.

The tests of other files are run once more like that, one or some of each thing that evbd asks of the kernel; both evbds of a test, where
there are two.
"""

import os
import re
import shutil
import signal
import socket
from pathlib import Path

import pytest

from lab import eventually
from lab.evbd import SANITIZER, Evbd
from lab.problems import is_over, looks
from lab.service import UNIT, USER, Power, settings
from lab.switch import Switch
from lab.system import REPOSITORY, run
from test_guest_filter import test_ARC_09_a_forged_de_associate_stays_in_the_guest  # noqa: F401
from test_guest_filter import test_rules_come_and_go_with_links  # noqa: F401
from test_guest_gate import test_SEC_51_a_machine_that_is_not_associated_sends_nothing  # noqa: F401
from test_host_off import test_SEC_111_the_host_has_no_ip_on_a_machines_link  # noqa: F401
from test_libvirt_ends import fake, notes
from test_libvirt_netlink import real, test_VDP_41_recorded_conversation_with_a_real_bridge  # noqa: F401
from test_libvirt_netlink import test_VDP_41_whole_operations_as_libvirt_runs_them  # noqa: F401
from test_links import test_ARC_06_every_kind_and_mode, test_a_link_that_somebody_deletes_is_made_anew  # noqa: F401
from test_openvswitch import GUEST, VSI, Host
from test_reload import test_ARC_06_links_follow_a_changed_edge_relay  # noqa: F401
from test_restart import pair, test_VDP_36_VDP_37_vsis_go_on_over_a_restart  # noqa: F401
from test_restart import test_VDP_36_traffic_and_links_are_untouched_by_a_kill  # noqa: F401
from test_two_vms import test_ARC_01_ARC_04_ARC_05_ARC_07_two_vms_talk_through_the_reflective_relay  # noqa: F401
from test_vsi_types import bench, test_all_is_taken_back_when_the_port_goes, test_only_associated_addresses_send  # noqa: F401

PACKAGING = UNIT.parent
EXPOSURE = 1.5


@pytest.fixture(autouse=True)
def little_power(monkeypatch):
    if SANITIZER:
        pytest.skip(f"the {SANITIZER} sanitizer asks the kernel for more than the unit's filters allow")
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is missing, which knows what the unit's names stand for: apt-get install systemd")
    monkeypatch.setattr(Evbd, "power", Power())


# MARK: what it may do


def status(evbd):
    lines = Path(f"/proc/{evbd.pid}/status").read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def test_it_has_no_more_power_than_that(cable):
    """User, groups, capabilities, no_new_privs and the filter are as the unit has them, and the file system is read-only to it."""
    evbd = cable.evbd()
    shown = status(evbd)
    assert set(shown["Uid"].split()) == set(shown["Gid"].split()) == {str(USER)} and not shown["Groups"].strip()
    # CAP_NET_ADMIN is 12, CAP_NET_RAW 13.
    assert {shown[key] for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {f"{3 << 12:016x}"}
    assert (shown["NoNewPrivs"], shown["Seccomp"]) == ("1", "2")
    door = evbd.socket.stat()
    assert (door.st_uid, door.st_gid, door.st_mode & 0o7777) == (USER, USER, 0o660)
    mounts = [line.split() for line in Path(f"/proc/{evbd.pid}/mounts").read_text().splitlines()]
    writable = {line[1] for line in mounts if line[1].startswith(str(cable.lab.directory)) and "rw" in line[3].split(",")}
    assert writable == {str(evbd.directory), str(evbd.pid_file)}
    assert "hidepid=invisible" in next(line[3] for line in reversed(mounts) if line[1] == "/proc")


def test_the_filter_ends_what_it_should(cable):
    """That the tests here pass says something: under the same filter an IP socket, or a page to write and run, ends a process."""
    power, lab = Evbd.power, cable.lab
    Evbd(lab, cable.host, start=False)
    for name, line in (("ip", "import socket; socket.socket(socket.AF_INET)"),
                       ("mmap", "import mmap; mmap.mmap(-1, 4096, prot=7)"),
                       ("mount", "import ctypes; ctypes.CDLL(None).mount(0, 0, 0, 0, 0)"),
                       ("none", "import mmap; mmap.mmap(-1, 4096, prot=3)")):
        process = lab.start(name, ["/usr/bin/python3", "-I", lab.directory / "confine.py", lab.directory / "rules.json",
                                   "/usr/bin/python3", "-I", "-c", line])
        assert process.wait(10) == (0 if name == "none" else -signal.SIGSYS), process.tail()
    assert "chown" in power.rules["allow"] and "ptrace" not in power.rules["allow"]


def test_it_tells_systemd(cable):
    """READY=1 once it can be used, then WATCHDOG=1 again and again, and STOPPING=1."""
    evbd = cable.evbd(start=False)
    path = cable.lab.directory / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        path.chmod(0o666)
        manager.settimeout(10)
        evbd.environment = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"}
        evbd.launch()
        assert manager.recv(4096).startswith(b"READY=1")
        assert evbd.ctl("status").returncode == 0
        assert [manager.recv(4096) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        evbd.process.signal(signal.SIGTERM)
        eventually(lambda: manager.recv(4096) == b"STOPPING=1", 10, "it says that it stops")
        assert evbd.process.wait(10) == 0


def test_libvirts_pid_file_is_written_in_place(cable):
    """It is a file in a directory that evbd cannot write to: the number goes in, and out again, and the file stays."""
    evbd = cable.evbd()
    inode = evbd.pid_file.stat().st_ino
    assert evbd.pid_file.read_text() == f"{evbd.pid}\n"
    assert evbd.terminate() == 0
    assert evbd.pid_file.read_text() == "" and evbd.pid_file.stat().st_ino == inode
    evbd.start()
    assert evbd.pid_file.read_text() == f"{evbd.pid}\n"


def test_lldpad_is_found_though_processes_are_hidden(cable):
    lldpad = cable.lldpad_bridge()
    evbd = Evbd(cable.lab, cable.switch, name="rival", ports=["port0"], start=False)
    evbd.launch()
    assert evbd.process.wait(10) == 1 and "lldpad is running" in evbd.process.output(), evbd.process.tail()
    assert lldpad.process.alive


def test_reload_and_hairpin(cable):
    """SIGHUP gives a bridge port another setting, and its hairpin flag follows."""
    switch = Switch(cable.lab, cable.switch)
    bridge = switch.evbd()
    cable.evbd().wait_for_bridge()
    eventually(lambda: switch.hairpin() is True, 10, "the flag is on")
    bridge.config["ports"][0]["reflective-relay"] = False
    bridge.write_config()
    bridge.process.signal(signal.SIGHUP)
    eventually(lambda: switch.hairpin() is False, 10, "the flag is off")


# MARK: what is installed


def test_the_unit_is_well_sandboxed():
    said = run("systemd-analyze", "--no-pager", "security", "--offline=true", UNIT).stdout
    exposure = float(re.search(r"Overall exposure level for evbd\.service: ([\d.]+)", said)[1])
    assert exposure <= EXPOSURE, said


def test_systemd_understands_the_unit(tmp_path):
    """Every line; the program is put where there is one."""
    program = shutil.copy("/bin/true", tmp_path / "evbd")
    unit = tmp_path / "evbd.service"
    unit.write_text(UNIT.read_text().replace("/usr/sbin/evbd", str(program)).replace("/usr/bin/evbctl", str(program)))
    result = run("systemd-analyze", "verify", "--man=no", unit, check=False)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
    unit.write_text(unit.read_text() + "\n[Service]\nNoSuchKey=1\n")
    assert "NoSuchKey" in run("systemd-analyze", "verify", "--man=no", unit, check=False).stderr


def test_user_group_and_pid_file_are_made(tmp_path):
    """By systemd-sysusers and systemd-tmpfiles. A pid file that was root's becomes evbd's, and keeps its number."""
    (tmp_path / "etc").mkdir()
    unit = settings()
    for again in (False, True):
        run("systemd-sysusers", f"--root={tmp_path}", PACKAGING / "evbd.sysusers")
        user = re.search(r"^evbd:x:(\d+):(\d+):.*:/usr/sbin/nologin$", (tmp_path / "etc/passwd").read_text(), re.MULTILINE)
        assert re.search(rf"^evbd:x:{user[2]}:$", (tmp_path / "etc/group").read_text(), re.MULTILINE)
        assert unit["User"] == unit["Group"] == ["evbd"]
        file = tmp_path / "run/lldpad.pid"
        if again:
            file.unlink()
            file.write_text("17\n")
        run("systemd-tmpfiles", f"--root={tmp_path}", "--create", PACKAGING / "evbd.tmpfiles")
        found = file.stat()
        assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (int(user[1]), int(user[2]), 0o644)
        assert file.read_text() == ("17\n" if again else "")
    assert "-/run/lldpad.pid" in unit["ReadWritePaths"]


def test_HEAL_802_a_netlink_port_of_a_process_that_is_out_of_sight(cable):
    """HEAL-802 Under the unit evbd sees the port and not the name: the process is shown for the operator to look at."""
    process = fake(cable, "libvirtd", 600)
    evbd = cable.evbd()
    note, = eventually(lambda: notes(evbd, "libvirt-port"), 15, "it is shown")
    assert f"process {process.pid}, if it is libvirtd" in note["message"]


def test_OVL_171_the_database_of_open_vswitch(cable):
    """OVL-171 The socket of ovsdb-server as Debian makes it is out of reach, and evbd says what to do; by the documented drop-in it is within."""
    cable.scripted_bridge()
    host = Host(cable)
    assert host.ovs.socket.stat().st_mode & 0o777 == 0o750, "as ovsdb-server makes it"
    evbd = host.evbd()
    looks(evbd, "no-ovsdb", "Permission denied.*let evbd's user use that socket, as Documentation/open-vswitch.md says")
    page = (REPOSITORY / "Documentation/open-vswitch.md").read_text()
    assert "chgrp evbd" in page and "chmod 0770" in page
    os.chown(host.ovs.socket, 0, USER)
    host.ovs.socket.chmod(0o770)
    is_over(evbd, "no-ovsdb", seconds=12)
    evbd.wait_for_bridge()
    host.ovs.tap("vnet0", GUEST, vsi=VSI, profile="web")
    evbd.wait_for_state(VSI, "associated")
    eventually(lambda: host.is_up("vnet0") and host.ovs.told("vnet0")[0] == "associated", 5, "its tap is up, and its row is told")
