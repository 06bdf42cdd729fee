"""Two boxes of an EVPN fabric, each with evbd's bridge role beside FRR (Debian's): a VSI is where its newest association is."""

import signal

import pytest

from lab import eventually
from lab.fabric import LOST_MAX, MAC, VNI, Fabric, lost


@pytest.fixture
def fabric(new_lab):
    return Fabric(new_lab())


def test_HEAL_703_a_machine_migrates_between_boxes_there_and_back_twice(fabric, tell):
    """In libvirt's order, the target first: at most 15 of 100 pings a second are lost, and the route is right afterwards."""
    one, two = fabric.boxes
    fabric.ask("associate", one)
    eventually(lambda: one.knows("local") and two.knows("remote"), 10, "announced")
    for source, target in ((one, two), (two, one)) * 2:
        fabric.ask("preassociate", target)
        pings = fabric.pings(3)
        eventually(lambda: pings[0].poll() is None, 1, "pings run")
        fabric.ask("associate", target)
        fabric.ask("deassociate", source)
        eventually(lambda: target.knows("local") and source.knows("remote"), 5,
                   f"the route is right: {target.entries()} {source.entries()} {target.frr.mac(VNI, MAC)} {source.frr.mac(VNI, MAC)}")
        counts = lost(pings)
        tell(f"to box {target.number}: lost {counts}")
        assert max(counts) <= LOST_MAX
    assert "sticky" not in one.entries()["p1"]
    assert "belongs to" not in one.evbd.process.output() + two.evbd.process.output()
    fabric.ask("deassociate", one)
    eventually(lambda: not one.entries() and not two.entries(), 5, "withdrawn")
    for box in fabric.boxes:
        assert box.learns() is False
        # The port has no VSI types any more: what they imposed goes.
        del box.evbd.config["ports"][0]["vsi-types"]
        box.evbd.write_config()
        box.evbd.process.signal(signal.SIGHUP)
        eventually(box.learns, 5, "the port learns as before")


def test_HEAL_704_the_newer_association_wins_and_the_older_comes_back_when_it_ends(fabric):
    """A migration that is given up: the source, which never let go, has the address again when the target lets it go."""
    one, two = fabric.boxes
    fabric.ask("associate", one)
    eventually(lambda: one.knows("local") and two.knows("remote"), 10, "announced")
    fabric.ask("associate", two)
    eventually(lambda: two.knows("local") and one.knows("remote"), 5, "the newer one has it")
    fabric.ask("deassociate", two)
    eventually(lambda: one.knows("local") and two.knows("remote"), 10, "it is back")
