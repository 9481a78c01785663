"""The multiresolution hash grid in Triton: the three sums of `_derivatives`.

A program handles a block of points with all corners of their cells at once, [B, 2^D]. Values and slopes have one order
of summation. Many points add to each row of the table's gradient: by atomic additions, whose order is random, or, if
torch requires deterministic algorithms, in 64-bit integers, whose sums do not depend on the order. The unit of the
integers is a power of two that the largest cotangent leaves room for, so they are as exact as floating-point sums; a
cotangent that is not finite then makes the whole gradient one that is not a number.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inr.kernels._cuda.launch import block, power_of_two, start
from inr.kernels.grid_geometry import PRIMES, GridGeometry, Interpolation
from inr.kernels.hash_grid import reference
from inr.kernels.hash_grid._derivatives import differentiable

VALUES_PER_PROGRAM = 2048  # numbers of the table that a program holds: points times corners times features


@triton.jit
def _corners(
    x: tl.tensor,
    v: tl.tensor,
    point: tl.tensor,
    is_point: tl.tensor,
    corner: tl.tensor,
    axis: tl.tensor,
    scale: tl.tensor,
    levels: tl.tensor,
    level: tl.tensor,
    D: tl.constexpr,
    SMOOTH: tl.constexpr,
    DIRECTED: tl.constexpr,
) -> tl.tensor:
    """Rows [B, M] of the table at the corners of the cells, and weights [B, M, K]; `levels`: see `_arrays`.

    axis: [K], along which the weights are differentiated, -1 for themselves. If DIRECTED, their derivatives along v:
    the product over the axes is carried along with its derivative.
    """
    of_level = levels + level * (D + 3)
    size = tl.load(of_level + 1).to(tl.uint32)
    is_dense = tl.load(of_level + 2) != 0
    at = (point[:, None] * 0 + corner[None, :] * 0).to(tl.uint32)
    weight = (point[:, None, None] * 0 + corner[None, :, None] * 0 + axis[None, None, :] * 0 + 1).to(x.dtype.element_ty)
    change = weight * 0
    for d in tl.static_range(D):
        step = tl.load(scale + level * D + d)
        given = tl.load(x + point * D + d, mask=is_point, other=0)
        bounded = tl.where(given < 0, 0, given)
        bounded = tl.where(bounded > 1, 1, bounded)
        position = bounded * step + 0.5
        # A coordinate that is not a number is in cell 0 with a fraction that is not a number.
        cell = tl.where(position >= 0, position, 0).to(tl.int32)
        t = position - cell.to(given.dtype)
        along = tl.where((given >= 0) & (given <= 1), step, 0)
        is_far = ((corner >> d) & 1) == 1

        vertex = cell.to(tl.uint32)[:, None] + is_far.to(tl.uint32)[None, :]
        index = vertex * tl.load(of_level + 3 + d).to(tl.uint32)
        at = tl.where(is_dense, at + index, at ^ index)

        value, slope = t, along
        if SMOOTH:
            value, slope = t * t * (3 - 2 * t), 6 * t * (1 - t) * along
        factor = tl.where(is_far[None, :], value[:, None], 1 - value[:, None])[:, :, None]
        bend = tl.where(is_far[None, :], slope[:, None], -slope[:, None])[:, :, None]
        is_axis = (axis == d)[None, None, :]
        if DIRECTED:
            curvature = along * 0
            if SMOOTH:
                curvature = (6 - 12 * t) * along * along
            curve = tl.where(is_far[None, :], curvature[:, None], -curvature[:, None])[:, :, None]
            towards = tl.load(v + point * D + d, mask=is_point, other=0)[:, None, None]
            change = change * tl.where(is_axis, bend, factor) + weight * tl.where(is_axis, curve, bend) * towards
        weight = weight * tl.where(is_axis, bend, factor)
    if DIRECTED:
        weight = change
    wrapped = tl.where(at < size, at, at - size)
    return tl.load(of_level) + tl.where(is_dense, wrapped, at & (size - 1)).to(tl.int64), weight


@triton.jit
def _program(
    x: tl.tensor,
    v: tl.tensor,
    scale: tl.tensor,
    levels: tl.tensor,
    n: tl.tensor,
    by_point: tl.tensor,
    by_feature: tl.tensor,
    D: tl.constexpr,
    M: tl.constexpr,
    F: tl.constexpr,
    FP: tl.constexpr,
    SMOOTH: tl.constexpr,
    DIRECTED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> tl.tensor:
    """Of the program's points and level: entries of the table [B, M, FP], weights [B, M, 1], places of the features
    [B, FP], and which of them there are."""
    point = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    level = tl.program_id(1)
    is_point, corner, feature = point < n, tl.arange(0, M), tl.arange(0, FP)
    no_axis = tl.arange(0, 1) - 1
    row, weight = _corners(x, v, point, is_point, corner, no_axis, scale, levels, level, D, SMOOTH, DIRECTED)
    entry = row[:, :, None] * F + feature[None, None, :]
    at = point[:, None] * by_point + (level * F + feature).to(tl.int64)[None, :] * by_feature
    return entry, weight, at, is_point[:, None] & (feature < F)[None, :]


@triton.jit
def interpolate(
    x: tl.tensor,
    v: tl.tensor,
    table: tl.tensor,
    scale: tl.tensor,
    levels: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    by_point: tl.tensor,
    by_feature: tl.tensor,
    D: tl.constexpr,
    M: tl.constexpr,
    F: tl.constexpr,
    FP: tl.constexpr,
    SMOOTH: tl.constexpr,
    DIRECTED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """out[n, (l, f)] = sum_m W_m table[i_m, f]; a program per block of points and level."""
    entry, weight, at, is_value = _program(
        x, v, scale, levels, n, by_point, by_feature, D, M, F, FP, SMOOTH, DIRECTED, BLOCK
    )
    values = tl.load(table + entry, mask=is_value[:, None, :], other=0)
    tl.store(out + at, tl.sum(values * weight, axis=1), mask=is_value)


@triton.jit
def scatter(
    x: tl.tensor,
    v: tl.tensor,
    g: tl.tensor,
    unit: tl.tensor,
    scale: tl.tensor,
    levels: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    by_point: tl.tensor,
    by_feature: tl.tensor,
    D: tl.constexpr,
    M: tl.constexpr,
    F: tl.constexpr,
    FP: tl.constexpr,
    SMOOTH: tl.constexpr,
    DIRECTED: tl.constexpr,
    WHOLE: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """out[i_m, f] += W_m g[n, (l, f)]; in whole numbers of 1 / unit if WHOLE."""
    entry, weight, at, is_value = _program(
        x, v, scale, levels, n, by_point, by_feature, D, M, F, FP, SMOOTH, DIRECTED, BLOCK
    )
    cotangent = tl.load(g + at, mask=is_value, other=0)
    terms = weight * cotangent[:, None, :]
    if WHOLE:
        terms = (terms.to(tl.float64) * tl.load(unit)).to(tl.int64)
    mask = is_value[:, None, :] & (tl.arange(0, M) < M)[None, :, None]
    tl.atomic_add(out + entry, terms, mask=mask, sem="relaxed")


@triton.jit
def slope(
    x: tl.tensor,
    v: tl.tensor,
    table: tl.tensor,
    g: tl.tensor,
    scale: tl.tensor,
    levels: tl.tensor,
    out: tl.tensor,
    n: tl.tensor,
    by_point: tl.tensor,
    by_feature: tl.tensor,
    L: tl.constexpr,
    D: tl.constexpr,
    DP: tl.constexpr,
    M: tl.constexpr,
    F: tl.constexpr,
    FP: tl.constexpr,
    SMOOTH: tl.constexpr,
    DIRECTED: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """out[n, e] = sum over levels and corners of dW_m/dx_e <table[i_m], g[n, l]>; a program per block of points."""
    point = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    is_point, corner, feature, axis = point < n, tl.arange(0, M), tl.arange(0, FP), tl.arange(0, DP)
    is_value = is_point[:, None] & (feature < F)[None, :]
    total = (point[:, None] * 0 + axis[None, :] * 0).to(x.dtype.element_ty)
    for level in range(L):
        row, change = _corners(x, v, point, is_point, corner, axis, scale, levels, level, D, SMOOTH, DIRECTED)
        values = tl.load(table + row[:, :, None] * F + feature[None, None, :], mask=is_value[:, None, :], other=0)
        at = (level * F + feature).to(tl.int64)
        cotangent = tl.load(g + point[:, None] * by_point + at[None, :] * by_feature, mask=is_value, other=0)
        dot = tl.sum(values * cotangent[:, None, :], axis=2)
        total += tl.sum(change * dot[:, :, None], axis=1)
    tl.store(out + point[:, None] * D + axis[None, :], total, mask=is_point[:, None] & (axis < D)[None, :])


@lru_cache(maxsize=64)
def _arrays(geometry: GridGeometry, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """scale [L, D]; and per level its offset, entries, is_dense and the D factors of a vertex in its index."""
    rows = [
        (offset, entries, int(is_dense), *(stride if is_dense else PRIMES[: geometry.d_in]))
        for offset, entries, is_dense, stride in zip(
            geometry.offset, geometry.entries, geometry.is_dense, geometry.stride, strict=True
        )
    ]
    return torch.tensor(geometry.scale, dtype=dtype, device=device), torch.tensor(rows, device=device)


class _Grid:
    """The three sums as functions on tensors, for one geometry and interpolation."""

    def __init__(self, geometry: GridGeometry, interpolation: Interpolation) -> None:
        self.geometry = geometry
        self.interpolation = interpolation

    def interpolate(self, x: Tensor, v: Tensor | None, table: Tensor) -> Tensor:
        out = self._by_features(x, table.shape[1])
        self._start(interpolate, x, v, (table.contiguous(),), out, strided=out, n_features=table.shape[1])
        return out

    def scatter(self, x: Tensor, v: Tensor | None, g: Tensor) -> Tensor:
        n_features = g.shape[1] // self.geometry.n_levels
        is_whole = torch.are_deterministic_algorithms_enabled()
        unit = self._unit(x, v, g) if is_whole else g
        dtype = torch.int64 if is_whole else x.dtype
        out = torch.zeros((self.geometry.total_entries, n_features), dtype=dtype, device=x.device)
        self._start(scatter, x, v, (g, unit), out, strided=g, n_features=n_features, WHOLE=is_whole)
        return (out.double() / unit).to(x.dtype) if is_whole else out

    def slope(self, x: Tensor, v: Tensor | None, table: Tensor, g: Tensor) -> Tensor:
        out = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        inputs, axes = (table.contiguous(), g), power_of_two(self.geometry.d_in)
        self._start(slope, x, v, inputs, out, strided=g, n_features=table.shape[1], L=self.geometry.n_levels, DP=axes)
        return out

    def _by_features(self, x: Tensor, n_features: int) -> Tensor:
        """Room for the features [N, L F], those of one level and kind next to each other for all points."""
        return torch.empty((self.geometry.n_levels * n_features, len(x)), dtype=x.dtype, device=x.device).t()

    def _unit(self, x: Tensor, v: Tensor | None, g: Tensor) -> Tensor:
        """Whole numbers per 1, a power of two: so many that a sum of all terms stays below 2^62."""
        if g.numel() == 0:
            return torch.ones((), dtype=torch.float64, device=g.device)
        largest = g.abs().amax().double()
        if v is not None:
            steepest = 1.5 * max(max(level) for level in self.geometry.scale)
            largest = largest * v.abs().amax() * (steepest * self.geometry.d_in)
        bits = torch.log2(largest * (len(x) << self.geometry.d_in)).ceil().clamp_min(-900)
        return torch.exp2(62 - bits)

    def _start(
        self,
        kernel: Any,
        x: Tensor,
        v: Tensor | None,
        inputs: tuple[Tensor, ...],
        out: Tensor,
        *,
        strided: Tensor,
        n_features: int,
        **constants: Any,
    ) -> None:
        d_in, n_levels = self.geometry.d_in, self.geometry.n_levels
        corners, features = 1 << d_in, power_of_two(n_features)
        rows = block(max(16, VALUES_PER_PROGRAM // (corners * features)))
        programs = -(-len(x) // rows), 1 if kernel is slope else n_levels
        x = x.contiguous()
        directions = x if v is None else v.contiguous()
        start(
            kernel, programs, x, x, directions, *inputs, *_arrays(self.geometry, x.dtype, x.device), out,
            len(x), *strided.stride(), D=d_in, M=corners, F=n_features, FP=features,
            SMOOTH=self.interpolation == "smoothstep", DIRECTED=v is not None, BLOCK=rows, **constants,
        )  # fmt: skip


def hash_grid(x: Tensor, table: Tensor, geometry: GridGeometry, interpolation: Interpolation) -> Tensor:
    """See `inr.kernels.hash_grid.hash_grid`. Types that differ take the reference: the kernels have one type."""
    if x.dtype != table.dtype:
        return reference.hash_grid(x, table, geometry, interpolation)
    return differentiable(x, table, _Grid(geometry, interpolation))
