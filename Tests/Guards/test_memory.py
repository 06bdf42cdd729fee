"""What an evbd with nothing to do has for itself, and what it has for each VSI."""

from counting import CountedEvbd, release

from lab import Lab, eventually
from lab.fixtures import Cable
from lab.pair import requests
from lab.switch import Switch
from lab.varlink import Control

# A million octets and a half are what is meant; some pages of libraries come and go with versions.
IDLE_MAX = 1.65e6
# Of each of so many VSIs, at which the tables are two thirds full.
COUNT, VSI_MAX = 4000, 1000


def test_SPD_191_an_idle_evbd_has_little_memory_of_its_own(tmp_path):
    """Pages without a file, or that differ from their file, some seconds after the start. By more than that one knows an arena for each
    thread (0.1 MB), libnftables' tables (0.7) or a library that nothing needs (0.3)."""
    with Lab() as lab:
        cable = Cable(lab)
        evbd = CountedEvbd(lab, cable.host, release(tmp_path), callgrind=False)
        eventually(lambda: own(evbd.pid) <= IDLE_MAX, 30, lambda: f"an idle evbd has at most {IDLE_MAX:,.0f} octets, not {own(evbd.pid):,}")


def test_SPD_190_a_vsi_takes_a_kilobyte_and_a_burst_leaves_nothing_behind(tmp_path):
    """Above an idle evbd, a while after all have come at once. By more than that one knows a table that is half empty (100), a record that
    another has grown by (50), and what the burst alone needed and is not given back (300)."""
    with Lab() as lab:
        cable, program = Cable(lab), release(tmp_path)
        Switch(lab, cable.switch)
        CountedEvbd(lab, cable.switch, program, callgrind=False, name="switch", ports=[{"role": "bridge", "interface": "port0"}],
                    log={"level": "error"}, libvirt={"enabled": False})
        evbd = CountedEvbd(lab, cable.host, program, callgrind=False, log={"level": "warning"})
        evbd.wait_for_bridge()
        eventually(lambda: own(evbd.pid) <= IDLE_MAX, 30, "evbd is idle")
        idle = own(evbd.pid)
        control = Control(evbd.socket)
        lab.at_end(control.close)
        control.call_all("Associate", requests(COUNT, wait=60_000))
        eventually(lambda: own(evbd.pid) - idle <= VSI_MAX * COUNT, 30,
                   lambda: f"each VSI has at most {VSI_MAX} octets, not {(own(evbd.pid) - idle) / COUNT:.0f}")


def own(pid):
    """Octets in pages that the process has for itself alone."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))
