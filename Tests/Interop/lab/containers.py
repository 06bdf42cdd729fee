"""Containers in a namespace of the lab: calls of CNI plugins as a runtime makes them, and podman without its services."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from .evbd import binary
from .system import eventually

PLUGINS = Path("/usr/lib/cni")
NETAVARK = Path("/usr/lib/podman/netavark")


class CNIFailure(Exception):
    def __init__(self, printed):
        super().__init__(printed)
        self.error = json.loads(printed)
        self.code = self.error["code"]


class Network:
    """A network configuration, and calls for its containers. The namespace is the host's, where the port is."""

    def __init__(self, lab, namespace, evbd, **configuration):
        self.namespace = namespace
        self.plugins = Path(lab.directory) / "cni"
        self.plugins.mkdir(exist_ok=True)
        for plugin in ("macvlan", "host-local", "static"):
            if not (self.plugins / plugin).exists():
                (self.plugins / plugin).symlink_to(PLUGINS / plugin)
        if not (self.plugins / "evb").exists():
            shutil.copy(binary("evb-cni"), self.plugins / "evb")
        self.configuration = {"cniVersion": "1.0.0", "name": "web", "type": "evb", "vsiType": 100, "socket": str(evbd.socket), **configuration}

    def start(self, command, container="", netns="", interface="eth0", plugin="evb", **more):
        environment = {**os.environ, "CNI_COMMAND": command, "CNI_CONTAINERID": container, "CNI_NETNS": netns, "CNI_IFNAME": interface,
                       "CNI_PATH": str(self.plugins)}
        process = subprocess.Popen(self.namespace.command(str(self.plugins / plugin)), env=environment, text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(json.dumps({**self.configuration, **more}))
        process.stdin.close()
        process.stdin = None
        return process

    def call(self, command, *words, **more):
        process = self.start(command, *words, **more)
        printed, errors = process.communicate(timeout=60)
        assert not errors, errors
        if process.returncode:
            raise CNIFailure(printed)
        return json.loads(printed) if printed.strip() else None


class Podman:
    """Debian's podman, with all its state in the lab's directory, in the host's namespace. Its networks are those of CNI, or netavark's."""

    def __init__(self, lab, namespace, backend="cni"):
        self.namespace, self.root = namespace, Path(lab.directory) / "podman"
        # crun looks at the control groups, and takes those of version 2 alone; they are not used here.
        self.keeper = lab.start("podman-keeper", [
            # Names of podman's namespaces, and netavark's files, outlive a podman that is killed; here they go with the lab.
            "unshare", "--mount", "sh", "-c",
            "mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs none /run && mkdir /run/netns && echo kept && exec sleep 1000"])
        eventually(lambda: "kept" in self.keeper.output(), 10, f"the namespace is there\n{self.keeper.tail()}")
        self.image, self.hooks, self.networks = self.root / "image", self.root / "hooks", self.root / "net"
        plugins = Path(lab.directory) / "cni"
        for folder in (self.image / "bin", self.hooks, self.networks, plugins):
            folder.mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/busybox", self.image / "bin/busybox")
        for name in ("sh", "ping", "sleep", "ip"):
            (self.image / "bin" / name).symlink_to("busybox")
        for folder in ("proc", "sys", "dev", "etc", "tmp", "run"):
            (self.image / folder).mkdir()
        configuration = self.root / "containers.conf"
        configuration.write_text(
            f'[containers]\ncgroups = "disabled"\nlog_driver = "k8s-file"\n'
            f'default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]\n[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n'
            f'runtime = "crun"\nhooks_dir = ["{self.hooks}"]\nstatic_dir = "{self.root}/libpod"\nvolume_path = "{self.root}/volumes"\n'
            f'tmp_dir = "{self.root}/tmp"\n[network]\nnetwork_backend = "{backend}"\ncni_plugin_dirs = ["{plugins}"]\n'
            f'network_config_dir = "{self.networks}"\n')
        storage = self.root / "storage.conf"
        storage.write_text(f'[storage]\ndriver = "vfs"\nrunroot = "{self.root}/runroot"\ngraphroot = "{self.root}/graph"\n')
        self.environment = {**os.environ, "CONTAINERS_CONF": str(configuration), "CONTAINERS_STORAGE_CONF": str(storage),
                            "XDG_RUNTIME_DIR": str(self.root)}

    def has_backend(self):
        """Whether this podman can do such networks at all: podman 5 is built without CNI."""
        said = self.run("network", "ls", check=False)
        assert said.returncode == 0 or "not enabled in this build" in said.stderr, said
        return said.returncode == 0

    def network(self, name, *plugins):
        (self.networks / f"{name}.conflist").write_text(json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": plugins}))

    def hook(self, *command, stages=("createRuntime", "poststop"), annotation="^evb/type$"):
        (self.hooks / "evb.json").write_text(json.dumps({
            "version": "1.0.0", "hook": {"path": command[0], "args": list(command), "timeout": 60},
            "when": {"annotations": {annotation: ".*"}}, "stages": list(stages)}))

    def command(self, *words):
        return ["nsenter", f"--mount=/proc/{self.keeper.pid}/ns/mnt", f"--net=/run/netns/{self.namespace.name}", "podman", *map(str, words)]

    def run(self, *words, check=True, timeout=120):
        ended = subprocess.run(self.command(*words), env=self.environment, capture_output=True, text=True, timeout=timeout)
        assert not check or ended.returncode == 0, ended
        return ended

    def start(self, name, *words, program=("sleep", "600")):
        return self.run("run", "-d", "--name", name, *words, "--rootfs", self.image, *program)

    def end(self):
        self.run("rm", "-f", "-a", "-t", "0", check=False)
