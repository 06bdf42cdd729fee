"""Two boxes of an EVPN fabric in a lab: each a Linux bridge with a VXLAN device, evbd's bridge role and FRR; a host behind each."""

import json
import re
import socket
import subprocess
import threading
import uuid

from .evbd import OK, Evbd, yaml
from .frr import Frr
from .system import eventually, run

VNI, MAC, ADDRESS = 5000, "52:54:00:00:01:aa", "10.5.0.1"
# What both boxes' evbds grant. By its group a VSI is in the VNI of the bridge.
TYPES = {"overlay": {"device": "vx0"}, "types": [{"name": "web", "type": 100}, {"name": "tenant", "type": 101, "groups": [{"group": VNI, "vlan": 50}]}]}
# Of a hundred a second, at a machine behind either box.
LOST_MAX = 15


class Box:
    """A switch: a bridge with a VXLAN device, evbd on port p1 and FRR; a host behind p1, an observer behind p2."""

    def __init__(self, lab, number, device=()):
        self.number, self.switch = number, lab.namespace(f"s{number}")
        self.host, self.observer = lab.namespace(f"h{number}"), lab.namespace(f"o{number}")
        lab.veth(self.switch, "p1", f"02:00:00:00:bb:0{number}", self.host, "uplink0", f"02:00:00:00:aa:0{number}")
        lab.veth(self.switch, "p2", f"02:00:00:00:bd:0{number}", self.observer, "eth0", f"02:00:00:00:cc:0{number}")
        ip = self.switch.ip
        ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "200", "stp_state", "1")
        ip("link", "add", "vx0", "type", "vxlan", "id", VNI, "dstport", "4789", "local", f"10.0.0.{number}", "nolearning", *device)
        for port in ("vx0", "p1", "p2"):
            ip("link", "set", port, "master", "br0")
        self.bridge("link", "set", "dev", "vx0", "learning", "off")
        for link in ("br0", "vx0", "p1", "p2"):
            ip("link", "set", link, "up")
        self.observer.ip("address", "add", f"10.5.0.1{number}/24", "dev", "eth0")
        self.observer.ip("neighbour", "add", ADDRESS, "lladdr", MAC, "dev", "eth0", "nud", "permanent")

    def bridge(self, *words):
        return run(*self.switch.command("bridge", *words)).stdout

    def start(self, lab, types, routes=True):
        self.types = types
        if routes:
            self.frr = Frr(lab, self.switch, f"s{self.number}", f"10.0.0.{self.number}", f"10.0.0.{3 - self.number}")
        self.evbd = Evbd(lab, self.switch, name=f"s{self.number}", ports=[{"interface": "p1", "role": "bridge", "vsi-types": types}],
                         libvirt={"enabled": False})
        self.station = Evbd(lab, self.host, name=f"h{self.number}", libvirt={"enabled": False})

    def learns(self):
        return json.loads(self.bridge("-d", "-j", "link", "show", "dev", "p1"))[0]["learning"]

    def forwards(self):
        return all(link["state"] == "forwarding" for link in json.loads(self.bridge("-j", "link", "show")))

    def entries(self):
        """The bridge's entries of the VSI, by port."""
        shown = json.loads(self.bridge("-d", "-j", "fdb", "show", "br", "br0") or "[]")
        return {entry["ifname"]: entry.get("flags", []) for entry in shown if entry["mac"] == MAC and "master" in entry}

    def knows(self, place):
        """Whether the bridge and FRR have the VSI here ("local") or at the other box ("remote")."""
        port = {"local": "p1", "remote": "vx0"}[place]
        return list(self.entries()) == [port] and self.frr.mac(VNI, MAC).get("type") == place


class Machine(threading.Thread):
    """Answers pings on a link, without an IP stack that would have to be moved: the machine at one of its two places. evbd sets the link
    up while its VSI is associated, as it does for libvirt's."""

    def __init__(self, namespace, link):
        super().__init__(daemon=True)
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
            self._socket.bind((link, 0x0800))
        self._socket.settimeout(0.1)
        self._end = threading.Event()
        self.start()

    def run(self):
        while not self._end.is_set():
            try:
                heard, address = self._socket.recvfrom(2048)
                if address[2] == socket.PACKET_HOST and heard[23] == 1 and heard[34] == 8:
                    self._socket.send(self._answer(heard))
            except (TimeoutError, OSError):
                pass    # the link is down

    @staticmethod
    def _answer(heard):
        """An echo reply: the addresses change places, and the checksum grows by what the type shrinks."""
        total = int.from_bytes(heard[36:38], "big") + 0x0800
        checksum = (total & 0xFFFF) + (total >> 16)
        return (heard[6:12] + heard[:6] + heard[12:26] + heard[30:34] + heard[26:30] + b"\0" + heard[35:36]
                + checksum.to_bytes(2, "big") + heard[38:])

    def close(self):
        self._end.set()
        self.join()
        self._socket.close()


class Fabric:
    """Two boxes; without `routes` no FRR. `types` makes a box's file of VSI types, `device` has more words for its VXLAN device."""

    def __init__(self, lab, routes=True, types=lambda box: TYPES, device=()):
        self.lab, self.vsi = lab, str(uuid.uuid4())
        self.boxes = [Box(lab, 1, device), Box(lab, 2, device)]
        one, two = self.boxes
        lab.veth(one.switch, "u0", "02:00:00:00:ee:01", two.switch, "u0", "02:00:00:00:ee:02")
        for box in self.boxes:
            box.switch.ip("address", "add", f"10.0.0.{box.number}/24", "dev", "u0")
        for box in self.boxes:
            file = lab.directory / f"types{box.number}.yaml"
            file.write_text(yaml(types(box)) + "\n")
            box.start(lab, file, routes)
        for box in self.boxes:
            if routes:
                eventually(box.frr.peers, 30, "the boxes exchange routes")
            box.station.wait_for_bridge()
            eventually(box.forwards, 15, "the bridge forwards")
        for box in self.boxes:
            box.host.ip("link", "add", "vm1", "link", "uplink0", "address", MAC, "type", "macvlan", "mode", "vepa")
            lab.at_end(Machine(box.host, "vm1").close)

    def ask(self, command, box, filter=f"mac={MAC}", type_id=100):
        words = () if command == "deassociate" else ("--manager", "11", "--type", type_id, "--type-version", 1, "--filter", filter)
        said = box.station.ctl("vsi", command, self.vsi, "--port", "uplink0", *words)
        assert said.returncode == OK, f"{command}: {said.stdout}{said.stderr}\n{box.evbd.process.tail()}"

    def pings(self, seconds):
        """Starts a hundred a second from behind each box."""
        return [subprocess.Popen(box.observer.command("ping", "-n", "-q", "-i", "0.01", "-W", "1", "-w", seconds, ADDRESS),
                                 stdout=subprocess.PIPE, text=True) for box in self.boxes]


def lost(pings):
    counts = []
    for ping in pings:
        said = ping.communicate(timeout=60)[0]
        sent, received = map(int, re.search(r"(\d+) packets transmitted, (\d+) received", said).groups())
        counts.append(sent - received)
    return counts
