"""From lldpad to evbd and back under running machines, by the steps of Documentation/lldpad.md: how long their traffic stops."""

import threading
import time
import uuid

from lab import Lldpad, eventually
from lab.netlink import ASSOCIATE, Client, NoAnswer, Refused
from lab.switch import Switch
from lab.system import run
from lab.tap import Macvtap

MACHINES = {"vm1": ("52:54:00:00:00:01", str(uuid.uuid4())), "vm2": ("52:54:00:00:00:02", str(uuid.uuid4()))}
EVERY = 0.002


class Traffic:
    """Frames from the first machine to the second, one each 2 ms, and when they arrived. The switch has to reflect each."""

    def __init__(self, lab, host):
        first, second = (bytes.fromhex(mac.replace(":", "")) for mac, _ in MACHINES.values())
        self.frame = second + first + b"\x88\xb5" + bytes(46)
        self.sender, self.receiver = (Macvtap(lab, host, name) for name in MACHINES)
        self.arrivals, self.ended = [], threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        lab.at_end(self.end)

    def _run(self):
        while not self.ended.wait(EVERY):
            try:
                self.sender.send(self.frame)
            except OSError:   # the link is down
                pass
            if any(frame.startswith(self.frame[:14]) for frame in self.receiver.received()):
                self.arrivals.append(time.monotonic())

    def end(self):
        self.ended.set()
        self.thread.join(5)

    def flows(self, seconds=20):
        """Waits until a hundred more frames have arrived."""
        before = len(self.arrivals)
        eventually(lambda: len(self.arrivals) >= before + 100, seconds, "frames arrive")

    def gap(self, since):
        """The longest time without a frame."""
        times = [since, *(moment for moment in self.arrivals if moment > since)]
        return max(later - earlier for earlier, later in zip(times, times[1:]))


def ask(cable, pid):
    """What a started libvirtd does: an ASSOCIATE for each machine that runs, and polls."""
    client = Client(cable.host, pid, cable.host.index("uplink0"), "uplink0")
    cable.lab.at_end(client.close)
    for mac, vsi in MACHINES.values():
        assert client.request(mac, vsi, ASSOCIATE) is True


def hears(bridge):
    return lambda: (bridge.port("port0")["peer"] or {}).get("evbMode") == "station"


def lldpad(cable, bridge):
    station = Lldpad(cable.lab, cable.host, "uplink0", role="station", ecprte=14, vdprwd=20, vdprka=20)
    eventually(hears(bridge), 20, "the switch hears lldpad")
    return station


def associated(cable, bridge, station):
    """lldpad refuses requests until it has heard the switch."""
    def done():
        try:
            ask(cable, station.pid)
            return True
        except (Refused, NoAnswer, LookupError):
            return False
    eventually(done, 20, "lldpad has both associated", every=0.2)


def test_OPS_806_from_lldpad_to_evbd_and_back(cable, tell):
    types = cable.lab.directory / "types.yaml"
    types.write_text("types: [{ type: 1193047 }]\n")
    bridge = Switch(cable.lab, cable.switch, stp=True).wait_until_forwarding().evbd(ports=[{"interface": "port0", "vsi-types": types}])
    for name, (mac, _) in MACHINES.items():   # as libvirt makes them
        cable.host.ip("link", "add", "link", "uplink0", "name", name, "address", mac, "up", "type", "macvtap", "mode", "vepa")
    station = lldpad(cable, bridge)
    associated(cable, bridge, station)
    traffic = Traffic(cable.lab, cable.host)
    traffic.flows()

    there = time.monotonic()
    station.stop()
    evbd = cable.evbd()
    evbd.wait_for_bridge()
    ask(cable, evbd.pid)
    traffic.flows()
    tell(f"from lldpad to evbd: {traffic.gap(there):.2f} s without traffic")
    assert {vsi["state"] for vsi in bridge.vsis().values()} == {"associated"}

    back = time.monotonic()
    evbd.terminate()
    # With these rules lldpad hears no switch: the page has them deleted.
    run(*cable.host.command("nft", "delete", "table", "netdev", "evbd-guests"))
    station = lldpad(cable, bridge)
    associated(cable, bridge, station)
    traffic.flows()
    tell(f"from evbd to lldpad: {traffic.gap(back):.2f} s without traffic")
    assert {vsi["state"] for vsi in bridge.vsis().values()} == {"associated"}
