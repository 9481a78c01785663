"""Large pictures put together from photographs: mirrored and turned, so that no part repeats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

SIZES: dict[str, tuple[int, int]] = {
    "0.1M": (256, 384),
    "0.4M": (512, 768),
    "1.6M": (1024, 1536),
    "6M": (2048, 3072),
    "12M": (3840, 3072),
    "24M": (3840, 6144),
}
"""Rows and columns of pictures of about so many pixels."""


def mosaic(folder: Path, size: str, first: int = 0) -> Picture:
    """A picture [rows, columns, 3] of one of `SIZES`, from the photographs of a folder, which are all of 768 x 512.

    first: which photograph stands at its upper left. The left 3072 columns are of upright photographs, the others of
    photographs turned by 90 degrees.
    """
    rows, columns = SIZES[size]
    photographs = [iio.imread(path) for path in sorted(folder.glob("*.png"))]
    photographs = [p if p.shape[0] < p.shape[1] else np.rot90(p) for p in photographs]
    photographs = photographs[first:] + photographs[:first]
    left = _filled(_mirrored(photographs), rows, min(columns, 3072))
    if columns <= 3072:
        return left
    right = _filled((np.rot90(p) for p in _mirrored(photographs)), rows, columns - 3072)
    return np.concatenate([left, right], 1)


def _mirrored(photographs: list[Picture]) -> Iterator[Picture]:
    """Each photograph as it is, mirrored left to right, upside down, and both."""
    for down, right in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        for photograph in photographs:
            yield photograph[::down, ::right]


def _filled(parts: Iterator[Picture], rows: int, columns: int) -> Picture:
    out = np.empty((rows, columns, 3), np.uint8)
    at = 0
    while at < rows:
        across, height = 0, 0
        while across < columns:
            part = next(parts)[: rows - at, : columns - across]
            height = part.shape[0]
            out[at : at + height, across : across + part.shape[1]] = part
            across += part.shape[1]
        at += height
    return out
