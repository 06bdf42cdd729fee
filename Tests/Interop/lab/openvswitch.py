"""Debian's Open vSwitch in a namespace, with a folder of its own and by default the userspace datapath: nothing of the host's is touched."""

import fcntl
import os
import struct
import subprocess
from pathlib import Path

from .packages import unpacked
from .system import eventually, run
from .tap import IFF_NO_PI, IFF_TAP, TUNSETIFF

PACKAGES = ["openvswitch-switch", "openvswitch-common", "libxdp1", "libbpf1", "libunbound8"]


# The root of another Debian, whose Open vSwitch is run in place of this one's: `lab/suite sid openvswitch-switch` prints one.
OTHER_ROOT = os.environ.get("EVBD_OVS_ROOT")
LIBRARIES = "usr/lib/x86_64-linux-gnu"


def root():
    """Where it is unpacked."""
    return Path(OTHER_ROOT) if OTHER_ROOT else unpacked("openvswitch", PACKAGES)


class OpenVSwitch:
    """ovsdb-server and ovs-vswitchd, with one bridge."""

    def __init__(self, lab, namespace, bridge="br0", ports=("uplink0",), datapath="netdev"):
        self.lab, self.namespace, self.bridge = lab, namespace, bridge
        self.datapath = datapath
        self.root = root()
        self.directory = lab.directory / "openvswitch"
        self.directory.mkdir()
        self.socket = self.directory / "db.sock"
        self.environment = {
            **({} if OTHER_ROOT else {"LD_LIBRARY_PATH": str(self.root / LIBRARIES)}), "OVS_RUNDIR": str(self.directory), "OVS_LOGDIR": str(self.directory),
            "OVS_DBDIR": str(self.directory), "OVS_SYSCONFDIR": str(self.directory), "OVS_PKGDATADIR": str(self.root / "usr/share/openvswitch"),
        }
        self._tool("usr/bin/ovsdb-tool", "create", self.directory / "conf.db", self.root / "usr/share/openvswitch/vswitch.ovsschema")
        self.server = self.daemon = None
        self.start_server()
        self.start_daemon()
        self.ctl("--no-wait", "init")
        self.ctl("add-br", bridge, "--", "set", "bridge", bridge, f"datapath_type={datapath}")
        for port in ports:
            self.ctl("add-port", bridge, port)

    def program(self, path):
        """The words that run a program of Open vSwitch."""
        # Another Debian's programs want its own libraries, which those of this one that run them do not.
        loader = [self.root / LIBRARIES / "ld-linux-x86-64.so.2", "--library-path", self.root / LIBRARIES] if OTHER_ROOT else []
        return [*map(str, loader), str(self.root / path)]

    def _command(self, path, *words):
        return self.namespace.command(*self.program(path), *words)

    def _tool(self, program, *words):
        return run("env", *(f"{key}={value}" for key, value in self.environment.items()), *self._command(program, *words))

    def start_server(self):
        self.server = self.lab.start("ovsdb-server", self._command(
            "usr/sbin/ovsdb-server", self.directory / "conf.db", f"--remote=punix:{self.socket}"), self.environment)
        eventually(self._serves, 10, f"ovsdb-server serves\n{self.server.tail()}")

    def _serves(self):
        words = self._command("usr/bin/ovsdb-client", "list-dbs", f"unix:{self.socket}")
        return subprocess.run(words, env={**os.environ, **self.environment}, capture_output=True).returncode == 0

    def start_daemon(self):
        self.daemon = self.lab.start("ovs-vswitchd", self._command(
            "usr/lib/openvswitch-switch/ovs-vswitchd", f"unix:{self.socket}", *(["--disable-system"] if self.datapath == "netdev" else [])), self.environment)

    def stop_server(self):
        self.server.stop()
        self.socket.unlink(missing_ok=True)

    def ctl(self, *words):
        """ovs-vsctl; what it prints."""
        return self._tool("usr/bin/ovs-vsctl", f"--db=unix:{self.socket}", "--timeout=20", *words).stdout.strip()

    def flows(self):
        """What the datapath does now, where it has learned which address, and its ports."""
        said = [["dpctl/dump-flows", "-m"], ["fdb/show", self.bridge], ["dpif/show"]]
        return "\n".join(self._tool("usr/bin/ovs-appctl", "-t", self.daemon_control(), *words).stdout for words in said)

    def daemon_control(self):
        """vswitchd's control socket."""
        return next(self.directory.glob("ovs-vswitchd.*.ctl"))

    def interface(self, name, column):
        return self.ctl("get", "interface", name, column)

    def told(self, name):
        """What evbd has written of an interface: status and reason, None for what is not there."""
        return tuple(
            self.ctl("--if-exists", "get", "interface", name, f"external_ids:{key}").strip('"') or None for key in ("evb-status", "evb-reason"))

    def tap(self, name, mac, **how):
        """A machine's tap as libvirt makes one: the tap, then its row, then it is set up."""
        return SwitchTap(self, name, mac, **how)

    def libvirt_port(self, name, mac, vsi, profile=None, tag=None):
        """Adds a port as libvirt does, in one transaction."""
        ids = {"attached-mac": mac, "iface-id": vsi, "iface-status": "active", **({"port-profile": profile} if profile else {})}
        words = ["--may-exist", "add-port", self.bridge, name]
        if tag is not None:
            words.append(f"tag={tag}")
        words += ["--", "set", "interface", name, *(f'external_ids:{key}="{value}"' for key, value in ids.items())]
        self.ctl(*words)


class SwitchTap:
    """A machine's tap in an Open vSwitch. It goes when this is closed."""

    def __init__(self, switch, name, mac, vsi=None, profile=None, tag=None, up=True):
        self.switch, self.name, self.mac = switch, name, mac
        namespace = switch.namespace
        with namespace.entered():
            self._descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self._descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        switch.lab.at_end(self.close)
        # The kernel's end has another address than the machine, as libvirt gives it.
        namespace.ip("link", "set", name, "address", "fe" + mac[2:])
        if vsi:
            switch.libvirt_port(name, mac, vsi, profile, tag)
        if up:
            namespace.ip("link", "set", name, "up")

    def send(self, octets):
        os.write(self._descriptor, octets)

    def received(self):
        """The frames that wait."""
        frames = []
        while True:
            try:
                frames.append(os.read(self._descriptor, 65536))
            except BlockingIOError:
                return frames

    def close(self):
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
