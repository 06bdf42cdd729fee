"""The host's own IP stays off the links that evbd makes for machines."""

import json
import struct
import uuid

import pytest

from lab import Wire, eventually
from lab.codec import ethernet, mac
from lab.system import run
from test_guest_filter import GUEST, ruleset

ROUTER, ALL_NODES = "02:00:00:00:cc:01", "33:33:00:00:00:01"
IPV6, ARP = 0x86DD, 0x0806
# The group of links that evbd deletes together: Documentation/links.md.
LEAVING = "4544067"


def checksum(octets):
    total = sum(struct.unpack(f"!{len(octets) // 2}H", octets))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def router_advertisement():
    """A default route and the prefix 2001:db8:1::/64 for addresses that hosts give themselves (RFC 4861)."""
    source, group = bytes.fromhex("fe80000000000000000000fffe00cc01"), bytes.fromhex("ff02000000000000000000000000000" + "1")
    prefix = bytes([3, 4, 64, 0xC0]) + struct.pack("!III", 86400, 14400, 0) + bytes.fromhex("20010db8000100000000000000000000")
    body = bytes([134, 0, 0, 0, 64, 0]) + struct.pack("!HII", 1800, 0, 0) + prefix
    pseudo = source + group + struct.pack("!IBBBB", len(body), 0, 0, 0, 58)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return ethernet(ROUTER, IPV6, struct.pack("!IHBB", 6 << 28, len(body), 58, 255) + source + group + body, mac(ALL_NODES))


def arp_request(target):
    sender = mac(ROUTER) + bytes([192, 0, 2, 99])
    return ethernet(ROUTER, ARP, struct.pack("!HHBBH", 1, 0x0800, 6, 4, 1) + sender + bytes(6) + bytes(target), b"\xff" * 6)


def addresses(namespace, name):
    found = json.loads(namespace.ip("-6", "-j", "addr", "show", "dev", name).stdout or "[]")
    return [info["local"] for link in found if link for info in link.get("addr_info", [])]


def routes(namespace):
    return [route for route in json.loads(namespace.ip("-6", "-j", "route", "show").stdout or "[]")]


@pytest.mark.parametrize("kind", ["macvtap", "macvlan"])
def test_SEC_111_the_host_has_no_ip_on_a_machines_link(cable, kind):
    """SEC-111 No address of its own making, none by a router advertisement, no route, no answer to ARP, and no frame from the machine's address."""
    cable.scripted_bridge()
    wire = cable.wire()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    cable.host.ip("addr", "add", "192.0.2.7/24", "dev", "uplink0")
    evbd.associate(str(uuid.uuid4()), "--link", "vm0", "--link-kind", kind, mac=GUEST)
    # The host takes these on its own link, so that it would have done so on the machine's by then.
    eventually(lambda: wire.send(router_advertisement()) or any(a.startswith("2001:db8:1:") for a in addresses(cable.host, "uplink0")), 10,
               "the host has an address on its own link", every=0.2)
    wire.send(arp_request([192, 0, 2, 7]))
    eventually(lambda: wire.received(lambda f: f.ethertype == ARP and f.source == mac(cable.host.mac("uplink0"))), 5, "the host answers on its own link")
    assert addresses(cable.host, "vm0") == []
    assert not [route for route in routes(cable.host) if route.get("dev") == "vm0"]
    assert not [f.octets.hex() for f in wire.received(lambda f: f.source == mac(GUEST))]
    # All of that again after the rules were flushed and are back.
    run(*cable.host.command("nft", "flush", "ruleset"))
    eventually(lambda: ruleset(cable).count("host-in") == 2, 5, "the rules are back")


def test_SEC_112_a_container_has_its_ipv6(cable):
    """SEC-112 A link that is given to a container has its IPv6 there: a link-local address, and one by the router's advertisement."""
    cable.scripted_bridge()
    wire = cable.wire()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    evbd.associate(str(uuid.uuid4()), "--link", "vm0", "--link-kind", "macvlan", mac=GUEST)
    inside = cable.lab.namespace("guest")
    cable.host.ip("link", "set", "vm0", "netns", inside.name, "name", "eth0")
    inside.ip("link", "set", "eth0", "up")
    eventually(lambda: "fe80::5054:ff:fe11:2233" in addresses(inside, "eth0"), 5, "it has a link-local address")
    eventually(lambda: wire.send(router_advertisement()) or any(a.startswith("2001:db8:1:") for a in addresses(inside, "eth0")), 10,
               "and the network's", every=0.2)
    assert any(route.get("dev") == "eth0" and route["dst"] == "default" for route in routes(inside))


def test_SEC_113_also_without_the_guest_filter_and_after_a_restart(cable):
    """SEC-113 guest-filter: false changes nothing about it, and nor does a restart; with the last link and a restart the rules go."""
    cable.scripted_bridge()
    wire = cable.wire()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False, "guest-filter": False}]).wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    # As an evbd that knew nothing of this has made it.
    cable.host.ip("link", "set", "vm0", "group", "default")
    eventually(lambda: cable.host.link("vm0")["group"] != "default", 5, "it is put right")
    evbd.process.kill()
    evbd.start()
    evbd.wait_for_bridge()
    evbd.wait_for_state(vsi, "associated")
    eventually(lambda: wire.send(router_advertisement()) or any(a.startswith("2001:db8:1:") for a in addresses(cable.host, "uplink0")), 10,
               "the host has an address on its own link", every=0.2)
    assert addresses(cable.host, "vm0") == []
    evbd.ctl("vsi", "deassociate", vsi)
    evbd.terminate()
    evbd.start()
    eventually(lambda: "host-in" not in ruleset(cable), 5, "nothing is left")


def test_SPD_144_a_kill_while_links_are_deleted_together(cable):
    """SPD-144 A link that a killed evbd has put into the group of those to be deleted is kept from the host, and its VSI's as before."""
    cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    index, group = cable.host.link("vm0")["ifindex"], cable.host.link("vm0")["group"]
    assert ruleset(cable).count("iifgroup") == ruleset(cable).count("oifgroup") == 4, "both groups, for IP and ARP"
    evbd.process.kill()
    cable.host.ip("link", "set", "vm0", "group", LEAVING)
    evbd.start()
    evbd.wait_for_bridge()
    evbd.wait_for_state(vsi, "associated")
    eventually(lambda: cable.host.link("vm0")["group"] == group and cable.host.is_up("vm0"), 5, "it is a VSI's link again")
    assert cable.host.link("vm0")["ifindex"] == index
    evbd.ctl("vsi", "deassociate", vsi)
    assert cable.host.link("vm0") is None


def test_SPD_145_many_links_are_deleted_at_once(cable):
    """SPD-145 Deleted are evbd's links, all of them and soon; other links on the port stay, in whichever group they are."""
    cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "announce": False}]).wait_for_bridge()
    for name, group in (("libvirt0", "default"), ("tenant0", "4544066")):
        cable.host.ip("link", "add", "link", "uplink0", "name", name, "group", group, "type", "macvtap", "mode", "vepa")
    vsis = {str(uuid.uuid4()): f"52:54:00:00:01:{number:02x}" for number in range(40)}
    for number, (vsi, address) in enumerate(vsis.items()):
        evbd.associate(vsi, "--link", f"vm{number}", mac=address)
    links = lambda: {link["ifname"] for link in json.loads(cable.host.ip("-j", "link", "show", "type", "macvtap").stdout)}
    assert len(links()) == 42
    # None waits for its own: all are in the queue together.
    evbd.ctl("vsi", "deassociate", "--no-wait", *vsis)
    eventually(lambda: links() == {"libvirt0", "tenant0"}, 20, "the others stay")
    eventually(lambda: not evbd.vsis(), 5, "evbd knows none of them")
    evbd.terminate()
    said = evbd.process.output()
    assert "delete link 40+0" in said, said[-2000:]
