"""What shapes and point clouds share in compressed files: a cube, and distances in lengths of its side."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.kind import CODEC_KINDS, CodecKind
from inr.codec.kinds._fields import LARGEST, SMALLEST
from inr.core.errors import FormatError


class DistancesInFile(CodecKind):
    """Corner and side of the cube, then what a subclass adds."""

    unit: ClassVar[str] = "mesh units"

    @classmethod
    def write_fields(cls, header: Header, out: Writer) -> None:
        for value in (*header.low, header.scale[0]):
            out.f64(value)
        cls.write_rest(header, out)

    @classmethod
    def read_fields(cls, reader: Reader) -> Header:
        low = tuple(reader.f64("a corner", -LARGEST, LARGEST) for _ in range(3))
        side = reader.f64("the side", SMALLEST, LARGEST)
        if any(a + side <= a for a in low):
            raise FormatError("the header's box has no size")
        meta = {"side": side, **cls.read_rest(reader)}
        return Header(CODEC_KINDS.name_of(cls), (), 1, (0.0,), (side,), low, (side,) * 3, meta)

    @classmethod
    @abstractmethod
    def write_rest(cls, header: Header, out: Writer) -> None:
        """Write what follows the cube."""

    @classmethod
    @abstractmethod
    def read_rest(cls, reader: Reader) -> dict[str, Any]:
        """The metadata that follows the cube."""
