"""Managers that ask for VSIs and give them up, one after the other, while the world breaks; each writes down what evbd has acknowledged."""

import threading
import time
import uuid

from .varlink import CallFailed, Control


class Manager(threading.Thread):
    """One client. `wanted` is what evbd has taken and not given up, `unsure` what it was asked and has not answered, `lost` what it once
    acknowledged and then did not know."""

    PATIENCE = 20       # seconds for a reply; a frozen evbd gives none

    def __init__(self, evbd, number, dice, most=20, links=0.2, pause=0.02):
        super().__init__(daemon=True)
        self.evbd, self.number, self.random = evbd, number, dice
        self.most, self.links, self.pause = most, links, pause
        self.wanted, self.unsure, self.lost, self.refused = {}, {}, [], []
        self.acknowledged, self.serial, self.is_over = 0, 0, False
        self._open, self._idle = threading.Event(), threading.Event()
        self._open.set()

    def hold(self):
        """Returns when no request is under way; none is made until `go_on`."""
        self._open.clear()
        assert self._idle.wait(self.PATIENCE + 10), "a manager waits for its reply"

    def go_on(self):
        self._idle.clear()
        self._open.set()

    def end(self):
        self.is_over = True
        self.go_on()
        self.join(self.PATIENCE + 10)
        assert not self.is_alive()

    def run(self):
        while not self.is_over:
            try:
                control = Control(self.evbd.socket)
            except OSError:
                self._wait(0.01)
                continue
            try:
                while not self.is_over:
                    self._one(control)
                    self._wait(self.random.uniform(0, 2 * self.pause))
            except (OSError, ConnectionError):
                pass        # it was killed, or is frozen
            finally:
                control.close()

    def _wait(self, seconds):
        if not self._open.is_set():
            self._idle.set()
            self._open.wait()
        time.sleep(seconds)

    def _ask(self, control, method, **parameters):
        control.begin(method, **parameters)
        return control.finish(self.PATIENCE)

    def request(self):
        self.serial += 1
        mac = f"52:54:{self.number:02x}:{self.serial >> 16 & 255:02x}:{self.serial >> 8 & 255:02x}:{self.serial & 255:02x}"
        request = {"vsiID": str(uuid.UUID(int=self.random.getrandbits(128), version=4)), "port": "uplink0", "typeID": 1,
                   "filters": [{"mac": mac, "vlan": 0}], "wait": 0}
        if self.random.random() < self.links:
            request["link"] = {"name": f"v{self.number}.{self.serial}", "kind": self.random.choice(["macvtap", "macvlan"])}
        return request

    def _one(self, control):
        vsi = self.random.choice(sorted(self.wanted)) if self.wanted else None
        chance = self.random.random()
        if vsi and (len(self.wanted) >= self.most or chance < 0.4):
            self._withdraw(control, vsi)
        elif vsi and chance < 0.5:
            self._associate(control, self.wanted[vsi])      # the same once more
        else:
            self._associate(control, self.request())

    def _associate(self, control, request):
        vsi = request["vsiID"]
        was_wanted = self.wanted.pop(vsi, None) is not None
        self.unsure[vsi] = request
        try:
            self._ask(control, "Associate", **request)
        except CallFailed as failure:
            self.refused.append(failure)
            del self.unsure[vsi]
            if not was_wanted:
                return
        self.unsure.pop(vsi, None)
        self.wanted[vsi] = request
        self.acknowledged += 1

    def _withdraw(self, control, vsi):
        self.unsure[vsi] = self.wanted.pop(vsi)
        try:
            self._ask(control, "Deassociate", vsiID=vsi, port="uplink0", wait=0)
        except CallFailed as failure:
            if not failure.error.endswith(".NoSuchVSI"):
                raise
            self.lost.append(vsi)
        del self.unsure[vsi]
        self.acknowledged += 1
