"""evbd in lldpad's place under libvirt: what libvirt really sent, sent again; and what it never would."""

import errno
import json
import os
import struct
import subprocess
import sys
import time
import uuid

import pytest

from lab import eventually, netlink
from lab.codec import ASSOCIATE as VDP_ASSOCIATE
from lab.codec import EVB
from lab.netlink import ASSOCIATE, DISASSOCIATE, PREASSOCIATE, REQUEST, RTM_GETLINK, RTM_SETLINK, Message, attribute
from lab.system import REPOSITORY

GUEST = "52:54:00:11:22:33"
RECORDED_VSI = "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f"
RECORDED = [json.loads(line) for line in
            (REPOSITORY / "Tests/Captures/messages-22-libvirt-lldpadbridge.jsonl").read_text().splitlines()]
SENT = [line for line in RECORDED if line["dir"] == "to-lldpad"]
HEARD = [line for line in RECORDED if line["dir"] == "from-lldpad"]


@pytest.fixture
def real(cable):
    bridge = cable.lldpad_bridge()
    evbd = cable.evbd().wait_for_bridge()
    return cable, evbd, bridge, evbd.libvirt()


@pytest.fixture
def scripted(cable):
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=14, rwd=20, rka=20))
    evbd = cable.evbd().wait_for_bridge()
    return cable, evbd, bridge, evbd.libvirt()


def patched(line, client, index=None):
    """A recorded message with the lab's interface index and event port in the place of the recorded ones."""
    raw = bytearray.fromhex(line["raw"])
    struct.pack_into("=I", raw, 12, client.event_port)
    if line["type"] == "NLMSG_ERROR":
        struct.pack_into("=I", raw, 32, client.event_port)  # the copy of the request's header
    elif struct.unpack_from("=i", raw, 20)[0]:
        struct.pack_into("=i", raw, 20, client.index if index is None else index)
    return bytes(raw)


def recorded(kind, response=None):
    """The recorded reply of a kind; of the polls the one with or without a verdict."""
    return [line for line in HEARD if line["type"] == kind and (response is None or ("PORT_RESPONSE" in json.dumps(line)) == response)]


# MARK: libvirt's own messages


def test_VDP_41_recorded_conversation_with_a_real_bridge(real):
    """VDP-41 Each message that libvirt 9.0 sent gets the reply it needs, octet for octet the one that lldpad gave."""
    _, evbd, bridge, client = real
    verdicts = []
    for line in SENT:
        reply = client.exchange(patched(line, client))
        if line["type"] == "RTM_SETLINK":
            acknowledgement = next(heard for heard in recorded("NLMSG_ERROR") if heard["seq"] == line["seq"])
            assert reply.octets.hex() == patched(acknowledgement, client).hex()
            verdicts.append([])
            continue

        def poll(line=line, first=[reply]):
            """The first reply, and from the second look on a new one each time, as libvirt polls."""
            now = first.pop() if first else client.exchange(patched(line, client))
            entry, = [entry for entry in netlink.entries(now) if entry.uuid == RECORDED_VSI and entry.vf == netlink.SELF_VF]
            expected = [heard for heard in recorded("NLMSG_DONE", entry.response is not None)][0]
            want = bytearray(patched(expected, client))
            struct.pack_into("=I", want, 8, line["seq"])
            assert now.octets.hex() == bytes(want).hex()
            verdicts[-1].append(entry.response)
            return entry.response is not None
        # The first poll of an operation may hear `in progress`; the recorded second one came 125 ms later and heard the verdict.
        if not (verdicts[-1] and verdicts[-1][-1] is not None):
            eventually(poll, 10, "a verdict", every=netlink.POLL_SECONDS)
        if line["seq"] == SENT[0]["seq"]:
            assert bridge.holds(RECORDED_VSI) and evbd.state(RECORDED_VSI) == "associated"
    assert [answers[-1] for answers in verdicts] == [0, 0]
    eventually(lambda: not bridge.holds(RECORDED_VSI), 5, "the bridge has let the VSI go")
    assert evbd.state(RECORDED_VSI) in (None, "deassociated")


def test_VDP_41_in_progress_then_success(scripted):
    """VDP-41 While the bridge thinks the poll says `in progress` (no RESPONSE), octet for octet as lldpad; then success."""
    _, _, bridge, client = scripted
    bridge.held.set()
    assert client.exchange(patched(SENT[0], client)).error == 0
    waiting = client.exchange(patched(SENT[1], client))
    assert waiting.octets.hex() == patched(recorded("NLMSG_DONE", False)[0], client).hex()
    bridge.held.clear()
    done = eventually(lambda: (lambda reply: reply if netlink.entries(reply)[0].response == 0 else None)(client.exchange(patched(SENT[1], client))),
                      5, "success", every=netlink.POLL_SECONDS)
    assert done.octets.hex() == patched(recorded("NLMSG_DONE", True)[0], client).hex()


def test_VDP_41_whole_operations_as_libvirt_runs_them(real):
    """VDP-41 VDP-42 Pre-associate, associate, disassociate with libvirt's own polling and rules of the verdict."""
    _, evbd, bridge, client = real
    vsi = str(uuid.uuid4())
    for request, state in ((PREASSOCIATE, "preassociated"), (ASSOCIATE, "associated")):
        assert client.request(GUEST, vsi, request) is True
        assert evbd.state(vsi) == state and bridge.holds(vsi)
    assert client.request(GUEST, vsi, DISASSOCIATE) is True
    eventually(lambda: not bridge.holds(vsi), 5, "the bridge has let the VSI go")


def test_VDP_41_libvirts_fields_reach_the_wire(scripted):
    """VDP-41 VDP-02 Little-endian type ID, 8-bit manager ID in octet 0, VLAN and MAC as libvirt gave them."""
    _, _, bridge, client = scripted
    vsi = str(uuid.uuid4())
    assert client.request(GUEST, vsi, ASSOCIATE, vlan=100, manager=12, type_id=0x0A0B0C, version=7) is True
    heard, pdu = bridge.commands(VDP_ASSOCIATE)[0], bridge.requests[0][1]
    assert (heard.uuid, heard.type_id, heard.type_version, heard.filters[0].vid) == (vsi, 0x0A0B0C, 7, 100)
    assert heard.filters[0].mac.hex(":") == GUEST and pdu.manager == bytes([12]) + bytes(15)


def test_VDP_13_a_refusal_reaches_libvirt(cable):
    """VDP-13 The bridge's reason is the RESPONSE of the poll."""
    cable.scripted_bridge(answer=lambda request: request.answered(3))
    client = cable.evbd().wait_for_bridge().libvirt()
    assert client.request(GUEST, str(uuid.uuid4()), ASSOCIATE) in (3, 0x13, 0x23, 0x33)


def test_VDP_20_a_silent_bridge_is_a_verdict_not_silence(cable):
    """VDP-20 lldpad never gives a RESPONSE after a response time-out; evbd reports failure before libvirt's ten seconds are over."""
    cable.scripted_bridge(answer=lambda request: None)
    client = cable.evbd().wait_for_bridge().libvirt()
    began = time.monotonic()
    try:
        verdict = client.request(GUEST, str(uuid.uuid4()), ASSOCIATE)
    except (netlink.Refused, LookupError):
        verdict = "an error"
    assert verdict is not True and time.monotonic() - began < 10


def test_VDP_41_what_libvirt_gives_up_is_withdrawn(cable):
    """VDP-41 No bridge within libvirt's ten seconds: the request fails before they are over, and a bridge that comes later is asked nothing."""
    slow = {"interface": "uplink0", "ecp": {"retries": 3, "rte": 14}, "vdp": {"rwd": 20, "rka": 20}}
    evbd, vsi = cable.evbd(ports=[slow]), str(uuid.uuid4())
    client = evbd.libvirt()
    assert client.request(GUEST, vsi, ASSOCIATE) not in (True, None)
    bridge = cable.scripted_bridge()
    evbd.wait_for_bridge()
    other = str(uuid.uuid4())
    assert client.request("52:54:00:11:22:44", other, ASSOCIATE) is True, "the bridge works, and is asked in order"
    assert [request.uuid for request in bridge.commands(VDP_ASSOCIATE)] == [other]
    assert evbd.state(vsi) is None


def test_VDP_11_unsolicited_setlink_to_the_requester(scripted):
    """VDP-11 VDP-41 The bridge de-associates: the event socket whose port was in the request hears of it, in lldpad's layout."""
    _, evbd, bridge, client = scripted
    assert client.exchange(patched(SENT[0], client)).error == 0
    eventually(lambda: netlink.entries(client.exchange(patched(SENT[1], client)))[0].response == 0, 5, "success")
    assert bridge.deassociate(bridge.commands(VDP_ASSOCIATE)[0], bridge.requests[0][1].manager)
    event = client.event(5)
    assert event, "no unsolicited message within 5 s"

    model = Message.parse(bytes.fromhex(next(line for line in HEARD if line["type"] == "RTM_SETLINK")["raw"]))
    assert (event.kind, event.flags, event.port, event.sequence) == (RTM_SETLINK, 0, evbd.pid, SENT[0]["seq"])
    assert event.index in (0, client.index)
    ours, theirs = dict(event.attributes), dict(model.attributes)
    assert ours[netlink.IFNAME].rstrip(b"\0") == b"uplink0"
    assert ours[netlink.VFINFO_LIST] == theirs[netlink.VFINFO_LIST]
    port, model_port = (dict(netlink.attributes(netlink.attributes(values[netlink.VF_PORTS])[0][1])) for values in (ours, theirs))
    assert port[netlink.VSI_TYPE] == model_port[netlink.VSI_TYPE][:5] + bytes(3), "three pad octets are stack contents at lldpad, zero here"
    assert port[netlink.INSTANCE_UUID] == model_port[netlink.INSTANCE_UUID] and port[netlink.PORT_VF] == model_port[netlink.PORT_VF]
    assert port[netlink.PORT_REQUEST][0] == DISASSOCIATE and not any(port[netlink.PORT_REQUEST][1:])

    # libvirt then asks for the association again, without polling.
    assert client.setlink(GUEST, RECORDED_VSI, ASSOCIATE)
    evbd.wait_for_state(RECORDED_VSI, "associated", 30)


def test_the_pid_file_is_as_libvirt_reads_it(real):
    """VDP-41 Digits, then NUL or white space, within the ten octets that libvirt reads; the number is evbd's process id and its port."""
    _, evbd, _, client = real
    head = evbd.pid_file.read_bytes()[:10]
    digits = head[:len(str(evbd.pid))]
    assert digits == str(evbd.pid).encode() and (len(head) == len(digits) or head[len(digits):len(digits) + 1] in (b"\0", b"\n", b" "))
    assert client.destination == evbd.pid


def test_no_vsi_is_missing_from_a_poll(scripted):
    """VDP-41 lldpad's reply ends at 92 VSIs; libvirt takes 128 KiB, and evbd shows all."""
    _, _, _, client = scripted
    vsis = {str(uuid.uuid4()) for _ in range(120)}
    for number, vsi in enumerate(sorted(vsis)):
        client.setlink(f"52:54:00:00:01:{number:02x}", vsi, ASSOCIATE)
    assert {entry.uuid for entry in netlink.entries(client.getlink())} == vsis


# MARK: senders and messages that libvirt is not

_STRANGER = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
from lab import netlink
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
call = netlink.route_socket()
call.settimeout(2)
try:
    call.sendto(bytes.fromhex(sys.argv[3]), (int(sys.argv[2]), 0))
    print("errno", netlink.Message.parse(call.recv(65536)).error)
except PermissionError:
    print("refused by the kernel")
except TimeoutError:
    print("silence")
"""


def test_an_unprivileged_sender_is_refused(real):
    """A process without CAP_NET_ADMIN gets EPERM, from the kernel or from evbd, and nothing happens."""
    _, evbd, _, client = real
    vsi = str(uuid.uuid4())
    octets = netlink.message(RTM_SETLINK, netlink.setlink_body(client.index, "uplink0", GUEST, vsi, ASSOCIATE), 1, 0)
    result = subprocess.run(evbd.namespace.command(sys.executable, "-c", _STRANGER, REPOSITORY / "Tests/Interop", evbd.pid, octets.hex()),
                            capture_output=True, text=True, timeout=20)
    assert result.stdout.strip() in ("refused by the kernel", f"errno {errno.EPERM}"), result.stdout + result.stderr
    assert evbd.vsi(vsi) is None


def nest(*values):
    return attribute(netlink.VF_PORTS, attribute(netlink.VF_PORT, b"".join(values), True), True)


def malformed(index):
    """name -> a message that evbd has to answer with an error."""
    vsi = uuid.uuid4().bytes
    info, name = netlink.ifinfo(index), attribute(netlink.IFNAME, b"uplink0\0")
    good = netlink.message(RTM_SETLINK, netlink.setlink_body(index, "uplink0", GUEST, str(uuid.UUID(bytes=vsi)), ASSOCIATE))
    kind, instance, associate = attribute(netlink.VSI_TYPE, bytes(8)), attribute(netlink.INSTANCE_UUID, vsi), attribute(netlink.PORT_REQUEST, b"\2")
    vfs = attribute(netlink.VFINFO_LIST, attribute(netlink.VF_INFO, attribute(netlink.VF_MAC, struct.pack("=I32s", netlink.SELF_VF, bytes.fromhex("525400112233")))
                                                   + attribute(netlink.VF_VLAN, struct.pack("=III", netlink.SELF_VF, 0, 0)), True), True)

    def setlink(*body):
        return netlink.message(RTM_SETLINK, b"".join(body))

    def with_length(octets, length):
        return struct.pack("=I", length) + octets[4:]

    def raw(length, kind, value=b""):
        return struct.pack("=HH", length, kind) + value

    yield "header alone", setlink()
    yield "GETLINK header alone", netlink.message(RTM_GETLINK, b"")
    yield "truncated ifinfomsg", setlink(info[:8])
    yield "no attributes", setlink(info)
    yield "truncated header", good[:12]
    yield "one octet", b"\x10"
    yield "nlmsg_len 0", with_length(good, 0)
    yield "nlmsg_len 15", with_length(good, 15)
    yield "nlmsg_len behind the datagram", with_length(good, len(good) + 4)
    yield "nlmsg_len 2^32-1", with_length(good, 0xFFFFFFFF)
    yield "datagram cut in the middle", good[:len(good) // 2]
    yield "nlmsg_len cut in the middle", with_length(good, len(good) // 2)
    for number in (16, 17, 20, 4096, 0xFFFF):
        yield f"unknown type {number}", netlink.message(number, info)
    for length in (0, 1, 3, 0xFFFF):
        yield f"attribute of length {length}", setlink(info, raw(length, netlink.IFNAME, b"upli"))
        yield f"nested attribute of length {length}", setlink(info, name, vfs, nest(raw(length, netlink.INSTANCE_UUID, vsi)))
    yield "nested garbage", setlink(info, name, attribute(netlink.VFINFO_LIST, os.urandom(64), True), nest(os.urandom(64)))
    yield "empty nests", setlink(info, name, attribute(netlink.VFINFO_LIST, b"", True), attribute(netlink.VF_PORTS, b"", True))
    yield "deep nests", setlink(info, name, vfs, *[struct.pack("=HH", 4 * (1000 - depth), 0x8000 | 24) for depth in range(1000)])
    yield "no VF_PORTS", setlink(info, name, vfs)
    yield "short UUID", setlink(info, name, vfs, nest(kind, attribute(netlink.INSTANCE_UUID, vsi[:15]), associate))
    yield "long UUID", setlink(info, name, vfs, nest(kind, attribute(netlink.INSTANCE_UUID, vsi + b"x"), associate))
    yield "no UUID", setlink(info, name, vfs, nest(kind, associate))
    yield "short VSI type", setlink(info, name, vfs, nest(attribute(netlink.VSI_TYPE, bytes(4)), instance, associate))
    yield "no request", setlink(info, name, vfs, nest(kind, instance))
    yield "request 4", setlink(info, name, vfs, nest(kind, instance, attribute(netlink.PORT_REQUEST, b"\4")))
    yield "request 255", setlink(info, name, vfs, nest(kind, instance, attribute(netlink.PORT_REQUEST, b"\xff")))
    yield "empty request", setlink(info, name, vfs, nest(kind, instance, attribute(netlink.PORT_REQUEST, b"")))
    yield "disassociate an unknown VSI", setlink(info, name, vfs, nest(kind, instance, attribute(netlink.PORT_REQUEST, b"\3")))
    yield "short VF_MAC", setlink(info, name, attribute(netlink.VFINFO_LIST, attribute(netlink.VF_INFO, attribute(netlink.VF_MAC, bytes(8)), True), True), nest(kind, instance, associate))
    yield "VID 5000", good.replace(struct.pack("=III", netlink.SELF_VF, 0, 0), struct.pack("=III", netlink.SELF_VF, 5000, 0))
    yield "multicast MAC", good.replace(bytes.fromhex("525400112233"), bytes.fromhex("015400112233"))
    yield "unknown interface", netlink.message(RTM_SETLINK, netlink.setlink_body(9999, "nowhere0", GUEST, str(uuid.uuid4()), ASSOCIATE))
    yield "GETLINK of an unknown interface", netlink.message(RTM_GETLINK, netlink.getlink_body(9999))
    yield "interface that is no port", netlink.message(RTM_SETLINK, netlink.setlink_body(1, "lo", GUEST, str(uuid.uuid4()), ASSOCIATE))
    yield "name without end", setlink(info, attribute(netlink.IFNAME, b"u" * 16), vfs, nest(kind, instance, associate))
    yield "name of 300 octets", setlink(info, attribute(netlink.IFNAME, b"u" * 299 + b"\0"), vfs, nest(kind, instance, associate))
    yield "huge", setlink(info, name, vfs, attribute(netlink.VF_PORTS, bytes(60000), True))
    yield "100 kB of garbage", with_length(good[:16] + os.urandom(100_000), 100_016)


def test_malformed_messages_are_answered_with_an_error(real):
    """Every malformed message: an NLMSG_ERROR with an errno within libvirt's two seconds, and a daemon that works on."""
    _, evbd, _, client = real
    assert client.request(GUEST, RECORDED_VSI, ASSOCIATE) is True
    wrong = []
    for name, octets in malformed(client.index):
        try:
            reply = client.exchange(octets)
            if reply.kind != netlink.NLMSG_ERROR or not 0 < reply.error < 4096:
                wrong.append(f"{name}: {reply.octets[:40].hex()}")
        except (netlink.NoAnswer, AssertionError, struct.error) as error:
            wrong.append(f"{name}: {error}")
        if not evbd.process.alive:
            pytest.fail(f"evbd died of: {name}\n{evbd.process.tail()}")
    assert not wrong, "\n".join(wrong)
    assert list(evbd.vsis()) == [RECORDED_VSI] and evbd.state(RECORDED_VSI) == "associated"
    assert client.request(GUEST, RECORDED_VSI, DISASSOCIATE) is True


def test_replies_and_acks_from_strangers_are_not_answered(real):
    """NLMSG_NOOP, NLMSG_ERROR and NLMSG_DONE are no requests: answering an error with an error would go on for ever."""
    _, evbd, _, client = real
    for kind in (1, 2, 3):
        with pytest.raises(netlink.NoAnswer):
            client.exchange(netlink.message(kind, bytes(20), flags=0), seconds=0.3)
    assert client.exchange(netlink.message(RTM_GETLINK, netlink.getlink_body(client.index), flags=REQUEST)).kind == netlink.NLMSG_DONE
    assert evbd.process.alive
