"""libvirt as Debian ships it, in a namespace of its own: libvirtd, virsh and machines of QEMU that have a network interface and no disk.

All of a host's processes share one mount, PID and network namespace, kept by one process: libvirtd can be ended and started again
while its machines run, and nothing outlives the lab.
"""

import contextlib
import functools
import os
import random
import re
import socket
import subprocess
import sys
import uuid
from pathlib import Path

from .evbd import Evbd
from .system import eventually, run

# What libvirtd and QEMU write to; $1 is the lab's directory for them. `ip netns exec` has given /sys already, without cgroups. The
# shell stays: orphans are its children, and libvirtd waits until what it has ended is waited for.
_KEEPER = """
mount --make-rprivate / && for part in lib cache log; do mount -t tmpfs none "/var/$part" && mkdir "/var/$part/libvirt" &&
mount --bind "$1/$part" "/var/$part/libvirt" || exit 1; done && mount --bind "$1/etc" /etc/libvirt && mount --bind "$1/run" /run &&
mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/group" /etc/group &&
echo kept || exit 1; sleep infinity & wait
"""
_QEMU_CONF = """
user = "root"
group = "root"
dynamic_ownership = 0
remember_owner = 0
security_driver = "none"
namespaces = [ ]
cgroup_controllers = [ ]
stdio_handler = "file"
"""
_LIBVIRTD_CONF = """
unix_sock_group = "root"
auth_unix_ro = "none"
auth_unix_rw = "none"
log_outputs = "3:stderr"
host_uuid = "{uuid}"
"""
_LIBVIRTD = 'echo $$ > "$1/pid" && read go < "$1/go" && exec /usr/sbin/libvirtd'
_MACHINE = """
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>16</memory>
  <os><type arch='x86_64' machine='{machine}'>hvm</type></os>
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='pci' model='pcie-root'/>
    <controller type='pci' model='pcie-root-port'/>
    <controller type='pci' model='pcie-root-port'/>
    <controller type='pci' model='pcie-root-port'/>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {interfaces}
  </devices>
</domain>
"""
_INTERFACE = """
<interface type='direct'>
  <mac address='{mac}'/>
  <source dev='{device}' mode='vepa'/>
  <virtualport type='802.1Qbg'>
    <parameters managerid='11' typeid='1193047' typeidversion='2' instanceid='{vsi}'/>
  </virtualport>
  <model type='virtio'/>
</interface>
"""
_macs = iter(range(1, 1 << 24))


class Failed(Exception):
    """virsh ended with an error; its text is what virsh said."""


class VSI:
    """An interface of a machine, as libvirt's XML has it."""

    def __init__(self, device="uplink0"):
        self.id, self.device = str(uuid.uuid4()), device
        number = next(_macs)
        self.mac = f"52:54:00:{number >> 16 & 0xff:02x}:{number >> 8 & 0xff:02x}:{number & 0xff:02x}"

    def __str__(self):
        return self.id

    @property
    def xml(self):
        return _INTERFACE.format(mac=self.mac, device=self.device, vsi=self.id)


@functools.cache
def machine_type():
    """An older type, whose slots unplug without a guest's help: 6.0, or the oldest that a newer QEMU still has."""
    listed = re.findall(r"^(pc-q35-(\d+)\.(\d+)) ", run("qemu-system-x86_64", "-machine", "help").stdout, re.M)
    assert listed, "QEMU lists no machine type pc-q35-*"
    return min(listed, key=lambda found: (found[0] != "pc-q35-6.0", int(found[1]), int(found[2])))[0]


def wire(lab, *ends):
    """Lays wires between taps: (namespace, name, MAC) twice for each."""
    words = [word for namespace, name, _ in ends for word in (namespace.name, name)]
    process = lab.start("wire", [sys.executable, "-m", "lab.relay", *words], {"PYTHONPATH": str(Path(__file__).parents[1])})
    eventually(lambda: "laid" in process.output(), 10, f"the taps are there\n{process.tail()}")
    for namespace, name, mac in ends:
        namespace.ip("link", "set", name, "address", mac, "up")
    return process


def numbered_apart(namespace):
    """Lets the namespace's next interfaces have numbers that no other's have: a macvtap's character device is /dev/tap with its number,
    whatever namespace it is in."""
    for _ in range(20):
        first = random.randrange(200, 1200, 2)
        if not any(Path(f"/dev/tap{number}").exists() for number in range(first, first + 100)):
            break
    lines = "".join(f"link add name x{pair} group 77 type veth peer name y{pair} group 77\n" for pair in range(first // 2))
    subprocess.run(["ip", "-n", namespace.name, "-batch", "-"], input=lines, text=True, check=True)
    namespace.ip("link", "delete", "group", "77")


class Host:
    """A host: evbd as the station on uplink0, libvirtd, and machines."""

    def __init__(self, lab, namespace, name="host"):
        self.lab, self.namespace, self.name = lab, namespace, name
        self.directory = lab.directory / f"{name}-libvirt"
        for part in ("etc", "run", "lib", "cache", "log"):
            (self.directory / part).mkdir(parents=True)
        # The user that Debian gives QEMU by default has to exist, although another one is configured; only the services' package makes it.
        for file, fields in (("passwd", ":x:64055:64055::/:/usr/sbin/nologin"), ("group", ":x:64055:")):
            text = Path("/etc", file).read_text()
            (self.directory / file).write_text(text if "libvirt-qemu:" in text else f"{text.rstrip()}\nlibvirt-qemu{fields}\n")
        (self.directory / "etc/qemu.conf").write_text(_QEMU_CONF)
        (self.directory / "etc/libvirtd.conf").write_text(_LIBVIRTD_CONF.format(uuid=uuid.uuid4()))
        self.uri = f"qemu+unix:///system?socket={self.directory}/run/libvirt/libvirt-sock"
        self.evbd = self.libvirtd = None
        # What `unshare` has begun dies with it, and with the first process of a PID namespace all that are in it.
        self.keeper = lab.start(f"{name}-keeper", namespace.command(
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", _KEEPER, "keeper", self.directory))
        lab.at_end(self.keeper.kill)
        eventually(lambda: "kept" in self.keeper.output(), 10, f"the namespaces are there\n{self.keeper.tail()}")

    def start_evbd(self, **changes):
        self.evbd = Evbd(self.lab, self.namespace, name=f"evbd-{self.name}", **changes)
        self.obey(self.evbd.pid_file)
        return self.evbd

    def obey(self, pid_file):
        """Points libvirt to the daemon that this pid file is of."""
        link = self.directory / "run/lldpad.pid"
        link.unlink(missing_ok=True)
        link.symlink_to(pid_file)

    # MARK: libvirtd

    def start_libvirtd(self):
        inside, = _children(self.keeper.pid)
        (self.directory / "pid").unlink(missing_ok=True)
        (self.directory / "go").unlink(missing_ok=True)
        os.mkfifo(self.directory / "go")
        self.libvirtd = self.lab.start(f"libvirtd-{self.name}", [
            "nsenter", "-t", inside, "-m", "-n", "-p", "sh", "-c", _LIBVIRTD, "libvirtd", self.directory])
        number = int(eventually(lambda: (self.directory / "pid").exists() and (self.directory / "pid").read_text().strip(), 10, "its number"))
        with _high_ports_taken(self.namespace, number):
            (self.directory / "go").write_text("go\n")
            eventually(self._answers, 20, "libvirtd answers", every=0.02)
        return self

    def _answers(self):
        assert self.libvirtd.alive, f"libvirtd ended\n{self.libvirtd.tail()}"
        return self.virsh("version", check=False).returncode == 0

    @property
    def libvirtd_pid(self):
        return _children(self.libvirtd.pid)[0]

    def stop_libvirtd(self):
        """Ends libvirtd; its machines run on."""
        run("kill", self.libvirtd_pid)
        self.libvirtd.wait(20)

    # MARK: Machines

    def virsh(self, *words, check=True, timeout=60):
        """Runs virsh to its end; a failure carries what it said."""
        result = subprocess.run(["virsh", "-q", "-c", self.uri, *map(str, words)], capture_output=True, text=True, timeout=timeout,
                                stdin=subprocess.DEVNULL)
        if check and result.returncode:
            raise Failed(result.stderr or result.stdout)
        return result

    def file(self, name, text):
        path = self.directory / name
        path.write_text(text)
        return path

    def define(self, name, *vsis):
        self.virsh("define", self.file(f"{name}.xml", _MACHINE.format(name=name, machine=machine_type(), interfaces="".join(vsi.xml for vsi in vsis))))

    def start(self, name, *vsis):
        self.define(name, *vsis)
        self.virsh("start", name)

    def attach(self, name, vsi):
        self.virsh("attach-device", name, self.file("interface.xml", vsi.xml))

    def detach(self, name, vsi):
        self.virsh("detach-device", name, self.file("interface.xml", vsi.xml))

    def state(self, name):
        return self.virsh("domstate", name).stdout.strip()

    def link_of(self, vsi):
        """The macvtap of a VSI as `ip link` says; None where there is none."""
        return next((link for link in self.namespace.links().values()
                     if link["address"] == vsi.mac and link.get("linkinfo", {}).get("info_kind") == "macvtap"), None)

    def is_up(self, vsi):
        link = self.link_of(vsi)
        return link is not None and "UP" in link["flags"]

    def clear(self):
        """Ends and forgets all machines."""
        # A name may have spaces.
        for name in filter(None, self.virsh("list", "--all", "--name").stdout.splitlines()):
            self.virsh("destroy", name, check=False)
            self.virsh("undefine", name, "--managed-save", check=False)


@contextlib.contextmanager
def _high_ports_taken(namespace, number):
    """libnl draws netlink ports for a process: its number in 22 bits, and ten bits by the time of day. Of 2^31 or more libvirt 9.0 takes
    its own port for an error, and then sends nothing to lldpad for as long as it lives. So it is left no such port."""
    with contextlib.ExitStack() as sockets:
        with namespace.entered():
            for high in range(512, 1024):
                taken = sockets.enter_context(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE))
                with contextlib.suppress(OSError):   # somebody else's
                    taken.bind((high << 22 | number, 0))
        yield


def _children(pid):
    """The process ids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
