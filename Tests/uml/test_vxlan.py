"""VNIs on one VXLAN device of a bridge that filters VLANs. To be run inside Tests/uml/run."""

import json
import signal
import uuid

from lab import Evbd, eventually
from lab.evbd import OK, yaml
from lab.switch import Switch
from lab.system import run
from lab.types import Rules

ONE, TWO, THREE = "52:54:00:00:00:01", "52:54:00:00:00:02", "52:54:00:00:00:03"
TYPES = {
    "overlay": {"device": "vxlan0"},
    "types": [{"name": "tenant", "type": 10, "groups": [{"group": 5000, "vlan": 50}, {"group": 7, "vlan": 51, "vni": 5001},
                                                        {"group": 8, "vlan": 52, "vni": 5002}]}],
}


class Overlay:
    """A bridge with one VXLAN device for all VNIs, evbd on port0, and a station behind it."""

    def __init__(self, cable, ports=("port0",)):
        self.cable = cable
        # Two stations on one bridge hear one another without it.
        self.switch = Switch(cable.lab, cable.switch, ports, stp=len(ports) > 1)
        ip = cable.switch.ip
        ip("link", "set", "br0", "type", "bridge", "vlan_filtering", "1")
        self.make_device()
        self.rules = Rules(cable.switch)
        types = cable.lab.directory / "types.yaml"
        types.write_text(yaml(TYPES) + "\n")
        self.types = types
        self.evbd = self.switch.evbd(ports=[{"interface": port, "vsi-types": types} for port in ports])
        self.station = cable.evbd().wait_for_bridge()

    def make_device(self):
        ip = self.cable.switch.ip
        ip("link", "add", "vxlan0", "type", "vxlan", "dstport", "4789", "local", "10.0.0.1", "nolearning", "external", "vnifilter")
        ip("link", "set", "vxlan0", "master", "br0")
        self.bridge("link", "set", "dev", "vxlan0", "vlan_tunnel", "on", "learning", "off")
        ip("link", "set", "vxlan0", "up")

    def bridge(self, *words):
        return run(*self.cable.switch.command("bridge", *words)).stdout

    def state(self, device="vxlan0"):
        """(VNIs, VLANs, mappings) of the VXLAN device."""
        vnis = [vni for shown in json.loads(self.bridge("-j", "vni", "show", "dev", device) or "[]")
                for entry in shown.get("vnis", []) for vni in range(entry["vni"], entry.get("vniEnd", entry["vni"]) + 1)]
        vlans = {vlan["vlan"] for entry in json.loads(self.bridge("-j", "vlan", "show", "dev", device)) for vlan in entry["vlans"]}
        tunnels = {tunnel["vlan"] + step: tunnel["tunid"] + step for entry in json.loads(self.bridge("-j", "vlan", "tunnelshow", "dev", device) or "[]")
                   for tunnel in entry.get("tunnels", []) for step in range(tunnel.get("vlanEnd", tunnel["vlan"]) - tunnel["vlan"] + 1)}
        return sorted(vnis), vlans - {1}, tunnels

    def associate(self, mac, group, *, fails=False, station=None):
        vsi = str(uuid.uuid4())
        said = (station or self.station).ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", 10,
                                "--filter", f"mac={mac},vlan=0,group={group}", "--wait", "5")
        assert (said.returncode != OK) == fails, said.stdout + said.stderr + self.evbd.process.tail()
        return vsi

    def release(self, vsi):
        assert self.station.ctl("vsi", "deassociate", vsi).returncode == OK
        eventually(lambda: self.evbd.vsi(vsi) is None, 5, "released")


def test_OVL_310_a_vni_is_there_with_its_first_vsi_and_goes_with_its_last(cable):
    """VNI, VLAN and mapping, what an operator put there stays; a restart and kill -9 change nothing, and what is not claimed goes."""
    bench = Overlay(cable)
    assert bench.state() == ([], set(), {})
    one, two, three = bench.associate(ONE, 5000), bench.associate(TWO, 5000), bench.associate(THREE, 7)
    both = ([5000, 5001], {50, 51}, {50: 5000, 51: 5001})
    assert bench.state() == both
    assert bench.evbd.vsi(three)["networks"] == [{"vlan": 51, "vni": 5001}]
    shown = bench.evbd.ctl("vsi", "show", three).stdout
    assert "VNI 5001, as VLAN 51" in shown and "5001" in bench.evbd.ctl("vsi", "list").stdout
    bench.release(one)
    assert bench.state() == both, "there is another"
    bench.evbd.process.kill()
    bench.evbd.start()
    eventually(lambda: (bench.evbd.vsi(three) or {}).get("state") == "associated", 40, "claimed again")
    assert bench.state() == both
    bench.release(three)
    eventually(lambda: bench.state() == ([5000], {50}, {50: 5000}), 5, "the last has gone")
    # Another process takes them away.
    bench.bridge("vni", "delete", "dev", "vxlan0", "vni", "5000")
    eventually(lambda: bench.state() == ([5000], {50}, {50: 5000}), 10, "put back")
    bench.bridge("vlan", "del", "dev", "vxlan0", "vid", "50")
    eventually(lambda: bench.state() == ([5000], {50}, {50: 5000}), 40, "put back")
    # Even the device.
    bench.cable.switch.ip("link", "del", "vxlan0")
    bench.make_device()
    eventually(lambda: bench.state() == ([5000], {50}, {50: 5000}), 40, "put back")
    bench.evbd.process.kill()
    bench.evbd.config["ports"][0].pop("vsi-types")
    bench.evbd.write_config()
    bench.evbd.start()
    eventually(lambda: bench.state() == ([], set(), {}), 10, "taken back by an evbd without the setting")
    assert two


def test_OVL_311_an_operators_vni_stays_and_what_contradicts_is_refused(cable):
    bench = Overlay(cable)
    bench.bridge("vni", "add", "dev", "vxlan0", "vni", "5000")
    bench.bridge("vlan", "add", "dev", "vxlan0", "vid", "51")
    bench.bridge("vlan", "add", "dev", "vxlan0", "vid", "52")
    bench.bridge("vlan", "add", "dev", "vxlan0", "vid", "52", "tunnel_info", "id", "6000")
    one, two = bench.associate(ONE, 5000), bench.associate(TWO, 7)
    assert bench.state() == ([5000, 5001], {50, 51, 52}, {50: 5000, 51: 5001, 52: 6000})
    bench.associate(THREE, 8, fails=True)
    eventually(lambda: "VLAN 52 is mapped to VNI 6000 at vxlan0" in bench.evbd.process.output(), 5, "the log says why")
    assert bench.state() == ([5000, 5001], {50, 51, 52}, {50: 5000, 51: 5001, 52: 6000}), "nothing of it is there"
    bench.release(one)
    bench.release(two)
    eventually(lambda: bench.state() == ([5000], {51, 52}, {52: 6000}), 5, "the operator's stay")
    # A device without the flag is refused at the status too.
    bench.bridge("link", "set", "dev", "vxlan0", "vlan_tunnel", "off")
    bench.associate(ONE, 5000, fails=True)
    eventually(lambda: "vlan_tunnel on" in bench.evbd.ctl("status").stdout, 40, "the status says what to do")


def test_OVL_312_ports_of_one_bridge_share_a_vni(cable):
    """What two ports have goes with the last VSI of both, also where one port has left; and moves where the file says another device."""
    lab, second = cable.lab, cable.lab.namespace("second")
    lab.veth(cable.switch, "port1", "02:00:00:00:bb:11", second, "uplink0", "02:00:00:00:aa:11")
    bench = Overlay(cable, ("port0", "port1"))
    other = Evbd(lab, second, name="second", libvirt={"enabled": False}).wait_for_bridge()
    one, two = bench.associate(ONE, 5000), bench.associate(TWO, 5000, station=other)
    assert bench.state() == ([5000], {50}, {50: 5000})
    bench.release(one)
    assert bench.state() == ([5000], {50}, {50: 5000}), "the other port has it"
    bench.associate(ONE, 5000)
    # port0 has no VSI types any more, after a crash: what it had goes, and port1's stays.
    bench.evbd.process.kill()
    del bench.evbd.config["ports"][0]["vsi-types"]
    bench.evbd.write_config()
    bench.evbd.start()
    eventually(lambda: (bench.evbd.vsi(two) or {}).get("networks") == [{"vlan": 50, "vni": 5000}], 40, "claimed again")
    assert bench.state() == ([5000], {50}, {50: 5000})

    ip = cable.switch.ip
    ip("link", "add", "vxlan1", "type", "vxlan", "dstport", "4790", "local", "10.0.0.1", "nolearning", "external", "vnifilter")
    ip("link", "set", "vxlan1", "master", "br0")
    bench.bridge("link", "set", "dev", "vxlan1", "vlan_tunnel", "on", "learning", "off")
    bench.types.write_text(yaml({**TYPES, "overlay": {"device": "vxlan1"}}) + "\n")
    bench.evbd.process.signal(signal.SIGHUP)
    eventually(lambda: bench.state() == ([], set(), {}) and bench.state("vxlan1") == ([5000], {50}, {50: 5000}), 10, "moved")
    assert other.ctl("vsi", "deassociate", two).returncode == OK
    eventually(lambda: bench.state("vxlan1") == ([], set(), {}), 5, "the last has gone")
