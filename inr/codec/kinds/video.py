"""Videos in compressed files."""

from __future__ import annotations

from typing import ClassVar

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.kind import CODEC_KINDS, CodecKind
from inr.core.errors import FormatError


@CODEC_KINDS.register("video")
class VideoInFile(CodecKind):
    """Frames, rows, columns, channels and frames per second."""

    number: ClassVar[int] = 5
    stored: ClassVar[tuple[str, ...]] = ("fps", "channels")
    axes: ClassVar[tuple[str, ...]] = ("t", "y", "x")
    unit: ClassVar[str] = "frames and pixels"
    rate_unit: ClassVar[str] = "bpp"
    has_frames: ClassVar[bool] = True

    @classmethod
    def write_fields(cls, header: Header, out: Writer) -> None:
        for n in header.shape:
            out.varint(n)
        out.u8(header.channels).f64(header.meta["fps"])

    @classmethod
    def read_fields(cls, reader: Reader) -> Header:
        shape = tuple(reader.varint(name, 1) for name in ("the number of frames", "the height", "the width"))
        channels = reader.u8("the number of channels", 1, 3)
        if channels == 2:
            raise FormatError("the header's video has 2 channels, expected 1 or 3")
        fps = reader.f64("the frames per second", 1e-6, 1e6)
        half = (0.5,) * channels
        meta = {"fps": fps, "channels": channels}
        return Header("video", shape, channels, half, half, (0.0,) * 3, tuple(map(float, shape)), meta)

    @classmethod
    def plain_bytes(cls, header: Header) -> int:
        return header.n_samples * header.channels

    @classmethod
    def lossless_suffix(cls, header: Header) -> str:
        return ".npy"
