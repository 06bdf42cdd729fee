"""Macvtaps that evbd makes and removes, beside `ip -batch` and `ip link del group`."""

import errno
import fcntl
import socket
import struct
import subprocess
import time

from lab import netlink

from .clients import EvbdClient, address, spin
from .stage import associations, releases, vsis

ROWS = ("links-made", "links-removed", "link-filter", "link-bare")
GROUP = 77
# The group of the links that evbd makes: Documentation/links.md.
EVBDS_GROUP = 4544066
# linux/sockios.h, linux/if.h.
SIOCGIFFLAGS, IFF_UP = 0x8913, 1
# linux/rtnetlink.h, linux/if_link.h.
RTM_NEWLINK, RTM_DELLINK, NEW = 16, 17, 0x600
IFLA_ADDRESS, IFLA_LINK, IFLA_LINKINFO, IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_MACVLAN_MODE, VEPA = 1, 5, 18, 1, 2, 1, 2


class Links:
    """What a namespace's links are, asked of the kernel link by link. A listing of all of them, as `ip link` has it, keeps the kernel's
    configuration lock for milliseconds, and evbd is then measured waiting for that."""

    def __init__(self, namespace):
        with namespace.entered():
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def flags(self, name):
        """IFF_ bits of linux/if.h; None where there is no such link."""
        try:
            return struct.unpack("16xH14x", fcntl.ioctl(self.socket, SIOCGIFFLAGS, struct.pack("16s16x", name.encode())))[0]
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
            return None

    def wait(self, wanted, is_right, what):
        """Until flags are right of each link in turn."""
        for each in wanted:
            name = each["link"]["name"]
            spin(lambda: is_right(self.flags(name)), 120, f"{name} is {what}", 0.001)

    def close(self):
        self.socket.close()


class Requests:
    """Requests of netlink in a namespace, one after the other: the least that a link can cost."""

    def __init__(self, namespace):
        with namespace.entered():
            self.socket = netlink.route_socket()

    def ask(self, kind, body, flags=0):
        """Seconds until the kernel has done it."""
        question = netlink.message(kind, body, flags=netlink.REQUEST | netlink.ACK | flags)
        began = time.perf_counter()
        self.socket.send(question)
        answer = self.socket.recv(65_536)
        seconds = time.perf_counter() - began
        assert netlink.Message.parse(answer).error == 0, answer
        return seconds

    def close(self):
        self.socket.close()


def one_more_floor(results, end, more, beside):
    """What two requests take that make one more macvtap beside so many, and set it up."""
    with end.host.entered():
        uplink = socket.if_nametoindex("uplink0")
    requests = Requests(end.host)
    for number in range(beside + 1, beside + more + 1):
        kind = (netlink.attribute(IFLA_INFO_KIND, b"macvtap")
                + netlink.attribute(IFLA_INFO_DATA, netlink.attribute(IFLA_MACVLAN_MODE, struct.pack("=I", VEPA))))
        seconds = requests.ask(RTM_NEWLINK, netlink.ifinfo(0) + netlink.attribute(netlink.IFNAME, b"fl-more\0")
                               + netlink.attribute(IFLA_ADDRESS, bytes.fromhex(address(number).replace(":", "")))
                               + netlink.attribute(IFLA_LINK, struct.pack("=I", uplink)) + netlink.attribute(IFLA_LINKINFO, kind), NEW)
        with end.host.entered():
            index = socket.if_nametoindex("fl-more")
        up = struct.pack("=BxHiII", 0, 0, index, IFF_UP, IFF_UP)
        seconds += requests.ask(netlink.RTM_SETLINK, up)
        for row in ("link-filter", "link-bare"):
            results.add(row, "floor", 1e3 * seconds)
        requests.ask(RTM_DELLINK, netlink.ifinfo(index))
    requests.close()


def floor(results, end, directory, count, more):
    """What `ip` takes for the same links on another cable, and the kernel alone for one more."""
    batch = directory / "links.batch"
    batch.write_text("".join(f"link add link uplink0 name fl{number} address {address(number)} group {GROUP} type macvtap mode vepa\nlink set fl{number} up\n"
                             for number in range(1, count + 1)))
    for row, words in (("links-made", ["-batch", batch]), ("links-removed", ["link", "del", "group", str(GROUP)])):
        began = time.perf_counter()
        subprocess.run(["ip", "-n", end.host.name, *words], check=True)
        results.add(row, "floor", 1e3 * (time.perf_counter() - began))
        if row == "links-made":
            one_more_floor(results, end, more, count)


def with_links(count, start=1):
    return [{**each, "link": {"name": f"vm{number}"}} for number, each in enumerate(vsis(count, start), start)]


def made(evbd, results, count, row="links-made"):
    client, looker, wanted, links = EvbdClient(evbd), EvbdClient(evbd), with_links(count), Links(evbd.namespace)
    began = time.perf_counter()
    client.call_all(associations(wanted, wait=0))
    spin(lambda: looker.counts().get("associated") == count, 120, f"{count} with links are associated", 0.005)
    links.wait(wanted, lambda flags: (flags or 0) & IFF_UP, "up")
    results.add(row, "evbd", 1e3 * (time.perf_counter() - began))
    looker.close()
    links.close()
    return client, wanted


def removed(evbd, results, client, wanted):
    links = Links(evbd.namespace)
    began = time.perf_counter()
    client.call_all(releases(wanted, wait=0))
    links.wait(wanted, lambda flags: flags is None, "removed")
    results.add("links-removed", "evbd", 1e3 * (time.perf_counter() - began))
    links.close()


def one_more(evbd, results, row, client, count, beside):
    for each in with_links(count, beside + 1):
        seconds, answer = client.ask(associations([each], wait=10_000)[0])
        assert b'"associated"' in answer, answer
        results.add(row, "evbd", 1e3 * seconds)
        client.ask(releases([each], wait=10_000)[0])


def measure(stage, results, scope):
    count, more = (50, 5) if scope.quick else (1000, 20)
    for _ in range(scope.rounds):
        floor(results, stage.ends["evbd"], stage.lab.directory, count, more)
        for row, filtered in (("link-filter", True), ("link-bare", False)):
            evbd = stage.evbd(**{"guest-filter": filtered})
            client, wanted = made(evbd, results if filtered else scope.discarded, count)
            one_more(evbd, results, row, client, more, count)
            if filtered:
                removed(evbd, results, client, wanted)
            client.close()
            evbd.process.stop()
            # What is left of the others: it takes long, and is measured already.
            subprocess.run(["ip", "-n", evbd.namespace.name, "link", "del", "group", str(EVBDS_GROUP)], capture_output=True)
