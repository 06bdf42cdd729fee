"""evbctl import: the configuration of the lldpad that ran here, written by its own tools, as one of evbd."""

import json
import subprocess
import uuid

import pytest
from lab import Evbd, Lldpad, eventually
from lab.evbd import binary
from lab.lldpad import configuration, settings

SETTINGS = ["enableTx=yes", "evbrrreq=yes", "evbgpid=yes", "ecpretries=4", "ecprte=12", "vdprwd=21", "vdprka=22"]


def evbctl(*words):
    return subprocess.run([binary("evbctl"), "import", *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def check(path):
    said = subprocess.run([binary("evbd"), "--check-config", "--config", path], capture_output=True, text=True)
    assert said.returncode == 0 and said.stdout.strip() == "OK", said.stdout + said.stderr


def test_OPS_812_what_lldptool_has_set_is_in_force_with_evbd(cable, tmp_path):
    """lldpad writes its file, evbd goes on in its place, and lldpad, as the switch, hears the same timers and grants the same."""
    station = Lldpad(cable.lab, cable.host, "uplink0", role="station", enableTx=False)
    for setting in SETTINGS:   # refused until lldpad has seen the interface
        eventually(lambda: station.tool("-T", "-i", "uplink0", "-g", "ncb", "-V", "evb", "-c", setting).returncode == 0, 10, setting)
    station.stop()
    made = evbctl(station.directory / "lldpad.conf", "--output", tmp_path / "evbd.yaml")
    assert made.returncode == 0, made.stderr
    check(tmp_path / "evbd.yaml")
    text = (tmp_path / "evbd.yaml").read_text()
    for line in ("edge-relay: vepa", "group-ids: true", "ecp: { retries: 4, rte: 12 }", "vdp: { rwd: 21, rka: 22 }"):
        assert f"\n    {line}\n" in text, text

    Lldpad(cable.lab, cable.switch, "port0", vdprwd=17, vdprka=18)
    evbd = Evbd(cable.lab, cable.host, start=False)
    ports = text[text.index("ports:"):]
    evbd.config_file.write_text(ports + "\n".join(f"{key}: {json.dumps(evbd.config[key], default=str)}" for key in evbd.config if key != "ports"))
    evbd.start()
    evbd.wait_for_bridge()
    eventually(lambda: evbd.port("uplink0")["timers"] == {"retries": 4, "rte": 12, "rwd": 21, "rka": 22}, 20, "the timers are lldpad's")
    vsi = str(uuid.uuid4())
    evbd.associate(vsi)
    evbd.wait_for_state(vsi, "associated")


def test_OPS_812_the_bridge_and_the_draft(tmp_path):
    """The files that the lab gives to lldpad, for the role of the bridge too."""
    for role in ("station", "bridge"):
        file = tmp_path / f"{role}.conf"
        file.write_text(configuration("port0", settings(role)))
        made = evbctl(file)
        assert made.returncode == 0 and ("role: bridge" in made.stdout) == (role == "bridge")
        (tmp_path / "evbd.yaml").write_text(made.stdout)
        check(tmp_path / "evbd.yaml")


@pytest.mark.parametrize("text, words", [
    (None, "cannot be read"), ("nearest_customer_bridge : {\n eth0 = ;\n};\n", "line 2: has ; where a value is due"),
    ("nearest_customer_bridge : { eth0 : { adminStatus = 0; tlvid0080c20d : { enableTx = true; }; }; };", "adminStatus is not 3"),
])
def test_OPS_816_why_there_is_no_configuration(text, words, tmp_path):
    if text is not None:
        (tmp_path / "lldpad.conf").write_text(text)
    made = evbctl(tmp_path / "lldpad.conf", "--output", tmp_path / "evbd.yaml")
    assert made.returncode == 1 and words in made.stderr and made.stdout == "", made
    assert not (tmp_path / "evbd.yaml").exists()


def test_OPS_816_a_file_is_replaced_when_it_is_asked_for(tmp_path):
    (tmp_path / "lldpad.conf").write_text(configuration("eth0", settings("station")))
    there = tmp_path / "evbd.yaml"
    there.write_text("ports: []\n")
    made = evbctl(tmp_path / "lldpad.conf", "--output", there)
    assert made.returncode == 1 and "--force" in made.stderr and there.read_text() == "ports: []\n"
    made = evbctl(tmp_path / "lldpad.conf", "--output", there, "--force")
    assert made.returncode == 0 and "1 port, " in made.stdout and "- interface: eth0" in there.read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".tmp")] == []
