"""The lab of the comparison: for each station a cable of its own, at whose other end the floor's bridge grants at once."""

import subprocess
import tempfile
import uuid
from pathlib import Path

from lab import Evbd, Lab, Lldpad, eventually

from .clients import Counts, EvbdClient, FloorClient, NetlinkClient, address

SOURCE = Path(__file__).resolve().parents[1] / "floor.c"
# Each at its best: evbd waits 10 us x 2^14 = 0.16 s for an acknowledgement, lldpad asks again each 10 us x 2^8 = 2.6 ms whatever comes.
RTE = {"evbd": 14, "lldpad": 8, "floor": 14}
# 10 us x 2^20 = 10.5 s, the standard's default, for keep-alives and for the bridge's patience.
VDP = {"rwd": 20, "rka": 20}


def compile_floor(directory):
    program = Path(directory) / "floor"
    subprocess.run(["cc", "-O2", "-o", program, SOURCE], check=True)
    return program


class End:
    """A station's namespace, its cable, and the bridge at the end of that."""

    def __init__(self, stage, name, index):
        self.lab, self.name = stage.lab, name
        self.host, switch = self.lab.namespace(f"{name}-host"), self.lab.namespace(f"{name}-switch")
        self.lab.veth(self.host, "uplink0", f"02:00:00:00:aa:{index:02x}", switch, "port0", f"02:00:00:00:bb:{index:02x}")
        counts = self.lab.directory / f"{name}-counts"
        self.lab.start(f"{name}-bridge", switch.command(stage.floor, "bridge", "port0", RTE[name], counts))
        eventually(lambda: counts.exists() and counts.stat().st_size == 24, 5, f"the bridge of {name} has begun")
        self.counts = Counts(counts)


def on_a_disk():
    """A lab whose files are on a disk where there is one: /tmp may be in memory, /var/tmp is not by the FHS."""
    kind = subprocess.run(["stat", "-f", "-c", "%T", tempfile.gettempdir()], capture_output=True, text=True, check=True).stdout.strip()
    before = tempfile.tempdir
    try:
        if kind == "tmpfs":
            tempfile.tempdir = "/var/tmp"
        return Lab()
    finally:
        tempfile.tempdir = before


class Stage:
    """The three ends; `evbd`, `lldpad` and `station` begin what is measured on them."""

    def __init__(self, lab):
        self.lab = lab
        self.floor = compile_floor(lab.directory)
        self.ends = {name: End(self, name, number) for number, name in enumerate(RTE, 1)}
        self.begun = 0
        # lldpad's own /dev/shm hides that of the lab. It writes to no file while it is asked.
        self.elsewhere = on_a_disk()
        lab.at_end(self.elsewhere.__exit__)

    def evbd(self, lab=None, **port):
        """A new evbd without a VSI, that has heard the bridge. Its files are in memory, or where another lab has them."""
        self.begun += 1
        return Evbd(lab or self.lab, self.ends["evbd"].host, name=f"evbd{self.begun}", log={"level": "notice"},
                    ports=[{"interface": "uplink0", "ecp": {"retries": 3, "rte": RTE["evbd"]}, "vdp": VDP, **port}]).wait_for_bridge()

    def lldpad(self):
        """A new lldpad that has heard the bridge."""
        end = self.ends["lldpad"]
        daemon = Lldpad(self.elsewhere, end.host, "uplink0", role="station", ecprte=RTE["lldpad"], vdprwd=VDP["rwd"], vdprka=VDP["rka"])
        client, vsi = NetlinkClient(end.host, daemon.pid), str(uuid.uuid4())

        def takes_requests():
            try:
                with end.host.entered():
                    client.whole(vsi, 2, 0.01)
                    client.whole(vsi, 3, 0.01)
                return True
            except Exception:       # it has heard nothing yet, and says so in several ways
                return False
        eventually(takes_requests, 40, f"lldpad has heard the bridge\n{daemon.process.tail()}", every=0.5)
        return daemon

    def station(self):
        """The floor's station: its process and a client of it."""
        self.begun += 1
        path = self.lab.directory / f"floor{self.begun}"
        process = self.lab.start("floor", self.ends["floor"].host.command(self.floor, "station", "uplink0", path))
        eventually(path.exists, 5, "the floor's station has begun")
        return process, FloorClient(path)


def vsis(count, start=1):
    """As many new VSIs, as parameters of Associate."""
    return [{"vsiID": str(uuid.uuid4()), "port": "uplink0", "typeID": 1, "filters": [{"mac": address(number), "vlan": 0}]}
            for number in range(start, start + count)]


def associations(wanted, **more):
    return [EvbdClient.question("Associate", **each, **more) for each in wanted]


def releases(wanted, **more):
    return [EvbdClient.question("Deassociate", vsiID=each["vsiID"], port=each["port"], **more) for each in wanted]
