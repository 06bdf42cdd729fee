"""What the system gives runs out: descriptors, memory, room in the runtime directory. evbd says so, loses nothing, and goes on."""

import contextlib
import errno
import os
import resource
import time
import uuid
from pathlib import Path

import pytest

from lab import eventually, netlink
from lab.pair import Pair, end, requests
from lab.system import run
from lab.varlink import CallFailed, Control


def cpu_seconds(evbd):
    """What it has used of a processor so far."""
    fields = Path(f"/proc/{evbd.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit(evbd, kind, amount):
    """Limits a daemon that runs, or no longer; what it has already is not taken from it."""
    hard = resource.prlimit(evbd.pid, kind)[1]
    resource.prlimit(evbd.pid, kind, (hard if amount is None else amount, hard))


# MARK: descriptors


@pytest.fixture
def few_descriptors(cable):
    pair = Pair(cable, log={"level": "info"})
    limit(pair.evbd, resource.RLIMIT_NOFILE, 64)
    return pair


def test_more_clients_than_descriptors(few_descriptors):
    """Those beyond take the places of those who are idle and cost nothing; VSIs stay, those who are in are served, and so is who comes."""
    pair = few_descriptors
    wanted = [request["vsiID"] for request in requests(20)]
    control = pair.control()
    control.call_all("Associate", [{**request, "vsiID": vsi} for vsi, request in zip(wanted, requests(20))])
    eventually(lambda: pair.held() == set(wanted), 10, "the bridge holds all")
    crowd = []
    for _ in range(200):
        crowd.append(Control(pair.evbd.socket))
        pair.cable.lab.at_end(crowd[-1].close)
    served, away = [], []
    for client in crowd:
        try:
            client.begin("GetVersion")
            client.finish()
            served.append(client)
        except OSError:     # closed by evbd
            away.append(client)
    assert served and away, (len(served), len(away))
    assert len(os.listdir(f"/proc/{pair.evbd.pid}/fd")) < 60, "some are kept for evbd's own work"
    used, began = cpu_seconds(pair.evbd), time.monotonic()
    time.sleep(5)       # longer than toutKeepAlive
    busy = (cpu_seconds(pair.evbd) - used) / (time.monotonic() - began)
    assert busy < 0.5, f"{busy:.0%} of a processor for nothing: one that spins has all of it"
    assert pair.held() == set(wanted), "all are kept alive meanwhile"

    control = pair.control()        # the one before was idle, and has given its place up
    # It can still do all that it is for: store and grant, follow a card that is changed for another, and read its configuration.
    (request,) = requests(1, start=100, link={"name": "vm0"})
    assert control.call("Associate", **request, wait=10_000)["vsi"]["state"] == "associated"
    pair.cable.host.ip("link", "delete", "uplink0")
    pair.cable.lab.veth(pair.cable.host, "uplink0", "02:00:00:00:aa:01", pair.cable.switch, "port0", "02:00:00:00:bb:01")
    pair.switch.join("port0")
    eventually(lambda: pair.held() == {*wanted, request["vsiID"]}, 20, "all are back over the new card")
    eventually(lambda: pair.cable.host.is_up("vm0"), 10, "and the link is")

    served.pop().close()
    eventually(lambda: pair.evbd.ctl("status").returncode == 0, 5, "another one is served")


def test_clients_that_come_when_no_descriptor_is_left_at_all(few_descriptors):
    """Not one: a client is turned away and not tried again and again, and when there are some it is served."""
    pair = few_descriptors
    (request,) = requests(1)
    pair.control().call("Associate", **request, wait=10_000)
    used = len(os.listdir(f"/proc/{pair.evbd.pid}/fd"))
    limit(pair.evbd, resource.RLIMIT_NOFILE, used)
    before, began = cpu_seconds(pair.evbd), time.monotonic()
    crowd = [Control(pair.evbd.socket) for _ in range(50)]
    time.sleep(5)
    busy = (cpu_seconds(pair.evbd) - before) / (time.monotonic() - began)
    for client in crowd:
        client.close()
    assert busy < 0.5, f"{busy:.0%} of a processor for nothing: one that spins has all of it"
    assert pair.held() == {request["vsiID"]}
    limit(pair.evbd, resource.RLIMIT_NOFILE, None)
    assert pair.evbd.state(request["vsiID"]) == "associated"


# MARK: memory


def test_VDP_39_a_thousand_vsis_in_little_memory(cable, capsys):
    """VDP-39 A thousand VSIs come, are listed and kept alive in 256 MiB of address space, of which the program's text is a part."""
    pair = Pair(cable, log={"level": "warning"})
    limit(pair.evbd, resource.RLIMIT_AS, 256 << 20)
    limit(pair.bridge, resource.RLIMIT_AS, 256 << 20)
    asked = requests(1000)
    pair.control().call_all("Associate", asked)
    wanted = {request["vsiID"] for request in asked}
    eventually(lambda: pair.held() == wanted, 60, "the bridge holds all")
    for _ in range(20):
        assert len(pair.evbd.vsis()) == len(pair.bridge.vsis()) == 1000
    eventually(lambda: sum(vsi["state"] == "associated" for vsi in pair.evbd.vsis().values()) == 1000, 10, "all are associated")
    with capsys.disabled():
        print(f"\n    1000 VSIs: station {pair.evbd.process.rss_kib()} KiB, bridge {pair.bridge.process.rss_kib()} KiB ", end="", flush=True)


# MARK: the runtime directory


def remount(evbd, place, how):
    """In evbd's mount namespace, which `ip netns exec` has made for it."""
    run("nsenter", "-t", evbd.pid, "-m", "mount", "-o", f"remount,{how}", place)


class Store:
    """An evbd whose store is on a file system of its own, small enough to be full."""

    def __init__(self, cable):
        self.pair = Pair(cable, log={"level": "info"})
        self.evbd = self.pair.evbd
        end(self.evbd, "terminate")
        self.place = self.evbd.directory / "vsis"
        self.place.mkdir(mode=0o700, exist_ok=True)
        run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", self.place)
        cable.lab.at_end(lambda: run("umount", self.place, check=False))
        self.evbd.start().wait_for_bridge()
        self.control = self.pair.control()

    def fill(self):
        """Takes all the room that is left."""
        with open(self.place / "ballast", "wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"x" * 4096)

    def exhaust(self, start):
        """Takes all the room that is left; returns the VSIs that went into the rest of the journal's last page. The next is refused."""
        self.fill()
        fitted = []
        for request in requests(64, start=start, wait=10_000):
            try:
                self.associate(request)
            except CallFailed as refused:
                assert "ENOSPC" in str(refused), refused
                return fitted
            fitted.append(request)
        raise AssertionError("a full file system takes 64 VSIs")

    def empty(self):
        (self.place / "ballast").unlink()

    def associate(self, request):
        self.control.begin("Associate", **request)
        return self.control.finish()

    def withdraw(self, request):
        self.control.begin("Deassociate", vsiID=request["vsiID"], port="uplink0", wait=10_000)
        return self.control.finish(20)

    def kill(self):
        end(self.evbd, "kill")
        self.evbd.start().wait_for_bridge()
        self.control = self.pair.control()


@pytest.fixture
def store(cable):
    return Store(cable)


def test_VDP_36_a_full_runtime_directory(store):
    """VDP-36 What cannot be stored is refused with the reason; what was given up stays so; and with room all is stored and taken again."""
    early, gone, late, last = requests(4, wait=10_000)
    store.associate(early)
    store.associate(gone)
    fitted = {request["vsiID"] for request in store.exhaust(100)}
    with pytest.raises(CallFailed, match="ENOSPC") as refused:
        store.associate(late)
    assert refused.value.error == "io.evbd.Busy" and "make room" in str(refused.value)
    assert store.evbd.vsi(late["vsiID"]) is None
    changed = {**early, "typeVersion": 9}
    with pytest.raises(CallFailed, match="ENOSPC"):
        store.associate(changed)
    assert store.evbd.vsi(early["vsiID"])["typeVersion"] == 0, "it is as it was"
    said = store.evbd.ctl("vsi", "associate", late["vsiID"], "--port", "uplink0", "--type", "1", "--filter", "mac=52:54:00:00:00:09")
    assert said.returncode == 1 and "No space left" in said.stderr, said
    store.withdraw(gone)
    store.kill()
    eventually(lambda: store.evbd.state(early["vsiID"]) == "associated", 10, "it was stored before")
    assert set(store.evbd.vsis()) == {early["vsiID"], *fitted}

    store.empty()
    for request in (late, changed, last):
        assert store.associate(request)["vsi"]["state"] == "associated"
    store.kill()
    wanted = {request["vsiID"] for request in (early, late, last)} | fitted
    eventually(lambda: {vsi for vsi, shown in store.evbd.vsis().items() if shown["state"] == "associated"} == wanted, 10, "all were stored")
    assert store.evbd.vsi(early["vsiID"])["typeVersion"] == 9


def test_VDP_36_VDP_41_libvirt_hears_that_there_is_no_room(store):
    """VDP-36 VDP-41 By the errno, and so the start of a machine fails with the reason."""
    vsi, client = str(uuid.uuid4()), store.evbd.libvirt()
    store.exhaust(100)
    with pytest.raises(netlink.Refused) as refused:
        client.setlink("52:54:00:11:22:33", vsi, netlink.ASSOCIATE)
    assert refused.value.errno == errno.ENOSPC
    assert store.evbd.vsi(vsi) is None
    store.empty()
    assert client.request("52:54:00:11:22:33", vsi, netlink.ASSOCIATE) is True


def test_VDP_36_a_runtime_directory_that_is_read_only(store):
    """VDP-36 As full; and what was given up meanwhile does not come back once it is writable again."""
    early, gone, late = requests(3, wait=10_000)
    store.associate(early)
    store.associate(gone)
    # The journal is open, so that its own file system cannot be made read-only: another one over it is.
    inside = ["nsenter", "-t", store.evbd.pid, "-m"]
    run(*inside, "mount", "-t", "tmpfs", "-o", "ro,mode=700", "none", store.place)
    with pytest.raises(CallFailed, match="EROFS"):
        store.associate(late)
    store.withdraw(gone)
    assert set(store.evbd.vsis()) == {early["vsiID"]}
    run(*inside, "umount", store.place)
    eventually(lambda: "all VSIs are stored again" in store.evbd.process.output(), 10, "it tries again by itself")
    assert store.associate(late)["vsi"]["state"] == "associated"
    store.kill()
    wanted = {early["vsiID"], late["vsiID"]}
    eventually(lambda: {vsi for vsi, shown in store.evbd.vsis().items() if shown["state"] == "associated"} == wanted, 10, "and no others")


def test_VDP_36_a_directory_that_was_never_writable(cable):
    """VDP-36 evbd runs, takes no VSI that a restart would lose, and takes them when it can."""
    pair = Pair(cable)
    end(pair.evbd, "terminate")
    place = pair.evbd.directory / "vsis"
    if place.is_dir():
        for entry in place.iterdir():
            entry.unlink()
        place.rmdir()
    mounted = cable.lab.directory / "readonly"
    mounted.mkdir()
    run("mount", "-t", "tmpfs", "-o", "ro,mode=755", "none", mounted)
    cable.lab.at_end(lambda: run("umount", mounted, check=False))
    pair.evbd.config["control"]["socket"] = pair.evbd.socket = cable.lab.directory / "station.sock"
    pair.evbd.write_config()
    pair.evbd.directory = mounted
    pair.evbd.start().wait_for_bridge()
    vsi = str(uuid.uuid4())
    said = pair.evbd.ctl("vsi", "associate", vsi, "--port", "uplink0", "--type", "1", "--filter", "mac=52:54:00:00:00:09")
    assert said.returncode == 1 and "Read-only file system" in said.stderr, said
    remount(pair.evbd, mounted, "rw")
    pair.evbd.associate(vsi)
    pair.restart("kill")
    pair.evbd.wait_for_state(vsi, "associated", 10)
