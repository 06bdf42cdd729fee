"""What an operator calls a VSI, lists, tables and streams of evbctl: one evbd at each end of a cable."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import uuid

import pytest

from lab import Evbd, eventually
from lab.evbd import FAILED, OK, USAGE, binary

FIRST, SECOND, THIRD = "52:54:00:11:22:01", "52:54:00:11:22:02", "52:54:00:11:22:03"


@pytest.fixture
def evbd(cable):
    """A station that hears a bridge."""
    cable.bridge = Evbd(cable.lab, cable.switch, name="bridge", ports=[{"interface": "port0", "role": "bridge"}])
    return cable.evbd().wait_for_bridge()


def new_vsi(beginning=""):
    return beginning + str(uuid.uuid4())[len(beginning):]


def test_OPS_401_OPS_402_every_command_takes_a_vsi_by_any_name(cable, evbd):
    """UUID, first digits, link, MAC or label; several at once; what means several VSIs is refused and listed. Labels outlast a restart."""
    first, second, third = new_vsi("aaaa1111"), new_vsi("aaaa2222"), new_vsi("bbbb")
    evbd.associate(first, "--link", "vm1", "--label", "Web 1", mac=FIRST)
    evbd.associate(second, "--label", "db", mac=SECOND)
    evbd.associate(third, "--label", "aaaa", mac=THIRD)

    def shown(*names):
        said = evbd.ctl_json("vsi", "show", *names)
        return [vsi["vsiID"] for vsi in (said if isinstance(said, list) else [said])]

    for name in (first, first.upper(), first[:5], first.replace("-", "")[:20], "vm1", "link=vm1", FIRST, FIRST.upper(), "Web 1", "label=Web 1"):
        assert shown(name) == [first], name
    assert shown("aaaa") == [third], "a whole label goes before the first digits"
    assert shown("vm1", "db", SECOND) == [first, second], "each once, in the order given"
    assert evbd.ctl_json("vsi", "show", "vm1")["label"] == "Web 1"
    assert "Web 1" in evbd.ctl("vsi", "show", "vm1").stdout
    several = evbd.ctl("vsi", "show", "id=aaaa")
    assert several.returncode == USAGE and first in several.stderr and second in several.stderr and third not in several.stderr
    none = evbd.ctl("vsi", "show", "vm9", "--json")
    assert none.returncode == FAILED and not none.stdout
    said = json.loads(none.stderr)
    assert set(said) == {"error", "message", "remedy"} and said["error"] == "NoSuchVSI" and "vm9" in said["message"] and said["remedy"]
    usage = evbd.ctl("vsi", "list", "--json", "--state", "nowhere")
    assert usage.returncode == USAGE and json.loads(usage.stderr)["error"] == "Usage"

    # The bridge knows its VSIs by their MAC addresses too, and takes one back by it.
    assert cable.bridge.ctl_json("vsi", "show", SECOND)["vsiID"] == second
    # Another request keeps the label, unless it brings one; an empty one removes it.
    evbd.associate("vm1", mac=FIRST, type_id=7)
    assert evbd.vsi(first)["label"] == "Web 1" and evbd.vsi(first)["typeID"] == 7
    evbd.process.kill()
    evbd.start().wait_for_bridge()
    eventually(lambda: evbd.state(first) == "associated", 10, f"the VSI is back {evbd.vsis()}")
    assert evbd.vsi(first)["label"] == "Web 1"
    evbd.associate("vm1", "--label", "", mac=FIRST)
    assert evbd.vsi(first)["label"] is None

    assert evbd.ctl("vsi", "deassociate", "vm1", "nothing").returncode == FAILED
    assert evbd.state(first) == "associated", "a name that means nothing, and none has ended"
    result = evbd.ctl("vsi", "deassociate", "vm1", "db", THIRD)
    assert result.returncode == OK and len(result.stdout.splitlines()) == 3, result.stderr or result.stdout
    eventually(lambda: not evbd.vsis() and not cable.bridge.vsis(), 5, "all have ended")


class Screen:
    """evbctl on a terminal of its own."""

    def __init__(self, evbd, *words, columns=80, rows=24):
        self._terminal, end = pty.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.child = subprocess.Popen([binary("evbctl"), *map(str, words)], stdin=end, stdout=end, stderr=end, start_new_session=True,
                                      preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
                                      env={**os.environ, "EVBCTL_SOCKET": str(evbd.socket), "TERM": "xterm"})
        os.close(end)
        self.text = ""

    def read(self, seconds=0.2):
        """All that was written so far."""
        while select.select([self._terminal], [], [], seconds)[0]:
            try:
                piece = os.read(self._terminal, 65536)
            except OSError:
                break
            if not piece:
                break
            self.text += piece.decode()
        return self.text

    def interrupt(self):
        """Ctrl-C; the exit status, as subprocess has it."""
        os.write(self._terminal, b"\x03")
        status = self.child.wait(5)
        self.read()
        return status

    def end(self):
        """The lines, when it has ended by itself; without colours."""
        assert self.child.wait(10) == OK, self.read()
        return plain(self.read()).replace("\r", "").splitlines()


def plain(text):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


VIRSH = f"""#!/bin/sh
case "$*" in
*"list --all --uuid"*) echo 11111111-2222-3333-4444-555555555555 ;;
*"dumpxml 11111111-2222-3333-4444-555555555555"*) echo "<domain type='kvm'>
  <name>guest-of-libvirt</name>
  <devices>
    <interface type='direct'>
      <mac address='{FIRST}'/>
    </interface>
  </devices>
</domain>" ;;
*) exit 1 ;;
esac
"""


def test_OPS_403_OPS_405_OPS_406_lists_are_filtered_sorted_and_fit(evbd, tmp_path):
    """Filters of the daemon; columns, order and headings; a terminal's width, but no pipe's; libvirt's domains by virsh."""
    first, second, third = new_vsi("1"), new_vsi("2"), new_vsi("3")
    evbd.associate(first, "--link", "vm10", "--label", "Web 1", mac=FIRST)
    evbd.associate(second, "--link", "vm9", "--label", "Web 2", "--manager", 7, mac=SECOND)
    evbd.associate(third, mac=THIRD, type_id=9)

    def listed(*words):
        return [vsi["vsiID"] for vsi in evbd.ctl_json("vsi", "list", *words)]

    for words, expected in [
        (("--port", "uplink0"), [first, second, third]), (("--state", "pending"), []), (("--type", 9), [third]), (("--manager", 7), [second]),
        (("--link", "vm*"), [first, second]), (("--link", "vm?"), [second]), (("--mac", THIRD.upper()), [third]), (("--label", "Web 1"), [first]),
        (("--reason", "success"), [first, second, third]), (("--type", "0x123457", "--link", "vm9"), [second]),
        (("--sort", "link"), [third, second, first]), (("--sort", "link", "--reverse"), [first, second, third]),
    ]:
        assert listed(*words) == expected, words
    bare = evbd.ctl("vsi", "list", "--no-headers", "--columns", "link,type", "--sort", "link").stdout
    assert bare.splitlines() == ["      9 v0", "vm9   1193047 v0", "vm10  1193047 v0"]
    assert evbd.ctl("port", "list", "--columns", "port,assoc").stdout.splitlines() == ["PORT     ASSOC", "uplink0  3"]

    narrow = Screen(evbd, "vsi", "list", columns=60).end()
    assert max(map(len, narrow)) <= 60 and "FILTER" in narrow[-1] and narrow[-1].startswith("not shown: "), narrow
    assert any("vm10" in line and "associated" in line for line in narrow), narrow
    assert FIRST in "\n".join(Screen(evbd, "vsi", "list", "--wide", columns=60).end())
    assert FIRST in evbd.ctl("vsi", "list").stdout, "a pipe has everything"

    virsh = tmp_path / "virsh"
    virsh.write_text(VIRSH)
    virsh.chmod(0o755)

    def with_path(path, *words):
        return subprocess.run([binary("evbctl"), "vsi", "list", "--domain", *words], capture_output=True, text=True, timeout=20,
                              env={"EVBCTL_SOCKET": str(evbd.socket), "PATH": path})

    found = with_path(f"{tmp_path}:{os.environ['PATH']}", "--json")
    assert [vsi["domain"] for vsi in json.loads(found.stdout)] == ["guest-of-libvirt", None, None], found.stderr
    assert "DOMAIN" in with_path(f"{tmp_path}:{os.environ['PATH']}").stdout
    without = with_path(str(tmp_path / "nothing"))
    assert without.returncode == OK and first in without.stdout and "virsh is not installed" in without.stderr


def test_OPS_407_OPS_409_watching_monitoring_and_ctrl_c(cable, evbd):
    """The screen follows events; a monitor has what was asked for, each VSIID once; another type is an event; Ctrl-C says what goes on."""
    screen = Screen(evbd, "status", "--watch", 600)
    eventually(lambda: "uplink0" in screen.read(0), 5, "a status")
    vsi = new_vsi()
    stream = Screen(evbd, "monitor", "--kind", "vsi", "--port", "uplink0", columns=200)
    first = new_vsi()

    def is_heard():
        evbd.associate(first, mac=THIRD)
        evbd.ctl("vsi", "deassociate", first)
        return first in stream.read(0)

    eventually(is_heard, 10, "the monitor has begun")
    evbd.associate(vsi, "--link", "vm1", mac=FIRST)
    eventually(lambda: re.search(r"uplink0 .*  1 ", plain(screen.read(0)).split("PORT")[-1]), 5,
               "the status has the VSI, long before its period is over")
    evbd.associate(vsi, "--link", "vm1", mac=FIRST, type_id=5)
    said = eventually(lambda: "before it had 1193047 v0" in stream.read(0) and stream.text, 5, "another type is an event")
    lines = [line for line in said.splitlines() if vsi in line]
    assert lines and all(line.count(vsi) == 1 for line in lines), said
    assert "EVB bridge" not in said
    assert stream.interrupt() == 0
    assert screen.interrupt() == 0 and screen.text.endswith("\x1b[?1049l"), "the screen is given back"

    # A bridge that says nothing: the request stands, and Ctrl-C says so.
    assert cable.bridge.ctl("port", "misbehave", "port0", "--silent", "answers").returncode == OK
    other = new_vsi()
    waiting = Screen(evbd, "vsi", "associate", other, "--port", "uplink0", "--type", 1, "--filter", f"mac={SECOND}", "--link", "vm2")
    eventually(lambda: evbd.state(other) == "pending", 5, "it is asked for")
    pending = evbd.vsi(other)
    assert pending["link"] is None and pending["requestedLink"]["name"] == "vm2"
    assert "(vm2)" in evbd.ctl("vsi", "list").stdout and evbd.ctl_json("vsi", "show", "vm2")["vsiID"] == other
    assert waiting.interrupt() == -2, waiting.text
    assert f"VSI {other} stays wanted" in waiting.text and f"evbctl vsi deassociate {other} takes it back" in waiting.text
    assert evbd.state(other) in ("pending", "deassociated")
    # What failed is tried again, and the time until then is shown.
    cable.bridge.ctl("port", "misbehave", "port0", "--refuse", "insufficient-resources")
    eventually(lambda: (evbd.vsi(other)["retryInMilliseconds"] or 0) > 0 and "Next try" in evbd.ctl("vsi", "show", "vm2").stdout, 20,
               f"when it is tried again is shown: {evbd.vsi(other)}")


def test_OPS_311_the_configuration_in_force_is_shown(evbd, tmp_path):
    """As YAML that --check-config accepts, and by which evbd runs the same; JSON; a file that was refused is mentioned."""
    shown = evbd.ctl("config", "show")
    assert shown.returncode == OK and "interface: uplink0" in shown.stdout and "fallback" not in shown.stdout
    everything = evbd.ctl("config", "show", "--defaults").stdout
    assert "fallback: vepa" in everything
    for number, text in enumerate((shown.stdout, everything)):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text)
        check = subprocess.run([binary("evbd"), "--check-config", "--config", path], capture_output=True, text=True)
        assert check.returncode == 0, check.stdout + check.stderr
        evbd.config_file.write_text(text)
        report = evbd.ctl_json("reload", "--dry-run")
        assert [port["change"] for port in report["ports"]] == ["kept"], report
    assert evbd.ctl_json("config", "show", "--defaults")["ports"][0]["ecp"] == {"retries": 3, "rte": 10, "source": "neighbour"}
    evbd.config_file.write_text("ports: 7\n")
    assert evbd.ctl("reload").returncode == FAILED
    assert "# The file says something else by now: it has mistakes" in evbd.ctl("config", "show").stdout


def test_OPS_313_the_configuration_in_force_beside_the_file_as_it_is_now(evbd):
    """OPS-313 Without any reload: each key that differs, with both values; mistakes of the file, which are nothing for the log; and no difference where there is none."""
    comments = lambda: [line for line in evbd.ctl("config", "show").stdout.splitlines() if line.startswith("#")]   # noqa: E731
    assert len(comments()) == 1, "the file is what evbd runs with"
    before = evbd.config_file.read_text()
    evbd.config["log"] = {"level": "info"}
    evbd.config["ports"][0]["dialect"] = "draft"
    evbd.config["ports"].append({"interface": "uplink7", "role": "bridge"})
    evbd.write_config()
    shown = comments()
    assert '#   ports[uplink0].dialect: "auto" in force, "draft" in the file' in shown, shown
    assert '#   log.level: "debug" in force, "info" in the file' in shown and "evbctl reload" in shown[1], shown
    assert [line for line in shown if line.startswith("#   ports[uplink7]: nothing in force, {") and '"role":"bridge"' in line], shown
    assert evbd.port()["dialect"] != "draft" and evbd.ctl_json("config", "show")["log"] == {"level": "debug"}
    evbd.config_file.write_text("ports: 7\n")
    shown = comments()
    assert "mistakes by now" in shown[1] and "ports" in shown[2] and "mistakes" not in evbd.process.output(), shown
    evbd.config_file.unlink()
    assert "mistakes by now" in comments()[1] and "No such file" in comments()[2], comments()
    evbd.config_file.write_text(before)
    assert len(comments()) == 1 and "reload" not in [problem["kind"] for problem in evbd.ctl_json("status")["problems"]]
