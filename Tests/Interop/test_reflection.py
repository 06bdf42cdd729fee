"""What a switch that reflects does to machines whose links do not expect it, and how evbd says so."""

import signal
import uuid

import pytest

from lab import Wire, eventually
from lab.codec import EVB
from lab.evbd import OK
from lab.pair import requests
from lab.switch import Switch
from lab.types import frame
from lab.varlink import Control

GUEST, SECOND, THIRD = "52:54:00:aa:10:01", "52:54:00:aa:10:02", "52:54:00:aa:10:03"
NOT_REFLECTING = EVB(rrcap=True, rrctr=False, bgid=True, rte=10, rwd=17, rka=18)


def associate(evbd, vsi, mode, *words):
    return evbd.associate(vsi, "--link", "vm1", "--link-kind", "macvlan", *(("--link-mode", mode) if mode else ()), *words, mac=GUEST)


def warnings(evbd, vsi):
    return [warning["kind"] for warning in evbd.vsi(vsi)["warnings"]]


@pytest.mark.parametrize("mode, hears", [("private", True), ("passthru", True), (None, False)])
def test_HEAL_1001_a_mode_that_does_not_stand_reflection_is_told(cable, mode, hears):
    """A machine in mode private or passthru hears its own broadcast; the caller, the log, events and the status say so. vepa is silent."""
    switch = Switch(cable.lab, cable.switch)
    switch.evbd()
    evbd = cable.evbd().wait_for_bridge()
    eventually(lambda: switch.hairpin() is True, 5, "reflective relay is granted")
    switch.wait_until_forwarding()
    vsi = str(uuid.uuid4())
    said = associate(evbd, vsi, mode)
    assert evbd.vsi(vsi)["warnings"] == evbd.ctl_json("vsi", "show", vsi)["warnings"]
    assert warnings(evbd, vsi) == (["hears-itself"] if hears else [])
    assert ("WARNING: the bridge reflects frames" in said.stdout) == hears, said.stdout
    assert ("WARNING: the bridge reflects frames" in evbd.ctl("vsi", "show", vsi).stdout) == hears
    assert evbd.process.output().count("hears its own broadcasts") == int(hears)
    machine = Wire(cable.host, "vm1")
    cable.lab.at_end(machine.close)
    question = frame(GUEST if mode != "passthru" else cable.host.mac("vm1"))

    def hears_itself():
        machine.send(question)
        return machine.received(lambda heard: heard.octets == question)
    if hears:
        eventually(hears_itself, 5, "it hears its own broadcast")
    else:
        reflected = cable.host_wire()
        eventually(lambda: hears_itself() or reflected.received(lambda heard: heard.octets == question), 5, "the switch reflects")
        assert not hears_itself()


def test_HEAL_1002_reflection_that_comes_later_is_told_once(cable):
    """An association before reflective relay is granted: the status and one line say so when it comes, and the status forgets it after."""
    bridge = cable.scripted_bridge(evb=NOT_REFLECTING)
    evbd = cable.evbd().wait_for_bridge()
    vsi = str(uuid.uuid4())
    assert "WARNING" not in associate(evbd, vsi, "private").stdout and warnings(evbd, vsi) == []
    bridge.evb = EVB(rrcap=True, rrctr=True, bgid=True, rte=10, rwd=17, rka=18)
    eventually(lambda: warnings(evbd, vsi) == ["hears-itself"], 10, "the bridge reflects now")
    bridge.evb = NOT_REFLECTING
    eventually(lambda: warnings(evbd, vsi) == [], 10, "and not any more")
    assert evbd.process.output().count("hear their own broadcasts") == 1


def test_SPD_174_reflection_is_told_once_for_many(cable):
    """More VSIs than are looked at in one turn: one line has the number of all, and the first of them by name."""
    bridge = cable.scripted_bridge(evb=NOT_REFLECTING)
    evbd = cable.evbd().wait_for_bridge()
    control = Control(evbd.socket)
    cable.lab.at_end(control.close)
    wanted = requests(140, wait=30_000)
    for number, request in enumerate(wanted):
        request["link"] = {"name": f"m{number}", "kind": "macvlan", "mode": "vepa" if number < 5 else "private"}
    control.call_all("Associate", wanted)
    hearing = {request["vsiID"] for request in wanted[5:]}
    bridge.evb = EVB(rrcap=True, rrctr=True, bgid=True, rte=10, rwd=17, rka=18)
    eventually(lambda: {vsi["vsiID"] for vsi in evbd.vsis().values() if vsi["warnings"]} == hearing, 20, "the bridge reflects now")
    line, = eventually(lambda: [line for line in evbd.process.output().splitlines() if "hear their own broadcasts" in line], 10, "it is told")
    assert "135" in line and min(hearing) in line, line


def problems(evbd):
    return [problem["kind"] for problem in evbd.ctl_json("port", "show", "uplink0")["problems"]]


def test_HEAL_1003_reflection_into_a_bridge_or_a_veb_is_a_problem(cable):
    """A bridge that reflects unasked (edge-relay: veb) is a PROBLEM of the port; so is one that reflects into the bridge of the port."""
    bridge = cable.scripted_bridge()
    evbd = cable.evbd(ports=[{"interface": "uplink0", "edge-relay": "veb"}]).wait_for_bridge()
    assert problems(evbd) == ["reflects-unasked"]
    problem, = evbd.ctl_json("port", "show", "uplink0")["problems"]
    assert problem["vsiID"] is None and problem["otherPort"] is None and "edge-relay: veb" in problem["message"]
    cable.host.ip("link", "add", "br0", "type", "bridge", "forward_delay", "0")
    cable.host.ip("link", "set", "uplink0", "master", "br0")
    eventually(lambda: problems(evbd) == ["reflects-into-bridge"], 5, "the port is in a bridge")
    assert "PROBLEM: the bridge on uplink0 reflects frames into br0" in evbd.ctl("port", "show", "uplink0").stdout
    bridge.evb = NOT_REFLECTING
    eventually(lambda: problems(evbd) == [], 10, "the bridge has stopped that")
    evbd.config["ports"][0]["edge-relay"] = "vepa"
    evbd.write_config()
    evbd.process.signal(signal.SIGHUP)
    bridge.evb = EVB(rrcap=True, rrctr=True, bgid=True, rte=10, rwd=17, rka=18)
    eventually(lambda: problems(evbd) == ["reflects-into-bridge"], 10, "asked for it is as bad")
    assert problems(evbd) and "set edge-relay: veb" in evbd.ctl("port", "show", "uplink0").stdout
    eventually(lambda: "reflects frames into br0" in evbd.process.output(), 5, "the log has it")


def test_HEAL_1103_addresses_that_a_link_does_not_take_are_told(cable):
    """A filter of three addresses with one link: the kernel gives it frames for the first; in passthru for all."""
    cable.scripted_bridge(evb=NOT_REFLECTING)
    evbd = cable.evbd().wait_for_bridge()
    vsi = str(uuid.uuid4())
    words = ("--filter", f"mac={SECOND}", "--filter", f"mac={THIRD}")
    said = associate(evbd, vsi, "vepa", *words)
    assert warnings(evbd, vsi) == ["unreachable-addresses"]
    assert f"for {GUEST} only, not for {SECOND}, {THIRD}" in said.stdout, said.stdout
    machine, far = Wire(cable.host, "vm1"), cable.wire()
    cable.lab.at_end(machine.close)

    def arrives(address):
        far.send(frame("02:00:00:00:bb:01", address))
        return machine.received(lambda heard: heard.octets[:6] == bytes.fromhex(address.replace(":", "")))
    eventually(lambda: arrives(GUEST), 5, "its own")
    assert not arrives(SECOND) and not arrives(THIRD)
    assert evbd.ctl("vsi", "deassociate", vsi).returncode == OK
    said = associate(evbd, vsi, "passthru", *words)
    assert warnings(evbd, vsi) == [] and "WARNING" not in said.stdout
    machine = Wire(cable.host, "vm1")
    cable.lab.at_end(machine.close)
    eventually(lambda: arrives(SECOND) and arrives(THIRD), 5, "all of them")
