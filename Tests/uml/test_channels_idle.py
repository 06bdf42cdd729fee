"""What VSIs on many channels cost at rest. By hand, with EVBD_IDLE set to the seconds of each measure (60 is a good number), inside
Tests/uml/run and with a release in EVBD_BIN_DIR."""

import os
import time
import uuid

import pytest

from lab import eventually
from lab.fixtures import Cable
from lab.switch import Switch
from lab.varlink import Control
from test_channels import Bench

SECONDS = int(os.environ.get("EVBD_IDLE", 0))
CHANNELS, EACH = 16, 64
TICKS = os.sysconf("SC_CLK_TCK")


def computed(pid):
    words = open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def at_rest(*daemons):
    """Seconds of a processor that each takes, when what its VSIs came with is over."""
    time.sleep(10)
    before = [computed(daemon.pid) for daemon in daemons]
    time.sleep(SECONDS)
    return [computed(daemon.pid) - was for daemon, was in zip(daemons, before)]


def fill(station, ports, each):
    control = Control(station.socket)
    control.call_all("Associate", [
        {"vsiID": str(uuid.uuid4()), "port": port, "typeID": 1, "wait": 0,
         "filters": [{"mac": f"52:54:{place:02x}:00:{number >> 8:02x}:{number & 255:02x}", "vlan": 0}]}
        for place, port in enumerate(ports) for number in range(each)])
    control.close()
    count = lambda: sum(port["vsis"]["associated"] for port in station.ctl_json("status")["ports"])   # noqa: E731
    eventually(lambda: count() == len(ports) * each, 120, "all are associated", every=0.5)


@pytest.mark.skipif(not SECONDS, reason="a measure of two minutes, by hand: EVBD_IDLE=60")
def test_SCH_188_many_channels_at_rest(new_lab, tell):
    """SCH-188 64 VSIs on each of 16 channels take at rest at most 1.5 times the processor time that as many on one port take."""
    channels = [{"scid": scid} for scid in range(2, 2 + CHANNELS)]
    bench = Bench(Cable(new_lab()), channels=channels, bridge={"svids": "100-400", "bridge": "br0"}, wait=())
    ports = [f"uplink0.c{channel['scid']}" for channel in channels]
    for port in ports:
        bench.station.wait_for_bridge(port, 60)
    fill(bench.station, ports, EACH)
    many = at_rest(bench.station, bench.bridge)
    for daemon in (bench.station, bench.bridge):
        daemon.process.kill()

    cable = Cable(new_lab())
    bridge = Switch(cable.lab, cable.switch, stp=True).evbd(ports=[{"interface": "port0"}])
    station = cable.evbd(ports=[{"interface": "uplink0"}]).wait_for_bridge()
    fill(station, ["uplink0"], CHANNELS * EACH)
    one = at_rest(station, bridge)
    tell(*(f"{name}: {CHANNELS} channels {a:.2f} s, one port {b:.2f} s of a processor in {SECONDS} s; {a / b:.2f} times"
           for name, a, b in zip(("station", "bridge"), many, one)))
    assert all(a <= 1.5 * b for a, b in zip(many, one))
