"""evbd as the bridge: with Debian's lldpad as its station, with evbd as its station, and with many VSIs."""

import errno
import re
import time
import uuid

import pytest

from lab import Lldpad, eventually
from lab.codec import ASSOCIATE, DEASSOCIATE
from lab.evbd import FAILED, OK, USAGE
from lab.netlink import Refused
from lab.switch import Switch
from lab.system import always
from lab.varlink import Control, Events

GUEST = "52:54:00:11:22:33"


def new_vsi():
    return str(uuid.uuid4())


class LldpadStation(Lldpad):
    """lldpad on uplink0 in the station role, used by its vdptool."""

    def __init__(self, cable, **changes):
        super().__init__(cable.lab, cable.host, "uplink0", role="station", **changes)

    def vdp(self, mode, vsi, *words, type_id=0x123457, version=4, mac=GUEST, vlan=100, wait=True):
        filters = (f"filter={vlan}-{mac}",) if mac else (f"filter={vlan}",)
        settings = (f"mode={mode}", "mgrid2=blabla", f"typeid={type_id}", f"typeidver={version}", f"uuid={vsi}",
                    "hints=none", *filters, *words)
        return self.tool("vdptool", "-T", "-i", "uplink0", "-V", mode, *(("-W",) if wait else ()),
                         *(word for setting in settings for word in ("-c", setting)))

    def listed(self, mode="assoc"):
        """VSIID -> its settings, as vdptool lists them."""
        said = self.tool("vdptool", "-t", "-i", "uplink0", "-V", mode).stdout
        return {match[1].lower(): said for match in re.finditer(r"uuid\s*=\s*([0-9a-fA-F-]{36})", said)}


def test_VDP_lldpad_is_the_station(cable):
    """VDP-27 lldpad 1.1 as the station: associate, list on both sides, de-associate by the station, and by the bridge."""
    switch = Switch(cable.lab, cable.switch, stp=True)
    bridge = switch.evbd()
    station = LldpadStation(cable)
    eventually(lambda: (bridge.port("port0")["peer"] or {}).get("evbMode") == "station", 15, "evbd hears the station")
    eventually(lambda: switch.hairpin() is True, 5, "lldpad asks for reflective relay")
    vsis = [new_vsi(), new_vsi()]
    for number, vsi in enumerate(vsis):
        said = station.vdp("assoc", vsi, mac=f"52:54:00:11:22:{number:02x}")
        assert said.returncode == 0, said
        bridge.wait_for_state(vsi, "associated", 5)
    shown = bridge.vsi(vsis[0])
    assert shown["filters"] == [{"mac": "52:54:00:11:22:00", "vlan": 100, "pcp": None, "group": None}]
    assert (shown["typeID"], shown["typeVersion"], shown["link"], shown["reason"]) == (0x123457, 4, None, "success")
    assert "blabla" in str(shown["managerID"]), shown
    eventually(lambda: set(vsis) <= set(station.listed()), 5, f"vdptool lists both: {station.tool('vdptool', '-t', '-i', 'uplink0', '-V', 'assoc')}")

    # It lives on keep-alives: longer than toutKeepAlive.
    always(lambda: bridge.port("port0")["vsis"]["associated"] == 2, 6, "lldpad's keep-alives are answered", every=0.25)

    said = station.vdp("deassoc", vsis[0], mac="52:54:00:11:22:00")
    assert said.returncode == 0, said
    eventually(lambda: bridge.vsi(vsis[0]) is None, 5, "the station has de-associated the first")
    assert bridge.state(vsis[1]) == "associated"

    said = bridge.ctl("vsi", "deassociate", vsis[1], "--port", "port0")
    assert said.returncode == OK, said
    assert bridge.vsi(vsis[1]) is None
    eventually(lambda: vsis[1] not in station.listed(), 5, "lldpad has heard that the bridge took the second back")


def test_lldpad_asks_for_the_vlan_of_the_type(cable):
    """VDP-21 A null VID, with a MAC address and alone: this bridge has no VLAN to give, and says so by leaving it null."""
    switch = Switch(cable.lab, cable.switch, stp=True)
    bridge = switch.evbd()
    station = LldpadStation(cable)
    eventually(lambda: (bridge.port("port0")["peer"] or {}).get("evbMode") == "station", 15, "evbd hears the station")
    for mac in (GUEST, None):
        vsi = new_vsi()
        said = station.vdp("assoc", vsi, mac=mac, vlan=0)
        assert said.returncode == 0, said
        bridge.wait_for_state(vsi, "associated", 5)
        assert [entry["vlan"] for entry in bridge.vsi(vsi)["filters"]] == [0]
        always(lambda: bridge.state(vsi) == "associated", 5, "its keep-alives mean the same", every=0.25)


def test_the_bridge_shows_and_tells(cable):
    """status, port list and show, vsi list and show, monitor and stats of a bridge port, by the keys of interface.md."""
    switch = Switch(cable.lab, cable.switch)
    bridge = switch.evbd()
    events = Events(cable.lab, bridge.socket)
    evbd = cable.evbd().wait_for_bridge()
    vsi = new_vsi()
    evbd.associate(vsi, "--manager", "7", "--type-version", "3")
    heard = Events(cable.lab, evbd.socket)
    eventually(lambda: switch.hairpin() is True, 5, "granted")
    port = bridge.port("port0")
    assert port == {
        "interface": "port0", "role": "bridge", "linkUp": True, "linkState": "up", "dialect": "ratified", "drain": None, "channel": None,
        "peer": {"chassisID": cable.host.mac("uplink0"), "portID": "uplink0", "evbMode": "station"},
        "reflectiveRelay": {"requested": True, "status": "granted"},
        "timers": {"retries": 3, "rte": 10, "rwd": 17, "rka": 18},
        "vsis": {"associated": 1, "preassociated": 0, "pending": 0, "deassociated": 0},
    } | {key: value for key, value in port.items() if key == "misbehaviour"}
    assert bridge.ctl_json("port", "list") == [port]
    details = bridge.ctl_json("port", "show", "port0")
    assert details["evbTLV"]["local"]["evbMode"] == "bridge" and details["evbTLV"]["remote"]["evbMode"] == "station"
    assert details["lldpNeighbour"]["portID"] == "uplink0" and details["ecp"]["rxFrameCount"] >= 1
    sbp = details["sbp"]
    assert details["urp"] is None and details["sys"]["type"] == "evbBridge"
    # 1.5 x (RKA + 7 x RTE), in microseconds.
    assert sbp == {"lldpManual": False, "vdpOperRsrcWaitDelayExp": 17, "vdpOperReinitKeepAliveExp": 18,
                   "vdpOperToutKeepAlive": 15 * (2 ** 18 + 7 * 2 ** 10)}
    shown = bridge.ctl_json("vsi", "show", vsi)
    mib = shown.pop("vsidb")
    assert shown.pop("traffic") is None and "no VSI types" in shown.pop("trafficNote")
    assert mib["vdpOperCmd"] == mib["vdpMachineState"] == "associate" and mib["operReason"] == "success"
    assert mib["vdpCommandsSucceeded"] == 1 and mib["vdpCommandsFailed"] == 0 and mib["mgrID16"] == "07" + 30 * "0"
    assert 0 <= mib["timeSinceCreate"] < 6000 and mib["filterFormat"] == "macVid" and mib["numMACs"] == 1
    assert shown == bridge.vsi(vsi) == {
        "vsiID": vsi, "vsiIDFormat": "uuid", "port": "port0", "managerID": "7", "typeID": 0x123457, "typeVersion": 3,
        "state": "associated", "reason": "success", "link": None, "warnings": [], "label": None, "requestedLink": None,
        "retryInMilliseconds": None, "networks": [],
        "filters": [{"mac": GUEST, "vlan": 0, "pcp": None, "group": None}]}
    assert bridge.ctl_json("vsi", "list", "--state", "preassociated") == []
    counters = bridge.ctl_json("stats", "port0")[0]["counters"]
    assert counters["VDPCommandsSucceeded"] == 1 and counters["EcpRxFrameCount"] >= 1

    said = bridge.ctl("vsi", "associate", new_vsi(), "--port", "port0", "--type", "1")
    assert said.returncode == USAGE and "port0 is a bridge port" in said.stderr and "evbctl vsi associate there" in said.stderr
    assert bridge.ctl("vsi", "deassociate", new_vsi(), "--port", "port0").returncode == FAILED

    assert bridge.ctl("vsi", "deassociate", vsi).returncode == OK
    # By its events, for the station soon asks again.
    eventually(lambda: heard.vsi_changes() and heard.vsi_changes()[0][1:] == (vsi, "associated", "deassociated", "bridge-deassociated"), 5,
               "the station hears why")
    kinds = {event["kind"] for _, event in events.seen}
    assert {"peer", "reflective-relay", "vsi"} <= kinds
    # The thread that reads the bridge's events may be later than the station's.
    eventually(lambda: len(events.vsi_changes()) >= 2, 5, "the bridge has told of both")
    changes = [change[1:] for change in events.vsi_changes()]
    assert changes[:2] == [(vsi, "deassociated", "associated", None), (vsi, "associated", "deassociated", "bridge-deassociated")]
    log = bridge.process.output()
    assert re.search(rf"VSI associated .*port=port0 .*vsi={vsi}", log)
    assert re.search(rf"VSI released port=port0 reason=.*vsi={vsi}", log)


def test_a_silent_station_loses_its_vsis(cable):
    """A station that dies is missed after toutKeepAlive, and its VSIs are released with a reason."""
    switch = Switch(cable.lab, cable.switch)
    bridge, evbd = switch.evbd(), cable.evbd().wait_for_bridge()
    events = Events(cable.lab, bridge.socket)
    vsi = new_vsi()
    evbd.associate(vsi)
    evbd.process.freeze()
    # 1.5 x (2.62 s + 7 x 10.24 ms) = 4.04 s
    always(lambda: bridge.state(vsi) == "associated", 2, "not at once", every=0.2)
    eventually(lambda: bridge.vsi(vsi) is None, 6, "released")
    last = lambda: [change[1:] for change in events.vsi_changes()][-1]   # noqa: E731
    eventually(lambda: last() == (vsi, "associated", "deassociated", "timeout"), 5, lambda: f"the event says so: {last()}")
    evbd.process.thaw()


def test_VDP_39_a_thousand_vsis(cable):
    """VDP-39 1,000 VSIs from evbd to evbd: all associated, kept alive beyond toutKeepAlive, listed by both, and released."""
    count = 1000
    switch = Switch(cable.lab, cable.switch)
    bridge, evbd = switch.evbd(), cable.evbd().wait_for_bridge()
    control = Control(evbd.socket)
    cable.lab.at_end(control.close)
    vsis = [new_vsi() for _ in range(count)]
    control.call_all("Associate", [
        {"vsiID": vsi, "port": "uplink0", "typeID": 1, "filters": [{"mac": f"52:54:00:22:{n >> 8:02x}:{n & 255:02x}"}]}
        for n, vsi in enumerate(vsis)])
    eventually(lambda: bridge.port("port0")["vsis"]["associated"] == count, 60, "the bridge has all", every=0.2)
    eventually(lambda: evbd.port()["vsis"]["associated"] == count, 10, "the station has heard so", every=0.2)
    assert set(bridge.vsis()) == set(evbd.vsis()) == set(vsis)
    wire = cable.wire()
    deadline = time.monotonic() + 6
    always(lambda: bridge.port("port0")["vsis"]["associated"] == count, deadline - time.monotonic(), "all are kept alive", every=0.5)
    assert not [1 for frame in wire.look() if frame.vdp for item in frame.vdp.vsis if item.command == DEASSOCIATE]
    assert any(item.command == ASSOCIATE for frame in wire.received(lambda frame: frame.vdp) for item in frame.vdp.vsis)
    control.call_all("Deassociate", [{"vsiID": vsi, "port": "uplink0"} for vsi in vsis])
    eventually(lambda: bridge.vsis() == {} and evbd.vsis() == {}, 60, "all are released", every=0.5)


def test_no_libvirt_requests_on_a_bridge_port(cable):
    """As lldpad does it: EOPNOTSUPP, and nothing is asked of anybody."""
    switch = Switch(cable.lab, cable.switch)
    bridge = switch.evbd(start=False)
    bridge.config["libvirt"] = {"enabled": True, "pid-file": bridge.pid_file}
    bridge.write_config()
    bridge.start()
    client = bridge.libvirt("port0")
    for ask in (client.getlink, lambda: client.setlink(GUEST, new_vsi(), 2)):
        with pytest.raises(Refused) as refusal:
            ask()
        assert refusal.value.errno == errno.EOPNOTSUPP
    assert bridge.vsis() == {}
