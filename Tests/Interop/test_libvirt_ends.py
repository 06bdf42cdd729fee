"""What becomes of libvirt's VSIs when libvirt cannot say or hear it: as raw netlink, without machines."""

import socket
import sys
import time
import uuid

import pytest

from lab import eventually, netlink
from lab.codec import EVB
from lab.netlink import ASSOCIATE, DISASSOCIATE


def mac(number):
    return f"52:54:00:00:00:{number:02x}"


@pytest.fixture
def scripted(cable):
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=14, rwd=20, rka=20))
    evbd = cable.evbd().wait_for_bridge()
    return cable, evbd, bridge, evbd.libvirt()


def take_back(bridge, vsi):
    pdu, request = next((pdu, request) for _, pdu in bridge.requests for request in pdu.vsis if request.uuid == vsi)
    assert bridge.deassociate(request, pdu.manager)


def notes(evbd, kind):
    return [note for note in evbd.ctl_json("status")["notes"] if note["kind"] == kind]


def test_HEAL_202_a_vsi_that_never_had_a_link(scripted):
    """HEAL-202 As with a virtual function, whose machine's end no link could tell: it stays, and the status shows it until it is taken back."""
    _, evbd, _, client = scripted
    vsi = str(uuid.uuid4())
    assert client.request(mac(1), vsi, ASSOCIATE) is True
    note, = notes(evbd, "vsi-without-link")
    assert (note["isProblem"], note["port"]) == (False, "uplink0") and vsi in note["message"]
    assert "NOTE: uplink0: VSI" in evbd.ctl("status").stdout
    assert client.request(mac(1), vsi, DISASSOCIATE) is True
    assert notes(evbd, "vsi-without-link") == []


def test_HEAL_203_a_loss_that_libvirtd_has_no_room_for(scripted):
    """HEAL-203 libvirtd hangs while the bridge takes its VSIs back and refuses them: it hears of each when it reads again, and of none that is had again."""
    _, evbd, bridge, client = scripted
    client.events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)   # the least: room for a few
    vsis = [str(uuid.uuid4()) for _ in range(12)]
    for number, vsi in enumerate(vsis):
        assert client.request(mac(number), vsi, ASSOCIATE) is True
    bridge.answer = lambda request: request.answered(2)
    for vsi in vsis:
        take_back(bridge, vsi)
    eventually(lambda: evbd.port()["vsis"]["associated"] == 0, 10, "all are lost")
    assert "libvirt has no room for the news that a VSI is lost" in evbd.process.output()
    heard, deadline = set(), time.monotonic() + 20
    while len(heard) < len(vsis) and time.monotonic() < deadline:
        event = client.event(1)
        if event:
            values = dict(netlink.attributes(netlink.attributes(dict(event.attributes)[netlink.VF_PORTS])[0][1]))
            vsi = str(uuid.UUID(bytes=values[netlink.INSTANCE_UUID]))
            assert vsi not in heard, "once"
            heard.add(vsi)
    assert heard == set(vsis)
    bridge.answer = lambda request: request.answered()
    eventually(lambda: evbd.port()["vsis"]["associated"] == len(vsis), 20, "evbd has asked again by itself")
    assert client.event(3) is None


def test_HEAL_107_a_request_that_is_not_polled_is_kept(scripted):
    """HEAL-107 As libvirtd asks after a restart: the refusal is looked at by none, and evbd asks until it is granted, and libvirt hears of the next loss."""
    _, evbd, bridge, client = scripted
    bridge.answer = lambda request: request.answered(2)
    vsi = str(uuid.uuid4())
    client.setlink(mac(1), vsi, ASSOCIATE)
    eventually(lambda: evbd.state(vsi) == "deassociated", 5, "it is refused")
    bridge.answer = lambda request: request.answered()
    evbd.wait_for_state(vsi, "associated", 10)
    assert [entry.response for entry in netlink.entries(client.getlink())] == [0]
    take_back(bridge, vsi)
    assert client.event(5), "libvirt hears of the loss"
    evbd.wait_for_state(vsi, "associated", 10)


_FAKE = """
import os, socket, sys, time
open("/proc/self/comm", "w").write(sys.argv[1])
port = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
port.bind((int(sys.argv[2]) << 22 | os.getpid(), 0))
print("bound", flush=True)
time.sleep(1000)
"""


def fake(cable, name, number):
    """A process of that name with a netlink port of that number, as libnl draws one."""
    process = cable.lab.start(name, cable.host.command(sys.executable, "-c", _FAKE, name, number))
    eventually(lambda: "bound" in process.output(), 5, "it is there")
    return process


def test_HEAL_802_a_libvirtd_that_cannot_talk_to_evbd(cable):
    """HEAL-802 HEAL-801 Its netlink port of 2^31 or more is logged and shown as a problem, with when to restart it, for as long as it is there."""
    fake(cable, "other", 700)
    fake(cable, "virtqemud", 300)
    bad = fake(cable, "libvirtd", 600)
    evbd = cable.evbd()
    note, = eventually(lambda: notes(evbd, "libvirt-port"), 15, "it is shown")
    assert note["isProblem"] and f"process {bad.pid}" in note["message"] and "restart it between" in note["hint"]
    assert "PROBLEM: libvirtd" in evbd.ctl("status").stdout
    assert any("warning" in line and "netlink port" in line for line in evbd.process.output().splitlines())
    bad.kill()
    eventually(lambda: not notes(evbd, "libvirt-port"), 15, "it is gone")
