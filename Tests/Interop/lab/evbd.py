"""evbd and evbctl as a user runs them."""

import json
import os
import signal
import subprocess
from pathlib import Path

from .netlink import Client
from .system import REPOSITORY, eventually

BINARIES = Path(os.environ.get("EVBD_BIN_DIR", REPOSITORY / ".build/debug"))
# Which sanitizer evbd was built with, address or thread, or None: see Tests/Sanitize/run.
SANITIZER = os.environ.get("EVBD_SANITIZER")
# Short enough for a test to wait for them; see lldpad.settings for the bridge's half. The larger value of the two sides counts.
ECP = {"retries": 3, "rte": 10}
VDP = {"rwd": 17, "rka": 18}

OK, FAILED, NO_DAEMON, NO_ANSWER, USAGE, NO_PERMISSION = 0, 1, 3, 4, 64, 77


def yaml(value, indent=0):
    """Maps, lists and scalars as block YAML: all that the configuration needs."""
    pad = "  " * indent
    if isinstance(value, dict):
        lines = []
        for key, inner in value.items():
            if isinstance(inner, (dict, list)):
                lines += [f"{pad}{key}:", yaml(inner, indent + 1)]
            else:
                lines.append(f"{pad}{key}: {yaml(inner)}")
        return "\n".join(lines)
    if isinstance(value, list):
        return "\n".join(f"{pad}- " + yaml(item, indent + 1).lstrip() for item in value)
    return {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def binary(name):
    path = BINARIES / name
    assert path.exists(), f"{path} is missing: run `swift build`, or set EVBD_BIN_DIR"
    return path


class Evbd:
    """A daemon with a runtime directory, configuration, pid file and socket of its own."""

    # None: all the power that the test has. See lab/service.py.
    power = None

    def __init__(self, lab, namespace, ports=("uplink0",), name="evbd", start=True, **sections):
        self.lab, self.namespace, self.name = lab, namespace, name
        self.directory = lab.directory / f"{name}-run"
        self.directory.mkdir()
        self.socket = self.directory / "evbd.sock"
        self.pid_file = self.directory / "lldpad.pid"
        self.config_file = lab.directory / f"{name}.yaml"
        self.process = None
        self.environment = {}
        ports = [port if isinstance(port, dict) else {"interface": port} for port in ports]
        self.config = {
            "ports": [{"role": "station", "ecp": ECP, "vdp": VDP, **port} for port in ports],
            "control": {"socket": self.socket, "group": "root"},
            "libvirt": {"enabled": True, "pid-file": self.pid_file},
            "log": {"level": "debug"},
            # Tests take ports with VSIs out of the file and mean it; test_reload.py has what keeps an operator from that.
            "reload": {"ends-vsis": True},
            **sections,
        }
        if self.power:
            self.power.prepare(self)
        self.write_config()
        if start:
            self.start()

    def write_config(self):
        self.config_file.write_text(yaml(self.config) + "\n")

    def launch(self):
        """Starts the process and waits for nothing."""
        command = [binary("evbd"), "--config", self.config_file, "--runtime-dir", self.directory, "--types-dir", self.directory / "type-copies"]
        if self.power:
            command = self.power.command(self, *command)
        self.process = self.lab.start(self.name, self.namespace.command(*command), self.environment)
        return self.process

    def start(self):
        self.launch()
        eventually(self._answers, 30, lambda: f"evbd answers on its control socket; evbctl: {self._said}\n{self.process.tail()}")
        return self

    def _answers(self):
        assert self.process.alive, f"evbd ended\n{self.process.tail()}"
        result = self.ctl("status", "--json")
        self._said = f"exit {result.returncode}: {result.stderr or result.stdout}"
        return result.returncode == OK

    @property
    def journal(self):
        """The file of the VSIs that are stored."""
        return self.directory / "vsis" / "journal"

    def stored(self):
        """The VSIs that are stored, as the next run would find them."""
        lines = self.journal.read_text().splitlines()[1:] if self.journal.exists() else []
        return [json.loads(line[11:]) for line in lines if line[0] != "-"]

    @property
    def pid(self):
        return self.process.pid

    def ctl(self, *words, timeout=40):
        """Runs evbctl to its end."""
        return subprocess.run([str(binary("evbctl")), *map(str, words)], capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, "EVBCTL_SOCKET": str(self.socket)}, stdin=subprocess.DEVNULL)

    def ctl_json(self, *words):
        """What evbctl says with --json; it has to exit 0."""
        result = self.ctl(*words, "--json")
        assert result.returncode == OK, f"evbctl {' '.join(map(str, words))}: exit {result.returncode}: {result.stderr or result.stdout}"
        try:
            return json.loads(result.stdout)
        except ValueError:
            raise AssertionError(f"evbctl {' '.join(map(str, words))} --json printed no JSON: {result.stdout!r}") from None

    def associate(self, vsi, *words, port="uplink0", mac="52:54:00:11:22:33", type_id=0x123457):
        """`vsi associate` with one filter, and more words. It has to succeed."""
        result = self.ctl("vsi", "associate", vsi, "--port", port, "--type", type_id, *(("--filter", f"mac={mac}") if mac else ()), *words)
        assert result.returncode == OK, f"associate {vsi}: exit {result.returncode}: {result.stderr or result.stdout}\n{self.process.tail()}"
        return result

    def vsis(self):
        """VSIID -> the VSI as `vsi list --json` shows it."""
        return {vsi["vsiID"].lower(): vsi for vsi in self.ctl_json("vsi", "list")}

    def vsi(self, vsi):
        return self.vsis().get(vsi.lower())

    def state(self, vsi):
        """Its state; None where it is not listed."""
        shown = self.vsi(vsi)
        return shown and shown["state"]

    def port(self, interface="uplink0"):
        return next((port for port in self.ctl_json("status")["ports"] if port["interface"] == interface), None)

    def hears_bridge(self, interface="uplink0"):
        port = self.port(interface)
        return port is not None and port["peer"] is not None and "bridge" in str(port["peer"]["evbMode"]).lower()

    def wait_for_bridge(self, interface="uplink0", seconds=15):
        eventually(lambda: self.hears_bridge(interface), seconds, f"evbd hears a bridge on {interface}\n{self.process.tail()}", every=0.1)
        return self

    def wait_for_state(self, vsi, state, seconds=15):
        eventually(lambda: self.state(vsi) == state, seconds, f"{vsi} is {state}, it is {self.vsi(vsi)}\n{self.lab.logs()}", every=0.1)

    def libvirt(self, interface="uplink0"):
        """A client that finds the daemon by its pid file, as libvirt does."""
        client = Client(self.namespace, int(self.pid_file.read_text().split("\0")[0]), self.namespace.index(interface), interface)
        self.lab.at_end(client.close)
        return client

    def terminate(self, seconds=10):
        """SIGTERM; its exit status."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(seconds)
