"""What a machine that runs has lost it gets again, though libvirtd asks once and never looks: Debian's libvirtd and virsh, and evbd."""

import os
import signal
import time

import pytest

from lab import eventually
from lab.evbd import OK
from lab.libvirt import VSI, Failed
from lab.site import requests, site, vm, whole_site  # noqa: F401 (fixtures)
from lab.system import always

# Longer than the bridge and the station wait for each other, so that the VSI is lost at both.
AWAY = 40 if os.environ.get("EVBD_LONG") else 20


def works(site, vsi):
    return site.holds(vsi) and site.host.evbd.state(vsi.id) == "associated" and site.host.is_up(vsi)


def is_lost(site, vsi):
    return not site.holds(vsi) and site.host.evbd.state(vsi.id) in (None, "deassociated")


def take_back(site, vsi):
    assert site.bridge.ctl("vsi", "deassociate", vsi.id, "--port", "port0").returncode == OK


def test_HEAL_102_a_switch_that_is_frozen(site, vm):
    """HEAL-102 The switch hangs until the VSI is lost; libvirt hears of it, asks once, and that fails. When the switch goes on, so does the machine."""
    asked, _ = requests(site.host)
    site.bridge.process.freeze()
    try:
        time.sleep(AWAY)
        assert requests(site.host)[0] == asked + 1, "libvirt has asked once"
        assert site.host.evbd.state(vm.id) in (None, "deassociated") and not site.host.is_up(vm)
    finally:
        site.bridge.process.thaw()
    eventually(lambda: works(site, vm), 10, "the machine works again")
    assert requests(site.host)[0] == asked + 1 and site.host.state("vm") == "running"
    # What libvirt believes holds: the next loss reaches it, and the end of the machine the switch.
    take_back(site, vm)
    eventually(lambda: requests(site.host)[0] == asked + 2 and works(site, vm), 10, "libvirt has heard of another loss")
    site.host.virsh("destroy", "vm")
    eventually(lambda: not site.knows(vm), 5, "the switch has let it go")


def test_HEAL_103_a_switch_that_refuses_once(site, vm):
    """HEAL-103 The switch takes the VSI back and refuses what libvirt asks then; evbd asks again."""
    asked, _ = requests(site.host)
    site.misbehave("--refuse", "insufficient-resources", "--count", "1", "--vsi", vm.id)
    take_back(site, vm)
    eventually(lambda: requests(site.host)[0] == asked + 1, 5, "libvirt has asked once")
    eventually(lambda: works(site, vm), 10, "the machine works again")
    assert requests(site.host)[0] == asked + 1


def test_HEAL_104_a_switch_that_keeps_silent_once(site, vm):
    """HEAL-104 The switch takes the VSI back and does not answer what libvirt asks then; evbd asks again."""
    asked, _ = requests(site.host)
    site.misbehave("--silent", "answers")
    take_back(site, vm)
    eventually(lambda: requests(site.host)[0] == asked + 1, 5, "libvirt has asked once")
    eventually(lambda: is_lost(site, vm), 20, "that has failed")
    site.misbehave("--off")
    eventually(lambda: works(site, vm), 10, "the machine works again")
    assert requests(site.host)[0] == asked + 1


def test_HEAL_105_suspend_and_resume_of_a_machine_without_association(site, vm):
    """HEAL-105 `virsh resume` sets the link up; evbd sets it down again while the VSI is not associated."""
    site.misbehave("--refuse", "insufficient-resources", "--vsi", vm.id)
    take_back(site, vm)
    eventually(lambda: is_lost(site, vm) and not site.host.is_up(vm), 5, "it is cut off")
    for _ in range(2):
        site.host.virsh("suspend", "vm")
        site.host.virsh("resume", "vm")
        eventually(lambda: not site.host.is_up(vm), 2, "evbd has set it down again")
        always(lambda: not site.host.is_up(vm) or site.holds(vm), 1, "it stays so")
    site.misbehave("--off")
    eventually(lambda: works(site, vm), 10, "the machine works again")


def test_HEAL_107_a_machine_that_does_not_start(site):
    """HEAL-107 libvirt reads the failure and deletes the link: evbd asks no more, and nothing of it comes late."""
    host, vsi = site.host, VSI()
    site.misbehave("--refuse", "insufficient-resources", "--vsi", vsi.id)
    with pytest.raises(Failed):
        host.start("vm", vsi)
    site.misbehave("--off")
    eventually(lambda: host.evbd.state(vsi.id) is None, 3, "evbd knows it no more")
    always(lambda: not site.knows(vsi), 2, "the switch is not asked")
    host.virsh("start", "vm")
    assert works(site, vsi)


def test_HEAL_109_a_restart_of_evbd_without_association(site, vm):
    """HEAL-109 What libvirt wants outlives evbd also while the switch refuses it."""
    host = site.host
    site.misbehave("--refuse", "insufficient-resources", "--vsi", vm.id)
    take_back(site, vm)
    eventually(lambda: is_lost(site, vm), 5, "it is refused")
    host.evbd.process.signal(signal.SIGKILL)
    host.evbd.process.wait(10)
    host.evbd.start()
    host.evbd.wait_for_bridge()
    eventually(lambda: not host.is_up(vm), 5, "it is cut off")
    site.misbehave("--off")
    eventually(lambda: works(site, vm), 10, "the machine works again")


# MARK: Machines that end unseen


def test_HEAL_201_machines_that_end_unseen(site, vm):
    """HEAL-201 One ends while evbd is down, one while libvirtd hangs: 30 s after its link's end each VSI is withdrawn, which is said."""
    host, other = site.host, VSI()
    host.start("other", other)
    host.evbd.process.signal(signal.SIGKILL)
    host.evbd.process.wait(10)
    host.virsh("destroy", "vm")
    host.evbd.start()
    host.evbd.wait_for_bridge()
    os.kill(host.libvirtd_pid, signal.SIGSTOP)
    try:
        host.namespace.ip("link", "delete", host.link_of(other)["ifname"])
        always(lambda: site.knows(vm) and site.knows(other), 20, "not at once", every=0.5)
        eventually(lambda: not site.knows(vm) and not site.knows(other), 25, "the switch has let them go")
        eventually(lambda: host.evbd.state(vm.id) is None and host.evbd.state(other.id) is None, 5, "evbd knows them no more")
    finally:
        os.kill(host.libvirtd_pid, signal.SIGCONT)
    assert host.evbd.process.output().count("its link has been gone for 30 s") >= 2
