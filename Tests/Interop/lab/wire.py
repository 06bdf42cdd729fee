"""One end of a cable: every frame that passes it, and frames of our own put onto it."""

import errno
import socket
import time

from .codec import Frame

ETH_P_ALL = 0x0003
SO_RCVBUFFORCE = 33


class Wire:
    """An AF_PACKET socket on an interface of a namespace."""

    def __init__(self, namespace, interface):
        self.interface = interface
        self.frames = []
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.setblocking(False)

    def look(self):
        """Takes in what has passed since, and returns all frames since the start (or since clear())."""
        while True:
            try:
                octets, address = self._socket.recvfrom(65536)
            except BlockingIOError:
                return self.frames
            except OSError as error:
                if error.errno != errno.ENETDOWN:   # told once when the link goes down; frames come again when it is up
                    raise
                continue
            self.frames.append(Frame(octets, address[2] == socket.PACKET_OUTGOING, time.monotonic()))

    def clear(self):
        self.look()
        self.frames.clear()

    def received(self, condition=lambda frame: True):
        """The frames that came in from the other end and meet the condition."""
        return [frame for frame in self.look() if not frame.outgoing and condition(frame)]

    def send(self, octets):
        """Waits where the queue is full."""
        self._socket.setblocking(True)
        try:
            self._socket.send(octets)
        finally:
            self._socket.setblocking(False)

    def close(self):
        self._socket.close()
