"""A picture from its differences, or from its Laplacian.  Sitzmann et al. 2020, section 4.1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.core.errors import UnreadableError, UsageError
from inr.signals import Source
from inr.signals.files.npy import read_npy
from inr.signals.files.reading import decoding, read_bytes
from inr.solving.pictures.stencils import Stencils, curl, differences
from inr.solving.pictures.tasks._base import MOST_PIXELS, TASKS, Inputs, PictureTask, Posed, Raster, with_alpha

Array = NDArray[Any]
FLOATS = {"dtype": "float32", "icc": None}


@TASKS.register("gradients")
@dataclass(frozen=True, kw_only=True)
class Gradients(PictureTask):
    """min sum over edges |f(q) - f(p) - v|^2.

    v are the differences of a picture, whose mean is kept; or an array .npy [H, W, 2] or [H, W, C, 2] of differences
    to the right and downwards (the last column and row of each has no meaning). The mean is then 0.
    """

    def pose(self, inputs: Inputs) -> Posed:
        source = inputs.sources[0]
        if source.suffix != ".npy":
            picture = Raster.load(source)
            mean = picture.values.mean((0, 1))
            guess = np.broadcast_to(mean, picture.values.shape)
            stencils = Stencils.of_edges(*differences(picture.values), guess, mean=mean)
            return Posed(stencils, picture.meta, with_alpha(picture), picture.notes)
        array = _array(source)
        if array.ndim not in (3, 4) or array.shape[-1] != 2 or (array.ndim == 4 and not 1 <= array.shape[2] <= 4):
            raise UsageError(f"{source.name!r} has shape {array.shape}, expected [H, W, 2] or [H, W, C, 2]")
        height, width = array.shape[:2]
        both = array.reshape(height, width, -1, 2)
        right, down = both[:, :-1, :, 0], both[:-1, :, :, 1]
        guess = np.zeros((height, width, both.shape[2]))
        stencils = Stencils.of_edges(right, down, guess, mean=np.zeros(both.shape[2]))
        part = curl(right, down)
        note = f"{100 * part:.2g} % of the differences belong to no picture (their curl); that part is left out"
        meta = {**FLOATS, "channels": both.shape[2]}
        return Posed(stencils, meta, notes=(note,) if part > 1e-6 else (), unit="units")


@TASKS.register("laplacian")
@dataclass(frozen=True, kw_only=True)
class Laplacian(PictureTask):
    """sum over the neighbours q of f(q) - f(p) = l at every pixel p.

    l is that of a picture, whose pixels at the border are kept; or an array .npy [H, W] or [H, W, C], with mean 0 and
    no neighbours outside. Without known values at the border, harmonic functions would be free.

    It is posed by edges (`flux`): min sum |f(q) - f(p) - v|^2 is where the sums of f(q) - f(p) around pixels are those
    of v, and v is any flux that has l as its sums. In that form its condition number is the square root of that of the
    sums' squares, so that a field finds it too."""

    def pose(self, inputs: Inputs) -> Posed:
        source = inputs.sources[0]
        if source.suffix != ".npy":
            picture = Raster.load(source)
            height, width, _ = picture.values.shape
            if min(height, width) < 3:
                raise UsageError(f"{picture.name!r} is {picture.size} pixels, expected at least 3x3 for a Laplacian")
            fixed = np.ones((height, width), np.bool_)
            fixed[1:-1, 1:-1] = False
            inside = np.where(fixed[..., None], picture.values, picture.values[fixed].mean(0))
            stencils = Stencils.of_edges(*flux(laplacian(picture.values)), inside, fixed)
            return Posed(stencils, picture.meta, with_alpha(picture), picture.notes)
        array = _array(source)
        wanted = array[..., None] if array.ndim == 2 else array
        if wanted.ndim != 3 or not 1 <= wanted.shape[2] <= 4:
            raise UsageError(f"{source.name!r} has shape {array.shape}, expected [H, W] or [H, W, C]")
        size, total = np.abs(wanted).mean((0, 1)), wanted.mean((0, 1))
        if (np.abs(total) > 0.01 * size).any():
            raise UsageError(
                f"the Laplacian in {source.name!r} has mean {float(np.abs(total).max()):.3g}, expected 0: without flow "
                "through the border sources and sinks must balance",
                "subtract its mean",
            )
        right, down = flux(wanted - total)
        stencils = Stencils.of_edges(right, down, np.zeros_like(wanted), mean=np.zeros(wanted.shape[2]))
        meta = {**FLOATS, "channels": wanted.shape[2]}
        return Posed(stencils, meta, unit="units")


def laplacian(values: Array) -> Array:
    """sum of f(q) - f(p) over the neighbours q that exist, [H, W, C]."""
    found = np.zeros_like(values)
    right, down = differences(values)
    found[:, :-1] += right
    found[:, 1:] -= right
    found[:-1] += down
    found[1:] -= down
    return found


def flux(wanted: Array) -> tuple[Array, Array]:
    """Differences to the right [H, W-1, C] and downwards [H-1, W, C] whose sums around pixels are `wanted` [H, W, C].

    `wanted` sums to 0. Blocks of 1, 2, 4 ... pixels are balanced with their neighbours along rows and columns in turn,
    so that no flow goes further than it must; along a whole row at once, the part of the flow that belongs to no
    picture would be many times larger.
    """
    flows = [np.zeros_like(wanted), np.zeros_like(wanted)]
    left, size = wanted, 1
    while size < max(wanted.shape[:2]):
        size *= 2
        for flow, axis in zip(flows, (1, 0), strict=True):
            starts = np.arange(0, wanted.shape[axis], size)
            counts = np.diff(np.append(starts, wanted.shape[axis]))
            shape = [1, 1, 1]
            shape[axis] = -1
            means = np.add.reduceat(left, starts, axis) / counts.reshape(shape)
            balanced = np.repeat(means, counts, axis)
            flow += np.cumsum(left - balanced, axis)
            left = balanced
    return flows[0][:, :-1], flows[1][:-1]


def _array(source: Source) -> Array:
    with decoding(source, "an array"):
        array = np.asarray(read_npy(read_bytes(source)), np.float64)
    if not np.isfinite(array).all():
        raise UnreadableError(f"{source.name!r} has NaN or infinite values")
    if array.size == 0 or array.size > 8 * MOST_PIXELS:
        raise UnreadableError(f"{source.name!r} has {array.size} values, expected 1 to {8 * MOST_PIXELS}")
    return array
