"""Frames at the full rate that Python has: batches by sendmmsg(2), from processes of their own."""

import ctypes
import multiprocessing
import os
import random
import socket
import struct
import time
import traceback

BATCH = 256
SOL_PACKET, PACKET_QDISC_BYPASS, SO_SNDBUFFORCE = 263, 20, 32
_libc = ctypes.CDLL(None, use_errno=True)


class _Vector(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class _Message(ctypes.Structure):
    """struct mmsghdr."""
    _fields_ = [("name", ctypes.c_void_p), ("name_length", ctypes.c_uint32), ("vectors", ctypes.c_void_p), ("vector_count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("control_length", ctypes.c_size_t), ("flags", ctypes.c_long), ("sent", ctypes.c_uint)]


class Batch:
    """Up to 256 frames that leave by one system call, and may be changed in place in between."""

    def __init__(self, frames):
        self.frames = [bytearray(frame) for frame in frames]
        self._vectors = (_Vector * len(frames))(*(
            _Vector(ctypes.addressof(ctypes.c_char.from_buffer(frame)), len(frame)) for frame in self.frames))
        size = ctypes.sizeof(_Vector)
        self._messages = (_Message * len(frames))(*(
            _Message(None, 0, ctypes.addressof(self._vectors) + number * size, 1, None, 0, 0, 0) for number in range(len(frames))))

    def send(self, descriptor, limit):
        """Sends so many at most; how many were."""
        sent = _libc.sendmmsg(descriptor, self._messages, min(limit, len(self.frames)), 0)
        if sent < 0:
            error = ctypes.get_errno()
            if error in (105, 11, 100):       # ENOBUFS, EAGAIN, ENETDOWN
                return 0
            raise OSError(error, "sendmmsg")
        return sent


def _send(namespace, interface, frames, count, change, seed):
    with namespace.entered():
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    wire.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    wire.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 4 << 20)
    wire.bind((interface, 0))
    dice, batches, sent = random.Random(seed), [], 0
    for at in range(0, len(frames), BATCH):
        batches.append(Batch(frames[at:at + BATCH]))
    number = 0
    while sent < count:
        for batch in batches:
            if change:
                for frame in batch.frames:
                    change(frame, number, dice)
                    number += 1
            sent += batch.send(wire.fileno(), count - sent)
            if sent >= count:
                break
    wire.close()
    return sent


class Flood:
    """A process that sends frames again and again until so many have been sent.

    `change(octets, number, dice)` alters a frame before it leaves again.
    """

    def __init__(self, namespace, interface, frames, count, change=None, seed=1):
        self.count, self.began = count, time.monotonic()
        self._mine, theirs = multiprocessing.Pipe()

        def work():
            try:
                before = time.monotonic()
                sent = _send(namespace, interface, frames, count, change, seed)
                theirs.send((sent, time.monotonic() - before))
            except BaseException:
                theirs.send((None, traceback.format_exc()))
            os._exit(0)
        self._process = multiprocessing.get_context("fork").Process(target=work, daemon=True)
        self._process.start()
        theirs.close()

    @property
    def is_over(self):
        return self._mine.poll() or not self._process.is_alive()

    def end(self):
        """(frames, seconds)."""
        if not self._mine.poll(120):
            self._process.kill()
            raise AssertionError("the flood has not ended within 120 s")
        sent, seconds = self._mine.recv()
        self._process.join()
        assert sent is not None, seconds
        return sent, seconds


def source(octets, number, dice):
    """Another source address each time, none of which is one of the lab's."""
    struct.pack_into("!HI", octets, 6, 0x0266, number & 0xFFFFFFFF)


def sequence(octets, number, dice):
    """Another ECP sequence number each time."""
    struct.pack_into("!H", octets, 16, number & 0xFFFF)


def both(octets, number, dice):
    source(octets, number, dice)
    sequence(octets, number, dice)
