"""One association after another: by evbd's control socket, by netlink as libvirt asks, by lldpad, and by the floor."""

import itertools
import time
import uuid

from lab.netlink import ASSOCIATE, DISASSOCIATE, NoAnswer, POLL_SECONDS, Refused

from .clients import EvbdClient, NetlinkClient, address
from .stage import associations, releases, vsis

TIGHT = 0.0001
ROWS = ("association", "association-churn", "netlink", "netlink-open")
# Addresses that no VSI had before: what a released VSI had is closed at the port, and has to be opened first. That is measured for itself.
fresh = itertools.count(1_000_000, 1_000)


def by_netlink(results, row, subject, daemon, count, pause, unit):
    client, first = NetlinkClient(daemon.namespace, daemon.pid), next(fresh)
    with daemon.namespace.entered():
        for number in range(first, first + count):
            vsi, mac = str(uuid.uuid4()), address(number)
            try:
                results.add(row, subject, unit * client.whole(vsi, ASSOCIATE, pause, mac=mac))
                client.whole(vsi, DISASSOCIATE, TIGHT, patience=2, mac=mac)
            except (Refused, NoAnswer, LookupError, RuntimeError, TimeoutError) as error:
                if subject == "evbd":
                    raise
                # lldpad waits no 3 ms for its bridge, and loses a VSI where a busy machine takes longer.
                results.remark(row, f"lldpad did not come to an end with each VSI ({type(error).__name__}); these do not count.")


def by_socket(results, client, count):
    """One after another, then their releases."""
    wanted = vsis(count, next(fresh))
    for ask in associations(wanted, wait=10_000):
        seconds, answer = client.ask(ask)
        assert b'"associated"' in answer, answer
        results.add("association", "evbd", 1e6 * seconds)
    for undo in releases(wanted, wait=10_000):
        client.ask(undo)
    time.sleep(0.5)     # what the releases leave to the worker


def in_turns(results, client, count):
    """Each right after the release of the one before, which had the same address."""
    wanted = [{**vsi, "filters": vsis(1)[0]["filters"]} for vsi in vsis(count)]
    for ask, undo in zip(associations(wanted, wait=10_000), releases(wanted, wait=10_000)):
        results.add("association-churn", "evbd", 1e6 * client.ask(ask)[0])
        client.ask(undo)
    time.sleep(0.5)


def by_floor(results, client, count):
    for _ in range(count):
        results.add("association", "floor", 1e6 * client.exchange(1))
        client.exchange(-1)


def measure(stage, results, scope):
    evbd, lldpad = stage.evbd(), stage.lldpad()
    process, floor = stage.station()
    client = EvbdClient(evbd)
    count = 20 if scope.quick else 100
    by_socket(scope.discarded, client, 20)
    by_floor(scope.discarded, floor, 20)
    for _ in range(scope.rounds):
        by_floor(results, floor, count)
        by_socket(results, client, count)
        in_turns(results, client, count)
        by_netlink(results, "association", "lldpad", lldpad, count, TIGHT, 1e6)
    client.close()
    evbd.process.stop()
    for _ in range(scope.rounds):
        # What libvirt asked for is listed for a while after its end: each round begins without.
        for row, gate in (("netlink", "down"), ("netlink-open", "none")):
            evbd = stage.evbd(gate=gate)
            by_netlink(results, row, "evbd", evbd, count, POLL_SECONDS, 1e3)
            evbd.process.stop()
        by_netlink(results, "netlink", "lldpad", lldpad, max(2, count // 10), POLL_SECONDS, 1e3)
    lldpad.process.stop()
    process.stop()
