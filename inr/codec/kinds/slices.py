"""Slices in compressed files."""

from __future__ import annotations

from typing import Any, ClassVar

from inr.codec.container.byte_fields import Reader, Writer
from inr.codec.container.header import Header
from inr.codec.kind import CODEC_KINDS
from inr.codec.kinds._distances import DistancesInFile


@CODEC_KINDS.register("slices")
class SlicesInFile(DistancesInFile):
    """The cube and the number of planes."""

    number: ClassVar[int] = 7
    stored: ClassVar[tuple[str, ...]] = ("side", "n_planes")

    @classmethod
    def write_rest(cls, header: Header, out: Writer) -> None:
        out.varint(header.meta["n_planes"])

    @classmethod
    def read_rest(cls, reader: Reader) -> dict[str, Any]:
        return {"n_planes": reader.varint("the number of planes", 1)}
