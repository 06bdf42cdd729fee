"""What an evbd with nothing to do has for itself."""

from counting import CountedEvbd, release

from lab import Lab, eventually
from lab.fixtures import Cable

# A million octets and a half are what is meant; some pages of libraries come and go with versions.
IDLE_MAX = 1.65e6


def test_SPD_191_an_idle_evbd_has_little_memory_of_its_own(tmp_path):
    """Pages without a file, or that differ from their file, some seconds after the start. By more than that one knows an arena for each
    thread (0.1 MB), libnftables' tables (0.7) or a library that nothing needs (0.3)."""
    with Lab() as lab:
        cable = Cable(lab)
        evbd = CountedEvbd(lab, cable.host, release(tmp_path), callgrind=False)
        eventually(lambda: own(evbd.pid) <= IDLE_MAX, 30, lambda: f"an idle evbd has at most {IDLE_MAX:,.0f} octets, not {own(evbd.pid):,}")


def own(pid):
    """Octets in pages that the process has for itself alone."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return 1024 * next(int(line.split()[1]) for line in file if line.startswith("Anonymous:"))
