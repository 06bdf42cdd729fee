"""What clients of the control socket can do wrong, each kind in a process and under a user of its own; and one that does not."""

import json
import multiprocessing
import os
import random
import resource
import select
import socket
import statistics
import struct
import threading
import time
import traceback

CALL_LIMIT = 64 << 10
# What a reply may take on a machine that is busy with the abuse itself.
PATIENCE = 20
WRONG = [None, True, False, 0, -1, 1 << 40, -(1 << 63), 1 << 63, 1 << 64, 10 ** 400, 1.5, 1e308, "", "x", "\0", "\u0000\uffff", "ä" * 1000, "x" * 50_000,
         [], [None], [[]] * 1000, {}, {"": None}, {"vlan": -1}, [{"vlan": 4095}], [{"mac": 7}], [{"vlan": 1}] * 4_000,
         {"name": "../../x"}, {"name": "a" * 5000, "kind": []}]


def connect(path, seconds=PATIENCE):
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    # Python's own timeout would make it a socket that does not wait where many are waiting to be accepted.
    for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
        made.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", seconds, 0))
    made.connect(str(path))
    return made


def call(method, parameters=None, **more):
    return json.dumps({"method": method, "parameters": parameters or {}, **more}).encode() + b"\0"


def answer(client):
    """The next reply; None where evbd has closed the connection."""
    octets = b""
    try:
        while not octets.endswith(b"\0"):
            more = client.recv(1 << 20)
            if not more:
                return None
            octets += more
    except ConnectionError:
        return None
    return [json.loads(text) for text in octets.split(b"\0")[:-1]][-1]


def methods(path):
    """method -> its parameters, by evbd's own description."""
    client = connect(path)
    client.sendall(call("org.varlink.service.GetInterfaceDescription", {"interface": "io.evbd"}))
    text = answer(client)["parameters"]["description"]
    found = {}
    for declaration in text.split("\nmethod ")[1:]:
        name, _, rest = declaration.partition("(")
        arguments = rest.partition(") ->")[0]
        found[name] = [argument.partition(":")[0].strip() for argument in arguments.split(",") if ":" in argument]
    return found


def rubbish(dice):
    """Octets that are no call, or hardly one; and whether evbd has to say something to them or close."""
    good = call("io.evbd.GetStatus")
    kinds = [
        lambda: (good[:dice.randrange(1, len(good) - 1)], False),
        lambda: (b"x" * (CALL_LIMIT + dice.randrange(1, 100_000)), True),
        lambda: (b" " * CALL_LIMIT + b"\0", True),
        lambda: (b"\0" * dice.randrange(1, 100_000), True),
        lambda: (dice.randbytes(dice.randrange(1, 5000)) + b"\0", True),
        lambda: (b'{"method":"io.evbd.GetStatus\xff\xfe"}\0', True),
        lambda: (b'{"method":"\xed\xa0\x80","parameters":{}}\0', True),
        lambda: (b'{"method":"\\ud800","parameters":{}}\0', True),
        lambda: (b'{"method":"a.b","parameters":' + dice.choice((b"[", b'{"a":')) * 40_000 + b"\0", True),
        lambda: (b'{"method":"io.evbd.GetPort","parameters":{"interface":' + b"9" * 50_000 + b"}}\0", True),
        lambda: (b'{"method":"io.evbd.Deassociate","parameters":{"vsiID":"x","wait":1e999999999}}\0', True),
        lambda: (b'{"method":"io.evbd.Deassociate","parameters":{"vsiID":"x","wait":0.' + b"0" * 50_000 + b"1}}\0", True),
        lambda: (b'{"method":"io.evbd.GetStatus","method":"io.evbd.GetStatus"}\0', True),
        lambda: (json.dumps({"method": "io.evbd.GetStatus", "parameters": {str(n): n for n in range(4_000)}}).encode() + b"\0", True),
        lambda: (call("io.evbd." + "x" * dice.randrange(1, 50_000)), True),
        lambda: (call(dice.choice(("", ".", "..", "io.evbd", "io.evbd.", ".GetStatus", "org.varlink.service.", "io.nobody.X"))), True),
        lambda: (call("io.evbd.GetStatus", upgrade=True), True),
        lambda: (call("io.evbd.Monitor"), True),
        lambda: (call("io.evbd.GetStatus", oneway="yes"), True),
        lambda: (b"[]\0", True), lambda: (b"null\0", True), lambda: (b"{}\0", True), lambda: (b'{"method":7}\0', True),
        lambda: (call("io.evbd.GetStatus", oneway=True) * 1000 + b"x\0", True),
    ]
    return dice.choice(kinds)()


# MARK: kinds of abuse; each is called with the socket, the rounds and a generator, and raises where evbd hangs


def nonsense(path, rounds, dice):
    """Half messages that stay open, and everything that is no varlink or no call."""
    silent = []
    for _ in range(rounds):
        octets, is_answered = rubbish(dice)
        client = connect(path)
        try:
            client.sendall(octets)
        except ConnectionError:
            pass        # closed while it was still talking
        if is_answered:
            answer(client)
            client.close()
        else:
            silent.append(client)


def wrong_types(path, rounds, dice):
    """Every parameter of every method with values of every type: an error each, never a broken connection."""
    known = methods(path)
    assert {"Associate", "GetPort", "Misbehave"} <= set(known), known
    good = {"vsiID": "09b11c53-8b5c-4eeb-8f00-d84eaa0aaa4f", "port": "nowhere0", "interface": "nowhere0", "typeID": 1}
    client, asked = connect(path), 0
    for number in range(rounds):
        for method, parameters in known.items():
            if method == "Monitor":
                continue
            chosen = dice.choice(parameters + ["nonsense"]) if number else None
            # The first round is every parameter with every value.
            for name in [chosen] if number else parameters:
                for value in [dice.choice(WRONG)] if number else WRONG:
                    client.sendall(call(f"io.evbd.{method}", {**{key: good[key] for key in good if key in parameters}, name: value}))
                    asked += 1
                    assert answer(client), f"evbd closed the connection for {method} with {name} = {str(value)[:100]}"
    return asked


def deaf(path, rounds, dice):
    """Asks for lists and for events, again and again, and never reads."""
    clients = []
    for number in range(60):
        client = connect(path)
        client.setblocking(False)
        clients.append((client, call("io.evbd.Monitor", more=True) if number % 3 else call("io.evbd.ListVSIs", more=bool(number % 2)) * 100))
    until = time.monotonic() + rounds / 60
    while time.monotonic() < until:
        for client, words in clients:
            try:
                client.send(words)
            except (BlockingIOError, ConnectionError):
                pass
        time.sleep(0.05)


def left_open(path, rounds, dice):
    """10,000 connections, opened and left."""
    clients = [connect(path) for _ in range(10_000)]
    for client in dice.sample(clients, 100):
        try:
            client.send(b'{"method":')
        except ConnectionError:
            pass
    until = time.monotonic() + rounds / 60
    while time.monotonic() < until:
        time.sleep(0.05)
    return len(clients)


def in_and_out(path, rounds, dice):
    """Connections at the full rate, opened and closed, some with a word."""
    made, until = 0, time.monotonic() + rounds / 60
    while time.monotonic() < until:
        for _ in range(100):
            client = connect(path)
            if dice.random() < 0.3:
                client.send(call("io.evbd.GetStatus", oneway=True))
            client.close()
            made += 1
    return made


def greedy(path, rounds, dice):
    """Calls at the full rate on many connections, read as they come; and 100 kB of calls as last words."""
    words = call("io.evbd.ListVSIs", more=True) * 20 + call("io.evbd.GetStatus") * 20 + call("io.evbd.GetStatistics") * 20
    clients = [connect(path) for _ in range(50)]
    for client in clients:
        client.setblocking(False)
    read, until = 0, time.monotonic() + rounds / 60
    while time.monotonic() < until:
        readable, writable, _ = select.select(clients, clients, [], 1)
        for client in {*readable, *writable}:
            try:
                if client in readable:
                    read += len(client.recv(1 << 20))
                client.send(words)
            except BlockingIOError:
                pass
            except ConnectionError:     # closed, to make a place for another of its own user
                clients.remove(client)
                clients.append(connect(path))
                clients[-1].setblocking(False)
        if dice.random() < 0.1:
            last = connect(path)
            last.setblocking(False)
            try:
                last.send(call("io.evbd.GetStatus") * 2000)
            except BlockingIOError:
                pass
            last.close()
    return read


class Honest(threading.Thread):
    """Connects, asks and leaves, all the time, and writes down how long each took."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.isOver, self.seconds, self.problem = path, False, [], None

    def run(self):
        while not self.isOver:
            before = time.monotonic()
            try:
                client = connect(self.path)
                client.sendall(call("io.evbd.ListPorts"))
                reply = answer(client)
                if not reply or "error" in reply:
                    self.problem = reply or "closed"
                client.close()
            except OSError as error:
                self.problem = error
            self.seconds.append(time.monotonic() - before)
            time.sleep(0.01)

    def end(self):
        self.isOver = True
        self.join(60)
        assert not self.is_alive(), "evbd answers no more"
        assert self.problem is None, f"an honest client was not served: {self.problem}"
        return f"{len(self.seconds)} calls of another, median {1000 * statistics.median(self.seconds):.1f} ms, worst {1000 * max(self.seconds):.0f} ms"


class Hostile:
    """A process of some user that abuses a control socket."""

    def __init__(self, kind, path, rounds, seed, uid, gid):
        self._mine, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("fork").Process(
            target=self._work, args=(self._mine, theirs, kind, str(path), rounds, seed, uid, gid), daemon=True)
        self._process.start()
        theirs.close()

    @staticmethod
    def _work(other_end, pipe, kind, path, rounds, seed, uid, gid):
        other_end.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (12_000, 12_000))
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        try:
            pipe.send(("done", kind(path, rounds, random.Random(seed))))
            pipe.recv()     # its connections stay until it is told to end
        except EOFError:
            pass
        except BaseException:
            pipe.send(("failed", traceback.format_exc()))

    @property
    def has_done(self):
        """Whether it has done its rounds; its connections are still open."""
        return self._mine.poll()

    def result(self, seconds=120):
        """What it says at the end of its rounds."""
        assert self._mine.poll(seconds), f"the abuse has not ended within {seconds} s: evbd does not answer it"
        how, value = self._mine.recv()
        assert how == "done", value
        return value

    def end(self):
        self._mine.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
