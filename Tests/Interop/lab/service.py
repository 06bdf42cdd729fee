"""evbd as systemd starts it by Packaging/systemd/evbd.service, without a systemd: that user, those capabilities, those filters."""

import functools
import json
import os
import shutil
import socket
from pathlib import Path

from .evbd import binary
from .system import REPOSITORY, run

UNIT = REPOSITORY / "Packaging/systemd/evbd.service"
# Nobody's. What systemd-sysusers would give is the machine's business.
USER = 61017
# Run by sh in the namespace of mounts that `ip netns exec` makes: ProtectProc, ProcSubset, ProtectSystem, ReadWritePaths, UMask.
MOUNTS = """
set -e
lab=$1 runtime=$2 pid_file=$3
shift 3
mount -t proc -o hidepid=invisible,subset=pid proc /proc
mount --bind "$lab" "$lab"
mount --bind "$runtime" "$runtime"
mount --bind "$pid_file" "$pid_file"
mount -o remount,bind,ro "$lab"
mount -o remount,bind,ro /
umask 0077
exec "$@"
"""


def settings(unit=UNIT):
    """key -> the unit's values for it, in order."""
    found = {}
    for line in unit.read_text().splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith(("#", "[")):
            found.setdefault(key, []).append(value)
    return found


@functools.cache
def calls(name):
    """The system calls that a name in SystemCallFilter stands for."""
    if not name.startswith("@"):
        return frozenset([name])
    lines = [line.strip() for line in run("systemd-analyze", "--no-pager", "syscall-filter", name).stdout.splitlines()]
    return frozenset().union(*(calls(line) for line in lines if line and line != name and not line.startswith("#")))


def allowed():
    """What SystemCallFilter leaves: the first line says that it is a list of what is allowed, later ones add, or take away."""
    left = set()
    for line in settings()["SystemCallFilter"]:
        listed = frozenset().union(*map(calls, line.removeprefix("~").split()))
        left = left - listed if line.startswith("~") else left | listed
    return left


class Power:
    """What an Evbd of the lab may do; set as its `power`."""

    def __init__(self):
        unit = settings()
        self.capabilities = [name.removeprefix("CAP_").lower() for name in unit["CapabilityBoundingSet"][0].split()]
        assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"], "the test knows no difference between them"
        self.rules = {"allow": sorted(allowed()),
                      "families": [getattr(socket, name) for name in unit["RestrictAddressFamilies"][0].split()]}

    def prepare(self, evbd):
        """What systemd, sysusers and tmpfiles have ready: readable programs, a runtime directory, a pid file in a directory of root's."""
        directory = evbd.lab.directory
        directory.chmod(0o755)
        os.chown(evbd.directory, USER, USER)
        evbd.pid_file = directory / f"{evbd.name}.pid"
        evbd.pid_file.touch()
        os.chown(evbd.pid_file, USER, USER)
        if evbd.config["libvirt"]["enabled"]:
            evbd.config["libvirt"]["pid-file"] = evbd.pid_file
        evbd.config["control"].pop("group", None)
        (directory / "rules.json").write_text(json.dumps(self.rules))
        for source in (Path(__file__).with_name("confine.py"), binary("evbd")):
            if not (directory / source.name).exists():
                shutil.copy(source, directory)

    def command(self, evbd, program, *words):
        """The command that has so little power."""
        directory = evbd.lab.directory
        plus = ",".join(f"+{name}" for name in self.capabilities)
        return ["sh", "-c", MOUNTS, "sh", directory, evbd.directory, evbd.pid_file,
                "setpriv", "--reuid", USER, "--regid", USER, "--clear-groups",
                "--inh-caps", f"-all,{plus}", "--ambient-caps", f"-all,{plus}", "--bounding-set", f"-all,{plus}", "--no-new-privs", "--pdeathsig", "KILL",
                "/usr/bin/python3", "-I", directory / "confine.py", directory / "rules.json", directory / program.name, *words]
