"""Open surfaces in compressed files."""

from __future__ import annotations

from typing import Any, ClassVar

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.kind import CODEC_KINDS
from inr.codec.kinds._distances import DistancesInFile
from inr.codec.kinds._fields import SMALLEST


@CODEC_KINDS.register("unsigned")
class UnsignedInFile(DistancesInFile):
    """The cube and the softening of the values."""

    number: ClassVar[int] = 6
    stored: ClassVar[tuple[str, ...]] = ("side", "softening")
    profiles: ClassVar[tuple[str, ...]] = ("weights", "grids")

    @classmethod
    def write_rest(cls, header: Header, out: Writer) -> None:
        out.f64(header.meta["softening"])

    @classmethod
    def read_rest(cls, reader: Reader) -> dict[str, Any]:
        return {"softening": reader.f64("the softening", SMALLEST, 1.0)}
