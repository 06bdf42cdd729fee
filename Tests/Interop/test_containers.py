"""Containers as VSIs: the CNI plugin `evb` with Debian's reference plugins, podman, and the hook of the OCI. The switch is evbd's bridge role."""

import json
import os
import shutil
import signal
import subprocess
import uuid

import pytest
from lab import eventually
from lab.containers import NETAVARK, PLUGINS, CNIFailure, Network, Podman
from lab.evbd import binary
from lab.pair import Switch
from lab.system import run

pytestmark = pytest.mark.skipif(
    not (PLUGINS / "macvlan").exists() or not shutil.which("podman") or not os.path.exists("/bin/busybox"),
    reason="needs containernetworking-plugins, podman, crun and busybox-static")

LEASES = {"type": "host-local", "ranges": [[{"subnet": "10.9.0.0/24"}]]}


class Bench:
    def __init__(self, cable):
        self.cable, self.lab = cable, cable.lab
        self.switch = Switch(cable.lab, cable.switch)
        self.bridge = self.switch.evbd()
        self.evbd = cable.evbd().wait_for_bridge()

    def network(self, **more):
        return Network(self.lab, self.cable.host, self.evbd, **{"ipam": {**LEASES, "dataDir": f"{self.lab.directory}/leases"}, **more})

    def container(self):
        name = f"c{uuid.uuid4().hex[:8]}"
        space = self.lab.namespace(name)
        return name, space, f"/run/netns/{space.name}"

    def hook(self, podman):
        hook = self.lab.directory / "hook"
        hook.write_text(f'#!/bin/sh\nexec {binary("evbctl")} hook oci --socket {self.evbd.socket}\n')
        hook.chmod(0o755)
        podman.hook(str(hook))

    def states(self):
        return [vsi["state"] for vsi in self.evbd.ctl_json("vsi", "list")]

    def links(self):
        return [link for link in self.cable.host.links().values() if link.get("linkinfo", {}).get("info_kind") == "macvlan"]

    def is_empty(self):
        return self.evbd.vsis() == {} and self.bridge.vsis() == {} and self.links() == []


@pytest.fixture
def bench(cable):
    return Bench(cable)


def test_CNI_112_calls_of_a_runtime(bench):
    """CNI-112 CNI-114 ADD, CHECK, DEL, GC and STATUS with the reference plugins, alone and behind macvlan; what the switch takes back is cut."""
    network = bench.network()
    assert network.call("STATUS") is None
    assert "1.1.0" in network.call("VERSION")["supportedVersions"]
    boxes = [bench.container() for _ in range(2)]
    results = [network.call("ADD", name, path) for name, _, path in boxes]
    assert bench.states() == ["associated"] * 2
    addresses = [result["ips"][0]["address"].split("/")[0] for result in results]
    for (name, space, path), result in zip(boxes, results):
        assert network.call("CHECK", name, path, prevResult=result) is None
        assert space.links()["eth0"]["linkinfo"]["info_data"]["mode"] == "vepa"

    def reaches(count=1):
        return run(*boxes[0][1].command("ping", "-c", count, "-i", "0.2", "-W", "1", addresses[1]), check=False).returncode == 0
    eventually(reaches, 5, "one reaches the other by the switch")
    # The switch takes one back, and refuses it from then on.
    vsi = next(vsi["vsiID"] for vsi in bench.evbd.ctl_json("vsi", "list") if vsi["filters"][0]["mac"] == results[1]["interfaces"][0]["mac"])
    bench.bridge.ctl("port", "misbehave", "port0", "--refuse", "insufficient-resources", "--vsi", vsi)
    bench.bridge.ctl("vsi", "deassociate", vsi)
    # It asks again by itself, and only then hears why not.
    eventually(lambda: bench.evbd.vsi(vsi)["reason"] == "insufficient-resources" and not reaches(), 10, "its traffic is cut")
    with pytest.raises(CNIFailure) as failure:
        network.call("CHECK", boxes[1][0], boxes[1][2], prevResult=results[1])
    assert failure.value.code == 101 and "insufficient-resources" in failure.value.error["msg"]
    # A refused container is told why, and leaves nothing.
    other = bench.container()
    bench.bridge.ctl("port", "misbehave", "port0", "--refuse", "insufficient-resources")
    with pytest.raises(CNIFailure) as failure:
        network.call("ADD", other[0], other[2])
    assert failure.value.code == 100 and "insufficient-resources" in failure.value.error["msg"], failure.value.error
    bench.bridge.ctl("port", "misbehave", "port0", "--off")
    eventually(lambda: len(bench.evbd.vsis()) == 2 and "eth0" not in other[1].links(), 5, "nothing is left of it")
    # GC ends what no container has, DEL the rest.
    chained = bench.network(ipam=None, name="chained")
    link = Network(bench.lab, bench.cable.host, bench.evbd, ipam={}, master="uplink0", mode="vepa", name="chained", type="macvlan")
    made = link.call("ADD", other[0], other[2], plugin="macvlan")
    assert chained.call("ADD", other[0], other[2], prevResult=made)["interfaces"] == made["interfaces"]
    network.call("GC", **{"cni.dev/valid-attachments": [{"containerID": boxes[0][0], "ifname": "eth0"}]})
    eventually(lambda: len(bench.evbd.vsis()) == 2, 5, "the second is gone, that of another network is there")
    chained.call("DEL", other[0], other[2], prevResult=made)
    for (name, _, path), result in zip(boxes, results):
        network.call("DEL", name, path, prevResult=result)
    eventually(bench.is_empty, 5, "nothing is left")


def test_CNI_115_a_hundred_in_a_row(bench):
    """CNI-115 A hundred ADD and DEL leave nothing."""
    network = bench.network()
    name, space, path = bench.container()
    for number in range(100):
        network.call("ADD", f"{name}-{number}", path)
        network.call("DEL", f"{name}-{number}", path)
    eventually(bench.is_empty, 5, "nothing is left")
    assert list(space.links()) == ["lo"]


def test_CNI_116_ends_amid_ADD(bench):
    """CNI-116 kill -9 of evbd and of the plugin, while the switch has not answered: the runtime's GC leaves nothing."""
    network = bench.network(wait=60)
    bench.bridge.ctl("port", "misbehave", "port0", "--silent", "all")
    name, _, path = bench.container()
    adding = network.start("ADD", name, path)
    eventually(lambda: bench.states() == ["pending"], 10, "the switch is asked")
    bench.evbd.process.signal(signal.SIGKILL)
    eventually(lambda: not bench.evbd.process.alive, 10, "evbd has ended")
    bench.evbd.start()
    bench.bridge.ctl("port", "misbehave", "port0", "--off")
    printed, _ = adding.communicate(timeout=60)
    assert adding.returncode == 0, printed
    assert bench.states() == ["associated"]
    bench.bridge.ctl("port", "misbehave", "port0", "--silent", "all")
    other, _, there = bench.container()
    adding = network.start("ADD", other, there)
    eventually(lambda: len(bench.states()) == 2, 10, "the switch is asked")
    # The process is the plugin's own: a namespace's command is run in its place.
    adding.kill()
    adding.communicate(timeout=10)
    bench.bridge.ctl("port", "misbehave", "port0", "--off")
    network.call("GC", **{"cni.dev/valid-attachments": [{"containerID": name, "ifname": "eth0"}]})
    eventually(lambda: len(bench.evbd.vsis()) == 1 and len(bench.bridge.vsis()) == 1, 10, "the one without a container is gone")
    network.call("DEL", name, path)
    eventually(bench.is_empty, 5, "nothing is left")


def test_CNI_113_podman(bench):
    """CNI-113 CNI-111 CNI-116 Two containers of podman reach each other through the reflective relay, one by the plugin, one by the hook;
    after kill -9 of podman, rm leaves nothing."""
    bench.network()
    podman = Podman(bench.lab, bench.cable.host)
    if not podman.has_backend():
        pytest.skip("this podman has no CNI")
    podman.network("web", {"type": "evb", "vsiType": 100, "socket": str(bench.evbd.socket),
                           "ipam": {**LEASES, "dataDir": f"{bench.lab.directory}/leases"}})
    podman.network("plain", {"type": "macvlan", "master": "uplink0", "mode": "vepa",
                             "ipam": {"type": "static", "addresses": [{"address": "10.9.0.200/24"}]}})
    bench.hook(podman)
    try:
        podman.start("one", "--network", "web")
        podman.start("two", "--network", "plain", "--annotation", "evb/type=7")
        types = sorted(vsi["typeID"] for vsi in bench.evbd.ctl_json("vsi", "list"))
        assert types == [7, 100] and bench.states() == ["associated"] * 2
        eventually(lambda: podman.run("exec", "one", "ping", "-c", "1", "-W", "1", "10.9.0.200", check=False).returncode == 0, 10,
                   "one reaches the other")
        bench.bridge.ctl("port", "misbehave", "port0", "--refuse", "insufficient-resources")
        refused = podman.run("run", "--name", "three", "--network", "plain", "--annotation", "evb/type=8", "--rootfs", podman.image, "sleep",
                             "9", check=False)
        # crun keeps to itself what a hook says; evbd's log has it.
        assert refused.returncode and "hook" in refused.stderr, refused
        assert "insufficient-resources" in bench.evbd.process.output()
        bench.bridge.ctl("port", "misbehave", "port0", "--off")
        podman.run("rm", "-f", "three", check=False)
        bench.bridge.ctl("port", "misbehave", "port0", "--silent", "all")
        starting = subprocess.Popen(podman.command("run", "-d", "--name", "four", "--network", "web", "--rootfs", podman.image, "sleep", "600"),
                                    env=podman.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: "pending" in bench.states(), 20, "the switch is asked")
        starting.kill()
        starting.wait(10)
        bench.bridge.ctl("port", "misbehave", "port0", "--off")
        # What the killed podman had begun may hold its files a moment longer.
        for name in ("four", "two", "one"):
            eventually(lambda name=name: podman.run("rm", "-f", "--ignore", "-t", "0", name, check=False).returncode == 0, 30, f"{name} is removed")
        # What podman knows nothing of is ended by GC, which podman 4 does not call.
        bench.network().call("GC", **{"cni.dev/valid-attachments": []})
        eventually(bench.is_empty, 20, "nothing is left")
    finally:
        podman.end()


@pytest.mark.skipif(not NETAVARK.exists(), reason="needs netavark")
def test_CNI_111_podmans_own_networks(bench):
    """CNI-111 CNI-116 Two containers in a network of netavark reach each other through the reflective relay, by the hook; a refused one does
    not start; after kill -9 of podman, the next start and end of the same container leave nothing."""
    podman = Podman(bench.lab, bench.cable.host, backend="netavark")
    podman.run("network", "create", "-d", "macvlan", "-o", "parent=uplink0", "-o", "mode=vepa", "--disable-dns", "--subnet", "10.9.0.0/24", "evb")
    bench.hook(podman)

    def words(number):
        # podman 5 gives no container raw sockets, which busybox's ping wants, unless it is asked to.
        return "--cap-add", "NET_RAW", "--network", "evb", "--ip", f"10.9.0.{number}", "--annotation", f"evb/type={number}"
    try:
        podman.start("one", *words(101))
        podman.start("two", *words(102))
        assert sorted(vsi["typeID"] for vsi in bench.evbd.ctl_json("vsi", "list")) == [101, 102] and bench.states() == ["associated"] * 2
        ping = "exec", "one", "ping", "-c", "1", "-W", "1", "10.9.0.102"
        eventually(lambda: podman.run(*ping, check=False).returncode == 0, 10, lambda: f"one reaches the other: {podman.run(*ping, check=False)}")
        bench.bridge.ctl("port", "misbehave", "port0", "--refuse", "insufficient-resources")
        refused = podman.run("run", "--name", "three", *words(103), "--rootfs", podman.image, "sleep", "9", check=False)
        assert refused.returncode and "hook" in refused.stderr, refused
        assert "insufficient-resources" in bench.evbd.process.output()
        bench.bridge.ctl("port", "misbehave", "port0", "--off")
        podman.run("rm", "-f", "three", check=False)
        eventually(lambda: len(bench.evbd.vsis()) == 2, 10, "nothing is left of the refused one")
        bench.bridge.ctl("port", "misbehave", "port0", "--silent", "all")
        starting = subprocess.Popen(podman.command("run", "-d", "--name", "four", *words(104), "--rootfs", podman.image, "sleep", "600"),
                                    env=podman.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: "pending" in bench.states(), 20, "the switch is asked")
        starting.kill()
        starting.wait(10)
        bench.bridge.ctl("port", "misbehave", "port0", "--off")
        # What the killed podman had begun goes on a moment longer.
        eventually(lambda: podman.run("start", "four", check=False).returncode == 0, 30, lambda: f"it starts: {podman.run('start', 'four', check=False)}")
        for name in ("one", "two", "four"):
            podman.run("rm", "-f", "-t", "0", name)
        eventually(bench.is_empty, 20, lambda: f"nothing is left: {bench.evbd.ctl_json('vsi', 'list')} {bench.links()}")
    finally:
        podman.end()


def test_CNI_117_rootless(bench):
    """CNI-117 In a user namespace plugin and hook say why they do nothing."""
    network = bench.network()
    words = ["unshare", "--user", "--map-root-user"]
    environment = {**os.environ, "CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/x", "CNI_IFNAME": "eth0",
                   "CNI_PATH": str(network.plugins)}
    said = subprocess.run(bench.cable.host.command(*words, str(network.plugins / "evb")), input=json.dumps(network.configuration), text=True,
                          capture_output=True, env=environment, timeout=30)
    assert said.returncode and "rootless" in json.loads(said.stdout)["msg"]
    state = {"ociVersion": "1.0.2", "id": "c1", "status": "creating", "pid": os.getpid(), "bundle": "/", "annotations": {"evb/type": "7"}}
    said = subprocess.run(bench.cable.host.command(*words, binary("evbctl"), "hook", "oci", "--socket", str(bench.evbd.socket)),
                          input=json.dumps(state), text=True, capture_output=True, timeout=30)
    assert said.returncode == 1 and "rootless" in said.stderr, said
    assert bench.evbd.vsis() == {}
