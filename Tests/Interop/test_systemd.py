"""A real systemd, the first process of namespaces of its own, runs Packaging/systemd/evbd.service. Of units it has that and the metrics' alone."""

import re
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from lab import eventually, prometheus
from lab.evbd import SANITIZER, binary
from lab.service import UNIT
from lab.system import run

GUEST = "52:54:00:11:22:33"
# Makes a cgroup below which systemd stays, then namespaces of everything.
OUTSIDE = """
set -e
mkdir "$1/cgroups" && mount -t cgroup2 none "$1/cgroups"
mkdir "$1/cgroups/$2" && echo $$ >"$1/cgroups/$2/cgroup.procs"
exec unshare --pid --fork --kill-child --mount --uts --ipc --cgroup bash -c "$3" bash "$1" "$4"
"""
# The machine's files with what an administrator installs, over them and seen by nobody else. systemd changes no setting of the kernel's.
INSIDE = """
set -e
lab=$1 packaging=$2
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mkdir -p /run/layers/{etc,sbin,bin}/{up,work} /run/units
mount -t overlay -o lowerdir=/etc,upperdir=/run/layers/etc/up,workdir=/run/layers/etc/work overlay /etc
mount -t overlay -o lowerdir=/usr/sbin,upperdir=/run/layers/sbin/up,workdir=/run/layers/sbin/work overlay /usr/sbin
mount -t overlay -o lowerdir=/usr/bin,upperdir=/run/layers/bin/up,workdir=/run/layers/bin/work overlay /usr/bin
install -m 755 "$lab/evbd" /usr/sbin
install -m 755 "$lab/evbctl" /usr/bin
install -m 644 -D "$lab/evbd.yaml" /etc/evbd/evbd.yaml
install -m 644 -D "$packaging/evbd.sysusers" /etc/sysusers.d/evbd.conf
install -m 644 -D "$packaging/evbd.tmpfiles" /etc/tmpfiles.d/evbd.conf
install -m 644 "$packaging/evbd.service" "$packaging/evbd-metrics.socket" "$packaging/evbd-metrics@.service" /run/units
for target in sysinit basic shutdown network-pre multi-user; do
  printf '[Unit]\\nDefaultDependencies=no\\n' >"/run/units/$target.target"
done
systemd-sysusers evbd.conf
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount -t cgroup2 none /sys/fs/cgroup
export SYSTEMD_UNIT_PATH=/run/units container=evbd-test
exec /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no
"""
# Its processes may take a moment to be gone.
CLEAN = 'mount -t cgroup2 none "$1"; [ ! -d "$1/$2" ] || find "$1/$2" -depth -type d -exec rmdir {} ";"; [ ! -d "$1/$2" ]'


class Manager:
    """systemd in the host's network namespace."""

    # What is laid before systemd starts, from where, and programs of the build for it.
    inside, source, programs = INSIDE, UNIT.parent, ("evbd", "evbctl")

    def __init__(self, cable):
        self.lab = cable.lab
        for program in self.programs:
            shutil.copy(binary(program), self.lab.directory)
        (self.lab.directory / "evbd.yaml").write_text("ports:\n  - interface: uplink0\n")
        self.lab.directory.chmod(0o755)
        self.lab.at_end(self._clean)
        self.process = self.lab.start("systemd", cable.host.command(
            "bash", "-c", OUTSIDE, "bash", self.lab.directory, self.lab.id, self.inside, self.source))
        self.lab.at_end(self.process.kill)
        eventually(self._is_up, 20, f"systemd is up\n{self.process.tail()}", every=0.2)

    def _is_up(self):
        assert self.process.alive, self.process.tail()
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        if not children or Path(f"/proc/{children[0]}/comm").read_text().strip() != "systemd":
            return False
        self.first = children[0]
        return self("systemctl", "is-active", "basic.target", check=False).stdout.strip() == "active"

    def _clean(self):
        mount = self.lab.directory / "cgroups"
        eventually(lambda: run("unshare", "--mount", "sh", "-c", CLEAN, "sh", mount, self.lab.id, check=False).returncode == 0,
                   10, "its cgroup is empty, and removed", every=0.2)

    def __call__(self, *words, check=True):
        return run("nsenter", "-t", self.first, "-m", "-p", "-n", "-i", "-u", "-C", *words, check=check)

    def show(self, name):
        return self("systemctl", "show", "-P", name, "evbd").stdout.strip()

    def ctl(self, *words):
        return self("evbctl", *words).stdout


def require_systemd():
    """Skips where the unit cannot be run."""
    if not shutil.which("nsenter") or not Path("/lib/systemd/systemd").exists():
        pytest.skip("there is no systemd to run the unit: apt-get install systemd")
    if SANITIZER:
        pytest.skip(f"the {SANITIZER} sanitizer asks the kernel for more than the unit allows")
    probe = subprocess.run(["unshare", "--mount", "mount", "-t", "cgroup2", "none", "/mnt"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"systemd cannot be run here: {probe.stderr.strip()}")


@pytest.fixture
def manager(cable):
    require_systemd()
    return Manager(cable)


def test_systemd_starts_reloads_and_restarts_evbd(cable, manager):
    """Start, reload, a kill and a restart, as the unit has them: its VSI goes on, and the pid file is right each time."""
    bridge = cable.lldpad_bridge()
    manager("systemctl", "start", "evbd")
    assert (manager.show("ActiveState"), manager.show("StatusText")) == ("active", "1 ports")
    # CAP_NET_ADMIN is 12, CAP_NET_RAW 13.
    shown = manager("cat", f"/proc/{manager.show('MainPID')}/status").stdout
    for line in (*(f"Cap{kind}:\t{3 << 12:016x}" for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")), "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in shown, shown
    assert manager("stat", "-c", "%U %G %a", "/run/evbd/evbd.sock", "/run/lldpad.pid").stdout == "evbd evbd 660\nevbd evbd 644\n"

    eventually(lambda: "bridge" in manager.ctl("status"), 20, "it hears the bridge", every=0.2)
    vsi = str(uuid.uuid4())
    manager.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "1", "--filter", f"mac={GUEST}", "--link", "vm0")
    assert cable.host.is_up("vm0") and bridge.holds(vsi)
    manager("sed", "-i", "$ a \\  - interface: uplink1", "/etc/evbd/evbd.yaml")
    manager("systemctl", "reload", "evbd")
    eventually(lambda: "uplink1" in manager.ctl("status"), 5, "it has read its configuration again")

    number = manager.show("MainPID")
    manager("kill", f"-{int(signal.SIGKILL)}", number)
    eventually(lambda: manager.show("MainPID") not in ("0", number) and manager.show("ActiveState") == "active", 15, "it is started again")
    assert manager.show("NRestarts") == "1"
    for again in (False, True):
        if again:
            manager("systemctl", "restart", "evbd")
        assert manager("cat", "/run/lldpad.pid").stdout == f"{manager.show('MainPID')}\n"
        eventually(lambda: " associated " in manager.ctl("vsi", "list"), 20, "the VSI is associated again", every=0.2)
        assert cable.host.is_up("vm0") and bridge.holds(vsi)

    manager("systemctl", "stop", "evbd")
    assert (manager.show("Result"), manager("cat", "/run/lldpad.pid").stdout) == ("success", "")
    # As lldpad does when it is stopped.
    manager("rm", "/run/lldpad.pid")
    manager("systemctl", "start", "evbd")
    assert manager("cat", "/run/lldpad.pid").stdout == f"{manager.show('MainPID')}\n"


def test_mistakes_are_told_before_a_start_and_a_reload(manager):
    """ExecStartPre and ExecReload check the configuration: evbd does not start on mistakes, and runs on with what it has."""
    manager("systemctl", "start", "evbd")
    number = manager.show("MainPID")
    manager("sed", "-i", "s/interface/interfce/", "/etc/evbd/evbd.yaml")
    assert manager("systemctl", "reload", "evbd", check=False).returncode != 0
    assert manager.show("MainPID") == number and manager.show("ActiveState") == "active"
    assert manager("systemctl", "restart", "evbd", check=False).returncode != 0
    assert manager.show("MainPID") == "0"


def test_SEC_99_the_unit_is_started_again_however_often_evbd_crashes(manager):
    """Seven crashes in a row, more than systemd takes by default: the unit is never left in `failed`."""
    # As the unit has it, but without its pause.
    manager("mkdir", "-p", "/run/units/evbd.service.d")
    manager("sh", "-c", "printf '[Service]\\nRestartSec=50ms\\n' >/run/units/evbd.service.d/fast.conf")
    manager("systemctl", "daemon-reload")
    manager("systemctl", "start", "evbd")
    for crash in range(7):
        number = manager.show("MainPID")
        manager("kill", f"-{int(signal.SIGKILL)}", number)
        eventually(lambda: manager.show("MainPID") not in ("0", number) and manager.show("ActiveState") == "active", 15,
                   f"it is started again after crash {crash + 1}: {manager.show('ActiveState')} {manager.show('Result')}")
    assert manager.show("NRestarts") == "7"
    assert manager.ctl("version").startswith("evbctl")


def test_OPS_610_the_socket_gives_numbers_by_a_user_that_can_change_nothing(cable, manager):
    """evbd-metrics.socket as installed: 503 with what to do without a read-only socket, and with one the numbers."""
    manager("systemctl", "start", "evbd", "evbd-metrics.socket")
    # evbd has no TCP port, systemd has one, on 127.0.0.1 alone.
    listening = manager("ss", "-Hltn").stdout.split()
    assert [word for word in listening if word.endswith(":10847")] == ["127.0.0.1:10847"] and len(listening) == 5, listening
    status, _, body = prometheus.fetch(cable.host, 10847)
    assert status == "503" and "read-only" in body, body
    manager("sh", "-c", "printf 'control:\n  read-only: { socket: /run/evbd/evbd-ro.sock }\n' >>/etc/evbd/evbd.yaml")
    manager("systemctl", "restart", "evbd")
    status, _, body = prometheus.fetch(cable.host, 10847)
    assert status == "200" and 'evbd_port_up{port="uplink0",role="station"} 1\n' in body, body
    # A connection that says nothing shows as whom it is served: no user of the machine's, without a capability.
    silent = subprocess.Popen(cable.host.command("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/10847; cat <&3 >/dev/null"), stdin=subprocess.DEVNULL)
    cable.lab.at_end(silent.wait)
    cable.lab.at_end(silent.kill)
    served = eventually(lambda: manager("pgrep", "-x", "evbctl", check=False).stdout.strip(), 5, "it is served")
    shown = manager("cat", f"/proc/{served}/status").stdout
    assert int(re.search(r"^Uid:\t(\d+)", shown, re.M)[1]) >= 61184, shown
    for line in (*(f"Cap{kind}:\t{0:016x}" for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")), "NoNewPrivs:\t1", "Seccomp:\t2"):
        assert line in shown, shown
