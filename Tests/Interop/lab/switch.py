"""A Linux bridge as the switch, with evbd in the bridge role on its ports."""

import json

from .evbd import Evbd
from .system import eventually, run


class Switch:
    """Makes a Linux bridge in a namespace; `stp` keeps LLDP and ECP on their links, as more than one station needs it."""

    def __init__(self, lab, namespace, ports=("port0",), bridge="br0", stp=False):
        self.lab, self.namespace, self.bridge, self.ports = lab, namespace, bridge, list(ports)
        namespace.ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0", "forward_delay", "200", "stp_state", int(stp))
        namespace.ip("link", "set", bridge, "up")
        for port in ports:
            self.join(port)

    def join(self, port):
        self.namespace.ip("link", "set", port, "master", self.bridge)

    def leave(self, port):
        self.namespace.ip("link", "set", port, "nomaster")

    def flags(self, port="port0"):
        """What `bridge -d link` says of a port."""
        said = run(*self.namespace.command("bridge", "-d", "-j", "link", "show", "dev", port)).stdout
        return next(iter(json.loads(said or "[]")), None)

    def hairpin(self, port="port0"):
        """Whether the port gives frames back; None where it is in no bridge."""
        flags = self.flags(port)
        return flags and flags.get("hairpin")

    def set_hairpin(self, on, port="port0"):
        run(*self.namespace.command("bridge", "link", "set", "dev", port, "hairpin", "on" if on else "off"))

    def forwards(self, port="port0"):
        flags = self.flags(port)
        return flags is not None and flags.get("state") == "forwarding"

    def wait_until_forwarding(self, seconds=15):
        for port in self.ports:
            eventually(lambda: self.forwards(port), seconds, f"{port} forwards: {self.flags(port)}")
        return self

    def evbd(self, name="switch", **changes):
        """An evbd with all ports in the bridge role; it serves no libvirt."""
        ports = changes.pop("ports", [{"interface": port} for port in self.ports])
        return Evbd(self.lab, self.namespace, name=name, ports=[{"role": "bridge", **port} for port in ports],
                    libvirt={"enabled": False}, **changes)
