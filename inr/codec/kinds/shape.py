"""Shapes in compressed files."""

from __future__ import annotations

from typing import Any, ClassVar

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.kind import CODEC_KINDS
from inr.codec.kinds._distances import DistancesInFile

SIGNS = ("auto", "pseudonormal", "winding", "formula")


@CODEC_KINDS.register("shape")
class ShapeInFile(DistancesInFile):
    """The cube and the method by which signs were found."""

    number: ClassVar[int] = 2
    stored: ClassVar[tuple[str, ...]] = ("side", "sign")
    profiles: ClassVar[tuple[str, ...]] = ("weights", "grids")

    @classmethod
    def write_rest(cls, header: Header, out: Writer) -> None:
        out.u8(SIGNS.index(header.meta.get("sign", "auto")))

    @classmethod
    def read_rest(cls, reader: Reader) -> dict[str, Any]:
        return {"sign": SIGNS[reader.u8("the sign method", 0, len(SIGNS) - 1)]}
