"""The main job: evbctl asks, the bridge grants, the link is there; and everything that may go wrong on the way."""

import json
import uuid

import pytest

from lab import Evbd, eventually
from lab.codec import (
    ASSOCIATE, DEASSOCIATE, ECPDU, ETHERTYPE_ECP, EVB, HARD, VDPDU, VSI, Filter, ethernet, mac)
from lab.evbd import FAILED, NO_ANSWER, NO_DAEMON, OK, USAGE
from lab.fixtures import PORT_MAC
from lab.system import always

GUEST, OTHER_GUEST = "52:54:00:11:22:33", "52:54:00:11:22:44"


def new_vsi():
    return str(uuid.uuid4())


@pytest.fixture
def real(cable):
    """evbd at the host, which has heard Debian's lldpad as bridge at the switch."""
    bridge = cable.lldpad_bridge()
    return cable, cable.evbd().wait_for_bridge(), bridge


def link_is_cut(namespace, name):
    """No traffic can pass: the link is gone or down."""
    return not namespace.is_up(name)


# MARK: what works


def test_VDP_09_associate_and_deassociate(real):
    """VDP-09 VDP-01 ARC-06 Associated here and at lldpad, macvtap in mode vepa and up; after De-Associate all of it is gone."""
    cable, evbd, bridge = real
    vsi = new_vsi()
    result = evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--manager", "11", "--type", "1193047", "--type-version", "2",
                      "--filter", f"mac={GUEST}", "--link", "vm0")
    assert result.returncode == OK, result.stderr

    shown = evbd.vsi(vsi)
    assert (shown["state"], shown["port"], shown["typeID"], shown["typeVersion"]) == ("associated", "uplink0", 1193047, 2)
    assert shown["reason"] in (None, "success")
    assert [entry["mac"] for entry in shown["filters"]] == [GUEST]
    assert shown["link"] == {"name": "vm0", "kind": "macvtap", "mode": "vepa"}
    assert bridge.holds(vsi)

    link = cable.host.link("vm0")
    assert link["linkinfo"]["info_kind"] == "macvtap" and link["linkinfo"]["info_data"]["mode"] == "vepa"
    assert link["link"] == "uplink0" and link["address"] == GUEST and "UP" in link["flags"]
    assert evbd.port()["vsis"]["associated"] == 1

    assert evbd.ctl("vsi", "deassociate", vsi).returncode == OK
    assert evbd.state(vsi) in (None, "deassociated")
    assert cable.host.link("vm0") is None
    eventually(lambda: not bridge.holds(vsi), 5, "lldpad has let the VSI go")


def test_two_vsis_come_and_go_independently(real):
    """VDP-33 Two VSIs, two links; the end of one leaves the other alone."""
    cable, evbd, bridge = real
    first, second = new_vsi(), new_vsi()
    evbd.associate(first, "--link", "vm0", mac=GUEST)
    evbd.associate(second, "--link", "vm1", "--link-kind", "macvlan", "--link-mode", "bridge", mac=OTHER_GUEST)
    assert bridge.vsis() == {first, second}
    assert cable.host.link("vm1")["linkinfo"]["info_kind"] == "macvlan"
    assert cable.host.link("vm1")["linkinfo"]["info_data"]["mode"] == "bridge"

    assert evbd.ctl("vsi", "deassociate", first).returncode == OK
    assert cable.host.link("vm0") is None and cable.host.is_up("vm1")
    assert evbd.state(second) == "associated"
    eventually(lambda: bridge.vsis() == {second}, 5, "lldpad holds the second VSI alone")


def test_VDP_04_several_filters(real):
    """VDP-04 Two MAC addresses on two VLANs reach the bridge in one filter info."""
    cable, evbd, bridge = real
    wire, vsi = cable.wire(), new_vsi()
    evbd.associate(vsi, "--filter", f"mac={GUEST},vlan=10", "--filter", f"mac={OTHER_GUEST},vlan=20", mac=None)
    assert bridge.holds(vsi)
    asked = [item for frame in wire.received() if frame.vdp for item in frame.vdp.vsis if item.command == ASSOCIATE]
    assert set(asked[0].filters) == {Filter(10, mac(GUEST)), Filter(20, mac(OTHER_GUEST))}
    shown = {(entry["mac"], entry["vlan"]) for entry in evbd.vsi(vsi)["filters"]}
    assert shown == {(GUEST, 10), (OTHER_GUEST, 20)}


def test_VDP_04_vid_only_filter(real):
    """VDP-04 A filter of a VID alone is format 1."""
    cable, evbd, bridge = real
    wire, vsi = cable.wire(), new_vsi()
    evbd.associate(vsi, "--filter", "vlan=30", mac=None)
    assert bridge.holds(vsi)
    asked = [item for frame in wire.received() if frame.vdp for item in frame.vdp.vsis if item.command == ASSOCIATE]
    assert asked[0].filter_format == 1 and asked[0].filters == (Filter(30),)


def test_no_wait_returns_at_once_and_the_association_follows(cable):
    """--no-wait exits 0 while the bridge still thinks; the VSI is pending, then associated."""
    bridge = cable.scripted_bridge(evb=EVB(rrcap=True, rrctr=True, rte=10, rwd=20, rka=20))
    bridge.held.set()
    evbd, vsi = cable.evbd().wait_for_bridge(), new_vsi()
    evbd.associate(vsi, "--no-wait", "--link", "vm0")
    assert evbd.state(vsi) == "pending" and link_is_cut(cable.host, "vm0")
    bridge.held.clear()
    evbd.wait_for_state(vsi, "associated")
    eventually(lambda: cable.host.is_up("vm0"), 5, "the link is up")


def test_VDP_18_keep_alives_hold_the_association(real):
    """VDP-18 lldpad drops a VSI that is silent for 1.5 x (T(RKA) + 7 T(RTE)), here 4 s; after 9 s it still holds ours."""
    _, evbd, bridge = real
    vsi = new_vsi()
    evbd.associate(vsi)
    always(lambda: bridge.holds(vsi) and evbd.state(vsi) == "associated", 9, "the VSI is held by both sides", every=0.3)


def test_TLV_08_status_shows_the_bridge_and_reflective_relay(real):
    """TLV-08 TLV-13 ARC-02 What the EVB TLV of lldpad brought is shown in status; both sides' larger timers count."""
    _, evbd, _ = real
    port = eventually(lambda: (lambda port: port if port["reflectiveRelay"]["status"] == "granted" else None)(evbd.port()),
                      10, "reflective relay is granted")
    assert port["reflectiveRelay"]["requested"] is True and port["linkUp"] is True and port["role"] == "station"
    assert port["dialect"] == "ratified"
    assert PORT_MAC in json.dumps(port["peer"]).lower()
    assert port["timers"] == {"retries": 3, "rte": 10, "rwd": 17, "rka": 18}
    assert [entry["interface"] for entry in evbd.ctl_json("port", "list")] == ["uplink0"]
    assert evbd.ctl_json("status")["daemon"]["pid"] == evbd.pid
    assert evbd.ctl("version").returncode == OK and evbd.ctl("status").returncode == OK


def test_ECP_03_one_ecpdu_at_a_time_and_VDP_03_layout(cable):
    """ECP-01 ECP-02 ECP-03 VDP-02 VDP-03 A request's octets: version 1, manager ID first, the fields as asked."""
    bridge = cable.scripted_bridge()
    wire, evbd, vsi = cable.wire(), cable.evbd().wait_for_bridge(), new_vsi()
    evbd.associate(vsi, "--manager", "11", "--type-version", "2")
    requests = wire.received(lambda frame: frame.vdp and any(item.uuid == vsi for item in frame.vdp.vsis))
    assert requests[0].destination.hex() == "0180c2000000" and requests[0].octets[14:16].hex() == "1001"
    pdu = requests[0].vdp
    assert pdu.manager == bytes([11]) + bytes(15)
    assert pdu.vsis == (VSI(ASSOCIATE, 0, 0x123457, 2, uuid.UUID(vsi).bytes, (Filter(0, mac(GUEST)),)),)
    assert bridge.commands(ASSOCIATE)


def test_VDP_30_organizational_tlvs_go_along(cable):
    """VDP-30 An organizationally specific TLV follows the VSI's own: type 127, OUI, octets."""
    cable.scripted_bridge()
    wire, evbd, vsi = cable.wire(), cable.evbd().wait_for_bridge(), new_vsi()
    evbd.associate(vsi, "--organizational", "00000c:f105")
    request = wire.received(lambda frame: frame.vdp and any(item.uuid == vsi for item in frame.vdp.vsis))[0]
    assert "fe0500000cf105" in request.octets.hex()


# MARK: what is refused, and what does not answer


@pytest.mark.parametrize("status, reason", [(1, "invalid-format"), (2, "insufficient-resources"), (3, "manager-unreachable"),
                                            (4, "other-failure"), (5, "invalid-vid-group-mac")])
def test_VDP_13_the_bridges_reason_is_passed_on(cable, status, reason):
    """VDP-13 VDP-15 A refusal ends in exit 1 with the bridge's own reason; no link is made."""
    cable.scripted_bridge(answer=lambda request: request.answered(status | HARD))
    evbd, vsi = cable.evbd().wait_for_bridge(), new_vsi()
    result = evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST}", "--link", "vm0")
    assert result.returncode == FAILED and reason.split("-")[0] in (result.stdout + result.stderr).lower()
    assert link_is_cut(cable.host, "vm0")
    shown = evbd.vsi(vsi)
    assert shown is None or (shown["state"], shown["reason"]) == ("deassociated", reason)


def test_VDP_20_a_silent_bridge(cable):
    """VDP-20 VDP-17 The bridge takes the request and never answers: exit 4 and no link."""
    bridge = cable.scripted_bridge(answer=lambda request: None)
    evbd, vsi = cable.evbd().wait_for_bridge(), new_vsi()
    result = evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST}", "--link", "vm0", "--wait", "6")
    assert result.returncode == NO_ANSWER, result.stderr
    assert bridge.commands(ASSOCIATE) and link_is_cut(cable.host, "vm0")
    assert evbd.state(vsi) != "associated"


def test_ECP_12_a_bridge_that_acknowledges_nothing(cable):
    """ECP-12 ECP-05 1 + R transmissions, all alike, then exit 4."""
    cable.scripted_bridge(acknowledge=False)
    evbd, vsi, wire = cable.evbd().wait_for_bridge(), new_vsi(), cable.wire()
    result = evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST}", "--wait", "5")
    assert result.returncode == NO_ANSWER, result.stderr
    sent = wire.received(lambda frame: frame.ecp and not frame.ecp.acknowledge)
    first = [frame for frame in sent if frame.ecp.sequence == sent[0].ecp.sequence]
    assert len(first) == 4 and len({frame.octets for frame in first}) == 1


def test_VDP_34_no_bridge_at_all(cable):
    """VDP-34 Nothing at the other end speaks EVB: no VDP is sent, and the message says what is missing."""
    evbd, vsi, wire = cable.evbd(), new_vsi(), cable.wire()
    result = evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST}", "--wait", "2")
    assert result.returncode in (FAILED, NO_ANSWER)
    said = (result.stdout + result.stderr).lower()
    assert "bridge" in said or "evb" in said, said
    assert not wire.received(lambda frame: frame.ecp)
    assert evbd.state(vsi) in (None, "pending", "deassociated")


@pytest.mark.parametrize("words", [
    [], ["vsi"], ["frobnicate"], ["vsi", "associate"], ["vsi", "list", "--frobnicate"], ["vsi", "list", "--state", "happy"],
    ["vsi", "associate", "VSI", "--type", "5", "--filter", f"mac={GUEST}"],
    ["vsi", "associate", "VSI", "--port", "uplink0", "--filter", f"mac={GUEST}"],
    ["vsi", "associate", "VSI", "--port", "uplink0", "--type", "16777216", "--filter", f"mac={GUEST}"],
    ["vsi", "associate", "VSI", "--port", "uplink0", "--type", "5", "--filter", "mac=nonsense"],
    ["vsi", "associate", "VSI", "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST},vlan=4096"],
    ["vsi", "associate", "VSI", "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST},pcp=8"],
    ["vsi", "associate", "id=not-a-vsiid", "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST}"],
    ["vsi", "associate", "VSI", "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST}", "--migrating", "--suspended"],
    ["vsi", "associate", "VSI", "--port", "uplink0", "--type", "5", "--filter", f"mac={GUEST}", "--wait", "3", "--no-wait"],
], ids=lambda words: " ".join(words)[:60] or "nothing")
def test_wrong_arguments_exit_64(cable, words):
    """No daemon is needed to see that arguments are wrong: 64 comes before 3. A bare command may print its help instead."""
    evbd = Evbd(cable.lab, cable.host, start=False)
    result = evbd.ctl(*[new_vsi() if word == "VSI" else word for word in words])
    bare = not words or words == ["vsi"]
    assert result.returncode == USAGE or bare and result.returncode == OK and "usage" in (result.stdout + result.stderr).lower()
    assert result.stdout + result.stderr, "and says why"


@pytest.mark.parametrize("words", [["status"], ["vsi", "list"], ["port", "list"], ["vsi", "deassociate", new_vsi()]], ids=" ".join)
def test_no_daemon_exits_3(cable, words):
    """The daemon is away: exit 3, and the socket is named."""
    evbd = Evbd(cable.lab, cable.host, start=False)
    result = evbd.ctl(*words)
    assert result.returncode == NO_DAEMON and str(evbd.socket) in result.stderr


def test_unknown_port_and_unknown_vsi_exit_1(real):
    """What the daemon refuses by itself is exit 1 with a reason that names the thing."""
    _, evbd, _ = real
    result = evbd.ctl("vsi", "associate", new_vsi(), "--port", "uplink9", "--type", "5", "--filter", f"mac={GUEST}")
    assert result.returncode == FAILED and "uplink9" in result.stderr
    stranger = new_vsi()
    result = evbd.ctl("vsi", "deassociate", stranger)
    assert result.returncode == FAILED and stranger in result.stderr.lower()


# MARK: the bridge goes, and comes back


def test_TLV_19_a_bridge_that_leaves_and_returns(real):
    """TLV-19 VDP-34 lldpad ends (TTL 0): the VSI is reported lost and its link cut. lldpad returns: associated again by itself."""
    cable, evbd, bridge = real
    vsi = new_vsi()
    evbd.associate(vsi, "--link", "vm0")
    bridge.stop()
    lost = eventually(lambda: (lambda shown: shown if shown and shown["state"] != "associated" else None)(evbd.vsi(vsi)),
                      10, "evbd has noticed that the bridge left")
    assert lost["state"] in ("deassociated", "pending") and lost["reason"] == "bridge-lost"
    eventually(lambda: link_is_cut(cable.host, "vm0"), 2, "the link is cut")
    assert evbd.port()["reflectiveRelay"]["status"] == "unknown" and evbd.port()["peer"] is None

    bridge.start()
    evbd.wait_for_state(vsi, "associated", 20)
    assert bridge.holds(vsi)
    eventually(lambda: cable.host.is_up("vm0"), 5, "the link is up again")


def test_VDP_35_link_flap(real):
    """VDP-35 ECP-14 The cable is pulled and put back: cut at once, associated again without anybody's help."""
    cable, evbd, bridge = real
    vsi = new_vsi()
    evbd.associate(vsi, "--link", "vm0")
    cable.switch.ip("link", "set", "port0", "down")
    eventually(lambda: evbd.state(vsi) != "associated", 5, "evbd has noticed that the link is down")
    assert evbd.port()["linkUp"] is False
    cable.switch.ip("link", "set", "port0", "up")
    evbd.wait_for_state(vsi, "associated", 30)
    assert bridge.holds(vsi)
    eventually(lambda: cable.host.is_up("vm0"), 5, "the link is up again")


def test_VDP_11_the_bridges_own_deassociate(real):
    """VDP-11 VDP-10 ECP-08 A De-Associate in lldpad's name: acknowledged, reported, link cut; when lldpad runs on, associated again."""
    cable, evbd, bridge = real
    wire, vsi = cable.wire(), new_vsi()
    evbd.associate(vsi, "--link", "vm0")
    bridge.freeze()
    own = VSI(DEASSOCIATE, 0, 0x123457, 0, uuid.UUID(vsi).bytes, (Filter(0, mac(GUEST)),))
    wire.send(ethernet(PORT_MAC, ETHERTYPE_ECP, ECPDU(False, 0x7001, VDPDU(bytes(16), (own,)).encode()).encode()))

    eventually(lambda: wire.received(lambda frame: frame.ecp and frame.ecp.acknowledge and frame.ecp.sequence == 0x7001),
               2, "the ECPDU is acknowledged", every=0.01)
    shown = eventually(lambda: (lambda shown: shown if shown["state"] != "associated" else None)(evbd.vsi(vsi)),
                       2, "the VSI is no longer associated", every=0.01)
    assert shown["state"] in ("deassociated", "pending") and shown["reason"] == "bridge-deassociated"
    eventually(lambda: link_is_cut(cable.host, "vm0"), 1, "the link is cut", every=0.01)

    bridge.thaw()
    evbd.wait_for_state(vsi, "associated", 60)
    eventually(lambda: bridge.holds(vsi) and cable.host.is_up("vm0"), 5, "held by lldpad, link up")


def test_VDP_11_reassociation_after_a_deassociate_is_paced(cable):
    """VDP-11 VDP-38 A bridge that takes back each association at once is asked again, but is not flooded."""
    bridge = cable.scripted_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), new_vsi()
    evbd.associate(vsi)
    manager = bridge.requests[0][1].manager
    before = len(bridge.commands(ASSOCIATE))
    assert bridge.deassociate(bridge.commands(ASSOCIATE)[0], manager), "acknowledged"
    eventually(lambda: len(bridge.commands(ASSOCIATE)) > before, 60, "evbd asks again by itself")
    evbd.wait_for_state(vsi, "associated")
    count = len(bridge.commands(ASSOCIATE))
    for _ in range(5):
        assert bridge.deassociate(bridge.commands(ASSOCIATE)[-1], manager)
    assert len(bridge.commands(ASSOCIATE)) - count <= 5


def test_VDP_10_other_unsolicited_commands_change_nothing(cable):
    """VDP-10 An Associate request from the bridge's side is acknowledged and changes nothing."""
    bridge = cable.scripted_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), new_vsi()
    evbd.associate(vsi)
    stranger = VSI(ASSOCIATE, 0, 5, 0, uuid.uuid4().bytes, (Filter(0, mac(OTHER_GUEST)),))
    assert bridge.send_vdp(bytes(16), stranger)
    assert set(evbd.vsis()) == {vsi} and evbd.state(vsi) == "associated"
