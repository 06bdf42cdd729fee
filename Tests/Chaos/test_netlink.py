"""A flood of netlink requests, from root and from one who got its socket from root. EVBD_ABUSE sets the requests, 50 each."""

import multiprocessing
import os
import random
import socket
import statistics
import time
import uuid

import pytest

from lab import eventually, netlink
from lab.netlink import ASSOCIATE, DISASSOCIATE, RTM_GETLINK, RTM_SETLINK
from lab.pair import Pair, requests
from test_libvirt_netlink import malformed

REQUESTS = 50 * int(os.environ.get("EVBD_ABUSE", 300))
SEED = int(os.environ.get("EVBD_SEED", 0)) or random.SystemRandom().randrange(1, 1 << 32)
VSIS = 50
LOG_LIMIT, GROWTH_KIB = 20_000, 8 << 10


def flood(namespace, destination, octets, count, uid, seed, pipe):
    """Sends so many of them, reads nothing, and waits only where evbd's own buffer is full."""
    with namespace.entered():
        made = netlink.route_socket()
    made.connect((destination, 0))
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    dice, sent = random.Random(seed), 0
    while sent < count:
        try:
            made.send(dice.choice(octets))
        except OSError as error:
            if error.errno not in (socket.EAI_AGAIN, 11, 105, 111):
                pipe.send(error)
                return
        sent += 1
    pipe.send(sent)


@pytest.mark.parametrize("uid", [0, 65534], ids=["root", "unprivileged"])
def test_a_flood_of_netlink_requests(cable, uid, capsys):
    """Refused ones, polls and malformed ones: libvirt is served within its two seconds, VSIs stay, log and memory are bounded."""
    pair = Pair(cable, log={"level": "info"})
    evbd, libvirt = pair.evbd, pair.evbd.libvirt()
    wanted = requests(VSIS)
    pair.control().call_all("Associate", wanted)
    eventually(lambda: len(pair.held()) == VSIS, 20, "the bridge holds all")
    known = set(pair.held())
    octets = [message for _, message in malformed(libvirt.index) if len(message) < 10_000]
    octets += [netlink.message(RTM_GETLINK, netlink.getlink_body(libvirt.index))] * 4
    octets += [netlink.message(RTM_SETLINK, netlink.setlink_body(9999, "nowhere0", "52:54:00:11:22:33", str(uuid.uuid4()), ASSOCIATE))] * 4
    settled, logged = evbd.process.rss_kib(), len(evbd.process.output())
    mine, theirs = multiprocessing.Pipe()
    hostile = multiprocessing.get_context("fork").Process(
        target=flood, args=(cable.host, evbd.pid, octets, REQUESTS, uid, SEED, theirs), daemon=True)
    took, began = [], time.monotonic()
    hostile.start()
    try:
        while not mine.poll() or len(took) < 3:
            vsi, before = str(uuid.uuid4()), time.monotonic()
            assert libvirt.request("52:54:00:11:22:33", vsi, ASSOCIATE) is True, f"EVBD_SEED={SEED}"
            took.append(time.monotonic() - before)
            assert libvirt.request("52:54:00:11:22:33", vsi, DISASSOCIATE) is True, f"EVBD_SEED={SEED}"
            assert time.monotonic() - began < 300
        assert mine.recv() == REQUESTS
    finally:
        hostile.kill()
        hostile.join()
    seconds, growth, lines = time.monotonic() - began, evbd.process.rss_kib() - settled, len(evbd.process.output()) - logged
    with capsys.disabled():
        print(f"\n    EVBD_SEED={SEED}: {REQUESTS} requests in {seconds:.1f} s; libvirt's own: {len(took)}, median {1000 * statistics.median(took):.1f} ms, "
              f"worst {1000 * max(took):.0f} ms; RSS {settled} {growth:+d} KiB; log {lines:+d} octets ", end="", flush=True)
    # Longer than toutKeepAlive since it began.
    time.sleep(max(0, 5 - seconds))
    assert not [change for change in pair.released.vsi_changes() if change[1] in known and change[2] == "associated"]
    assert known <= pair.held() and growth < GROWTH_KIB
    # Some lines at once and one a second for what is refused, and two for each VSI that comes and goes.
    assert lines < LOG_LIMIT + 500 * len(took) + 200 * seconds
