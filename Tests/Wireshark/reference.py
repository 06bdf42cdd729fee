"""What the fields have to be, by the codec of Tests/Interop for the ratified dialect, and by the field tables for the rest."""

import ipaddress
import struct
import uuid

from lab.codec import ACK, DEASSOCIATE, Malformed, tlvs

ETHERTYPE_DRAFT_ECP = 0x88B7
DRAFT_OUI = bytes.fromhex("001b3f")
CDCP_PREFIX = bytes.fromhex("0080c20e")

EVB_FIELDS = {
    "evb.bgid": "bgid", "evb.rrcap": "rrcap", "evb.rrctr": "rrctr", "evb.sgid": "sgid", "evb.rrreq": "rrreq", "evb.rrstat": "rrstat",
    "evb.retries": "retries", "evb.rte": "rte", "evb.mode": "mode", "evb.rwd.rol": "remote_rwd", "evb.rwd": "rwd",
    "evb.rka.rol": "remote_rka", "evb.rka": "rka",
}
DRAFT_EVB_FIELDS = (
    "evb.draft.supported.standard", "evb.draft.supported.relay", "evb.draft.supported.rte", "evb.draft.supported.ecp",
    "evb.draft.supported.vdp", "evb.draft.configured.standard", "evb.draft.configured.relay", "evb.draft.configured.rte",
    "evb.draft.configured.ecp", "evb.draft.configured.vdp", "evb.draft.supported.vsis", "evb.draft.configured.vsis", "evb.draft.rte")
VSI_NUMBERS = (
    "evbvdp.status", "evbvdp.status.answer", "evbvdp.status.suspended", "evbvdp.status.migrating", "evbvdp.status.keep",
    "evbvdp.status.hard", "evbvdp.status.reason", "evbvdp.type", "evbvdp.type.version", "evbvdp.vsiid.format",
    "evbvdp.filter.format", "evbvdp.filter.count", "evbvdp.filter.group", "evbvdp.filter.ps", "evbvdp.filter.pcp", "evbvdp.filter.vid")
VSI_TEXTS = ("evbvdp.vsiid", "evbvdp.vsiid.ipv4", "evbvdp.vsiid.ipv6", "evbvdp.vsiid.mac", "evbvdp.vsiid.uuid", "evbvdp.filter.mac")
DRAFT_NUMBERS = (
    "evbvdp.draft.command", "evbvdp.draft.response", "evbvdp.draft.manager", "evbvdp.type", "evbvdp.type.version",
    "evbvdp.filter.format", "evbvdp.filter.count", "evbvdp.filter.vid")


def evb_values(evb):
    """Field -> values of one ratified EVB TLV."""
    return {field: [int(getattr(evb, name))] for field, name in EVB_FIELDS.items()}


def draft_evb_values(value):
    """Of the draft's EVB TLV, from its OUI on."""
    smode, scap, cmode, ccap, svsis, cvsis, rte = struct.unpack("!BBBBHHB", value[4:13])
    bits = [mode >> shift & 1 for mode, cap in ((smode, scap), (cmode, ccap)) for mode, shift in
            ((mode, 7), (mode, 6), (cap, 2), (cap, 1), (cap, 0))]
    return {field: [number] for field, number in zip(DRAFT_EVB_FIELDS, [*bits, svsis, cvsis, rte & 31])}


def cdcp_values(value):
    """Of the CDCP TLV, from its OUI on."""
    word, = struct.unpack("!I", value[4:8])
    pairs = [int.from_bytes(value[at:at + 3], "big") for at in range(8, len(value) - 2, 3)]
    # A bit of the mask and its field as tshark shows it: moved down by the lowest bit that is reserved.
    return {"evb.cdcp.role": [word >> 31], "evb.cdcp.reserved": [(word & 0x77FFF000) >> 12], "evb.cdcp.scomp": [word >> 27 & 1], "evb.cdcp.chncap": [word & 0xFFF],
            "evb.cdcp.scid": [pair >> 12 for pair in pairs], "evb.cdcp.svid": [pair & 0xFFF for pair in pairs]}


def _typed(vsi):
    """The field that tells a VSIID in its format, if the octets suit it."""
    octets = vsi.vsiid
    if vsi.vsiid_format == 1 and octets[:10] == bytes(10) and octets[10:12] in (b"\0\0", b"\xff\xff"):
        return "evbvdp.vsiid.ipv4", str(ipaddress.IPv4Address(octets[12:]))
    if vsi.vsiid_format == 2:
        return "evbvdp.vsiid.ipv6", str(ipaddress.IPv6Address(octets))
    if vsi.vsiid_format == 3 and octets[:10] == bytes(10):
        return "evbvdp.vsiid.mac", octets[10:].hex(":")
    if vsi.vsiid_format == 5:
        return "evbvdp.vsiid.uuid", str(uuid.UUID(bytes=octets))
    return None, None


def vdp_values(pdu):
    """Field -> values of all association TLVs of a ratified VDPDU."""
    found = {field: [] for field in (*VSI_NUMBERS, *VSI_TEXTS)}
    for vsi in pdu.vsis:
        status = vsi.status
        shown = {"status": status, "status.answer": status >> 6 & 1, "type": vsi.type_id, "type.version": vsi.type_version,
                 "vsiid.format": vsi.vsiid_format, "filter.format": vsi.filter_format, "filter.count": len(vsi.filters)}
        if status & ACK:
            shown |= {"status.keep": status >> 5 & 1, "status.hard": status >> 4 & 1, "status.reason": status & 15}
        else:
            shown |= {"status.suspended": status >> 5 & 1, "status.migrating": status >> 4 & 1}
        for name, number in shown.items():
            found[f"evbvdp.{name}"].append(number)
        found["evbvdp.vsiid"].append(vsi.vsiid.hex())
        field, text = _typed(vsi)
        if field:
            found[field].append(text)
        for entry in vsi.filters:
            if entry.group is not None:
                found["evbvdp.filter.group"].append(entry.group)
            if entry.mac is not None:
                found["evbvdp.filter.mac"].append(entry.mac.hex(":"))
            found["evbvdp.filter.ps"].append(int(entry.pcp is not None))
            found["evbvdp.filter.vid"].append(entry.vid)
            if entry.pcp is not None:
                found["evbvdp.filter.pcp"].append(entry.pcp)
    return found


def draft_values(payload):
    """Field -> values of the draft's VSI TLVs in an ECPDU's payload."""
    found = {field: [] for field in (*DRAFT_NUMBERS, "evbvdp.vsiid.uuid", "evbvdp.filter.mac")}
    for kind, value in tlvs(payload):
        if kind != 127 or value[:4] != DRAFT_OUI + b"\x02":
            continue
        command, response, manager, version, form = value[4], value[5], value[6], value[10], value[27]
        count = int.from_bytes(value[28:30], "big")
        if form != 2 or len(value) != 30 + 8 * count:
            raise Malformed("draft filter")
        entries = [value[at:at + 8] for at in range(30, len(value), 8)]
        for name, number in (("draft.command", command), ("draft.response", response), ("draft.manager", manager),
                             ("type", int.from_bytes(value[7:10], "big")), ("type.version", version), ("filter.format", form),
                             ("filter.count", count)):
            found[f"evbvdp.{name}"].append(number)
        found["evbvdp.vsiid.uuid"].append(str(uuid.UUID(bytes=value[11:27])))
        for entry in entries:
            found["evbvdp.filter.mac"].append(entry[:6].hex(":"))
            found["evbvdp.filter.vid"].append(int.from_bytes(entry[6:], "big") & 0xFFF)
    return found


def is_stricter(payload):
    """Whether the dissector has a complaint that the codec has not: about TLVs with no fields, and about the end."""
    chain, at = [], 0
    while at + 2 <= len(payload):
        header = int.from_bytes(payload[at:at + 2], "big")
        chain.append((header >> 9, header & 0x1FF))
        if not header >> 9:
            break
        at += 2 + (header & 0x1FF)
    left = len(payload) - at
    ends = any(kind == 0 and length for kind, length in chain)
    return ends or any(kind == 127 and length < 3 for kind, length in chain) or left == 1 and payload[-1] != 0


def has_shortened_release(payload):
    """A De-Associate without its filter, which the dissector takes and the codec does not."""
    try:
        return any(kind == DEASSOCIATE and len(value) == 22 for kind, value in tlvs(payload))
    except Malformed:
        return False
