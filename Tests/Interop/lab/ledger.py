"""What a bridge holds, read from the wire at its own end of the cable, and why it let a VSI go.

lldpad shows no more than 92 VSIs when asked, and never says why one went. But it answers each VSI that it takes, and sends a
De-Associate for each that it drops: its end of the cable has it all, also the frames that get lost further on.
"""

from collections import Counter
from dataclasses import dataclass, field

from .codec import ACK, DEASSOCIATE

LOST_BY_BRIDGE = "bridge acknowledged a request and let it fall"
LOST_BY_CABLE = "requests lost on the cable"
SILENT_STATION = "station sent nothing in time"
HASTY_BRIDGE = "bridge dropped it long before its time"     # lldpad just started: until its timers are agreed they are nought


@dataclass
class Drop:
    """The bridge has taken a VSI back."""

    time: float
    vsi: str
    cause: str
    silence: float      # since the bridge's last answer
    requests: list


@dataclass
class _Entry:
    held: bool = False
    answered: float = 0.0
    asked: list = field(default_factory=list)   # sequence numbers of the requests since the last answer


class Ledger:
    """Follows a lab.Wire at the bridge's interface; `timeout` is the bridge's toutKeepAlive in seconds."""

    def __init__(self, wire, timeout):
        self._wire, self._read, self._timeout = wire, 0, timeout
        self._entries = {}
        self._acknowledged = set()      # sequence numbers of the station's PDUs, until they are used again
        self._last = {True: None, False: None}
        self.drops = []
        self.transmissions = Counter()  # how often each of the station's PDUs was sent -> how many; without the latest
        self._times = 0

    def restarted(self):
        """The bridge is another one now: it holds nothing."""
        self.update()
        for entry in self._entries.values():
            entry.held, entry.asked = False, []

    def update(self):
        frames = self._wire.look()
        for frame in frames[self._read:]:
            self._take(frame)
        self._read = len(frames)
        return self

    @property
    def held(self):
        """UUIDs of what the bridge holds."""
        return {vsi for vsi, entry in self._entries.items() if entry.held}

    def causes(self, since=0.0):
        return Counter(drop.cause for drop in self.drops if drop.time >= since)

    def _take(self, frame):
        ecp = frame.ecp
        if not ecp:
            return
        if ecp.acknowledge:
            if frame.outgoing:
                self._acknowledged.add(ecp.sequence)
            return
        if self._last[frame.outgoing] == ecp:
            if not frame.outgoing:
                self._times += 1
            return
        self._last[frame.outgoing] = ecp
        if not frame.outgoing:
            if self._times:
                self.transmissions[self._times] += 1
            self._times = 1
            self._acknowledged.discard(ecp.sequence)
        for vsi in frame.vdp.vsis if frame.vdp else ():
            entry = self._entries.setdefault(vsi.uuid, _Entry())
            if frame.outgoing:
                self._from_bridge(frame, vsi, entry)
            else:
                entry.asked.append((ecp.sequence, frame.time))

    def _from_bridge(self, frame, vsi, entry):
        if vsi.status & ACK:
            entry.held = vsi.command != DEASSOCIATE and not vsi.status & 0x0F
            entry.answered, entry.asked = frame.time, []
        elif vsi.command == DEASSOCIATE:
            if entry.held:
                silence = frame.time - entry.answered
                heard = any(sequence in self._acknowledged for sequence, _ in entry.asked)
                cause = (HASTY_BRIDGE if silence < self._timeout / 2 else LOST_BY_BRIDGE if heard
                         else LOST_BY_CABLE if entry.asked else SILENT_STATION)
                self.drops.append(Drop(frame.time, vsi.uuid, cause, silence,
                                       [(sequence, round(at - entry.answered, 3)) for sequence, at in entry.asked]))
            entry.held, entry.asked = False, []
