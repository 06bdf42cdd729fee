"""`python3 -m lab.relay NAMESPACE TAP NAMESPACE TAP ...`: a wire between each two taps, for as long as it runs.

libvirt climbs from a link to the one below it, and takes a veth's peer for that; a tap has nothing below. What is told to leave the
wire is up to the namespaces' own means: this one loses nothing but what a full tap queue drops.
"""

import ctypes
import fcntl
import os
import select
import struct
import sys

CLONE_NEWNET, TUNSETIFF = 0x40000000, 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
_libc = ctypes.CDLL(None, use_errno=True)


def tap(namespace, name):
    """Makes a tap in a namespace; it is there while the descriptor is open."""
    with open(f"/run/netns/{namespace}") as inside:
        if _libc.setns(inside.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


def relay(peer):
    """Carries frames from each descriptor to its peer."""
    poll = select.epoll()
    for descriptor in peer:
        poll.register(descriptor, select.EPOLLIN)
    while True:
        for descriptor, _ in poll.poll():
            try:
                for _ in range(64):
                    frame = os.read(descriptor, 65536)
                    try:
                        os.write(peer[descriptor], frame)
                    except (BlockingIOError, OSError):
                        pass   # the other end is down: as on a cable, nobody hears of it
            except BlockingIOError:
                pass
            except OSError:   # this end is down
                pass


def main(words):
    taps = [tap(namespace, name) for namespace, name in zip(words[::2], words[1::2])]
    print("laid", flush=True)
    relay({one: other for first, second in zip(taps[::2], taps[1::2]) for one, other in ((first, second), (second, first))})


if __name__ == "__main__":
    main(sys.argv[1:])
