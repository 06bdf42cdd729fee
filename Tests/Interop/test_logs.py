"""What evbd logs: by a real journald, with a catalog, and many VSIs in one line."""

import json
import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest
from lab import Evbd, eventually
from lab.codec import HARD
from lab.evbd import binary
from lab.system import REPOSITORY, run
from lab.varlink import Control

VSI_LOST, DAEMON_FAILED = "82e30c7dab8344009c85bfb40800dd52", "49bd3547e3224b1b8bc7ff8cd4d08b54"
JOURNALD = Path("/lib/systemd/systemd-journald")
# A journald with a /run of its own, then a program whose standard error is the journal's stream, as systemd makes it.
SERVE = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mount -t cgroup2 none /sys/fs/cgroup
mkdir -p /run/systemd/journald.conf.d /run/log/journal
printf '[Journal]\\nStorage=volatile\\nReadKMsg=no\\nAudit=\\nForwardToWall=no\\n' >/run/systemd/journald.conf.d/lab.conf
setpriv --pdeathsig KILL %s &
""" % JOURNALD
RUN = """
import os, socket, sys, time
stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
for _ in range(100):
    try:
        stream.connect("/run/systemd/journal/stdout")
        break
    except OSError:
        time.sleep(0.1)
stream.send(b"evbd\\n\\n6\\n0\\n0\\n0\\n0\\n")
at = os.fstat(stream.fileno())
os.environ["JOURNAL_STREAM"] = f"{at.st_dev}:{at.st_ino}"
os.dup2(stream.fileno(), 2)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Journal:
    """Has a daemon of the lab log to a journald."""

    def prepare(self, evbd):
        pass

    def command(self, evbd, *command):
        return ["unshare", "--mount", "bash", "-c", SERVE + 'exec /usr/bin/python3 -c "$@"', "bash", RUN, *command]


class JournaledEvbd(Evbd):
    power = Journal()

    def inside(self, *words, check=True):
        return run("nsenter", "-t", self.pid, "-m", *words, check=check)

    def entries(self, *matches):
        """The entries of evbd, oldest first."""
        said = self.inside("journalctl", "--no-pager", "-o", "json", "SYSLOG_IDENTIFIER=evbd", *matches, check=False).stdout
        return [json.loads(line) for line in said.splitlines() if line.startswith("{")]


@pytest.fixture
def pair(cable):
    """A station and a bridge, both evbd, at the level that is configured by default."""
    bridge = Evbd(cable.lab, cable.switch, name="bridge", ports=[{"interface": "port0", "role": "bridge"}], log={"level": "info"})
    station = Evbd(cable.lab, cable.host, log={"level": "info"}).wait_for_bridge()
    return cable, station, bridge


def associate(evbd, count):
    """So many VSIs. Returns their identifiers."""
    vsis = [str(uuid.uuid4()) for _ in range(count)]
    for number, vsi in enumerate(vsis):
        evbd.associate(vsi, mac=f"52:54:00:00:00:{number:02x}")
    return vsis


def test_OPS_514_OPS_522_a_flap_of_40_vsis_is_two_lines(pair):
    """At both ends: one line when they go and one when they are back. A level that root sets shows each of them, and another user cannot set it."""
    cable, station, bridge = pair
    associate(station, 40)
    # What managers wait for has a line each. At the bridge they are many; sooner or later they are all in a line.
    assert station.process.output().count(" notice VSI associated ") == 40
    cable.switch.ip("link", "set", "port0", "down")
    for evbd in (station, bridge):
        eventually(lambda: re.search(r" warning \S.*: 40 VSIs lost \(.*\) in \d+\.\d s: .* and 37 more port=\S+ lost=40$",
                                     evbd.process.output(), re.M), 10, f"{evbd.name} sums up\n{evbd.process.tail()}")
    cable.switch.ip("link", "set", "port0", "up")
    for evbd in (station, bridge):
        eventually(lambda: re.search(r" notice \S.*: 40 VSIs associated again in \d+\.\d s port=\S+ associated=40$",
                                     evbd.process.output(), re.M), 20, f"{evbd.name} sums up\n{evbd.process.tail()}")
        said = evbd.process.output()
        assert said.count(" VSI lost ") + said.count("reason=\"the station is lost\"") == 0, said
        assert len(re.findall(r"40 VSIs", said)) == 2, said
    assert station.ctl("log-level").stdout == "info\n"
    said = station.ctl("log-level", "debug")
    assert said.stdout == "debug until evbd reads its configuration again or restarts (configured: info)\n", said
    for directory in (cable.lab.directory, station.directory):
        directory.chmod(0o755)
    other = run("setpriv", "--reuid", "65534", "--regid", "0", "--clear-groups", "env", f"EVBCTL_SOCKET={station.socket}", binary("evbctl"),
                "log-level", "trace", check=False) if readable() else None
    if other is not None:
        assert other.returncode == 77 and "root" in other.stderr, other
    cable.switch.ip("link", "set", "port0", "down")
    eventually(lambda: station.process.output().count(" debug VSI lost ") == 40, 10, f"each is there\n{station.process.tail()}")
    assert re.search(r" notice log level set by a client .*who=\"?evbctl\[\d+\] uid 0", station.process.output())
    assert station.ctl("reload").returncode == 0
    assert re.search(r" notice configuration read again ports=1 who=\"evbctl\[\d+\] uid 0\"$", station.process.output(), re.M), station.process.tail()
    assert station.ctl_json("log-level") == {"level": "info", "configured": "info", "isTemporary": False}


def test_OPS_115_the_log_and_histories_name_one_client(cable):
    """OPS-115 Who asked is the same process in the log and in `why`, also where a request goes on in later turns of the loop."""
    bridge = cable.scripted_bridge(answer=lambda request: request.answered(3 | HARD))
    evbd = Evbd(cable.lab, cable.host, log={"level": "info"}).wait_for_bridge()
    control = Control(evbd.socket)
    cable.lab.at_end(control.close)
    # More than are retried in one turn.
    vsis = [str(uuid.uuid4()) for _ in range(70)]
    control.call_all("Associate", [
        {"vsiID": vsi, "port": "uplink0", "typeID": 1, "filters": [{"mac": f"52:54:00:00:00:{number:02x}"}]} for number, vsi in enumerate(vsis)])
    eventually(lambda: all(vsi["reason"] == "manager-unreachable" for vsi in evbd.vsis().values()), 20, "all are refused", every=0.2)
    bridge.answer = lambda request: request.answered()
    assert evbd.ctl_json("vsi", "retry", "--all") == {"retried": 70}
    eventually(lambda: evbd.port()["vsis"]["associated"] == 70, 20, "all are associated", every=0.2)
    told = [[event["message"] for event in reply["histories"][0]["events"] if event["kind"] in ("requested", "retried")]
            for reply in control.call_all("GetHistory", [{"vsiID": vsi} for vsi in vsis])]
    clients = {tuple(re.search(r"user 0, process (\d+) \((.*?)\)", message)[0] for message in each) for each in told}
    assert len(clients) == 1, clients
    (asked, retried), = clients
    assert retried.endswith("(evbctl)") and asked != retried
    # A look at the port is not what brings a problem about.
    bridge.stop(goodbye=True)
    eventually(lambda: evbd.ctl_json("status")["problems"], 10, "something is wrong")
    assert re.search(r" problem=", evbd.process.output()) and not re.search(r" problem=\S+ .*who=", evbd.process.output()), evbd.process.tail()
    number = re.search(r"process (\d+)", asked)[1]
    assert re.search(rf'VSI is asked for again, .*vsi={vsis[0]} .*who="[^"]*\[{number}\] uid 0"', evbd.process.output()), evbd.process.tail()


def readable():
    """Whether another user can run the programs of the build."""
    return run("setpriv", "--reuid", "65534", "--regid", "0", "--clear-groups", "test", "-x", binary("evbctl"), check=False).returncode == 0


def test_OPS_507_a_real_journald_has_the_fields(cable):
    """Association, loss and a start that fails, as journald keeps them; the catalog is one that journalctl takes."""
    if not JOURNALD.exists() or not shutil.which("setpriv"):
        pytest.skip("there is no journald: apt-get install systemd")
    bridge = cable.scripted_bridge()
    evbd = JournaledEvbd(cable.lab, cable.host, log={"level": "info"}).wait_for_bridge()
    vsi, mac = str(uuid.uuid4()), "52:54:00:11:22:33"
    evbd.associate(vsi, "--manager", "5", "--link", "vm0", mac=mac)

    def entry(*matches):
        found = []
        eventually(lambda: found.extend(evbd.entries(*matches)) or found, 10, f"there is an entry with {matches}")
        return found[-1]
    found = entry(f"VSI={vsi}", f"MAC={mac}", "PORT=uplink0", "EVBD_TO=associated")
    assert (found["PRIORITY"], found["TYPE"], found["MANAGER"], found["LINK"]) == ("5", f"{0x123457} v0", "5", "vm0"), found
    assert re.fullmatch(r"evbctl\[\d+\] uid 0", found["WHO"]), found
    assert found["_TRANSPORT"] == "journal" and "_PID" in found and found["MESSAGE"].startswith("VSI associated port=uplink0 vsi="), found
    bridge.stop()
    cable.switch.ip("link", "set", "port0", "down")
    lost = entry(f"VSI={vsi}", f"MESSAGE_ID={VSI_LOST}")
    assert (lost["PRIORITY"], lost["REASON"]) == ("4", "bridge-lost"), lost
    # What is at warning is what an operator has to look at.
    looked = [one["MESSAGE"].split(" port=")[0] for one in evbd.entries("-p", "warning")]
    assert {"VSI lost", "link down", "EVB bridge lost"} == set(looked), looked
    # A second daemon that cannot start says so there, with the line that is wrong.
    broken = cable.lab.directory / "broken.yaml"
    broken.write_text("ports:\n  - interface: uplink0\n    rule: station\n")
    assert evbd.inside("/usr/bin/python3", "-c", RUN, binary("evbd"), "--config", broken, check=False).returncode == 1
    failed = entry(f"MESSAGE_ID={DAEMON_FAILED}")
    assert failed["PRIORITY"] == "2" and "broken.yaml:3" in failed["MESSAGE"], failed
    catalog = cable.lab.directory / "root/usr/lib/systemd/catalog"
    catalog.mkdir(parents=True)
    (cable.lab.directory / "root/var/lib/systemd/catalog").mkdir(parents=True)
    shutil.copy(REPOSITORY / "Packaging/systemd/evbd.catalog", catalog)
    made = subprocess.run(["journalctl", f"--root={cable.lab.directory}/root", "--update-catalog"], capture_output=True, text=True)
    assert made.returncode == 0 and not made.stderr, made
