"""The FHDR chunk: a signal without its values, in bounded fields. The fields of each kind are in `inr/codec/kinds/`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.kind import CODEC_KINDS, CodecKind, name_of
from inr.codec.limits import Limits
from inr.core.errors import FormatError, UsageError

if TYPE_CHECKING:
    from inr.core.domain import Frame, Spec
    from inr.signals import Signal


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
    def codec_kind(self) -> type[CodecKind]:
        """The codec's description of signals of this kind."""
        return CODEC_KINDS[self.kind]

    @property
    def plain_bytes(self) -> int | None:
        """Size in bytes of an uncompressed file of the values (.npy, .wav, raw pixels); None if there is no such
        format."""
        return self.codec_kind.plain_bytes(self)

    @property
    def array_shape(self) -> tuple[int, ...]:
        """[*shape, C] in the order of the signal's array: pictures are rows, columns, channels."""
        return (*(self.shape[::-1] if self.codec_kind.is_transposed else self.shape), self.channels)

    def spec(self) -> Spec:
        from inr.core.domain import Spec

        return Spec(self.kind, self.d_in, self.channels, self.shape or None)

    def frame(self) -> Frame:
        from inr.core.domain import Domain, Frame

        axes, unit = self.codec_kind.axes[: self.d_in], self.codec_kind.unit
        high = tuple(a + b for a, b in zip(self.low, self.extent, strict=True))
        return Frame(Domain(self.low, high, axes, unit), self.offset, self.scale, self.meta.get("softening", 0.0))

    @classmethod
    def of(cls, signal: Signal) -> Header:
        """The header of a signal; `frame()` gives back its frame."""
        return cls.of_parts(signal.spec, signal.frame, signal.meta)

    @classmethod
    def of_parts(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any]) -> Header:
        """The header of a signal or a model. Raises UsageError if the format cannot store something in it."""
        if spec.kind not in CODEC_KINDS:
            raise UsageError(f"a signal of kind {spec.kind!r} cannot be compressed")
        domain, own = frame.domain, CODEC_KINDS[spec.kind].metadata(meta)
        header = cls(spec.kind, spec.shape or (), spec.d_out, frame.offset, frame.scale, domain.low, domain.extent, own)
        try:
            again = cls.read(header.to_bytes(), Limits(samples=2**62))
        except (FormatError, ValueError, ArithmeticError) as error:
            raise UsageError(f"this {spec.kind} cannot be compressed: {error}") from error
        if not _is_near(again.frame(), frame):
            raise UsageError(f"this {spec.kind} cannot be compressed: its frame is not the one of its kind")
        return again

    def to_bytes(self) -> bytes:
        out = Writer().u8(self.codec_kind.number)
        self.codec_kind.write_fields(self, out)
        return out.bytes()

    @classmethod
    def read(cls, data: bytes | memoryview, limits: Limits | None = None) -> Header:
        """Raises FormatError for anything that is not a header, or states more samples than the limits allow."""
        limits = limits or Limits()
        reader = Reader(data, "the header")
        header = CODEC_KINDS[name_of(reader.u8("the kind of signal"))].read_fields(reader)
        reader.end()
        limits.check("samples", header.n_samples * header.channels)
        return header


def _is_near(a: Frame, b: Frame) -> bool:
    def numbers(frame: Frame) -> tuple[float, ...]:
        return (*frame.offset, *frame.scale, frame.softening, *frame.domain.low, *frame.domain.high)

    return all(math.isclose(x, y, rel_tol=1e-6, abs_tol=1e-12) for x, y in zip(numbers(a), numbers(b), strict=True))
