"""What the fuzzers start from: the frames and messages of Tests/Captures, a few of our own, and words of each protocol."""

import json
import struct
from pathlib import Path

CAPTURES = Path(__file__).resolve().parents[1] / "Captures"

# EtherType of a captured frame -> target that gets it whole.
FRAMES = {0x88CC: "lldp", 0x8940: "ecp", 0x88B7: "draft-ecp"}

TEXTS = [
    "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f", "uuid:09b11c538b5c4eeb8f00d84eaa0aaa4f", "ipv4:192.0.2.1", "ipv6:2001:db8::1",
    "ipv6:::ffff:192.0.2.1", "mac:52:54:00:11:22:33", "local:000102030405060708090a0b0c0d0e0f",
    "unknown-9:000102030405060708090a0b0c0d0e0f", "52-54-00-11-22-33", "11", "manager", "192.0.2.1", "::", "2001:db8::1",
]

ASSOCIATE = {
    "vsiID": "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f", "port": "eth0", "managerID": None, "typeID": 1234, "typeVersion": 2,
    "filters": [{"vlan": 10, "priority": None, "macAddress": "52:54:00:11:22:33", "group": None}], "migrating": False,
    "suspended": False, "link": {"name": "macvtap0", "kind": "macvtap"}, "wait": 5000,
}
# Calls that are read in one pass.
PLAIN = {
    "vsiID": "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f", "port": "eth0", "managerID": "11", "typeID": 1234, "typeVersion": 2,
    "filters": [{"mac": "52:54:00:11:22:33", "vlan": 10, "pcp": None, "group": None}], "migrating": False, "suspended": False,
    "link": None, "wait": 5000,
}
MESSAGES = [
    {"method": "io.evbd.Associate", "parameters": PLAIN},
    {"method": "io.evbd.Deassociate", "parameters": {"vsiID": PLAIN["vsiID"], "port": None, "wait": 5000}},
    {"method": "org.varlink.service.GetInfo"},
    {"method": "io.evbd.Monitor", "parameters": {"port": "eth0"}, "more": True},
    {"method": "io.evbd.Associate", "parameters": ASSOCIATE},
    {"parameters": {"state": "associated", "counters": [0, -1, 1.5e3]}, "continues": True},
    {"error": "io.evbd.NoSuchPort", "parameters": {"message": "no \u00fc \"\\\t", "port": "x\U0001F600"}},
]

# The instructions of PortDriver.swift.
RAW, ANNOUNCE, REQUEST, ACK, ANSWER, PASS, DEADLINE, ASK, WITHDRAW, LINK, CONFIGURE, SERVE, ANNOUNCE_DRAFT = range(13)
BRIDGE = bytes([ANNOUNCE, 1, 0x07, 0x0C, 0x6E, 0x54, 0x14, 0x00, 0x79])
DRAFT_BRIDGE = bytes([ANNOUNCE_DRAFT, 1, 0xC0, 0x40, 0x07, 0x07, 0, 100, 0, 0, 14, 0, 0x79])
STORIES = [
    DRAFT_BRIDGE + bytes([ASK, 2, 0, 0x14, SERVE, DEADLINE, DEADLINE, SERVE, WITHDRAW, 0, SERVE]),
    DRAFT_BRIDGE + bytes([ASK, 2, 1, 0x10, ASK, 4, 0, 0x14, SERVE, PASS, 20, SERVE, LINK, LINK]) + BRIDGE + bytes([SERVE]),
    BRIDGE + bytes([ASK, 2, 0, 0x14, SERVE]) + DRAFT_BRIDGE + bytes([ASK, 3, 0, 4, SERVE, DEADLINE, SERVE]),
    BRIDGE + bytes([ASK, 1, 0, 4, SERVE, DEADLINE, DEADLINE, SERVE, WITHDRAW, 0, SERVE]),
    BRIDGE + bytes([ASK, 1, 0, 0, SERVE, PASS, 20, DEADLINE, SERVE, LINK, LINK]) + BRIDGE + bytes([DEADLINE, SERVE]),
    BRIDGE + bytes([ASK, 1, 1, 0x14, SERVE, ASK, 1, 2, 0x14, SERVE, ASK, 1, 3, 0x14, ACK, 0, ANSWER, 0x71, 0, 0, 0]),
    BRIDGE + bytes([ASK, 1, 0, 0x10, ASK, 2, 0, 0x34, ASK, 3, 0x80, 0x54, ACK, 0, SERVE, SERVE, DEADLINE, CONFIGURE, 0x2A, SERVE]),
    bytes([ASK, 1, 0, 0x44, DEADLINE, DEADLINE, DEADLINE]) + BRIDGE + bytes([ACK, 1, DEADLINE, DEADLINE, DEADLINE, PASS, 25]),
    BRIDGE + bytes([ASK, 1, 0, 4, SERVE]) + bytes([ANNOUNCE, 1, 3, 0x0C, 0xFF, 0x7F, 0x3F, 0, 0x79, DEADLINE, SERVE]),
]

# Those of BridgeDriver.swift: raw frame, station, draft station, payload, ack, time, deadline, ask, decide, link, settings, take back, serve.
B_RAW, B_STATION, B_DRAFT, B_PAYLOAD, B_ACK, B_PASS, B_DEADLINE, B_ASK, B_DECIDE, B_LINK, B_CONFIGURE, B_RETRACT, B_SERVE = range(13)
STATION = bytes([B_STATION, 1, 0x0C, 0x6E, 0x94, 0x14, 0x00, 0x79])
DRAFT_STATION = bytes([B_DRAFT, 1, 0xC0, 0x7F, 0x00, 0x79])
BRIDGE_STORIES = [
    hello + middle
    for hello in (STATION, DRAFT_STATION)
    for middle in (
        bytes([B_ASK, 1, 2, 0x14, B_SERVE, B_ASK, 1, 2, 0x14, B_SERVE, B_PASS, 20, B_DEADLINE, B_DEADLINE, B_ASK, 1, 3, 0x14, B_SERVE]),
        bytes([B_ASK, 1, 0x80, 0x51, B_DECIDE, 1, 0x45, B_DECIDE, 0, 0xA2, B_ACK, 0, B_ASK, 1, 2, 0x91, B_DECIDE, 0, 0xB5, B_ACK, 0]),
        bytes([B_ASK, 2, 2, 0x10, B_DECIDE, 0, 0, B_RETRACT, 2, B_DEADLINE, B_DEADLINE, B_DEADLINE, B_ACK, 0, B_ACK, 0]),
        bytes([B_ASK, 3, 2, 0x14, B_SERVE]) + STATION + DRAFT_STATION + bytes([B_ASK, 3, 2, 0x14, B_SERVE, B_CONFIGURE, 0xC0, B_CONFIGURE, 0x80]),
        bytes([B_ASK, 4, 0x82, 0x10, B_PASS, 20, B_DEADLINE, B_SERVE, B_ASK, 6, 0x82, 0x10, B_ASK, 8, 0x82, 0x10, B_ASK, 10, 0x82, 0x10, B_LINK, B_LINK]),
    )
]


def tlv(kind, value):
    return (kind << 9 | len(value)).to_bytes(2, "big") + value


def vdpdus():
    """A VDPDU for each filter format, command and VSIID format, with one entry and with two, and all of them in one."""
    manager = tlv(5, b"\x0b" + bytes(15))
    entries = {1: b"\xd0\x0a", 2: bytes.fromhex("525400112233") + b"\x00\x0a", 3: b"\x00\x00\x00\x07\x00\x0a",
               4: b"\x00\x00\x00\x07" + bytes.fromhex("525400112233") + b"\xd0\x0a"}
    everything = b""
    for number in range(20):
        command, vsi_format, filter_format, count = number % 4 + 1, number % 5 + 1, number // 5 + 1, number % 2 + 1
        status = 0x40 | number if number % 3 else 0
        value = bytes([status, 0, 4, 0xD2, 2, vsi_format]) + bytes(10) + b"\xff\xff\xc0\x00\x02\x01"
        value += bytes([filter_format]) + count.to_bytes(2, "big") + entries[filter_format] * count
        association = tlv(command, value) + (tlv(127, b"\x00\x1b\x3f\x01\x02") if number % 2 else b"")
        yield manager + association + tlv(0, b"")
        everything += association
    yield manager + everything


def frames():
    """Every captured frame, from its destination address on."""
    for path in sorted(CAPTURES.glob("*.pcap")):
        octets, place = path.read_bytes(), 24
        if octets[:4] != b"\xd4\xc3\xb2\xa1":
            raise ValueError(f"{path} is no capture in the classic format, little-endian")
        while place < len(octets):
            (length,) = struct.unpack_from("<I", octets, place + 8)
            yield octets[place + 16 : place + 16 + length]
            place += 16 + length


def story(frame):
    """A captured frame for PortDriver: a bridge is heard, then this."""
    return BRIDGE + bytes([ASK, 1, 0, 4, RAW]) + len(frame).to_bytes(2, "big") + frame + bytes([SERVE, DEADLINE])


def bridge_story(frame):
    """A captured frame for BridgeDriver: a station of the frame's dialect is heard, then this."""
    hello = DRAFT_STATION if frame[12:14] == b"\x88\xb7" else STATION
    return hello + bytes([B_RAW]) + len(frame).to_bytes(2, "big") + frame + bytes([B_SERVE, B_DEADLINE])


def seeds():
    """(target, octets) of each seed; those of targets that are not there are nobody's."""
    for frame in frames():
        ether_type = int.from_bytes(frame[12:14], "big")
        if ether_type in FRAMES:
            yield FRAMES[ether_type], frame
            yield "port", story(frame)
            yield "bridge", bridge_story(frame)
        # Requests carry a PDU; the acknowledgements of either dialect have the operation elsewhere, and do no harm.
        if ether_type == 0x8940:
            yield "vdp", frame[18:]
        if ether_type == 0x88B7:
            yield "draft-vdp", frame[23:]
    for number, pdu in enumerate(vdpdus()):
        header = bytes.fromhex("0180c2000000 020000000001 8940 1001") + number.to_bytes(2, "big")
        yield "vdp", pdu
        yield "ecp", header + pdu
        yield "port", story(header + pdu)
        yield "bridge", bridge_story(header + pdu)
    for path in sorted(CAPTURES.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            message = json.loads(line)
            yield "netlink", bytes.fromhex(message["raw"])
    yield from (("text", text.encode()) for text in TEXTS)
    yield from (("port", octets) for octets in STORIES)
    yield from (("bridge", octets) for octets in BRIDGE_STORIES)
    stream = b""
    for message in MESSAGES:
        octets = json.dumps(message, ensure_ascii=False).encode() + b"\0"
        stream += octets
        yield "varlink", b"\x07" + octets
    yield "varlink", b"\x02" + stream
    yield from (("lldpad", text) for text in LLDPAD)
    yield from (("agentx", octets) for octets in agentx())
    yield from (("ovsdb", octets) for octets in ovsdb())


def ovsdb():
    """What Open vSwitch 3.1 has answered and told, of a bridge with one machine: its start, another VLAN and its end."""
    lines = (CAPTURES / "ovsdb-updates.ndjson").read_bytes().splitlines()
    for line in lines:
        yield b"\x1f" + line
    for end in range(2, len(lines) + 1):
        yield b"\x07" + b"".join(lines[:end])


def agentx():
    """What net-snmp's master sends: answers to Open and Register, searches in either byte order, a set, a ping, and the end."""
    def oid(*numbers, include=0, order=">"):
        prefix = numbers[4] if numbers[:4] == (1, 3, 6, 1) and len(numbers) > 4 else 0
        rest = numbers[5:] if prefix else numbers
        return bytes([len(rest), prefix, include, 0]) + b"".join(struct.pack(f"{order}I", number) for number in rest)

    def pdu(kind, payload=b"", order=">", session=7, packet=9, flags=0):
        flags |= 0x10 if order == ">" else 0
        return bytes([1, kind, flags, 0]) + struct.pack(f"{order}4I", session, 3, packet, len(payload)) + payload

    stream = b""
    for order in "><":
        for start in ((1, 3, 6, 1, 1, 1, 0), (1, 3, 6, 1, 2, 1, 1, 1), (1, 3, 6, 1, 2), (1, 3, 6, 1, 2, 1, 5, 0xFFFFFFFF)):
            search = oid(*start, order=order) + oid(1, 3, 6, 1, 3, order=order)
            closed = oid(*start, include=1, order=order) + oid(order=order)
            bulk = struct.pack(f"{order}2H", 1, 5) + search + closed
            for message in (pdu(5, search, order), pdu(6, search + closed, order), pdu(7, bulk, order)):
                yield b"\x00" + message
                yield b"\x43" + message
                stream += message
    string = struct.pack(">I", 3) + b"abc\0"
    test_set = struct.pack(">2H", 4, 0) + oid(1, 3, 6, 1, 1, 3, 0) + string
    for message in (pdu(8, test_set), pdu(9), pdu(10), pdu(11), pdu(13), pdu(13, string, flags=8), pdu(2, b"\x05\0\0\0"), pdu(12, string)):
        yield b"\x00" + message
        stream += message
    yield b"\x01" + stream
    opened = b"".join(pdu(18, struct.pack(">I2H", 0, 0, 0), packet=packet) for packet in (1, 2, 3))
    yield b"\x80" + opened + stream
    yield b"\xC0" + opened + pdu(18, struct.pack(">I2H", 0, 257, 0), packet=4)


# As lldpad writes it, in short, and what else libconfig's language has.
LLDPAD = [
    b'nearest_customer_bridge :\n{\n eth0 :\n {\n  adminStatus = 3;\n  tlvid0080c20d :\n  {\n   enableTx = true;\n   ecprte = 12;\n  };\n };\n};\n',
    b'nearest_customer_bridge:{e:{adminStatus=3;vdp:{role="bridge"};tlvid001b3f00:{enableTx=true;rte="15";x=( 0x1F, [ -1L, 1.5e3 ] )}}}',
    b'# c\nlldp : { p1 : { adminStatus = 3; /* */ a = "b\\x41\\n" "c" } } // d\n',
]


TLVS = [
    bytes.fromhex("fe090080c20d"), bytes.fromhex("fe08001b3f00"), bytes.fromhex("0a10"), bytes.fromhex("0000"),
    bytes.fromhex("0221"), bytes.fromhex("0421"), bytes.fromhex("0621"), bytes.fromhex("0821"), bytes.fromhex("ffff"),
    bytes.fromhex("01000102"), bytes.fromhex("0001"), bytes.fromhex("0fff"), bytes.fromhex("8000"),
]
WORDS = {
    "lldp": TLVS, "vdp": TLVS,
    "draft-vdp": [bytes.fromhex("001b3f02")], "draft-ecp": [bytes.fromhex("001b3f000000"), bytes.fromhex("001b3f02")],
    "port": TLVS + [BRIDGE],
    "bridge": TLVS + [STATION, DRAFT_STATION, bytes.fromhex("fe26001b3f02")],
    "ecp": TLVS + [bytes.fromhex("1001"), bytes.fromhex("1401"), bytes.fromhex("8940")],
    "netlink": [
        struct.pack("=HH", length, kind) for kind in (22, 24, 0x8001, 1, 2, 3, 4, 6, 7) for length in (5, 8, 12, 20, 40)
    ] + [struct.pack("=IHH", 156, kind, 5) for kind in (18, 19)],
    "varlink": [
        b'"method"', b'"parameters"', b'"error"', b'"continues"', b'"more"', b'"oneway"', b'"upgrade"', b"true", b"false",
        b"null", b'"io.evbd.Associate"', b'"io.evbd.Deassociate"', b'"vsiID"', b'"port"', b'"typeID"', b'"filters"', b'"vlan"', b'"wait"',
        b"\\u00", b"\\ud83d\\ude00", b"{}", b"[]", b"[[[[[[[[", b"1e5", b"-0", b"\0",
    ],
    "ovsdb": [
        b'"initial"', b'"insert"', b'"modify"', b'"delete":null', b'"external_ids"', b'"ifindex"', b'["map",[', b'["set",[', b'["uuid","',
        b'"update2"', b'"update3"', b'"echo"', b'"attached-mac"', b'"Interface"', b'"Port"', b'"Bridge"', b'"ports"', b'"interfaces"', b'"tag"',
    ],
    "lldpad": [
        b"nearest_customer_bridge", b"tlvid0080c20d", b"tlvid001b3f00", b"adminStatus = 3;", b"enableTx = true;", b"vdp", b"lldp", b"dcbx",
        b"/*", b"*/", b"//", b"{", b"};", b"( ", b")", b"[", b"]", b'"', b"\\x", b"0x", b"LL", b"@include",
    ],
    "agentx": [
        bytes([1, kind, 0x10, 0, 0, 0, 0, 7, 0, 0, 0, 3, 0, 0, 0, 9, 0, 0, 0, length])
        for kind, length in ((2, 4), (5, 24), (6, 24), (7, 28), (8, 24), (13, 0), (18, 8))
    ] + [bytes.fromhex("00010000"), bytes.fromhex("02020000"), bytes.fromhex("ffffffff"), bytes.fromhex("00000000")],
    "text": [b"uuid:", b"ipv4:", b"ipv6:", b"mac:", b"local:", b"unknown-", b"::", b"255.", "\uff11".encode(), "\u212a".encode()],
}


def dictionary(target):
    """libFuzzer's dictionary of a target, as text."""
    words = WORDS.get(target, TLVS)
    return "".join('"' + "".join(f"\\x{octet:02x}" for octet in word) + '"\n' for word in words)
