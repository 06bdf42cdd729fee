"""What libvirt does towards lldpad, and so towards evbd: RTM_SETLINK and RTM_GETLINK in unicast to the daemon's process id.

The layout of the messages, the pace of the polls and the rules of the verdict are libvirt's (virnetdevvportprofile.c as described
in our notes); the recorded messages in Tests/Captures hold this module to it.
"""

import contextlib
import errno
import os
import select
import socket
import struct
import time
import uuid as uuids
from dataclasses import dataclass

NLMSG_ERROR, NLMSG_DONE, RTM_GETLINK, RTM_SETLINK = 2, 3, 18, 19
REQUEST, ACK, NESTED = 1, 4, 0x8000
IFNAME, VFINFO_LIST, VF_PORTS, EXT_MASK = 3, 22, 24, 29
VF_INFO, VF_MAC, VF_VLAN = 1, 1, 2
VF_PORT, PORT_VF, VSI_TYPE, INSTANCE_UUID, PORT_REQUEST, PORT_RESPONSE = 1, 1, 3, 4, 6, 7
PREASSOCIATE, PREASSOCIATE_RR, ASSOCIATE, DISASSOCIATE = 0, 1, 2, 3
SELF_VF = 0xFFFFFFFF

CALL_SECONDS, POLL_SECONDS, POLLS = 2.0, 0.125, 80


class NoAnswer(AssertionError):
    """The daemon kept silent for libvirt's two seconds."""


class Refused(Exception):
    """The daemon answered with an error."""

    def __init__(self, number):
        super().__init__(f"errno {number} ({errno.errorcode.get(number, '?')})")
        self.errno = number


def attribute(kind, value, nested=False):
    """A netlink attribute, padded to four octets."""
    length = 4 + len(value)
    return struct.pack("=HH", length, kind | (NESTED if nested else 0)) + value + b"\0" * (-length % 4)


def attributes(data):
    """[(type without flags, value)]; a length that breaks the bounds is an error."""
    found = []
    while data:
        if len(data) < 4:
            raise ValueError(f"{len(data)} octets left over behind the attributes")
        length, kind = struct.unpack_from("=HH", data)
        if not 4 <= length <= len(data):
            raise ValueError(f"attribute {kind & 0x3FFF} claims {length} octets of {len(data)}")
        found.append((kind & 0x3FFF, data[4:length]))
        data = data[length + (-length % 4):]
    return found


@dataclass(frozen=True)
class Message:
    kind: int
    flags: int
    sequence: int
    port: int
    body: bytes
    octets: bytes

    @classmethod
    def parse(cls, octets):
        length, kind, flags, sequence, port = struct.unpack_from("=IHHII", octets)
        assert length <= len(octets), f"nlmsg_len {length} in a datagram of {len(octets)}"
        return cls(kind, flags, sequence, port, octets[16:length], octets[:length])

    @property
    def error(self):
        """errno of an NLMSG_ERROR, 0 for an acknowledgement."""
        assert self.kind == NLMSG_ERROR, f"message type {self.kind} instead of NLMSG_ERROR"
        return -struct.unpack_from("=i", self.body)[0]

    @property
    def index(self):
        return struct.unpack_from("=i", self.body, 4)[0]

    @property
    def attributes(self):
        return attributes(self.body[16:])


@dataclass(frozen=True)
class Entry:
    """One VF_PORT of a GETLINK reply."""

    uuid: str
    vf: int
    response: int | None


def message(kind, body, sequence=1, port=0, flags=REQUEST | ACK):
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, port) + body


def ifinfo(index):
    return struct.pack("=BxHiII", 0, 0, index, 0, 0)


def setlink_body(index, name, mac, uuid, request, vlan=0, manager=11, type_id=0x123457, version=2):
    """The body of libvirt's RTM_SETLINK."""
    vf_info = (attribute(VF_MAC, struct.pack("=I32s", SELF_VF, bytes.fromhex(mac.replace(":", ""))))
               + attribute(VF_VLAN, struct.pack("=III", SELF_VF, vlan, 0)))
    vf_port = (attribute(VSI_TYPE, struct.pack("=B3sB3x", manager, type_id.to_bytes(3, "little"), version))
               + attribute(INSTANCE_UUID, uuids.UUID(uuid).bytes) + attribute(PORT_REQUEST, bytes([request])))
    return (ifinfo(index) + attribute(IFNAME, name.encode() + b"\0")
            + attribute(VFINFO_LIST, attribute(VF_INFO, vf_info, True), True)
            + attribute(VF_PORTS, attribute(VF_PORT, vf_port, True), True))


def getlink_body(index):
    return ifinfo(index) + attribute(EXT_MASK, struct.pack("=I", 1))


def entries(reply):
    """The VSIs of a GETLINK reply."""
    found = []
    for kind, ports in reply.attributes:
        if kind != VF_PORTS:
            continue
        for inner, port in attributes(ports):
            assert inner == VF_PORT, f"attribute {inner} among the VF_PORTs"
            values = dict(attributes(port))
            response = values.get(PORT_RESPONSE)
            found.append(Entry(str(uuids.UUID(bytes=values[INSTANCE_UUID])), struct.unpack("=I", values[PORT_VF])[0],
                               None if response is None else int.from_bytes(response[:2], "little")))
    return found


def route_socket():
    """A NETLINK_ROUTE socket with a port id that the kernel chose, in the namespace of the caller."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    made.bind((0, 0))
    return made


class Client:
    """libvirt's half. `destination` is the number from the daemon's pid file."""

    def __init__(self, namespace, destination, index, name):
        self.namespace, self.destination, self.index, self.name = namespace, destination, index, name
        self._sequence = int(time.time()) & 0x7FFFFFFF
        with self._inside():
            self.events = route_socket()

    def _inside(self):
        return self.namespace.entered() if self.namespace else contextlib.nullcontext()

    @property
    def event_port(self):
        return self.events.getsockname()[0]

    def close(self):
        self.events.close()

    def exchange(self, octets, seconds=CALL_SECONDS):
        """Sends the octets as they are from a fresh socket, as libvirt does, and gives the reply."""
        with self._inside():
            call = route_socket()
        with call:
            call.sendto(octets, (self.destination, 0))
            if not select.select([call], [], [], seconds)[0]:
                raise NoAnswer(f"no reply within {seconds} s to {octets[:64].hex()}{'...' if len(octets) > 64 else ''}")
            reply, (sender, _) = call.recvfrom(256 * 1024)
            assert sender == self.destination, f"reply from port {sender}"
            return Message.parse(reply)

    def setlink(self, mac, uuid, request, **profile):
        """Raises Refused where the daemon does not take the request. Returns its sequence number."""
        self._sequence += 1
        body = setlink_body(self.index, self.name, mac, uuid, request, **profile)
        reply = self.exchange(message(RTM_SETLINK, body, self._sequence, self.event_port))
        if reply.error:
            raise Refused(reply.error)
        return self._sequence

    def getlink(self):
        """The daemon's reply to one poll."""
        reply = self.exchange(message(RTM_GETLINK, getlink_body(self.index), self._sequence, self.event_port))
        if reply.kind == NLMSG_ERROR:
            raise Refused(reply.error)
        return reply

    def request(self, mac, uuid, request, **profile):
        """The whole of an operation as libvirt runs it. True for success; the refusing response otherwise; TimeoutError after ten seconds."""
        self.setlink(mac, uuid, request, **profile)
        for _ in range(POLLS):
            mine = [entry for entry in entries(self.getlink()) if entry.vf == SELF_VF and entry.uuid == str(uuids.UUID(uuid))]
            if not mine:
                raise LookupError("libvirt: could not find vf/instanceId in the daemon's reply")
            response = mine[0].response
            if response in (0, 0x100):
                return True
            if response not in (None, 0x101):
                return response
            time.sleep(POLL_SECONDS)
        raise TimeoutError("libvirt: no verdict in 80 polls")

    def event(self, seconds):
        """The next unsolicited message, or None."""
        if not select.select([self.events], [], [], seconds)[0]:
            return None
        octets, (sender, _) = self.events.recvfrom(256 * 1024)
        assert sender == self.destination, f"event from port {sender}"
        return Message.parse(octets)


def vsis(namespace, pid, interface):
    """The VSIs that the daemon with this process id holds on the interface; in the bridge role lldpad answers no other question."""
    client = Client(namespace, pid, namespace.index(interface) if namespace else socket.if_nametoindex(interface), interface)
    try:
        return entries(client.getlink())
    finally:
        client.close()
