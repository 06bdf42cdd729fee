#!/usr/bin/python3
"""Talks to the guests of Packaging/demo --qemu.

guest.py plug MONITOR 3<>MACVTAP        connects the guest's network card to a macvtap
guest.py migrate MONITOR SOCKET         migrates the guest live to the QEMU that listens at a socket, and ends this one
guest.py run CONSOLE SECONDS COMMAND    a shell command in the guest: its output, and its status
"""

import json
import os
import re
import secrets
import socket
import sys
import time


class Monitor:
    """QEMU's machine protocol, on a Unix socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.lines = self.socket.makefile("r")
        self.lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command, arguments=None, descriptors=()):
        request = json.dumps({"execute": command, "arguments": arguments or {}}).encode() + b"\n"
        socket.send_fds(self.socket, [request], descriptors)
        for line in self.lines:
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]
        raise RuntimeError(f"{command}: QEMU has ended")


def plug(path):
    monitor = Monitor(path)
    monitor.ask("getfd", {"fdname": "macvtap"}, [3])
    monitor.ask("netdev_add", {"type": "tap", "id": "cable", "fd": "macvtap"})
    monitor.ask("netdev_add", {"type": "hubport", "id": "jack", "hubid": 0, "netdev": "cable"})


def migrate(path, target):
    monitor = Monitor(path)
    monitor.ask("migrate", {"uri": f"unix:{target}"})
    while True:
        said = monitor.ask("query-migrate")
        if said.get("status") == "completed":
            print(f"{said['ram']['transferred'] >> 20} MiB, stood still for {said['downtime']} ms")
            break
        if said.get("status") in ("failed", "cancelled"):
            raise RuntimeError(f"the migration has {said['status']}: {said.get('error-desc', 'no reason given')}")
        time.sleep(0.02)
    monitor.ask("quit")


def run(path, seconds, command):
    """The guest's init reads one line after the other and runs it. The token tells the end of this one from any other's.

    The first end of line is for what a guest that was still booting has heard half of.
    """
    token = secrets.token_hex(6)
    console = socket.socket(socket.AF_UNIX)
    console.settimeout(float(seconds))
    console.connect(path)
    console.sendall(f"\n{{ {command}; }} 2>&1; echo end-{token} $?\n".encode())
    said = ""
    deadline = time.monotonic() + float(seconds)
    while not (end := re.search(rf"end-{token} (\d+)\r?\n", said)):
        octets = console.recv(4096) if time.monotonic() < deadline else b""
        if not octets:
            raise TimeoutError(f"the guest has not done {command!r} in time")
        said += octets.decode(errors="replace")
    print(said[:end.start()].replace("\r", ""), end="")
    return int(end[1])


try:
    sys.exit({"plug": plug, "migrate": migrate, "run": run}[sys.argv[1]](*sys.argv[2:]))
except (OSError, RuntimeError) as error:
    print(f"{os.path.basename(sys.argv[0])}: {error}", file=sys.stderr)
    sys.exit(1)
