"""Debian's lldpad, from its package but never installed: no service, nothing outside the lab."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path

from . import netlink, packages
from .system import eventually

PACKAGES = ("lldpad", "libconfig9")

# lldpad keeps state in these places, at fixed paths: each instance gets its own. `exec` all the way keeps the process id.
_ENTER = """
mount --make-rprivate / && mount -t tmpfs none /dev/shm && mount -t tmpfs none /run &&
mount -t tmpfs none /var/lib && mkdir /var/lib/lldpad && mount --bind "$1" /var/lib/lldpad && exec "$2" -t -V 5
"""


def unpacked():
    """The directory that holds lldpad's files; downloads and unpacks the packages the first time."""
    return packages.unpacked("lldpad", PACKAGES)


def settings(role, **changes):
    """The `evb` section of lldpad.conf for a role. Timers are short, so that tests are."""
    values = {"enableTx": True, "evbmode": role, "ecpretries": 3, "ecprte": 10, "vdprwd": 17, "vdprka": 18, "evbgpid": True}
    values["evbrrcap" if role == "bridge" else "evbrrreq"] = True
    return {**values, **changes}


def configuration(interface, values):
    """lldpad.conf in libconfig's format: EVB on the nearest customer bridge agent of one interface."""
    def literal(value):
        return str(value).lower() if isinstance(value, (bool, int)) else f'"{value}"'
    lines = "\n".join(f"      {key} = {literal(value)};" for key, value in values.items())
    return (f"nearest_customer_bridge : {{\n  {interface} : {{\n    adminStatus = 3;\n"
            f"    tlvid0080c20d : {{\n{lines}\n    }};\n  }};\n}};\n")


def command(namespace_name, directory):
    """argv and environment for an lldpad with its own mount and IPC namespace and its state in the directory."""
    root = unpacked()
    libraries = next(root.glob("usr/lib/*/libconfig.so.*")).parent
    return (["ip", "netns", "exec", namespace_name, "unshare", "--mount", "--ipc", "sh", "-c", _ENTER, "lldpad",
             str(directory), str(root / "usr/sbin/lldpad")], {"LD_LIBRARY_PATH": str(libraries)})


class Lldpad:
    """A running lldpad, bridge by default."""

    def __init__(self, lab, namespace, interface, role="bridge", **changes):
        self.lab, self.namespace, self.interface, self.role, self.changes = lab, namespace, interface, role, changes
        self.process = None
        self.start()

    def start(self):
        # What is /var/lib/lldpad there.
        self.directory = directory = Path(tempfile.mkdtemp(prefix="lldpad-", dir=self.lab.directory))
        (directory / "lldpad.conf").write_text(configuration(self.interface, settings(self.role, **self.changes)))
        argv, environment = command(self.namespace.name, directory)
        self.process = self.lab.start(f"lldpad-{self.role}", argv, environment)
        eventually(self._answers, 10, f"lldpad answers\n{self.process.tail()}")

    def _answers(self):
        assert self.process.alive, self.process.tail()
        try:
            self.vsis()
            return True
        except (ConnectionRefusedError, netlink.NoAnswer, netlink.Refused):
            return False

    @property
    def pid(self):
        return self.process.pid

    def vsis(self):
        """The UUIDs of the VSIs that it holds. Of an lldpad in the station role reading also forgets the finished ones."""
        return {entry.uuid for entry in netlink.vsis(self.namespace, self.pid, self.interface)}

    def holds(self, uuid):
        return uuid.lower() in self.vsis()

    def tool(self, *words):
        """lldptool, in the namespace of this lldpad; vdptool by its name as first word."""
        name = words[0] if words[0] == "vdptool" else "lldptool"
        root, (_, environment) = unpacked(), command(self.namespace.name, "")
        return subprocess.run(self.namespace.command(root / "usr/sbin" / name, *(words[1:] if name == words[0] else words)),
                              capture_output=True, text=True, timeout=30, env={**os.environ, **environment})

    def stop(self):
        """In order: lldpad says goodbye by an LLDPDU with TTL 0."""
        self.process.stop()

    def freeze(self):
        self.process.freeze()

    def thaw(self):
        self.process.thaw()

    def kill(self):
        self.process.signal(signal.SIGKILL)
        self.process.wait(10)
