"""Debian's lldpd, the LLDP daemon of many a host: it speaks on the nearest bridge address and knows nothing of EVB."""

import json
import os
import subprocess

from . import packages
from .system import eventually

# With the libraries that a bare system may lack.
PACKAGES = ("lldpd", "libbsd0", "libmd0", "libcap2", "libevent-2.1-7", "libreadline8", "libsnmp40", "libxml2", "libicu72",
            "libpci3", "libperl5.36", "libsensors5", "libssl3", "libudev1", "libwrap0")

# It changes to a user and a directory of its own, which it has in a mount namespace alone.
_ENTER = """
mount --make-rprivate / && mount -t tmpfs none /run && mkdir /run/lldpd && cp /etc/passwd /etc/group /run &&
echo '_lldpd:x:64999:64999::/run/lldpd:/bin/false' >>/run/passwd && echo '_lldpd:x:64999:' >>/run/group &&
mount --bind /run/passwd /etc/passwd && mount --bind /run/group /etc/group && exec "$@"
"""


class Lldpd:
    """A running lldpd on one interface of a namespace."""

    def __init__(self, lab, namespace, interface, name="lldpd"):
        self._root = packages.unpacked("lldpd", PACKAGES)
        libraries = [str(path) for path in self._root.glob("**/x86_64-linux-gnu") if path.is_dir()]
        self._environment = {"LD_LIBRARY_PATH": ":".join(libraries)}
        self._socket = lab.directory / f"{name}.socket"
        # It would have lldpcli configure it from /etc, and start; here the test starts it.
        self.process = lab.start(name, namespace.command(
            "unshare", "--mount", "sh", "-c", _ENTER, name, "env", f"LD_LIBRARY_PATH={self._environment['LD_LIBRARY_PATH']}",
            self._root / "usr/sbin/lldpd", "-d", "-I", interface, "-u", self._socket, "-L", "/bin/true"))
        self._interface = interface
        eventually(self._answers, 10, f"lldpd answers\n{self.process.tail()}")

    def _answers(self):
        assert self.process.alive, self.process.tail()
        return self._ask("resume").returncode == 0

    def _ask(self, *words):
        # Where it is installed it becomes _lldpd, who may not look into the lab's directory.
        return subprocess.run(["setpriv", "--no-new-privs", str(self._root / "usr/sbin/lldpcli"), "-u", str(self._socket), "-f", "json0", *words], text=True,
                              capture_output=True, timeout=30, env={**os.environ, **self._environment}, stdin=subprocess.DEVNULL)

    def _interfaces(self, *words):
        shown = json.loads(self._ask("show", *words).stdout)["lldp"]
        return [found for part in shown for found in part.get("interface", []) if found["name"] == self._interface]

    def neighbours(self):
        """The names of the ports that it hears, and of their chassis."""
        return {(found["chassis"][0]["id"][0]["value"], found["port"][0]["id"][0]["value"]) for found in self._interfaces("neighbors")}

    def statistics(self):
        """Its counters: tx, rx, discarded, unrecognized, ageout, inserted, deleted."""
        found, = self._interfaces("statistics")
        return {name: int(value[0][name]) for name, value in found.items() if isinstance(value, list) and name in value[0]}

    def configure(self, *words):
        assert self._ask("configure", *words).returncode == 0, words

    def send_now(self):
        assert self._ask("update").returncode == 0
