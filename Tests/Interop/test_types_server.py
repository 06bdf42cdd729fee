"""VSI types from a server: nginx with TLS, evbd-types, and evbd as the switch that decides by them."""

import json
import os
import re
import signal
import stat
import uuid

import pytest

from lab import eventually
from lab.evbd import FAILED, OK, yaml
from lab.switch import Switch
from lab.service import UNIT
from lab.system import always, run
from lab.types_server import CLIENTS, EXPIRED, RAW, Authority, Nginx, Raw, start_evbd_types, url
from test_systemd import INSIDE, Manager, require_systemd

GUEST = "52:54:00:11:22:33"
BOTH = "types:\n  - { type: 100, name: web }\n  - { type: 101, name: mail }\n"
ONE = "types:\n  - { type: 101, name: mail }\n"


class Bench:
    """A station, a switch whose types come from nginx, and evbd-types between the two."""

    def __init__(self, cable, helper=True, first=BOTH, **more):
        self.cable, self.lab = cable, cable.lab
        self.switch = Switch(cable.lab, cable.switch)
        self.authority = Authority(cable.lab.directory / "authority")
        self.nginx = Nginx(cable.lab, cable.switch, self.authority)
        if first:
            self.nginx.put(first)
        self.source = {"manager": 11, "url": url(), "ca": self.authority.certificate, "interval": 86400, "timeout": 2, **more}
        self.bridge = self.switch.evbd(ports=[{"interface": "port0", "vsi-types": [self.source]}])
        self.copies = self.bridge.directory / "type-copies"
        self.types = start_evbd_types(self.bridge) if helper else None
        self.station = cable.evbd(ports=[{"interface": "uplink0", "gate": "none"}]).wait_for_bridge()

    def configure(self, **source):
        """The switch gets another server by a reload."""
        self.source = {**self.source, **source}
        self.bridge.config["ports"][0]["vsi-types"] = [self.source]
        self.bridge.write_config()
        said = self.bridge.ctl("reload")
        assert said.returncode == OK, said

    def shown(self):
        """The server as `evbctl types` shows it."""
        return self.bridge.ctl_json("types")[0]

    def fetch(self):
        """`evbctl types fetch`, and the server as it is then."""
        said = self.bridge.ctl("types", "fetch", "--json", timeout=60)
        shown = json.loads(said.stdout)[0]
        assert (said.returncode == FAILED) == (shown["problem"] is not None), said
        return shown

    def has(self, count):
        eventually(lambda: self.shown()["types"] == count, 15, f"{count} types\n{self.bridge.ctl('types').stdout}\n{self.lab.logs()}")
        return self

    def associate(self, type_id=100, mac=GUEST):
        vsi = str(uuid.uuid4())
        self.station.associate(vsi, "--manager", 11, mac=mac, type_id=type_id)
        return vsi

    def problems(self):
        """Those of VSI types, by their kind."""
        found = self.bridge.ctl_json("status")["problems"]
        return {problem["kind"]: problem for problem in found if problem["kind"].startswith("vsi-types")}


@pytest.fixture
def bench(cable):
    return Bench(cable)


def test_OVL_510_types_come_change_and_go(bench):
    """The whole way: granted by the server's types; a new file adds and takes away, and what has lost its type is de-associated."""
    bench.has(2)
    web, mail = bench.associate(100), bench.associate(101, "52:54:00:11:22:44")
    said = bench.bridge.ctl("status").stdout
    assert "MANAGER" in said and url() in said and bench.problems() == {}, said
    # 304 for what has not changed: nothing is read, and the age begins again.
    fetched = bench.fetch()
    assert fetched["problem"] is None and bench.nginx.asked()[-1] == ("/types.yaml", 304)
    assert fetched["ageSeconds"] <= 2 and fetched["fetchedMilliseconds"] > 0
    bench.nginx.put(ONE)
    assert bench.fetch()["types"] == 1
    bench.station.wait_for_state(mail, "associated")
    eventually(lambda: bench.bridge.state(web) != "associated", 10, f"{web} is given up\n{bench.lab.logs()}")
    assert bench.bridge.state(mail) == "associated"
    # Metrics, and the copy as another program finds it.
    text = bench.bridge.ctl("metrics").stdout
    assert f'evbd_vsi_types{{manager="11",url="{url()}"}} 1' in text and "evbd_vsi_types_age_seconds{" in text
    copy, = (path for path in bench.copies.iterdir() if path.name.startswith("manager-"))
    assert stat.S_IMODE(copy.stat().st_mode) == 0o644 and copy.read_bytes().endswith(ONE.encode())


def test_OVL_511_bad_answers_leave_what_was_good(bench):
    """Each keeps the types, the VSI and the copy, and says what is wrong and what to do; the next good answer ends the problem."""
    vsi = bench.has(2) and bench.associate()
    copy, = (path for path in bench.copies.iterdir() if path.name.startswith("manager-"))
    before = copy.read_bytes()
    root = bench.nginx.root
    with open(root / "huge.yaml", "wb") as huge:
        huge.truncate(1 << 30)
    (root / "slow").write_text(BOTH + "#" * 4096 + "\n")
    (root / "page.yaml").write_text("<!doctype html><title>Log in</title>\n")
    (root / "cut.yaml").write_text(BOTH.rstrip()[:-3])
    (root / "alias.yaml").write_text("types: &a\n  - { type: 1 }\nmore: *a\n")
    (root / "bomb.yaml").write_text("a: &a [x,x]\nb: &b [*a,*a]\ntypes: [*b,*b]\n")
    (root / "other.yaml").write_text("types:\n  - { type: 5, manager: 12 }\n")
    (root / "binary.yaml").write_bytes(bytes(range(256)) + b"\n")
    (root / "empty.yaml").write_text("")
    endless = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    def without_end(connection):
        connection.sendall(endless)
        while True:
            connection.sendall(b"10000\r\n" + b"# " * 0x8000 + b"\r\n")

    def cut_off(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + BOTH.encode())

    def many_headers(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(100)) + b"\r\n")

    raw = Raw(bench.lab, bench.cable.switch, bench.authority.sign("raw"), without_end)
    other = Authority(bench.lab.directory / "other", "other")
    for words, change in [
        ("redirects to another server", {"url": url("/away")}),
        ("one redirect after another", {"url": url("/loop")}),
        ("HTTP 404", {"url": url("/missing.yaml")}), ("HTTP 403", {"url": url("/forbidden")}), ("HTTP 503", {"url": url("/broken")}),
        ("certificate is not trusted.*expired", {"url": url(port=EXPIRED)}),
        ("certificate is not trusted", {"url": url(), "ca": other.certificate}),
        ("file of ca: cannot be used", {"url": url(), "ca": "/does/not/exist"}),
        ("HTTP 400", {"url": url(port=CLIENTS)}),
        ("within 2 s", {"url": url("/slow")}),
        ("more than 1048576 octets", {"url": url("/huge.yaml")}), ("more than 1048576 octets", {"url": url("/", RAW)}),
        ("cannot be reached", {"url": url(port=1)}),
        ("a page, and no VSI types", {"url": url("/page.yaml")}), ("may have been cut off", {"url": url("/cut.yaml")}),
        ("an anchor", {"url": url("/alias.yaml")}), ("an anchor", {"url": url("/bomb.yaml")}),
        ("speaks for manager 11 alone", {"url": url("/other.yaml")}), ("not YAML", {"url": url("/binary.yaml")}),
        ("may have been cut off", {"url": url("/empty.yaml")}),
        ("connection ends before all has come", {"url": url("/", RAW), "answer": cut_off}),
        ("octets of headers", {"url": url("/", RAW), "answer": many_headers}),
    ]:
        raw.answer = change.pop("answer", without_end)
        bench.configure(**{"ca": bench.authority.certificate, **change})
        shown = bench.fetch()
        said = (shown["problem"] or "") + " | " + (shown["hint"] or "")
        assert re.search(words, said) and shown["hint"], (words, shown)
        assert shown["types"] == 2 and bench.problems()["vsi-types-outdated"]["hint"], shown
        assert copy.read_bytes() == before and bench.bridge.state(vsi) == "associated", words
    bench.configure(url=url("/moved"))
    assert bench.fetch()["problem"] is None and bench.problems() == {}, bench.shown()
    assert bench.bridge.state(vsi) == "associated" and bench.types.alive


def test_OVL_512_copies_outlive_evbd_evbd_types_and_the_server(cable):
    """nginx ends, then evbd and evbd-types: evbd begins with the copy, and grants by it; nothing is granted where there never was one."""
    bench = Bench(cable, helper=False)
    assert bench.shown()["types"] is None and "vsi-types-missing" in bench.problems()
    refused = bench.station.ctl("vsi", "associate", str(uuid.uuid4()), "--port", "uplink0", "--manager", 11, "--type", 100, "--filter", f"mac={GUEST}")
    assert refused.returncode == FAILED and "manager-unreachable" in refused.stdout + refused.stderr, refused
    bench.types = start_evbd_types(bench.bridge)
    bench.has(2)
    eventually(lambda: bench.problems() == {}, 5, "no problem is left")
    vsi = bench.associate()
    bench.nginx.process.signal(signal.SIGKILL)
    bench.nginx.process.wait(10)
    for process in (bench.types, bench.bridge.process):
        process.signal(signal.SIGKILL)
        process.wait(10)
    bench.bridge.start()
    assert bench.shown()["types"] == 2
    eventually(lambda: bench.bridge.state(vsi) == "associated", 15, f"{vsi} is associated again\n{bench.lab.logs()}")
    bench.types = start_evbd_types(bench.bridge, "evbd-types-2")
    eventually(lambda: "cannot be reached" in (bench.shown()["problem"] or ""), 10, f"the problem is told\n{bench.lab.logs()}")
    assert bench.problems()["vsi-types-outdated"]["message"].startswith("no newer VSI types come from")
    # The server is back: asked again by itself, after some seconds and not after the interval.
    bench.nginx.put(ONE)
    bench.nginx.start()
    bench.has(1)


def test_OVL_513_what_evbd_types_writes_is_not_trusted(bench):
    """Copies and reports that are damaged, links, pipes, endless or another's change nothing, hold nothing up and are told."""
    bench.has(2)
    vsi = bench.associate()
    copy, = (path for path in bench.copies.iterdir() if path.name.startswith("manager-"))
    report, good = bench.copies / "report", copy.read_bytes()

    def replace(path, make):
        temporary = path.parent / ".new"
        make(temporary)
        temporary.rename(path)

    for make in (
        lambda path: path.write_bytes(good[:-1]), lambda path: path.write_bytes(good.replace(b"type: 100", b"type: 102")),
        lambda path: path.symlink_to("/etc/passwd"), lambda path: os.mkfifo(path), lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(good + b"#" * (2 << 20)), lambda path: path.write_bytes(os.urandom(5000)),
    ):
        replace(copy, make)
        eventually(lambda: "cannot be used" in (bench.shown()["problem"] or ""), 10, f"{copy} is refused\n{bench.shown()}")
        assert bench.shown()["types"] == 2 and bench.bridge.state(vsi) == "associated"
        replace(copy, lambda path: path.write_bytes(good))
        eventually(lambda: bench.shown()["problem"] is None, 10, f"{copy} is in order\n{bench.shown()}")
    for make in (lambda path: path.write_text("{"), lambda path: os.mkfifo(path), lambda path: path.write_bytes(b"[" * 100000)):
        replace(report, make)
        eventually(lambda: "report" in (bench.shown()["problem"] or ""), 10, f"{report} is refused\n{bench.shown()}")
    # evbd-types writes all of it again.
    assert bench.fetch()["problem"] is None and bench.bridge.state(vsi) == "associated"


def test_OVL_514_a_server_for_each_manager_beside_a_file(cable):
    """A server and a file: each gives the types of its own managers; a client certificate opens the server that wants one."""
    bench = Bench(cable)
    certificate, key = bench.authority.sign("evbd")
    local = bench.lab.directory / "local.yaml"
    local.write_text(yaml({"types": [{"type": 200, "manager": 12}], "default-manager": 12}) + "\n")
    bench.nginx.put("types:\n  - { type: 300 }\n", "third.yaml")
    sources = [{"file": local}, bench.source,
               {"manager": 13, "url": url("/third.yaml", CLIENTS), "ca": bench.authority.certificate, "certificate": certificate, "key": key}]
    bench.bridge.config["ports"][0]["vsi-types"] = sources
    bench.bridge.write_config()
    assert bench.bridge.ctl("reload").returncode == OK
    eventually(lambda: [server["types"] for server in bench.bridge.ctl_json("types")] == [2, 1], 15, f"both servers gave types\n{bench.bridge.ctl('types').stdout}")
    for manager, type_id, mac in ((11, 100, GUEST), (12, 200, "52:54:00:11:22:44"), (13, 300, "52:54:00:11:22:55")):
        bench.station.associate(str(uuid.uuid4()), "--manager", manager, mac=mac, type_id=type_id)
    refused = bench.station.ctl("vsi", "associate", str(uuid.uuid4()), "--port", "uplink0", "--manager", 13, "--type", 100, "--filter", "mac=52:54:00:11:22:66")
    assert refused.returncode == FAILED, refused
    # What the file and a server both give is a mistake of the file, and changes nothing.
    local.write_text(yaml({"types": [{"type": 200, "manager": 11}]}) + "\n")
    said = bench.bridge.ctl("reload")
    assert said.returncode == FAILED and f"is of manager 11, whose types come from {url()}" in said.stderr, said


def test_OVL_515_evbd_sleeps_while_nothing_comes(bench):
    """No poll: while servers are not asked, evbd is not woken for them. What evbctl types fetch costs is one look."""
    bench.has(2)
    assert bench.fetch()["problem"] is None

    def looks():
        return sum("VSI types of" in line for line in bench.bridge.process.log.read_text().splitlines())

    before = looks()
    always(lambda: looks() == before, 2, "nothing is read")
    reads = bench.bridge.process.pid
    descriptors = [os.readlink(f"/proc/{reads}/fd/{number}") for number in os.listdir(f"/proc/{reads}/fd")]
    assert sum("inotify" in target for target in descriptors) == 1, descriptors


def test_OVL_516_without_evbd_types(cable):
    """It is said at once, by fetch within some seconds, with what to do."""
    bench = Bench(cable, helper=False)
    problem = bench.problems()["vsi-types-missing"]
    assert "evbd-types" in problem["hint"] and problem["ageSeconds"] is not None
    said = bench.bridge.ctl("types", "fetch", timeout=30)
    assert said.returncode == FAILED and "evbd-types does not answer" in said.stderr, said
    nothing = bench.station.ctl("types", "fetch")
    assert nothing.returncode == FAILED and "no VSI types come from a server" in nothing.stderr, nothing


class WithTypes(Manager):
    """A systemd that has evbd-types' unit too, and a /var/lib of its own."""

    inside = INSIDE.replace("systemd-sysusers evbd.conf", """
mkdir -p /run/layers/state/{up,work}
mount -t overlay -o lowerdir=/var/lib,upperdir=/run/layers/state/up,workdir=/run/layers/state/work overlay /var/lib
install -m 755 "$lab/evbd-types" /usr/sbin
install -m 644 "$lab/authority/ca.pem" /etc/evbd/types-ca.pem
install -m 644 -D "$packaging/evbd-types.sysusers" /etc/sysusers.d/evbd-types.conf
install -m 644 "$packaging/evbd-types.service" /run/units
systemd-sysusers evbd.conf evbd-types.conf""")
    programs = (*Manager.programs, "evbd-types")


def test_OVL_520_the_unit(cable):
    """systemd runs evbd-types.service: its own user, no capability, no file but its own; evbd gets its types all the same."""
    require_systemd()
    authority = Authority(cable.lab.directory / "authority")
    nginx = Nginx(cable.lab, cable.host, authority)
    nginx.put(BOTH)
    manager = WithTypes(cable)
    manager("sh", "-c", "printf 'ports:\\n  - interface: uplink0\\n    role: bridge\\n    vsi-types: [{ manager: 11, url: \"%s\", ca: /etc/evbd/types-ca.pem }]\\n' "
            f"'{url()}' >/etc/evbd/evbd.yaml")
    manager("systemctl", "start", "evbd", "evbd-types")

    def shown():
        return json.loads(manager("evbctl", "types", "--json").stdout)[0]

    eventually(lambda: shown()["types"] == 2, 15, f"types are there\n{manager.process.tail()}")
    assert shown()["problem"] is None
    number = manager("systemctl", "show", "-P", "MainPID", "evbd-types").stdout.strip()
    group = manager("id", "-g", "evbd-types").stdout.strip()
    status = manager("cat", f"/proc/{number}/status").stdout
    for line in ("CapBnd:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2", f"Gid:\t{group}\t{group}"):
        assert line in status, status
    assert manager("stat", "-c", "%U %a", "/var/lib/evbd-types").stdout.strip() == "evbd-types 755"
    nginx.put(ONE)
    assert manager("evbctl", "types", "fetch").returncode == OK and shown()["types"] == 1
    manager("systemctl", "reload", "evbd-types")
    manager("systemctl", "stop", "evbd-types")
    assert manager("systemctl", "show", "-P", "Result", "evbd-types").stdout.strip() == "success" and shown()["types"] == 1


def test_OVL_521_the_unit_is_well_sandboxed(tmp_path):
    """systemd knows every line of it, and says that it exposes little, for a process that speaks IP."""
    require_systemd()
    unit = UNIT.parent / "evbd-types.service"
    said = run("systemd-analyze", "--no-pager", "security", "--offline=true", unit).stdout
    exposure = float(re.search(r"Overall exposure level for evbd-types\.service: ([\d.]+)", said)[1])
    assert exposure <= 2.0, said
    copy = tmp_path / "evbd-types.service"
    copy.write_text(unit.read_text().replace("/usr/sbin/evbd-types", "/bin/true"))
    verified = run("systemd-analyze", "verify", "--man=no", copy, check=False)
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
