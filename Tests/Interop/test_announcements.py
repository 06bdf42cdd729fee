"""evbd tells the network where a machine is now, as QEMU does after a migration."""

import collections
import re
import signal
import struct
import time
import uuid

from lab import Evbd, Wire, eventually
from lab.evbd import OK
from lab.netlink import ASSOCIATE
from lab.system import always
from lab.types import frame, octets

GUEST, SECOND, GROUP = "52:54:00:aa:11:01", "52:54:00:aa:11:02", "01:00:5e:01:02:03"
RARP = 0x8035
ROUNDS = 5


def rarps(wire, mac, tag=b""):
    """The announcements of an address that came in."""
    head = b"\xff" * 6 + octets(mac) + tag + struct.pack("!H", RARP)
    return [heard for heard in wire.received() if heard.octets.startswith(head)]


def reload(evbd, **changes):
    before = evbd.process.output().count("configuration read again")
    evbd.config["ports"][0].update(changes)
    evbd.write_config()
    evbd.process.signal(signal.SIGHUP)
    eventually(lambda: evbd.process.output().count("configuration read again") > before, 5, "evbd has read it")


def associate(evbd, vsi, *words, mac=GUEST):
    return evbd.associate(vsi, "--link", "vm1", "--link-kind", "macvlan", *words, mac=mac)


def test_HEAL_1101_each_address_is_announced_and_again_when_the_association_comes_back(cable):
    """Five frames of 60 octets in 0.75 s; five more when the bridge has taken the VSI back and grants it again; none with announce: false."""
    bridge = cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    wire = cable.wire()
    vsi = str(uuid.uuid4())
    associate(evbd, vsi, "--filter", f"mac={SECOND}")
    for mac in (GUEST, SECOND):
        eventually(lambda: len(rarps(wire, mac)) == ROUNDS, 5, f"{mac} is announced")
    first, *_, last = rarps(wire, GUEST)
    assert 0.7 <= last.time - first.time < 3
    address = octets(GUEST)
    assert first.octets == (b"\xff" * 6 + address + struct.pack("!HHHBBH", RARP, 1, 0x0800, 6, 4, 3) + address + bytes(4) + address
                            + bytes(4)).ljust(60, b"\0")
    wire.clear()
    always(lambda: not rarps(wire, GUEST), 0.5, "and no more")
    manager, = {pdu.manager for _, pdu in bridge.requests}
    assert bridge.deassociate(bridge.commands()[0], manager)
    eventually(lambda: evbd.state(vsi) != "associated", 5, "the bridge has taken it back")
    evbd.wait_for_state(vsi, "associated", 30)
    eventually(lambda: len(rarps(wire, GUEST)) == ROUNDS, 5, "announced again")
    assert evbd.ctl("vsi", "deassociate", vsi).returncode == OK
    reload(evbd, announce=False)
    wire.clear()
    associate(evbd, str(uuid.uuid4()))
    always(lambda: not rarps(wire, GUEST), 1, "announce: false")


def test_HEAL_1101_a_link_that_comes_up_later_is_announced_then(cable):
    """A link that its maker has down when its VSI is associated (gate: none, as libvirt's while its machine is paused)."""
    cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "gate": "none"}]).wait_for_bridge()
    wire = cable.wire()
    cable.host.ip("link", "add", "vm1", "link", "uplink0", "address", GUEST, "type", "macvlan", "mode", "vepa")
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, mac=GUEST)
    assert evbd.vsi(vsi)["link"]["name"] == "vm1"
    always(lambda: not rarps(wire, GUEST), 1, "its link is down")
    cable.host.ip("link", "set", "vm1", "up")
    eventually(lambda: len(rarps(wire, GUEST)) == ROUNDS, 5, "its link is up")


def test_HEAL_1101_a_frame_has_the_tag_of_the_filter(cable):
    """In a VLAN the frames are tagged on the wire, whether the kernel has VLAN devices or not; with the priority where the frame is evbd's."""
    cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    wire = cable.wire()
    evbd.associate(str(uuid.uuid4()), "--filter", f"mac={GUEST},vlan=100,pcp=3", "--link", "vm1", "--link-kind", "macvlan", mac=None)
    has_device = cable.host.link("uplink0.100") is not None
    if has_device:      # the kernel's tags are in the auxiliary data of a received frame
        eventually(lambda: len(rarps(wire, GUEST)) == ROUNDS, 5, "announced")
    else:
        eventually(lambda: len(rarps(wire, GUEST, struct.pack("!HH", 0x8100, 3 << 13 | 100))) == ROUNDS
                   or len(rarps(wire, GUEST)) == ROUNDS, 5, f"announced: {[heard.octets[:20].hex() for heard in wire.received()]}")


def test_HEAL_1102_many_that_come_back_at_once_are_spread(cable, tell):
    """150 VSIs whose bridge comes back: each is announced at once before any is twice, at most 500 frames a second after the first 64, and
    the control socket answers meanwhile."""
    bridge = cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    count = 150
    macs = [f"52:54:00:ab:00:{number:02x}" for number in range(count)]
    for number, mac in enumerate(macs):
        words = ("--no-wait", "--link", f"vm{number}", "--link-kind", "macvlan")
        evbd.associate(str(uuid.uuid4()), *words, mac=mac)
    eventually(lambda: evbd.port()["vsis"]["associated"] == count, 60, "all are associated")
    bridge.stop(goodbye=True)
    eventually(lambda: evbd.port()["peer"] is None, 10, "the bridge has left")
    wire = cable.wire()
    cable.scripted_bridge()
    eventually(lambda: evbd.port()["vsis"]["associated"] == count, 60, "all are back")
    times = []
    deadline = time.monotonic() + 60
    while True:
        began = time.monotonic()
        assert evbd.ctl("status").returncode == OK
        times.append(time.monotonic() - began)
        heard = [one for one in wire.received() if one.octets[12:14] == struct.pack("!H", RARP)]
        rounds = collections.Counter(one.octets[6:12] for one in heard)
        if len(rounds) == count and min(rounds.values()) >= ROUNDS:
            break
        assert time.monotonic() < deadline, rounds
    for place in range(600, len(heard)):
        assert heard[place].time - heard[place - 600].time > 0.9, "at most 564 in a second"
    tell(f"{len(heard)} frames in {heard[-1].time - heard[0].time:.1f} s, the slowest answer in {max(times):.2f} s")


def is_all_multicast(namespace, name):
    return "ALLMULTI" in namespace.link(name)["flags"]


def test_HEAL_1104_a_link_hears_all_groups_where_that_is_asked_for(cable):
    """By option, by the port's settings, and by neither; a frame to a group that the machine has not joined arrives or does not. A restart
    finds the link as it is to be."""
    cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    far = cable.wire()
    for words, setting, expected in (((), False, False), (("--link-allmulticast",), False, True), ((), True, True),
                                     (("--no-link-allmulticast",), True, False)):
        reload(evbd, allmulticast=setting)
        vsi = str(uuid.uuid4())
        associate(evbd, vsi, *words)
        assert is_all_multicast(cable.host, "vm1") == expected, words
        machine = Wire(cable.host, "vm1")

        def arrives(address):
            far.send(frame("02:00:00:00:bb:01", address))
            return machine.received(lambda heard: heard.octets[:6] == octets(address))
        eventually(lambda: arrives(GUEST), 5, "its own")
        assert bool(arrives(GROUP) or (expected and eventually(lambda: arrives(GROUP), 5, "the group's"))) == expected, words
        machine.close()
        if expected:
            index = cable.host.index("vm1")
            evbd.process.kill()
            evbd.start().wait_for_state(vsi, "associated")
            assert cable.host.index("vm1") == index and is_all_multicast(cable.host, "vm1")
        assert evbd.ctl("vsi", "deassociate", vsi).returncode == OK


def test_HEAL_1105_a_port_by_an_alternative_name(cable):
    """In the configuration, in evbctl and in libvirt's request; also where the name comes after evbd, and where it is there twice."""
    cable.scripted_bridge()
    evbd = Evbd(cable.lab, cable.host, ports=["enp1s0f0"])
    assert evbd.port("enp1s0f0")["linkUp"] is False
    cable.host.ip("link", "property", "add", "dev", "uplink0", "altname", "enp1s0f0")
    evbd.wait_for_bridge()
    assert [port["interface"] for port in evbd.ctl_json("status")["ports"]] == ["uplink0"]
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, port="enp1s0f0", mac=GUEST)
    assert evbd.vsi(vsi)["port"] == "uplink0"
    assert evbd.ctl_json("port", "show", "enp1s0f0")["interface"] == "uplink0"
    assert [one["vsiID"] for one in evbd.ctl_json("vsi", "list", "--port", "enp1s0f0")] == [vsi]
    assert evbd.ctl("vsi", "deassociate", vsi, "--port", "enp1s0f0").returncode == OK
    client = evbd.libvirt("uplink0")
    client.name = "enp1s0f0"
    instance = str(uuid.uuid4())
    assert client.request(GUEST, instance, ASSOCIATE) is True
    assert evbd.vsi(instance)["port"] == "uplink0"
    # By both of its names it is one port.
    evbd.config["ports"].append({**evbd.config["ports"][0], "interface": "uplink0"})
    reload(evbd)
    assert [port["interface"] for port in evbd.ctl_json("status")["ports"]] == ["uplink0"]
    assert evbd.state(instance) == "associated"
    assert re.search("the same interface; this one is left out.*port=uplink0", evbd.process.output())
    evbd.process.kill()
    evbd.start().wait_for_bridge()
    evbd.wait_for_state(instance, "associated")


def test_HEAL_1105_a_long_alternative_name_waits_for_its_interface(cable):
    """HEAL-1105 An alternative name of more than 15 octets, which no interface has yet, names the port once there is one."""
    cable.scripted_bridge()
    name = "enp0s31f6np0v1-of-the-second-switch"
    evbd = Evbd(cable.lab, cable.host, ports=[name])
    assert evbd.ctl_json("port", "list") == []
    cable.host.ip("link", "property", "add", "dev", "uplink0", "altname", name)
    evbd.wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, port=name, mac=GUEST)
    assert evbd.vsi(vsi)["port"] == "uplink0"
    assert evbd.ctl("port", "show", name + "-").returncode != OK
