"""Another neighbour on a link that stays up, and an uplink that takes another address."""

import time
import uuid

from lab import Evbd, eventually
from lab.codec import ASSOCIATE, DEASSOCIATE
from lab.fixtures import PORT_MAC, UPLINK_MAC
from lab.switch import Switch

OTHER_MAC, THIRD_MAC, NEW_MAC = "02:00:00:00:bb:02", "02:00:00:00:bb:03", "52:54:00:77:00:01"
# Keep-alives every 2.6 s at most, and a VSI of which nothing is heard is given up after 5.4 s.
SHORT = {"ecp": {"retries": 3, "rte": 14}, "vdp": {"rwd": 18, "rka": 18}}


def chassis(evbd, port="uplink0"):
    peer = evbd.port(port)["peer"]
    return peer and peer["chassisID"]


def test_HEAL_310_a_switch_that_is_replaced_takes_over_in_two_seconds(cable):
    """The link stays up, the former switch is gone without a word: the VSI is associated at the new one 2 s after its first EVB TLV."""
    first = cable.scripted_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    first.stop()
    second = cable.scripted_bridge(address=OTHER_MAC)
    eventually(lambda: second.commands(ASSOCIATE), 10, f"the new switch is asked\n{evbd.process.tail()}")
    taken = second.requests[[any(vsi.command == ASSOCIATE for vsi in pdu.vsis) for _, pdu in second.requests].index(True)][0]
    assert taken - second.announced_at < 2
    evbd.wait_for_state(vsi, "associated", 2)
    assert chassis(evbd) == OTHER_MAC and cable.host.is_up("vm0")
    assert "it does not answer, and another bridge has taken its place" in evbd.process.output()


def test_HEAL_311_a_false_switch_beside_the_true_one_is_not_followed(cable):
    """TLV-23 It says each second that it is there, and answers nothing: the true one is asked, answers, and keeps all it granted."""
    cable.scripted_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    false = cable.scripted_bridge(address=OTHER_MAC, acknowledge=False)
    strangers = cable.scripted_bridge(address=THIRD_MAC, chassis=PORT_MAC, acknowledge=False)
    eventually(lambda: "EVB bridges are heard on one link" in evbd.process.output(), 5, "that is reported")
    until = time.monotonic() + 8
    while time.monotonic() < until:
        assert chassis(evbd) == PORT_MAC and evbd.state(vsi) == "associated"
        time.sleep(0.2)
    assert "bridge lost" not in evbd.process.output() and false.announced_at and strangers.announced_at


def test_HEAL_312_lldpad_bears_the_question(cable):
    """The true switch is Debian's lldpad: it acknowledges what evbd asks of it, lives on and holds what it held."""
    bridge = cable.lldpad_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    wire = cable.wire()
    cable.scripted_bridge(address=OTHER_MAC, acknowledge=False)
    asked = eventually(lambda: wire.received(lambda frame: frame.vdp and any(item.command == DEASSOCIATE for item in frame.vdp.vsis)), 10,
                       "it is asked whether it is there")
    eventually(lambda: wire.received(lambda frame: frame.vdp) and len({frame.ecp.sequence for frame in wire.received(
        lambda frame: frame.vdp and any(item.command == DEASSOCIATE for item in frame.vdp.vsis))}) > 2, 20, "and again later")
    assert asked and chassis(evbd) == PORT_MAC and evbd.state(vsi) == "associated"
    assert bridge.process.alive and bridge.holds(vsi) and "bridge lost" not in evbd.process.output()


def test_HEAL_410_ecp_of_another_port_of_the_switch_counts(cable):
    """A LAG: the member that was heard first takes nothing of what the station sends, and another of its chassis answers."""
    first = cable.scripted_bridge(acknowledge=False)
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    second = cable.scripted_bridge(address=OTHER_MAC, chassis=PORT_MAC)
    eventually(lambda: second.announced_at, 5, "the other member has spoken")
    evbd.associate(vsi, "--link", "vm0")
    assert evbd.state(vsi) == "associated" and second.commands(ASSOCIATE) and first.announced_at
    counters = evbd.ctl_json("stats", "uplink0")[0]["counters"]
    assert counters["EcpRxOtherSource"] == 0


def test_HEAL_510_an_uplink_that_takes_another_address_costs_nothing(cable):
    """Both ends are evbds: the VSI stays associated at both, past the time after which a silent one is given up, also over a restart."""
    switch = Switch(cable.lab, cable.switch, stp=True)
    box = switch.evbd(ports=[{"interface": "port0", **SHORT}])
    switch.wait_until_forwarding()
    evbd, vsi = cable.evbd(ports=[{"interface": "uplink0", **SHORT}]).wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    eventually(lambda: box.state(vsi) == "associated", 5, "it is associated at the switch")
    cable.host.ip("link", "set", "uplink0", "address", NEW_MAC)
    until = time.monotonic() + 9
    while time.monotonic() < until:
        assert evbd.state(vsi) == box.state(vsi) == "associated" and cable.host.is_up("vm0")
        time.sleep(0.2)
    assert chassis(box, "port0") == UPLINK_MAC
    for said in (evbd.process.output(), box.process.output()):
        assert "lost" not in said and "VSI released" not in said and "are heard on one link" not in said, said
    assert (evbd.directory / "uplink0.chassis").read_text() == UPLINK_MAC
    evbd.process.kill()
    evbd.start()
    eventually(lambda: evbd.state(vsi) == "associated", 10, "associated again")
    assert chassis(box, "port0") == UPLINK_MAC and "VSI released" not in box.process.output()


def test_HEAL_511_a_bridge_of_evbd_that_takes_another_address_costs_nothing(cable):
    """The same at the other end."""
    switch = Switch(cable.lab, cable.switch, stp=True)
    box = switch.evbd(ports=[{"interface": "port0", **SHORT}])
    switch.wait_until_forwarding()
    evbd, vsi = cable.evbd(ports=[{"interface": "uplink0", **SHORT}]).wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    cable.switch.ip("link", "set", "port0", "address", NEW_MAC)
    until = time.monotonic() + 8
    while time.monotonic() < until:
        assert evbd.state(vsi) == box.state(vsi) == "associated" and cable.host.is_up("vm0")
        time.sleep(0.2)
    assert "lost" not in evbd.process.output() and "VSI released" not in box.process.output()


def test_HEAL_512_two_evbds_name_their_ports_apart(cable):
    """Another evbd of the host has a runtime directory of its own; the chassis ID is the interface's first address in each."""
    cable.host.ip("link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
    first = cable.evbd()
    second = Evbd(cable.lab, cable.host, ports=("spare0",), name="second", libvirt={"enabled": False})
    eventually(lambda: (second.directory / "spare0.chassis").exists() and (first.directory / "uplink0.chassis").exists(), 5, "both are kept")
    assert (second.directory / "spare0.chassis").read_text() == cable.host.mac("spare0")
