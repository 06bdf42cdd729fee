"""An EVB station that does what a test tells it: announces any EVB TLV, asks for VSIs and keeps them alive, acknowledges all."""

import socket
import struct
import threading
import time

from lab.codec import ACK, ECPDU, ETHERTYPE_ECP, ETHERTYPE_LLDP, EVB, Frame, LLDPDU, VDPDU, ethernet, mac

ETH_P_ALL = 0x0003


class ScriptedStation:
    """Sends its EVB TLV each second, and each `period` seconds a request for all of `vsis`."""

    def __init__(self, namespace, interface, evb=None, vsis=(), period=1.0):
        self.evb = evb or EVB(sgid=True, rrreq=True, rte=10, rwd=17, rka=18, mode=2)
        self.vsis, self.period = list(vsis), period
        self.answers = []       # (time, VSI) of the bridge's answers and own requests
        self.heard = 0          # frames of the bridge
        self.address = namespace.mac(interface)
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.settimeout(0.02)
        self._sequence, self._last, self._end = 0x2000, None, threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self):
        if not self._end.is_set():
            self._end.set()
            self._thread.join()
            self._socket.close()

    def send(self, frame):
        self._socket.send(frame)

    def request(self, *vsis):
        """An ECPDU with these TLVs and a number of its own."""
        self._sequence = self._sequence + 1 & 0xFFFF
        return ethernet(self.address, ETHERTYPE_ECP, ECPDU(False, self._sequence, VDPDU(bytes(16), vsis).encode()).encode())

    def announce(self):
        pdu = LLDPDU(b"\x04" + mac(self.address), b"\x03" + mac(self.address), 20, ((127, self.evb.encode()),))
        self.send(ethernet(self.address, ETHERTYPE_LLDP, pdu.encode()))

    def granted(self, since=0.0):
        """The VSIIDs of all positive answers."""
        return {vsi.uuid for at, vsi in list(self.answers) if at >= since and vsi.status & ACK and not vsi.status & 0x0F}

    def _work(self):
        announced = asked = 0.0
        while not self._end.is_set():
            now = time.monotonic()
            if now >= announced + 1:
                self.announce()
                announced = now
            if self.vsis and now >= asked + self.period:
                self.send(self.request(*self.vsis))
                asked = now
            try:
                octets, address = self._socket.recvfrom(65536)
            except TimeoutError:
                continue
            if address[2] == socket.PACKET_OUTGOING:
                continue
            self.heard += 1
            frame = Frame(octets)
            if not frame.ecp or frame.ecp.acknowledge:
                continue
            self.send(ethernet(self.address, ETHERTYPE_ECP, struct.pack("!HH", 0x1401, frame.ecp.sequence)))
            if frame.vdp and frame.ecp.sequence != self._last:
                self._last = frame.ecp.sequence
                self.answers += [(time.monotonic(), vsi) for vsi in frame.vdp.vsis]
