"""Gradient-domain problems on a lattice of pixels: linear equations of few pixels each, in the least-squares sense.

Minimise E = sum_r w_r |sum_k a_rk f(p_rk) - b_r|^2 over the free pixels. An edge (p, q) between neighbours with a
wanted difference v is a = (-1, 1), b = v; its normal equations are Poisson's. A known value is one pixel with a = 1.
Equations of known pixels only are left out; an edge that leaves the picture does not exist, which is Neumann's
condition."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Stencils:
    """Equations of pixels of a picture of H rows and W columns with C channels.

    nodes: flat pixel numbers [R, K], int64. factors: [R, K]; 0 where an equation has fewer than K pixels.
    wanted: [R, C]. weight: [R]. fixed: [H, W], where the value is known. values: [H, W, C], known or a first guess.
    mean: [C], of the solution, where equations determine it up to a constant.
    """

    nodes: Array
    factors: Array
    wanted: Array
    weight: Array
    fixed: Array
    values: Array
    mean: Array | None = None

    @classmethod
    def of_edges(
        cls,
        right: Array,
        down: Array,
        values: Array,
        fixed: Array | None = None,
        *,
        weights: tuple[Array, Array] | None = None,
        mean: Array | None = None,
    ) -> Self:
        """Wanted differences to the right neighbour [H, W-1, C] and to the one below [H-1, W, C]; weights of both."""
        height, width, channels = values.shape
        number = np.arange(height * width).reshape(height, width)
        ends = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
        nodes = np.concatenate([np.stack([p.ravel(), q.ravel()], -1) for p, q in ends])
        wanted = np.concatenate([right.reshape(-1, channels), down.reshape(-1, channels)])
        weight = np.ones(len(nodes)) if weights is None else np.concatenate([w.ravel() for w in weights])
        return cls._of(nodes, np.tile([-1.0, 1.0], (len(nodes), 1)), wanted, weight, values, fixed, mean)

    @classmethod
    def of_laplacian(
        cls,
        wanted: Array,
        values: Array,
        fixed: Array | None = None,
        *,
        is_at_free_only: bool = False,
        mean: Array | None = None,
    ) -> Self:
        """sum over the neighbours q of f(q) - f(p) = wanted [H, W, C] at every pixel p, or at free pixels only."""
        height, width, channels = values.shape
        number = np.arange(height * width).reshape(height, width)
        padded = np.pad(number, 1, constant_values=-1)
        around = [padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]]
        nodes = np.stack([number, *around], -1).reshape(-1, 5)
        factors = (nodes >= 0).astype(np.float64)
        factors[:, 0] = -factors[:, 1:].sum(1)
        nodes = np.where(nodes < 0, nodes[:, :1], nodes)
        if is_at_free_only and fixed is not None:
            factors = factors * ~fixed.reshape(-1, 1)
        return cls._of(nodes, factors, wanted.reshape(-1, channels), np.ones(len(nodes)), values, fixed, mean)

    @classmethod
    def _of(
        cls,
        nodes: Array,
        factors: Array,
        wanted: Array,
        weight: Array,
        values: Array,
        fixed: Array | None,
        mean: Array | None,
    ) -> Self:
        known = np.zeros(values.shape[:2], np.bool_) if fixed is None else fixed
        used = (~known.ravel()[nodes] & (factors != 0)).any(1)
        parts = (nodes[used], factors[used], wanted[used].astype(np.float64), weight[used].astype(np.float64))
        return cls(*parts, known, values.astype(np.float64), None if known.any() else mean)

    # -- properties

    @property
    def shape(self) -> tuple[int, int, int]:
        height, width, channels = self.values.shape
        return height, width, channels

    @property
    def n_free(self) -> int:
        return int(np.count_nonzero(~self.fixed))

    def residuals(self, values: Array) -> Array:
        """sum_k a_k f(p_k) - b [R, C] of a picture [H, W, C], without weights."""
        flat = values.reshape(-1, values.shape[-1])
        total = -self.wanted
        for k in range(self.nodes.shape[1]):
            total = total + self.factors[:, k, None] * flat[self.nodes[:, k]]
        return total

    def completed(self, values: Array) -> Array:
        """A picture [H, W, C] with the known values, and the wanted mean if there is one."""
        if self.mean is not None:
            values = values + (self.mean - values.mean((0, 1)))
        return np.where(self.fixed[..., None], self.values, values)

    # -- changes

    def around(self, base: Array) -> Self:
        """The equations of what is added to a picture `base` [H, W, C]."""
        mean = None if self.mean is None else self.mean - base.mean((0, 1))
        return dataclasses.replace(self, wanted=-self.residuals(base), values=self.values - base, mean=mean)

    def cropped(self) -> tuple[Self, tuple[slice, slice]]:
        """The equations on the least rectangle that has all their pixels, and this rectangle."""
        width = self.shape[1]
        used = np.unique(self.nodes[self.factors != 0])
        rows, columns = used // width, used % width
        here = (slice(int(rows.min()), int(rows.max()) + 1), slice(int(columns.min()), int(columns.max()) + 1))
        height_, width_ = here[0].stop - here[0].start, here[1].stop - here[1].start
        y, x = self.nodes // width - here[0].start, self.nodes % width - here[1].start
        nodes = np.clip(y, 0, height_ - 1) * width_ + np.clip(x, 0, width_ - 1)
        fixed, values = self.fixed[here], self.values[here]
        return dataclasses.replace(self, nodes=nodes, fixed=fixed, values=values), here

    def eliminated(self) -> Self:
        """The same with known pixels as numbers on the right side: their factors are 0."""
        known = self.fixed.ravel()[self.nodes]
        factors, flat = np.where(known, 0.0, self.factors), self.values.reshape(-1, self.shape[2])
        wanted = self.wanted
        for k in range(self.nodes.shape[1]):
            wanted = wanted - np.where(known[:, k], self.factors[:, k], 0.0)[:, None] * flat[self.nodes[:, k]]
        return dataclasses.replace(self, factors=factors, wanted=wanted)

    def with_values(self) -> Self:
        """Eliminated, with an equation for the value of each known pixel, so that a field has the whole picture."""
        own, known = self.eliminated(), np.flatnonzero(self.fixed)
        k = own.nodes.shape[1]
        nodes = np.concatenate([own.nodes, np.repeat(known[:, None], k, 1)])
        factors = np.concatenate([own.factors, np.repeat([[1.0] + [0.0] * (k - 1)], len(known), 0)])
        wanted = np.concatenate([own.wanted, own.values.reshape(-1, own.shape[2])[known]])
        weight = np.concatenate([own.weight, np.ones(len(known))])
        return dataclasses.replace(own, nodes=nodes, factors=factors, wanted=wanted, weight=weight)


def differences(values: Array) -> tuple[Array, Array]:
    """Of a picture [H, W, C], to the right [H, W-1, C] and to the pixel below [H-1, W, C]."""
    return np.diff(values, axis=1), np.diff(values, axis=0)


def curl(right: Array, down: Array) -> float:
    """How far wanted differences are from those of any picture: the root mean square of their sums around squares of
    four pixels, as a part of the root mean square of the differences. 0 for pictures of one row or column.
    """
    if not right.size or not down.size:
        return 0.0
    around = right[:-1] + down[:, 1:] - right[1:] - down[:, :-1]
    size = np.sqrt(np.mean(np.square(right)) + np.mean(np.square(down)))
    return float(np.sqrt(np.mean(np.square(around))) / size) if size > 0 else 0.0


def chosen(which: Array, parts: Sequence[Array]) -> Array:
    """The first part where `which` [...] is true, else the second [..., C]."""
    return np.where(which[..., None], parts[0], parts[1])
