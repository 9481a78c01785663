"""PNG: the header of a file, and its pixels; those of 16 bits are read and written here, because Pillow makes 8 of
them.

Source: Portable Network Graphics Specification, third edition (W3C 2025), sections 5, 7, 9, 10, 11 and 13.
"""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from inr.signals.files.bands import Bands

Pixels = np.ndarray[Any, np.dtype[Any]]
Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Chunk = tuple[bytes, bytes]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_ICC_BYTES = 2**26
_PART_BYTES = 2**20
_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_COLOUR_CHUNKS = {"cICP": 4, "gAMA": 4, "cHRM": 32, "mDCV": 24, "cLLI": 8}
"""Chunks that define what the numbers mean as colours, and their lengths."""
_EXIF_TEXTS = (b"Raw profile type exif", b"Raw profile type APP1", b"XML:com.adobe.xmp")
_MAX_EXIF_BYTES = 2**20
_USED = {b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"acTL", b"sRGB", *(name.encode() for name in _COLOUR_CHUNKS)}
_SRGB_GAMMA, _SRGB_PRIMARIES = 45455, (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_SRGB_CICP = (1, 13, 0, 1)


class Png:
    """A PNG file.

    width, height, depth, colour: of its header; colour is the type, 0 grey, 2 RGB, 3 palette, 4 and 6 with alpha.
    channels: of the pixels. orientation: EXIF's. icc: the colour profile. colour_chunks: by name, in hexadecimal, where
    they define other colours than sRGB. n_frames: of an animation. notes: what was left out.

    Raises ValueError for damage; chunks that are not used may be damaged.
    """

    def __init__(self, file: BinaryIO, *, has_data: bool = True) -> None:
        """has_data: whether to read the pixels' data too."""
        self._file, self._has_data = file, has_data
        self._data: list[bytes] = []
        found: dict[bytes, bytes] = {}
        exif: list[Chunk] = []
        for name, body in self._chunks():
            if name == b"IDAT":
                self._data.append(body)
            elif name in _USED:
                found.setdefault(name, body)
            if name == b"eXIf" or (name in (b"tEXt", b"zTXt", b"iTXt") and body.split(b"\0")[0] in _EXIF_TEXTS):
                exif.append((name, body))
        if len(found.get(b"IHDR", b"")) != 13:
            raise ValueError("it has no header")
        self._header = found[b"IHDR"]
        self.width, self.height, self.depth, self.colour, compression, filtering, interlace = struct.unpack(
            ">IIBBBBB", self._header
        )
        if self.depth not in _DEPTHS.get(self.colour, ()) or compression or filtering or interlace > 1:
            raise ValueError(f"its header has depth {self.depth} and colour type {self.colour}, which do not exist")
        self._passes = _ADAM7 if interlace else ((0, 0, 1, 1),)
        self._palette = self._palette_of(found)
        self._hidden = self._hidden_of(found.get(b"tRNS"))
        self.channels = _SAMPLES[self.colour] + (self._hidden is not None)
        if self._palette is not None:
            self.channels = self._palette.shape[1]
        self.n_frames = int.from_bytes(found.get(b"acTL", b"\0\0\0\1")[:4], "big") or 1
        self.orientation = _orientation(exif)
        self.icc, self.notes = _profile(found.get(b"iCCP"))
        self.colour_chunks = _colours(found, has_profile=self.icc is not None)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint16 if self.depth == 16 else np.uint8)

    def pixels(self) -> Pixels:
        """Pixels [rows, columns, C]; transparent colours and entries (tRNS) make an alpha channel."""
        samples = self._read_16_bit() if self.depth == 16 else self._read_8_bit()
        peak = np.iinfo(self.dtype).max
        if self._palette is not None:
            index = samples[..., 0]
            if index.max() >= len(self._palette):
                raise ValueError(f"it has colour {index.max()} of a palette of {len(self._palette)}")
            return self._palette[index]
        if self._hidden is None:
            return samples
        shown = (samples != self._hidden).any(-1, keepdims=True)
        return np.concatenate([samples, shown.astype(self.dtype) * peak], axis=-1)

    def _chunks(self) -> Iterator[Chunk]:
        """All chunks up to the last. Checksums are verified for the chunks that are used; data that is not read is
        empty."""
        self._file.seek(len(SIGNATURE))
        name = b""
        while name != b"IEND":
            head = self._file.read(8)
            if len(head) < 8:
                raise ValueError("it is truncated")
            length, name = int.from_bytes(head[:4], "big"), head[4:]
            if name == b"IDAT" and not self._has_data:
                self._file.seek(length + 4, 1)
                continue
            body = self._file.read(length)
            total = self._file.read(4)
            if len(body) < length or len(total) < 4:
                raise ValueError("it is truncated")
            is_needed = name in _USED or not name[0] & 32  # a capital: nothing can be read without it
            if total == struct.pack(">I", zlib.crc32(name + body)):
                yield name, body
            elif is_needed:
                raise ValueError(f"it is damaged in chunk {name.decode('latin-1')!r}")

    def _palette_of(self, found: Mapping[bytes, bytes]) -> Pixels | None:
        """Colours [n, 3 or 4] of a palette picture."""
        if self.colour != 3:
            return None
        stored = found.get(b"PLTE", b"")
        n = len(stored) // 3
        if len(stored) % 3 or not 1 <= n <= 2**self.depth:
            raise ValueError(f"its palette has {len(stored)} bytes")
        colours: Pixels = np.frombuffer(stored, np.uint8).reshape(n, 3)
        if b"tRNS" in found:
            alpha = np.full((n, 1), 255, np.uint8)
            given = np.frombuffer(found[b"tRNS"][:n], np.uint8)
            alpha[: len(given), 0] = given
            colours = np.concatenate([colours, alpha], axis=-1)
        return colours

    def _hidden_of(self, stored: bytes | None) -> Pixels | None:
        """The colour of a picture without a palette or alpha that is transparent, as its pixels hold it."""
        if stored is None or self.colour not in (0, 2):
            return None
        n = _SAMPLES[self.colour]
        if len(stored) != 2 * n:
            raise ValueError(f"its transparent colour has {len(stored)} bytes, expected {2 * n}")
        levels = np.frombuffer(stored, ">u2") & (2**self.depth - 1)
        hidden: Pixels = (levels * (np.iinfo(self.dtype).max // (2**self.depth - 1))).astype(self.dtype)
        return hidden

    def _read_8_bit(self) -> Pixels:
        """Samples of 1 to 8 bits, levels stretched to 0 to 255, indices of palettes as they are; by Pillow."""
        from PIL import PngImagePlugin

        self._check_length()  # Pillow leaves the rows that are missing black
        palette = [(b"PLTE", self._palette[:, :3].tobytes())] if self._palette is not None else []
        data = [(b"IHDR", self._header), *palette, *((b"IDAT", part) for part in self._data), (b"IEND", b"")]
        with PngImagePlugin.PngImageFile(io.BytesIO(SIGNATURE + joined(data))) as image:
            image.load()
            samples: Pixels = np.asarray(image)
        if samples.dtype == np.bool_:
            samples = samples * np.uint8(255)
        return samples[..., None] if samples.ndim == 2 else samples

    def _shapes(self) -> list[tuple[int, int]]:
        """(rows, columns) of each pass."""
        return [(-(-(self.height - r) // dr), -(-(self.width - c) // dc)) for r, c, dr, dc in self._passes]

    def _n_bytes(self) -> int:
        """Of the data when it is unpacked: rows, each with the number of its filter before it."""
        bits = _SAMPLES[self.colour] * self.depth
        return sum(rows * (1 + -(-columns * bits // 8)) for rows, columns in self._shapes() if rows and columns)

    def _check_length(self) -> None:
        """Unpacks the data, part by part, to see that it is all there."""
        left = self._n_bytes()
        reader = zlib.decompressobj()
        for part in self._data:
            while part and left > 0:
                left -= len(reader.decompress(part, _PART_BYTES))
                part = reader.unconsumed_tail
        if left > 0:
            raise ValueError(f"its data ends {left} bytes early")

    def _read_16_bit(self) -> Pixels:
        n = _SAMPLES[self.colour]
        n_bytes, shapes = self._n_bytes(), self._shapes()
        raw = zlib.decompressobj().decompress(b"".join(self._data), n_bytes)
        if len(raw) < n_bytes:
            raise ValueError(f"its data ends {n_bytes - len(raw)} bytes early")
        pixels = np.zeros((self.height, self.width, n), np.uint16)
        at = 0
        for (rows, columns), (r, c, dr, dc) in zip(shapes, self._passes, strict=True):
            if rows <= 0 or columns <= 0:
                continue
            size = rows * (1 + 2 * n * columns)
            lines = np.frombuffer(raw, np.uint8, size, at).reshape(rows, -1)
            plain = _unfilter(lines[:, 0], lines[:, 1:].reshape(rows, columns, 2 * n))
            pixels[r::dr, c::dc] = plain.view(">u2")
            at += size
        return pixels


def write_16_bit(bands: Bands, file: BinaryIO, icc: bytes | None, colours: Mapping[str, str]) -> None:
    """Write a PNG with 16 bits per sample.

    bands: of pixels [rows, columns, C], C of 1 to 4. icc: a colour profile. colours: as `colour_chunks`.
    """
    rows, columns, channels = bands.shape
    header = struct.pack(">IIBBBBB", columns, rows, 16, _COLOUR_TYPES[channels], 0, 0, 0)
    profile = [(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))] if icc else []
    file.write(SIGNATURE + joined([(b"IHDR", header), *_chunks_of(colours), *profile]))
    packer = zlib.compressobj(6)
    padded = np.zeros((1, columns + 1, 2 * channels), np.int16)
    step = max(1, _PART_BYTES // padded.size)
    for band in bands:
        for first in range(0, len(band), step):
            block = np.ascontiguousarray(band[first : first + step], ">u2")
            plain = block.view(np.uint8).reshape(len(block), columns, 2 * channels)
            padded = np.concatenate([padded[-1:], np.pad(plain, ((0, 0), (1, 0), (0, 0)))], dtype=np.int16)
            filtered = (plain - _paeth(padded[1:, :-1], padded[:-1, 1:], padded[:-1, :-1])).astype(np.uint8)
            lines = np.concatenate([np.full((len(block), 1), 4, np.uint8), filtered.reshape(len(block), -1)], axis=1)
            _write_data(file, packer.compress(lines.data))
    _write_data(file, packer.flush())
    file.write(joined([(b"IEND", b"")]))


def _write_data(file: BinaryIO, data: bytes) -> None:
    if data:
        file.write(joined([(b"IDAT", data)]))


class AfterHeader:
    """A file that a PNG is written to, which puts such `colour_chunks` after its header. Other data pass unchanged."""

    def __init__(self, file: BinaryIO, colours: Mapping[str, str]) -> None:
        self._file = file
        self._more = joined(_chunks_of(colours))
        self._head = b""
        self.flush = file.flush

    def write(self, data: bytes) -> int:
        if not self._more:
            return self._file.write(data)
        self._head += data
        at = len(SIGNATURE) + 25
        if len(self._head) >= at:
            self._file.write(self._head[:at] + self._more + self._head[at:])
            self._more = b""
        return len(data)


def _chunks_of(colours: Mapping[str, str]) -> list[Chunk]:
    return [(name.encode(), bytes.fromhex(text)) for name, text in colours.items()]


def colours_in(value: Any) -> dict[str, str]:
    """The chunks of this kind in a JSON value that is not trusted; anything else is dropped."""
    found = {}
    for name, text in value.items() if isinstance(value, dict) else ():
        n_bytes = _COLOUR_CHUNKS.get(name)
        if n_bytes is not None and isinstance(text, str) and re.fullmatch(f"[0-9a-f]{{{2 * n_bytes}}}", text):
            found[name] = text
    return found


def in_words(chunks: Mapping[str, str]) -> str:
    """Such chunks in words: `gAMA 1`, `cICP 9/16/0/1`."""
    words = []
    for name, text in chunks.items():
        body = bytes.fromhex(text)
        if name == "gAMA":
            words.append(f"gAMA {int.from_bytes(body, 'big') / 100000:g}")
        elif name == "cICP":
            words.append(f"cICP {'/'.join(map(str, body))}")
        else:
            words.append(name)
    return ", ".join(words)


def joined(chunks: Iterable[Chunk]) -> bytes:
    """Chunks with their lengths and sums."""
    return b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def _orientation(chunks: list[Chunk]) -> int:
    """EXIF's orientation out of the chunks that can hold it, as Pillow reads it from a picture of one pixel."""
    from PIL import PngImagePlugin

    small = [(name, body) for name, body in chunks if len(body) <= _MAX_EXIF_BYTES]
    if not small:
        return 1
    header = (b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    data = SIGNATURE + joined([header, *small, (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")])
    try:
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
            found = image.getexif().get(274, 1)
    except Exception:  # noqa: BLE001  a damaged EXIF block must not hide a good picture
        return 1
    return found if isinstance(found, int) else 1


def _profile(stored: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """The colour profile of an iCCP chunk, and a note if it cannot be read."""
    if stored is None:
        return None, ()
    _, _, rest = stored.partition(b"\0")
    reader = zlib.decompressobj()
    try:
        icc = reader.decompress(rest[1:], MAX_ICC_BYTES)
    except zlib.error:
        return None, ("its colour profile is damaged, and is left out",)
    if reader.unconsumed_tail:
        return None, (f"its colour profile has more than {MAX_ICC_BYTES} bytes, and is left out",)
    if not reader.eof or not icc:
        return None, ("its colour profile is damaged, and is left out",)
    return icc, ()


def _colours(found: Mapping[bytes, bytes], *, has_profile: bool) -> dict[str, str]:
    """The chunks that change colours. cICP outranks a profile and sRGB, these outrank gAMA and cHRM (section 4.3)."""
    stored = {name: found[name.encode()] for name in _COLOUR_CHUNKS if name.encode() in found}
    stored = {name: body for name, body in stored.items() if len(body) == _COLOUR_CHUNKS[name]}
    if "cICP" in stored:
        is_other = tuple(stored["cICP"]) != _SRGB_CICP
    elif has_profile or b"sRGB" in found:
        is_other = False
    else:
        gamma = int.from_bytes(stored.get("gAMA", b""), "big") or _SRGB_GAMMA
        primaries = struct.unpack(">8I", stored["cHRM"]) if "cHRM" in stored else _SRGB_PRIMARIES
        is_other = abs(gamma / _SRGB_GAMMA - 1) > 0.01 or any(
            abs(a - b) > 200 for a, b in zip(primaries, _SRGB_PRIMARIES, strict=True)
        )
    return {name: body.hex() for name, body in stored.items()} if is_other else {}


def _paeth(left: Any, up: Any, corner: Any) -> Any:
    guess = left + up - corner
    to_left, to_up, to_corner = abs(guess - left), abs(guess - up), abs(guess - corner)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner))


def _unfilter(kinds: Bytes, filtered: Bytes) -> Bytes:
    """Undo the row filters. A byte needs its left and upper neighbours, so anti-diagonals are done at once."""
    rows, columns, step = filtered.shape
    if kinds.max() > 4:
        raise ValueError(f"row filter {kinds.max()} does not exist")
    plain = np.zeros((rows + 1, columns + 1, step), np.int16)
    for k in range(rows + columns - 1):
        r = np.arange(max(0, k - columns + 1), min(rows, k + 1))
        c = k - r
        left, up, corner = plain[r + 1, c], plain[r, c + 1], plain[r, c]
        guess = np.choose(kinds[r, None], [0, left, up, (left + up) // 2, _paeth(left, up, corner)])
        plain[r + 1, c + 1] = (filtered[r, c] + guess) & 255
    return np.ascontiguousarray(plain[1:, 1:].astype(np.uint8))
