"""Factorised per-sample gradients of a module's parameters, for tangent kernels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SparseRows:
    """Rows [n, size] with K entries each: `weights` [n, K] at columns `indices` [n, K]; duplicate columns add up."""

    indices: Tensor
    weights: Tensor
    size: int

    def __getitem__(self, points: slice) -> SparseRows:
        return SparseRows(self.indices[points], self.weights[points], self.size)


Rows = Tensor | SparseRows
"""One vector per point: [n, p], or sparse."""


@dataclass(frozen=True)
class Part:
    """Per point i and channel c, the vector  rows_1[i] (x) rows_2[i] (x) ... (x) cotangent[c, i].

    rows: any number of matrices with one row per point; an empty product is 1. cotangent: [C, n, q].
    """

    rows: tuple[Rows, ...]
    cotangent: Tensor

    def __getitem__(self, points: slice) -> Part:
        return Part(tuple(r[points] for r in self.rows), self.cotangent[:, points])


@dataclass(frozen=True)
class Factor:
    """The gradient of every channel at every point with respect to one parameter tensor: the sum of `parts`.

    Two points then have the inner product  sum over parts a, b of  prod_k <rows_ak[i], rows_bk[j]>  times
    <cotangent_a[c, i], cotangent_b[d, j]>, where the last is weighted by `weight` [q] (None: by 1). The cost of a
    dense layer is thus the sum of its two widths, not their product. Weights may be negative: the inner product of
    gradients for a reparameterisation is often the plain one minus a correction.
    """

    parts: tuple[Part, ...]
    weight: Tensor | None = None

    def __getitem__(self, points: slice) -> Factor:
        return Factor(tuple(part[points] for part in self.parts), self.weight)


def factor(*rows: Rows, cotangent: Tensor, weight: Tensor | None = None) -> Factor:
    """A factor of one part."""
    return Factor((Part(rows, cotangent),), weight)


class HasGradientFactors(ABC):
    """A module with a factorised gradient of its own parameters. Other modules are differentiated point by point.

    `tangent` makes tangent kernels faster and does not change them; `inr.ntk` checks each against autograd.
    """

    @abstractmethod
    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """The factors of the module's own parameters (not of its submodules), in a fixed order.

        inputs: the arguments of `forward`, [n, ...] each. cotangent: [C, n, d_out], the derivative of each output
        channel of the field with respect to the result of `forward`. No tensor requires grad. Several parameters may
        share a factor.
        """


def with_ones(rows: Tensor, has_ones: bool) -> Tensor:
    """[n, p] with a column of ones added: a bias is the weight of a constant input 1."""
    return torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1) if has_ones else rows
