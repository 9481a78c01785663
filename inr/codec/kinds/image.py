"""Pictures in compressed files. Decoding and writing one needs no torch."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.kind import CODEC_KINDS, Chunks, CodecKind
from inr.codec.kinds._fields import read_map, write_map
from inr.codec.limits import Limits
from inr.core.errors import FormatError
from inr.signals.files.bands import Bands
from inr.signals.files.picture_writing import WRITTEN, import_writer, write
from inr.signals.files.png import colours_in

TYPES = ("uint8", "uint16", "float32")
COLOURS = "colour_chunks"
"""The key of a PNG's colour chunks, in metadata and in a file's JSON."""


@CODEC_KINDS.register("image")
class ImageInFile(CodecKind):
    """Width, height, pixel type; the colour profile and the colour chunks of a PNG are optional chunks."""

    number: ClassVar[int] = 0
    stored: ClassVar[tuple[str, ...]] = ("dtype", "channels")
    axes: ClassVar[tuple[str, ...]] = ("x", "y")
    unit: ClassVar[str] = "pixels"
    is_transposed: ClassVar[bool] = True
    is_picture: ClassVar[bool] = True
    profiles: ClassVar[tuple[str, ...]] = ("pyramid", "grids", "weights")
    rate_unit: ClassVar[str] = "bpp"
    needs_torch: ClassVar[bool] = False

    @classmethod
    def write_fields(cls, header: Header, out: Writer) -> None:
        for n in header.shape:
            out.varint(n)
        out.u8(TYPES.index(header.meta["dtype"]) << 4 | header.channels)
        if header.meta["dtype"] == "float32":
            write_map(header, out)

    @classmethod
    def read_fields(cls, reader: Reader) -> Header:
        shape = (reader.varint("the width", 1), reader.varint("the height", 1))
        packed = reader.u8("the pixel type")
        dtype, channels = packed >> 4, packed & 15
        if dtype >= len(TYPES) or not 1 <= channels <= 4:
            raise FormatError(f"the header's pixel type is {packed}, which is not a pixel type")
        half = (0.5,) * channels
        offset, scale = read_map(reader, channels) if TYPES[dtype] == "float32" else (half, half)
        extent = (float(shape[0]), float(shape[1]))
        meta = {"dtype": TYPES[dtype], "channels": channels, "icc": None}
        return Header("image", shape, channels, offset, scale, (0.0, 0.0), extent, meta)

    @classmethod
    def plain_bytes(cls, header: Header) -> int:
        width = {"uint8": 1, "uint16": 2, "float32": 4}[header.meta["dtype"]]
        return header.n_samples * header.channels * width

    @classmethod
    def lossless_suffix(cls, header: Header) -> str:
        return ".npy"  # not compressed, which would take seconds for a large picture

    @classmethod
    def chunks(cls, meta: Mapping[str, Any]) -> Chunks:
        colours = meta.get(COLOURS)
        document = json.dumps({COLOURS: colours}, separators=(",", ":")).encode() if colours else None
        if meta.get("icc") is None:
            return Chunks(None, document)
        icc, most = base64.b64decode(meta["icc"]), Limits().icc_bytes
        if len(icc) > most:
            note = f"the colour profile has {len(icc):,} bytes, a compressed file holds at most {most:,}: left out"
            return Chunks(None, document, (note,))
        return Chunks(icc, document)

    @classmethod
    def with_chunks(cls, meta: Mapping[str, Any], icc: bytes | None, document: bytes | None) -> Mapping[str, Any]:
        found = dict(meta)
        if icc is not None:
            found["icc"] = base64.b64encode(icc).decode("ascii")
        colours = _colours_of(document)
        return found | ({COLOURS: colours} if colours else {})

    @classmethod
    def formats(cls) -> tuple[str, ...]:
        return WRITTEN

    @classmethod
    def import_writer(cls, suffix: str) -> None:
        import_writer(suffix)

    @classmethod
    def write_file(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        return write(bands, meta, file, suffix)


def _colours_of(document: bytes | None) -> dict[str, str]:
    """The colour chunks of a PNG in a file's JSON. Anything else there is ignored, as the format requires."""
    if document is None:
        return {}
    try:
        found = json.loads(document)
    except (ValueError, RecursionError):
        return {}
    return colours_in(found.get(COLOURS)) if isinstance(found, dict) else {}
