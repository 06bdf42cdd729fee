"""Containers of Incus as VSIs: a macvlan that Incus makes, and one of evbd's. Debian 12 has no Incus, so that Tests/newest runs this in newer ones."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from lab import eventually
from lab.pair import Switch
from lab.system import run

PROGRAMS = "/usr/libexec/incus"
pytestmark = pytest.mark.skipif(not shutil.which("incus") or not os.path.exists("/bin/busybox"), reason="needs incus and busybox-static")
ONE, TWO, THREE = (f"1f9b1c53-8b5c-4eeb-8f00-d84eaa0aaa0{number}" for number in (1, 2, 3))
PRESEED = """
storage_pools: [{name: default, driver: dir}]
profiles: [{name: default, devices: {root: {type: disk, path: /, pool: default}}}]
"""


class Incus:
    """Debian's incusd in the host's namespace, without systemd, and with all its state in memory. Its only image is busybox."""

    def __init__(self, lab, namespace):
        self.namespace, self.folder = namespace, Path(lab.directory) / "incus"
        # It looks for links in /sys, which has to be that of the namespace, and takes control groups of version 2 alone.
        state = "/run /var/log /var/lib/incus"
        self.keeper = lab.start("incus-keeper", namespace.command("unshare", "--mount", "sh", "-c", (
            f"mount -t sysfs none /sys && mount -t cgroup2 none /sys/fs/cgroup && for each in {state}; do mount -t tmpfs -o mode=755 none $each; done && "
            "mkdir -p /run/netns /run/lock /var/log/incus && echo kept && exec sleep 1000")))
        eventually(lambda: "kept" in self.keeper.output(), 10, f"the namespace is there\n{self.keeper.tail()}")
        self.environment = {**os.environ, "HOME": str(self.folder), "INCUS_DIR": "/var/lib/incus",
                            "PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
        self.daemon = lab.start("incusd", self.command(f"{PROGRAMS}/incusd", "--group", "root"), self.environment)
        lab.at_end(self.end)
        self.run("admin", "waitready", "--timeout", "30")
        self.run("admin", "init", "--preseed", given=PRESEED)
        self.run("image", "import", self.image(), "--alias", "busybox")

    def image(self):
        root = self.folder / "image/rootfs"
        for name in ("bin", "sbin", "etc", "proc", "sys", "dev", "tmp", "run", "root"):
            (root / name).mkdir(parents=True)
        shutil.copy("/bin/busybox", root / "bin/busybox")
        for name in ("bin/sh", "bin/ping", "bin/sleep", "bin/ip", "sbin/init"):
            (root / name).symlink_to("/bin/busybox")
        (root / "etc/inittab").write_text("::respawn:/bin/sleep 1000\n")
        (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        (root.parent / "metadata.yaml").write_text("architecture: x86_64\ncreation_date: 1700000000\n")
        run("tar", "-C", root.parent, "-czf", self.folder / "image.tar.gz", "metadata.yaml", "rootfs")
        return self.folder / "image.tar.gz"

    def command(self, *words):
        return ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", f"--net=/run/netns/{self.namespace.name}", *map(str, words)]

    def run(self, *words, check=True, given=""):
        ended = subprocess.run(self.command("incus", *words), env=self.environment, input=given, capture_output=True, text=True, timeout=120)
        assert not check or ended.returncode == 0, (ended, self.daemon.tail())
        return ended

    def make(self, name, *nic):
        """A container with such a NIC that does not run yet; its address."""
        self.run("init", "busybox", name, "-c", "security.privileged=true")
        self.run("config", "device", "add", name, "eth0", "nic", *nic)
        return self.run("config", "get", name, "volatile.eth0.hwaddr").stdout.strip()

    def start(self, name, address):
        self.run("start", name)
        self.run("exec", name, "--", "sh", "-c", f"ip address add {address}/24 dev eth0 && ip link set eth0 up")

    def mode(self, name):
        """The mode of its macvlan, as the kernel has it."""
        container, = json.loads(self.run("list", name, "--format", "json").stdout)
        link, = json.loads(run("nsenter", "-t", container["state"]["pid"], "-n", "ip", "-d", "-j", "link", "show", "eth0").stdout)
        return link["linkinfo"]["info_data"]["mode"]

    def reaches(self, name, address):
        return self.run("exec", name, "--", "ping", "-c", "1", "-W", "1", address, check=False).returncode == 0

    def end(self):
        self.run("delete", "--force", "one", "two", "three", check=False)
        self.run("admin", "shutdown", "--timeout", "20", check=False)
        # The control groups are the machine's, and LXC leaves this one there.
        run(*self.command("rmdir", "/sys/fs/cgroup/lxc.pivot"), check=False)


def test_CNI_119_incus(cable):
    """CNI-119 Containers of Incus, with a macvlan of its own in mode vepa or with one of evbd's, reach each other through the reflective
    relay; what the switch takes back is cut; evbd's link comes back and serves again."""
    bridge = Switch(cable.lab, cable.switch).evbd()
    evbd = cable.evbd().wait_for_bridge()
    incus = Incus(cable.lab, cable.host)
    for vsi, name, address in ((ONE, "one", "10.9.0.1"), (TWO, "two", "10.9.0.2")):
        mac = incus.make(name, "nictype=macvlan", "parent=uplink0", "mode=vepa")
        # The address is fixed before the start, so that the switch can be asked first.
        evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "100", "--filter", f"mac={mac}")
        incus.start(name, address)
        assert incus.mode(name) == "vepa"
    eventually(lambda: incus.reaches("one", "10.9.0.2"), 10, "one reaches the other by the switch")
    bridge.ctl("port", "misbehave", "port0", "--refuse", "insufficient-resources", "--vsi", TWO)
    bridge.ctl("vsi", "deassociate", TWO)
    eventually(lambda: evbd.vsi(TWO)["reason"] == "insufficient-resources" and not incus.reaches("one", "10.9.0.2"), 10, "its traffic is cut")
    bridge.ctl("port", "misbehave", "port0", "--off")
    # A link of evbd's is handed over as "physical", which has no mode of its own.
    evbd.ctl("vsi", "associate", THREE, "--port", "uplink0", "--type", "100", "--filter", "mac=52:54:00:00:00:03", "--link", "web0",
             "--link-kind", "macvlan", "--link-mode", "vepa")
    incus.make("three", "nictype=physical", "parent=web0")
    for _ in range(2):
        incus.start("three", "10.9.0.3")
        assert "web0" not in cable.host.links() and incus.mode("three") == "vepa"
        eventually(lambda: incus.reaches("three", "10.9.0.1"), 10, "it reaches another")
        incus.run("stop", "--force", "three")
        eventually(lambda: "UP" in cable.host.links().get("web0", {"flags": []})["flags"], 10, "evbd's link is back, and up")
    assert evbd.state(THREE) == "associated"
    for vsi in (ONE, TWO, THREE):
        evbd.ctl("vsi", "deassociate", vsi)
    incus.run("stop", "--force", "one", "two")
    eventually(lambda: evbd.vsis() == {} and bridge.vsis() == {} and set(cable.host.links()) == {"lo", "uplink0"}, 10, "nothing is left")
