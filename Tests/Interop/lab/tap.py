"""A virtual machine's end of a macvtap: the character device that QEMU would have open, and a bridge's tap."""

import fcntl
import os
import struct

from .system import run

# A macvtap's frames have a virtio header in front unless told otherwise.
HEADER = 10
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000


class Macvtap:
    """Opens a macvtap of a namespace."""

    def __init__(self, lab, namespace, name):
        # In the namespace, where sysfs shows the namespace's links.
        said = run(*namespace.command("sh", "-c", f"cat /sys/class/net/{name}/tap*/dev")).stdout
        major, minor = map(int, said.split(":"))
        node = lab.directory / f"tap-{name}"
        node.unlink(missing_ok=True)
        os.mknod(node, 0o600 | 0o020000, os.makedev(major, minor))
        self._descriptor = os.open(node, os.O_RDWR | os.O_NONBLOCK)
        lab.at_end(self.close)

    def send(self, octets):
        os.write(self._descriptor, bytes(HEADER) + octets)

    def received(self):
        """The frames that wait."""
        frames = []
        while True:
            try:
                frames.append(os.read(self._descriptor, 65536)[HEADER:])
            except BlockingIOError:
                return frames

    def close(self):
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Tap:
    """Makes a tap in a namespace, as QEMU has one that is in a Linux bridge. It goes when this is closed."""

    def __init__(self, lab, namespace, name, address, master):
        with namespace.entered():
            self._descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(self._descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        lab.at_end(self.close)
        namespace.ip("link", "set", name, "address", address, "master", master)

    def send(self, octets):
        os.write(self._descriptor, octets)

    def received(self):
        """The frames that wait."""
        frames = []
        while True:
            try:
                frames.append(os.read(self._descriptor, 65536))
            except BlockingIOError:
                return frames

    def close(self):
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
