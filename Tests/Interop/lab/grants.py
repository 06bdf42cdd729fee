"""What a bridge has granted, from the wire at its own end, against what a station says of it; both by the kernel's clock."""

import bisect
import socket
import struct
import threading
import time
import uuid
from collections import defaultdict

from .codec import ACK, ASSOCIATE, ETHERTYPE_ECP, ETHERTYPE_LLDP, LLDPDU, Frame
from .varlink import Control

ETH_P_ALL, SO_RCVBUFFORCE, SO_TIMESTAMPNS = 0x0003, 33, 35
ETHERTYPE_DRAFT_ECP = 0x88B7
DRAFT_VDP = bytes.fromhex("001b3f02")


def draft_grants(payload):
    """The VSIIDs that an ECPDU of the draft grants: a mode, a response, manager, type and version stand before each."""
    granted = []
    data = payload[9:] if payload[6:7] == b"\0" else b""
    while len(data) >= 2:
        word = int.from_bytes(data[:2], "big")
        value, data = data[2:2 + (word & 511)], data[2 + (word & 511):]
        if word >> 9 == 127 and len(value) >= 27 and value[:4] == DRAFT_VDP and value[4:6] == b"\x02\0":
            granted.append(str(uuid.UUID(bytes=value[11:27])))
    return granted


class Tap(threading.Thread):
    """Reads an interface from its beginning to its end, for a Grants."""

    def __init__(self, namespace, interface, owner):
        super().__init__(daemon=True)
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.settimeout(0.2)
        self._owner, self.is_over = owner, False
        self.start()

    def run(self):
        while not self.is_over:
            try:
                octets, ancillary, _, address = self._socket.recvmsg(65536, 128)
            except (TimeoutError, OSError):
                continue        # nothing, or the link is down
            seconds, nanoseconds = struct.unpack("qq", ancillary[0][2][:16])
            self._owner.take(Frame(octets, address[2] == socket.PACKET_OUTGOING, seconds + nanoseconds / 1e9))
        self._socket.close()


class Grants:
    """Follows the bridge's interface, and the events of the station, over restarts and new cables.

    `wrong` has each VSI that the station called associated without an answer of the bridge since it last was not."""

    def __init__(self, namespace, interface, station):
        self._namespace, self._interface, self._station = namespace, interface, station
        self._granted, self._floor, self._start = defaultdict(list), {}, 0
        self.lldp = {}          # outgoing -> the last LLDP frame of that direction that is evbd's own
        self.associations, self.wrong, self._claims, self._lock = 0, [], [], threading.Lock()
        self.is_over = False
        self.tap = Tap(namespace, interface, self)
        self._follower = threading.Thread(target=self._follow, daemon=True)
        self._follower.start()

    def new_cable(self):
        """The interface is another one of the same name."""
        self.tap.is_over = True
        self.tap.join()
        self.tap = Tap(self._namespace, self._interface, self)

    def take(self, frame):
        if frame.ethertype == ETHERTYPE_LLDP and frame.lldp and frame.lldp.ttl > 10:
            self.lldp[frame.outgoing] = frame
        if not frame.outgoing:
            return
        if frame.ethertype == ETHERTYPE_ECP and frame.vdp:
            granted = [vsi.uuid for vsi in frame.vdp.vsis if vsi.command == ASSOCIATE and vsi.status & ACK and not vsi.status & 15]
        elif frame.ethertype == ETHERTYPE_DRAFT_ECP:
            granted = draft_grants(frame.payload)
        else:
            return
        with self._lock:
            for vsi in granted:
                self._granted[vsi].append(frame.time)

    def _follow(self):
        while not self.is_over:
            try:
                control = Control(self._station.socket)
                control.subscribe("Monitor")
                for said in control.stream():
                    self._hear(said["event"])
                self._start = time.time()      # the next one has heard nothing yet
                control.close()
            except OSError:
                time.sleep(0.01)

    def _hear(self, event):
        if event["kind"] != "vsi":
            return
        at, vsi = event["timeMilliseconds"] / 1000, event["vsiID"]
        if event["to"] == "associated":
            with self._lock:
                self._claims.append((vsi, max(self._start, self._floor.get(vsi, 0)), at))
        elif event["from"] == "associated":
            self._floor[vsi] = at

    def check(self):
        """Judges what has been said so far; the wire is read by then. Forgets what is judged."""
        time.sleep(0.5)     # the last frames are on their way to the tap's thread
        with self._lock:
            claims, self._claims = self._claims, []
            for vsi, since, at in claims:
                times = self._granted.get(vsi, [])
                position = bisect.bisect_right(times, at + 0.002)       # events have whole milliseconds
                if not position or times[position - 1] < since - 0.002:
                    self.wrong.append((vsi, since, at, times[-3:]))
            self.associations += len(claims)
            for vsi in list(self._granted):
                self._granted[vsi] = self._granted[vsi][-1:]

    def announcement(self, outgoing, ttl=121):
        """The last LLDPDU of one side as a frame, with another time to live."""
        frame = self.lldp[outgoing]
        pdu = frame.lldp
        return (frame.octets[:14] + LLDPDU(pdu.chassis, pdu.port, ttl, pdu.others).encode()).ljust(60, b"\0")

    def close(self):
        self.is_over = self.tap.is_over = True
        self.tap.join()
