"""The shape of a multiresolution grid: scale, resolution and place in the table of every level.

Same arithmetic as tiny-cuda-nn (`grid.h`, `common_device.h`), in float32, with one resolution per axis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

import numpy as np

from inr.core.errors import ConfigError

Interpolation = Literal["linear", "smoothstep"]

PRIMES = (1, 2654435761, 805459861, 3674653429)
MAX_LEVELS = 128
MAX_LOG2_TABLE_SIZE = 30
MAX_VERTICES = 2**30
"""Along an axis."""

_OFF = 0.02
"""Largest distance between a sample and its vertex, in cells: places are rounded to float32."""

_EXACT = 2**23
"""Vertices from which scales are computed in float64. Below, they are in float32, as in tiny-cuda-nn."""


@dataclass(frozen=True)
class GridGeometry:
    """L levels over D axes; `scale`, `resolution` and `stride` are [L][D], the others [L].

    scale: a coordinate x lies at scale * x + 1/2 vertices along its axis; every value is exact in float32.
    resolution: vertices per axis.
    entries: rows of the table that belong to the level.
    offset: first of these rows.
    is_dense: each vertex has its own row; otherwise vertices share rows by hashing.
    """

    scale: tuple[tuple[float, ...], ...]
    resolution: tuple[tuple[int, ...], ...]
    entries: tuple[int, ...]
    offset: tuple[int, ...]
    is_dense: tuple[bool, ...]

    @property
    def n_levels(self) -> int:
        return len(self.scale)

    @property
    def d_in(self) -> int:
        return len(self.scale[0])

    @property
    def total_entries(self) -> int:
        """Rows of the table."""
        return self.offset[-1] + self.entries[-1]

    def has_vertex_per_sample(self, shape: Sequence[int]) -> bool:
        """Whether the finest level is dense and has a vertex on every sample of a lattice, `shape` samples per axis."""
        return self.is_dense[-1] and all(
            abs(scale - n) < _OFF and resolution > n
            for scale, resolution, n in zip(self.scale[-1], self.resolution[-1], shape, strict=True)
        )

    def is_no_finer(self, shape: Sequence[int]) -> bool:
        """Whether the finest level is dense and has at most one cell per sample of a lattice along every axis."""
        return self.is_dense[-1] and all(s < n + _OFF for s, n in zip(self.scale[-1], shape, strict=True))

    @property
    def stride(self) -> tuple[tuple[int, ...], ...]:
        """Steps between neighbouring vertices of a dense level, the first axis fastest; zeros for a hashed level."""
        return tuple(
            tuple(accumulate(resolution[:-1], int.__mul__, initial=1)) if is_dense else (0,) * self.d_in
            for resolution, is_dense in zip(self.resolution, self.is_dense, strict=True)
        )


def grid_geometry(
    d_in: int,
    n_levels: int,
    log2_table_size: int,
    base_resolution: Sequence[int],
    finest_resolution: Sequence[int],
    inset: float = 0.0,
) -> GridGeometry:
    """Levels that grow from `base_resolution` to `finest_resolution` vertices, one of each per axis.

    Axis d grows by b_d = (finest_d / base_d)^(1 / (L - 1)) per level. Rounding in float32 may give the last level one
    vertex more than requested, as in tiny-cuda-nn. With one level the base resolution is used.

    inset: cells by which the levels are smaller than their vertices allow. With 0, as in tiny-cuda-nn, coordinates
    near 1 lie past the last vertex of an axis, and read the place of the table after it, which is another vertex's.
    With 1/2 they do not.

    Raises ConfigError with every setting that is out of range.
    """
    problems = [
        f"{name} has {len(values)} values for {d_in} axes"
        for name, values in (("base_resolution", base_resolution), ("finest_resolution", finest_resolution))
        if len(values) != d_in
    ]
    problems += [
        f"finest_resolution {finest} is below base_resolution {base}"
        for base, finest in zip(base_resolution, finest_resolution, strict=False)
        if finest < base
    ]
    problems += _problems(d_in, n_levels, log2_table_size, base_resolution)
    if problems:
        raise ConfigError(problems)
    steps = max(n_levels - 1, 1)
    growth = [
        math.exp(math.log((finest - inset) / (base - inset)) / steps)
        for base, finest in zip(base_resolution, finest_resolution, strict=True)
    ]
    return _build(n_levels, log2_table_size, [base - inset for base in base_resolution], growth)


def from_scale(
    d_in: int,
    n_levels: int,
    log2_table_size: int,
    base_resolution: int,
    per_level_scale: float,
) -> GridGeometry:
    """The grid of tiny-cuda-nn with this `per_level_scale`, the same along all axes.

    Raises ConfigError with every setting that is out of range.
    """
    problems = _problems(d_in, n_levels, log2_table_size, [base_resolution])
    if not (math.isfinite(per_level_scale) and per_level_scale >= 1):
        problems.append(f"per_level_scale {per_level_scale} is not a number of 1 or more")
    if problems:
        raise ConfigError(problems)
    return _build(n_levels, log2_table_size, [base_resolution] * d_in, [per_level_scale] * d_in)


def _problems(d_in: int, n_levels: int, log2_table_size: int, base_resolution: Sequence[int]) -> list[str]:
    problems = []
    if not 1 <= d_in <= len(PRIMES):
        problems.append(f"d_in {d_in} is not in 1..{len(PRIMES)}")
    if not 1 <= n_levels <= MAX_LEVELS:
        problems.append(f"n_levels {n_levels} is not in 1..{MAX_LEVELS}")
    if not 1 <= log2_table_size <= MAX_LOG2_TABLE_SIZE:
        problems.append(f"log2_table_size {log2_table_size} is not in 1..{MAX_LOG2_TABLE_SIZE}")
    # From two vertices on, an index past the end of a dense level comes back inside it by one subtraction.
    problems += [f"base_resolution {base} is below 2" for base in base_resolution if base < 2]
    return problems


def _build(
    n_levels: int, log2_table_size: int, base_resolution: Sequence[float], growth: Sequence[float]
) -> GridGeometry:
    real = np.float32 if max(base_resolution) < _EXACT else np.float64
    one = real(1)
    with np.errstate(over="ignore"):
        log2_growth = np.log2(np.asarray(growth, dtype=real))
        base = np.asarray(base_resolution, dtype=real)
        scale = [np.exp2(real(level) * log2_growth) * base - one for level in range(n_levels)]
    if not max(map(np.max, scale)) < MAX_VERTICES:
        raise ConfigError(["the finest level is too fine, expected fewer than 2^30 vertices along an axis"])
    resolution = [tuple(int(r) + 1 for r in np.ceil(s)) for s in scale]
    vertices = [math.prod(r) for r in resolution]
    entries = [min(-(-v // 8) * 8, 2**log2_table_size) for v in vertices]
    return GridGeometry(
        scale=tuple(tuple(float(s) for s in level) for level in scale),
        resolution=tuple(resolution),
        entries=tuple(entries),
        offset=tuple(accumulate(entries[:-1], initial=0)),
        is_dense=tuple(e >= v for e, v in zip(entries, vertices, strict=True)),
    )
