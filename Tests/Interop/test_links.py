"""The links of VSIs: their modes, who makes them, and what becomes of them when somebody else has a hand in it."""

import signal
import uuid

import pytest

from lab import eventually
from lab.codec import ETHERTYPE_ECP, EVB, ethernet, mac
from lab.evbd import USAGE
from lab.netlink import ASSOCIATE, DISASSOCIATE
from lab.system import always, run
from lab.tap import Tap
from lab.varlink import Events

GUEST, OTHER_GUEST, THIRD_GUEST = "52:54:00:11:22:33", "52:54:00:11:22:44", "52:54:00:11:22:55"
REFLECTING = EVB(rrcap=True, rrctr=True, bgid=True, rte=10, rwd=17, rka=18)
NOT_REFLECTING = EVB(rrcap=True, rrctr=False, bgid=True, rte=10, rwd=17, rka=18)


def new_vsi():
    return str(uuid.uuid4())


def mode(namespace, name):
    link = namespace.link(name)
    return link and link["linkinfo"]["info_data"]["mode"]


def is_up(namespace, name):
    return namespace.is_up(name)


def reload(evbd, **changes):
    before = evbd.process.output().count("configuration read again")
    evbd.config["ports"][0].update(changes)
    evbd.write_config()
    evbd.process.signal(signal.SIGHUP)
    eventually(lambda: evbd.process.output().count("configuration read again") > before, 5, "evbd has read it")


def station(cable, **settings):
    return cable.evbd(ports=[{"interface": "uplink0", **settings}]).wait_for_bridge()


def relay(evbd, status):
    eventually(lambda: evbd.port()["reflectiveRelay"]["status"] == status, 10, f"reflective relay is {status}: {evbd.port()}")


def becomes(check, what, seconds=5):
    return eventually(check, seconds, what, every=0.02)


# MARK: the edge relay's mode


def test_ARC_06_fallback_bridge_follows_the_bridge_live(cable):
    """ARC-06 fallback: bridge: vepa while reflective relay is granted and bridge while it is not, with links that are there already."""
    bridge = cable.scripted_bridge(evb=REFLECTING)
    evbd = station(cable, fallback="bridge")
    relay(evbd, "granted")
    evbd.associate(new_vsi(), "--link", "vm0", mac=GUEST)
    evbd.associate(new_vsi(), "--link", "vm1", "--link-kind", "macvlan", "--link-mode", "private", mac=OTHER_GUEST)
    assert mode(cable.host, "vm0") == "vepa" and mode(cable.host, "vm1") == "private"
    bridge.evb = NOT_REFLECTING
    becomes(lambda: mode(cable.host, "vm0") == "bridge", "the link has followed")
    assert is_up(cable.host, "vm0")
    bridge.evb = REFLECTING
    becomes(lambda: mode(cable.host, "vm0") == "vepa", "and back")
    assert mode(cable.host, "vm1") == "private", "one with a mode of its own follows nothing"
    assert evbd.vsis()[list(evbd.vsis())[0]]["link"]["mode"] in ("vepa", "private")


def test_ARC_06_the_default_never_goes_by_the_switch(cable):
    """ARC-06 ARC-04 fallback: vepa: whatever the bridge says, no link is ever in mode bridge, and all are up."""
    bridge = cable.scripted_bridge(evb=NOT_REFLECTING)
    evbd = station(cable)
    relay(evbd, "refused")
    evbd.associate(new_vsi(), "--link", "vm0", mac=GUEST)
    assert mode(cable.host, "vm0") == "vepa" and is_up(cable.host, "vm0")
    bridge.evb = REFLECTING
    relay(evbd, "granted")
    bridge.evb = NOT_REFLECTING
    relay(evbd, "refused")
    always(lambda: mode(cable.host, "vm0") == "vepa" and is_up(cable.host, "vm0"), 0.5, "it stays")


def test_ARC_06_fallback_hold_keeps_links_down(cable):
    """ARC-06 fallback: hold: associated and down while nothing is reflected; up with the grant, down with its end; a mode of its own goes free."""
    bridge = cable.scripted_bridge(evb=NOT_REFLECTING)
    evbd = station(cable, fallback="hold")
    relay(evbd, "refused")
    vsi = new_vsi()
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    evbd.associate(new_vsi(), "--link", "vm1", "--link-mode", "vepa", mac=OTHER_GUEST)
    assert evbd.state(vsi) == "associated"
    assert mode(cable.host, "vm0") == "vepa" and not is_up(cable.host, "vm0") and is_up(cable.host, "vm1")
    # Whoever sets it up meanwhile, as libvirt does with its own, does not get around it.
    cable.host.ip("link", "set", "vm0", "up")
    becomes(lambda: not is_up(cable.host, "vm0"), "it is held again")
    bridge.evb = REFLECTING
    becomes(lambda: is_up(cable.host, "vm0"), "granted: up")
    bridge.evb = NOT_REFLECTING
    becomes(lambda: not is_up(cable.host, "vm0"), "taken back: down")
    reload(evbd, fallback="vepa")
    becomes(lambda: is_up(cable.host, "vm0"), "SIGHUP ends it")
    reload(evbd, fallback="hold")
    becomes(lambda: not is_up(cable.host, "vm0"), "and begins it")
    assert evbd.state(vsi) == "associated"


@pytest.mark.parametrize("kind", ["macvtap", "macvlan"])
@pytest.mark.parametrize("wanted", ["vepa", "bridge", "private", "passthru"])
def test_ARC_06_every_kind_and_mode(cable, kind, wanted):
    """ARC-06 A link of each kind in each mode, with its MAC address and MTU, up; and gone with its VSI."""
    cable.scripted_bridge()
    evbd, vsi = station(cable), new_vsi()
    evbd.associate(vsi, "--link", "vm0", "--link-kind", kind, "--link-mode", wanted, "--link-mtu", "1400", mac=GUEST)
    link = cable.host.link("vm0")
    # In passthru the kernel gives a link the address of the port, and the port that of the link: evbd leaves the port its own.
    address = cable.host.mac("uplink0") if wanted == "passthru" else GUEST
    assert (link["linkinfo"]["info_kind"], mode(cable.host, "vm0"), link["address"], link["mtu"]) == (kind, wanted, address, 1400)
    assert is_up(cable.host, "vm0") and link["link"] == "uplink0" and link["ifalias"] == f"evbd {vsi}"
    assert evbd.vsi(vsi)["link"] == {"name": "vm0", "kind": kind, "mode": wanted}
    assert evbd.ctl("vsi", "deassociate", vsi).returncode == 0 and cable.host.link("vm0") is None


def test_ARC_06_a_macvlan_in_source_mode(cable):
    """ARC-06 Source mode with its list; without one, or with a macvtap, it is refused before anything is asked."""
    cable.scripted_bridge()
    evbd, vsi = station(cable), new_vsi()
    evbd.associate(vsi, "--link", "vm0", "--link-kind", "macvlan", "--link-mode", "source",
                   "--link-source", OTHER_GUEST, "--link-source", THIRD_GUEST.upper(), mac=GUEST)
    data = cable.host.link("vm0")["linkinfo"]["info_data"]
    assert data["mode"] == "source" and sorted(data.get("macaddr_data", [])) == [OTHER_GUEST, THIRD_GUEST]
    for words in (["--link-mode", "source"], ["--link-kind", "macvlan", "--link-mode", "source"],
                  ["--link-source", OTHER_GUEST], ["--link-mtu", "67"]):
        assert evbd.ctl("vsi", "associate", new_vsi(), "--port", "uplink0", "--type", "1", "--filter", f"mac={THIRD_GUEST}",
                        "--link", "vm1", *words).returncode == USAGE


# MARK: the gate


def test_gate_down_cuts_and_gate_none_does_not(cable):
    """gate: down: without its bridge a VSI's link is down, up again with it; gate: none leaves it up, and SIGHUP changes it."""
    bridge = cable.scripted_bridge()
    evbd, vsi = station(cable), new_vsi()
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    bridge.stop(goodbye=True)
    becomes(lambda: not is_up(cable.host, "vm0"), "cut")
    bridge = cable.scripted_bridge()
    becomes(lambda: is_up(cable.host, "vm0"), "up again", 15)
    reload(evbd, gate="none")
    bridge.stop(goodbye=True)
    evbd.wait_for_state(vsi, "deassociated")
    always(lambda: is_up(cable.host, "vm0"), 0.5, "it is left alone")
    reload(evbd, gate="down")
    becomes(lambda: not is_up(cable.host, "vm0"), "a VSI that is not associated has no traffic any more")


# MARK: links of others


def adopt_by_libvirt(cable, evbd, name="macvtap0", mac=GUEST, kind_mode=("macvtap", "vepa"), parent="uplink0", **profile):
    """What libvirt does: makes the link, asks, waits for success, sets it up."""
    vsi = new_vsi()
    cable.host.ip("link", "add", "link", parent, "name", name, "address", mac, "type", kind_mode[0], "mode", kind_mode[1])
    client = evbd.libvirt()
    assert client.request(mac, vsi, ASSOCIATE, **profile)
    cable.host.ip("link", "set", name, "up")
    return vsi, client


def test_ARC_06_libvirts_link_is_adopted_and_never_deleted(cable):
    """ARC-06 VDP-41 libvirt's macvtap is found by its MAC address, gated and put in the edge relay's mode; when libvirt lets go it stays."""
    bridge = cable.scripted_bridge()
    evbd = station(cable)
    relay(evbd, "granted")
    vsi, client = adopt_by_libvirt(cable, evbd, kind_mode=("macvtap", "bridge"))
    assert evbd.vsi(vsi)["link"] == {"name": "macvtap0", "kind": "macvtap", "mode": "vepa"}
    assert mode(cable.host, "macvtap0") == "vepa", "mode bridge would have gone by the switch"
    reload(evbd, **{"edge-relay": "veb"})
    becomes(lambda: mode(cable.host, "macvtap0") == "bridge", "it follows")
    reload(evbd, **{"edge-relay": "vepa"})
    becomes(lambda: mode(cable.host, "macvtap0") == "vepa", "both ways")
    # The bridge takes it back: cut, and libvirt, which is told, brings it back.
    asked = next(item for item in bridge.commands() if item.uuid == vsi)
    assert bridge.deassociate(asked, bytes(16))
    becomes(lambda: not is_up(cable.host, "macvtap0"), "cut")
    assert client.event(5)
    assert client.request(GUEST, vsi, ASSOCIATE)
    becomes(lambda: is_up(cable.host, "macvtap0"), "up with the new association")
    assert client.request(GUEST, vsi, DISASSOCIATE)
    becomes(lambda: evbd.vsi(vsi) is None, "forgotten")
    link = cable.host.link("macvtap0")
    assert link is not None and not is_up(cable.host, "macvtap0"), "not evbd's to delete; and not associated"
    assert 'device "macvtap0"' in run(*cable.host.command("nft", "list", "ruleset")).stdout, "filtered while it is there"


def test_an_adopted_link_is_its_makers_to_set_down(cable):
    """libvirt sets a macvtap down while its machine is paused or moves. Only what evbd has cut comes up by evbd."""
    bridge = cable.scripted_bridge()
    evbd = station(cable)
    vsi, client = adopt_by_libvirt(cable, evbd, kind_mode=("macvtap", "vepa"))
    for _ in range(7):
        cable.host.ip("link", "set", "macvtap0", "down")
        always(lambda: not is_up(cable.host, "macvtap0"), 0.1, "it stays")
        cable.host.ip("link", "set", "macvtap0", "up")
    # The same with a new association, and by its own hand it comes up.
    cable.host.ip("link", "set", "macvtap0", "down")
    assert client.request(GUEST, vsi, ASSOCIATE)
    always(lambda: not is_up(cable.host, "macvtap0"), 0.3, "nothing was cut")
    cable.host.ip("link", "set", "macvtap0", "up")
    # Up where nothing is associated: cut, and up with the association.
    bridge.stop(goodbye=True)
    becomes(lambda: not is_up(cable.host, "macvtap0"), "cut")
    cable.host.ip("link", "set", "macvtap0", "up")
    becomes(lambda: not is_up(cable.host, "macvtap0"), "cut again")


def test_a_private_link_of_libvirts_keeps_its_mode(cable):
    """Modes private and passthru have another purpose than relaying: they stay as libvirt's user wanted them."""
    cable.scripted_bridge()
    evbd = station(cable)
    vsi, _ = adopt_by_libvirt(cable, evbd, kind_mode=("macvtap", "private"))
    reload(evbd, **{"edge-relay": "veb"})
    always(lambda: mode(cable.host, "macvtap0") == "private", 0.5, "it stays")
    assert evbd.vsi(vsi)["link"]["mode"] == "private"


def test_a_link_that_comes_after_the_association_is_adopted(cable):
    """A VSI without --link: whoever makes a link with its address on the port later has it cared for."""
    bridge = cable.scripted_bridge()
    evbd, vsi = station(cable), new_vsi()
    evbd.associate(vsi, mac=GUEST)
    assert evbd.vsi(vsi)["link"] is None
    cable.host.ip("link", "add", "link", "uplink0", "name", "mine", "address", OTHER_GUEST, "type", "macvlan", "mode", "vepa")
    cable.host.ip("link", "add", "link", "uplink0", "name", "yours", "address", GUEST, "type", "macvtap", "mode", "vepa")
    becomes(lambda: (evbd.vsi(vsi)["link"] or {}).get("name") == "yours", "adopted")
    becomes(lambda: is_up(cable.host, "yours"), "and up")
    assert not is_up(cable.host, "mine")
    bridge.stop(goodbye=True)
    becomes(lambda: not is_up(cable.host, "yours"), "cut")
    evbd.ctl("vsi", "deassociate", vsi, "--no-wait")
    becomes(lambda: evbd.vsi(vsi) is None, "forgotten")
    assert cable.host.link("yours") is not None


# MARK: somebody else's hands


def notices(events, text):
    return [event for _, event in events.seen if text in event["message"]]


def test_a_name_that_is_taken(cable):
    """A link of that name is refused before the bridge is asked, with what to do; one that comes in between fails the VSI, which is released."""
    bridge = cable.scripted_bridge()
    evbd, vsi = station(cable), new_vsi()
    cable.host.ip("link", "add", "link", "uplink0", "name", "vm0", "type", "macvtap", "mode", "vepa")
    asked = ["vsi", "associate", vsi, "--port", "uplink0", "--type", "1", "--filter", f"mac={GUEST}", "--link", "vm0"]
    refused = evbd.ctl(*asked)
    assert refused.returncode == USAGE and "choose another name" in refused.stderr and not bridge.commands()
    cable.host.ip("link", "delete", "vm0")
    bridge.held.set()
    assert evbd.ctl(*asked, "--no-wait").returncode == 0
    eventually(lambda: bridge.commands(), 5, "asked")
    cable.host.ip("link", "add", "link", "uplink0", "name", "vm0", "type", "macvtap", "mode", "vepa")
    events = Events(cable.lab, evbd.socket)
    bridge.held.clear()
    eventually(lambda: evbd.vsi(vsi) is None, 10, "given back to the bridge")
    eventually(lambda: notices(events, "create macvtap vm0 on uplink0"), 5, "the event")
    assert cable.host.link("vm0").get("ifalias") is None


def test_a_link_that_somebody_deletes_is_made_anew(cable):
    """It comes back, with a word; when it is deleted again and again evbd says so and stops."""
    cable.scripted_bridge()
    evbd, vsi = station(cable), new_vsi()
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    events = Events(cable.lab, evbd.socket)
    for count in range(1, 6):
        index = cable.host.index("vm0")
        cable.host.ip("link", "delete", "vm0")
        becomes(lambda: cable.host.link("vm0") and cable.host.index("vm0") != index and is_up(cable.host, "vm0"), f"made anew, {count}")
        becomes(lambda: len(notices(events, "another process deleted its link vm0")) == count, "told")
        assert mode(cable.host, "vm0") == "vepa" and cable.host.mac("vm0") == GUEST
    cable.host.ip("link", "delete", "vm0")
    becomes(lambda: notices(events, "another process keeps deleting its link vm0"), "told that this is the end of it")
    always(lambda: cable.host.link("vm0") is None, 0.5, "and it is")
    assert evbd.vsi(vsi)["link"] is None
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    assert is_up(cable.host, "vm0")


def test_a_link_that_somebody_changes_is_set_right(cable):
    """Mode and down are put right; a rename is followed, and the VSI's end deletes the link under its new name."""
    cable.scripted_bridge()
    evbd, vsi = station(cable), new_vsi()
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    events = Events(cable.lab, evbd.socket)
    cable.host.ip("link", "set", "vm0", "type", "macvtap", "mode", "bridge")
    becomes(lambda: mode(cable.host, "vm0") == "vepa", "the mode is put right")
    cable.host.ip("link", "set", "vm0", "down")
    becomes(lambda: is_up(cable.host, "vm0"), "it is up again")
    cable.host.ip("link", "set", "vm0", "down", "name", "vm9")
    becomes(lambda: notices(events, "renamed its link vm0 to vm9"), "told")
    becomes(lambda: is_up(cable.host, "vm9"), "and cared for")
    assert evbd.vsi(vsi)["link"]["name"] == "vm9"
    assert 'device "vm9"' in run(*cable.host.command("nft", "list", "ruleset")).stdout
    assert evbd.ctl("vsi", "deassociate", vsi).returncode == 0
    assert cable.host.link("vm9") is None and cable.host.link("vm0") is None


def test_a_fight_ends(cable):
    """Somebody who sets the link down each time wins after five rounds, and is reported."""
    cable.scripted_bridge()
    evbd = station(cable)
    evbd.associate(new_vsi(), "--link", "vm0", mac=GUEST)
    events = Events(cable.lab, evbd.socket)
    for _ in range(5):
        becomes(lambda: is_up(cable.host, "vm0"), "up again")
        cable.host.ip("link", "set", "vm0", "down")
    becomes(lambda: is_up(cable.host, "vm0"), "up again")
    cable.host.ip("link", "set", "vm0", "down")
    becomes(lambda: notices(events, "another process keeps changing its link vm0"), "told")
    always(lambda: not is_up(cable.host, "vm0"), 0.5, "left as it is")


def test_a_port_that_vanishes_and_comes_back(cable):
    """Its links go with it; when it is back and the bridge has granted the VSI again, so are they."""
    bridge = cable.scripted_bridge()
    evbd, vsi = station(cable), new_vsi()
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    bridge.stop()
    cable.host.ip("link", "delete", "uplink0")
    evbd.wait_for_state(vsi, "deassociated")
    assert cable.host.link("vm0") is None and evbd.vsi(vsi)["link"] is None
    cable.lab.veth(cable.host, "uplink0", "02:00:00:00:aa:01", cable.switch, "port0", "02:00:00:00:bb:01")
    cable.scripted_bridge()
    evbd.wait_for_state(vsi, "associated", 30)
    becomes(lambda: is_up(cable.host, "vm0") and cable.host.mac("vm0") == GUEST, "the link is back")
    assert "another process deleted" not in evbd.process.output()


def test_after_a_restart_only_a_link_that_fits_is_taken_over(cable):
    """The alias tells whose a link is; kind, address and parent have to be what is asked for, or it is made anew. The mode is set."""
    cable.scripted_bridge()
    evbd, vsi, other = station(cable), new_vsi(), new_vsi()
    evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    evbd.associate(other, "--link", "vm1", mac=OTHER_GUEST)
    index, other_index = cable.host.index("vm0"), cable.host.index("vm1")
    alias = cable.host.link("vm1")["ifalias"]
    evbd.process.kill()
    cable.host.ip("link", "set", "vm0", "type", "macvtap", "mode", "bridge")
    cable.host.ip("link", "delete", "vm1")
    cable.host.ip("link", "add", "vm1", "link", "uplink0", "address", OTHER_GUEST, "type", "macvlan", "mode", "vepa")
    cable.host.ip("link", "set", "vm1", "alias", alias)
    foreign_index = cable.host.index("vm1")
    evbd.start()
    becomes(lambda: mode(cable.host, "vm0") == "vepa", "the mode of the edge relay", 10)
    assert cable.host.index("vm0") == index, "taken over"
    becomes(lambda: (link := cable.host.link("vm1")) and link["linkinfo"]["info_kind"] == "macvtap" and "UP" in link["flags"], "made anew", 10)
    assert cable.host.index("vm1") not in (other_index, foreign_index)
    evbd.process.kill()
    cable.host.ip("link", "set", "vm0", "down", "address", THIRD_GUEST)
    evbd.start()
    becomes(lambda: (link := cable.host.link("vm0")) and link["address"] == GUEST and "UP" in link["flags"], "made anew", 10)
    assert cable.host.index("vm0") != index and evbd.state(vsi) == evbd.state(other) == "associated"


def test_ARC_06_many_links_follow_at_once(cable):
    """ARC-06 A hundred links change their mode and back, and each association was quick enough for libvirt."""
    cable.lldpad_bridge()
    evbd = station(cable)
    for number in range(100):
        evbd.associate(new_vsi(), "--link", f"vm{number}", "--no-wait", mac=f"52:54:00:22:00:{number:02x}")
    eventually(lambda: evbd.port()["vsis"]["associated"] == 100, 20, "all are associated")
    links = lambda: [link for link in cable.host.links().values() if link["ifname"].startswith("vm")]  # noqa: E731
    becomes(lambda: len(links()) == 100 and all("UP" in link["flags"] for link in links()), "all are up", 10)
    for kind, wanted in (("veb", "bridge"), ("vepa", "vepa")):
        reload(evbd, **{"edge-relay": kind})
        becomes(lambda: all(link["linkinfo"]["info_data"]["mode"] == wanted for link in links()), f"all are in mode {wanted}", 10)


def test_a_port_without_virtual_functions(cable):
    """--link vf:3 where the card has none: said before the bridge is asked, with what to do; and it has no kind and no mode."""
    bridge = cable.scripted_bridge()
    evbd = station(cable)
    for words, text in ((["--link", "vf:3"], "uplink0 has no virtual functions"), (["--link", "vf:3", "--link-mode", "vepa"], "takes no kind, mode")):
        said = evbd.ctl("vsi", "associate", new_vsi(), "--port", "uplink0", "--type", "1", "--filter", f"mac={GUEST}", *words)
        assert said.returncode == USAGE and text in said.stderr, said.stderr
    assert not bridge.commands()


# MARK: a VEB in a Linux bridge


@pytest.fixture
def veb(cable):
    """The uplink is a port of a Linux bridge on the host, with one tap in it."""
    cable.host.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0", "forward_delay", "200")
    cable.host.ip("link", "set", "br0", "up")
    cable.host.ip("link", "set", "uplink0", "master", "br0")
    return Tap(cable.lab, cable.host, "tap0", "fe:54:00:11:22:33", "br0")


def test_ARC_03_TLV_07_a_veb_in_a_linux_bridge(cable, veb):
    """ARC-03 ARC-06 ARC-09 TLV-07 edge-relay: veb: EVB, ECP and VDP work on a bridge's port, reflective relay is not asked for, the tap of the
    VSI's address is found, gated and filtered, and never deleted; local frames stay in the host."""
    bridge, wire = cable.scripted_bridge(), cable.wire()
    evbd, vsi, other = station(cable, **{"edge-relay": "veb"}), new_vsi(), new_vsi()
    assert evbd.port()["reflectiveRelay"]["requested"] is False
    assert not is_up(cable.host, "tap0")
    evbd.associate(vsi, mac=GUEST)
    assert [item.uuid for item in bridge.commands()][0] == vsi
    assert evbd.vsi(vsi)["link"]["name"] == "tap0" and is_up(cable.host, "tap0")
    assert all(frame.lldp.evb.rrreq is False for frame in wire.received(lambda frame: frame.lldp and frame.lldp.evb))

    # A tap whose address tells nothing is named.
    second = Tap(cable.lab, cable.host, "tap1", "02:00:00:00:00:77", "br0")
    evbd.associate(other, "--link", "tap1", mac=OTHER_GUEST)
    assert evbd.vsi(other)["link"]["name"] == "tap1" and is_up(cable.host, "tap1")
    for port in ("uplink0", "tap0", "tap1"):
        becomes(lambda: "forwarding" in run(*cable.host.command("bridge", "link", "show", "dev", port)).stdout, f"{port} forwards", 15)

    def frame(destination, source, text):
        return mac(destination) + mac(source) + b"\x88\xb5" + text.ljust(60, b"\0")
    said = frame("ff:ff:ff:ff:ff:ff", OTHER_GUEST, b"here I am")
    becomes(lambda: second.send(said) or wire.received(lambda f: f.octets == said), "it is out on the wire, and the bridge knows its place", 15)
    wire.clear()
    local, forged = frame(OTHER_GUEST, GUEST, b"among us"), ethernet(GUEST, ETHERTYPE_ECP, bytes(60))
    second.received()
    veb.send(forged)
    veb.send(local)
    becomes(lambda: local in second.received(), "the neighbour hears it")
    out = frame("ff:ff:ff:ff:ff:ff", GUEST, b"to the world")
    veb.send(out)
    becomes(lambda: wire.received(lambda f: f.octets == out), "what is for all gets out")
    assert not wire.received(lambda f: f.octets in (local, forged)), "local frames stay local, and ECP stays in the guest"
    # From the uplink nothing goes back to it.
    wire.clear()
    wire.send(frame("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:99", b"from outside"))
    becomes(lambda: [octets for octets in second.received() if b"from outside" in octets], "it is let in")
    assert not wire.received(lambda f: b"from outside" in f.octets)

    bridge.stop(goodbye=True)
    becomes(lambda: not is_up(cable.host, "tap0") and not is_up(cable.host, "tap1"), "cut with the bridge")
    for each in (vsi, other):
        evbd.ctl("vsi", "deassociate", each, "--no-wait")
    becomes(lambda: not evbd.vsis(), "forgotten")
    assert cable.host.link("tap0") and cable.host.link("tap1")


def test_a_link_that_cannot_be_where_the_port_is_in_a_bridge(cable, veb):
    """No macvtap can be made there: said before the bridge is asked, with what to do."""
    bridge = cable.scripted_bridge()
    evbd = station(cable, **{"edge-relay": "veb"})
    for words, text in ((["--link", "vm0", "--link-kind", "macvtap"], "name a tap that is in the bridge"),
                        (["--link", "vm0"], "there is no link vm0"), (["--link", "lo"], "put it there")):
        said = evbd.ctl("vsi", "associate", new_vsi(), "--port", "uplink0", "--type", "1", "--filter", f"mac={GUEST}", *words)
        assert said.returncode == USAGE and text in said.stderr, said.stderr
    assert not bridge.commands()
