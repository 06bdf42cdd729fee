#!/usr/bin/python3
"""plug.py LINK MAC NAMESPACE NODE: the stand-in for a machine's QEMU, for Packaging/lab. Runs in the network namespace of the machine's host.

Whenever the macvtap LINK is there, connects it with the tap eth0 of the machine, which is the namespace of that name, by machine.py. NODE is
a file name in /dev for the while that the macvtap takes to open.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

MACHINE = Path(__file__).resolve().parents[1] / "demo.d/machine.py"
BETWEEN_LOOKS = 0.1


def device(link):
    """The numbers of the macvtap's device; None while there is no such link."""
    for path in Path("/sys/class/net", link).glob("tap*/dev"):
        try:
            major, minor = path.read_text().split(":")
            return os.makedev(int(major), int(minor))
        except (OSError, ValueError):
            return None
    return None


def opened(number, node):
    """The macvtap as a descriptor; None if it has gone meanwhile. In /dev, as other places may allow no devices."""
    Path(node).unlink(missing_ok=True)
    os.mknod(node, 0o600 | 0o020000, number)
    try:
        return os.open(node, os.O_RDWR)
    except OSError as error:
        print(f"the macvtap cannot be opened: {error}", flush=True)
        return None
    finally:
        os.unlink(node)


def main(link, mac, namespace, node):
    while True:
        number = device(link)
        descriptor = None if number is None else opened(number, node)
        if descriptor is not None:
            os.dup2(descriptor, 3)
            if descriptor != 3:
                os.close(descriptor)
            subprocess.run(["ip", "netns", "exec", namespace, "/usr/bin/python3", "-I", MACHINE, "eth0", mac], pass_fds=(3,))
            os.close(3)
        time.sleep(BETWEEN_LOOKS)


main(*sys.argv[1:])
