"""Clients that cost little themselves: what they send is made before the clock runs, what they read is parsed after it has stopped."""

import json
import mmap
import os
import select
import socket
import struct
import threading
import time
import uuid

from lab import netlink

GUEST = "52:54:00:ff:00:00"


def address(number):
    return f"52:54:{number >> 24 & 255:02x}:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


class Stream:
    """A connection on which lines are asked and answered, each with an octet behind it that is in no line."""

    # Octets of the longest answer that is kept, which are in memory before the clock runs: of ten thousand VSIs.
    MOST = 8 << 20
    PATIENCE = 120

    def __init__(self, path, end):
        self.socket, self.end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), end
        self.socket.connect(str(path))
        # The kernel's timeout: with Python's own each call would be two.
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            self.socket.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", self.PATIENCE, 0))
        self._memory = memoryview(bytearray(b"." * (64 << 10)))

    def ask(self, octets):
        """One question, and its answer: the seconds that took, and the answer."""
        began = time.perf_counter()
        self.socket.sendall(octets)
        length = self._read(0)
        while self._memory[length - 1] != self.end[0]:
            length += self._read(length)
        return time.perf_counter() - began, bytes(self._memory[:length])

    def _read(self, place):
        """Takes what has come, behind so many octets that are there; tells how many."""
        if place == len(self._memory):
            self._memory = memoryview(bytearray(self._memory) + bytearray(len(self._memory)))
        count = self.socket.recv_into(self._memory[place:])
        if not count:
            raise ConnectionError("the connection was closed in the middle of an answer")
        return count

    def ask_all(self, questions):
        """Sends all of them at once, and reads as many answers; gives the answers."""
        sender = threading.Thread(target=self.socket.sendall, args=(b"".join(questions),))
        sender.start()
        read, left = [], len(questions)
        while left:
            octets = self.socket.recv(1 << 20)
            if not octets:
                raise ConnectionError("the connection was closed before all answers were there")
            read.append(octets)
            left -= octets.count(self.end)
        sender.join()
        return b"".join(read)

    def close(self):
        self.socket.close()


class EvbdClient(Stream):
    """evbd's control socket."""

    def __init__(self, evbd):
        super().__init__(evbd.socket, b"\0")

    @staticmethod
    def question(method, **parameters):
        return json.dumps({"method": f"io.evbd.{method}", "parameters": parameters}).encode() + b"\0"

    def call(self, method, **parameters):
        reply = json.loads(self.ask(self.question(method, **parameters))[1][:-1])
        if "error" in reply:
            raise RuntimeError(f"{method}: {reply}")
        return reply["parameters"]

    def ask_more(self, method):
        """A method that answers in parts: the seconds until the last one, and all of them."""
        if len(self._memory) < self.MOST:
            self._memory = memoryview(bytearray(b"." * self.MOST))
        octets = json.dumps({"method": f"io.evbd.{method}", "parameters": {}, "more": True}).encode() + b"\0"
        began = time.perf_counter()
        self.socket.sendall(octets)
        length = self._read(0)
        # What says that parts follow stands at the end of each.
        while self._memory[length - 1] != self.end[0] or b'"continues":true' in bytes(self._memory[max(0, length - 20):length]):
            length += self._read(length)
        return time.perf_counter() - began, bytes(self._memory[:length])

    def call_all(self, questions):
        said = self.ask_all(questions)
        if b'"error"' in said:
            raise RuntimeError(next(reply for reply in said.decode().split("\0") if '"error"' in reply))

    def counts(self):
        """state -> how many, of all ports."""
        found = {}
        for port in self.call("GetStatus")["status"]["ports"]:
            for state, count in port["vsis"].items():
                found[state] = found.get(state, 0) + count
        return found


class FloorClient(Stream):
    """The socket of the floor's station."""

    # Associates no VSI, which needs no frame: the answer comes at once.
    NOTHING = b"0"

    def __init__(self, path):
        super().__init__(path, b"\n")

    def exchange(self, count):
        """Associates so many; with a negative number releases the last ones. The seconds that took."""
        return self.ask(b"%d" % count)[0]


class Counts:
    """What the floor's bridge counts: frames heard, associations and releases whose answer was acknowledged."""

    def __init__(self, path):
        with open(path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), 24)

    def _read(self):
        return struct.unpack("=QQQ", self._map[:24])

    frames = property(lambda self: self._read()[0])
    associations = property(lambda self: self._read()[1])
    releases = property(lambda self: self._read()[2])


class NetlinkClient:
    """libvirt's requests, from new sockets as libvirt makes them. Used `with` its namespace entered."""

    def __init__(self, namespace, pid, interface="uplink0"):
        self.namespace, self.pid, self.interface = namespace, pid, interface
        self.index, self._sequence = namespace.index(interface), 1
        self._poll = netlink.message(netlink.RTM_GETLINK, netlink.getlink_body(self.index), 1)

    def message(self, vsi, request, mac=GUEST):
        body = netlink.setlink_body(self.index, self.interface, mac, vsi, request)
        self._sequence += 1
        return netlink.message(netlink.RTM_SETLINK, body, self._sequence)

    def exchange(self, octets, seconds=10):
        with netlink.route_socket() as call:
            call.sendto(octets, (self.pid, 0))
            if not select.select([call], [], [], seconds)[0]:
                raise netlink.NoAnswer(f"no reply within {seconds} s")
            return call.recv(1 << 20)

    def set(self, message):
        reply = netlink.Message.parse(self.exchange(message))
        if reply.error:
            raise netlink.Refused(reply.error)

    def poll(self):
        return self.exchange(self._poll)

    @staticmethod
    def response(reply, vsi):
        """What the reply says of the VSI: 0 for success, None as long as there is no verdict, 0 also where the VSI is not there any more."""
        return {entry.uuid: entry.response for entry in netlink.entries(netlink.Message.parse(reply))}.get(vsi, 0)

    def whole(self, vsi, request, pause, patience=10, mac=GUEST):
        """A request until its success, with so long between polls: the seconds that took. An association that is not there is no success."""
        message = self.message(vsi, request, mac)
        began = time.perf_counter()
        self.set(message)
        while True:
            reply = self.poll()
            ended = time.perf_counter()
            if (response := self.response(reply, vsi)) in (0, 0x100):
                if request == netlink.ASSOCIATE and uuid.UUID(vsi).bytes not in reply:
                    raise LookupError(f"{vsi} is not in the reply")
                return ended - began
            if response not in (None, 0x101):
                raise RuntimeError(f"{vsi}: refused with {response}")
            if ended - began > patience:
                raise TimeoutError(f"{vsi}: no verdict within {patience} s")
            time.sleep(pause)


def spin(check, seconds, what, pause=0.0002):
    """Looks until check is true: the seconds since `began` are the caller's to take."""
    deadline = time.perf_counter() + seconds
    while not check():
        if time.perf_counter() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(pause)


def octets_of(path):
    return os.stat(path).st_size
