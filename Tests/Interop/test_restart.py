"""A daemon that ends, by a signal or by kill -9, and begins again: nobody on either side notices more than a pause."""

import json
import os
import signal
import threading
import time
import uuid

import pytest

from lab import eventually
from lab.pair import Pair, end, requests
from lab.thread import frozen_thread

from test_two_vms import VM


@pytest.fixture
def pair(cable):
    return Pair(cable)


@pytest.mark.parametrize("how", ["kill", "terminate"])
def test_VDP_36_VDP_37_vsis_go_on_over_a_restart(pair, how):
    """VDP-36 VDP-37 No De-Associate, no good-bye, nothing released by the bridge; all are kept alive by the next run, with new ECP numbers."""
    wanted = requests(50)
    asked = {request["vsiID"] for request in wanted}
    pair.control().call_all("Associate", wanted)
    eventually(lambda: pair.held() == asked, 20, "the bridge holds all")
    before = pair.sequences()
    pair.restart(how)
    pair.evbd.wait_for_bridge()
    eventually(lambda: sum(vsi["state"] == "associated" for vsi in pair.evbd.vsis().values()) == 50, 20, "all are associated again")
    after = pair.sequences()[len(before):]
    assert after and after[0] not in before
    time.sleep(5)       # longer than toutKeepAlive, 4.2 s
    assert pair.held() == asked
    assert not pair.goodbyes() and not pair.deassociations()
    lost = [change for change in pair.released.vsi_changes() if change[2] == "associated"]
    assert not lost, f"the bridge released {lost[:3]}"


def test_VDP_36_traffic_and_links_are_untouched_by_a_kill(pair):
    """VDP-36 Two machines ping each other through the bridge while evbd is killed and begins again: none of their frames is lost."""
    one, two = VM(pair.cable, pair.evbd, 1), VM(pair.cable, pair.evbd, 2)
    eventually(lambda: pair.switch.hairpin() is True, 5, "granted")
    pair.switch.wait_until_forwarding()
    eventually(lambda: one.lost(two, 1) == 0, 5, "the first gets through")
    inside = pair.evbd.associate(str(uuid.uuid4()), "--link", "vm3", mac="52:54:00:00:00:03") and pair.cable.host.link("vm3")
    lost = []
    pinging = threading.Thread(target=lambda: lost.append(one.lost(two, 400)))
    pinging.start()
    pair.restart("kill")
    pair.evbd.wait_for_bridge()
    pinging.join()
    assert lost == [0]
    eventually(lambda: all(vsi["state"] == "associated" for vsi in pair.evbd.vsis().values()), 10, "all are associated again")
    after = pair.cable.host.link("vm3")
    assert after["ifindex"] == inside["ifindex"] and "UP" in after["flags"]
    # The machines' own links are in other namespaces, and no others are made in their place.
    assert len(pair.evbd.vsis()) == 3 and not pair.cable.host.link("vm1")
    assert one.lost(two) == 0


def test_a_vsi_that_the_bridge_does_not_go_on_with_is_cut(pair):
    """What passes is what the bridge grants: a restored VSI that is refused loses its traffic, and says why."""
    vsi = str(uuid.uuid4())
    pair.evbd.associate(vsi, "--link", "vm0")
    end(pair.evbd, "kill")
    assert "UP" in pair.cable.host.link("vm0")["flags"]
    assert pair.bridge.ctl("port", "misbehave", "port0", "--refuse", "insufficient-resources", "--hard").returncode == 0
    assert pair.bridge.ctl("vsi", "deassociate", vsi).returncode == 0
    pair.evbd.start()
    # The bridge's De-Associate may be heard first.
    eventually(lambda: pair.evbd.vsi(vsi)["reason"] == "insufficient-resources", 15, "refused, and it says why")
    assert pair.evbd.state(vsi) == "deassociated"
    eventually(lambda: "UP" not in pair.cable.host.link("vm0")["flags"], 5, "its link is down")


def test_a_withdrawn_vsi_stays_gone(pair):
    """A VSI that was given up does not come back with the next run, and its link goes, though the bridge never answered."""
    vsi = str(uuid.uuid4())
    pair.evbd.associate(vsi, "--link", "vm0")
    pair.bridge.process.signal(signal.SIGSTOP)
    assert pair.evbd.ctl("vsi", "deassociate", vsi, "--no-wait").returncode == 0
    end(pair.evbd, "kill")
    pair.bridge.process.signal(signal.SIGCONT)
    pair.evbd.start().wait_for_bridge()
    assert pair.evbd.vsi(vsi) is None
    eventually(lambda: pair.cable.host.link("vm0") is None, 5, "its link is gone")
    eventually(lambda: not pair.evbd.stored(), 5, "nothing of it is stored any more")


def test_VDP_36_a_withdrawn_vsi_stays_gone_whose_link_was_not_gone_yet(pair):
    """VDP-36 Nothing is granted, so that it is given up at once; but the kernel takes its time over the link, and evbd is killed meanwhile."""
    vsi = str(uuid.uuid4())
    pair.evbd.associate(vsi, "--link", "vm0")
    pair.cable.switch.ip("link", "set", "port0", "down")
    pair.evbd.wait_for_state(vsi, "deassociated")
    eventually(lambda: not pair.cable.host.is_up("vm0"), 5, "its link is cut")
    with frozen_thread(pair.evbd.pid, "evbd-links"):
        assert pair.evbd.ctl("vsi", "deassociate", vsi, "--no-wait").returncode == 0
        pair.evbd.process.signal(signal.SIGKILL)
    pair.evbd.process.wait(10)
    pair.cable.switch.ip("link", "set", "port0", "up")
    pair.evbd.start().wait_for_bridge()
    assert pair.evbd.vsi(vsi) is None
    eventually(lambda: pair.cable.host.link("vm0") is None, 5, "its link is gone")
    eventually(lambda: not pair.evbd.stored(), 5, "nothing of it is stored any more")


@pytest.mark.parametrize("wanted", [True, False])
def test_VDP_36_a_link_that_was_half_made(pair, wanted):
    """VDP-36 evbd was killed when the kernel had made a VSI's link, and before it was marked as evbd's: that is no stranger's."""
    vsi = str(uuid.uuid4())
    pair.evbd.associate(vsi, "--link", "vm0")
    if not wanted:
        pair.bridge.process.freeze()
        assert pair.evbd.ctl("vsi", "deassociate", vsi, "--no-wait").returncode == 0
    end(pair.evbd, "kill")
    if not wanted:
        pair.bridge.process.thaw()
    made = pair.cable.host.link("vm0")
    pair.cable.host.ip("link", "delete", "vm0")
    pair.cable.host.ip("link", "add", "vm0", "link", "uplink0", "address", made["address"], "type", "macvtap", "mode", "vepa")
    index = pair.cable.host.index("vm0")
    pair.evbd.start().wait_for_bridge()
    if wanted:
        pair.evbd.wait_for_state(vsi, "associated")
        eventually(lambda: pair.cable.host.is_up("vm0") and pair.cable.host.index("vm0") != index, 5, "made anew")
        assert pair.cable.host.link("vm0")["ifalias"] == made["ifalias"]
    else:
        eventually(lambda: pair.cable.host.link("vm0") is None, 5, "its link is gone")
        assert pair.evbd.vsi(vsi) is None


def test_VDP_36_a_stop_while_a_link_is_made(pair):
    """VDP-36 SIGTERM comes when the bridge has granted and the link is half made: the VSI is wanted still."""
    (request,) = requests(1, link={"name": "vm0"}, wait=0)
    with frozen_thread(pair.evbd.pid, "evbd-links"):
        vsi = pair.control().call("Associate", **request)["vsi"]["vsiID"]
        eventually(lambda: pair.held() == {vsi}, 5, "granted")
        eventually(lambda: pair.evbd.state(vsi) == "associated", 5, "and heard")
        pair.evbd.process.signal(signal.SIGTERM)
        time.sleep(0.3)     # it waits for the thread
    assert pair.evbd.process.wait(10) == 0
    pair.evbd.start().wait_for_bridge()
    pair.evbd.wait_for_state(vsi, "associated")
    eventually(lambda: pair.cable.host.is_up("vm0"), 5, "with its link")


def test_a_forged_file_and_a_torn_one_stop_nothing(pair):
    """What an earlier evbd has left is taken over. What another user could have written, or is torn, is set aside with a line in the log; the others come back."""
    good, old = str(uuid.uuid4()), str(uuid.uuid4())
    pair.evbd.associate(good)
    end(pair.evbd, "kill")
    store = pair.evbd.directory / "vsis"
    (stored,) = pair.evbd.stored()

    def file(vsi):
        path = store / f"uplink0,{vsi}.vsi"
        path.write_text(json.dumps({**stored, "vsiID": vsi, "filters": [{**stored["filters"][0], "mac": "52:54:00:99:00:01"}]}))
        path.chmod(0o600)
        return path

    taken, forged = file(old), file(str(uuid.uuid4()))
    os.chown(forged, 65534, 65534)
    (store / "torn.vsi").write_text(json.dumps(stored)[:40])
    with open(pair.evbd.journal, "a") as journal:
        journal.write('w 01234567 {"version":1}\nG 0123')
    pair.evbd.start().wait_for_bridge()
    eventually(lambda: pair.evbd.state(good) == pair.evbd.state(old) == "associated", 10, "the good ones are back")
    assert set(pair.evbd.vsis()) == {good, old} == {vsi["vsiID"] for vsi in pair.evbd.stored()}
    assert (store / "torn.vsi.rejected").exists() and (store / f"{forged.name}.rejected").exists() and not taken.exists()
    assert pair.evbd.journal.with_name("journal.rejected").read_text().count("01") == 2
    assert pair.evbd.process.output().count("set aside") == 3


def test_SPD_103_a_journal_of_a_later_version(pair):
    """SPD-103 What a later evbd has stored is left alone, with an error that says what to do; evbd runs and stores in a new file."""
    vsi = str(uuid.uuid4())
    pair.evbd.associate(vsi)
    end(pair.evbd, "kill")
    later = pair.evbd.journal.read_text().replace("evbd-vsis 1\n", "evbd-vsis 2\n")
    pair.evbd.journal.write_text(later)
    pair.evbd.start().wait_for_bridge()
    assert not pair.evbd.vsis() and pair.evbd.journal.with_name("journal.rejected").read_text() == later
    said = pair.evbd.process.output()
    assert "it has version 2, and this evbd reads version 1" in said and "associate the VSIs again" in said
    pair.evbd.associate(vsi)
    assert [each["vsiID"] for each in pair.evbd.stored()] == [vsi]
