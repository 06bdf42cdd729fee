"""Who may use the sockets of evbd: by group and mode of the files, and by what the kernel says of a netlink sender."""

import errno
import grp
import json
import os
import stat
import sys
import uuid

import pytest

from lab import netlink
from lab.evbd import NO_PERMISSION, OK, binary
from lab.netlink import ASSOCIATE, RTM_SETLINK
from lab.system import REPOSITORY, run

MANAGERS, READERS = grp.getgrnam("users"), grp.getgrnam("games")
NOBODY = 65534
VSI = "1f9b1c53-8b5c-4eeb-8f00-d84eaa0aaa01"


def ctl(evbd, uid, gid, *words, groups=()):
    """evbctl as a user; the programs and the socket are where everybody gets to."""
    also = ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    return run("setpriv", "--reuid", uid, "--regid", gid, *also, binary("evbctl"), "--socket", evbd.socket, *words, check=False)


@pytest.fixture
def guarded(cable):
    """Makes an evbd with a control section of its own; everybody gets as far as its sockets."""
    def make(**control):
        cable.scripted_bridge()
        evbd = cable.evbd(control={"socket": cable.lab.directory / "evbd-run" / "evbd.sock", **control}).wait_for_bridge()
        cable.lab.directory.chmod(0o755)
        return evbd
    return make


def shown(path):
    door = os.stat(path)
    return stat.S_IMODE(door.st_mode), door.st_gid


def test_the_control_socket_is_for_its_group(guarded):
    """Root and members of the group, as their first group or as another one, may look and change; others may not even connect."""
    evbd = guarded(group=MANAGERS.gr_name)
    assert shown(evbd.socket) == (0o660, MANAGERS.gr_gid)
    who = [(0, 0, ()), (NOBODY, MANAGERS.gr_gid, ()), (NOBODY, NOBODY, (READERS.gr_gid, MANAGERS.gr_gid))]
    for number, (uid, gid, groups) in enumerate(who):
        assert ctl(evbd, uid, gid, "status", groups=groups).returncode == OK
        vsi = str(uuid.uuid4())
        words = ("vsi", "associate", vsi, "--port", "uplink0", "--type", 1, "--filter", f"mac=52:54:00:00:00:0{number}")
        assert ctl(evbd, uid, gid, *words, groups=groups).returncode == OK
        assert evbd.state(vsi) == "associated"
    for words in (("status",), ("vsi", "deassociate", vsi)):
        result = ctl(evbd, NOBODY, NOBODY, *words, groups=(READERS.gr_gid,))
        assert result.returncode == NO_PERMISSION and "you may not use it" in result.stderr
        assert "member of the socket's group" in result.stderr
    assert evbd.state(vsi) == "associated"


@pytest.mark.parametrize("group", [READERS.gr_name, None], ids=["a group", "everybody"])
def test_the_read_only_socket_shows_and_changes_nothing(cable, guarded, group):
    """Who may not use the control socket looks through the other by the same commands, and is told who may change."""
    other = cable.lab.directory / "evbd-run" / "evbd-ro.sock"
    evbd = guarded(group=MANAGERS.gr_name, **{"read-only": {"socket": other, **({"group": group} if group else {})}})
    assert shown(other) == ((0o660, READERS.gr_gid) if group else (0o666, os.stat(other).st_gid))
    reader = READERS.gr_gid if group else NOBODY
    evbd.associate(VSI)
    for words in (("status",), ("port", "list"), ("port", "show", "uplink0"), ("vsi", "list"), ("vsi", "show", VSI), ("stats",), ("version",)):
        result = ctl(evbd, NOBODY, reader, *words, "--json")
        assert result.returncode == OK, f"{words}: {result.stderr}"
        assert words != ("vsi", "list") or json.loads(result.stdout)[0]["state"] == "associated"
    changes = [("vsi", "deassociate", VSI), ("port", "misbehave", "uplink0", "--silent", "all"),
               *(("vsi", verb, str(uuid.uuid4()), "--port", "uplink0", "--type", 1, "--filter", "mac=52:54:00:00:00:09")
                 for verb in ("associate", "preassociate"))]
    for words in changes:
        result = ctl(evbd, NOBODY, reader, *words)
        assert result.returncode == NO_PERMISSION, f"{words}: {result.stdout}{result.stderr}"
        assert "for looking only" in result.stderr and "member of the group" in result.stderr
    assert list(evbd.vsis()) == [VSI] and evbd.state(VSI) == "associated"
    if group:
        assert ctl(evbd, NOBODY, NOBODY, "status").returncode == NO_PERMISSION
    assert evbd.terminate() == 0
    assert not other.exists() and not evbd.socket.exists()


# MARK: netlink

_SENDER = """
import os, socket, struct, sys
sys.path.insert(0, sys.argv[1])
from lab import netlink
destination, octets, how = int(sys.argv[2]), bytes.fromhex(sys.argv[3]), sys.argv[4]
call = netlink.route_socket()
call.settimeout(2)
if how.startswith("connected"):
    call.connect((destination, 0))      # by root: the kernel asks for no capability at each message any more
os.setgroups([]); os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
pid, uid, gid = (1, 0, 0) if how.endswith("forged") else (os.getpid(), os.getuid(), os.getgid())
control = [(socket.SOL_SOCKET, 2, struct.pack("iII", pid, uid, gid))]     # SCM_CREDENTIALS
try:
    if how.startswith("connected"):
        call.sendmsg([octets], control)
    else:
        call.sendmsg([octets], control, 0, (destination, 0))
    print("errno", netlink.Message.parse(call.recv(65536)).error)
except PermissionError:
    print("refused by the kernel")
except TimeoutError:
    print("silence")
"""


@pytest.mark.parametrize("how, outcome", [
    ("plain", "refused by the kernel"), ("plain forged", "refused by the kernel"),
    ("connected by root", f"errno {errno.EPERM}"), ("connected by root forged", "refused by the kernel")])
def test_a_netlink_sender_without_the_capability(cable, how, outcome):
    """An unprivileged process, also one that got its socket from root, and whatever it says of itself: refused, and nothing happens."""
    cable.scripted_bridge()
    evbd = cable.evbd().wait_for_bridge()
    client = evbd.libvirt()
    octets = netlink.message(RTM_SETLINK, netlink.setlink_body(client.index, "uplink0", "52:54:00:11:22:33", VSI, ASSOCIATE))
    result = run(*cable.host.command(sys.executable, "-c", _SENDER, REPOSITORY / "Tests/Interop", evbd.pid, octets.hex(), how))
    assert result.stdout.strip() == outcome
    assert evbd.vsi(VSI) is None
    assert client.request("52:54:00:11:22:33", VSI, ASSOCIATE) is True
