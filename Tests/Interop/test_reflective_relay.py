"""The hairpin flag of a Linux bridge's port follows what station and bridge have negotiated, and is given back as it was."""

import signal
import uuid

import pytest

from lab import eventually
from lab.codec import EVB, ETHERTYPE_LLDP, LLDPDU, ethernet, mac
from lab.switch import Switch
from lab.system import always
from lab.varlink import Events

UPLINK = "uplink0"


@pytest.fixture
def switch(cable):
    return Switch(cable.lab, cable.switch)


def becomes(switch, on, seconds=5, what=""):
    eventually(lambda: switch.hairpin() is on, seconds, f"hairpin is {on} {what}\n{switch.lab.logs()}", every=0.02)


def reload(evbd, number=0, **changes):
    evbd.config["ports"][number].update(changes)
    hang_up(evbd)


def hang_up(evbd):
    before = evbd.process.output().count("configuration read again")
    evbd.write_config()
    evbd.process.signal(signal.SIGHUP)
    eventually(lambda: evbd.process.output().count("configuration read again") > before, 5, "evbd has read it")


def relay(evbd, interface):
    return evbd.port(interface)["reflectiveRelay"]


def rrcap(bridge):
    return bridge.ctl_json("port", "show", "port0")["evbTLV"]["local"]["rrcap"]


def test_ARC_02_it_follows_what_the_station_asks_for(cable, switch):
    """ARC-02 TLV-07 TLV-08 A VEPA asks and gets it, a VEB does not ask: on, off and on again, without a restart of either side."""
    assert switch.hairpin() is False
    bridge, evbd = switch.evbd(), cable.evbd().wait_for_bridge()
    becomes(switch, True)
    eventually(lambda: relay(evbd, UPLINK) == {"requested": True, "status": "granted"}, 5, "the station is told")
    assert relay(bridge, "port0") == {"requested": True, "status": "granted"}
    reload(evbd, **{"edge-relay": "veb"})
    becomes(switch, False, what="for a VEB")
    eventually(lambda: relay(bridge, "port0") == {"requested": False, "status": "not-requested"}, 5, "the bridge shows it")
    reload(evbd, **{"edge-relay": "vepa"})
    becomes(switch, True, what="for a VEPA")


def test_not_where_the_bridge_may_not(cable, switch):
    """reflective-relay: false says so by RRCAP, and SIGHUP changes it live, both ways."""
    bridge, evbd = switch.evbd(ports=[{"interface": "port0", "reflective-relay": False}]), cable.evbd().wait_for_bridge()
    eventually(lambda: relay(evbd, UPLINK) == {"requested": True, "status": "refused"}, 5, "the station is told")
    assert switch.hairpin() is False and rrcap(bridge) is False
    reload(bridge, **{"reflective-relay": True})
    becomes(switch, True)
    assert rrcap(bridge) is True
    reload(bridge, **{"reflective-relay": False})
    becomes(switch, False)
    eventually(lambda: relay(evbd, UPLINK)["status"] == "refused", 5, "the station is told")


def test_off_when_the_link_falls(cable, switch):
    """The link falls and comes back: off, and on again by a new negotiation."""
    switch.evbd()
    cable.evbd().wait_for_bridge()
    becomes(switch, True)
    cable.host.ip("link", "set", UPLINK, "down")
    becomes(switch, False)
    cable.host.ip("link", "set", UPLINK, "up")
    becomes(switch, True)


def test_off_when_the_station_says_goodbye(cable, switch):
    """TLV-19 A shutdown LLDPDU ends it at once."""
    switch.evbd()
    evbd = cable.evbd().wait_for_bridge()
    becomes(switch, True)
    assert evbd.terminate() == 0
    becomes(switch, False)


def test_off_when_the_tlv_ages_out(cable, switch):
    """TLV-19 A station that falls silent is forgotten when its LLDPDU's time is over, and not before."""
    switch.evbd()
    wire = cable.host_wire()
    address = cable.host.mac(UPLINK)
    tlv = EVB(mode=2, rrreq=True, sgid=True, rte=10, rwd=17, rka=18)
    pdu = LLDPDU(b"\x04" + mac(address), b"\x05" + UPLINK.encode(), 3, ((127, tlv.encode()),))
    wire.send(ethernet(address, ETHERTYPE_LLDP, pdu.encode()))
    becomes(switch, True)
    always(lambda: switch.hairpin() is True, 2, "it stays for as long as the TLV holds", every=0.1)
    becomes(switch, False, what="when the TLV has aged out")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_off_when_evbd_leaves(cable, switch, number):
    """evbd ends in order: by the time that its process is gone, the flag is as it was."""
    bridge = switch.evbd()
    cable.evbd().wait_for_bridge()
    becomes(switch, True)
    bridge.process.signal(number)
    assert bridge.process.wait(10) == 0
    assert switch.hairpin() is False
    assert not list((bridge.directory / "hairpin").iterdir())


def test_what_somebody_else_has_set_stays(cable, switch):
    """A flag that was set before stays set when the station stops asking, and when evbd leaves."""
    switch.set_hairpin(True)
    bridge, evbd = switch.evbd(), cable.evbd().wait_for_bridge()
    eventually(lambda: relay(evbd, UPLINK)["status"] == "granted", 5, "granted")
    reload(evbd, **{"edge-relay": "veb"})
    eventually(lambda: relay(bridge, "port0")["requested"] is False, 5, "the bridge has heard it")
    eventually(lambda: not list((bridge.directory / "hairpin").iterdir()), 5, "nothing is left to restore")
    always(lambda: switch.hairpin() is True, 0.5, "the flag is not ours")
    reload(evbd, **{"edge-relay": "vepa"})
    eventually(lambda: relay(evbd, UPLINK)["status"] == "granted", 5, "granted again")
    assert bridge.terminate() == 0
    assert switch.hairpin() is True


@pytest.mark.parametrize("before", [False, True], ids=["was-off", "was-on"])
def test_after_a_kill_it_knows_its_own(cable, switch, before):
    """kill -9 leaves the flag set; the next evbd takes it for its own, and restores what was before the first."""
    switch.set_hairpin(before)
    bridge, evbd = switch.evbd(), cable.evbd().wait_for_bridge()
    eventually(lambda: relay(evbd, UPLINK)["status"] == "granted", 5, "granted")
    becomes(switch, True)
    assert len(list((bridge.directory / "hairpin").iterdir())) == 1
    bridge.process.kill()
    assert switch.hairpin() is True
    assert evbd.terminate() == 0       # nobody asks when the next one starts
    bridge.start()
    becomes(switch, before, what="after the restart")
    eventually(lambda: not list((bridge.directory / "hairpin").iterdir()), 5, "nothing is left to restore")
    evbd.start()
    becomes(switch, True)
    assert bridge.terminate() == 0
    assert switch.hairpin() is before


def test_after_a_kill_it_takes_back_what_is_no_port_any_more(cable, switch):
    """kill -9, and the port is gone from the configuration when evbd starts again."""
    bridge = switch.evbd()
    cable.evbd().wait_for_bridge()
    becomes(switch, True)
    bridge.process.kill()
    bridge.config["ports"] = "[]"
    bridge.write_config()
    bridge.start()
    becomes(switch, False)


def test_sighup_takes_a_port_and_gives_it_back(cable, switch):
    """The port is removed from the configuration: off, and the station loses its bridge; it is added: on."""
    bridge, evbd = switch.evbd(), cable.evbd().wait_for_bridge()
    becomes(switch, True)
    ports, bridge.config["ports"] = bridge.config["ports"], "[]"
    hang_up(bridge)
    becomes(switch, False)
    eventually(lambda: not evbd.hears_bridge(), 5, "the station has heard the goodbye")
    bridge.config["ports"] = ports
    hang_up(bridge)
    becomes(switch, True)


def test_sighup_changes_the_role(cable, switch):
    """A port becomes a station, which ends all that it was as a bridge, and a bridge again."""
    bridge, evbd = switch.evbd(), cable.evbd().wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    becomes(switch, True)
    reload(bridge, role="station")
    becomes(switch, False)
    eventually(lambda: bridge.port("port0") and bridge.port("port0")["role"] == "station", 5, "it is a station")
    evbd.wait_for_state(vsi, "deassociated")
    reload(bridge, role="bridge")
    eventually(lambda: bridge.port("port0") and bridge.port("port0")["role"] == "bridge", 5, "it is a bridge")
    becomes(switch, True)
    evbd.wait_for_state(vsi, "associated", 30)


def test_a_station_leaves_in_order_before_it_becomes_a_bridge(cable):
    """With VSIs: they are de-associated and their links gone before the bridge speaks."""
    far = Switch(cable.lab, cable.switch)
    bridge, evbd = far.evbd(), cable.evbd().wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    reload(evbd, role="bridge")
    eventually(lambda: evbd.port(UPLINK) and evbd.port(UPLINK)["role"] == "bridge", 8, "it is a bridge")
    assert cable.host.link("vm0") is None
    assert bridge.vsi(vsi) is None


def test_the_port_joins_and_leaves_a_bridge(cable):
    """Outside of a Linux bridge nothing can be reflected: not offered, said so, and followed when that changes."""
    switch = Switch(cable.lab, cable.switch, ports=())
    switch.ports = ["port0"]
    bridge = switch.evbd()
    events = Events(cable.lab, bridge.socket)
    evbd = cable.evbd().wait_for_bridge()
    eventually(lambda: relay(evbd, UPLINK) == {"requested": True, "status": "refused"}, 5, "the station is told")
    assert rrcap(bridge) is False
    assert "reflective relay is not offered: the interface is in no Linux bridge" in bridge.process.output()
    switch.join("port0")
    becomes(switch, True)
    eventually(lambda: relay(evbd, UPLINK)["status"] == "granted", 5, "the station is told")
    switch.leave("port0")
    eventually(lambda: relay(evbd, UPLINK)["status"] == "refused", 5, "the station is told")
    eventually(lambda: any("not offered" in event["message"] for _, event in events.seen), 5, "monitor tells")
    eventually(lambda: not list((bridge.directory / "hairpin").iterdir()), 5, "nothing is left to restore")
    switch.join("port0")
    becomes(switch, True)
    # Straight into another bridge: the flag of the new membership is off by itself.
    cable.switch.ip("link", "add", "br1", "type", "bridge")
    cable.switch.ip("link", "set", "br1", "up")
    cable.switch.ip("link", "set", "port0", "master", "br1")
    eventually(lambda: switch.flags()["master"] == "br1", 5, "moved")
    becomes(switch, True, what="in the other bridge")
    assert bridge.terminate() == 0
    assert switch.hairpin() is False


def test_what_somebody_clears_is_set_again(cable, switch):
    """The station was promised reflective relay: a flag that somebody clears is set again, and both log and monitor say so."""
    bridge = switch.evbd()
    events = Events(cable.lab, bridge.socket)
    cable.evbd().wait_for_bridge()
    for count in (1, 2):
        becomes(switch, True)
        switch.set_hairpin(False)
        becomes(switch, True, what="again")
        eventually(lambda: sum("has cleared the port's hairpin flag" in event["message"] for _, event in events.seen) == count, 5, "monitor")
    assert bridge.process.output().count("has cleared the port's hairpin flag") == 2


def test_the_port_is_renamed_and_deleted(cable, switch):
    """Under another name it is no port of evbd's: what was set is taken back. An interface of the old name begins anew."""
    bridge = switch.evbd()
    cable.evbd().wait_for_bridge()
    becomes(switch, True)
    cable.switch.ip("link", "set", "port0", "down")
    cable.switch.ip("link", "set", "port0", "name", "other0")
    eventually(lambda: switch.hairpin("other0") is False, 5, "taken back")
    cable.switch.ip("link", "set", "other0", "name", "port0")
    cable.switch.ip("link", "set", "port0", "up")
    becomes(switch, True)
    cable.switch.ip("link", "delete", "port0")
    eventually(lambda: not bridge.port("port0")["linkUp"], 5, "the link is gone")
    eventually(lambda: not list((bridge.directory / "hairpin").iterdir()), 5, "nothing is left to restore")


def test_evb_switched_off(cable, switch):
    """TLV-17 evb.transmit: false takes the EVB TLV away, and with it all that was granted; true brings both back."""
    bridge, evbd = switch.evbd(), cable.evbd().wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    becomes(switch, True)
    reload(bridge, evb={"transmit": False})
    becomes(switch, False)
    eventually(lambda: not evbd.hears_bridge(), 5, "the station has no bridge")
    assert bridge.port("port0")["peer"] is None and bridge.vsis() == {}
    assert bridge.ctl_json("port", "show", "port0")["evbTLV"]["local"] is None
    reload(bridge, evb={"transmit": True})
    becomes(switch, True)
    evbd.wait_for_state(vsi, "associated", 30)
