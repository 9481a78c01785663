"""What headers of several kinds share: limits of numbers, and the map of values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inr.codec.container.byte_fields import Reader, Writer
    from inr.codec.container.header import Header

MAX_CHANNELS = 256
LARGEST = 3.5e38
SMALLEST = 1e-45


def write_map(header: Header, out: Writer) -> None:
    """The offset of each channel, then the scale of each."""
    for value in (*header.offset, *header.scale):
        out.f64(value)


def read_map(reader: Reader, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(offset, scale) as `write_map` wrote them."""
    offset = tuple(reader.f64("an offset", -LARGEST, LARGEST) for _ in range(channels))
    return offset, tuple(reader.f64("a scale", SMALLEST, LARGEST) for _ in range(channels))
