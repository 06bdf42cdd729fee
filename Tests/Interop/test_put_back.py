"""What another process removes of evbd's in the kernel: it is put back, whatever removed it, and the log says what and where."""

import json
import re
import uuid

import pytest

from lab import eventually
from lab.system import run
from test_guest_filter import ruleset
from test_guest_gate import closed
from test_reflective_relay import becomes, switch   # noqa: F401 (a fixture)
from test_vsi_types import GUEST, OTHER, STRANGER, Bench

NEIGHBOUR = "52:54:00:11:00:01"


@pytest.fixture
def bench(cable):
    return Bench(cable, **{"allow-macs": [Bench.fence_mac]})


def in_switch(bench, *words):
    return run(*bench.switch.namespace.command(*words)).stdout


def told(evbd, words, count=1):
    eventually(lambda: evbd.process.output().count(words) >= count, 5, f"the log says: {words}")


def normal(listing):
    """Rules and elements without what changes by itself: counters, and the order of elements."""
    parts = re.split(r"\n|, |elements = \{|\}", re.sub(r"packets \d+ bytes \d+", "", listing))
    return sorted(part.strip(" ,\t") for part in parts if part.strip(" ,\t"))


def test_SEC_1123_a_deleted_forwarding_entry_comes_back(bench):
    """SEC-1123 A static forwarding entry that another process deletes is there again, with its address and port in the log."""
    vsi, other = bench.associate(), bench.associate(OTHER)
    for count in (1, 2):
        in_switch(bench, "bridge", "fdb", "del", GUEST, "dev", "port0", "master")
        eventually(lambda: len(bench.rules.forwarding(GUEST)) == 1, 5, "put back")
        told(bench.bridge, "forwarding entries or VLANs of VSIs were gone", count)
    assert GUEST in bench.bridge.process.output() and OTHER not in bench.bridge.process.output().split("were gone")[1]
    # Its own removals are no such news.
    bench.deassociate(vsi)
    bench.deassociate(other)
    assert bench.rules.forwarding(GUEST) == [] and bench.rules.forwarding(OTHER) == []
    assert bench.bridge.process.output().count("were gone") == 2


def test_SEC_1123_an_entry_that_points_elsewhere_is_reported(bench):
    """SEC-1123 An entry that another process has pointed at another port stays, and the log says so once."""
    bench.associate()
    in_switch(bench, "bridge", "fdb", "del", GUEST, "dev", "port0", "master")
    eventually(lambda: len(bench.rules.forwarding(GUEST)) == 1, 5, "put back")
    in_switch(bench, "bridge", "fdb", "replace", GUEST, "dev", "far0", "master", "static")
    # News that have all compared.
    in_switch(bench, "bridge", "link", "set", "dev", "port0", "cost", "7")
    told(bench.bridge, "forwarding entries or VLANs of VSIs cannot be put back")
    assert len(bench.rules.forwarding(GUEST, "far0")) == 1


def test_SEC_1124_a_port_leaves_its_bridge_and_returns(bench):
    """SEC-1124 While the port is in no bridge the log says so; when it is back, so are the entries and reflective relay, and frames pass."""
    bench.associate()
    bench.associate(OTHER)
    eventually(lambda: bench.switch.hairpin() is True, 5, "reflective relay is granted")
    for count in (1, 2):
        bench.switch.leave("port0")
        told(bench.bridge, "the port is in no Linux bridge", count)
        bench.switch.join("port0")
        eventually(lambda: len(bench.rules.forwarding(GUEST)) == len(bench.rules.forwarding(OTHER)) == 1, 5, "put back")
        eventually(lambda: bench.switch.hairpin() is True, 5, "reflective relay")
        assert bench.passes(GUEST) and bench.passes(OTHER) and not bench.passes(STRANGER)
        told(bench.bridge, "forwarding entries or VLANs of VSIs were gone", count)


def test_SEC_1125_rules_of_bridge_ports_that_are_removed_come_back(bench):
    """SEC-1125 A table, chain, rule or element of VSI types' rules that another process removes is there again at once."""
    bench.associate()
    bench.associate(OTHER, 101)
    bench.associate("52:54:00:11:22:55", 102)
    before = normal(bench.rules.table())
    table = "bridge evbd"

    def first_rule(chain):
        rules = json.loads(in_switch(bench, "nft", "-j", "-a", "list", "chain", *table.split(), chain))["nftables"]
        return next(item["rule"]["handle"] for item in rules if "rule" in item)

    steps = [
        lambda: f"flush table {table}",
        lambda: f"flush chain {table} arriving",
        lambda: f"delete rule {table} port-port0 handle {first_rule('port-port0')}",
        lambda: f"replace rule {table} arriving handle {first_rule('arriving')} accept",
        lambda: f"flush map {table} untagged-port0",
        lambda: f"flush set {table} forwarding-port0",
        lambda: f"delete element {table} ports {{ \"port0\" }}",
        lambda: f"flush chain {table} ethertypes-0800-0806",
        lambda: f"flush set {table} sentplain-port0",
        lambda: f"delete rule {table} to-port0 handle {first_rule('to-port0')}",
        lambda: f"delete table {table}",
    ]
    for count, step in enumerate(steps, 1):
        words = step()
        run(*bench.switch.namespace.command("nft", words))
        eventually(lambda: bench.rules.table() and normal(bench.rules.table()) == before, 5, f"all is back after {words}")
        told(bench.bridge, "another process has removed rules of VSI types", count)
    assert bench.passes(GUEST) and not bench.passes(OTHER) and not bench.passes(STRANGER)


def test_SEC_1127_guest_filter_rules_that_are_removed_or_replaced_come_back(cable):
    """SEC-1127 A rule that another process deletes or replaces, a chain and an element of the guest filter are there again."""
    bridge = cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    evbd.associate(str(uuid.uuid4()), "--link", "vm0", mac=NEIGHBOUR)
    refused, accept = str(uuid.uuid4()), bridge.answer
    bridge.answer = lambda request: request.answered(2) if request.uuid == refused else accept(request)
    evbd.ctl("vsi", "associate", refused, "--port", "uplink0", "--type", 1, "--filter", f"mac={GUEST}", "--no-wait")
    eventually(lambda: closed(cable) == {GUEST}, 5, "its address is closed")
    link, port = cable.host.index("vm0"), cable.host.index("uplink0")
    before, table = normal(ruleset(cable)), "netdev evbd-guests"

    def handle(chain):
        rules = json.loads(run(*cable.host.command("nft", "-j", "-a", "list", "chain", *table.split(), chain)).stdout)["nftables"]
        return next(item["rule"]["handle"] for item in rules if "rule" in item)

    steps = [
        lambda: f"delete rule {table} port-{port}-out handle {handle(f'port-{port}-out')}",
        lambda: f"replace rule {table} link-{link}-out handle {handle(f'link-{link}-out')} accept",
        lambda: f"replace rule {table} guests handle {handle('guests')} accept",
        lambda: f"delete chain {table} link-{link}-out",
        lambda: f"delete element {table} closed-{port} {{ {GUEST} }}",
    ]
    for words in (step() for step in steps):
        run(*cable.host.command("nft", words))
        eventually(lambda: normal(ruleset(cable)) == before, 5, f"all is back after {words}")
    told(evbd, "another process has removed rules")
