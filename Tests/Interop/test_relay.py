"""The edge relay against what hosts do to it: a stop in the middle of it, containers that end, requests that the kernel refuses, another MTU."""

import time
import uuid

import pytest

from lab import eventually
from lab.pair import Pair, end, requests
from lab.system import always, run

GUEST, OTHER_GUEST = "52:54:00:11:22:33", "52:54:00:11:22:44"


@pytest.fixture
def pair(cable):
    return Pair(cable)


def made(cable):
    return [name for name in cable.host.links() if name.startswith("vm")]


def test_SEC_1101_a_stop_amid_de_associations_leaves_the_rest_to_the_next_run(pair):
    """SEC-1101 100 VSIs are given up and SIGTERM follows: evbd stops within 5 s, and the next run deletes what is left of their links."""
    wanted = requests(100)
    for number, request in enumerate(wanted):
        request["link"] = {"name": f"vm{number}"}
    control = pair.control()
    control.call_all("Associate", wanted)
    eventually(lambda: len(made(pair.cable)) == 100, 30, "all have links")
    control.call_all("Deassociate", [{"vsiID": request["vsiID"], "wait": 0} for request in wanted])
    began = time.monotonic()
    end(pair.evbd, "terminate")
    assert time.monotonic() - began < 5
    pair.evbd.start().wait_for_bridge()
    eventually(lambda: not made(pair.cable), 30, "nothing is left")
    eventually(lambda: not pair.evbd.stored(), 5, "nor stored")


def test_SEC_1102_a_container_that_ends_takes_its_link_with_it(cable):
    """SEC-1102 The namespace of a container ends, and its macvlan with it: the next association makes it again."""
    cable.scripted_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "ctr0", "--link-kind", "macvlan", mac=GUEST)
    inside = cable.lab.namespace("ctr")
    cable.host.ip("link", "set", "ctr0", "netns", inside.name)
    eventually(lambda: "in another network namespace" in evbd.process.output(), 5, "it has gone")
    evbd.associate(vsi, "--link", "ctr0", "--link-kind", "macvlan", mac=GUEST)
    assert cable.host.link("ctr0") is None, "it is in its container"
    inside.ip("link", "delete", "ctr0")
    evbd.associate(vsi, "--link", "ctr0", "--link-kind", "macvlan", mac=GUEST)
    assert cable.host.is_up("ctr0")


def test_SEC_1118_a_container_that_ends_is_noticed_without_an_association(cable):
    """SEC-1118 A container's namespace ends, and its macvlan with it: evbd notices by itself, and the link is on the host again."""
    cable.scripted_bridge()
    evbd, vsi, other = cable.evbd().wait_for_bridge(), str(uuid.uuid4()), str(uuid.uuid4())
    inside, stays = cable.lab.namespace("ctr"), cable.lab.namespace("stays")
    for each, name, mac, namespace in ((vsi, "ctr0", GUEST, inside), (other, "ctr1", OTHER_GUEST, stays)):
        evbd.associate(each, "--link", name, "--link-kind", "macvlan", mac=mac)
        cable.host.ip("link", "set", name, "netns", namespace.name)
    eventually(lambda: evbd.process.output().count("in another network namespace") == 2, 5, "both have gone")
    inside.delete()
    eventually(lambda: cable.host.is_up("ctr0"), 10, "it is made again")
    assert "another process deleted its link ctr0" in evbd.process.output()
    assert cable.host.link("ctr1") is None and evbd.process.output().count("in another network namespace") == 2


def test_SEC_1103_a_link_that_is_moved_at_once_has_no_twin(cable):
    """SEC-1103 A macvlan is moved to a container right after its association: none is made in its place."""
    cable.scripted_bridge()
    evbd, inside = cable.evbd().wait_for_bridge(), cable.lab.namespace("ctr")
    for number in range(20):
        evbd.associate(str(uuid.uuid4()), "--link", f"ctr{number}", "--link-kind", "macvlan", mac=f"52:54:00:00:01:{number:02x}")
        cable.host.ip("link", "set", f"ctr{number}", "netns", inside.name)
    always(lambda: not [name for name in cable.host.links() if name.startswith("ctr")], 1, "none is on the host")


def test_SEC_1104_an_adopted_link_is_known_by_more_than_its_address(pair):
    """SEC-1104 The guest of an adopted link changes its MAC address, evbd is started again, and the bridge refuses the VSI: the link is set down."""
    cable, vsi = pair.cable, str(uuid.uuid4())
    cable.host.ip("link", "add", "link", "uplink0", "name", "tap0", "address", GUEST, "type", "macvtap", "mode", "vepa")
    pair.evbd.associate(vsi, mac=GUEST)
    eventually(lambda: cable.host.is_up("tap0"), 5, "adopted")
    cable.host.ip("link", "set", "tap0", "address", OTHER_GUEST)
    end(pair.evbd, "kill")
    assert pair.bridge.ctl("port", "misbehave", "port0", "--refuse", "insufficient-resources", "--hard").returncode == 0
    assert pair.bridge.ctl("vsi", "deassociate", vsi).returncode == 0
    pair.evbd.start()
    eventually(lambda: not cable.host.is_up("tap0"), 15, "its traffic is cut")


def test_SEC_1105_a_refused_change_leaves_what_worked(cable):
    """SEC-1105 A working VSI is associated again with a link that the kernel refuses: the request fails, and the VSI stays as it was."""
    bridge = cable.scripted_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    cable.host.ip("link", "add", "link", "uplink0", "name", "tap0", "address", GUEST, "type", "macvtap", "mode", "vepa")
    evbd.associate(vsi, mac=GUEST)
    eventually(lambda: cable.host.is_up("tap0"), 5, "adopted")
    said = evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "1", "--filter", f"mac={GUEST}",
                    "--link", "vm0", "--link-mtu", "65000")
    assert said.returncode == 1 and "vm0" in said.stderr, said.stderr
    eventually(lambda: (evbd.vsi(vsi) or {}).get("link") and evbd.vsi(vsi)["link"]["name"] == "tap0", 5, "as before")
    always(lambda: evbd.state(vsi) == "associated" and cable.host.is_up("tap0"), 1, "and it stays so")
    assert cable.host.link("vm0") is None


def test_SEC_1106_links_follow_the_mtu_of_their_port(cable):
    """SEC-1106 The port's MTU is lowered and raised again: a link of evbd's follows, one with an MTU of its own does not."""
    cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    evbd.associate(str(uuid.uuid4()), "--link", "vm0", mac=GUEST)
    evbd.associate(str(uuid.uuid4()), "--link", "vm1", "--link-mtu", "1300", mac=OTHER_GUEST)
    for mtu in (1400, 1500):
        cable.host.ip("link", "set", "uplink0", "mtu", str(mtu))
        eventually(lambda: cable.host.link("vm0")["mtu"] == mtu, 5, f"it follows to {mtu}")
    assert cable.host.link("vm1")["mtu"] == 1300


def test_SEC_1109_a_vsi_that_is_given_up_after_a_restart_takes_its_link_along(pair):
    """SEC-1109 evbd was killed, and is asked to give a VSI up before the bridge, which is silent, has spoken of it: its link is cut, then deleted."""
    cable, vsi = pair.cable, str(uuid.uuid4())
    pair.evbd.associate(vsi, "--link", "vm0", mac=GUEST)
    assert cable.host.is_up("vm0")
    pair.bridge.process.freeze()
    end(pair.evbd, "kill")
    pair.evbd.start()
    assert cable.host.is_up("vm0"), "it goes on until the bridge has spoken"
    assert pair.evbd.ctl("vsi", "deassociate", vsi, "--no-wait").returncode == 0
    eventually(lambda: cable.host.link("vm0") is None, 10, "its link is gone")
    pair.bridge.process.thaw()
    pair.evbd.wait_for_bridge()
    eventually(lambda: not pair.evbd.stored(), 5, "nothing of it is stored any more")


def test_SEC_1112_a_link_without_its_vlan_device_outlives_a_restart(pair):
    """SEC-1112 On a kernel without VLAN devices the link of a VSI in a VLAN is on the port itself; evbd is started again, and it is still the same link."""
    cable, vsi = pair.cable, str(uuid.uuid4())
    if run("ip", "-n", cable.host.name, "link", "add", "link", "uplink0", "name", "probe.7", "type", "vlan", "id", "7", check=False).returncode == 0:
        pytest.skip("this kernel has VLAN devices")
    pair.evbd.associate(vsi, "--filter", f"mac={GUEST},vlan=7", "--link", "vm0", mac=None)
    index = cable.host.link("vm0")["ifindex"]
    end(pair.evbd, "kill")
    pair.evbd.start().wait_for_bridge()
    eventually(lambda: pair.evbd.state(vsi) == "associated", 15, "the bridge goes on with it")
    always(lambda: (cable.host.link("vm0") or {}).get("ifindex") == index and cable.host.is_up("vm0"), 2, "its program has it open")
