"""What decoding returns: a signal with its header, and how it is written to a file. Imports neither torch nor numba."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from inr.codec.container.header import Header
from inr.codec.guards import only_format_errors
from inr.codec.kind import Values
from inr.core.errors import FormatError, UsageError, unknown_name
from inr.core.files import whole_file
from inr.signals.files.bands import Bands

if TYPE_CHECKING:
    from inr.fitting import Fit


class Decoded(ABC):
    """A decoded signal. symbols_sha256: the digest of the decoded symbols. profile: the name of the file's profile."""

    header: Header
    symbols_sha256: bytes
    profile: str = ""

    @abstractmethod
    def values(self) -> Values:
        """Values [*shape, C] in the signal's units, with the array axes that the signal's `write` expects."""

    def bands(self) -> Bands:
        """The values in bands, to be read once."""
        return Bands.of(self.values())

    def fit(self) -> Fit:
        """The field as a model. Raises UsageError if the profile does not code a field."""
        raise UsageError(
            f"profile {self.profile!r} does not code a field of coordinates, so the file holds no model",
            "decompress it to a picture, sound or array, and fit that",
        )

    def save(self, path: str | Path, crop: tuple[int, int, int, int] | None = None) -> tuple[str, ...]:
        """Write the signal in the format of the suffix, or the model (.safetensors). Returns notes.

        The file is written as a whole or not at all, and replaces an existing file. crop: as for `write`.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if suffix == ".safetensors" and crop is None:
            self.fit().save(path)
            return ()
        if suffix not in formats_of(self.header):
            raise unknown_name("format", suffix[1:], [known[1:] for known in formats_of(self.header)])
        with whole_file(path, force=True) as file:
            return write(self, file, suffix, crop)


class FieldDecoded(Decoded):
    """A decoded field; the values are its evaluation on the signal's lattice."""

    def __init__(self, header: Header, fit: Fit, symbols_sha256: bytes, profile: str) -> None:
        self.header, self._fit, self.symbols_sha256, self.profile = header, fit, symbols_sha256, profile

    def values(self) -> Values:
        return self._fit.render()[0]

    def bands(self) -> Bands:
        return self._fit.bands()[0]

    def fit(self) -> Fit:
        return self._fit


def formats_of(header: Header) -> tuple[str, ...]:
    """Suffixes that a decoded signal can be written with, the default first; models and meshes are not listed."""
    return header.codec_kind.formats()


def write(
    decoded: Decoded, file: BinaryIO, suffix: str, crop: tuple[int, int, int, int] | None = None
) -> tuple[str, ...]:
    """Write a decoded signal in the format of a suffix. Returns notes.

    crop: (x, y, width, height), the pixels of a picture to write; a large picture is then never whole in memory.
    Raises UsageError if the format cannot hold the signal, and for a crop that is not within a picture.
    """
    header = decoded.header
    if crop is not None:
        check_crop(header, crop)
    with only_format_errors():
        bands = decoded.bands()
    bands = Bands(bands.shape, _checked(bands))
    if crop is not None:
        x, y, width, height = crop
        bands = bands.window(slice(y, y + height), slice(x, x + width))
    return header.codec_kind.write_file(bands, header.meta, file, suffix)


def check_crop(header: Header, crop: tuple[int, int, int, int]) -> None:
    """Raise UsageError for a crop (x, y, width, height) that is not within a picture."""
    if not header.codec_kind.is_picture:
        raise UsageError(f"`crop` is given, but the file holds a signal of kind {header.kind!r}, not a picture")
    x, y, width, height = crop
    columns, rows = header.shape
    if not (0 <= x < x + width <= columns and 0 <= y < y + height <= rows):
        found = f"{x},{y},{width},{height}"
        raise UsageError(f"`crop` is {found}, expected x,y,width,height within the picture's {columns}x{rows} pixels")


def _checked(bands: Bands) -> Iterator[Values]:
    """The bands, unless the file decodes to values that are not finite. Raises FormatError."""
    coming = iter(bands)
    while True:
        with only_format_errors():
            band = next(coming, None)
            if band is not None and not np.isfinite(band).all():
                raise FormatError("the file decodes to values that are not finite")
        if band is None:
            return
        yield band
