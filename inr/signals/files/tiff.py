"""TIFF and BigTIFF: what the first page is, and any part of it as pixels; for whole pictures, tiles and `inspect`.

The codes and the unpacking are tifffile's and imagecodecs'; what the samples mean is decided here and in
`_tiff_samples`. Source: TIFF revision 6.0 (Adobe 1992), and its Technical Notes 1 and 2.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from inr.core.errors import UnreadableError
from inr.signals.files.tiff_samples import Layout, subsampled

Pixels = np.ndarray[Any, np.dtype[Any]]
Range = tuple[int, int]

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAX_SEGMENT_PIXELS = 2**27
MAX_SAMPLES = 8

_SILENT = logging.NullHandler()
_READ = {
    1: "none", 2: "CCITT RLE", 3: "CCITT group 3", 4: "CCITT group 4", 5: "LZW", 6: "old JPEG", 7: "JPEG", 8: "deflate",
    32773: "PackBits", 32946: "deflate", 34887: "LERC", 34925: "LZMA", 34926: "zstd", 50000: "zstd", 50001: "WebP",
}  # fmt: skip
"""Compression codes that are read."""
_FAX = (2, 3, 4)
_GROUP_3 = 3
_RUNS = ("10" * 256, "11" * 256)
"""Bits that are runs of black and white wherever a fax code begins to read."""
_END_OF_LINE_ZEROS = 11
"""A line of group 3 ends with so many zeros and a one, and the decoder goes on only behind exactly these."""
_CODE_ZEROS = 5
"""More than there are at the end of any code of a run."""
_JPEG = (6, 7)
_MAX_PADDING = 4096
"""Bytes after the end of a JPEG stream in a block, at most."""
_EXPANSION = {1: 1, 8: 1100, 32946: 1100, 32773: 130}
"""Codes that cannot make more bytes than this from one: a shorter file is truncated. Deflate stays below 1032."""

_ORIENTATION, _ICC = 274, 34675
_DECISIVE = {
    256: "ImageWidth", 257: "ImageLength", 258: "BitsPerSample", 259: "Compression", 262: "PhotometricInterpretation",
    266: "FillOrder", 273: "StripOffsets", 274: "Orientation", 277: "SamplesPerPixel", 278: "RowsPerStrip",
    279: "StripByteCounts", 284: "PlanarConfiguration", 292: "T4Options", 317: "Predictor", 320: "ColorMap",
    322: "TileWidth", 323: "TileLength", 324: "TileOffsets", 325: "TileByteCounts", 338: "ExtraSamples",
    339: "SampleFormat", 347: "JPEGTables", 513: "JPEGInterchangeFormat", 514: "JPEGInterchangeFormatLength",
    529: "YCbCrCoefficients", 530: "YCbCrSubSampling", 532: "ReferenceBlackWhite", 34675: "ICCProfile",
}  # fmt: skip
"""Tags that change what is read; one that cannot be read itself makes the file unreadable."""
_NEEDED = (256, 257, 262)
_COLOUR_TAGS = {301: "TransferFunction", 318: "WhitePoint", 319: "PrimaryChromaticities"}
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Tag types and their sizes."""


class Tiff:
    """The first page of a TIFF, upright.

    shape: (rows, columns). dtype: of the pixels, uint8, uint16 or float32. bits: of a sample in the file. tile: the
    shape of the file's blocks. icc: the colour profile. notes: what is changed on the way in.

    Raises UnreadableError for what is damaged, or is not grey, palette, RGB or YCbCr of 1 to 16 bits or floats.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        import tifffile

        logging.getLogger("tifffile").addHandler(_SILENT)  # else what it works around is printed to stderr
        self._name = name
        self._file_bytes = file.seek(0, 2)
        self._check_tags(file)
        file.seek(0)
        with tifffile.TiffFile(file, name="picture.tif") as tiff:
            self.n_pages = len(tiff.pages)
            self._page = page = tiff.pages.first
            self._tables, self._header = page.jpegtables, page.jpegheader
            self._check_structure()
            if page.compression == 1:
                page.predictor = 1  # it belongs to codes; as libtiff has it
            self._layout = Layout.of(page, name)
            page.init_decode()
            self.icc: bytes | None = page.tags.valueof(_ICC) or None
            self.orientation = int(page.tags.valueof(_ORIENTATION, 1))
        self._is_turned = self.orientation in (5, 6, 7, 8)
        block = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, page.imagewidth)
        self._block = (int(block[0]), int(block[1]))
        stored = (int(page.imagelength), int(page.imagewidth))
        self.shape = stored[::-1] if self._is_turned else stored
        tile = (min(self._block[0], stored[0]), min(self._block[1], stored[1]))
        self.tile = tile[::-1] if self._is_turned else tile
        self.channels, self.dtype, self.bits = self._layout.channels, self._layout.dtype, self._layout.bits
        self._check_segments()
        self.notes = tuple(f"{name}: {note}" for note in (*self._page_notes(), *self._layout.notes))

    @property
    def plain_offset(self) -> int | None:
        """Where the pixels lie in the file, if it stores them as in memory (in `stored_dtype`); else None."""
        page = self._page
        is_plain = page.is_final and self._layout.is_plain and self.orientation not in range(2, 9)
        is_interleaved = page.planarconfig == 1 or page.samplesperpixel == 1
        return int(page.dataoffsets[0]) if is_plain and is_interleaved else None

    @property
    def stored_dtype(self) -> np.dtype[Any]:
        stored: np.dtype[Any] = np.dtype(self._page.parent.byteorder + self._page.dtype.char)
        return stored

    def read(self, file: BinaryIO, rows: Range | None = None, columns: Range | None = None) -> Pixels:
        """Pixels [rows, columns, C] of a part, of the whole by default. Raises UnreadableError for damage."""
        (r0, r1), (c0, c1) = self._stored(rows or (0, self.shape[0]), columns or (0, self.shape[1]))
        page = self._page
        samples = int(page.samplesperpixel)
        raw = np.empty((r1 - r0, c1 - c0, samples), page.dtype)
        height, width = self._block
        for row in range(r0 // height * height, r1, height):
            for column in range(c0 // width * width, c1, width):
                block = self._segment(file, row // height, column // width)
                top, left = max(r0, row), max(c0, column)
                part = block[top - row : r1 - row, left - column : c1 - column]
                end = (min(r1, row + height, page.imagelength), min(c1, column + width, page.imagewidth))
                if part.shape[:2] != (end[0] - top, end[1] - left):
                    raise self._damaged("a block is smaller than its place")
                raw[top - r0 : end[0] - r0, left - c0 : end[1] - c0] = part
        return upright(self._layout.pixels(raw), self.orientation)

    def _stored(self, rows: Range, columns: Range) -> tuple[Range, Range]:
        """A part's rows and columns in the file's own order."""
        if self.orientation in (3, 4, 7, 8):
            rows = (self.shape[0] - rows[1], self.shape[0] - rows[0])
        if self.orientation in (2, 3, 6, 7):
            columns = (self.shape[1] - columns[1], self.shape[1] - columns[0])
        return (columns, rows) if self._is_turned else (rows, columns)

    def _segment(self, file: BinaryIO, row: int, column: int) -> Pixels:
        """The samples [rows, columns, S] of one tile or strip, of all planes."""
        page = self._page
        per_row = -(-page.imagewidth // self._block[1])
        per_plane = per_row * -(-page.imagelength // self._block[0])
        index = row * per_row + column
        if page.planarconfig != 2 or page.samplesperpixel == 1:
            return self._decoded(file, index, row)
        planes = range(page.samplesperpixel)
        return np.concatenate([self._decoded(file, plane * per_plane + index, row) for plane in planes], axis=-1)

    def _decoded(self, file: BinaryIO, index: int, row: int) -> Pixels:
        page = self._page
        offset, count = page.dataoffsets[index], page.databytecounts[index]
        samples = 1 if page.planarconfig == 2 else page.samplesperpixel
        if count == 0:  # a sparse file: a block that was never written
            return np.full((*self._block, samples), page.nodata, page.dtype)
        file.seek(offset)
        data = file.read(count)
        if len(data) < count:
            raise self._damaged("it is truncated")
        _check_embedded(data, page.compression, self._block)
        if self._layout.is_subsampled:
            rows = self._block[0] if page.is_tiled else min(self._block[0], page.imagelength - row * self._block[0])
            return subsampled(page, data, (rows, self._block[1]))
        found = page.decode(data, index, jpegtables=self._tables, jpegheader=self._header)[0][0]
        if page.compression in _FAX:  # what is not there reads as white; what is put after it takes its place
            tried = (page.decode(data + tail, index)[0][0] for tail in _tails(data, page))
            if not all(np.array_equal(found, other) for other in tried):
                raise self._damaged("a block ends early")
        if found.ndim != 3 or found.shape[-1] != samples or not _is_same(found.dtype, page.dtype):
            raise self._damaged(f"a block holds {found.dtype} samples, its tags say {page.dtype}")
        return np.asarray(found)

    def _page_notes(self) -> Iterator[str]:
        page = self._page
        if self.n_pages > 1:
            yield f"the first of {self.n_pages} pages is used"
        if int(page.subfiletype) & 1:
            yield "its first page is a smaller copy of another one"
        if not all(page.databytecounts):
            yield f"blocks of it were never written, and are filled with {page.nodata}"
        unused = [name for code, name in _COLOUR_TAGS.items() if code in page.tags]
        if unused and self.icc is None:
            yield f"its tags {', '.join(unused)} are left out: its colours may look different"

    # -- checks

    def _damaged(self, reason: str) -> UnreadableError:
        return UnreadableError(f"cannot read {self._name!r} as a picture: {reason}", "copy or save it again")

    def _check_tags(self, file: BinaryIO) -> None:
        """Check that each tag that is read lies completely in the file; readers differ in how they treat one that does
        not."""
        seen = set()
        for code, kind, count, offset in self._tags(file):
            name = _DECISIVE.get(code)
            if name is None:
                continue
            if kind not in _VALUE_BYTES:
                raise self._damaged(f"its tag {name} ({code}) has the unknown type {kind}")
            n_bytes = count * _VALUE_BYTES[kind]
            if count == 0 or offset + n_bytes > self._file_bytes:
                raise self._damaged(f"it is truncated or damaged: the value of its tag {name} ({code}) is not there")
            seen.add(code)
        missing = [f"{_DECISIVE[code]} ({code})" for code in _NEEDED if code not in seen]
        if missing:
            raise self._damaged(f"it has no tag {' and no tag '.join(missing)}")

    def _tags(self, file: BinaryIO) -> Iterator[tuple[int, int, int, int]]:
        """(code, type, count, offset of the value) of each tag of the first page."""
        file.seek(0)
        head = file.read(16)
        order = "<" if head[:2] == b"II" else ">"
        is_big = head[2:4] in (b"+\0", b"\0+")
        entry = struct.Struct(order + ("HHQ" if is_big else "HHI"))
        word = struct.Struct(order + ("Q" if is_big else "I"))
        number = struct.Struct(order + ("Q" if is_big else "H"))
        try:
            (start,) = word.unpack_from(head, 8 if is_big else 4)
            file.seek(start)
            (n_tags,) = number.unpack(file.read(number.size))
            if not 1 <= n_tags <= 4096:
                raise self._damaged(f"its first page has {n_tags} tags")
            size = entry.size + word.size
            table = file.read(n_tags * size)
            for at in range(start + number.size, start + number.size + n_tags * size, size):
                code, kind, count = entry.unpack_from(table, at - start - number.size)
                inside = at + entry.size
                is_inside = count * _VALUE_BYTES.get(kind, 1) <= word.size
                (offset,) = (inside,) if is_inside else word.unpack_from(table, inside - start - number.size)
                yield code, kind, count, offset
        except (struct.error, OverflowError) as error:
            raise self._damaged("it is truncated: its list of tags is not there") from error

    def _check_structure(self) -> None:
        page = self._page
        if page.imagewidth < 1 or page.imagelength < 1:
            size = f"{page.imagewidth}x{page.imagelength}"
            raise UnreadableError(f"picture {self._name!r} is {size} pixels, expected at least 1x1")
        if page.compression not in _READ:
            kind = getattr(page.compression, "name", str(int(page.compression)))
            known = ", ".join(dict.fromkeys(_READ.values()))
            raise UnreadableError(
                f"picture {self._name!r} has TIFF compression {kind} ({int(page.compression)}), expected {known}",
                "save it with deflate or LZW compression",
            )
        if page.compression == 32773 and page.predictor != 1:
            raise UnreadableError(
                f"picture {self._name!r} has a predictor with PackBits compression, which programs read differently",
                "save it with deflate or LZW compression",
            )
        if page.imagedepth > 1 or (page.is_tiled and page.tiledepth > 1):
            raise UnreadableError(
                f"picture {self._name!r} has {page.imagedepth} planes of depth, expected rows and columns",
                "save it as .npy and load it as an array",
            )
        if not 1 <= page.samplesperpixel <= MAX_SAMPLES or page.planarconfig not in (1, 2):
            raise UnreadableError(
                f"picture {self._name!r} has {page.samplesperpixel} channels, expected 1 to 4",
                "save it as .npy and load it as an array",
            )

    def _check_segments(self) -> None:
        """As many blocks as the picture needs, each of a sane size and in the file."""
        page = self._page
        height, width = self._block
        if height < 1 or width < 1 or (page.is_tiled and height * width > MAX_SEGMENT_PIXELS):
            raise self._damaged(f"its blocks are {width}x{height} pixels")
        n = -(-page.imagewidth // width) * -(-page.imagelength // height)
        n *= page.samplesperpixel if page.planarconfig == 2 else 1
        if len(page.dataoffsets) != n or len(page.databytecounts) != n:
            found = f"{len(page.dataoffsets)} offsets and {len(page.databytecounts)} sizes"
            raise self._damaged(f"its picture needs {n} blocks, it has {found} of them")
        for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
            if offset + count > self._file_bytes or (count == 0) != (offset == 0):
                raise self._damaged("it is truncated, or a place of its pixels is wrong")
        bits = page.imagewidth * page.imagelength * page.samplesperpixel * self.bits
        expansion = _EXPANSION.get(int(page.compression), math.inf)
        is_sparse = not all(page.databytecounts)
        if not is_sparse and not self._layout.is_subsampled and bits / 8 > expansion * self._file_bytes:
            raise self._damaged("it is truncated")


def _tails(data: bytes, page: Any) -> Iterator[bytes]:
    """Bits to append to a fax block: if pixels are missing at its end, at least one of these tails changes what is
    decoded.

    They are runs. For group 3, whose decoder skips a line that it cannot read, they are also tried after bits that
    complete the code or the end of line in which the block ends.
    """
    step = -1 if page.fillorder == 2 else 1  # of 2, the first bit of a byte is its lowest
    begun = [""]
    if page.compression == _GROUP_3:
        bits = "".join(f"{byte:08b}"[::step] for byte in data[-2:])
        n_left = _END_OF_LINE_ZEROS - (len(bits) - len(bits.rstrip("0")))
        n_zeros = {*range(_CODE_ZEROS), *range(max(0, n_left), max(0, n_left) + _CODE_ZEROS)}
        begun += ["0" * n + "1" for n in sorted(n_zeros)]
    for first in begun:
        for runs in _RUNS:
            tail = (first + runs)[: len(runs)]
            yield bytes(int(tail[at : at + 8][::step], 2) for at in range(0, len(tail), 8))


def upright(pixels: Pixels, orientation: Any) -> Pixels:
    """Apply EXIF/TIFF tag 274: 2 to 4 mirror and turn by 180 degrees, 5 to 8 also swap rows and columns."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def _is_same(found: np.dtype[Any], expected: np.dtype[Any]) -> bool:
    """Bits are numbers to some codes, truth values to others."""
    return found.newbyteorder("=") == expected.newbyteorder("=") or {found.kind, expected.kind} == {"u", "b"}


def _check_embedded(data: bytes, compression: int, block: tuple[int, int]) -> None:
    """Check that a block that is itself a picture file is not larger than its place, before it takes memory. Raises
    ValueError."""
    size: tuple[int, int] | None = None
    if compression in _JPEG:
        if b"\xff\xd9" not in data[-_MAX_PADDING:]:
            raise ValueError("a block ends early")
        size = _jpeg_size(data)
    elif compression == 50001 and data[12:16] == b"VP8X":
        size = (int.from_bytes(data[27:30], "little") + 1, int.from_bytes(data[24:27], "little") + 1)
    elif compression == 34887 and data[:5] == b"Lerc2":
        (version,) = struct.unpack_from("<I", data, 6)
        height, width, n = struct.unpack_from("<III", data, 10 if version < 3 else 14)
        if version > 3 and n > MAX_SAMPLES:
            raise ValueError(f"a block holds a picture of {n} channels")
        size = height, width
    if size is not None and (size[0] > block[0] + 16 or size[1] > block[1] + 16):
        raise ValueError(f"a block of {block[1]}x{block[0]} pixels holds a picture of {size[1]}x{size[0]}")


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) of a JPEG stream, from its frame header; None if it has none."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return height, width
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return None
