"""The target of rate control: the size or the quality that an encoder must reach."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from inr.core.errors import UsageError

if TYPE_CHECKING:
    from inr.codec.container.header import Header

DEFAULT_QUALITY = 50.0
MAX_PSNR_DB = 200
"""Beyond this PSNR float32 has no more precision."""

_SPARE_BYTES = 2**16
"""A file is never larger than 8 bytes per value plus this."""
_LARGEST_SHAPE_FILE = 2**26
"""The same limit for shapes and points, which have no values to count."""


@dataclasses.dataclass(frozen=True)
class RateTarget:
    """What the encoder is to reach. At most one field is given; without one the target is `quality=50`.

    target_psnr_db: at least this PSNR (sounds: SNR) of the decoded signal, in as few bytes as possible. bpp: at most
    this many bits per pixel, sample or element. size_bytes: at most this many bytes. quality: 0 to 100, on a scale
    that each profile defines. lambda_: the weight of the rate: the encoder minimises the mean squared error of values
    with peak 1, plus lambda times the bits per pixel.

    Profiles never get `bpp`: `compress` turns it into `size_bytes` and subtracts the bytes of the container, so
    `size_bytes` of a profile is for ARCH, table and data together.
    """

    target_psnr_db: float | None = None
    bpp: float | None = None
    size_bytes: int | None = None
    quality: float | None = None
    lambda_: float | None = None

    def __post_init__(self) -> None:
        given = {key: value for key, value in dataclasses.asdict(self).items() if value is not None}
        if len(given) > 1:
            names = " and ".join(f"`{name}`" for name in given)
            raise UsageError(f"{names} are given, expected one of them")
        if not given:
            object.__setattr__(self, "quality", DEFAULT_QUALITY)
        for key, value in given.items():
            if not math.isfinite(value) or (key != "quality" and value <= 0):
                raise UsageError(f"`{key}` is {value}, expected a number > 0")
        if self.target_psnr_db is not None and self.target_psnr_db >= MAX_PSNR_DB:
            raise UsageError(f"`target_psnr_db` is {self.target_psnr_db:g}, expected less than {MAX_PSNR_DB}")
        if self.quality is not None and not 0 <= self.quality <= 100:
            raise UsageError(f"`quality` is {self.quality:g}, expected 0 to 100")

    def file_bytes(self, header: Header) -> int | None:
        """The largest file that the target allows, if it is a size; capped at what any file of the signal can need."""
        size = self.size_bytes if self.bpp is None else self.bpp * header.n_samples / 8
        if size is None:
            return None
        cap = _SPARE_BYTES + 8 * header.n_samples * header.channels if header.is_lattice else _LARGEST_SHAPE_FILE
        return int(min(size, cap))
