"""evbd-snmp: evbd's state in SNMP, asked for as a manager does it, by net-snmp's programs from Debian's snmpd."""

import os
import re
import time
import uuid
from pathlib import Path

import pytest

from lab import eventually
from lab.service import settings
from lab.snmpd import EVB, LLDP, Counting, Snmpd
from lab.switch import Switch
from lab.system import REPOSITORY
from lab.varlink import Control
from test_systemd import INSIDE, Manager, require_systemd

GUEST = "52:54:00:11:22:33"
# What nobody on this machine is.
USER = 61018
VSIDB = f"{EVB}.2.1.1"


def numbers(oid):
    return tuple(map(int, oid.split(".")))


def processor(process):
    """Seconds of the processor that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hexadecimal(text):
    """The octets of a `Hex-STRING: 01 80 ` or of a `STRING: "x"`."""
    kind, _, value = text.partition(": ")
    return bytes.fromhex(value) if kind == "Hex-STRING" else value.strip('"').encode()


@pytest.fixture
def pair(cable):
    """evbd as the station and as the bridge; a master beside the station."""
    bridge = Switch(cable.lab, cable.switch).evbd()
    evbd = cable.evbd().wait_for_bridge()
    return bridge, evbd, Snmpd(cable.lab, cable.host)


def test_OPS_710_each_object_against_evbctl(cable, pair):
    """OPS-710 OPS-704 The EVB MIB by snmpwalk, numbers only: each group of a station's and of a bridge's port has what evbctl shows; a set is refused."""
    bridge, evbd, snmpd = pair
    other = Snmpd(cable.lab, cable.switch, name="snmpd-switch")
    vsi = str(uuid.uuid4())
    evbd.associate(vsi, "--filter", f"mac={GUEST},vlan=31", mac=None)
    agents = [snmpd.evbd_snmp(evbd.socket, "--interval", "1", "--max-age", "30"), other.evbd_snmp(bridge.socket, name="bridge-snmp")]
    snmpd.wait_for_objects(agents[0]), other.wait_for_objects(agents[1])
    port, shown = evbd.ctl_json("port", "show", "uplink0"), evbd.ctl_json("vsi", "show", vsi)
    met = dict(snmpd.walk(EVB, program="snmpwalk"))

    def value(name):
        return met.get(numbers(f"{EVB}.{name}"))
    assert [value(f"1.{column}.0") for column in (1, 2, 3, 4, 5, 7, 11, 12, 13)] == [
        "INTEGER: 2", "Gauge32: 1", "INTEGER: 1", "INTEGER: 2", "INTEGER: 1", f"INTEGER: {port['sys']['ecpMaxRetries']}",
        f"INTEGER: {port['sys']['ecpDfltAckTimerExp']}", f"INTEGER: {port['sys']['vdpDfltRsrcWaitDelayExp']}",
        f"INTEGER: {port['sys']['vdpDfltReinitKeepAliveExp']}"]
    assert port["ifIndex"] == cable.host.index("uplink0")
    assert [value(f"3.3.1.{column}.1.1") for column in (3, 4, 6, 10, 12, 13)] == [
        f"INTEGER: {port['ifIndex']}", "Gauge32: 1", "INTEGER: 2", f"Gauge32: {port['urp']['vdpOperRespWaitDelay']}",
        f"Gauge32: {port['urp']['vdpOperRsrcWaitDelayExp']}", f"Gauge32: {port['urp']['vdpOperReinitKeepAliveExp']}"]
    assert [value(f"3.4.1.{column}.1.1") for column in (4, 6, 7, 9)] == [
        f"Gauge32: {port['ecp']['operMaxRetries']}", "Counter32: 0", "Counter32: 0", f"Gauge32: {port['ecp']['operAckTimerInitExp']}"]
    index = ".".join(map(str, [1, 1, 5, *uuid.UUID(vsi).bytes]))
    assert [value(f"2.1.1.{column}.{index}") for column in (6, 7, 8, 11, 14, 15, 16, 17, 18, 21)] == [
        "INTEGER: 3", "INTEGER: 2", "INTEGER: 2", f"INTEGER: {0x123457}", "INTEGER: 1", "INTEGER: 3", "Counter32: 1", "Counter32: 0",
        "Counter32: 0", "INTEGER: 2"]
    assert hexadecimal(value(f"2.1.1.9.{index}")) == b"\x80" and hexadecimal(value(f"2.1.1.20.{index}")).hex() == shown["vsidb"]["mgrID16"]
    mac = ".".join(str(int(octet, 16)) for octet in GUEST.split(":"))
    assert value(f"2.2.1.3.{index}.0.{mac}.31") == "Gauge32: 31"
    # Nothing else is there, and all in order.
    assert len(met) == 9 + 6 + 6 + 15 + 1 and list(met) == sorted(met)
    lldp = dict(snmpd.walk(LLDP))
    extension = f"{LLDP}.5.32962.7.1.1.1"
    assert {name: hexadecimal(text) if "STRING" in text else text for name, text in lldp.items()} == {
        numbers(f"{LLDP}.1.9.1.2.1"): bytes.fromhex("0180c2000000"),
        numbers(f"{extension}.1.1.1.1.{port['ifIndex']}.1"): "INTEGER: 1",
        numbers(f"{extension}.2.1.1.1.{port['ifIndex']}"): bytes.fromhex(port["xdot1"]["locEvbTlvString"]),
        numbers(f"{extension}.3.1.1.1.0.{port['ifIndex']}.1.1"): bytes.fromhex(port["xdot1"]["remEvbTlvString"])}

    # The bridge's side: SBP in place of URP, and the VSI as it holds it.
    sbp = bridge.ctl_json("port", "show", "port0")["sbp"]
    seen = dict(other.walk(EVB))
    assert [seen.get(numbers(f"{EVB}.1.10.1.{column}.1.1")) for column in (3, 6, 7, 8)] == [
        "INTEGER: 2", f"Gauge32: {sbp['vdpOperToutKeepAlive']}", f"Gauge32: {sbp['vdpOperRsrcWaitDelayExp']}",
        f"Gauge32: {sbp['vdpOperReinitKeepAliveExp']}"]
    assert seen[numbers(f"{EVB}.1.1.0")] == "INTEGER: 1" and seen[numbers(f"{VSIDB}.15.{index}")] == "INTEGER: 3"
    assert not [name for name in seen if name[:len(numbers(EVB)) + 3] == numbers(f"{EVB}.3.3.1")] and list(seen) == sorted(seen)

    # Nothing can be written, neither what the MIB would let be written nor what is not there.
    for name in ("1.4.0", "1.99.0"):
        said = snmpd.run("snmpset", f"{EVB}.{name}", "i", "1", community="private")
        assert said.returncode != 0 and "notWritable" in said.stderr, said
    assert snmpd.get(f"{EVB}.1.4.0") == "INTEGER: 2"
    assert snmpd.get(f"{EVB}.1.99.0").startswith("No Such Object") and snmpd.get(f"{VSIDB}.6.1.1").startswith("No Such Instance")
    # What happens later is seen.
    evbd.ctl("vsi", "deassociate", vsi)
    eventually(lambda: not snmpd.walk(f"{EVB}.2"), 10, "the VSI has gone")


def test_OPS_711_a_thousand_vsis(cable, pair, tell):
    """OPS-711 1,000 VSIs: each row once and in order, by GetNext and by GetBulk, and evbd is asked once in an interval, however much is walked."""
    count = 1000
    _, evbd, snmpd = pair
    control = Control(evbd.socket)
    cable.lab.at_end(control.close)
    vsis = sorted(uuid.uuid4() for _ in range(count))
    control.call_all("Associate", [
        {"vsiID": str(vsi), "port": "uplink0", "typeID": 1, "filters": [{"mac": f"52:54:00:22:{n >> 8:02x}:{n & 255:02x}"}]}
        for n, vsi in enumerate(vsis)])
    eventually(lambda: evbd.port()["vsis"]["associated"] == count, 60, "all are associated", every=0.2)
    counting = Counting(cable.lab, evbd.socket)
    agent = snmpd.wait_for_objects(snmpd.evbd_snmp(counting.path, "--interval", "3600", "--max-age", "7200"))
    rows = [(1, 1, 5, *vsi.bytes) for vsi in vsis]
    states, seconds, before = [], {}, [processor(each) for each in (agent, snmpd.process)]
    for program, oid in (("snmpwalk", f"{VSIDB}.15"), ("snmpbulkwalk", f"{VSIDB}.15"), ("snmpbulkwalk", EVB)):
        start = time.monotonic()
        met = snmpd.walk(oid, program=program)
        seconds[f"{program} of {len(met)} objects"] = round(time.monotonic() - start, 2)
        names = [name for name, _ in met]
        assert names == sorted(set(names)), "each once, in order"
        column = numbers(f"{VSIDB}.15")
        states.append([name[len(column):] for name, value in met if name[:len(column)] == column and value == "INTEGER: 3"])
    assert states == [rows, rows, rows]
    assert len([name for name in names if name[:len(numbers(f"{EVB}.2.2"))] == numbers(f"{EVB}.2.2")]) == count
    assert [method for _, method in counting.calls] == ["ListPorts", "GetPort", "ListVSIDetails"], "walks ask nothing of evbd"
    tell(*(f"{what}: {time} s" for what, time in seconds.items()), f"evbd-snmp: {agent.rss_kib()} KiB",
         *(f"{each.name}: {processor(each) - used:.2f} s of the processor" for each, used in zip((agent, snmpd.process), before)))


def test_OPS_712_evbd_hangs_and_dies(pair):
    """OPS-712 While evbd hangs, a walk is answered at once from what was fetched; after the age that is allowed there are no objects, and no error. evbd restarted, they are there again, and the log says both."""
    _, evbd, snmpd = pair
    agent = snmpd.wait_for_objects(snmpd.evbd_snmp(evbd.socket, "--interval", "1", "--max-age", "4"))
    before = dict(snmpd.walk(f"{EVB}.1"))
    evbd.process.freeze()
    hung = time.monotonic()
    assert dict(snmpd.walk(f"{EVB}.1")) == before

    def walk():
        start = time.monotonic()
        met = snmpd.walk(EVB)
        # An answer that waited for evbd would take ten seconds, and a master that gave up one.
        assert time.monotonic() - start < 1, "the walk waited"
        return met
    eventually(lambda: walk() == [], 10, "old objects are shown no longer")
    assert time.monotonic() - hung > 2.5, "they are shown for a while"
    assert snmpd.get(f"{EVB}.1.1.0").startswith("No Such")
    evbd.process.kill()
    assert walk() == []
    evbd.start()
    snmpd.wait_for_objects(agent, seconds=20)
    assert "evbd closed the connection" in agent.output() or "does not listen" in agent.output()
    assert agent.output().count("evbd answers on") == 2, agent.output()


def test_OPS_713_the_subagent_hangs_and_dies(pair):
    """OPS-713 OPS-714 A hung evbd-snmp costs a question below it the master's timeout, and others nothing; a dead one nothing at all. Back again, and after a restart of the master, it serves."""
    _, evbd, snmpd = pair
    agent = snmpd.wait_for_objects(snmpd.evbd_snmp(evbd.socket))
    agent.freeze()
    start = time.monotonic()
    said = snmpd.run("snmpget", f"{EVB}.1.1.0", seconds=20)
    took = time.monotonic() - start
    assert said.returncode != 0 and took < 4, (took, said)
    assert snmpd.get("1.3.6.1.2.1.1.3.0")
    agent.thaw()
    snmpd.wait_for_objects(agent, seconds=30)
    agent.kill()
    eventually(lambda: (snmpd.get(f"{EVB}.1.1.0") or "").startswith("No Such"), 5, "without a subagent there is nothing")
    assert snmpd.walk(EVB) == []
    agent = snmpd.wait_for_objects(snmpd.evbd_snmp(evbd.socket))
    snmpd.process.stop()
    eventually(lambda: "no snmpd listens" in agent.output(), 10, "it is said that the master is gone")
    snmpd.start()
    snmpd.wait_for_objects(agent)
    # A second one is told why it cannot serve, and waits.
    second = snmpd.evbd_snmp(evbd.socket, name="second")
    eventually(lambda: "another subagent has it" in second.output(), 10, "the second is refused")
    assert second.alive and snmpd.get(f"{EVB}.1.1.0") == "INTEGER: 2"


def test_OPS_716_without_privileges(cable):
    """OPS-716 With the page's settings of snmpd and evbd, evbd-snmp serves as a user who may nothing else; without them it says what is missing."""
    page = (REPOSITORY / "Documentation/snmp.md").read_text()
    conf = (REPOSITORY / "Packaging/snmpd.conf").read_text()
    assert f"```text\n{conf}```\n" in page
    assert settings(REPOSITORY / "Packaging/systemd/evbd-snmp.service")["User"] == ["evbd-snmp"] and "evbd-snmp" in conf
    cable.lab.directory.chmod(0o755)

    def said_by_page(text):
        text = text.replace("/run/agentx", f"{cable.lab.directory}/snmpd/agentx").replace("/var/agentx", f"{cable.lab.directory}/var/agentx")
        return text.replace("root evbd-snmp", f"root {USER}").splitlines()
    # As Debian starts it, snmpd gives up root.
    words = ("-u", "65534", "-g", "65534")
    snmpd = Snmpd(cable.lab, cable.host, settings=said_by_page(re.sub("^agentXPerms.*", "", conf, flags=re.M)), words=words)
    evbd = cable.evbd()
    agent = snmpd.evbd_snmp(evbd.socket, "--interval", "1", command=[
        "setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", "--bounding-set=-all", "--no-new-privs", "--pdeathsig", "KILL"])
    eventually(lambda: "agentXPerms" in agent.output() and "read-only: {}" in agent.output(), 5, "both remedies are named")
    snmpd.process.stop()
    # A new folder, which snmpd makes with the permissions of the page.
    snmpd.socket.unlink(missing_ok=True)
    snmpd.socket.parent.rmdir()
    # Behind what Debian's own file says, which is where its includeDir stands.
    snmpd.configure([*snmpd.as_debian_has_it(), *said_by_page(conf)])
    snmpd.start()
    assert re.search(r"^  read-only: \{\}$", page, re.M)
    evbd.config["control"]["read-only"] = "{}"
    evbd.write_config()
    evbd.terminate()
    evbd.start()
    snmpd.wait_for_objects(agent, community="evb")
    # The page's view shows EVB and nothing of the host; Debian's shows what it did.
    assert not snmpd.get("1.3.6.1.2.1.1.1.0", community="evb").startswith("STRING")
    assert snmpd.get("1.3.6.1.2.1.1.1.0").startswith("STRING") and not snmpd.get(f"{EVB}.1.1.0").startswith("INTEGER")


class WithSNMP(Manager):
    """A systemd that has evbd-snmp's unit too."""

    inside = INSIDE.replace("systemd-sysusers evbd.conf", """
install -m 755 "$lab/evbd-snmp" /usr/sbin
install -m 644 -D "$packaging/evbd-snmp.sysusers" /etc/sysusers.d/evbd-snmp.conf
install -m 644 "$packaging/evbd-snmp.service" /run/units
systemd-sysusers evbd.conf evbd-snmp.conf""")
    programs = (*Manager.programs, "evbd-snmp")


def test_OPS_716_the_unit(cable):
    """OPS-716 systemd runs Packaging/systemd/evbd-snmp.service: its own user, no capability, no network, and snmpd shows the objects."""
    require_systemd()
    manager = WithSNMP(cable)
    group = manager("id", "-g", "evbd-snmp").stdout.strip()
    cable.lab.directory.chmod(0o755)
    where = cable.lab.directory / "snmpd" / "agentx"
    conf = (REPOSITORY / "Packaging/snmpd.conf").read_text().replace("/run/agentx", str(where)).replace("/var/agentx", f"{where}-other")
    conf = conf.replace("root evbd-snmp", f"root {group}")
    snmpd = Snmpd(cable.lab, cable.host, settings=conf.splitlines())
    # The master's folder is below /tmp here, of which the unit has one of its own.
    manager("mkdir", "-p", "/run/units/evbd-snmp.service.d")
    manager("sh", "-c", f"printf '[Service]\\nBindPaths={where}\\nExecStart=\\nExecStart=/usr/sbin/evbd-snmp --agentx {where}/master\\n' "
            ">/run/units/evbd-snmp.service.d/lab.conf; printf 'control:\\n  read-only: {}\\n' >>/etc/evbd/evbd.yaml")
    manager("systemctl", "daemon-reload")
    manager("systemctl", "start", "evbd", "evbd-snmp")
    eventually(lambda: (snmpd.get(f"{EVB}.1.1.0", community="evb") or "").startswith("INTEGER: 2"), 15, f"the objects are there\n{manager.process.tail()}")
    number = manager("systemctl", "show", "-P", "MainPID", "evbd-snmp").stdout.strip()
    shown = manager("cat", f"/proc/{number}/status").stdout
    for line in ("CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", f"Gid:\t{group}\t{group}"):
        assert line in shown, shown
    assert manager("readlink", f"/proc/{number}/ns/net").stdout != manager("readlink", "/proc/1/ns/net").stdout
    manager("systemctl", "stop", "evbd-snmp")
    assert manager("systemctl", "show", "-P", "Result", "evbd-snmp").stdout.strip() == "success"
