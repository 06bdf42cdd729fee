"""Several evbds on one machine, and the orderly end of one."""

import re
import signal
import uuid

import pytest

from lab import Evbd, eventually
from lab.evbd import NO_DAEMON, OK, binary
from lab.fixtures import Cable


def test_two_daemons_in_two_namespaces(new_lab):
    """ARC-08 The same VSIID, interface name and MAC in two namespaces: two associations, and the end of one daemon is nothing to the other."""
    cables = [Cable(new_lab()), Cable(new_lab())]
    bridges = [cable.lldpad_bridge() for cable in cables]
    daemons = [cable.evbd() for cable in cables]
    vsi = str(uuid.uuid4())
    for daemon in daemons:
        daemon.wait_for_bridge()
        daemon.associate(vsi, "--link", "vm0")
    assert all(bridge.holds(vsi) for bridge in bridges)
    assert daemons[0].pid != daemons[1].pid
    assert [daemon.ctl_json("status")["daemon"]["pid"] for daemon in daemons] == [daemon.pid for daemon in daemons]
    clients = [daemon.libvirt() for daemon in daemons]
    assert [client.destination for client in clients] == [daemon.pid for daemon in daemons]

    assert daemons[0].ctl("vsi", "deassociate", vsi).returncode == OK
    assert daemons[0].terminate() == 0
    assert cables[0].host.link("vm0") is None
    assert daemons[1].state(vsi) == "associated" and cables[1].host.is_up("vm0") and bridges[1].holds(vsi)


def test_VDP_37_sigterm_ends_in_order(cable):
    """VDP-37 VDP-36 Exit 0, pid file and socket gone; by default the association stays at the bridge, and so no good-bye takes it away."""
    bridge = cable.lldpad_bridge()
    wire, evbd = cable.wire(), cable.evbd().wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    wire.clear()
    assert evbd.terminate() == 0
    assert not wire.received(lambda frame: frame.lldp and frame.lldp.ttl == 0), "a bridge would give its VSIs up"
    assert not wire.received(lambda frame: frame.vdp and any(item.command == 4 for item in frame.vdp.vsis)), "deassociate-on-stop is off"
    assert bridge.holds(vsi) and cable.host.is_up("vm0")
    assert not evbd.pid_file.exists() and not evbd.socket.exists()
    assert evbd.ctl("status").returncode == NO_DAEMON


@pytest.mark.parametrize("asked", [False, True], ids=["never-a-vsi", "deassociate-on-stop"])
def test_TLV_19_a_stop_without_vsis_says_good_bye(cable, asked):
    """TLV-19 VDP-37 An LLDPDU with TTL 0 on the wire where there is nothing for the bridge to keep."""
    cable.lldpad_bridge()
    wire, evbd = cable.wire(), cable.evbd(**{"deassociate-on-stop": True}).wait_for_bridge()
    if asked:
        evbd.associate(str(uuid.uuid4()))
    wire.clear()
    assert evbd.terminate() == 0
    goodbyes = eventually(lambda: wire.received(lambda frame: frame.lldp and frame.lldp.ttl == 0), 2, "an LLDPDU with TTL 0")
    assert goodbyes[0].source.hex(":") == cable.host.mac("uplink0")


def test_VDP_37_deassociate_on_stop(cable):
    """VDP-37 The setting: all VSIs are de-associated before the end, their links gone."""
    bridge = cable.lldpad_bridge()
    evbd = cable.evbd(**{"deassociate-on-stop": True}).wait_for_bridge()
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--link", "vm0")
    assert evbd.terminate() == 0
    assert cable.host.link("vm0") is None
    eventually(lambda: not bridge.holds(vsi), 5, "the bridge has let the VSI go")


def test_TLV_19_VDP_37_a_bridge_that_does_not_answer_hears_the_good_bye_all_the_same(cable):
    """TLV-19 VDP-37 All VSIs are taken back at the end, the bridge is silent: what it may still hold, it gives up at the good-bye."""
    bridge = cable.lldpad_bridge()
    # ECP has not given the De-Associate up when evbd, after five seconds, waits no more.
    port = {"interface": "uplink0", "ecp": {"retries": 7, "rte": 17}}
    wire, evbd = cable.wire(), cable.evbd(ports=[port], **{"deassociate-on-stop": True}).wait_for_bridge()
    evbd.associate(str(uuid.uuid4()))
    bridge.process.signal(signal.SIGSTOP)
    wire.clear()
    evbd.process.signal(signal.SIGTERM)
    assert evbd.process.wait(20) == 0
    bridge.process.signal(signal.SIGCONT)
    assert wire.received(lambda frame: frame.vdp and any(item.command == 4 for item in frame.vdp.vsis)), "it was asked to"
    eventually(lambda: wire.received(lambda frame: frame.lldp and frame.lldp.ttl == 0), 2, "an LLDPDU with TTL 0")


def test_sigint_ends_like_sigterm(cable):
    evbd = cable.evbd()
    evbd.process.signal(signal.SIGINT)
    assert evbd.process.wait(10) == 0
    assert not evbd.socket.exists()


def test_it_starts_again_after_kill(cable):
    """What a killed daemon leaves behind (socket, pid file) does not keep the next one from starting."""
    evbd = cable.evbd()
    evbd.process.kill()
    assert evbd.pid_file.exists()
    evbd.start()
    assert evbd.ctl_json("status")["daemon"]["pid"] == evbd.pid


def test_check_config_names_every_mistake(cable):
    """--check-config: OK and 0, or each mistake with file, line and key and 1."""
    evbd = Evbd(cable.lab, cable.host, start=False)
    words = ["--config", evbd.config_file, "--check-config"]
    good = cable.lab.start("check", evbd.namespace.command(binary("evbd"), *words))
    assert good.wait(10) == 0 and good.output().strip() == "OK"
    evbd.config_file.write_text("ports:\n  - interface: uplink0\n    rol: station\n    ecp: { rte: 32 }\nlog: { level: loud }\n")
    bad = cable.lab.start("check", evbd.namespace.command(binary("evbd"), *words))
    assert bad.wait(10) == 1
    for line, key in ((3, "rol"), (4, "rte"), (5, "level")):
        assert re.search(rf"{re.escape(str(evbd.config_file))}:{line}\b.*{key}", bad.output()), f"line {line}, {key}: {bad.output()}"
