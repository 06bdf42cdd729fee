#!/usr/bin/python3
"""machine.py TAP MAC 3<>MACVTAP: the stand-in for a virtual machine's QEMU, for Packaging/demo.

The machine is the network namespace that this is called in, its network card the tap of the name given. Carries frames between that
tap and the macvtap that is open as descriptor 3, as QEMU does for a guest. While another process has the tap this waits, as QEMU on the
target of a migration does, and announces the machine by RARP when it comes, so that the switches learn where it is now. Ends when
the macvtap is deleted.
"""

import errno
import fcntl
import os
import select
import struct
import sys
import time

MACVTAP = 3
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
BROADCAST, ETHERTYPE_RARP, REVERSE_REQUEST = b"\xff" * 6, 0x8035, 3


def set_interface(descriptor, name):
    """Plain frames, with no header in front."""
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))


def attach(name):
    """The tap, as soon as it is free."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    while True:
        try:
            set_interface(descriptor, name)
            return descriptor
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
        time.sleep(0.002)


def announcement(mac):
    fixed = struct.pack("!HHBBH", 1, 0x0800, 6, 4, REVERSE_REQUEST)
    return (BROADCAST + mac + struct.pack("!H", ETHERTYPE_RARP) + fixed + 2 * (mac + bytes(4))).ljust(60, b"\0")


def pass_on(frame, descriptor):
    """A link that is down takes nothing: lost, as on a cable."""
    try:
        os.write(descriptor, frame)
    except OSError as error:
        if error.errno == errno.EBADFD:
            raise


def main(tap_name, mac):
    os.set_blocking(MACVTAP, False)
    set_interface(MACVTAP, "")
    print("waits for its machine", flush=True)
    tap = attach(tap_name)
    pass_on(announcement(bytes.fromhex(mac.replace(":", ""))), MACVTAP)
    print("runs", flush=True)
    other = {tap: MACVTAP, MACVTAP: tap}
    poll = select.poll()
    for descriptor in other:
        poll.register(descriptor, select.POLLIN)
    while True:
        for descriptor, events in poll.poll():
            if not events & select.POLLIN:
                return "the macvtap is gone"
            try:
                pass_on(os.read(descriptor, 65536), other[descriptor])
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno != errno.EBADFD:
                    raise
                return "the macvtap is gone"


print(main(*sys.argv[1:]))
