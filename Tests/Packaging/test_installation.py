"""dpkg installs, upgrades, removes and purges the package, under a real systemd over an overlay of a Debian.

EVBD_PACKAGE_ROOT: another Debian than this machine's, laid in a folder, with the package's dependencies in it.
"""

import os
import subprocess
import uuid
from pathlib import Path

import pytest

from lab.system import always, eventually
from test_systemd import GUEST, Manager, require_systemd

DEBIAN = Path(os.environ.get("EVBD_PACKAGE_ROOT", "/"))
# The whole of a Debian below an overlay; of its units those of the package, and targets that want nothing.
INSIDE = """
set -e
lab=$1 debian=$2
mount --make-rprivate /
mount -t tmpfs tmpfs "$lab/layers"
mkdir "$lab/layers/up" "$lab/layers/work" "$lab/layers/root"
root=$lab/layers/root
mount -t overlay -o "lowerdir=$debian,upperdir=$lab/layers/up,workdir=$lab/layers/work" overlay "$root"
mount --rbind /dev "$root/dev"
mount -t sysfs sysfs "$root/sys" || mount --bind /sys "$root/sys"
mount -t cgroup2 none "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
cp "$lab"/*.deb "$root/tmp"
cd "$root"
mkdir -p former
pivot_root . former
cd /
umount -l /former
# Building the index of all manual pages takes longer than all else.
rm -f /var/lib/man-db/auto-update
rm -rf /usr/sbin/policy-rc.d /etc/evbd /lib/systemd/system/*.wants /etc/systemd/system/*
if dpkg-query -W evbd >/dev/null 2>&1; then dpkg --purge evbd >/dev/null 2>&1; fi
for target in sysinit basic shutdown network-pre multi-user; do
  printf '[Unit]\\nDefaultDependencies=no\\n' >"/etc/systemd/system/$target.target"
done
export container=evbd-test
exec /lib/systemd/systemd --system --unit=basic.target --log-target=console --show-status=no
"""


class Debian(Manager):
    inside, source, programs = INSIDE, DEBIAN, ()

    def __init__(self, cable, *packages):
        for package in packages:
            (cable.lab.directory / package.name).write_bytes(package.read_bytes())
        (cable.lab.directory / "layers").mkdir()
        super().__init__(cable)

    def dpkg(self, *words):
        return self("env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-unsafe-io", *words).stdout

    def is_active(self):
        return self("systemctl", "is-active", "evbd", check=False).stdout.strip()


@pytest.fixture
def debian(cable, package, tmp_path):
    """A Debian without evbd, and two packages in its /tmp: now.deb, and later.deb, the same in a later version."""
    require_systemd()
    tree, later, now = tmp_path / "tree", tmp_path / "later.deb", tmp_path / "now.deb"
    subprocess.run(["dpkg-deb", "-R", package.path, tree], check=True)
    now.write_bytes(package.path.read_bytes())
    control = tree / "DEBIAN/control"
    control.write_text("".join(
        f"{line.rstrip()}.later\n" if line.startswith("Version: ") else line for line in control.read_text().splitlines(keepends=True)))
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "-b", tree, later], check=True, capture_output=True)
    return Debian(cable, now, later)


def test_OPS_105_an_installation_starts_nothing_and_the_unit_without_ports_speaks_nowhere(cable, debian):
    """What a newcomer has after `apt install`: a configuration that is right and empty, a user, a unit that is off."""
    wire = cable.wire()
    debian.dpkg("-i", "/tmp/now.deb")
    assert debian("systemctl", "is-enabled", "evbd", check=False).stdout.strip() == "disabled"
    assert debian.is_active() == "inactive"
    assert debian("evbd", "--check-config").stdout == "OK\n"
    assert debian("getent", "passwd", "evbd").stdout.startswith("evbd:x:")
    assert debian("stat", "-c", "%U", "/run/lldpad.pid").stdout == "evbd\n"
    # Somebody starts it as it is: it runs, and has nothing to do.
    debian("systemctl", "start", "evbd")
    assert debian.is_active() == "active" and "no ports" in debian.ctl("port", "list")
    # An LLDP agent with a port sends at once, and then each second.
    always(lambda: not wire.received(lambda frame: frame.octets[12:14] in (b"\x88\xcc", b"\x89\x40")), 2, "it sends neither LLDP nor ECP", every=0.2)


def test_OPS_106_an_upgrade_a_removal_and_a_purge(cable, debian):
    """The upgrade restarts evbd, whose VSI goes on; a removal leaves links and state, a purge neither state nor user."""
    bridge = cable.lldpad_bridge()
    debian.dpkg("-i", "/tmp/now.deb")
    debian("sh", "-c", "printf 'ports:\\n  - interface: uplink0\\n' >/etc/evbd/evbd.yaml")
    debian("systemctl", "enable", "--now", "evbd")
    eventually(lambda: "bridge" in debian.ctl("status"), 20, "it hears the bridge", every=0.2)
    vsi = str(uuid.uuid4())
    debian.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "1", "--filter", f"mac={GUEST}", "--link", "vm0")
    index, number = cable.host.index("vm0"), debian.show("MainPID")
    # By the evbctl of the package.
    debian("systemctl", "reload", "evbd")
    assert debian.show("MainPID") == number

    debian.dpkg("--force-confold", "-i", "/tmp/later.deb")
    assert debian.is_active() == "active" and debian.show("MainPID") not in ("0", number)
    assert cable.host.index("vm0") == index and bridge.holds(vsi)
    eventually(lambda: " associated " in debian.ctl("vsi", "list"), 20, "the VSI is associated again", every=0.2)
    assert cable.host.is_up("vm0") and cable.host.index("vm0") == index and bridge.holds(vsi)
    assert debian("cat", "/etc/evbd/evbd.yaml").stdout == "ports:\n  - interface: uplink0\n"

    debian.dpkg("--remove", "evbd")
    assert debian.is_active() in ("inactive", "unknown") and debian("sh", "-c", "! pidof evbd").returncode == 0
    assert cable.host.index("vm0") == index
    assert debian("ls", "/run/evbd").stdout and debian("cat", "/etc/evbd/evbd.yaml").stdout
    debian.dpkg("--force-confold", "-i", "/tmp/later.deb")
    debian("systemctl", "start", "evbd")
    eventually(lambda: " associated " in debian.ctl("vsi", "list"), 20, "an evbd that is installed again goes on", every=0.2)
    assert cable.host.is_up("vm0") and cable.host.index("vm0") == index

    debian.dpkg("--purge", "evbd")
    for path in ("/run/evbd", "/etc/evbd", "/run/lldpad.pid", "/usr/sbin/evbd", "/usr/bin/evbctl"):
        assert debian("test", "-e", path, check=False).returncode == 1, f"{path} is still there"
    assert debian("getent", "passwd", "evbd", check=False).returncode == 2 and debian("getent", "group", "evbd", check=False).returncode == 2
