"""The codec's description of a kind of signal: its header fields, its files, and the profiles that suit it.

Each kind has one file in `inr/codec/kinds/`, registered under the name of the signal kind. Imports neither torch
nor numba.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import numpy as np

from inr.core.errors import FormatError
from inr.core.registry import Registry

if TYPE_CHECKING:
    from inr.codec.container.byte_fields import Reader, Writer
    from inr.codec.container.header import Header
    from inr.signals.files.bands import Bands

CODEC_KINDS: Registry[type[CodecKind]] = Registry("kind of signal in a compressed file", "inr.codec.kinds")

Values = np.ndarray[Any, np.dtype[np.float32]]


@dataclasses.dataclass(frozen=True)
class Chunks:
    """Optional chunks of a file. icc: a colour profile. document: JSON. notes: what they cannot hold."""

    icc: bytes | None = None
    document: bytes | None = None
    notes: tuple[str, ...] = ()


class CodecKind(ABC):
    """How signals of one kind are stored in a compressed file.

    number: of the kind in files; never changed, never reused. stored: keys of the metadata that the header holds.
    axes, unit: of the domain. is_transposed: coordinates run in the reverse order of the array axes. profiles: those
    to try, the default first. bits_at_0: bits per sample at quality 0. rate_unit: of bits per sample, in messages.
    is_picture: whether the array axes are rows and columns of pixels, of which `write` can take a part. has_frames:
    whether they are frames of rows and columns.
    has_small_files: for a quality, a file is at most as large as an uncompressed file of the values. needs_torch: to
    write files.
    """

    number: ClassVar[int]
    stored: ClassVar[tuple[str, ...]]
    axes: ClassVar[tuple[str, ...]] = ("x", "y", "z")
    unit: ClassVar[str]
    is_transposed: ClassVar[bool] = False
    profiles: ClassVar[tuple[str, ...]] = ("grids", "weights")
    bits_at_0: ClassVar[float] = 0.05
    rate_unit: ClassVar[str] = "bits/sample"
    is_picture: ClassVar[bool] = False
    has_frames: ClassVar[bool] = False
    has_small_files: ClassVar[bool] = False
    needs_torch: ClassVar[bool] = True

    @classmethod
    @abstractmethod
    def write_fields(cls, header: Header, out: Writer) -> None:
        """Write the header's fields, which follow the number of the kind."""

    @classmethod
    @abstractmethod
    def read_fields(cls, reader: Reader) -> Header:
        """Read what `write_fields` wrote. Raises FormatError for values that no signal of this kind has."""

    @classmethod
    def metadata(cls, meta: Mapping[str, Any]) -> dict[str, Any]:
        """The part of a signal's metadata that the header holds."""
        return {key: meta[key] for key in cls.stored if key in meta}

    @classmethod
    def plain_bytes(cls, header: Header) -> int | None:
        """Bytes of an uncompressed file with the same values. None: the kind has no uncompressed file format."""
        return None

    @classmethod
    def lossless_suffix(cls, header: Header) -> str:
        """The format in which a decoded signal is measured: of its values, or by default of its field."""
        return ".safetensors"

    @classmethod
    def chunks(cls, meta: Mapping[str, Any]) -> Chunks:
        """The part of a signal's metadata that a file holds outside the header."""
        return Chunks()

    @classmethod
    def with_chunks(cls, meta: Mapping[str, Any], icc: bytes | None, document: bytes | None) -> Mapping[str, Any]:
        """The header's metadata with that of the optional chunks."""
        return meta

    @classmethod
    def formats(cls) -> tuple[str, ...]:
        """Suffixes that a decoded signal can be written as, the default first."""
        from inr.signals import SIGNALS

        return SIGNALS[CODEC_KINDS.name_of(cls)].formats

    @classmethod
    def import_writer(cls, suffix: str) -> None:
        """Import what `write_file` needs for a suffix, while symbols are decoded. Most kinds need nothing."""
        return

    @classmethod
    def write_file(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """Write decoded values [*array_shape, C] in the format of a suffix; returns notes."""
        from inr.signals import SIGNALS

        return SIGNALS[CODEC_KINDS.name_of(cls)].write_bands(bands, meta, file, suffix)


def name_of(number: int) -> str:
    """The kind that has this number in files. Raises FormatError for an unknown one."""
    for name in CODEC_KINDS:
        if CODEC_KINDS[name].number == number:
            return name
    raise FormatError(f"the kind of signal of the header is {number}, which this version does not know")
