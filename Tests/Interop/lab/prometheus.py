"""Debian's Prometheus and promtool, from their package but never installed, and evbd's endpoint as systemd's sockets would open it."""

import json
import urllib.parse

from . import packages
from .evbd import binary
from .system import REPOSITORY, eventually, run

PACKAGES = ("prometheus",)
FILES = REPOSITORY / "Packaging/prometheus"


def tool():
    """promtool."""
    return packages.unpacked("prometheus", PACKAGES) / "usr/bin/promtool"


def open_door(lab, namespace, evbd, port):
    """evbd-metrics.socket without a systemd: a process for each connection to a port of 127.0.0.1, on its input and output."""
    door = lab.start(f"door-{port}", namespace.command(
        "systemd-socket-activate", "--accept", "--inetd", "--listen", f"127.0.0.1:{port}", "--setenv", f"EVBCTL_SOCKET={evbd.socket}",
        binary("evbctl"), "metrics", "--http"))
    eventually(lambda: fetch(namespace, port)[0] == "200", 10, f"the endpoint answers\n{door.tail()}")


def fetch(namespace, port, path="/metrics", *options):
    """Status, content type and body of what is at a port of 127.0.0.1."""
    said = run(*namespace.command("curl", "--silent", "--max-time", "20", "--write-out", "\n%{http_code} %{content_type}", *options,
                                  f"http://127.0.0.1:{port}{path}"), check=False).stdout
    body, _, last = said.rpartition("\n")
    status, _, kind = last.partition(" ")
    return status, kind, body


class Prometheus:
    """A Prometheus that scrapes ports of 127.0.0.1 every second, with the package's rules."""

    def __init__(self, lab, namespace, ports, port=9090):
        self._namespace, self._port = namespace, port
        directory = lab.directory / "prometheus"
        directory.mkdir()
        # JSON is YAML too.
        (directory / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": [str(FILES / "evbd.rules.yaml")],
            "scrape_configs": [{"job_name": "evbd", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in ports]}]}]}))
        root = packages.unpacked("prometheus", PACKAGES)
        self.process = lab.start("prometheus", namespace.command(
            root / "usr/bin/prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"))
        eventually(lambda: fetch(namespace, port, "/-/ready")[0] == "200", 30, f"Prometheus is ready\n{self.process.tail()}")

    def ask(self, path, **query):
        words = urllib.parse.urlencode(query)
        said = json.loads(fetch(self._namespace, self._port, f"/api/v1/{path}?{words}")[2])
        assert said["status"] == "success", said
        return said["data"]

    def rows(self, expression):
        """What an instant query returns: labels and value of each row."""
        return [(row["metric"], row["value"][1]) for row in self.ask("query", query=expression)["result"]]

    def targets(self):
        return [(target["health"], target["lastError"]) for target in self.ask("targets")["activeTargets"]]
