"""Damaged LLDP and ECP frames from good ones: cut, stretched, bit-flipped, and changed where the format keeps its counts and lengths."""

from .codec import ETHERTYPE_ECP, ETHERTYPE_LLDP, Frame, mac

HEADER = 14
_INTERESTING = (0, 1, 2, 3, 7, 8, 9, 15, 16, 25, 31, 32, 63, 64, 127, 128, 254, 255)


def corpus(frames, source):
    """The LLDP and ECP frames among these, without duplicates, sent in the bridge's name."""
    chosen = {frame.octets[:6] + mac(source) + frame.octets[12:]: None
              for frame in frames if frame.ethertype in (ETHERTYPE_LLDP, ETHERTYPE_ECP)}
    return list(chosen)


def _headers(octets):
    """Where the TLV headers are; stops where the chain breaks."""
    at = HEADER + (4 if Frame(octets).ethertype == ETHERTYPE_ECP else 0)
    found = []
    while at + 2 <= len(octets):
        found.append(at)
        word = octets[at] << 8 | octets[at + 1]
        if not word >> 9:
            break
        at += 2 + (word & 0x1FF)
    return found


class Mutator:
    """An endless supply. The same generator state gives the same frames."""

    def __init__(self, random, seeds):
        self._random, self._seeds = random, seeds
        self._sequence = random.randrange(65536)
        self._ways = (self._truncate, self._extend, self._flip, self._set_octets, self._length, self._kind, self._count,
                      self._splice, self._repeat, self._move, self._ecp_header)

    def next(self):
        """One frame, 14 to 1514 octets."""
        octets = bytearray(self._random.choice(self._seeds))
        if Frame(octets).ethertype == ETHERTYPE_ECP and self._random.random() < 0.8:
            self._sequence = self._sequence + 1 & 0xFFFF  # a number heard before would end the frame's way at ECP
            octets[16:18] = self._sequence.to_bytes(2, "big")
        for _ in range(self._random.choice((1, 1, 1, 2, 3, 5))):
            if len(octets) > HEADER:
                octets = self._random.choice(self._ways)(octets)
        return bytes(octets[:1514])

    def _at(self, octets):
        return self._random.randrange(HEADER, len(octets))

    def _truncate(self, octets):
        return octets[:self._random.randrange(HEADER, len(octets))]

    def _extend(self, octets):
        extra = self._random.choice((1, 2, 8, 40, 400, 1500 - min(len(octets), 1500)))
        return octets + (bytes(extra) if self._random.random() < 0.3 else self._random.randbytes(extra))

    def _flip(self, octets):
        for _ in range(self._random.choice((1, 1, 2, 8, 32))):
            octets[self._at(octets)] ^= 1 << self._random.randrange(8)
        return octets

    def _set_octets(self, octets):
        for _ in range(self._random.choice((1, 1, 2, 4))):
            octets[self._at(octets)] = self._random.choice(_INTERESTING)
        return octets

    def _header(self, octets):
        headers = [at for at in _headers(octets) if at + 2 <= len(octets)]
        return self._random.choice(headers) if headers else None

    def _length(self, octets):
        at = self._header(octets)
        if at is not None:
            old = (octets[at] << 8 | octets[at + 1]) & 0x1FF
            new = self._random.choice((0, 1, 2, old - 1, old + 1, old + 8, 25, 511, self._random.randrange(512))) & 0x1FF
            octets[at], octets[at + 1] = octets[at] & 0xFE | new >> 8, new & 0xFF
        return octets

    def _kind(self, octets):
        at = self._header(octets)
        if at is not None:
            octets[at] = octets[at] & 1 | self._random.choice((0, 1, 2, 3, 4, 5, 6, 8, 126, 127)) << 1
        return octets

    def _count(self, octets):
        """An association TLV's formats and its number of entries."""
        for at in _headers(octets)[1:]:
            if at + 27 <= len(octets) and octets[at] >> 1 in (1, 2, 3, 4):
                what = self._random.randrange(4)
                if what == 0:
                    octets[at + 25:at + 27] = self._random.choice((0, 2, 60, 61, 255, 8192, 65535)).to_bytes(2, "big")
                elif what == 1:
                    octets[at + 24] = self._random.choice((0, 1, 2, 3, 4, 5, 255))
                elif what == 2:
                    octets[at + 7] = self._random.choice((0, 1, 2, 3, 4, 5, 6, 255))
                else:
                    octets[at + 2] = self._random.randrange(256)
        return octets

    def _splice(self, octets):
        other = self._random.choice(self._seeds)
        return octets[:self._at(octets)] + other[self._random.randrange(HEADER, len(other)):]

    def _repeat(self, octets):
        at = self._header(octets)
        if at is None:
            return octets
        return octets[:at] + octets[at:] * self._random.choice((2, 3, 10))

    def _move(self, octets):
        headers = _headers(octets)
        if len(headers) < 3:
            return octets
        first, second = sorted(self._random.sample(headers, 2))
        return octets[:headers[0]] + octets[second:] + octets[first:second] + octets[headers[0]:first]

    def _ecp_header(self, octets):
        if len(octets) >= 18 and Frame(octets).ethertype == ETHERTYPE_ECP:
            octets[14:16] = self._random.choice((0x1001, 0x1401, 0x1002, 0x1801, 0x2001, 0x0001, 0xFFFF, self._random.randrange(65536))).to_bytes(2, "big")
        return octets
