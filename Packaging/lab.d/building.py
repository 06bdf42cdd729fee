"""A lab that is up: how it is built, what is written down of it, and how it is taken down, also by another process."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

import description
import namespaces
from namespaces import Failure

LABS = Path("/run/evbd-lab")
PROGRAMS = Path(__file__).resolve().parent
# 2 s in each of the states before forwarding, the least that the kernel takes.
FORWARD_DELAY = "200"
STARTS_WITHIN = 15


class Lab:
    """A lab by its name. What is to be made is written down first: an interruption may come in between."""

    def __init__(self, name):
        self.name, self.directory = name, LABS / name
        self.state = {"namespaces": [], "processes": {}, "lab": {}, "file": "", "bin": ""}

    @classmethod
    def up(cls):
        """All labs that are there."""
        return [cls.named(path.name) for path in sorted(LABS.glob("*")) if path.is_dir()] if LABS.is_dir() else []

    @classmethod
    def named(cls, name):
        """:raise Failure: where there is no such lab."""
        lab = cls(name)
        if not description.NAME.fullmatch(name) or not lab.directory.is_dir():
            known = ", ".join(path.name for path in sorted(LABS.glob("*"))) if LABS.is_dir() else ""
            raise Failure(f"there is no lab {name}; up are: {known or 'none'}")
        try:
            lab.state = json.loads((lab.directory / "state.json").read_text())
        except FileNotFoundError:
            # Its building was interrupted before anything was made.
            pass
        return lab

    def note(self):
        path = self.directory / "state.json"
        path.with_suffix(".new").write_text(json.dumps(self.state, indent=1))
        path.with_suffix(".new").rename(path)

    def namespace(self, node):
        return f"{self.name}-{node}"

    def log(self, node):
        return self.directory / f"{node}.log"

    def socket(self, node):
        return self.directory / f"{node}.sock"

    def settings(self, node):
        """What the file says of a host, a switch or a machine. :raise Failure: where there is none."""
        kinds = {name: settings for kind in ("switches", "hosts", "machines") for name, settings in self.state["lab"].get(kind, {}).items()}
        if node not in kinds:
            raise Failure(f"lab {self.name} has no {node}; it has: {', '.join(kinds) or 'nothing'}")
        return kinds[node]

    def has_evbd(self, node):
        return "port" in self.settings(node)

    def environment(self, node):
        """What programs of a node find: evbctl asks that node's evbd."""
        path = f"{self.state['bin']}:{os.environ['PATH']}" if self.state["bin"] else os.environ["PATH"]
        return {
            **os.environ, "PATH": path, "EVBCTL_SOCKET": str(self.socket(node)), "LAB_NAME": self.name, "LAB_NODE": node,
            "LAB_DIRECTORY": str(self.directory), "LAB_PROGRAMS": str(PROGRAMS),
            "LAB_INTERFACES": " ".join(description.interfaces(self.state["lab"], node))}

    # Building

    def begin(self, file, lab, binaries):
        LABS.mkdir(mode=0o700, exist_ok=True)
        try:
            self.directory.mkdir(mode=0o700)
        except FileExistsError:
            raise Failure(f"a lab {self.name} is up already: take it down (down {self.name}), or give this one another name (--name)") from None
        self.state.update(file=str(file), lab=lab, bin=binaries)
        self.note()

    def lay(self):
        """Namespaces, links and machines."""
        lab = self.state["lab"]
        for node in (*lab["switches"], *lab["hosts"], *lab["machines"]):
            self._add(self.namespace(node))
        for node in lab["switches"]:
            # More than one station at a bridge: with its spanning tree protocol it keeps LLDP and ECP on their links.
            name = self.namespace(node)
            namespaces.run("ip", "-n", name, "link", "add", "br0", "type", "bridge", "stp_state", "1", "forward_delay", FORWARD_DELAY, "mcast_snooping", "0")
            namespaces.run("ip", "-n", name, "link", "set", "br0", "up")
        for number, link in enumerate(lab["links"]):
            self._lay_link(number, link)
        for node, machine in lab["machines"].items():
            self._boot(node, machine)

    def _add(self, namespace):
        if namespaces.exists(namespace):
            raise Failure(f"there is a network namespace {namespace} already, which is not this lab's: give the lab another name (--name)")
        self.state["namespaces"].append(namespace)
        self.note()
        namespaces.add(namespace)

    def _lay_link(self, number, link):
        first, second = ((self.namespace(node), interface) for node, interface in link["ends"])
        if any(link["loss"].values()):
            self._lay_lossy(number, link, first, second)
        else:
            namespaces.run("ip", "-n", first[0], "link", "add", first[1], "type", "veth", "peer", "name", second[1], "netns", second[0])
        for node, interface in link["ends"]:
            master = ("master", "br0") if node in self.state["lab"]["switches"] else ()
            namespaces.run("ip", "-n", self.namespace(node), "link", "set", interface, *master, "up")

    def _lay_lossy(self, number, link, first, second):
        """Through a namespace in the middle, so that neither end, nor what captures there, sees a frame that is lost."""
        cable = self.namespace(f"cable{number}")
        self._add(cable)
        rules = []
        for end, other, (node, _) in ((0, 1, link["ends"][1]), (1, 0, link["ends"][0])):
            namespace, interface = (first, second)[end]
            namespaces.run("ip", "-n", namespace, "link", "add", interface, "type", "veth", "peer", "name", f"end{end}", "netns", cable)
            namespaces.run("ip", "-n", cable, "link", "set", f"end{end}", "up")
            thousandths = round(link["loss"].get(node, 0) * 10)
            match = description.LOSABLE[link["of"]]
            lose = f"{match} numgen random mod 1000 < {thousandths} counter drop" if thousandths else ""
            rules.append(f'chain from{end} {{\ntype filter hook ingress device "end{end}" priority 0;\n{lose}\ncounter fwd to "end{other}"\n}}\n')
        namespaces.run("ip", "netns", "exec", cable, "nft", "-f", "-", text=f"table netdev cable {{\n{''.join(rules)}}}\n")

    def _boot(self, node, machine):
        """A machine is a namespace with a network card, a tap."""
        name = self.namespace(node)
        namespaces.run("ip", "-n", name, "tuntap", "add", "dev", "eth0", "mode", "tap")
        namespaces.run("ip", "-n", name, "link", "set", "eth0", "address", machine["mac"], "up")
        if machine["address"]:
            namespaces.run("ip", "-n", name, "address", "add", machine["address"], "dev", "eth0")

    def start(self):
        """The programs, and the machines' plugs."""
        lab = self.state["lab"]
        for node in (*lab["switches"], *lab["hosts"]):
            if self.has_evbd(node):
                self._configure(node)
        for node in (*lab["switches"], *lab["hosts"]):
            self.launch(node)
        for node, machine in lab["machines"].items():
            host = self.namespace(machine["host"])
            if not self.has_evbd(machine["host"]):
                # A station of another make associates what is there.
                port = description.interfaces(lab, machine["host"])[0]
                namespaces.run("ip", "-n", host, "link", "add", "link", port, "name", node, "address", machine["mac"], "type", "macvtap", "mode", "vepa")
                namespaces.run("ip", "-n", host, "link", "set", node, "up")
            words = [str(PROGRAMS / "plug.py"), node, machine["mac"], self.namespace(node), f"/dev/{self.namespace(node)}"]
            self._start(node, host, words)

    def _start(self, node, namespace, words):
        process = namespaces.start(namespace, words, self.log(node), self.environment(node))
        self.state["processes"][node] = process
        self.note()

    def _configure(self, node):
        role = "bridge" if node in self.state["lab"]["switches"] else "station"
        port = self.settings(node)["port"]
        ports = [{"interface": interface, "role": role, **port} for interface in description.interfaces(self.state["lab"], node)]
        if not ports:
            raise Failure(f"{self.state['file']}: {node} has no link, so that evbd has no port there: give it one under links")
        file = self.directory / f"{node}.yaml"
        control = {"socket": str(self.socket(node)), "group": "root"}
        file.write_text(yaml.safe_dump({"ports": ports, "control": control, "libvirt": {"enabled": False}}, sort_keys=False))
        said = subprocess.run([f"{self.state['bin']}/evbd", "--check-config", "--config", file], capture_output=True, text=True)
        if said.returncode:
            raise Failure(f"{self.state['file']}: evbd does not take what is said of {node}:\n{(said.stdout + said.stderr).strip()}")

    def launch(self, node):
        """Starts the program of a host or a switch, and waits until an evbd answers."""
        settings = self.settings(node)
        if not self.has_evbd(node):
            return self._start(node, self.namespace(node), ["sh", "-c", settings["command"]])
        runtime = self.directory / f"{node}.run"
        runtime.mkdir(exist_ok=True)
        words = [f"{self.state['bin']}/evbd", "--config", f"{self.directory}/{node}.yaml", "--runtime-dir", str(runtime)]
        self._start(node, self.namespace(node), words)
        deadline = time.monotonic() + STARTS_WITHIN
        while self.evbctl(node, "status").returncode:
            if not self.is_running(node) or time.monotonic() > deadline:
                raise Failure(f"evbd of {node} does not answer; the end of its log:\n{self.log_end(node)}")
            time.sleep(0.05)

    def restart(self, node):
        """Kills the program of a node and starts it again without what it had stored."""
        if node in self.state["lab"]["machines"]:
            raise Failure(f"{node} is a machine; only a host or a switch has a program that can be restarted")
        if node not in self.state["processes"]:
            self.settings(node)
            raise Failure(f"nothing was started in {node}: the lab was only laid")
        namespaces.kill(self.state["processes"][node])
        shutil.rmtree(self.directory / f"{node}.run", ignore_errors=True)
        self.launch(node)

    def associate(self):
        """Has each evbd of a host ask for its machines; whether the switch grants them is not waited for."""
        for node, machine in self.state["lab"]["machines"].items():
            if not machine["associate"]:
                continue
            of = "" if machine["vlan"] is None else f",vlan={machine['vlan']}"
            manager = [] if machine["manager"] is None else ["--manager", str(machine["manager"])]
            port = description.interfaces(self.state["lab"], machine["host"])[0]
            said = self.evbctl(
                machine["host"], "vsi", "associate", machine["vsi"], "--port", port, *manager, "--type", str(machine["type"]),
                "--type-version", str(machine["type-version"]), "--filter", f"mac={machine['mac']}{of}", "--link", node, "--label", node, "--no-wait")
            if said.returncode:
                raise Failure(f"the VSI of {node} is not taken by evbd of {machine['host']}: {said.stderr.strip()}")

    # Looking

    def evbctl(self, node, *words):
        return subprocess.run([f"{self.state['bin']}/evbctl", *words, "--socket", self.socket(node)], capture_output=True, text=True)

    def is_running(self, node):
        process = self.state["processes"].get(node)
        # This process's own children leave zombies.
        try:
            os.waitpid(process["pid"], os.WNOHANG) if process else None
        except ChildProcessError:
            pass
        return namespaces.is_running(process)

    def log_end(self, node, lines=15):
        try:
            return "\n".join(self.log(node).read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def vsi_states(self):
        """Machine -> the state of its VSI as its host's evbd has it, with the reason; None where no evbd has it."""
        states, listings = {}, {}
        for node, machine in self.state["lab"]["machines"].items():
            home = machine["host"]
            if not self.has_evbd(home) or home not in self.state["processes"]:
                states[node] = None
                continue
            if home not in listings:
                said = self.evbctl(home, "vsi", "list", "--json")
                listings[home] = {vsi["vsiID"].lower(): vsi for vsi in json.loads(said.stdout)} if said.returncode == 0 else {}
            vsi = listings[home].get(machine["vsi"])
            reason = vsi.get("reason") if vsi else None
            states[node] = None if vsi is None else vsi["state"] + (f" ({reason})" if reason not in (None, "success") else "")
        return states

    # Taking down

    def down(self):
        """The newest go first, so that the machines leave before their hosts. May be called again after a failure."""
        processes = self.state["processes"]
        for namespace in reversed(self.state["namespaces"]):
            node = namespace[len(self.name) + 1:]
            # A machine's plug is in the namespace of its host.
            namespaces.end(namespace, [processes[node]] if node in processes else [])
        for node in self.state["lab"].get("machines", {}):
            Path(f"/dev/{self.namespace(node)}").unlink(missing_ok=True)
        shutil.rmtree(self.directory)
        try:
            LABS.rmdir()
        except OSError:
            pass

    def fail_logs(self):
        """The ends of all logs, on standard error."""
        for path in sorted(self.directory.glob("*.log")):
            text = self.log_end(path.stem)
            if text:
                print(f"--- the end of {path}\n{text}", file=sys.stderr)
