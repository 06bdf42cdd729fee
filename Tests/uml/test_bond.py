"""Bonds: as the port, and their members as ports. To be run inside Tests/uml/run, as the kernel of a build machine may have no bonds."""

import time
import uuid

import pytest

from lab import ScriptedBridge, Wire, eventually
from lab.codec import ASSOCIATE
from lab.evbd import OK

GUEST = "52:54:00:11:22:33"
A_MAC, B_MAC, CHASSIS = "02:00:00:00:bb:01", "02:00:00:00:bb:02", "02:00:00:00:bb:00"


class Bond:
    """bond0 at the host, of uplinka and uplinkb; porta and portb at the other ends."""

    def __init__(self, lab, mode, *options):
        self.lab, self.host, self.switch = lab, lab.namespace("host"), lab.namespace("switch")
        lab.veth(self.host, "uplinka", "02:00:00:00:aa:01", self.switch, "porta", A_MAC)
        lab.veth(self.host, "uplinkb", "02:00:00:00:aa:02", self.switch, "portb", B_MAC)
        self.bond(self.host, ("uplinka", "uplinkb"), mode, *options)

    def bond(self, namespace, members, mode, *options):
        namespace.ip("link", "add", "bond0", "type", "bond", "mode", mode, "miimon", "50", *options)
        for member in members:
            namespace.ip("link", "set", member, "down")
            namespace.ip("link", "set", member, "master", "bond0")
            namespace.ip("link", "set", member, "up")
        namespace.ip("link", "set", "bond0", "up")
        eventually(lambda: namespace.is_up("bond0"), 10, "bond0 is up")

    def bridge(self, interface, **script):
        bridge = ScriptedBridge(self.switch, interface, **script)
        self.lab.at_end(bridge.stop)
        return bridge

    def evbd(self, *ports):
        from lab import Evbd
        return Evbd(self.lab, self.host, ports=ports or ("bond0",))


def test_HEAL_420_the_other_member_of_an_active_backup_bond_is_another_switch(new_lab):
    """Our LLDPDU goes to the other switch at once, and 2 s after its first EVB TLV it has the VSI."""
    bond = Bond(new_lab(), "active-backup")
    bond.host.ip("link", "set", "bond0", "type", "bond", "active_slave", "uplinka")
    first, evbd, vsi = bond.bridge("porta"), bond.evbd().wait_for_bridge("bond0"), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0", port="bond0")
    # The burst of the beginning is over: what comes now comes because of the change.
    eventually(lambda: time.monotonic() > first.announced_at + 5, 10, "5 s have passed")
    heard = Wire(bond.switch, "portb")
    bond.lab.at_end(heard.close)
    changed = time.monotonic()
    bond.host.ip("link", "set", "bond0", "type", "bond", "active_slave", "uplinkb")
    eventually(lambda: heard.received(lambda frame: frame.lldp), 5, "an LLDPDU comes by the other member")
    assert time.monotonic() - changed < 1.5
    second = bond.bridge("portb")
    eventually(lambda: second.commands(ASSOCIATE), 10, f"the other switch is asked\n{evbd.process.tail()}")
    taken = next(at for at, pdu in second.requests if any(item.command == ASSOCIATE for item in pdu.vsis))
    assert taken - second.announced_at < 2
    evbd.wait_for_state(vsi, "associated", 3)
    assert evbd.port("bond0")["peer"]["chassisID"] == B_MAC and bond.host.is_up("vm0")


@pytest.mark.parametrize("first", ["porta", "portb"])
@pytest.mark.parametrize("policy", ["layer2", "layer2+3"])
def test_HEAL_421_a_balance_xor_bond_associates_whichever_member_is_heard_first(new_lab, first, policy):
    """A LAG of a switch whose ports speak each for itself: one of them hears the station, by the bond's choice."""
    bond = Bond(new_lab(), "balance-xor", "xmit_hash_policy", policy)
    evbd, vsi = bond.evbd(), str(uuid.uuid4())
    for port in (first, "portb" if first == "porta" else "porta"):
        bridge = bond.bridge(port, chassis=CHASSIS)
        eventually(lambda: bridge.announced_at, 5, f"{port} has spoken")
    evbd.wait_for_bridge("bond0")
    evbd.associate(vsi, "--link", "vm0", port="bond0")
    assert evbd.state(vsi) == "associated" and bond.host.is_up("vm0")
    assert "EVB bridges are heard" not in evbd.process.output() and "is none of the bridge's" not in evbd.process.output()


def test_HEAL_422_an_802_3ad_bond_is_one_port(new_lab):
    """LACP on both sides; the loss of a member costs nothing."""
    bond = Bond(new_lab(), "802.3ad", "lacp_rate", "fast")
    bond.bond(bond.switch, ("porta", "portb"), "802.3ad", "lacp_rate", "fast")
    bond.bridge("bond0")
    evbd, vsi = bond.evbd().wait_for_bridge("bond0", seconds=40), str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0", port="bond0")
    bond.switch.ip("link", "set", "porta", "down")
    until = time.monotonic() + 8
    while time.monotonic() < until:
        assert evbd.state(vsi) == "associated" and bond.host.is_up("vm0")
        time.sleep(0.5)
    assert "bridge lost" not in evbd.process.output()


def test_HEAL_423_a_member_as_the_port_says_why_it_has_no_links(new_lab):
    """LLDP and ECP work on a member, VSIs without a link too; a macvtap cannot be made on it, and the refusal names the bond."""
    bond = Bond(new_lab(), "active-backup")
    bond.bridge("porta")
    evbd = bond.evbd("uplinka").wait_for_bridge("uplinka")
    assert "is a member of bond0" in evbd.process.output()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, port="uplinka")
    assert evbd.state(vsi) == "associated"
    result = evbd.ctl("vsi", "associate", uuid.uuid4(), "--port", "uplinka", "--type", 1, "--filter", f"mac={GUEST}", "--link", "vm0")
    assert result.returncode != OK and "uplinka is a member of bond0" in result.stderr and "make bond0 the port" in result.stderr
    assert bond.host.link("vm0") is None
