"""Arrays in compressed files."""

from __future__ import annotations

from typing import ClassVar

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.kind import CODEC_KINDS, CodecKind
from inr.codec.kinds._fields import LARGEST, MAX_CHANNELS, read_map, write_map
from inr.core.errors import FormatError

TYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)
ITEM_BYTES = {name: int("".join(filter(str.isdigit, name)) or 8) // 8 for name in TYPES}
NPY_HEADER_BYTES = 128


@CODEC_KINDS.register("array")
class ArrayInFile(CodecKind):
    """Axes, channels, element type, range and the map of values."""

    number: ClassVar[int] = 4
    stored: ClassVar[tuple[str, ...]] = ("dtype", "channels", "range")
    axes: ClassVar[tuple[str, ...]] = ("axis0", "axis1", "axis2", "axis3")
    unit: ClassVar[str] = "elements"
    has_small_files: ClassVar[bool] = True

    @classmethod
    def write_fields(cls, header: Header, out: Writer) -> None:
        out.u8(len(header.shape))
        for n in header.shape:
            out.varint(n)
        out.varint(header.channels).u8(header.meta["channels"] == "last")
        out.u8(TYPES.index(header.meta["dtype"]))
        for value in header.meta["range"]:
            out.f64(value)
        write_map(header, out)

    @classmethod
    def read_fields(cls, reader: Reader) -> Header:
        d = reader.u8("the number of axes", 1, len(cls.axes))
        shape = tuple(reader.varint("a size", 1) for _ in range(d))
        channels = reader.varint("the number of channels", 1, MAX_CHANNELS)
        has_channels = reader.u8("whether the last axis is channels", 0, 1)
        if channels > 1 and not has_channels:
            raise FormatError("the header's array has channels and no axis for them")
        dtype = TYPES[reader.u8("the element type", 0, len(TYPES) - 1)]
        low, high = (reader.f64("an end of the range", -LARGEST, LARGEST) for _ in range(2))
        if low > high:
            raise FormatError(f"the header's range is {low:g} to {high:g}")
        offset, scale = read_map(reader, channels)
        meta = {"dtype": dtype, "channels": "last" if has_channels else "none", "range": [low, high]}
        return Header("array", shape, channels, offset, scale, (0.0,) * d, tuple(map(float, shape)), meta)

    @classmethod
    def plain_bytes(cls, header: Header) -> int:
        return header.n_samples * header.channels * ITEM_BYTES[header.meta["dtype"]] + NPY_HEADER_BYTES

    @classmethod
    def lossless_suffix(cls, header: Header) -> str:
        return ".npy"
