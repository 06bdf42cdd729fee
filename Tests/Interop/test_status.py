"""GetStatus has the text of each port's status ready, as long as nothing of the port changes; ListPorts makes it each time."""

import uuid

import pytest

from lab import eventually
from lab.switch import Switch
from lab.varlink import Control

VSI = str(uuid.uuid4())


class Ends:
    def __init__(self, cable):
        self.cable = cable
        self.bridge = Switch(cable.lab, cable.switch).evbd(ports=[{"interface": "port0"}])
        self.station = cable.evbd(ports=[{"interface": "uplink0"}]).wait_for_bridge()
        self.ports = ((self.station, Control(self.station.socket)), (self.bridge, Control(self.bridge.socket)))
        eventually(lambda: self.station.port()["reflectiveRelay"]["status"] == "granted", 15, "reflective relay is granted")

    def shows(self, control):
        """What both calls say, when they say the same."""
        kept = control.call("GetStatus")["status"]["ports"]
        made = control.call("ListPorts")["ports"]
        return kept[0] if kept == made else None

    def until(self, control, of_port, what):
        """Nothing comes that would have the text written again by chance: the calls say the same as soon as one says it."""
        eventually(lambda: of_port(control.call("ListPorts")["ports"][0]), 15, what)
        return eventually(lambda: self.shows(control), 2, f"GetStatus says so too: {what}")


@pytest.fixture
def ends(cable):
    ends = Ends(cable)
    yield ends
    for _, control in ends.ports:
        control.close()


def test_SPD_179_a_status_that_is_kept_is_the_one_of_now(ends):
    """SPD-179: whatever changes a port's status changes what GetStatus says of it."""
    (station, at_station), (bridge, at_bridge) = ends.ports
    for control in (at_station, at_bridge):
        assert ends.until(control, lambda port: port["peer"], "the peer is there")
    station.associate(VSI)
    ends.until(at_station, lambda port: port["vsis"]["associated"] == 1, "a VSI is associated")
    ends.until(at_bridge, lambda port: port["vsis"]["associated"] == 1, "a VSI is associated at the bridge")
    assert bridge.ctl("port", "misbehave", "port0", "--drop-acks-percent", 1).returncode == 0
    ends.until(at_bridge, lambda port: port["misbehaviour"], "the bridge misbehaves")
    assert bridge.ctl("port", "misbehave", "port0", "--off").returncode == 0
    ends.until(at_bridge, lambda port: not port["misbehaviour"], "the bridge behaves")
    assert station.ctl("drain", "uplink0").returncode == 0
    ends.until(at_station, lambda port: port["drain"] and not port["vsis"]["associated"], "the port is drained")
    ends.until(at_bridge, lambda port: not port["vsis"]["associated"], "the bridge has no VSI")
    assert station.ctl("drain", "uplink0", "--end").returncode == 0
    ends.until(at_station, lambda port: not port["drain"] and port["vsis"]["associated"] == 1, "the port is in service")
    station.config["ports"][0]["edge-relay"] = "veb"
    station.write_config()
    assert station.ctl("reload").returncode == 0
    ends.until(at_station, lambda port: not port["reflectiveRelay"]["requested"], "reflective relay is not asked for")
    station.namespace.ip("link", "set", "uplink0", "down")
    ends.until(at_station, lambda port: port["linkState"] == "down", "the link is down")
    ends.until(at_bridge, lambda port: not port["linkUp"], "the bridge's link is down")
    station.namespace.ip("link", "delete", "uplink0")
    ends.until(at_station, lambda port: port["linkState"] == "missing", "the interface is missing")
    ends.until(at_bridge, lambda port: port["linkState"] == "missing", "the bridge's interface is missing")
