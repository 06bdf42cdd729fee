"""Debian's snmpd with an AgentX socket, its programs for a manager, and evbd-snmp beside it: unpacked, never installed."""

import os
import socket
import subprocess
import threading
import time

from . import packages
from .evbd import binary
from .system import eventually

# With the libraries that a bare system may lack.
PACKAGES = ("snmpd", "snmp", "libsnmp40", "libsnmp-base", "libpci3", "libperl5.36", "libsensors5", "libssl3", "libwrap0")
EVB, LLDP = "1.3.111.2.802.1.1.24.1", "1.3.111.2.802.1.1.13.1"
ADDRESS = "127.0.0.1:1161"


class Snmpd:
    """A master agent in a namespace. Whoever knows `public` may read, and with `private` write, if there were anything to write."""

    def __init__(self, lab, namespace, name="snmpd", settings=(), words=()):
        self.lab, self._namespace, self._name, self._words = lab, namespace, name, words
        self.root = packages.unpacked("snmp", PACKAGES)
        libraries = sorted({str(path.parent) for path in self.root.glob("**/*.so.*")})
        self.directory = lab.directory / name
        self.directory.mkdir()
        self.socket = self.directory / "agentx" / "master"
        # Nothing of this host's configuration, and no MIBs: names are numbers.
        self._environment = {"LD_LIBRARY_PATH": ":".join(libraries), "SNMPCONFPATH": str(self.directory), "MIBS": "",
                             "MIBDIRS": str(self.directory), "SNMP_PERSISTENT_DIR": str(self.directory)}
        self._configuration = self.directory / "snmpd-lab.conf"
        self.configure(settings)
        self.start()

    def configure(self, settings):
        self._configuration.write_text("\n".join(["dontLogTCPWrappersConnects yes", *(settings or [
            "rocommunity public 127.0.0.1", "rwcommunity private 127.0.0.1", "master agentx", f"agentXSocket {self.socket}",
            "agentXTimeout 1", "agentXRetries 0"])]) + "\n")

    def as_debian_has_it(self):
        """The lines of the snmpd.conf that Debian installs, but for where it listens and what it includes."""
        lines = (self.root / "etc/snmp/snmpd.conf").read_text().splitlines()
        return [line for line in lines if not line.startswith(("agentaddress", "includeDir"))]

    def start(self):
        self.process = self.lab.start(self._name, self._namespace.command(
            self.root / "usr/sbin/snmpd", "-f", "-Lo", "-C", "-c", self._configuration, *self._words, f"udp:{ADDRESS}"), self._environment)
        # A question that comes before it listens is lost. What the settings do not show is answered too, by an exception.
        eventually(lambda: self.get("1.3.6.1.2.1.1.3.0", seconds=0.3) or self.get("1.3.6.1.2.1.1.3.0", seconds=0.3, community="evb"), 10, f"snmpd answers\n{self.process.tail()}")

    def run(self, program, *words, community="public", seconds=5):
        """A manager's program; numbers in, numbers out."""
        command = [self.root / "usr/bin" / program, "-v2c", "-c", community, "-On", "-t", seconds, "-r", "0", ADDRESS, *words]
        return subprocess.run(self._namespace.command(*command), capture_output=True, text=True, timeout=120,
                              env={**os.environ, **self._environment}, stdin=subprocess.DEVNULL)

    def get(self, oid, **more):
        """`TYPE: value`, or None where there is no answer."""
        said = self.run("snmpget", oid, **more)
        return said.stdout.strip().partition(" = ")[2] if said.returncode == 0 else None

    def walk(self, oid, *words, program="snmpbulkwalk"):
        """[(numbers, `TYPE: value`)] of all below oid, which has to be below it, in the order of the answers."""
        said = self.run(program, "-Cc", *words, oid)
        assert said.returncode == 0, said.stderr or said.stdout
        lines = [line.partition(" = ")[::2] for line in said.stdout.splitlines() if line.startswith(f".{oid}.")]
        # The end of the tree is told under the name of its last object.
        return [(tuple(map(int, name.split(".")[1:])), value) for name, value in lines if not value.startswith("No more variables")]

    def evbd_snmp(self, evbd_socket, *words, name="evbd-snmp", command=()):
        """evbd-snmp with this master."""
        process = self.lab.start(name, [*command, binary("evbd-snmp"), "--socket", evbd_socket, "--agentx", self.socket, *words])
        return process

    def wait_for_objects(self, process, seconds=15, **more):
        eventually(lambda: (self.get(f"{EVB}.1.1.0", **more) or "").startswith("INTEGER"), seconds, f"the EVB MIB is shown\n{process.tail()}", every=0.1)
        return process


class Counting:
    """A socket before evbd's that counts the calls that pass, by their method."""

    def __init__(self, lab, target):
        self.path, self._target, self.calls = lab.directory / "counting.sock", str(target), []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen(16)
        lab.at_end(self._listener.close)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:
                client.close()
                continue
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source, drain, isCall):
        while True:
            try:
                octets = source.recv(1 << 16)
                drain.sendall(octets)
            except OSError:
                octets = b""
            if not octets:
                for end in (source, drain):
                    try:
                        end.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass
                return
            if isCall:
                # Calls are short and come one at a time.
                self.calls += [(time.monotonic(), part.partition(b'"method":"io.evbd.')[2].partition(b'"')[0].decode())
                               for part in octets.split(b"\0") if part]
