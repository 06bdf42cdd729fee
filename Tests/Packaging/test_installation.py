"""dpkg installs, upgrades, removes and purges the package, under a real systemd over an overlay of a Debian.

EVBD_PACKAGE_ROOT: another Debian than this machine's, laid in a folder, with the packages' dependencies in it, and for OPS-114
man-db, bash-completion, zsh, fish, prometheus and tshark.
"""

import os
import re
import subprocess
import uuid
from pathlib import Path

import pytest

from lab.snmpd import EVB, Snmpd
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
if [ -d "$lab/snmpd/agentx" ]; then mkdir "$root/run/agentx"; mount --bind "$lab/snmpd/agentx" "$root/run/agentx"; fi
cd "$root"
mkdir -p former
pivot_root . former
cd /
umount -l /former
# Building the index of all manual pages takes longer than all else.
rm -f /var/lib/man-db/auto-update
rm -rf /usr/sbin/policy-rc.d /etc/evbd /lib/systemd/system/*.wants /etc/systemd/system/*
for package in evbd-types evbd-snmp evbd; do
  if dpkg-query -W "$package" >/dev/null 2>&1; then dpkg --purge "$package" >/dev/null 2>&1; fi
done
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

    def dpkg(self, *words, check=True):
        return self("env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--force-unsafe-io", *words, check=check)

    def is_active(self, unit="evbd"):
        return self("systemctl", "is-active", unit, check=False).stdout.strip()

    def main_process(self, unit):
        return self("systemctl", "show", "-P", "MainPID", unit).stdout.strip()


def now_and_later(path, folder, prefix=""):
    """The package as now.deb, and as later.deb in a later version, which what it says of evbd's version follows."""
    tree, later, now = folder / f"{prefix}tree", folder / f"{prefix}later.deb", folder / f"{prefix}now.deb"
    subprocess.run(["dpkg-deb", "-R", path, tree], check=True)
    now.write_bytes(path.read_bytes())
    control = tree / "DEBIAN/control"
    text = re.sub(r"^(Version: .*)$", r"\1.later", control.read_text(), flags=re.M)
    control.write_text(re.sub(r"evbd \(>= ([^)]+)\)", r"evbd (>= \1.later)", text))
    subprocess.run(["dpkg-deb", "-Zgzip", "-z1", "-b", tree, later], check=True, capture_output=True)
    return now, later


@pytest.fixture
def debian(cable, package, tmp_path):
    """A Debian without evbd, and two packages in its /tmp: now.deb, and later.deb, the same in a later version."""
    require_systemd()
    return Debian(cable, *now_and_later(package.path, tmp_path))


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


def test_OPS_113_evbd_snmp_is_installed_upgraded_removed_and_purged(cable, package, tmp_path):
    """Beside evbd, with snmpd as the witness: whatever is upgraded, the objects are shown again, and evbd notices nothing of evbd-snmp's end."""
    require_systemd()
    subagent, = package.path.parent.glob(package.path.name.replace("evbd_", "evbd-snmp_"))
    snmpd = Snmpd(cable.lab, cable.host)
    # That snmpd gives the group its socket is OPS-716's matter.
    snmpd.socket.chmod(0o777)
    snmpd.socket.parent.chmod(0o755)
    debian = Debian(cable, *now_and_later(package.path, tmp_path), *now_and_later(subagent, tmp_path, "snmp-"))

    def shown():
        return (snmpd.get(f"{EVB}.1.1.0") or "").startswith("INTEGER: 2")

    def goes_on(unit, number):
        assert debian.is_active(unit) == "active" and debian.main_process(unit) not in ("0", number)

    debian.dpkg("-i", "/tmp/now.deb", "/tmp/snmp-now.deb")
    assert debian("systemctl", "is-enabled", "evbd-snmp", check=False).stdout.strip() == "disabled"
    assert debian.is_active("evbd-snmp") == "inactive" and not shown()
    user = debian("getent", "passwd", "evbd-snmp").stdout
    assert user.startswith("evbd-snmp:x:")
    debian("sh", "-c", "printf 'ports:\\n  - interface: uplink0\\ncontrol:\\n  read-only: {}\\n' >/etc/evbd/evbd.yaml")
    # As the unit has it, but without its pauses.
    debian("sh", "-c", "mkdir /etc/systemd/system/evbd-snmp.service.d; printf '[Service]\\nExecStart=\\nExecStart=/usr/sbin/evbd-snmp --interval 1\\n' "
           ">/etc/systemd/system/evbd-snmp.service.d/lab.conf; systemctl daemon-reload")
    debian("systemctl", "enable", "--now", "evbd", "evbd-snmp")
    eventually(shown, 15, f"the objects are there\n{debian.process.tail()}", every=0.2)

    # Alone, without the evbd whose replies it wants: dpkg says so, and what runs goes on.
    evbd, snmp = debian.main_process("evbd"), debian.main_process("evbd-snmp")
    refused = debian.dpkg("-i", "/tmp/snmp-later.deb", check=False)
    assert refused.returncode != 0 and "evbd-snmp depends on evbd (>=" in refused.stderr, refused
    assert shown() and (debian.main_process("evbd"), debian.main_process("evbd-snmp")) == (evbd, snmp)
    # evbd's comes: the older evbd-snmp shows what the newer evbd says, until it is done too.
    debian.dpkg("--force-confold", "-i", "/tmp/later.deb")
    goes_on("evbd", evbd)
    assert debian.main_process("evbd-snmp") == snmp
    eventually(shown, 15, f"the older one shows what the newer evbd says\n{debian.process.tail()}", every=0.2)
    debian.dpkg("--configure", "evbd-snmp")
    goes_on("evbd-snmp", snmp)
    eventually(shown, 15, f"the objects are there after the upgrade\n{debian.process.tail()}", every=0.2)

    # One that is off stays off. Then both at once, from the older ones.
    debian("systemctl", "disable", "--now", "evbd-snmp")
    debian.dpkg("--force-confold", "--force-downgrade", "-i", "/tmp/now.deb", "/tmp/snmp-now.deb")
    assert debian.is_active("evbd-snmp") == "inactive"
    debian("systemctl", "enable", "--now", "evbd-snmp")
    evbd, snmp = debian.main_process("evbd"), debian.main_process("evbd-snmp")
    debian.dpkg("--force-confold", "-i", "/tmp/snmp-later.deb", "/tmp/later.deb")
    goes_on("evbd", evbd)
    goes_on("evbd-snmp", snmp)
    eventually(shown, 15, f"the objects are there after both\n{debian.process.tail()}", every=0.2)

    evbd = debian.main_process("evbd")
    assert debian.dpkg("--remove", "evbd", check=False).returncode != 0
    assert debian.is_active() == debian.is_active("evbd-snmp") == "active" and shown()
    debian.dpkg("--remove", "evbd-snmp")
    assert debian.is_active("evbd-snmp") in ("inactive", "unknown") and debian("sh", "-c", "! pidof evbd-snmp").returncode == 0 and not shown()
    assert debian("getent", "passwd", "evbd-snmp").stdout == user
    debian.dpkg("-i", "/tmp/snmp-later.deb")
    debian("systemctl", "start", "evbd-snmp")
    eventually(shown, 15, "one that is installed again shows the objects", every=0.2)
    debian.dpkg("--purge", "evbd-snmp")
    assert debian("getent", "passwd", "evbd-snmp", check=False).returncode == 2 and debian("getent", "group", "evbd-snmp", check=False).returncode == 2
    for path in ("/usr/sbin/evbd-snmp", "/usr/share/doc/evbd-snmp", "/usr/lib/systemd/system/evbd-snmp.service", "/etc/systemd/system/multi-user.target.wants/evbd-snmp.service"):
        assert debian("test", "-e", path, check=False).returncode == 1, f"{path} is still there"
    assert debian.main_process("evbd") == evbd and debian("getent", "passwd", "evbd").stdout


def test_OVL_526_evbd_types_is_installed_removed_and_purged(cable, package):
    """It starts nothing, runs as a user of its own, and leaves copies until it is purged."""
    require_systemd()
    helper, = package.path.parent.glob(package.path.name.replace("evbd_", "evbd-types_"))
    debian = Debian(cable, package.path, helper)
    debian.dpkg("-i", f"/tmp/{package.path.name}", f"/tmp/{helper.name}")
    assert debian("systemctl", "is-enabled", "evbd-types", check=False).stdout.strip() == "disabled"
    assert debian.is_active("evbd-types") == "inactive"
    debian("systemctl", "enable", "--now", "evbd-types")
    eventually(lambda: debian.is_active("evbd-types") == "active", 10, "evbd-types runs")
    folder = ("stat", "-c", "%U %a", "/var/lib/evbd-types")
    eventually(lambda: debian(*folder, check=False).stdout.strip() == "evbd-types 755", 10, "its folder is there")
    debian.dpkg("--remove", "evbd-types")
    assert debian.is_active("evbd-types") in ("inactive", "unknown") and debian(*folder).returncode == 0
    assert debian("getent", "passwd", "evbd-types").returncode == 0
    debian.dpkg("--purge", "evbd-types")
    assert debian(*folder, check=False).returncode != 0
    for database in ("passwd", "group"):
        assert debian("getent", database, "evbd-types", check=False).returncode == 2


# What a shell offers behind `evbctl vs`, by the files of the package.
OFFERED = {
    "bash": "source /usr/share/bash-completion/completions/evbctl; COMP_LINE='evbctl vs' COMP_POINT=9 COMP_WORDS=(evbctl vs) COMP_CWORD=1; "
            "_evbctl evbctl vs evbctl; printf '%s\\n' \"${COMPREPLY[@]}\"",
    "fish": "function commandline; if contains -- -tC $argv; echo 0; else; builtin commandline $argv; end; end; complete -C 'evbctl vs'",
    "zsh": "autoload -Uz compinit; compinit -u -D; [[ $_comps[evbctl] == _evbctl ]] && autoload -Uz +X _evbctl && grep -o 'vsi:' $functions_source[_evbctl]",
}


def test_OPS_114_the_tools_of_this_debian_take_what_the_packages_have(cable, package, tmp_path):
    """Units, interface, pages, completion, catalog, alert rules and dissector. All tools have to be there in another Debian that is named."""
    require_systemd()
    others = [path for name in ("evbd-snmp_", "evbd-types_") for path in package.path.parent.glob(package.path.name.replace("evbd_", name))]
    assert len(others) == 2, others
    debian = Debian(cable, package.path, *others)
    debian.dpkg("-i", f"/tmp/{package.path.name}", *(f"/tmp/{path.name}" for path in others))
    tried = []

    def tried_by(tool):
        there = debian("sh", "-c", f"command -v {tool}", check=False).returncode == 0
        assert there or DEBIAN == Path("/"), f"{DEBIAN} has no {tool}: install it"
        if there:
            tried.append(tool)
        return there

    units = ("evbd.service", "evbd-metrics.socket", "evbd-metrics@.service", "evbd-snmp.service", "evbd-types.service")
    if tried_by("systemd-analyze"):
        # Their manual pages too, where there is man.
        said = debian("systemd-analyze", "verify", *units, check=False)
        assert "evbd" not in said.stderr, said.stderr
    # From 255 on there is one, from 257 on it can.
    if tried_by("varlinkctl"):
        debian("varlinkctl", "validate-idl", "/usr/share/evbd/io.evbd.varlink")
    if tried_by("man"):
        for page in ("1 evbctl", "8 evbd", "8 evbd-snmp", "8 evbd-types", "5 evbd.yaml", "5 evbd-vsi-types.yaml"):
            said = debian("env", "LC_ALL=C.UTF-8", "MANWIDTH=80", "man", "--warnings", "-P", "cat", *page.split())
            assert not said.stderr and "SEE ALSO" in said.stdout, said
    for shell, line in OFFERED.items():
        if tried_by(shell):
            options = {"bash": "--norc", "fish": "--private", "zsh": "-f"}[shell]
            assert re.search(r"^vsi\b", debian("env", "HOME=/tmp", shell, options, "-c", line).stdout, re.M), shell
    if tried_by("promtool"):
        for what, name in (("rules", "evbd.rules.yaml"), ("config", "prometheus.yaml")):
            debian("promtool", "check", what, f"/usr/share/evbd/prometheus/{name}")
    if tried_by("journalctl"):
        assert "A VSI was lost on" in debian("journalctl", "--list-catalog", "82e30c7dab8344009c85bfb40800dd52").stdout
    if tried_by("tshark"):
        # From 4.4 on it loads no Lua for root.
        nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "env", "HOME=/tmp")
        assert "\tevbvdp" in debian(*nobody, "tshark", "-G", "protocols").stdout
    assert len(tried) >= 4, tried
