"""Where the samples lie by the headers of sound containers: RIFF and its relatives, AIFF, CAF, W64, AU; frames of MP3.
No torch."""

from __future__ import annotations

import dataclasses
import io
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from inr.core.errors import UnreadableError

_STREAMED = 0x7FFF0000
"""Sizes of at least this in a RIFF header mean "not known": programs that write to a pipe use several of them."""

_MAX_CHUNKS = 10_000
_EXTENSIBLE = 0xFFFE

_MP3_KBPS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates of layer III by their number, for MPEG 1 and for its halved rates."""

_MP3_RATES_HZ = (44100, 48000, 32000)


@dataclasses.dataclass(frozen=True)
class Extent:
    """Where a file's samples lie, by its own header. size: of them in bytes, None if the header does not state it."""

    start: int
    size: int | None
    mask: int | None = None
    is_zero_for_unknown: bool = False


def extent_of(file: BinaryIO, name: str) -> Extent | None:
    """The place of the samples by the header of a container that declares it; None for others.

    Raises UnreadableError if the file ends before its samples begin.
    """
    file.seek(0)
    head = file.read(16)
    finders = {b"RIFF": _riff, b"RIFX": _riff, b"RF64": _riff, b"BW64": _riff, b"FORM": _aiff, b"caff": _caf}
    finders |= {b"riff": _w64, b".snd": _au, b"dns.": _au}
    find = finders.get(head[:4])
    if find is None:
        return None
    try:
        return find(file, head)
    except struct.error as error:
        raise UnreadableError(
            f"cannot read {name!r} as a sound: it is truncated, it ends before its samples begin",
            "copy or download it again",
        ) from error


def _unpack(form: str, file: BinaryIO) -> tuple[Any, ...]:
    """Fields read at the file's position; struct.error at its end."""
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _riff(file: BinaryIO, head: bytes) -> Extent:
    """RIFF and its relatives: chunks of a name, a size and so many bytes, padded to even ones."""
    order = ">" if head[:4] == b"RIFX" else "<"
    mask, long_size = None, None
    place, chunk, size = 12, b"", 0
    for _ in range(_MAX_CHUNKS):
        file.seek(place)
        chunk, size = _unpack(order + "4sI", file)
        place += 8
        if chunk == b"data":
            break
        if chunk == b"fmt " and size >= 24:
            tag, *_, speakers = _unpack(order + "HHIIHHHHI", file)
            mask = speakers if tag == _EXTENSIBLE else None
        elif chunk == b"ds64":
            _, long_size = _unpack("<QQ", file)
        place += size + size % 2
    if chunk != b"data":
        raise struct.error
    if head[:4] in (b"RF64", b"BW64") and size == 0xFFFFFFFF:
        return Extent(place, long_size, mask)
    if size >= _STREAMED and place + size > file.seek(0, io.SEEK_END):
        return Extent(place, None, mask)
    if size == 0 and not _is_empty(file, place, order):
        return Extent(place, None, mask, is_zero_for_unknown=True)
    return Extent(place, size, mask)


def _is_empty(file: BinaryIO, place: int, order: str) -> bool:
    """Whether a stated size of zero is true: the file ends there, or other chunks follow to its end."""
    n_bytes = file.seek(0, io.SEEK_END)
    while n_bytes - place >= 8:
        file.seek(place)
        chunk, size = _unpack(order + "4sI", file)
        if not chunk.isascii() or not chunk.decode("ascii").isprintable() or not 0 < size <= n_bytes - place:
            return False
        place += 8 + size + size % 2
    return n_bytes - place <= 0


def _aiff(file: BinaryIO, head: bytes) -> Extent | None:
    if head[8:12] not in (b"AIFF", b"AIFC"):
        return None
    start, size = _content(file, 12, ">4sI", b"SSND", lambda size: 8 + size + size % 2)
    return Extent(start, size)


def _caf(file: BinaryIO, head: bytes) -> Extent:
    start, size = _content(file, 8, ">4sq", b"data", lambda size: 12 + max(0, size))
    return Extent(start, None if size < 0 else size)


def _w64(file: BinaryIO, head: bytes) -> Extent:
    """Names of 16 bytes; sizes count the name and themselves, and are padded to eight bytes."""
    start, size = _content(file, 40, "<16sQ", b"data", lambda size: max(24, size + -size % 8))
    return Extent(start, max(0, size - 24))


def _content(file: BinaryIO, place: int, form: str, name: bytes, length: Callable[[int], int]) -> tuple[int, int]:
    """(where the content of the first chunk of a name begins, the size that the chunk states).

    place: of the first chunk. form: of a chunk's head, the name and the size. length: of a chunk in the file, by the
    size that it states.
    """
    for _ in range(_MAX_CHUNKS):
        file.seek(place)
        chunk, size = _unpack(form, file)
        if chunk.startswith(name):
            return place + struct.calcsize(form), size
        place += length(size)
    raise struct.error


def _au(file: BinaryIO, head: bytes) -> Extent:
    order = ">" if head[:4] == b".snd" else "<"
    start, size = struct.unpack(order + "II", head[4:12])
    return Extent(start, None if size == 0xFFFFFFFF else size)


def mp3_samples(file: BinaryIO) -> int:
    """The number of samples in the frames of an MP3, up to the first bytes that are not a frame; the position in the
    file is kept."""
    here = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(here)
    place, count = 0, 0
    if data[:3] == b"ID3" and len(data) >= 10:
        place = 10 + sum((byte & 0x7F) << 7 * (3 - k) for k, byte in enumerate(data[6:10]))
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] & 0xE6 == 0xE2:
        version, packed = data[place + 1] >> 3 & 3, data[place + 2]
        if version == 1 or packed >> 4 in (0, 15) or packed >> 2 & 3 == 3:
            break
        is_first = version == 3
        rate_hz = _MP3_RATES_HZ[packed >> 2 & 3] >> (0 if is_first else 1 if version == 2 else 2)
        samples = 1152 if is_first else 576
        place += samples // 8 * 1000 * _MP3_KBPS[is_first][packed >> 4] // rate_hz + (packed >> 1 & 1)
        count += samples
    return count


def set_channel_mask(file: BinaryIO, mask: int) -> None:
    """Write the speakers into the header of a WAV of many channels (WAVE_FORMAT_EXTENSIBLE) that libsndfile wrote."""
    place, chunk, size = 12, b"", 0
    while chunk != b"fmt ":
        file.seek(place)
        chunk, size = _unpack("<4sI", file)
        place += 8 + size + size % 2
    file.seek(place - size - size % 2 + 20)
    file.write(struct.pack("<I", mask))
    file.seek(0, io.SEEK_END)
