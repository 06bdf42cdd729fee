"""LLDP, EVB TLV, ECP and VDP, octets to values and back, in the ratified dialect.

Written from the field tables of the standard, on purpose without a look at the Swift code: two decoders that agree by accident
are rarer than one that agrees with itself.
"""

import struct
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path

NEAREST_CUSTOMER_BRIDGE = bytes.fromhex("0180c2000000")
ETHERTYPE_LLDP = 0x88CC
ETHERTYPE_ECP = 0x8940
PREASSOCIATE, PREASSOCIATE_RR, ASSOCIATE, DEASSOCIATE, MANAGER_ID = 1, 2, 3, 4, 5
ACK, KEEP, HARD = 0x40, 0x20, 0x10


class Malformed(ValueError):
    """The octets break the format."""


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def ethernet(source, ethertype, payload, destination=NEAREST_CUSTOMER_BRIDGE):
    """A frame, padded to 60 octets as a real wire wants it."""
    return (destination + mac(source) + struct.pack("!H", ethertype) + payload).ljust(60, b"\0")


def tlv(kind, value):
    return struct.pack("!H", kind << 9 | len(value)) + value


def tlvs(data):
    """(type, value) up to the End TLV or the end of the data."""
    found = []
    while len(data) >= 2:
        header, = struct.unpack_from("!H", data)
        kind, length = header >> 9, header & 0x1FF
        if length > len(data) - 2:
            raise Malformed(f"TLV {kind} claims {length} octets of {len(data) - 2}")
        if kind == 0:
            return found
        found.append((kind, data[2:2 + length]))
        data = data[2 + length:]
    return found


@dataclass(frozen=True)
class EVB:
    """The EVB TLV, 00-80-C2 subtype 0D."""

    bgid: bool = False
    rrcap: bool = False
    rrctr: bool = False
    sgid: bool = False
    rrreq: bool = False
    rrstat: int = 3
    retries: int = 3
    rte: int = 8
    mode: int = 1
    remote_rwd: bool = False
    rwd: int = 20
    remote_rka: bool = False
    rka: int = 20

    PREFIX = bytes.fromhex("0080c20d")

    @classmethod
    def decode(cls, value):
        if len(value) != 9 or value[:4] != cls.PREFIX:
            raise Malformed("not an EVB TLV")
        bridge, station, ecp, rwd, rka = value[4:]
        return cls(bool(bridge & 4), bool(bridge & 2), bool(bridge & 1), bool(station & 8), bool(station & 4), station & 3,
                   ecp >> 5, ecp & 31, rwd >> 6, bool(rwd & 32), rwd & 31, bool(rka & 32), rka & 31)

    def encode(self):
        return self.PREFIX + bytes([
            self.bgid << 2 | self.rrcap << 1 | self.rrctr, self.sgid << 3 | self.rrreq << 2 | self.rrstat,
            self.retries << 5 | self.rte, self.mode << 6 | self.remote_rwd << 5 | self.rwd, self.remote_rka << 5 | self.rka])


@dataclass(frozen=True)
class LLDPDU:
    chassis: bytes
    port: bytes
    ttl: int
    others: tuple = ()

    @classmethod
    def decode(cls, payload):
        chain = tlvs(payload)
        if [kind for kind, _ in chain[:3]] != [1, 2, 3] or len(chain[2][1]) != 2:
            raise Malformed("chassis, port and TTL do not lead")
        return cls(chain[0][1], chain[1][1], struct.unpack("!H", chain[2][1])[0], tuple(chain[3:]))

    def encode(self):
        return (tlv(1, self.chassis) + tlv(2, self.port) + tlv(3, struct.pack("!H", self.ttl))
                + b"".join(tlv(kind, value) for kind, value in self.others) + tlv(0, b""))

    @property
    def evb(self):
        """The EVB TLV in it, or None."""
        for kind, value in self.others:
            if kind == 127 and value[:4] == EVB.PREFIX:
                return EVB.decode(value)
        return None


@dataclass(frozen=True)
class ECPDU:
    acknowledge: bool
    sequence: int
    payload: bytes = b""
    subtype: int = 1

    @classmethod
    def decode(cls, data):
        if len(data) < 4:
            raise Malformed("ECPDU shorter than its header")
        word, sequence = struct.unpack_from("!HH", data)
        if word >> 12 != 1 or word >> 10 & 3 > 1:
            raise Malformed(f"ECP header {word:04x}")
        return cls(word >> 10 & 3 == 1, sequence, data[4:], word & 0x3FF)

    def encode(self):
        return struct.pack("!HH", 1 << 12 | self.acknowledge << 10 | self.subtype, self.sequence) + self.payload


@dataclass(frozen=True)
class Filter:
    """One entry of the filter info; a field that the format does not have is None."""

    vid: int
    mac: bytes | None = None
    group: int | None = None
    pcp: int | None = None


# filter info format -> (has a group, has a MAC)
_FORMATS = {1: (False, False), 2: (False, True), 3: (True, False), 4: (True, True)}


@dataclass(frozen=True)
class VSI:
    """An association TLV."""

    command: int
    status: int
    type_id: int
    type_version: int
    vsiid: bytes
    filters: tuple = ()
    vsiid_format: int = 5
    filter_format: int = 2

    @classmethod
    def decode(cls, command, value):
        if len(value) < 25:
            raise Malformed("association TLV shorter than 25 octets")
        status, kind, version, id_format = value[0], int.from_bytes(value[1:4], "big"), value[4], value[5]
        filter_format, count = value[22], int.from_bytes(value[23:25], "big")
        if filter_format not in _FORMATS:
            raise Malformed(f"filter info format {filter_format}")
        has_group, has_mac = _FORMATS[filter_format]
        size = 2 + 4 * has_group + 6 * has_mac
        if len(value) != 25 + count * size:
            raise Malformed(f"{count} entries of {size} octets in {len(value) - 25}")
        entries = []
        for at in range(25, len(value), size):
            entry = value[at:at + size]
            group = int.from_bytes(entry[:4], "big") if has_group else None
            word = int.from_bytes(entry[-2:], "big")
            entries.append(Filter(word & 0xFFF, entry[-8:-2] if has_mac else None, group, word >> 12 & 7 if word & 0x8000 else None))
        return cls(command, status, kind, version, value[6:22], tuple(entries), id_format, filter_format)

    def encode(self):
        has_group, has_mac = _FORMATS[self.filter_format]
        value = (bytes([self.status]) + self.type_id.to_bytes(3, "big") + bytes([self.type_version, self.vsiid_format]) + self.vsiid
                 + bytes([self.filter_format]) + len(self.filters).to_bytes(2, "big"))
        for entry in self.filters:
            word = entry.vid | (0 if entry.pcp is None else 0x8000 | entry.pcp << 12)
            value += (entry.group.to_bytes(4, "big") if has_group else b"") + (entry.mac if has_mac else b"") + word.to_bytes(2, "big")
        return tlv(self.command, value)

    @property
    def uuid(self):
        return str(uuid.UUID(bytes=self.vsiid))

    def answered(self, status=0, **changes):
        """The bridge's answer to this request."""
        return replace(self, status=ACK | status, **changes)


@dataclass(frozen=True)
class VDPDU:
    manager: bytes
    vsis: tuple = ()
    others: tuple = field(default=())

    @classmethod
    def decode(cls, payload):
        chain = tlvs(payload)
        if not chain or chain[0][0] != MANAGER_ID or len(chain[0][1]) != 16:
            raise Malformed("the manager ID does not lead")
        if any(kind == MANAGER_ID for kind, _ in chain[1:]):
            raise Malformed("two manager IDs")
        return cls(chain[0][1], tuple(VSI.decode(kind, value) for kind, value in chain[1:] if 1 <= kind <= 4),
                   tuple((kind, value) for kind, value in chain[1:] if kind > 4))

    def encode(self, end=False):
        return tlv(MANAGER_ID, self.manager) + b"".join(vsi.encode() for vsi in self.vsis) + (tlv(0, b"") if end else b"")


@dataclass(frozen=True)
class Frame:
    """A frame off the wire; outgoing says that the interface itself sent it."""

    octets: bytes
    outgoing: bool = False
    time: float = 0.0

    @property
    def source(self):
        return self.octets[6:12]

    @property
    def destination(self):
        return self.octets[:6]

    @property
    def ethertype(self):
        return int.from_bytes(self.octets[12:14], "big")

    @property
    def payload(self):
        return self.octets[14:]

    @property
    def lldp(self):
        """Its LLDPDU, or None where it is no well-formed one."""
        return _or_none(LLDPDU, self.payload) if self.ethertype == ETHERTYPE_LLDP else None

    @property
    def ecp(self):
        return _or_none(ECPDU, self.payload) if self.ethertype == ETHERTYPE_ECP else None

    @property
    def vdp(self):
        """The VDPDU of an ECP request, or None."""
        ecp = self.ecp
        return _or_none(VDPDU, ecp.payload) if ecp and not ecp.acknowledge and ecp.subtype == 1 else None


def _or_none(kind, payload):
    try:
        return kind.decode(payload)
    except Malformed:
        return None


def read_pcap(path):
    """The frames of a classic little-endian pcap file."""
    data = Path(path).read_bytes()
    magic, = struct.unpack_from("<I", data)
    if magic not in (0xA1B2C3D4, 0xA1B23C4D):
        raise Malformed(f"{path} is no little-endian pcap")
    fraction = 1e-9 if magic == 0xA1B23C4D else 1e-6
    at, frames = 24, []
    while at < len(data):
        seconds, part, length, _ = struct.unpack_from("<IIII", data, at)
        frames.append(Frame(data[at + 16:at + 16 + length], time=seconds + part * fraction))
        at += 16 + length
    return frames
