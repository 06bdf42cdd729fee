"""Addresses without a VSI stay closed while a link has them, also a link in a container, which the host sees in the port's own forwarding table alone."""

import signal
import uuid

import pytest

from lab import eventually
from lab.codec import mac
from lab.system import always, run
from lab.tap import Macvtap
from test_guest_filter import GUEST, NEIGHBOUR, harmless, ruleset
from test_guest_gate import Inside, closed, macvtap

UNKNOWN = "belongs to no VSI and to no link that the host sees"


def news(cable):
    """News of the port, after which evbd reads the port's table again."""
    cable.host.ip("link", "set", "uplink0", "alias", uuid.uuid4().hex[:12])


def spoofed(address):
    return b"\xff" * 6 + mac(address) + harmless(GUEST)[12:]


def unknown(evbd):
    return evbd.ctl_json("port", "show", "uplink0")["unknownAddresses"]["addresses"]


def gone(cable, inside):
    inside.namespace.ip("link", "delete", "eth0")
    news(cable)


# MARK: item 4


def test_SEC_53_a_refused_second_association_opens_nothing(cable):
    """SEC-53 The VSI of an adopted link is given up, asked for again, refused and given up again; and one that was never associated: both stay closed until the link is gone."""
    wire, bridge = cable.wire(), cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    macvtap(cable, "vm0", "address", GUEST)
    tap, vsi = Macvtap(cable.lab, cable.host, "vm0"), str(uuid.uuid4())
    evbd.associate(vsi)
    evbd.ctl("vsi", "deassociate", vsi)
    eventually(lambda: closed(cable) == {GUEST}, 5, "closed after the first association")
    bridge.answer = lambda request: request.answered(2)
    for name in (vsi, str(uuid.uuid4())):
        assert evbd.ctl("vsi", "associate", name, "--port", "uplink0", "--type", 1, "--filter", f"mac={GUEST}").returncode == 1
        evbd.ctl("vsi", "deassociate", name)
        news(cable)
        cable.host.ip("link", "set", "vm0", "up")
        wire.clear()
        always(lambda: closed(cable) == {GUEST}, 3, "closed after the refusal")
        tap.send(spoofed(GUEST))
        assert not wire.received(lambda f: f.octets == spoofed(GUEST))
    # And what a VSI has no longer, while another of its addresses goes on.
    bridge.answer = lambda request: request.answered()
    evbd.associate(vsi)
    evbd.associate(vsi, mac=NEIGHBOUR)
    always(lambda: closed(cable) == {GUEST}, 1, "closed after the change")
    cable.host.ip("link", "delete", "vm0")
    evbd.ctl("vsi", "deassociate", vsi)
    eventually(lambda: not closed(cable), 5, "nothing is left of it")


def test_SEC_47_a_containers_address_stays_closed_over_a_restart(cable):
    """SEC-47 The address of a VSI that was given up stays closed while a container has it, of whose link the host has no news, also over a restart, and is opened when the link is gone."""
    wire = cable.wire()
    cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    inside, vsi = Inside(cable), str(uuid.uuid4())
    evbd.associate(vsi)
    inside.send(spoofed(GUEST))
    eventually(lambda: wire.received(lambda f: f.octets == spoofed(GUEST)), 5, "associated, it sends")
    evbd.ctl("vsi", "deassociate", vsi)
    news(cable)

    def is_closed():
        wire.clear()
        inside.send(spoofed(GUEST))
        return closed(cable) == {GUEST} and not wire.received(lambda f: f.octets == spoofed(GUEST))
    always(is_closed, 4, "given up, it does not")
    evbd.terminate()
    evbd.start()
    news(cable)
    always(is_closed, 4, "nor after a restart")
    gone(cable, inside)
    eventually(lambda: not closed(cable), 6, "nothing is left of it")


def test_SEC_48_an_address_that_no_vsi_has_is_shown(cable):
    """SEC-48 An address in the port's table that neither a VSI nor a link of the host has is logged once, and listed until it is gone; the host's own and VSIs' are not."""
    cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    assert unknown(evbd) == []
    inside, _ = Inside(cable), Inside(cable, NEIGHBOUR, name="other")
    macvtap(cable, "vm0", "address", "52:54:00:11:22:99")
    evbd.associate(str(uuid.uuid4()), mac=NEIGHBOUR)
    news(cable)
    eventually(lambda: unknown(evbd) == [GUEST], 5, "it is listed")
    assert f"{GUEST}: not filtered by a VSI" in evbd.ctl("port", "show", "uplink0").stdout
    for _ in range(2):
        news(cable)
        always(lambda: unknown(evbd) == [GUEST], 3, "it stays listed")
    said = evbd.process.output()
    assert said.count(UNKNOWN) == 1 and NEIGHBOUR not in said.split(UNKNOWN)[1].splitlines()[0]
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    assert unknown(evbd) == [], "a VSI has it now"
    evbd.ctl("vsi", "deassociate", vsi)
    news(cable)
    eventually(lambda: unknown(evbd) == [GUEST], 5, "and has it no longer")
    gone(cable, inside)
    eventually(lambda: unknown(evbd) == [], 5, "it is gone")
    # More than are listed, and than have lines of their own.
    for number in range(40):
        run(*cable.host.command("bridge", "fdb", "add", f"52:54:00:22:00:{number:02x}", "dev", "uplink0", "self", "permanent"))
    news(cable)
    eventually(lambda: len(unknown(evbd)) == 32, 5, "the first are listed")
    assert evbd.ctl_json("port", "show", "uplink0")["unknownAddresses"]["count"] == 40
    assert "and 8 more: not filtered" in evbd.ctl("port", "show", "uplink0").stdout
    # Logged once or, if it was read while its VSI was there, twice; and eight of the others.
    assert evbd.process.output().count(UNKNOWN) in (1 + 8, 2 + 8)


def test_SEC_49_the_table_of_arp_alone_comes_back(cable):
    """SEC-49 The loss of evbd's table of one family alone is noticed, where other families have chains of the same names."""
    cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    evbd.associate(str(uuid.uuid4()), "--link", "vm0")
    tables = lambda: {line.strip() for line in run(*cable.host.command("nft", "list", "tables")).stdout.splitlines()}
    listed = lambda family: run(*cable.host.command("nft", "list", "table", family, "evbd-guests")).stdout
    eventually(lambda: "table arp evbd-guests" in tables(), 5, "the host is kept off")
    for family in ("arp", "inet"):
        before = [line for line in listed(family).splitlines() if "counter" not in line]
        for words in (("delete", "table"), ("flush", "table")):
            run(*cable.host.command("nft", *words, family, "evbd-guests"))
            eventually(lambda: f"table {family} evbd-guests" in tables() and listed(family).count("drop") == 4, 5, f"back after {words} {family}")
        assert [line for line in listed(family).splitlines() if "counter" not in line] == before


def test_SEC_414_a_card_in_the_bridge(cable):
    """SEC-414 A second card that joins and leaves the port's bridge changes whether the gate forwards BPDUs of others."""
    cable.host.ip("link", "add", "hbr", "type", "bridge", "stp_state", "0", "forward_delay", "0")
    cable.host.ip("link", "set", "hbr", "up")
    cable.host.ip("link", "set", "uplink0", "master", "hbr")
    cable.host.ip("link", "add", "below0", "type", "veth", "peer", "name", "below1")
    cable.host.ip("link", "add", "link", "below0", "name", "card1", "type", "macvlan", "mode", "bridge")
    cable.scripted_bridge()
    cable.evbd(ports=[{"interface": "uplink0", "announce": False, "edge-relay": "veb"}]).wait_for_bridge()
    forwards = lambda: "ether type < 1536 accept" in ruleset(cable) or "ether type < 0x0600 accept" in ruleset(cable)
    always(lambda: not forwards(), 0.5, "there is no other way to the network")
    for leave in (("link", "set", "card1", "nomaster"), ("link", "delete", "card1")):
        cable.host.ip("link", "set", "card1", "master", "hbr")
        eventually(forwards, 5, "what notices a loop passes")
        cable.host.ip(*leave)
        eventually(lambda: not forwards(), 5, f"after {leave} it does not")


# MARK: links that come back


@pytest.mark.parametrize("ending", ["granted", "refused", "given up", "given up, adopted"])
def test_SEC_54_a_link_that_comes_back_after_a_restart(cable, ending):
    """SEC-54 A link was in a container when evbd was started again, and comes back under another name: it is set up, cut or deleted as its VSI has it."""
    bridge = cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    vsi, inside = str(uuid.uuid4()), cable.lab.namespace("guest")
    is_adopted = ending.endswith("adopted")
    if is_adopted:
        macvtap(cable, "vm0", "address", GUEST)
    evbd.associate(vsi, *(() if is_adopted else ("--link", "vm0")))
    cable.host.ip("link", "set", "vm0", "netns", inside.name, "name", "inside0")
    inside.ip("link", "set", "inside0", "up")
    eventually(lambda: "in another network namespace" in evbd.process.output(), 5, "it has gone")
    stored = lambda: [vsi["isLinkElsewhere"] for vsi in evbd.stored()] == [True]
    eventually(stored, 5, "which is stored")
    evbd.terminate()
    if ending == "refused":
        bridge.answer = lambda request: request.answered(2)
    evbd.start()
    evbd.wait_for_state(vsi, "deassociated" if ending == "refused" else "associated")
    if ending.startswith("given up"):
        evbd.ctl("vsi", "deassociate", vsi)
        news(cable)
        always(lambda: closed(cable) == {GUEST}, 3, "its address stays closed")
    inside.ip("link", "set", "inside0", "netns", cable.host.name, "name", "back0")
    if ending == "given up":
        eventually(lambda: "back0" not in cable.host.links(), 5, "evbd has made it, so it goes")
        eventually(lambda: not closed(cable), 6, "nothing is left of it")
        return
    if is_adopted:
        # Its maker's: it stays, closed.
        cable.host.ip("link", "set", "back0", "up")
        news(cable)
        always(lambda: closed(cable) == {GUEST} and "back0" in cable.host.links(), 4, "it stays closed")
        cable.host.ip("link", "delete", "back0")
        eventually(lambda: not closed(cable), 6, "nothing is left of it")
        return
    eventually(lambda: "is back" in evbd.process.output(), 5, "it is noticed")
    if ending == "granted":
        eventually(lambda: cable.host.is_up("back0"), 5, "it is set up")
        assert evbd.vsi(vsi)["link"]["name"] == "back0"
        eventually(lambda: not stored(), 5, "which is stored")
    else:
        cable.host.ip("link", "set", "back0", "up")
        eventually(lambda: not cable.host.is_up("back0"), 5, "it is set down")
    evbd.ctl("vsi", "deassociate", vsi)
    eventually(lambda: "back0" not in cable.host.links(), 5, "evbd has made it, so it goes")


def test_SEC_55_the_gate_of_a_removed_port_stays_while_a_container_is_there(cable):
    """SEC-55 A port is taken out of the configuration while a container has the address of a VSI: its gate stays until that is gone; a port that comes again goes on with it."""
    wire, _ = cable.wire(), cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    inside = Inside(cable)
    evbd.associate(str(uuid.uuid4()))
    ports = evbd.config["ports"]

    def configure(ports):
        evbd.config["ports"] = ports
        evbd.write_config()
        evbd.process.signal(signal.SIGHUP)

    def is_closed():
        wire.clear()
        inside.send(spoofed(GUEST))
        return closed(cable) == {GUEST} and "port-" in ruleset(cable) and not wire.received(lambda f: f.octets == spoofed(GUEST))
    configure([{"role": "station", "interface": "elsewhere0"}])
    eventually(lambda: "its guest filter stays" in evbd.process.output(), 10, "it says so")
    always(is_closed, 3, "the gate is there")
    configure(ports)
    evbd.wait_for_bridge()
    always(is_closed, 3, "and at the port that comes again")
    configure([{"role": "station", "interface": "elsewhere0"}])
    eventually(lambda: evbd.port() is None, 5, "the port was removed")
    news(cable)
    always(is_closed, 3, "the gate is there")
    inside.namespace.ip("link", "delete", "eth0")
    eventually(lambda: "device" not in ruleset(cable) and "closed-" not in ruleset(cable), 40, "the rules are gone")
