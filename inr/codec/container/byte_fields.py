"""Read and write numbers as bytes: little-endian, of fixed width or varints, checked against ranges and the end."""

from __future__ import annotations

import math
import struct
from typing import Self

from inr.core.errors import FormatError

MAX_VARINT = 2**32 - 1


class Reader:
    """Reads fields in order. A truncated or out-of-range field raises a FormatError that names it."""

    def __init__(self, data: bytes | bytearray | memoryview, what: str) -> None:
        self._data, self._at, self._what = memoryview(data), 0, what

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, n: int, name: str) -> memoryview:
        """The next n bytes."""
        if n > self.left:
            raise FormatError(f"{self._what} ends inside {name}: {self.left} of {n} bytes are left")
        part = self._data[self._at : self._at + n]
        self._at += n
        return part

    def rest(self) -> memoryview:
        return self.take(self.left, "the rest")

    def u8(self, name: str, low: int = 0, high: int = 2**8 - 1) -> int:
        return self._integer("<B", name, low, high)

    def u16(self, name: str, low: int = 0, high: int = 2**16 - 1) -> int:
        return self._integer("<H", name, low, high)

    def u32(self, name: str, low: int = 0, high: int = 2**32 - 1) -> int:
        return self._integer("<I", name, low, high)

    def i8(self, name: str, low: int = -(2**7), high: int = 2**7 - 1) -> int:
        return self._integer("<b", name, low, high)

    def i16(self, name: str, low: int = -(2**15), high: int = 2**15 - 1) -> int:
        return self._integer("<h", name, low, high)

    def i32(self, name: str, low: int = -(2**31), high: int = 2**31 - 1) -> int:
        return self._integer("<i", name, low, high)

    def f32(self, name: str, low: float, high: float) -> float:
        return self._float("<f", name, low, high)

    def f64(self, name: str, low: float, high: float) -> float:
        return self._float("<d", name, low, high)

    def varint(self, name: str, low: int = 0, high: int = MAX_VARINT) -> int:
        """Seven bits per byte, lowest first, the top bit set on all but the last byte; shortest form, below 2^32."""
        value = shift = 0
        while True:
            byte = self.take(1, name)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                break
            shift += 7
            if shift > 28:
                raise FormatError(f"{name} of {self._what} is not a 32-bit unsigned integer")
        if (byte == 0 and shift) or value > MAX_VARINT:
            raise FormatError(f"{name} of {self._what} is not a 32-bit unsigned integer in its shortest form")
        return self._checked(value, name, low, high)

    def signed(self, name: str, low: int = -(2**31), high: int = 2**31 - 1) -> int:
        """A varint of 0, -1, 1, -2, 2 ..."""
        value = self.varint(name)
        return self._checked((value >> 1) ^ -(value & 1), name, low, high)

    def end(self) -> None:
        """Raise FormatError if bytes are left."""
        if self.left:
            raise FormatError(f"{self._what} has {self.left} bytes too many")

    def _integer(self, form: str, name: str, low: int, high: int) -> int:
        (value,) = struct.unpack(form, self.take(struct.calcsize(form), name))
        return self._checked(value, name, low, high)

    def _checked(self, value: int, name: str, low: int, high: int) -> int:
        if not low <= value <= high:
            raise FormatError(f"{name} of {self._what} is {value}, expected {low} to {high}")
        return value

    def _float(self, form: str, name: str, low: float, high: float) -> float:
        (value,) = struct.unpack(form, self.take(struct.calcsize(form), name))
        if not (math.isfinite(value) and low <= value <= high):
            raise FormatError(f"{name} of {self._what} is {value}, expected {low:g} to {high:g}")
        return float(value)


class Writer:
    """Writes what `Reader` reads. `struct.error` or ValueError for a value that does not fit its field."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def u8(self, value: int) -> Self:
        return self.raw(struct.pack("<B", value))

    def u16(self, value: int) -> Self:
        return self.raw(struct.pack("<H", value))

    def u32(self, value: int) -> Self:
        return self.raw(struct.pack("<I", value))

    def i8(self, value: int) -> Self:
        return self.raw(struct.pack("<b", value))

    def i16(self, value: int) -> Self:
        return self.raw(struct.pack("<h", value))

    def i32(self, value: int) -> Self:
        return self.raw(struct.pack("<i", value))

    def f32(self, value: float) -> Self:
        return self.raw(struct.pack("<f", value))

    def f64(self, value: float) -> Self:
        return self.raw(struct.pack("<d", value))

    def varint(self, value: int) -> Self:
        if not 0 <= value <= MAX_VARINT:
            raise ValueError(f"{value} is not a 32-bit unsigned integer")
        while value > 127:
            self.u8(value & 127 | 128)
            value >>= 7
        return self.u8(value)

    def signed(self, value: int) -> Self:
        return self.varint(value << 1 if value >= 0 else (-value << 1) - 1)

    def raw(self, data: bytes | memoryview) -> Self:
        self._parts.append(bytes(data))
        return self

    def bytes(self) -> bytes:
        return b"".join(self._parts)
