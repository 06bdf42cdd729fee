"""libvirt's polls: they wait for the bridge for a moment, whoever sends them and whatever happens meanwhile, and show the right VSIs."""

import contextlib
import select
import signal
import socket
import time
import uuid

import pytest

from lab import eventually, netlink
from lab.codec import EVB
from lab.netlink import ASSOCIATE, DISASSOCIATE, PREASSOCIATE, REQUEST, RTM_GETLINK, RTM_SETLINK
from lab.switch import Switch

# The buffer that libvirt asks for, of which the kernel gives twice as much.
LIBVIRTS_BUFFER = 131_702
# After so many seconds libvirt gives a call up.
CALL = 2.0


def mac(number):
    return f"52:54:00:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"


def new_vsi():
    return str(uuid.uuid4())


class Poll:
    """One poll from a socket of its own, with libvirt's buffer; sent at once, read later."""

    def __init__(self, client, event_port=None):
        with client.namespace.entered():
            self.socket = netlink.route_socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LIBVIRTS_BUFFER)
        port = client.event_port if event_port is None else event_port
        self.began = time.monotonic()
        self.socket.sendto(netlink.message(RTM_GETLINK, netlink.getlink_body(client.index), 1, port, REQUEST), (client.destination, 0))

    @property
    def is_answered(self):
        return bool(select.select([self.socket], [], [], 0)[0])

    def reply(self):
        """The reply, which has to come before libvirt would have given the call up."""
        left = self.began + CALL - time.monotonic()
        assert select.select([self.socket], [], [], max(left, 0))[0], "no reply within libvirt's two seconds"
        with contextlib.closing(self.socket):
            return netlink.Message.parse(self.socket.recv(256 * 1024))

    def responses(self):
        """VSIID -> RESPONSE, None while under way."""
        return {entry.uuid: entry.response for entry in netlink.entries(self.reply())}


def counters(evbd):
    return evbd.ctl_json("stats", "uplink0")[0]["counters"]


@pytest.fixture
def scripted(cable):
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=14, rwd=20, rka=20))
    evbd = cable.evbd().wait_for_bridge()
    return evbd, bridge, evbd.libvirt()


def test_VDP_41_the_first_poll_brings_the_verdict(scripted):
    """VDP-41 While the bridge thinks the poll waits; what it says is the poll's answer. For each operation, and for a refusal."""
    evbd, bridge, client = scripted
    vsi = new_vsi()
    for operation, wanted in ((PREASSOCIATE, 0), (ASSOCIATE, 0), (DISASSOCIATE, 0), (ASSOCIATE, 3)):
        if wanted:
            bridge.answer = lambda request: request.answered(3)
        bridge.held.set()
        heard = len(bridge.requests)
        client.setlink(mac(1), vsi, operation)
        poll = Poll(client)
        eventually(lambda: len(bridge.requests) > heard, 5, "the bridge has been asked", every=0.005)
        assert not poll.is_answered
        bridge.held.clear()
        assert poll.responses()[vsi] == wanted
    assert counters(evbd)["LibvirtHoldsExpired"] == 0


def test_VDP_41_a_slow_bridge_does_not_make_the_call_time_out(scripted):
    """VDP-41 A poll is answered with `in progress` in time, and a later one hears the verdict."""
    evbd, bridge, client = scripted
    vsi = new_vsi()
    bridge.held.set()
    client.setlink(mac(1), vsi, ASSOCIATE)
    for _ in range(2):
        assert Poll(client).responses() == {vsi: None}
    last = Poll(client)
    bridge.held.clear()
    assert last.responses() == {vsi: 0}
    assert counters(evbd)["LibvirtHoldsExpired"] == 2


def test_VDP_41_a_caller_that_disappears(scripted):
    """VDP-41 Its poll is answered to nobody; the next caller gets its own verdict."""
    evbd, bridge, client = scripted
    bridge.held.set()
    gone, vsi = new_vsi(), new_vsi()
    client.setlink(mac(1), gone, ASSOCIATE)
    Poll(client).socket.close()
    other = evbd.libvirt()
    other.setlink(mac(2), vsi, ASSOCIATE)
    poll = Poll(other)
    bridge.held.clear()
    assert poll.responses()[vsi] == 0
    eventually(lambda: evbd.state(gone) == "associated", 5, "what was asked for stands")
    # Nobody polls the last one: it would be withdrawn if it were under way; it is not.
    assert Poll(client).responses()[gone] == 0


def test_VDP_41_threads_of_one_libvirtd(scripted):
    """VDP-41 A poll names no VSI. Those of several threads of a libvirtd end with their own requests, as these end one by one."""
    evbd, bridge, client = scripted
    released, vsis = set(), [new_vsi() for _ in range(8)]
    # The scripted bridge keeps an answer back by giving none, and is asked to send it later.
    bridge.answer = lambda request: request.answered() if request.uuid in released else None
    polls = {}
    for number, vsi in enumerate(vsis):
        client.setlink(mac(number), vsi, ASSOCIATE)
        polls[vsi] = Poll(client)
    eventually(lambda: {request.uuid for request in bridge.commands()} == set(vsis), 5, "the bridge has been asked for all")
    asked = {request.uuid: (pdu.manager, request) for _, pdu in bridge.requests for request in pdu.vsis}
    for vsi in reversed(vsis):
        manager, request = asked[vsi]
        released.add(vsi)
        assert not polls[vsi].is_answered
        assert bridge.send_vdp(manager, request.answered())
        assert polls[vsi].responses()[vsi] == 0
    assert counters(evbd)["LibvirtHoldsExpired"] == 0


def test_a_burst_of_a_thousand_polls(scripted):
    """VDP-41 A thousand callers at a time that wait for a silent bridge: each gets a reply in time, and nothing else has to wait."""
    evbd, bridge, client = scripted
    bridge.held.set()
    count = 1000
    with contextlib.ExitStack() as sockets:
        polls = []
        for number in range(count):
            # Event ports are what the message says; a socket for each is not needed.
            event_port = 0x4000_0000 + number
            body = netlink.setlink_body(client.index, "uplink0", mac(number), new_vsi(), ASSOCIATE)
            assert client.exchange(netlink.message(RTM_SETLINK, body, 1, event_port)).error == 0
        for number in range(count):
            polls.append(Poll(client, event_port=0x4000_0000 + number))
            sockets.callback(polls[-1].socket.close)
        assert evbd.ctl("status", timeout=CALL).returncode == 0
        for number, poll in enumerate(polls):
            left = poll.began + 5 - time.monotonic()
            assert select.select([poll.socket], [], [], max(left, 0))[0], f"no reply to poll {number}"
    said = counters(evbd)
    assert said["LibvirtPolls"] == count and said["LibvirtPollsHeld"] + said["LibvirtHoldsDeclined"] <= count
    assert said["LibvirtPollsHeld"] >= count // 2, said
    # One caller's, for one request.
    vsi = new_vsi()
    client.setlink(mac(5000), vsi, ASSOCIATE)
    polls = [Poll(client) for _ in range(50)]
    answered = [poll for poll in polls if poll.responses()[vsi] is None]
    assert len(answered) == 50
    assert counters(evbd)["LibvirtPollsHeld"] == said["LibvirtPollsHeld"] + 1


@pytest.mark.parametrize("how", ["stop", "removal"])
def test_held_polls_are_answered_when_evbd_or_the_port_ends(scripted, how):
    """VDP-41 A stop answers what is known, the removal of the port that it failed or is gone; none leaves libvirt to its time-out."""
    evbd, bridge, client = scripted
    bridge.held.set()
    vsi = new_vsi()
    client.setlink(mac(1), vsi, ASSOCIATE)
    poll = Poll(client)
    eventually(lambda: counters(evbd)["LibvirtPollsHeld"] == 1, 1, "it waits", every=0.01)
    if how == "stop":
        evbd.process.signal(signal.SIGTERM)
        assert poll.responses() == {vsi: None}
    else:
        evbd.config["ports"] = [{"interface": "uplink7"}]
        evbd.write_config()
        evbd.process.signal(signal.SIGHUP)
        reply = poll.reply()
        assert reply.kind == netlink.NLMSG_ERROR or {entry.response for entry in netlink.entries(reply)} == {0x105}


def test_VDP_41_an_outcome_waits_for_a_slow_poller(scripted):
    """VDP-41 A poll that comes seconds after the end, and a second one, hear the outcome: reading does not forget it, as lldpad does."""
    evbd, bridge, client = scripted
    refused, released = new_vsi(), new_vsi()
    assert client.request(mac(2), released, ASSOCIATE) is True
    client.setlink(mac(2), released, DISASSOCIATE)
    bridge.answer = lambda request: request.answered(1)
    client.setlink(mac(1), refused, ASSOCIATE)
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        shown = Poll(client).responses()
        assert set(shown) == {refused, released}
        time.sleep(0.5)
    assert shown[refused] & 7 == 1 and shown[released] == 0
    assert Poll(client).responses() == shown


def test_VDP_41_ten_thousand_vsis(cable):
    """VDP-41 VDP-39 With 10,000 VSIs of two libvirtds on a port a client with libvirt's buffer finds the VSI that it has asked for."""
    switch = Switch(cable.lab, cable.switch)
    bridge = switch.evbd(log={"level": "notice"})
    # Keep-alives every 20 s: 5,000 a second, as with the lab's own period, are more than a busy machine does for both sides.
    port = {"interface": "uplink0", "vdp": {"rwd": 17, "rka": 21}}
    evbd = cable.evbd(ports=[port], log={"level": "notice"}).wait_for_bridge()
    client, other = evbd.libvirt(), evbd.libvirt()
    count = 10_000
    with cable.host.entered():
        call = netlink.route_socket()
    with call:
        # One socket for all requests: libvirt's own pace, a socket for each, would be what takes the time.
        for number in range(count):
            body = netlink.setlink_body(client.index, "uplink0", mac(number), new_vsi(), ASSOCIATE)
            port = (client if number % 2 else other).event_port
            call.sendto(netlink.message(RTM_SETLINK, body, number, port), (client.destination, 0))
            assert netlink.Message.parse(call.recv(65536)).error == 0
    eventually(lambda: evbd.port()["vsis"]["associated"] == count, 90, "all are associated", every=0.5)

    def asked(number):
        """The VSI that was granted. One that a busy machine grants too late for libvirt's patience is given up, and libvirt asks again."""
        vsi, response = new_vsi(), None
        client.setlink(mac(number), vsi, ASSOCIATE)
        while response is None:
            responses = Poll(client).responses()
            assert vsi in responses, f"{len(responses)} VSIs, and not the one that was asked for"
            response = responses[vsi]
        return vsi if response == 0 else None

    for number in range(count, count + 20):
        vsi = eventually(lambda: asked(number), 60, "success")
        assert client.request(mac(number), vsi, DISASSOCIATE) is True
    eventually(lambda: asked(count), 60, "success")
    assert bridge.port("port0")["vsis"]["associated"] == count + 1
