"""Problems of hosts with bonds and with VLANs. To be run inside Tests/uml/run."""

import uuid
from pathlib import Path

from lab.problems import is_over, looks
from lab.system import run
from test_bond import Bond

MODPROBE = Path("/proc/sys/kernel/modprobe")


def test_OPS_224_no_vlan_devices(cable):
    """OPS-224 Without VLAN devices the status says that machines have to tag their frames, until the VSI is given up."""
    cable.scripted_bridge()
    evbd, vsi = cable.evbd().wait_for_bridge(), str(uuid.uuid4())
    evbd.associate(str(uuid.uuid4()), "--link", "vm1", mac="52:54:00:11:22:44")   # has the kernel load macvtap
    loader = MODPROBE.read_text()
    MODPROBE.write_text("/bin/false")
    run("rmmod", "8021q", check=False)
    try:
        evbd.associate(vsi, "--filter", "mac=52:54:00:11:22:33,vlan=10", "--link", "vm0", mac=None)
        looks(evbd, "no-8021q", f"has no VLAN devices.*VSI {vsi}", "modprobe 8021q")
    finally:
        MODPROBE.write_text(loader)
    evbd.ctl("vsi", "deassociate", vsi)
    is_over(evbd, "no-8021q")
    evbd.associate(vsi, "--filter", "mac=52:54:00:11:22:33,vlan=10", "--link", "vm0", mac=None)
    assert "no-8021q" not in evbd.ctl("status", "--json").stdout and cable.host.link("vm0")["link"] == "uplink0.10"


def test_OPS_225_unfiltered_machines(cable):
    """OPS-225 On a kernel without the family netdev the status says that machines can speak LLDP, until the filter is switched off."""
    cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    looks(evbd, "unfiltered-machines", "machines on this port can speak LLDP and ECP to the switch", "guest-filter: false")
    evbd.config["ports"][0]["guest-filter"] = False
    evbd.write_config()
    assert evbd.ctl("reload").returncode == 0
    is_over(evbd, "unfiltered-machines")


def test_OPS_227_bond_member(new_lab):
    """OPS-227 A port that is a member of a bond is a problem, with the bond to name instead, until it is none."""
    bond = Bond(new_lab(), "active-backup")
    evbd = bond.evbd("uplinka")
    looks(evbd, "bond-member", "uplinka is a member of bond0, where the kernel allows no macvtap", "make bond0 the port", port="uplinka")
    bond.host.ip("link", "set", "uplinka", "nomaster")
    is_over(evbd, "bond-member", port="uplinka")
