"""VSI types on evbd's bridge ports, and what the kernel has of what they impose."""

import json
import struct

from .system import run
from .wire import Wire

EXPERIMENTAL, IPV4, ARP, VLAN = 0x88B5, 0x0800, 0x0806, 0x8100


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


def ipv4(payload):
    """A datagram that a bridge with br_netfilter takes for one."""
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, 253, 0, bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2]))
    total = sum(struct.unpack("!10H", header))
    checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return header[:10] + struct.pack("!H", checksum) + header[12:] + payload


def frame(source, destination="ff:ff:ff:ff:ff:ff", ethertype=EXPERIMENTAL, payload=b"", vlan=None, priority=0):
    if ethertype == IPV4:
        payload = ipv4(payload)
    tag = b"" if vlan is None else struct.pack("!HH", VLAN, priority << 13 | vlan)
    return octets(destination) + octets(source) + tag + struct.pack("!H", ethertype) + payload.ljust(46, b"\0")


class Rules:
    """What nftables and the bridge of a namespace have."""

    def __init__(self, namespace):
        self.namespace = namespace

    def table(self):
        """evbd's table as nft lists it; None where there is none."""
        said = run(*self.namespace.command("nft", "list", "table", "bridge", "evbd"), check=False)
        return said.stdout if said.returncode == 0 else None

    def elements(self, name):
        """How many elements a set or map has."""
        kind = "set" if name.split("-")[0] in ("stations", "rates", "served", "forwarding", "members", "sent", "sentplain", "received", "receivedplain") else "map"
        said = run(*self.namespace.command("nft", "-j", "list", kind, "bridge", "evbd", name)).stdout
        inside = next(item[kind] for item in json.loads(said)["nftables"] if kind in item)
        return len(inside.get("elem", []))

    def forwarding(self, mac, port="port0"):
        """The bridge's entries of an address behind a port."""
        said = run(*self.namespace.command("bridge", "-d", "-j", "fdb", "show", "brport", port)).stdout
        return [entry for entry in json.loads(said or "[]") if entry["mac"] == mac and "master" in entry]


class Observer:
    """A namespace behind another port of the bridge, which sees what the bridge lets pass from the station."""

    def __init__(self, cable, switch, port="far0"):
        self.namespace = cable.lab.namespace("far")
        cable.lab.veth(self.namespace, "eth0", "02:00:00:00:cc:01", switch.namespace, port, "02:00:00:00:dd:01")
        switch.join(port)
        switch.ports.append(port)
        switch.wait_until_forwarding()
        self.wire = Wire(self.namespace, "eth0")
        cable.lab.at_end(self.wire.close)

    def heard(self, mac, ethertype=None):
        """The frames from an address that came here."""
        kind = struct.pack("!H", ethertype) if ethertype else None
        return [f for f in self.wire.look() if f.octets[6:12] == octets(mac) and (kind is None or f.octets[12:14] == kind)]
