"""S-channels with Debian's libvirtd, unmodified: a machine whose source device is a channel. To be run inside Tests/uml/run."""

from pathlib import Path

import pytest

from lab import eventually
from lab.fixtures import PORT_MAC, UPLINK_MAC, Cable
from lab.libvirt import VSI, Host, wire
from test_channels import Bench


class TapCable(Cable):
    """A cable that libvirt, looking for what is below a device, does not climb out of the host."""

    def __init__(self, lab):
        self.lab = lab
        self.host, self.switch = lab.namespace("host"), lab.namespace("switch")
        wire(lab, (self.host, "uplink0", UPLINK_MAC), (self.switch, "port0", PORT_MAC))


@pytest.fixture
def bench(new_lab):
    if "devtmpfs" not in Path("/proc/filesystems").read_text():
        pytest.skip("this kernel makes no device nodes (devtmpfs), and libvirt opens a macvtap's as soon as it has made it; Linux 7.2 does")
    lab = new_lab()
    bench = Bench(TapCable(lab), wait=("uplink0", "red", "blue"))
    bench.libvirt = Host(lab, bench.cable.host)
    bench.libvirt.obey(bench.station.pid_file)
    bench.libvirt.start_libvirtd()
    return bench


def test_SCH_187_libvirtd_on_channels(bench):
    """SCH-187 Debian's libvirtd starts machines on channels: each is associated on the channel that it names, also after libvirtd and evbd
    were ended and begun again, and de-associated there when it is destroyed."""
    host = bench.libvirt
    machines = {port: VSI(port) for port in ("red", "blue")}
    for port, vsi in machines.items():
        host.start(f"on-{port}", vsi)
        shown = bench.station.vsi(vsi.id)
        assert (shown["port"], shown["state"]) == (port, "associated"), shown
        link = host.link_of(vsi)
        assert link["link"] == port and "UP" in link["flags"], link
        assert bench.bridge.vsi(vsi.id)["state"] == "associated"
    host.stop_libvirtd()
    bench.station.process.kill()
    bench.station.start()
    host.start_libvirtd()
    for port, vsi in machines.items():
        eventually(lambda vsi=vsi: bench.station.state(vsi.id) == "associated", 30, f"{port}'s is associated again")
        assert bench.station.vsi(vsi.id)["port"] == port
        host.virsh("destroy", f"on-{port}")
        eventually(lambda vsi=vsi: bench.bridge.vsi(vsi.id) is None, 10, f"{port}'s is gone from the bridge")
        assert bench.station.state(vsi.id) in (None, "deassociated")
