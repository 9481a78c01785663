"""The matrix of the tangent kernel: layer by layer, or from the gradients of every point."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.gradient_factors import Factor, Part
from inr.core.text import count_of
from inr.fields import Field
from inr.ntk.kernel.gram import gram, squared_norms, width
from inr.ntk.kernel.memory import allowed, require
from inr.ntk.kernel.operator import Channels, TangentOperator, flat_weights, prepared, seeds_of
from inr.ntk.kernel.units import PROBES, ROWS, Use, capture, factors_of, field_as_unit, units_of

Method = Literal["layerwise", "contraction"]

BLOCK = 256
PANEL = 4 * BLOCK
JACOBIAN_BYTES = 2**28
CHECKED = 128
TOLERANCE = {torch.float64: 1e-8, torch.float32: 1e-3}


@dataclass(frozen=True)
class Kernel:
    """The empirical tangent kernel of a field at N points.

    matrix: Theta [M, M], symmetric, M = N C (index n C + c) for channels "full", else N; in `dtype`, in which
    the derivatives were computed too. values: f(x) [N, C]. n_points, n_channels: N and C. n_params: P.
    traces: the part of the trace from each layer's parameters, by the layer's name in the field (one entry for method
    "contraction").
    """

    matrix: Tensor
    values: Tensor
    channels: Channels
    method: Method
    n_params: int
    traces: Mapping[str, float]

    @property
    def n_points(self) -> int:
        return len(self.values)

    @property
    def n_channels(self) -> int:
        return self.values.shape[1]

    @property
    def trace(self) -> float:
        """The sum of the squared lengths of all gradients: exact, and not computed from the matrix."""
        return math.fsum(self.traces.values())


def tangent_kernel(
    field: Field,
    x: Tensor,
    *,
    channels: Channels = "full",
    method: Method = "layerwise",
    weights: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float64,
    memory: int | None = None,
) -> Kernel:
    """Theta = J W J^T,  Theta[n C + c, m C + d] = sum_p W_p (d f_c(x_n) / d theta_p) (d f_d(x_m) / d theta_p).

    "layerwise": for every layer  Theta^(cd) += (A A^T + 1 1^T) * (D^(c) D^(d)^T), with A [N, n_in] the inputs of the
    layer and D^(c) [N, n_out] the derivative of channel c by its outputs; other modules by the structure that they
    state (`inr.core.gradient_factors`), or else by their gradients at every point. About N^2 sum_l (n_in + C^2 n_out)
    multiplications. "contraction": all gradients, N^2 C^2 P; the definition, and the only one with weights.
    The structured result is checked against autograd in a random direction.

    field: any; copied, in eval mode, in `dtype`; only parameters with `requires_grad` count. x: points [N, D].
    channels: see `Channels`. weights: W by parameter name, >= 0, None: 1. memory: bytes that may be used; None: half
    of the free memory.

    Raises UsageError if memory does not suffice (the message has the number of points that fit), for weights with
    method "layerwise", and if a layer's stated structure contradicts autograd.
    """
    made = _Builder(field, x, None, channels, method, weights, dtype, allowed(memory))
    matrix, traces = made.symmetric()
    if method == "layerwise":
        made.check(matrix)
    n_params = sum(p.numel() for p in field.parameters() if p.requires_grad)
    return Kernel(matrix, made.values, channels, method, n_params, traces)


def cross_kernel(
    field: Field,
    x: Tensor,
    z: Tensor,
    *,
    channels: Channels = "full",
    method: Method = "layerwise",
    weights: Mapping[str, Tensor] | None = None,
    dtype: torch.dtype = torch.float64,
    memory: int | None = None,
) -> Tensor:
    """Theta(x, z) = J(x) W J(z)^T [M_x, M_z], for two sets of points; otherwise as `tangent_kernel`."""
    return _Builder(field, x, z, channels, method, weights, dtype, allowed(memory)).rectangle()


class _Builder:
    def __init__(
        self,
        field: Field,
        x: Tensor,
        z: Tensor | None,
        channels: Channels,
        method: Method,
        weights: Mapping[str, Tensor] | None,
        dtype: torch.dtype,
        memory: int,
    ) -> None:
        if method not in ("layerwise", "contraction"):
            raise UsageError(f"`method` is {method!r}, expected 'layerwise' or 'contraction'")
        if method == "layerwise" and weights is not None:
            raise UsageError(
                "method 'layerwise' cannot use `weights`", "use method 'contraction' for preconditioned kernels"
            )
        self.field, self.x = prepared(field, x, dtype)
        self.z = None if z is None else prepared(field, z, dtype)[1]
        self.channels: Channels = channels
        self.seeds = seeds_of(field, channels, dtype).to(self.x.device)
        self.s = 1 if channels == "mean" else len(self.seeds)
        trained = {n: p for n, p in self.field.named_parameters() if p.requires_grad}
        if not trained:
            raise UsageError("the field has no trained parameters, so it has no tangent kernel")
        flat = None if weights is None else flat_weights(trained, weights).to(self.x)
        self.units = units_of(self.field, self.x) if method == "layerwise" else [field_as_unit(self.field, flat)]
        few = self.x if len(self.x) <= ROWS else self.x[: PROBES[0]]
        found = capture(self.field, few, self.units, self.seeds)
        self._require(memory, found[0], len(few))
        self.uses, self.values = found if few is self.x else capture(self.field, self.x, self.units, self.seeds)
        self.other_uses = self.uses if self.z is None else capture(self.field, self.z, self.units, self.seeds)[0]

    def _require(self, memory: int, uses: list[list[Use]], n_used: int) -> None:
        """Raises UsageError if the matrix needs more than `memory`, estimated from the uses at some points."""
        item = self.x.element_size()
        per_point = sum(u.numbers for of_unit in uses for u in of_unit) / n_used * item
        first = slice(0, PROBES[0])
        self.widths = [
            width(factors_of(unit, [u[first] for u in of_unit])) for unit, of_unit in zip(self.units, uses, strict=True)
        ]
        n = len(self.x)
        m = n if self.z is None else len(self.z)
        n_captured = n if self.z is None else n + m
        scratch = per_point * 4 * min(n, ROWS) + 3 * item * (self.s * min(n, PANEL)) ** 2
        self.jacobian = max(JACOBIAN_BYTES, memory // 8)
        most_jacobian = max(min(4 * w * item * max(n, m), 2 * self.jacobian) for w in self.widths)
        needed = self.s**2 * n * m * item + per_point * n_captured + scratch + most_jacobian
        a, b = item * self.s**2, per_point
        left = max(0.0, memory - scratch - most_jacobian)
        fits = int((math.sqrt(b * b + 4 * a * left) - b) / (2 * a))
        require(
            f"the tangent kernel of {n} points and {count_of(self.s, 'channel')}",
            needed,
            memory,
            f"use at most {fits} points, reduced channels, or the products of TangentOperator",
        )

    def _parts(self, which: int, uses: Sequence[Use]) -> _Parts:
        """The factors of a unit at blocks of points: kept if they fit into memory, else computed whenever needed."""
        n = uses[0].cotangent.shape[1]
        each = 2 * self.widths[which] * self.x.element_size()
        rows = PANEL if each * n <= self.jacobian else max(1, min(PANEL, self.jacobian // (2 * each)))

        def made(block: slice) -> list[Factor]:
            found = factors_of(self.units[which], [use[block] for use in uses])
            return [_mean_of_channels(f) for f in found] if self.channels == "mean" else found

        blocks = _slices(n, rows)
        held = [made(block) for block in blocks] if each * n <= self.jacobian else None
        return _Parts(blocks, held.__getitem__ if held is not None else lambda i: made(blocks[i]))

    def symmetric(self) -> tuple[Tensor, dict[str, float]]:
        n, s = len(self.x), self.s
        theta = torch.zeros(n, s, n, s, dtype=self.x.dtype, device=self.x.device)
        traces = dict.fromkeys((unit.name for unit in self.units), 0.0)
        for u, uses in enumerate(self.uses):
            parts = self._parts(u, uses)
            for i, rows in enumerate(parts.blocks):
                left = parts.at(i)
                traces[self.units[u].name] += float(squared_norms(left).sum(dtype=torch.float64))
                for j, columns in enumerate(parts.blocks[i:], start=i):
                    right = left if j == i else parts.at(j)
                    _add_grams(_block(theta, rows, columns), left, right, is_upper=j == i)
        size = n * s
        matrix = theta.view(size, size)
        _mirror(matrix)
        return matrix, traces

    def rectangle(self) -> Tensor:
        assert self.z is not None
        n, m, s = len(self.x), len(self.z), self.s
        theta = torch.zeros(n, s, m, s, dtype=self.x.dtype, device=self.x.device)
        for u, (uses, others) in enumerate(zip(self.uses, self.other_uses, strict=True)):
            over, across = self._parts(u, uses), self._parts(u, others)
            for i, rows in enumerate(over.blocks):
                left = over.at(i)
                for j, columns in enumerate(across.blocks):
                    _add_grams(_block(theta, rows, columns), left, across.at(j))
        return theta.view(n * s, m * s)

    def check(self, matrix: Tensor) -> None:
        """v^T Theta v = |J^T v|^2 for a vector of random signs, at some of the points."""
        generator = Generator().manual_seed(0)
        some = torch.randperm(len(self.x), generator=generator)[:CHECKED]
        rows = (some.unsqueeze(1) * self.s + torch.arange(self.s)).reshape(-1)
        signs = torch.randint(2, (len(rows),), generator=generator).to(matrix) * 2 - 1
        operator = TangentOperator(
            self.field, self.x[some], channels=self.channels, dtype=self.x.dtype, is_copied=False
        )
        expected = operator.quadratic(signs)
        got = float(signs @ (matrix[rows][:, rows] @ signs))
        if not abs(got - expected) <= TOLERANCE.get(matrix.dtype, 1e-3) * expected:
            raise UsageError(
                f"the layers' stated structure gives v^T Theta v = {got:.10g}, but autograd gives {expected:.10g}",
                "use method 'contraction', and check the layers' `tangent` methods",
            )


@dataclass(frozen=True)
class _Parts:
    """Blocks of points, and the factors of the i-th block."""

    blocks: list[slice]
    at: Callable[[int], list[Factor]]


def _block(theta: Tensor, rows: slice, columns: slice) -> Tensor:
    """A view [s, s', n, n'] of the channels and points of a block."""
    return theta[rows, :, columns, :].permute(1, 3, 0, 2)


def _add_grams(block: Tensor, left: list[Factor], right: list[Factor], *, is_upper: bool = False) -> None:
    """Add the inner products to a block, strip by strip of rows. is_upper: leave out what is below the diagonal."""
    for rows in _slices(block.shape[2], BLOCK):
        columns = slice(rows.start if is_upper else 0, block.shape[3])
        block[:, :, rows, columns].add_(gram([f[rows] for f in left], [f[columns] for f in right]))


def _slices(n: int, length: int) -> list[slice]:
    return [slice(i, min(i + length, n)) for i in range(0, n, length)]


def _mirror(matrix: Tensor) -> None:
    """Copy the upper triangle to the lower one, in place."""
    for rows in _slices(len(matrix), BLOCK):
        own = matrix[rows, rows]
        own.copy_(own.triu() + own.triu(1).T)
        matrix[rows.stop :, rows] = matrix[rows, rows.stop :].T


def _mean_of_channels(f: Factor) -> Factor:
    """A factor of one channel, whose products are the mean over channels of the products within a channel."""
    parts = tuple(
        Part(p.rows, p.cotangent.transpose(0, 1).flatten(1).unsqueeze(0) / len(p.cotangent) ** 0.5) for p in f.parts
    )
    repeats = len(f.parts[0].cotangent)
    return Factor(parts, None if f.weight is None else f.weight.repeat(repeats))
