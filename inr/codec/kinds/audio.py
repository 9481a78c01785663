"""Sounds in compressed files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.kind import CODEC_KINDS, CodecKind
from inr.codec.kinds._fields import LARGEST, MAX_CHANNELS, SMALLEST
from inr.core.errors import FormatError

SUBTYPES = ("PCM_16", "PCM_S8", "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "VORBIS", "OPUS")
SAMPLE_BYTES = {"PCM_S8": 1, "PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}
MAX_RATE_HZ = 2**31 - 1
HAS_MASK = 0x80
"""Bit of the subtype: the channel mask follows."""
WAV_HEADER_BYTES = 44


@CODEC_KINDS.register("audio")
class AudioInFile(CodecKind):
    """Samples, channels, rate, subtype, channel mask and scale."""

    number: ClassVar[int] = 1
    stored: ClassVar[tuple[str, ...]] = ("rate_hz", "subtype", "channel_mask")
    axes: ClassVar[tuple[str, ...]] = ("t",)
    unit: ClassVar[str] = "seconds"
    bits_at_0: ClassVar[float] = 0.2

    @classmethod
    def metadata(cls, meta: Mapping[str, Any]) -> dict[str, Any]:
        kept = super().metadata(meta)
        if kept["subtype"] not in SUBTYPES:
            kept["subtype"] = "PCM_16"  # the subtype in which WAV is written from all others
        return kept

    @classmethod
    def write_fields(cls, header: Header, out: Writer) -> None:
        out.varint(header.shape[0]).varint(header.channels).varint(header.meta["rate_hz"])
        mask = header.meta.get("channel_mask")
        out.u8(SUBTYPES.index(header.meta["subtype"]) | (0 if mask is None else HAS_MASK))
        if mask is not None:
            out.varint(mask)
        out.f32(header.scale[0])

    @classmethod
    def read_fields(cls, reader: Reader) -> Header:
        n = reader.varint("the number of samples", 1)
        channels = reader.varint("the number of channels", 1, MAX_CHANNELS)
        rate_hz = reader.varint("the sample rate", 1, MAX_RATE_HZ)
        packed = reader.u8("the subtype")
        if packed & ~HAS_MASK >= len(SUBTYPES):
            raise FormatError(f"the header's subtype is {packed}, which is not a subtype")
        meta: dict[str, Any] = {"rate_hz": rate_hz, "subtype": SUBTYPES[packed & ~HAS_MASK]}
        if packed & HAS_MASK:
            meta["channel_mask"] = reader.varint("the channel mask", 0, 2**32 - 1)
        scale = reader.f32("the scale", SMALLEST, LARGEST)
        return Header("audio", (n,), channels, (0.0,) * channels, (scale,) * channels, (0.0,), (n / rate_hz,), meta)

    @classmethod
    def plain_bytes(cls, header: Header) -> int | None:
        width = SAMPLE_BYTES.get(header.meta["subtype"])
        return None if width is None else header.n_samples * header.channels * width + WAV_HEADER_BYTES

    @classmethod
    def lossless_suffix(cls, header: Header) -> str:
        return ".wav"
