"""Reads pcapng files by the specification (draft-ietf-opsawg-pcapng), strictly: whatever is not as it has to be fails."""

import struct
from dataclasses import dataclass, field

SECTION, INTERFACE, STATISTICS, FRAME = 0x0A0D0D0A, 1, 5, 6


@dataclass
class Packet:
    """An enhanced packet block: nanoseconds since 1970, octets, length on the wire, direction, what is missing before it, comment."""

    time: int
    octets: bytes
    length: int
    inbound: bool
    lost: int = 0
    comment: str = ""


@dataclass
class Capture:
    interface: dict = field(default_factory=dict)
    packets: list = field(default_factory=list)
    statistics: list = field(default_factory=list)

    def sent(self):
        return [packet for packet in self.packets if not packet.inbound]

    def received(self):
        return [packet for packet in self.packets if packet.inbound]


def _options(data):
    found = {}
    while data:
        code, length = struct.unpack("<HH", data[:4])
        assert code not in found, f"option {code} twice"
        if code == 0:
            assert length == 0 and len(data) == 4, data
            return found
        end = 4 + -(-length // 4) * 4
        assert len(data) >= end and not any(data[4 + length:end]), data[:end]
        found[code] = data[4:4 + length]
        data = data[end:]
    return found


def read(path, is_growing=False):
    """The file's packets; of one that is being written, those that are whole by now: Linux shows a write page by page."""
    data, capture, blocks = path.read_bytes(), Capture(), 0
    while data:
        if is_growing and (len(data) < 8 or len(data) < struct.unpack("<I", data[4:8])[0]):
            break
        kind, length = struct.unpack("<II", data[:8])
        assert length % 4 == 0 and len(data) >= length, f"block {blocks} of kind {kind:#x} is torn: {length} of {len(data)}"
        assert struct.unpack("<I", data[length - 4:length]) == (length,), "the two lengths of a block"
        body, data = data[8:length - 4], data[length:]
        if blocks == 0:
            assert kind == SECTION and body[:8] == bytes.fromhex("4d3c2b1a01000000") and _options(body[16:])[4], body
        elif blocks == 1:
            assert kind == INTERFACE and struct.unpack("<H", body[:2]) == (1,), body
            options = _options(body[8:])
            assert options[9] == b"\x09", "nanoseconds"
            capture.interface = {"name": options[2].decode(), "description": options[3].decode(), "mac": options.get(6, b"").hex(":")}
        elif kind == FRAME:
            number, high, low, kept, whole = struct.unpack("<IIIII", body[:20])
            end = 20 + -(-kept // 4) * 4
            options = _options(body[end:])
            flags, = struct.unpack("<I", options[2])
            assert number == 0 and flags & 3 in (1, 2), (number, flags)
            lost, = struct.unpack("<Q", options.get(4, bytes(8)))
            capture.packets.append(Packet(high << 32 | low, body[20:20 + kept], whole, flags & 3 == 1, lost, options.get(1, b"").decode()))
        elif kind == STATISTICS:
            options = _options(body[12:])
            names = {4: "received", 5: "lost", 7: "dropped", 8: "delivered"}
            values = {name: struct.unpack("<Q", options[code])[0] for code, name in names.items()}
            capture.statistics.append({**values, "comment": options[1].decode()})
        else:
            raise AssertionError(f"a block of kind {kind:#x}")
        blocks += 1
    return capture
