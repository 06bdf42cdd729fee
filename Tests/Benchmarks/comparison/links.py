"""Macvtaps that evbd makes and removes, beside `ip -batch` and `ip link del group`."""

import json
import subprocess
import time

from .clients import EvbdClient, address, spin
from .stage import associations, releases, vsis

ROWS = ("links-made", "links-removed", "link-filter", "link-bare")
GROUP = 77
# The group of the links that evbd makes: Documentation/links.md.
EVBDS_GROUP = 4544066


def links(namespace, *which):
    """How many macvtaps there are; with `up` how many that are up."""
    said = subprocess.run(["ip", "-n", namespace.name, "-j", "link", "show", "type", "macvtap", *which], capture_output=True, text=True, check=True)
    return sum(1 for link in json.loads(said.stdout or "[]") if link)


def floor(results, end, directory, count):
    """What `ip` takes for the same links on another cable."""
    batch = directory / "links.batch"
    batch.write_text("".join(f"link add link uplink0 name fl{number} address {address(number)} group {GROUP} type macvtap mode vepa\nlink set fl{number} up\n"
                             for number in range(1, count + 1)))
    for row, words in (("links-made", ["-batch", batch]), ("links-removed", ["link", "del", "group", str(GROUP)])):
        began = time.perf_counter()
        subprocess.run(["ip", "-n", end.host.name, *words], check=True)
        results.add(row, "floor", 1e3 * (time.perf_counter() - began))


def with_links(count, start=1):
    return [{**each, "link": {"name": f"vm{number}"}} for number, each in enumerate(vsis(count, start), start)]


def made(evbd, results, count, row="links-made"):
    client, looker, wanted = EvbdClient(evbd), EvbdClient(evbd), with_links(count)
    began = time.perf_counter()
    client.call_all(associations(wanted, wait=0))
    spin(lambda: looker.counts().get("associated") == count, 120, f"{count} with links are associated", 0.005)
    spin(lambda: links(evbd.namespace, "up") == count, 120, f"{count} links are up", 0.005)
    results.add(row, "evbd", 1e3 * (time.perf_counter() - began))
    looker.close()
    return client, wanted


def removed(evbd, results, client, wanted):
    began = time.perf_counter()
    client.call_all(releases(wanted, wait=0))
    spin(lambda: links(evbd.namespace) == 0, 120, "all links are removed", 0.02)
    results.add("links-removed", "evbd", 1e3 * (time.perf_counter() - began))


def one_more(evbd, results, row, client, count, beside):
    for each in with_links(count, beside + 1):
        seconds, answer = client.ask(associations([each], wait=10_000)[0])
        assert b'"associated"' in answer, answer
        results.add(row, "evbd", 1e3 * seconds)
        client.ask(releases([each], wait=10_000)[0])


def measure(stage, results, scope):
    count, more = (50, 5) if scope.quick else (1000, 20)
    for _ in range(scope.rounds):
        floor(results, stage.ends["evbd"], stage.lab.directory, count)
        for row, filtered in (("link-filter", True), ("link-bare", False)):
            evbd = stage.evbd(**{"guest-filter": filtered})
            client, wanted = made(evbd, results if filtered else scope.discarded, count)
            one_more(evbd, results, row, client, more, count)
            if filtered:
                removed(evbd, results, client, wanted)
            client.close()
            evbd.process.stop()
            # What is left of the others: it takes long, and is measured already.
            subprocess.run(["ip", "-n", evbd.namespace.name, "link", "del", "group", str(EVBDS_GROUP)], capture_output=True)
