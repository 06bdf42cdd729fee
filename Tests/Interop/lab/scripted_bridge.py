"""An EVB bridge that does what a test tells it, for all that lldpad's bridge never does: refuse, keep silent, wait, de-associate."""

import errno
import socket
import struct
import threading
import time

from .codec import (
    ACK, DEASSOCIATE, ECPDU, ETHERTYPE_ECP, ETHERTYPE_LLDP, EVB, Frame, LLDPDU, VDPDU, VSI, ethernet, mac)

ETH_P_ALL = 0x0003


class ScriptedBridge:
    """Sends an EVB TLV each second, acks ECP requests and answers VDP as `answer` says.

    `answer` takes a request VSI and gives the VSI to send back, or None for silence; `held` keeps answers back while it is set.
    """

    def __init__(self, namespace, interface, answer=None, acknowledge=True, evb=None, address=None, chassis=None):
        self.answer = answer or (lambda request: request.answered())
        self.acknowledge = acknowledge
        self.held = threading.Event()
        self.evb = evb or EVB(rrcap=True, rrctr=True, bgid=True, rte=10, rwd=17, rka=18)
        self.requests = []      # (time, VDPDU) as heard, duplicates left out
        self.acks = []          # sequence numbers that the station has acknowledged
        self._mac = address or namespace.mac(interface)
        self._chassis = chassis or self._mac
        self.announced_at = None  # when its first EVB TLV left
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.settimeout(0.02)
        self._sequence, self._last_heard, self._waiting = 0x4000, None, []
        self._end, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self, goodbye=False):
        """Ends; with goodbye after an LLDPDU with TTL 0."""
        if not self._end.is_set():
            self._end.set()
            self._thread.join()
            if goodbye:
                self.announce(ttl=0)
            self._socket.close()

    def commands(self, kind=None):
        """The VSI TLVs heard so far, of one kind or all."""
        return [vsi for _, pdu in list(self.requests) for vsi in pdu.vsis if kind in (None, vsi.command)]

    def send_vdp(self, manager, *vsis):
        """Sends the TLVs in an ECP request, again and again until it is acknowledged. True if it was."""
        sequence = self._next_sequence()
        pdu = ethernet(self._mac, ETHERTYPE_ECP, ECPDU(False, sequence, VDPDU(manager, vsis).encode()).encode())
        for _ in range(10):
            self._socket.send(pdu)
            deadline = time.monotonic() + 0.2
            while time.monotonic() < deadline:
                if sequence in self.acks:
                    return True
                time.sleep(0.002)
        return False

    def deassociate(self, vsi: VSI, manager):
        """The bridge's own De-Associate of a VSI it once heard of."""
        return self.send_vdp(manager, VSI(DEASSOCIATE, 0, vsi.type_id, vsi.type_version, vsi.vsiid, vsi.filters, vsi.vsiid_format, vsi.filter_format))

    def _next_sequence(self):
        with self._lock:
            self._sequence = self._sequence + 1 & 0xFFFF
            return self._sequence

    def announce(self, ttl=20):
        """Sends its EVB TLV now."""
        pdu = LLDPDU(b"\x04" + mac(self._chassis), b"\x03" + mac(self._mac), ttl, ((127, self.evb.encode()),) if ttl else ())
        try:
            self._socket.send(ethernet(self._mac, ETHERTYPE_LLDP, pdu.encode()))
        except OSError as error:
            # A bond without an active member loses it; the next second's may pass.
            if error.errno != errno.ENOBUFS:
                raise
        self.announced_at = self.announced_at or time.monotonic()

    def _work(self):
        next_announcement = 0.0
        while not self._end.is_set():
            if time.monotonic() >= next_announcement:
                self.announce()
                next_announcement = time.monotonic() + 1
            if self._waiting and not self.held.is_set():
                waiting, self._waiting = self._waiting, []
                for manager, vsi in waiting:
                    pdu = ECPDU(False, self._next_sequence(), VDPDU(manager, (vsi,)).encode())
                    self._socket.send(ethernet(self._mac, ETHERTYPE_ECP, pdu.encode()))
            try:
                octets, address = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            if address[2] != socket.PACKET_OUTGOING:
                self._hear(Frame(octets))

    def _hear(self, frame):
        ecp = frame.ecp
        if not ecp:
            return
        if ecp.acknowledge:
            self.acks.append(ecp.sequence)
            return
        if not self.acknowledge:
            return
        self._socket.send(ethernet(self._mac, ETHERTYPE_ECP, struct.pack("!HH", 0x1401, ecp.sequence)))
        if ecp.sequence == self._last_heard or not frame.vdp:
            return
        self._last_heard = ecp.sequence
        self.requests.append((time.monotonic(), frame.vdp))
        for request in frame.vdp.vsis:
            if request.status & ACK:
                continue
            answer = self.answer(request)
            if answer is not None:
                self._waiting.append((frame.vdp.manager, answer))
