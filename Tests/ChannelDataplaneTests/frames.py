"""frames.py NAMESPACE:DEVICE... -- SENDER TAGS...

Sends a broadcast frame with each run of TAGS (as s20, s20+c100; `-` is none) from SENDER, one of the places, and prints for each which
other places get it, and with which tags. A tag that a guest puts in front is in the frame's octets; a receiver is shown the tag
that its kernel has taken off too.
"""

import ctypes
import select
import socket
import struct
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
AUXDATA, HAS_TAG, OUTGOING = 8, 0x10, 4


def open_in(place):
    namespace, device = place.split(":")
    own = open("/proc/self/ns/net")
    if namespace:
        with open(f"/run/netns/{namespace}") as other:
            assert libc.setns(other.fileno(), 0) == 0
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind((device, 3))
    sock.setsockopt(263, AUXDATA, 1)
    sock.setblocking(False)
    assert libc.setns(own.fileno(), 0) == 0
    return sock


def octets(tags):
    return b"".join(struct.pack("!HH", {"s": 0x88A8, "c": 0x8100}[tag[0]], int(tag[1:])) for tag in tags.split("+") if tag != "-")


def name(ethertype, control):
    return {0x88A8: "s", 0x8100: "c"}[ethertype] + str(control & 4095)


def read(sock, magic):
    """The tags of the first frame with the magic number, or None."""
    found = None
    while True:
        try:
            frame, ancillary, _, address = sock.recvmsg(2048, 256)
        except BlockingIOError:
            return found
        if address[2] == OUTGOING or magic not in frame:
            continue
        tags = []
        for _, kind, data in ancillary:
            if kind == AUXDATA and struct.unpack_from("I", data)[0] & HAS_TAG:
                control, ethertype = struct.unpack_from("HH", data, 16)
                tags.append(name(ethertype, control))
        at = 12
        while (ethertype := struct.unpack_from("!H", frame, at)[0]) in (0x88A8, 0x8100):
            tags.append(name(ethertype, struct.unpack_from("!H", frame, at + 2)[0]))
            at += 4
        found = "+".join(tags) or "-"


def main():
    at = sys.argv.index("--")
    sockets = {place: open_in(place) for place in sys.argv[1:at]}
    sender, runs = sys.argv[at + 1], sys.argv[at + 2:]
    for number, tags in enumerate(runs):
        magic = b"frame-%d-%d" % (time.monotonic_ns(), number)
        try:
            sockets[sender].send(b"\xff" * 6 + b"\x52\x54\0\0\0\x99" + octets(tags) + b"\x99\x99" + magic.ljust(60, b"\0"))
        except OSError:
            pass  # ENOBUFS: a filter has dropped it
        end, got = time.monotonic() + 0.15, {}
        while (rest := end - time.monotonic()) > 0:
            ready, _, _ = select.select([sock for place, sock in sockets.items() if place != sender], [], [], rest)
            for place, sock in sockets.items():
                if sock in ready and (seen := read(sock, magic)) is not None:
                    got[place] = seen
        print(f"{tags}:", *(f"{place}={seen}" for place, seen in sorted(got.items())))


main()
