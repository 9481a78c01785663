"""The FHDR chunk: what a signal is, in bounded fields; all that writing it to a file needs, but its colour profile."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from inr._errors import FormatError, UsageError
from inr.codec._fields import Reader, Writer
from inr.codec._limits import Limits

if TYPE_CHECKING:
    from inr._domain import Frame, Spec
    from inr.signals import Signal

KINDS = ("image", "audio", "shape", "points", "array")
IMAGE_TYPES = ("uint8", "uint16", "float32")
SUBTYPES = ("PCM_16", "PCM_S8", "PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "VORBIS", "OPUS")
ARRAY_TYPES = (
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float16", "float32", "float64"),
)
SIGNS = ("auto", "pseudonormal", "winding", "formula")
MAX_CHANNELS = 256
MAX_RATE_HZ = 2**31 - 1
LARGEST = 3.5e38
SMALLEST = 1e-45


@dataclasses.dataclass(frozen=True)
class Header:
    """A signal without its values.

    kind: of the signal. shape: samples per coordinate, in the order of the coordinates (pictures: width, height);
    empty for shapes and points. channels: C. offset, scale: the frame's map of values, C numbers each. low, extent:
    the corner and the sides of the domain. meta: what `Signal.write` needs.
    """

    kind: str
    shape: tuple[int, ...]
    channels: int
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    low: tuple[float, ...]
    extent: tuple[float, ...]
    meta: Mapping[str, Any]

    @property
    def d_in(self) -> int:
        return len(self.low)

    @property
    def is_lattice(self) -> bool:
        return bool(self.shape)

    @property
    def n_samples(self) -> int:
        """Pixels, samples or elements, to which bits per pixel refer; 0 for shapes and points."""
        return math.prod(self.shape) if self.shape else 0

    @property
    def array_shape(self) -> tuple[int, ...]:
        """[*shape, C] in the order of the signal's array: pictures are rows, columns, channels."""
        shape = self.shape[::-1] if self.kind == "image" else self.shape
        return (*shape, self.channels)

    def spec(self) -> Spec:
        from inr._domain import Spec

        return Spec(self.kind, self.d_in, self.channels, self.shape or None)

    def frame(self) -> Frame:
        from inr._domain import Domain, Frame

        axes, unit = {
            "image": (("x", "y"), "pixels"),
            "audio": (("t",), "seconds"),
            "array": (tuple(f"axis{a}" for a in range(self.d_in)), "elements"),
        }.get(self.kind, (("x", "y", "z"), "mesh units"))
        high = tuple(a + b for a, b in zip(self.low, self.extent, strict=True))
        return Frame(Domain(self.low, high, axes, unit), self.offset, self.scale)

    @classmethod
    def of(cls, signal: Signal) -> Self:
        """The header of a signal; its frame comes back as what `frame()` says."""
        return cls.of_parts(signal.spec, signal.frame, signal.meta)

    @classmethod
    def of_parts(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any]) -> Self:
        """The header of a signal or a model. Raises UsageError when the format has no place for something in it."""
        kept = {
            "image": ("dtype", "channels"),
            "audio": ("rate_hz", "subtype"),
            "shape": ("side", "sign"),
            "points": ("side", "n_points"),
            "array": ("dtype", "channels", "range"),
        }
        if spec.kind not in kept:
            raise UsageError(f"a signal of kind {spec.kind!r} can not be compressed")
        domain = frame.domain
        own = {key: meta[key] for key in kept[spec.kind] if key in meta}
        if spec.kind == "audio" and own["subtype"] not in SUBTYPES:
            own["subtype"] = "PCM_16"  # as WAV is written from all others
        header = cls(spec.kind, spec.shape or (), spec.d_out, frame.offset, frame.scale, domain.low, domain.extent, own)
        try:
            again = cls.read(header.to_bytes(), Limits(samples=2**62))
        except (FormatError, ValueError, ArithmeticError) as error:
            raise UsageError(f"this {spec.kind} can not be compressed: {error}") from error
        if not _is_near(again.frame(), frame):
            raise UsageError(f"this {spec.kind} can not be compressed: its frame is not the one of its kind")
        return again

    def to_bytes(self) -> bytes:
        out = Writer().u8(KINDS.index(self.kind))
        if self.kind == "image":
            for n in self.shape:
                out.varint(n)
            out.u8(IMAGE_TYPES.index(self.meta["dtype"]) << 4 | self.channels)
            if self.meta["dtype"] == "float32":
                self._write_map(out)
        elif self.kind == "audio":
            out.varint(self.shape[0]).varint(self.channels).varint(self.meta["rate_hz"])
            out.u8(SUBTYPES.index(self.meta["subtype"])).f32(self.scale[0])
        elif self.kind == "array":
            out.u8(len(self.shape))
            for n in self.shape:
                out.varint(n)
            out.varint(self.channels).u8(self.meta["channels"] == "last")
            out.u8(ARRAY_TYPES.index(self.meta["dtype"]))
            for value in self.meta["range"]:
                out.f64(value)
            self._write_map(out)
        else:
            for value in (*self.low, self.scale[0]):
                out.f64(value)
            if self.kind == "shape":
                out.u8(SIGNS.index(self.meta.get("sign", "auto")))
            else:
                out.varint(self.meta["n_points"])
        return out.bytes()

    @classmethod
    def read(cls, data: bytes | memoryview, limits: Limits | None = None) -> Self:
        """Raises FormatError for anything that is not a header, or asks for more samples than the limits allow."""
        limits = limits or Limits()
        reader = Reader(data, "the header")
        kind = KINDS[reader.u8("the kind of signal", 0, len(KINDS) - 1)]
        if kind == "image":
            header = cls._read_image(reader)
        elif kind == "audio":
            header = cls._read_audio(reader)
        elif kind == "array":
            header = cls._read_array(reader)
        else:
            header = cls._read_distances(kind, reader)
        reader.end()
        limits.hold("samples", header.n_samples * header.channels)
        return header

    @classmethod
    def _read_image(cls, reader: Reader) -> Self:
        shape = (reader.varint("the width", 1), reader.varint("the height", 1))
        packed = reader.u8("the pixel type")
        dtype, channels = packed >> 4, packed & 15
        if dtype >= len(IMAGE_TYPES) or not 1 <= channels <= 4:
            raise FormatError(f"the header's pixel type is {packed}, which is none")
        name = IMAGE_TYPES[dtype]
        half = (0.5,) * channels
        offset, scale = _read_map(reader, channels) if name == "float32" else (half, half)
        extent = (float(shape[0]), float(shape[1]))
        meta = {"dtype": name, "channels": channels, "icc": None}
        return cls("image", shape, channels, offset, scale, (0.0, 0.0), extent, meta)

    @classmethod
    def _read_audio(cls, reader: Reader) -> Self:
        n = reader.varint("the number of samples", 1)
        channels = reader.varint("the number of channels", 1, MAX_CHANNELS)
        rate_hz = reader.varint("the sample rate", 1, MAX_RATE_HZ)
        subtype = SUBTYPES[reader.u8("the subtype", 0, len(SUBTYPES) - 1)]
        scale = reader.f32("the scale", SMALLEST, LARGEST)
        meta = {"rate_hz": rate_hz, "subtype": subtype}
        return cls("audio", (n,), channels, (0.0,) * channels, (scale,) * channels, (0.0,), (n / rate_hz,), meta)

    @classmethod
    def _read_array(cls, reader: Reader) -> Self:
        d = reader.u8("the number of axes", 1, 4)
        shape = tuple(reader.varint("a size", 1) for _ in range(d))
        channels = reader.varint("the number of channels", 1, MAX_CHANNELS)
        has_channels = reader.u8("whether the last axis is channels", 0, 1)
        if channels > 1 and not has_channels:
            raise FormatError("the header's array has channels and no axis for them")
        dtype = ARRAY_TYPES[reader.u8("the element type", 0, len(ARRAY_TYPES) - 1)]
        low, high = (reader.f64("an end of the range", -LARGEST, LARGEST) for _ in range(2))
        if low > high:
            raise FormatError(f"the header's range is {low:g} to {high:g}")
        offset, scale = _read_map(reader, channels)
        meta = {"dtype": dtype, "channels": "last" if has_channels else "none", "range": [low, high]}
        return cls("array", shape, channels, offset, scale, (0.0,) * d, tuple(map(float, shape)), meta)

    @classmethod
    def _read_distances(cls, kind: str, reader: Reader) -> Self:
        low = tuple(reader.f64("a corner", -LARGEST, LARGEST) for _ in range(3))
        side = reader.f64("the side", SMALLEST, LARGEST)
        if any(a + side <= a for a in low):
            raise FormatError("the header's box has no size")
        meta: dict[str, Any] = {"side": side}
        if kind == "shape":
            meta["sign"] = SIGNS[reader.u8("the sign method", 0, len(SIGNS) - 1)]
        else:
            meta["n_points"] = reader.varint("the number of points", 1)
        return cls(kind, (), 1, (0.0,), (side,), low, (side,) * 3, meta)

    def _write_map(self, out: Writer) -> None:
        for value in (*self.offset, *self.scale):
            out.f64(value)


def _is_near(a: Frame, b: Frame) -> bool:
    def numbers(frame: Frame) -> tuple[float, ...]:
        return (*frame.offset, *frame.scale, *frame.domain.low, *frame.domain.high)

    return all(math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-12) for x, y in zip(numbers(a), numbers(b), strict=True))


def _read_map(reader: Reader, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    offset = tuple(reader.f64("an offset", -LARGEST, LARGEST) for _ in range(channels))
    return offset, tuple(reader.f64("a scale", SMALLEST, LARGEST) for _ in range(channels))
