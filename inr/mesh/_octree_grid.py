"""The lattice for the level set search, and chunked, counted evaluation of a field."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inr.core.errors import UsageError

Ints = np.ndarray[Any, np.dtype[np.int64]]
Reals = np.ndarray[Any, np.dtype[np.float64]]
Singles = np.ndarray[Any, np.dtype[np.float32]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]

CORNERS: Ints = np.array(list(itertools.product((0, 1), repeat=3)), dtype=np.int64)
"""[8, 3]: offset of corner c inside its cell; c = 4 dx + 2 dy + dz."""

OnProgress = Callable[[str, int], None]
"""Called with the name of the stage and the number of points evaluated so far; the total is not known beforehand."""


@dataclasses.dataclass(frozen=True)
class OctreeGrid:
    """Points of the unit box at the multiples of h = 1/resolution, surrounded by one layer of outside points.

    Index i of an axis is position (i - 1) / resolution, for i from 1 to resolution + 1; every other index is a point
    beyond the box, which counts as outside the shape, so that a shape that meets the box is closed there.
    stride: lattice cells along a side of a coarse cell, a power of two; 64 coarse cells or fewer lie along an axis.
    """

    resolution: int
    stride: int

    @classmethod
    def of(cls, resolution: int) -> OctreeGrid:
        return cls(resolution, max(4, 1 << math.ceil(math.log2(max(1.0, resolution / 64)))))

    @property
    def spacing(self) -> float:
        return 1 / self.resolution

    @property
    def n_coarse(self) -> int:
        """Coarse cells along an axis."""
        return -(-(self.resolution + 2) // self.stride)

    @property
    def side(self) -> int:
        """Indices along an axis."""
        return self.n_coarse * self.stride + 1

    def position(self, index: Ints) -> Reals:
        """Unit-box coordinate of indices of one axis, of any shape; that of a point beyond is on the wall."""
        return np.clip(index - 1, 0, self.resolution) / self.resolution

    def beyond(self, index: Ints) -> Bools:
        """Whether indices of one axis, of any shape, lie beyond the box."""
        return (index < 1) | (index > self.resolution + 1)

    def any_beyond(self, points: Ints) -> Bools:
        """Whether lattice points [N, 3] lie beyond the box; faster than `beyond(points).any(axis=1)`."""
        x, y, z = self.beyond(points).T
        return np.asarray(x | y | z)

    def leaves(self, start: Ints) -> Bools:
        """Whether the lattice edge from this index of its axis to the next leaves the box."""
        return (start < 1) | (start > self.resolution)

    def key(self, index: Ints) -> Ints:
        """One number per point [..., 3] -> [...], in lexicographic order."""
        return (index[..., 0] * self.side + index[..., 1]) * self.side + index[..., 2]

    def index(self, key: Ints) -> Ints:
        """Inverse of `key`: [...] -> [..., 3]."""
        rest, k = np.divmod(key, self.side)
        i, j = np.divmod(rest, self.side)
        return np.stack([i, j, k], axis=-1)


def check_memory(lattice: OctreeGrid, expected: float, memory_bytes: int) -> None:
    """Raise UsageError if a mesh is expected to need more bytes, in proportion to resolution^2, than the cap."""
    check_cells(lattice.resolution, expected, memory_bytes)


def check_cells(resolution: int, expected: float, memory_bytes: int) -> None:
    """The same for a lattice of `resolution` cells along an axis."""
    if expected > memory_bytes:
        fits = int(resolution * math.sqrt(memory_bytes / expected))
        raise UsageError(
            f"a mesh of resolution {resolution} needs about {expected / 2**30:.1f} GiB of memory, more "
            f"than the cap of {memory_bytes / 2**30:.1f} GiB",
            f"use a resolution of {fits} or less",
        )


class PointEvaluator:
    """A field minus its level at points, in chunks; counts evaluations and keeps the range of values seen."""

    def __init__(
        self,
        values: Callable[[Tensor], Tensor],
        gradient: Callable[[Tensor], Tensor] | None,
        level: float,
        chunk: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._values, self._gradient = values, gradient
        self._level, self._chunk, self._on_progress = level, chunk, on_progress
        self.n_values = self.n_gradient = 0
        self.low, self.high = math.inf, -math.inf

    def another(self) -> PointEvaluator:
        """One of the same field for another thread, with its own counts and without progress; see `include`."""
        return PointEvaluator(self._values, self._gradient, self._level, self._chunk, None)

    def include(self, other: PointEvaluator) -> None:
        """Add the counts and the range of another evaluator."""
        self.n_values += other.n_values
        self.n_gradient += other.n_gradient
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)

    def __call__(self, points: Reals, stage: str) -> Singles:
        """f(x) - level at points [N, 3], float32 [N]."""
        with torch.no_grad():
            y = self._chunked(self._values, points, stage, 1)[:, 0]
        self.n_values += len(points)
        bad = ~np.isfinite(y)
        if bad.any():
            where = ", ".join(f"{c:.4g}" for c in points[int(bad.argmax())])
            raise UsageError(
                f"the field is not finite at {int(bad.sum())} of {len(points)} points, first at ({where})",
                "the fit may have diverged: check its history, and use a lower `fit.lr`",
            )
        if len(y):
            self.low, self.high = min(self.low, float(y.min())), max(self.high, float(y.max()))
        return y - np.float32(self._level)

    @property
    def has_gradient(self) -> bool:
        """Whether the derivatives of the field itself are known, rather than central differences."""
        return self._gradient is not None

    def gradient(self, points: Reals, step: float | Reals) -> Reals:
        """df/dx at points [N, 3], float64 [N, 3]; by central differences over +-step (a number or [N], one-sided at the
        walls of the box) if no gradient was given. A given gradient that is not finite counts as zero."""
        if self._gradient is not None:
            given = self._chunked(self._gradient, points, "normals", 3).astype(np.float64)
            self.n_gradient += len(points)
            return np.nan_to_num(given, nan=0.0, posinf=0.0, neginf=0.0)
        slope = np.empty_like(points)
        for axis in range(3):
            ahead, behind = points.copy(), points.copy()
            ahead[:, axis] = np.minimum(points[:, axis] + step, 1)
            behind[:, axis] = np.maximum(points[:, axis] - step, 0)
            rise = self(ahead, "normals").astype(np.float64) - self(behind, "normals")
            slope[:, axis] = rise / (ahead[:, axis] - behind[:, axis])
        return slope

    def _chunked(self, function: Callable[[Tensor], Tensor], points: Reals, stage: str, width: int) -> Singles:
        out = np.empty((len(points), width), dtype=np.float32)
        for start in range(0, len(points), self._chunk):
            x = torch.from_numpy(points[start : start + self._chunk].astype(np.float32))
            y = function(x).detach().to("cpu", torch.float32)
            if y.numel() != len(x) * width:
                raise UsageError(
                    f"the field gave a tensor of shape {list(y.shape)} for {len(x)} points, expected "
                    f"[{len(x)}, {width}]",
                    "a mesh is extracted from one signed value per point of a three-dimensional field",
                )
            out[start : start + len(x)] = y.reshape(len(x), width).numpy()
            if self._on_progress is not None:
                self._on_progress(stage, self.n_values + self.n_gradient + start + len(x))
        return out
