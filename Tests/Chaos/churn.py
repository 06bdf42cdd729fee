"""What goes on at an evbd all day: VSIs with links that come and go, libvirt's requests and polls, and clients that look on."""

import threading
import time
import uuid

from lab import netlink
from lab.evbd import OK
from lab.varlink import CallFailed, Control

ANSWER_SECONDS = 10     # how long a caller lets evbd wait for the bridge


class Worker(threading.Thread):
    """Does `step` again and again, until it is told to stop. What it raises is kept for who joins it."""

    def __init__(self, pause):
        super().__init__(daemon=True)
        self.pause, self.failure = pause, None
        self._end = threading.Event()

    def run(self):
        try:
            while not self._end.is_set():
                self.step()
                self._end.wait(self.pause())
        except Exception as failure:    # shown by finish(), in the thread of the test
            self.failure = failure

    def step(self):
        raise NotImplementedError

    def end(self):
        self._end.set()

    def finish(self):
        """Ends it; what went wrong is raised."""
        self.end()
        self.join(60)
        assert not self.is_alive(), f"{type(self).__name__} hangs"
        if self.failure:
            raise self.failure


class Manager(Worker):
    """Associates VSIs with links on a port over the control socket, and gives each up some time later."""

    SLOTS = 4

    def __init__(self, evbd, number, port, dice):
        super().__init__(lambda: dice.uniform(0.02, 0.3))
        self.number, self.port, self.dice = number, port, dice
        self.control = Control(evbd.socket)
        self.wanted = {}        # slot -> VSIID
        self.requests, self.unanswered = 0, 0

    def ask(self, method, **parameters):
        """The request stands also where the bridge's answer is late or bad: that is told to the caller, and evbd goes on by itself."""
        self.control.begin(method, **parameters)
        self.requests += 1
        try:
            self.control.finish(ANSWER_SECONDS + 20)
        except CallFailed as error:
            # Nothing but what a fault of the bridge or the cable explains.
            assert error.error.rpartition(".")[2] in ("NoAnswer", "NoBridge", "Refused"), error
            self.unanswered += 1

    def step(self):
        slot = self.dice.randrange(self.SLOTS)
        if slot in self.wanted:
            self.give_up(slot)
            return
        vsi = str(uuid.UUID(int=self.dice.getrandbits(128), version=4))
        self.ask("Associate", vsiID=vsi, port=self.port, typeID=100, wait=ANSWER_SECONDS * 1000,
                 filters=[{"mac": f"52:54:02:00:{self.number:02x}:{slot:02x}", "vlan": 0}],
                 link={"name": f"vm{self.number}x{slot}", "kind": self.dice.choice(("macvtap", "macvtap", "macvlan"))})
        self.wanted[slot] = vsi

    def give_up(self, slot):
        self.ask("Deassociate", vsiID=self.wanted.pop(slot), port=self.port, wait=ANSWER_SECONDS * 1000)

    def finish(self):
        super().finish()
        for slot in sorted(self.wanted):
            self.give_up(slot)
        self.control.close()


class Machine(Worker):
    """libvirt with one virtual machine: a macvtap of its own, which evbd adopts, and SETLINK and polls by netlink."""

    def __init__(self, evbd, name, mac, dice):
        super().__init__(lambda: dice.uniform(0.1, 1))
        self.evbd, self.name, self.mac = evbd, name, mac
        evbd.namespace.ip("link", "add", "link", "uplink0", "name", name, "address", mac, "up", "type", "macvtap", "mode", "vepa")
        self.client = evbd.libvirt()
        self.vsi = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        self.requests, self.unanswered, self.is_associated = 0, 0, False

    def request(self, kind):
        self.requests += 1
        try:
            succeeded = self.client.request(self.mac, self.vsi, kind, type_id=100) is True
        except (TimeoutError, LookupError, netlink.Refused):
            # LookupError: the VSI is gone from the reply, as it is meant to be after a de-association.
            succeeded = False
        self.unanswered += not succeeded
        # What waits unread at libvirt's socket for events is not evbd's to bear.
        while self.client.event(0):
            pass
        return succeeded

    def step(self):
        if not self.is_associated:
            self.is_associated = self.request(netlink.ASSOCIATE)
        else:
            self.request(netlink.DISASSOCIATE)
            self.is_associated = False

    def finish(self):
        super().finish()
        self.request(netlink.DISASSOCIATE)
        self.client.close()
        self.evbd.namespace.ip("link", "delete", self.name)


class Reader(Worker):
    """Asks for all that evbd tells, each time on a new connection; every other time it leaves in the middle of the list."""

    def __init__(self, evbd):
        super().__init__(lambda: 0.2)
        self.evbd, self.rounds = evbd, 0

    def step(self):
        self.rounds += 1
        control = Control(self.evbd.socket)
        try:
            control.call("GetStatus")
            control.call("GetStatistics")
            control.subscribe("ListVSIs")
            if self.rounds % 2:
                next(control.stream())
        finally:
            control.close()


class Onlooker(Worker):
    """Monitors events for a moment, then goes away without a word; now and then it reads nothing of them."""

    def __init__(self, evbd):
        super().__init__(lambda: 0.1)
        self.evbd, self.rounds = evbd, 0

    def step(self):
        self.rounds += 1
        control = Control(self.evbd.socket)
        try:
            control.subscribe("Monitor")
            until = time.monotonic() + 1
            while time.monotonic() < until:
                if self.rounds % 3 and control.answered:
                    next(control.stream())
                else:
                    time.sleep(0.05)
        finally:
            control.close()


class Administrator(Worker):
    """Runs evbctl."""

    def __init__(self, evbd):
        super().__init__(lambda: 2)
        self.evbd = evbd

    def step(self):
        for words in (("status",), ("vsi", "list"), ("stats", "uplink0")):
            result = self.evbd.ctl(*words)
            assert result.returncode == OK, f"evbctl {' '.join(words)}: {result.stderr}"
