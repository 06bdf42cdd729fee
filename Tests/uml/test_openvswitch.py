"""Open vSwitch's kernel datapath, which a build machine may not have. To be run inside Tests/uml/run."""

import subprocess
from pathlib import Path

import pytest

from lab import Evbd, eventually
from lab.openvswitch import OpenVSwitch
from lab.problems import is_over, looks

GUEST, VSI = "52:54:00:11:22:33", "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f"


def test_OVL_170_the_kernel_datapath(cable):
    """OVL-170 In the kernel datapath the port is known to be in Open vSwitch without its database; with it taps are associated and gated."""
    # The kernel's own helper knows where the modules are.
    helper = Path("/proc/sys/kernel/modprobe").read_text().strip()
    if subprocess.run([helper, "openvswitch"], capture_output=True).returncode:
        pytest.skip("this kernel has no module openvswitch")
    cable.scripted_bridge()
    switch = OpenVSwitch(cable.lab, cable.host, datapath="system")
    eventually(lambda: cable.host.link("uplink0").get("master") == "ovs-system", 5, "the port is in the datapath")
    switch.stop_server()
    # This kernel's nftables has no rules for a device.
    port = {"interface": "uplink0", "edge-relay": "veb", "guest-filter": False}
    profiles = {"web": {"type": 100}}
    evbd = Evbd(cable.lab, cable.host, [port], **{"open-vswitch": {"socket": switch.socket, "profiles": profiles}})
    looks(evbd, "no-ovsdb", "uplink0 is in Open vSwitch.*an association controls no tap of it")
    evbd.wait_for_bridge()
    for words in (("--link", "vnet0"), ("--link", "mv0", "--link-kind", "macvtap")):
        said = evbd.ctl("vsi", "associate", VSI, "--port", "uplink0", "--type", 1, "--filter", f"mac={GUEST}", *words)
        assert said.returncode == 64 and "cannot ask its database" in said.stderr and "start Open vSwitch" in said.stderr, said
    switch.start_server()
    is_over(evbd, "no-ovsdb", seconds=15)
    switch.tap("vnet0", GUEST, vsi=VSI, profile="web")
    evbd.wait_for_state(VSI, "associated")
    assert evbd.vsi(VSI)["link"]["name"] == "vnet0"
    eventually(lambda: cable.host.is_up("vnet0"), 5, "its tap is up")
    switch.ctl("remove", "interface", "vnet0", "external_ids", "port-profile")
    eventually(lambda: evbd.state(VSI) is None and not cable.host.is_up("vnet0"), 8, f"it is given back\n{evbd.process.tail()}")
