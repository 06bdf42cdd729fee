"""The two ends of a network virtualization edge (802.1Qcy, RFC 8394): mode 3, VN IDs, unicast, and the way back from an association."""

import json
import uuid

from lab import eventually
from lab.evbd import OK, yaml
from lab.fixtures import PORT_MAC, UPLINK_MAC
from lab.switch import Switch
from lab.system import run

MAC, VN = "52:54:00:00:00:01", 5000
TYPES = {"types": [{"name": "tenant", "type": 10, "groups": [{"group": VN, "vlan": 0}, {"group": 6000, "vlan": 60}]}]}
LLDP, ECP = 0x88CC, 0x8940


def is_up(namespace, link):
    shown = json.loads(run(*namespace.command("ip", "-j", "link", "show", "dev", link)).stdout)
    return "UP" in shown[0]["flags"]


def test_OVL_320_nvo3_by_unicast(cable):
    """OVL-320 NVO-01 NVO-02 NVO-04 NVO-05 Real evbds: every frame of LLDP and ECP is to the peer's own address, and a machine goes out of service and back."""
    switch = Switch(cable.lab, cable.switch)
    types = cable.lab.directory / "types.yaml"
    types.write_text(yaml(TYPES) + "\n")
    wire = cable.wire()
    bridge = switch.evbd(ports=[{"interface": "port0", "vsi-types": types, "nvo3": True, "peer-address": UPLINK_MAC}])
    station = cable.evbd(ports=[{"interface": "uplink0", "nvo3": True, "peer-address": PORT_MAC}])
    eventually(lambda: (station.port("uplink0") or {}).get("peer"), 15, f"they have found each other\n{station.process.tail()}")
    assert bridge.port("port0")["peer"]["evbMode"] == "nvo3" and station.port("uplink0")["peer"]["evbMode"] == "bridge"

    vsi = str(uuid.uuid4())
    words = ("--port", "uplink0", "--type", 10, "--filter", f"mac={MAC},vlan=0,group={VN}", "--link", "vm1", "--link-kind", "macvlan")

    def ask(command):
        said = station.ctl("vsi", command, vsi, *words)
        assert said.returncode == OK, said.stdout + said.stderr + station.process.tail()
    ask("associate")
    assert bridge.state(vsi) == "associated" and is_up(cable.host, "vm1")
    ask("preassociate")
    assert bridge.state(vsi) == "preassociated" and station.state(vsi) == "preassociated"
    eventually(lambda: not is_up(cable.host, "vm1"), 5, "out of service")
    ask("associate")
    eventually(lambda: is_up(cable.host, "vm1"), 5, "in service again")
    said = station.ctl("vsi", "associate", str(uuid.uuid4()), "--port", "uplink0", "--type", 10, "--filter", f"mac={MAC},vlan=0,group={1 << 24}")
    assert said.returncode == 64 or "no VN ID" in said.stderr, said.stderr

    destinations = {frame.octets[:6] for frame in wire.look() if int.from_bytes(frame.octets[12:14], "big") in (LLDP, ECP)}
    expected = {bytes.fromhex(mac.replace(":", "")) for mac in (UPLINK_MAC, PORT_MAC)}
    assert destinations == expected, destinations
