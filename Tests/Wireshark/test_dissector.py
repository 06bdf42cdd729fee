"""The Wireshark dissector: what it says of frames against what the codec says, and that nothing makes it stumble."""

import dataclasses
import ipaddress
import os
import random
import re
import shutil
import struct
import uuid

import pytest

from lab.codec import (
    ACK, ASSOCIATE, DEASSOCIATE, ECPDU, ETHERTYPE_ECP, ETHERTYPE_LLDP, EVB, HARD, KEEP, LLDPDU, Filter, Malformed, VDPDU, VSI,
    ethernet, read_pcap, tlv)
from reference import (
    CDCP_PREFIX, DRAFT_EVB_FIELDS, DRAFT_NUMBERS, DRAFT_OUI, ETHERTYPE_DRAFT_ECP, EVB_FIELDS, VSI_NUMBERS, VSI_TEXTS, cdcp_values,
    draft_evb_values, draft_values, evb_values, has_shortened_release, is_stricter, vdp_values)
from shark import CAPTURES, PLUGIN, dissect, numbers, run, write_pcap

STATION = "02:00:00:00:aa:01"
TEXTS = (*VSI_TEXTS, "evbvdp.manager", "evbvdp.org.data", "evb.cdcp.rest")
NUMBERS = tuple(dict.fromkeys((
    *EVB_FIELDS, *DRAFT_EVB_FIELDS, "evb.cdcp.role", "evb.cdcp.reserved", "evb.cdcp.scomp", "evb.cdcp.chncap",
    "evb.cdcp.scid", "evb.cdcp.svid",
    *VSI_NUMBERS, *DRAFT_NUMBERS, "evbecp.version", "evbecp.operation", "evbecp.subtype", "evbecp.sequence", "evbecp.draft.operation",
    "evbvdp.tlv.type", "evbvdp.tlv.length", "evbvdp.org.oui")))
EXPERTS = ("evb.malformed", "evb.unknown", "evb.cut")
ALL = (*NUMBERS, *TEXTS, *EXPERTS, "frame.protocols")


def shown(pcap, **options):
    """For each frame: field -> values; numbers as such, a PCP only where it is significant."""
    frames = dissect(pcap, *ALL, **options)
    for frame in frames:
        for name in NUMBERS:
            frame[name] = numbers(frame[name])
        for name in EXPERTS:
            frame[name] = bool(frame[name])
        # There are two ways to shorten one that ends with an IPv4 address.
        frame["evbvdp.vsiid.ipv6"] = [str(ipaddress.IPv6Address(text)) for text in frame["evbvdp.vsiid.ipv6"]]
        frame["evbvdp.filter.pcp"] = [pcp for pcp, ps in zip(frame["evbvdp.filter.pcp"], frame["evbvdp.filter.ps"]) if ps]
    return frames


@pytest.fixture
def see(tmp_path):
    """Frames through tshark."""
    def look(frames, **options):
        found = shown(write_pcap(tmp_path / "frames.pcap", frames, options.pop("snaplen", 65535)), **options)
        assert len(found) == len(frames)
        return found
    return look


def expect(frame, values, what):
    for name, value in values.items():
        assert frame[name] == value, f"{name} of {what}"


def request(payload, sequence=1):
    return ethernet(STATION, ETHERTYPE_ECP, ECPDU(False, sequence, payload).encode())


def draft_request(payload, mode=0):
    return ethernet(STATION, ETHERTYPE_DRAFT_ECP, DRAFT_OUI + bytes(3) + bytes([mode]) + b"\0\x07" + payload,
                    destination=bytes.fromhex("0180c200000e"))


def draft_vsi(entries, command=2, response=0, manager=11, form=2, count=None):
    value = (DRAFT_OUI + bytes([2, command, response, manager]) + bytes.fromhex("12345701") + uuid.UUID(int=7 << 100 | 9).bytes
             + bytes([form]) + struct.pack("!H", len(entries) if count is None else count) + b"".join(entries))
    return tlv(127, value)


def lldp(*values):
    pdu = LLDPDU(b"\x04\x02\0\0\0\0\1", b"\x05eth0", 120, tuple((127, value) for value in values))
    return ethernet(STATION, ETHERTYPE_LLDP, pdu.encode())


def cdcp(*pairs, role=1, scomp=1, chncap=167):
    word = role << 31 | scomp << 27 | chncap
    return CDCP_PREFIX + struct.pack("!I", word) + b"".join((scid << 12 | svid).to_bytes(3, "big") for scid, svid in pairs)


# MARK: recorded frames


@pytest.mark.parametrize("capture", sorted(path.name for path in CAPTURES.glob("*.pcap")))
def test_captures(capture):
    """Every frame that lldpad, libvirt and the bridges of the lab have sent."""
    frames, found = read_pcap(CAPTURES / capture), shown(CAPTURES / capture)
    assert len(frames) == len(found)
    kinds = set()
    for number, (frame, fields) in enumerate(zip(frames, found), 1):
        what = f"frame {number} of {capture}"
        assert not any(fields[name] for name in EXPERTS), what
        protocols = fields["frame.protocols"][0]
        assert not {"ecp21", "vdp21", "ecp", "ieee802a"} & set(protocols.split(":")), what
        if frame.lldp:
            kinds.add("lldp")
            for kind, value in frame.lldp.others:
                if kind == 127 and value[:4] == EVB.PREFIX:
                    expect(fields, evb_values(EVB.decode(value)), what)
                elif kind == 127 and value[:4] == CDCP_PREFIX:
                    expect(fields, cdcp_values(value), what)
                elif kind == 127 and value[:4] == DRAFT_OUI + b"\0":
                    expect(fields, draft_evb_values(value), what)
        elif frame.ecp:
            kinds.add("ecp")
            expect(fields, {"evbecp.version": [1], "evbecp.operation": [int(frame.ecp.acknowledge)],
                            "evbecp.subtype": [frame.ecp.subtype], "evbecp.sequence": [frame.ecp.sequence]}, what)
            if frame.vdp:
                expect(fields, {**vdp_values(frame.vdp), "evbvdp.manager": [frame.vdp.manager.hex()]}, what)
        elif frame.ethertype == ETHERTYPE_DRAFT_ECP:
            kinds.add("draft")
            expect(fields, {"evbecp.draft.operation": [frame.payload[6]],
                            "evbecp.sequence": [int.from_bytes(frame.payload[7:9], "big")]}, what)
            if frame.payload[6] == 0:
                expect(fields, draft_values(frame.payload[9:]), what)
    assert kinds & {"lldp", "ecp", "draft"}


# MARK: made frames


def some_filters(chance, form):
    has_group, has_mac = form in (3, 4), form in (2, 4)
    return tuple(
        Filter(chance.randrange(4096), chance.randbytes(6) if has_mac else None, chance.randrange(1 << 32) if has_group else None,
               chance.choice((None, chance.randrange(8)))) for _ in range(chance.choice((0, 1, 2, 5))))


def some_vsiid(chance, form):
    if form in (1, 3):
        mapped = b"\xff\xff" if form == 1 and chance.randrange(2) else b""
        return mapped.rjust(12 if form == 1 else 10, b"\0") + chance.randbytes(4 if form == 1 else 6)
    return chance.randbytes(16)


def some_vsi(chance, command=None, form=None, vsiid_format=None):
    form, vsiid_format = form or chance.randint(1, 4), vsiid_format or chance.randint(1, 5)
    return VSI(command or chance.randint(1, 4), chance.choice((0, 0x10, 0x20, 0x30, ACK, ACK | KEEP | 2, ACK | HARD | 5, ACK | 15)),
               chance.randrange(1 << 24), chance.randrange(256), some_vsiid(chance, vsiid_format), some_filters(chance, form),
               vsiid_format, form)


def seeded(what, default):
    seed = int(os.environ.get("EVBD_SEED", default))
    print(f"{what}: EVBD_SEED={seed}")
    return random.Random(seed)


def test_every_format(see):
    """Each command, filter format and VSIID format with each other, and PDUs of several VSIs."""
    chance = seeded("test_every_format", 1)
    pdus = [VDPDU(chance.randbytes(16), (some_vsi(chance, command, form, vsiid),))
            for command in range(1, 5) for form in range(1, 5) for vsiid in range(1, 6)]
    pdus += [VDPDU(bytes(16), tuple(some_vsi(chance) for _ in range(chance.randint(2, 6)))) for _ in range(60)]
    for pdu, fields in zip(pdus, see([request(pdu.encode(end=True)) for pdu in pdus])):
        assert not any(fields[name] for name in EXPERTS), pdu
        expect(fields, {**vdp_values(pdu), "evbvdp.manager": [pdu.manager.hex()]}, pdu)


def test_ps_and_pcp(see):
    """PS and PCP are three bits and one beside the VID, which is what tshark's own decoder gets wrong."""
    entry = Filter(100, bytes.fromhex("52540000c73e"), None, 5)
    pdu = VDPDU(bytes(16), (VSI(ASSOCIATE, 0x10, 0x1234, 1, uuid.UUID(int=5).bytes, (entry,)),))
    assert b"\x52\x54\x00\x00\xc7\x3e\xd0\x64" in request(pdu.encode())
    fields, = see([request(pdu.encode())])
    expect(fields, {"evbvdp.filter.ps": [1], "evbvdp.filter.pcp": [5], "evbvdp.filter.vid": [100],
                    "evbvdp.filter.mac": ["52:54:00:00:c7:3e"], "evbvdp.status.migrating": [1], "evbvdp.status.keep": []}, pdu)


def test_deassociate_with_the_filter_left_out(see):
    """A De-Associate may end behind the VSIID, or have no entries; another command may not end there."""
    value = bytes(1) + bytes.fromhex("00123401") + b"\x05" + uuid.UUID(int=5).bytes
    frames = [request(tlv(5, bytes(16)) + tlv(kind, rest)) for kind, rest in (
        (DEASSOCIATE, value), (DEASSOCIATE, value + b"\2\0\0"), (ASSOCIATE, value), (DEASSOCIATE, value + b"\2"),
        (DEASSOCIATE, value[:-1]))]
    found = see(frames)
    assert [fields["evb.malformed"] for fields in found] == [False, False, True, True, True]
    assert [len(fields["evbvdp.vsiid.uuid"]) for fields in found] == [1, 1, 1, 1, 0]


def test_organizational_and_reserved_tlvs(see):
    """They are shown, and what follows them is read."""
    vsi = VSI(ASSOCIATE, 0, 5, 1, uuid.UUID(int=5).bytes, (Filter(7),), filter_format=1)
    chain = (tlv(5, bytes(16)) + vsi.encode() + tlv(127, b"\0\0\x0c\xf1hello") + tlv(77, b"reserved") + tlv(127, b"\0\0\x0c")
             + vsi.encode())
    whole, short = see([request(chain + tlv(0, b"")), request(chain + tlv(127, b"\0\0"))])
    expect(whole, {"evbvdp.org.oui": [0x0C, 0x0C], "evbvdp.org.data": [b"\xf1hello".hex()], "evbvdp.type": [5, 5],
                   "evbvdp.tlv.type": [5, 3, 127, 77, 127, 3, 0]}, chain)
    assert not whole["evb.malformed"] and short["evb.malformed"] and short["evbvdp.type"] == [5, 5]


def test_ecp_headers(see):
    """Versions, operations and subtypes that must not be acknowledged are pointed out, and their payload is not read as VDP."""
    payload = VDPDU(bytes(16), (VSI(ASSOCIATE, 0, 5, 1, bytes(16), (Filter(7),), 4, 1),)).encode()
    words = [0x1001, 0x1401, 0x1002, 0x2001, 0x1801, 0x1c01, 0x1000, 0x13ff]
    found = see([ethernet(STATION, ETHERTYPE_ECP, struct.pack("!HH", word, 65535) + payload) for word in words])
    for word, fields in zip(words, found):
        expect(fields, {"evbecp.version": [word >> 12], "evbecp.operation": [word >> 10 & 3], "evbecp.subtype": [word & 0x3FF],
                        "evbecp.sequence": [65535]}, hex(word))
    assert [fields["evb.unknown"] for fields in found] == [False, False, False, True, True, True, True, True]
    assert [bool(fields["evbvdp.type"]) for fields in found] == [True] + [False] * 7


def test_evb_tlvs(see):
    """Each bit of the ratified EVB TLV; a longer one, a short one, and two of them."""
    chance = seeded("test_evb_tlvs", 2)
    evbs = [EVB(*(chance.randrange(1 << (field.type == "int" and {"rrstat": 2, "retries": 3, "mode": 2}.get(field.name, 5) or 1))
                  for field in dataclasses.fields(EVB))) for _ in range(50)]
    for evb, fields in zip(evbs, see([lldp(evb.encode()) for evb in evbs])):
        expect(fields, evb_values(evb), evb)
        assert not fields["evb.malformed"]
    longer, short, double = see([lldp(EVB().encode() + b"more"), lldp(EVB().encode()[:8]), lldp(EVB().encode(), EVB(rte=9).encode())])
    expect(longer, evb_values(EVB()), "a longer one")
    assert not longer["evb.malformed"] and short["evb.malformed"] and short["evb.rka"] == [] and short["evb.rwd"] == [20]
    assert double["evb.malformed"] and double["evb.rte"] == [8, 9]


def test_cdcp_tlvs(see):
    """Role, SComp, ChnCap and the pairs, up to 167 of them."""
    good = [cdcp((1, 1)), cdcp((1, 1), (2, 0), (3, 0)), cdcp((1, 1), (2, 100), (3, 4094), role=0, chncap=3),
            cdcp((1, 1), scomp=0, chncap=1), cdcp((1, 1), *((scid, 0) for scid in range(2, 168)))]
    for value, fields in zip(good, see([lldp(value) for value in good])):
        expect(fields, cdcp_values(value), value.hex())
        assert not fields["evb.malformed"]
    bad = [cdcp(), cdcp((2, 0)), cdcp((1, 1))[:-1], cdcp((1, 1)) + b"\0", cdcp()[:7]]
    assert all(fields["evb.malformed"] for fields in see([lldp(value) for value in bad]))


def test_SCH_152_cdcp_faults(see):
    """Reserved bits are shown, an odd tail too, and each pair that cannot be is marked, as evbd leaves it out."""
    reserved = CDCP_PREFIX + bytes.fromhex("fffff0a7001001")
    tails = [cdcp((1, 1), (2, 100)) + rest for rest in (b"\7", b"\7\x08")]
    shown_bits, one, two = see([lldp(value) for value in (reserved, *tails)])
    assert shown_bits["evb.cdcp.reserved"] == [0x77FFF] and shown_bits["evb.cdcp.chncap"] == [0xA7] and not shown_bits["evb.malformed"]
    for fields, rest in ((one, "07"), (two, "0708")):
        assert fields["evb.cdcp.rest"] == [rest] and fields["evb.malformed"] and fields["evb.cdcp.svid"] == [1, 100]
    wrong = [cdcp((1, 1), (0, 5)), cdcp((1, 1), (1, 5)), cdcp((1, 1), (2, 4095)), cdcp((1, 1), (2, 1)), cdcp((1, 1), (2, 0), role=0),
             cdcp((1, 1), (2, 5), (2, 6)), cdcp((1, 1), (2, 5), (3, 5)), cdcp((1, 1), chncap=0), cdcp((1, 1), chncap=168)]
    for value, fields in zip(wrong, see([lldp(value) for value in wrong])):
        assert fields["evb.malformed"], value.hex()
        expect(fields, cdcp_values(value), value.hex())
    # A station may leave the choice to the bridge for several channels.
    assert not see([lldp(cdcp((1, 1), (2, 0), (3, 0), (4095, 4094)))])[0]["evb.malformed"]


def test_draft(see):
    """The draft's VSI TLVs, its acknowledgements, and what it does not have."""
    pair = bytes.fromhex("525400112233") + struct.pack("!H", 34)
    other = bytes.fromhex("525400112244") + struct.pack("!H", 0)
    good = [draft_vsi([pair], command, response, 0xFE) for command in range(4) for response in range(7)]
    payloads = [one + tlv(0, b"") for one in good]
    payloads.append(draft_vsi([pair, other]) + draft_vsi([other], 3) + tlv(127, b"\0\x1b\x3f\x03") + tlv(0, b""))
    for payload, fields in zip(payloads, see([draft_request(payload) for payload in payloads])):
        expect(fields, draft_values(payload), payload.hex())
        assert not any(fields[name] for name in EXPERTS)
    acknowledged, = see([draft_request(bytes(40), mode=1)])
    assert acknowledged["evbecp.draft.operation"] == [1] and not acknowledged["evb.malformed"] and not acknowledged["evbvdp.tlv.type"]
    bad = [draft_vsi([pair], command=4), draft_vsi([pair], response=7), draft_vsi([pair], form=1), draft_vsi([pair], count=2)]
    found = see([draft_request(one) for one in bad] + [draft_request(b"", mode=2)])
    assert [fields["evb.unknown"] or fields["evb.malformed"] for fields in found] == [True] * 5


def test_tagged_frames_and_other_protocols(see, tmp_path):
    """On an S-channel the same stands behind a tag; 0x88B7 of another organization is still Wireshark's own affair."""
    pdu = VDPDU(bytes(16), (VSI(ASSOCIATE, 0, 5, 1, uuid.UUID(int=5).bytes, (Filter(7),), filter_format=1),))
    frame, announcement = request(pdu.encode()), lldp(EVB().encode())
    tag = struct.pack("!HH", 0x88A8, 100)
    stranger = ethernet(STATION, ETHERTYPE_DRAFT_ECP, b"\0\x80\xe1" + bytes(40))
    frames = [frame[:12] + tag + frame[12:], announcement[:12] + tag + announcement[12:], stranger, stranger[:16], stranger[:17]]
    found = see(frames)
    expect(found[0], vdp_values(pdu), "a tagged request")
    expect(found[1], evb_values(EVB()), "a tagged LLDPDU")
    assert "ieee802a" in found[2]["frame.protocols"][0] and not found[2]["evbecp.sequence"]
    assert not any(fields[name] for fields in found for name in EXPERTS)
    assert run(write_pcap(tmp_path / "short.pcap", frames[3:]), "-V").count("Malformed") >= 2


# MARK: what is wrong


def test_truncated_tlvs_are_malformed(see):
    """A PDU cut at every octet: nothing is read beyond, and every cut within a TLV is pointed out."""
    vsi = VSI(ASSOCIATE, 0, 5, 1, uuid.UUID(int=5).bytes, (Filter(100, bytes(6), 9, 3), Filter(101, bytes(6), 10)), filter_format=4)
    payload = VDPDU(b"\x0b" + bytes(15), (vsi, vsi)).encode(end=True)
    # Without the padding of ethernet(), which would be read for an end TLV.
    header = ethernet(STATION, ETHERTYPE_ECP, b"")[:14]
    lengths = range(len(payload) + 1)
    found = see([header + ECPDU(False, 1, payload[:length]).encode() for length in lengths])
    whole = {0, 18, 18 + 51, 18 + 102, len(payload)}
    for length, fields in zip(lengths, found):
        # Nothing but a header is no VDPDU; a single octet of a header that is zero may be padding.
        assert fields["evb.malformed"] == (length not in whole and length != len(payload) - 1), length
        vids = (length >= 18 + 51) * 2 + (length >= 18 + 102) * 2
        assert len(fields["evbvdp.filter.vid"]) == vids, length


def test_a_length_that_is_too_small_ends_the_reading(see):
    """What a TLV's own length leaves out is not taken for its fields, though the octets are there."""
    vsi = VSI(ASSOCIATE, 0x10, 5, 1, uuid.UUID(int=5).bytes, (Filter(100),), filter_format=1)
    value = vsi.encode()[2:]
    frames = []
    for length in range(len(value)):
        rest = value[length:].ljust(40, b"\0")
        frames.append(request(tlv(5, bytes(16)) + tlv(ASSOCIATE, value[:length]) + tlv(77, rest)))
    for length, fields in enumerate(see(frames)):
        assert fields["evb.malformed"] and fields["evbvdp.filter.vid"] == [], length
        assert len(fields["evbvdp.vsiid"]) == (length >= 22) and len(fields["evbvdp.status"]) == (length >= 1), length
        assert fields["evbvdp.tlv.type"][:3] == [5, 3, 77]


def test_a_cut_capture_is_not_malformed(see):
    """What the capture did not keep is no fault of the sender."""
    vsi = VSI(ASSOCIATE, 0, 5, 1, uuid.UUID(int=5).bytes, tuple(Filter(vid) for vid in range(2, 90)), filter_format=1)
    frame = request(VDPDU(bytes(16), (vsi,)).encode(end=True))
    for snaplen in (16, 30, 60, 100, 200):
        fields, = see([frame], snaplen=snaplen)
        assert fields["evb.cut"] and not fields["evb.malformed"], snaplen


def mutated(chance, octets):
    octets = bytearray(octets)
    for _ in range(chance.choice((1, 1, 2, 4))):
        match chance.randrange(4):
            case 0:
                octets[chance.randrange(12, len(octets))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 1:
                octets[chance.randrange(14, len(octets))] ^= 1 << chance.randrange(8)
            case 2:
                del octets[chance.randrange(14, len(octets) + 1):]
            case 3:
                at = chance.randrange(14, len(octets) + 1)
                octets[at:at] = chance.randbytes(chance.randrange(1, 9))
        octets = octets if len(octets) > 16 else octets + bytes(20)
    return bytes(octets)


def test_mutated_frames(see, tmp_path):
    """6,000 damaged frames: no Lua error; what the codec reads the dissector reads the same, what it refuses is complained of."""
    chance = seeded("test_mutated_frames", 3)
    seeds = [frame.octets for path in CAPTURES.glob("*.pcap") for frame in read_pcap(path)
             if frame.ethertype in (ETHERTYPE_LLDP, ETHERTYPE_ECP, ETHERTYPE_DRAFT_ECP)]
    pdus = [VDPDU(chance.randbytes(16), tuple(some_vsi(chance) for _ in range(chance.randint(1, 3)))) for _ in range(300)]
    seeds += [request(pdu.encode(end=chance.randrange(2) == 1)) for pdu in pdus]
    seeds += [lldp(cdcp((1, 1), (2, 0))), lldp(EVB().encode(), cdcp((1, 1)))] * 20
    frames = [mutated(chance, chance.choice(seeds)) for _ in range(6000)]
    compared = complained = 0
    for octets, fields in zip(frames, see(frames)):
        if octets[12:14] != struct.pack("!H", ETHERTYPE_ECP) or len(octets) < 18:
            continue
        try:
            ecp = ECPDU.decode(octets[14:])
        except Malformed:
            assert fields["evb.unknown"], octets.hex()
            continue
        if ecp.acknowledge or ecp.subtype != 1 or not ecp.payload:
            continue
        try:
            pdu = VDPDU.decode(ecp.payload)
        except Malformed:
            assert fields["evb.malformed"] or fields["evb.unknown"] or has_shortened_release(ecp.payload), octets.hex()
            complained += 1
            continue
        expect(fields, vdp_values(pdu), octets.hex())
        assert not fields["evb.malformed"] or is_stricter(ecp.payload), octets.hex()
        compared += 1
    assert compared > 500 and complained > 500
    # The whole tree too, where the texts are made.
    run(tmp_path / "frames.pcap", "-V")


# MARK: how it is used


def test_installed_as_the_readme_says(tmp_path):
    """Copied into the plugins' folder of a user it works by itself; without it tshark is as it was."""
    folder = tmp_path / ".local/lib/wireshark/plugins"
    folder.mkdir(parents=True)
    for path in PLUGIN.glob("*.lua"):
        shutil.copy(path, folder)
    pcap = write_pcap(tmp_path / "frames.pcap", [lldp(EVB().encode())])
    fields, = shown(pcap, plugin=False, home=tmp_path)
    expect(fields, evb_values(EVB()), "an EVB TLV")
    bare = tmp_path / "bare"
    bare.mkdir()
    assert "ecp21" in run(CAPTURES / "22-vdptool-assoc-deassoc.pcap", "-T", "fields", "-e", "frame.protocols", plugin=False, home=bare)


def test_OPS_108_loaded_twice(tmp_path):
    """From a folder of plugins, and named on the command line too: no error, and each field once."""
    folder = tmp_path / ".local/lib/wireshark/plugins"
    folder.mkdir(parents=True)
    for path in PLUGIN.glob("*.lua"):
        shutil.copy(path, folder)
    pcap = write_pcap(tmp_path / "frames.pcap", [lldp(EVB().encode())])
    fields, = shown(pcap, home=tmp_path)
    expect(fields, evb_values(EVB()), "an EVB TLV")


def test_texts_and_filters(tmp_path):
    """The columns tell what a frame is about, and filters find it."""
    pcap = CAPTURES / "22-vdptool-assoc-deassoc.pcap"
    lines = run(pcap).splitlines()
    assert re.search(r"VDP \d+ ECP request 1: Associate [0-9a-f-]{36} \(request\)", lines[0]), lines[0]
    assert lines[1].rstrip().endswith("ECP acknowledgement 1")
    tree = run(pcap, "-V")
    assert re.search(r"^    Associate: [0-9a-f-]{36}, success$", tree, re.M) and "\n        Entry: " in tree, tree
    assert re.search(r"^    VSI manager ID: ", tree, re.M)
    answers = run(pcap, "-Y", "evbvdp.status.answer == 1 && evbvdp.status.reason == 0").splitlines()
    asked = run(pcap, "-Y", "evbvdp.status.answer == 0").splitlines()
    assert answers and asked and not set(answers) & set(asked)
    broken = write_pcap(tmp_path / "broken.pcap", [request(tlv(5, bytes(15))), request(tlv(5, bytes(16)))])
    assert len(run(broken, "-Y", "evb.malformed").splitlines()) == 1
