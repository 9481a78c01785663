"""Point clouds in compressed files."""

from __future__ import annotations

from typing import Any, ClassVar

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.kind import CODEC_KINDS
from inr.codec.kinds._distances import DistancesInFile


@CODEC_KINDS.register("points")
class PointsInFile(DistancesInFile):
    """The cube and the number of points."""

    number: ClassVar[int] = 3
    stored: ClassVar[tuple[str, ...]] = ("side", "n_points")

    @classmethod
    def write_rest(cls, header: Header, out: Writer) -> None:
        out.varint(header.meta["n_points"])

    @classmethod
    def read_rest(cls, reader: Reader) -> dict[str, Any]:
        return {"n_points": reader.varint("the number of points", 1)}
