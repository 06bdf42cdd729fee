"""Two things at once: what overtakes what must not matter. A test makes its order of events happen by holding one side still."""

import json
import os
import signal
import uuid

import pytest

from lab import Evbd, eventually, netlink
from lab.codec import ASSOCIATE, EVB
from lab.evbd import OK, binary
from lab.system import always
from lab.thread import frozen_thread
from lab.varlink import CallFailed, Control

GUEST, OTHER_GUEST = "52:54:00:11:22:33", "52:54:00:11:22:44"
PATIENT = EVB(rrcap=True, rrctr=True, rte=10, rwd=20, rka=22)     # no time-out or keep-alive of the bridge comes between
RELEASE_SECONDS = 5     # how long evbd lets a bridge release the VSIs of a port that it gives up


def new_vsi():
    return str(uuid.uuid4())


def wish(vsi, mac=GUEST, wait=20_000, link=None, version=1):
    """Parameters of Associate."""
    return {"vsiID": vsi, "port": "uplink0", "typeID": 1, "typeVersion": version, "filters": [{"mac": mac}], "wait": wait,
            **({"link": {"name": link}} if link else {})}


def connect(evbd):
    """One more client of the control socket."""
    control = Control(evbd.socket)
    evbd.lab.at_end(control.close)
    return control


def slow_links(evbd):
    """Inside, evbd's links are neither made nor changed, as if the kernel were slow; all else goes on."""
    return frozen_thread(evbd.pid, "evbd-links")


def use_ports(evbd, *ports):
    """Makes evbd read a configuration with these ports, and waits until it has them."""
    evbd.config["ports"] = list(ports)
    evbd.write_config()
    evbd.process.signal(signal.SIGHUP)
    names = [port["interface"] for port in ports]
    eventually(lambda: [port["interface"] for port in evbd.ctl_json("port", "list")] == names, 5, f"evbd's ports are {names}")


@pytest.fixture
def patient(cable):
    """evbd, and a bridge that grants all and never runs out of time."""
    bridge = cable.scripted_bridge(evb=PATIENT)
    return cable, cable.evbd().wait_for_bridge(), bridge


# MARK: a link that lags its association


def test_VDP_11_taken_back_and_granted_again_while_the_link_is_made(patient):
    """VDP-11 The bridge takes a VSI back before its link is there: the caller hears so; granted again, the link comes up."""
    cable, evbd, bridge = patient
    vsi, caller = new_vsi(), connect(evbd)
    with slow_links(evbd):
        caller.begin("Associate", **wish(vsi, link="vm0"))
        evbd.wait_for_state(vsi, "associated")
        assert not caller.answered, "the caller waits for the link"
        assert bridge.deassociate(bridge.commands(ASSOCIATE)[0], bridge.requests[0][1].manager)
        eventually(lambda: len(bridge.commands(ASSOCIATE)) == 2, 10, "evbd asks again by itself")
        evbd.wait_for_state(vsi, "associated")
        assert cable.host.link("vm0") is None
    eventually(lambda: cable.host.is_up("vm0"), 5, "the link of the associated VSI is up")
    assert evbd.state(vsi) == "associated"
    with pytest.raises(CallFailed):
        caller.finish()


def test_a_new_request_is_not_answered_by_the_link_of_the_one_before(patient):
    """The link of a first request is made while a second one is under way: that is granted by the bridge, not by the link."""
    cable, evbd, bridge = patient
    vsi, first, second = new_vsi(), connect(evbd), connect(evbd)
    with slow_links(evbd):
        first.begin("Associate", **wish(vsi, link="vm0", version=1))
        evbd.wait_for_state(vsi, "associated")
        bridge.held.set()
        second.begin("Associate", **wish(vsi, link="vm0", version=2))
        eventually(lambda: bridge.commands(ASSOCIATE)[-1].type_version == 2, 5, "the bridge has the second request")
        with pytest.raises(CallFailed):
            first.finish()
    eventually(lambda: cable.host.link("vm0"), 5, "the link of the first request is made")
    always(lambda: not second.answered, 1, "the second caller waits for the bridge")
    bridge.held.clear()
    granted = second.finish()["vsi"]
    assert (granted["state"], granted["typeVersion"]) == ("associated", 2)
    assert cable.host.is_up("vm0")


# MARK: the daemon itself


def test_evbd_outlives_the_reader_of_its_log(cable):
    """Whoever reads standard error goes away: evbd still does what it is told, and only its lines are lost."""
    evbd = Evbd(cable.lab, cable.host, start=False)
    log = cable.lab.directory / "log"
    os.mkfifo(log)
    reader = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    evbd.process = cable.lab.start("evbd", cable.host.command(
        "sh", "-c", 'exec "$@" 2>"$0"', log, binary("evbd"), "--config", evbd.config_file, "--runtime-dir", evbd.directory))
    eventually(lambda: evbd.ctl("status").returncode == OK, 10, "evbd answers")
    os.close(reader)
    use_ports(evbd, *evbd.config["ports"], {**evbd.config["ports"][0], "interface": "absent0"})
    assert evbd.process.alive and evbd.terminate() == 0
    assert not evbd.socket.exists()


def test_a_start_that_fails_leaves_nothing_behind(cable):
    """The pid file, opened last, cannot be had: evbd says so and ends, and the socket that it had opened before is gone."""
    evbd = Evbd(cable.lab, cable.host, start=False)
    evbd.config["libvirt"]["pid-file"] = evbd.directory / "absent" / "lldpad.pid"
    evbd.write_config()
    evbd.launch()
    assert evbd.process.wait(10) != 0
    assert str(evbd.config["libvirt"]["pid-file"]) in evbd.process.output()
    assert not evbd.socket.exists()


def test_a_long_list_does_not_keep_others_waiting(cable):
    """Of 2,000 VSIs a client reads the first page and no more: while the rest is still to be fetched, others are answered."""
    evbd = cable.evbd()
    vsis = [new_vsi() for _ in range(2000)]
    connect(evbd).call_all("Associate", [wish(vsi, f"52:54:00:00:{number >> 8:02x}:{number & 255:02x}", wait=0)
                                         for number, vsi in enumerate(vsis)])
    reader = connect(evbd)
    reader.subscribe("ListVSIs")
    pages = reader.stream()
    listed = next(pages)["vsis"]
    assert connect(evbd).call("GetVersion")["version"]

    arrived = reader.unread
    rest = []
    while len(listed) + len(rest) < len(vsis):
        rest += next(pages)["vsis"]
    assert arrived < len(json.dumps(rest, separators=(",", ":"))), "the list was under way when the other client was answered"
    assert sorted(vsi["vsiID"] for vsi in listed + rest) == sorted(vsis)


# MARK: ports


def test_VDP_37_a_port_that_comes_back_is_not_said_good_bye_for(cable):
    """TLV-01 VDP-37 A port is given up and added again before its VSI is released: from then on no good-bye is said."""
    bridge = cable.scripted_bridge(evb=PATIENT)
    cable.lab.veth(cable.host, "uplink1", "02:00:00:00:aa:02", cable.switch, "port1", "02:00:00:00:bb:02")
    evbd, wire, vsi = cable.evbd(ports=("uplink0", "uplink1")).wait_for_bridge(), cable.wire(), new_vsi()
    evbd.associate(new_vsi(), mac=GUEST)
    first, second = evbd.config["ports"]

    bridge.held.set()
    use_ports(evbd, second)
    use_ports(evbd, first, second)
    wire.clear()
    bridge.held.clear()
    evbd.wait_for_bridge()
    evbd.associate(vsi, mac=OTHER_GUEST)
    always(lambda: not wire.received(lambda frame: frame.lldp and frame.lldp.ttl == 0), RELEASE_SECONDS + 1,
           "no good-bye follows")
    assert evbd.state(vsi) == "associated"


# MARK: two managers


def test_VDP_41_libvirt_hears_that_another_manager_has_released_its_vsi(patient):
    """VDP-41 libvirt's VSI is asked for and released over the control socket too: libvirt is told that it is lost."""
    _, evbd, _ = patient
    libvirt, control, vsi = evbd.libvirt(), connect(evbd), new_vsi()
    assert libvirt.request(GUEST, vsi, netlink.ASSOCIATE) is True
    control.call("Associate", **wish(vsi))
    control.call("Deassociate", vsiID=vsi, wait=20_000)
    event = libvirt.event(5)
    assert event and event.kind == netlink.RTM_SETLINK, "no unsolicited message within 5 s"
    assert vsi not in {entry.uuid for entry in netlink.entries(libvirt.getlink()) if entry.response in (0, 0x100)}
