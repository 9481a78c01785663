"""The range coder and the Laplace distribution in plain Python: the readable definition of the compiled code.

`INR_BACKEND=reference` selects it. Tests check that both give the same bytes.
"""

from __future__ import annotations

import math

from inr.codec.entropy.laplace import EXPONENTIALS, INVERSES

_E, _R = EXPONENTIALS.tolist(), INVERSES.tolist()


class Encoder:
    """The stream is the digits of a number in [0, 1); all digits so far are held as one Python integer."""

    def __init__(self) -> None:
        self._low, self._range, self._n = 0, 1 << 48, 0

    def interval(self, start: int, count: int, bits: int = 16) -> None:
        part = self._range >> bits
        self._low += part * start
        self._range = part * count
        while self._range < 1 << 40:
            self._low, self._range, self._n = self._low << 8, self._range << 8, self._n + 1

    def finish(self) -> bytes:
        for n in range(7):
            rest = (1 << (48 - 8 * n)) - 1
            value = (self._low + rest) & ~rest
            if value < self._low + self._range:
                return (value >> (48 - 8 * n)).to_bytes(self._n + n, "big")
        raise AssertionError("every interval contains such a number")

    def bits(self, value: int, n: int) -> None:
        self.interval(value << (16 - n), 1 << (16 - n))

    def flag(self, is_set: bool, share: int) -> None:
        self.interval(*((0, share) if is_set else (share, 65536 - share)))

    def golomb(self, value: int, order: int) -> None:
        text = format(value + (1 << order), "b")
        for digit in "0" * (len(text) - 1 - order) + text[0]:
            self.bits(int(digit), 1)
        text = text[1:]
        while text:
            self.bits(int(text[:16], 2), len(text[:16]))
            text = text[16:]

    def symbol(self, mu: int, s: int, q: int) -> None:
        event = min(q, 64) if q >= -64 else 64
        self.interval(cumulative(mu, s, event), cumulative(mu, s, event + 1) - cumulative(mu, s, event))
        if event == 64:
            self.bits(int(q < 0), 1)
            self.golomb(-65 - q if q < 0 else q - 64, 4)

    def bounded(self, mu: int, s: int, q: int, most: int) -> None:
        start = bounded_cumulative(mu, s, q, most)
        self.interval(start, bounded_cumulative(mu, s, q + 1, most) - start, 24)


class Decoder:
    """Reads what `Encoder` wrote. `failed` is set permanently if the stream is invalid."""

    def __init__(self, data: bytes) -> None:
        self._data, self._taken, self.failed = data, 6, False
        self._code, self._range = int.from_bytes(data[:6].ljust(6, b"\0"), "big"), 1 << 48

    @property
    def is_finished(self) -> bool:
        return not self.failed and 4 <= self._taken - len(self._data) <= 6

    def place(self, bits: int = 16) -> int:
        """The position of the next event in 0..2^bits."""
        return self._code // (self._range >> bits)

    @property
    def bits_taken(self) -> float:
        return 8.0 * (self._taken - 6) + 48 - math.log2(self._range)

    def take(self, start: int, count: int, bits: int = 16) -> None:
        part = self._range >> bits
        self._code, self._range = self._code - part * start, part * count
        if not 0 <= self._code < self._range:
            self.failed, self._code, self._range = True, 0, 1 << 48
        while self._range < 1 << 40:
            byte = self._data[self._taken] if self._taken < len(self._data) else 0
            self._code, self._range, self._taken = self._code << 8 | byte, self._range << 8, self._taken + 1
        if self._taken > len(self._data) + 6:
            self.failed = True

    def bits(self, n: int) -> int:
        value = self.place() >> (16 - n)
        if self.failed or value >= 1 << n:
            self.failed = True
            return 0
        self.take(value << (16 - n), 1 << (16 - n))
        return value

    def flag(self, share: int) -> bool:
        if self.failed:
            return False
        is_set = self.place() < share
        self.take(*((0, share) if is_set else (share, 65536 - share)))
        return is_set

    def golomb(self, order: int) -> int:
        n = order
        while self.bits(1) == 0:
            n += 1
            if self.failed or n > order + 24:
                self.failed = True
                return 0
        value = 1
        while n:
            value, n = value << min(n, 16) | self.bits(min(n, 16)), n - min(n, 16)
        return value - (1 << order)

    def symbol(self, mu: int, s: int) -> int:
        if self.failed:
            return 0
        place = self.place()
        q = next((q for q in range(-64, 65) if place < cumulative(mu, s, q + 1)), 64)
        self.take(cumulative(mu, s, q), cumulative(mu, s, q + 1) - cumulative(mu, s, q))
        if q < 64:
            return q
        is_negative, excess = self.bits(1), self.golomb(4)  # if the stream fails here, its symbols are discarded
        return -65 - excess if is_negative else 64 + excess

    def bounded(self, mu: int, s: int, most: int) -> int:
        if self.failed:
            return 0
        place = self.place(24)
        low, high = -most, most + 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if place < bounded_cumulative(mu, s, middle, most) else (middle, high)
        start = bounded_cumulative(mu, s, low, most)
        self.take(start, bounded_cumulative(mu, s, high, most) - start, 24)
        return low


def cumulative(mu: int, s: int, q: int) -> int:
    """`laplace.cumulative`."""
    if q <= -64:
        return 0
    if q > 64:
        return 65536
    distance = 256 * q - 128 - mu
    share = 65407 * _tail(abs(distance) * _R[s]) >> 31
    return (share if distance < 0 else 65407 - share) + q + 64


def bounded_cumulative(mu: int, s: int, q: int, most: int) -> int:
    """`bounded_laplace.cumulative`."""
    if q <= -most:
        return 0
    if q > most:
        return 1 << 24
    distance = 256 * q - 128 - mu
    least = 256 if most < 32 else 16
    free = (1 << 24) - least * (2 * most + 1)
    share = free * (_tail(abs(distance) * _R[s]) >> 2) >> 29
    return (share if distance < 0 else free - share) + least * (q + most)


def _tail(at: int) -> int:
    """2^30 exp(-at / 2^26)."""
    step, fraction = divmod(at, 1 << 20)
    return _E[step] - ((_E[step] - _E[step + 1]) * fraction >> 20) if step < 1536 else 0
