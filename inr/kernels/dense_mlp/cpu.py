"""Fully connected networks on the CPU, compiled by numba: values and first gradients.

Points pass through all layers in blocks whose activations stay in the cache. Three products make a layer,

    Z = H W^T + b        H_grad = Z_grad W        W_grad = Z_grad^T H

and one routine makes all three. Of the forward pass only Z is kept, and the backward pass computes the activations
again, with their slopes: that is less work than to write and read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._cpu import activations as activation
from inr.kernels._cpu.dense_layers import (
    BACKWARD,
    BEFORE,
    BIAS,
    BIAS_GRAD,
    BLOCK,
    FORWARD,
    GRAD,
    KIND,
    LANES,
    PANEL,
    ROW,
    WIDTH,
    DenseLayers,
    array_of,
    over_blocks,
    sum_over_slices,
    up,
)
from inr.kernels._cpu.plans import widest
from inr.kernels._cpu.tiled_matmul import REST_ROWS, multiply
from inr.kernels._cpu.workspace import Lease
from inr.kernels.dense_mlp._autograd import dense_value
from inr.kernels.pointwise import NAMES, Pointwise
from inr.kernels.simd import load, plus, store
from inr.kernels.threads import compiled

Array = NDArray[Any]


@compiled
def _activations(
    number: int, a: Any, b: Any, z: Array, at: int, row: int, count: int, width: int, h: Array, c: Array
) -> None:
    """h = f(z), row by row. c: room for a row."""
    for n in range(count):
        activation.values(number, a, b, z, at + n * row, width, h, n * row, c, 0)


@compiled
def _activations_slopes(
    number: int, a: Any, b: Any, z: Array, at: int, row: int, count: int, width: int, h: Array, c: Array, line: Array
) -> None:
    """h = f(z) in panels of BLOCK rows, c = f'(z) row by row (see `activation.values`). line: room for a row."""
    for n in range(count):
        activation.values(number, a, b, z, at + n * row, width, line, 0, c, n * row)
        for k in range(0, width, LANES):
            store(h, (k // PANEL * BLOCK + n) * PANEL + k % PANEL, load(line, k))


@compiled
def _through(
    number: int, a: Any, b: Any, z: Array, z_at: int, row: int, count: int, width: int, c: Array, g: Array,
    out: Array, total: Array, at: int,
) -> None:  # fmt: skip
    """out = the gradient by z from that by h, which is g; total += the sum over rows of it."""
    for n in range(count):
        activation.through(number, a, b, z, z_at + n * row, width, c, n * row, g, n * row, out)
        for k in range(0, width, LANES):
            store(total, at + k, plus(load(total, at + k), load(out, n * row + k)))


@compiled
def values(
    x: Array,
    plan: Array,
    scales: Array,
    packed: Array,
    hidden: Array,
    capacity: int,
    room: Array,
    start: int,
    stop: int,
    out: Array,
) -> None:
    """out[n] = network(x[n]) for points start..stop.

    hidden: takes Z of all hidden layers for `capacity` points, or of one layer for a block where that is 0.
    room: for two activations of a block.
    """
    n_layers = len(plan) - 1
    h, last = room, room[len(room) // 2 :]
    line = np.empty(widest(plan, ROW), x.dtype)
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        for n in range(count):
            for k in range(plan[0, WIDTH]):
                h[n * plan[0, ROW] + k] = x[first + n, k]
        rows = -(-count // REST_ROWS) * REST_ROWS
        for i in range(1, n_layers + 1):
            width, row = plan[i, WIDTH], plan[i, ROW]
            z, at = (hidden, capacity * plan[i, BEFORE]) if i < n_layers else (last, 0)
            if i < n_layers and capacity > 0:
                at += first * row
            d_in = plan[i - 1, WIDTH]
            left, right = (0, plan[i - 1, ROW], 1), (plan[i, FORWARD], d_in * PANEL, PANEL)
            multiply(
                h, left, packed, right, packed, (plan[i, BIAS], PANEL, 0), z, (at, PANEL, row), (rows, d_in, width)
            )
            if i < n_layers:
                _activations(plan[i, KIND], scales[i, 0], scales[i, 1], z, at, row, count, width, h, line)
        for n in range(count):
            for k in range(plan[n_layers, WIDTH]):
                out[first + n, k] = last[n * plan[n_layers, ROW] + k]


@compiled
def gradients(
    x: Array,
    g: Array,
    plan: Array,
    scales: Array,
    packed: Array,
    hidden: Array,
    capacity: int,
    is_wanted: Array,
    room: Array,
    start: int,
    stop: int,
    x_grad: Array,
    total: Array,
) -> None:
    """Gradients for points start..stop: rows of x_grad, and in `total` sums over these points of the others.

    is_wanted: for x, then for the weight and the bias of each layer. room: for four activations of a block.
    """
    n_layers = len(plan) - 1
    part = len(room) // 4
    z_grad, h_grad, h, c = room[:part], room[part : 2 * part], room[2 * part : 3 * part], room[3 * part :]
    line = np.empty(widest(plan, ROW), x.dtype)
    nothing = np.zeros(PANEL, x.dtype)
    for k in range(len(total)):
        total[k] = 0
    lowest = 1  # the first layer whose Z_grad is needed
    while lowest <= n_layers and not is_wanted[: 2 * lowest + 1].any():
        lowest += 1
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        rows = -(-count // REST_ROWS) * REST_ROWS
        for n in range(count):
            for k in range(plan[n_layers, WIDTH]):
                z_grad[n * plan[n_layers, ROW] + k] = g[first + n, k]
                total[plan[n_layers, BIAS_GRAD] + k] += g[first + n, k]
        for i in range(n_layers, lowest - 1, -1):
            width, row, d_in, row_in = plan[i, WIDTH], plan[i, ROW], plan[i - 1, WIDTH], plan[i - 1, ROW]
            kind, a, b = plan[i - 1, KIND], scales[i - 1, 0], scales[i - 1, 1]
            z_at = capacity * plan[i - 1, BEFORE] + first * row_in
            if i > 1:
                _activations_slopes(kind, a, b, hidden, z_at, row_in, count, d_in, h, c, line)
            elif is_wanted[1]:
                for n in range(count):
                    for k in range(-(-d_in // LANES) * LANES):
                        h[(k // PANEL * BLOCK + n) * PANEL + k % PANEL] = x[first + n, k] if k < d_in else 0
            if is_wanted[2 * i - 1]:
                span = -(-width // REST_ROWS) * REST_ROWS
                left, right = (0, 1, row), (0, BLOCK * PANEL, PANEL)
                sums = (plan[i, GRAD], span * PANEL, PANEL)
                multiply(z_grad, left, h, right, total, sums, total, sums, (width, count, d_in))
            if i > lowest or is_wanted[0]:
                left, right = (0, row, 1), (plan[i, BACKWARD], width * PANEL, PANEL)
                multiply(
                    z_grad, left, packed, right, nothing, (0, 0, 0), h_grad, (0, PANEL, row_in), (rows, width, d_in)
                )
                if i > 1:
                    _through(
                        kind, a, b, hidden, z_at, row_in, count, d_in, c, h_grad, z_grad, total, plan[i - 1, BIAS_GRAD]
                    )
                else:
                    z_grad, h_grad = h_grad, z_grad
        if is_wanted[0]:
            for n in range(count):
                for k in range(plan[0, WIDTH]):
                    x_grad[first + n, k] = z_grad[n * plan[0, ROW] + k]


class _Network:
    """A network's shape and parameters in the kernels' layout."""

    def __init__(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor | None],
        activations: Sequence[Pointwise],
    ) -> None:
        self.layers = DenseLayers(weights, biases, tuple(NAMES.index(p.name) for p in activations))
        self.scales = np.zeros((len(weights) + 1, 2), np.float32)
        self.scales[1:-1] = [(p.a, p.b) for p in activations] or np.zeros((0, 2))
        self.hidden: Lease | None = None

    def values(self, x: Tensor, *, is_kept: bool) -> Tensor:
        """[N, K] -> [N, C]. is_kept: `gradients` of the same points follows, which needs Z of all hidden layers."""
        layers = self.layers
        out = torch.empty((len(x), layers.widths[-1]), dtype=x.dtype)
        if is_kept:
            layers.pack_ways_back()
        capacity = up(len(x), BLOCK) if is_kept else 0
        hidden = layers.lease_hidden(capacity)
        points, result, size = array_of(x), out.numpy(), layers.room
        kernel: Any = values

        def work(start: int, stop: int) -> None:
            room = Lease(3 * size, np.float32)
            z = hidden.array if is_kept else room.array[2 * size :]
            kernel(
                points,
                layers.plan,
                self.scales,
                layers.packed,
                z,
                capacity,
                room.array[: 2 * size],
                start,
                stop,
                result,
            )

        over_blocks(len(x), work)
        self.hidden = hidden if is_kept else None
        return out

    def gradients(self, x: Tensor, g: Tensor, is_wanted: Sequence[bool]) -> list[Tensor | None]:
        """By x, then by the weight and the bias of each layer; None where not wanted."""
        layers, hidden = self.layers, self.hidden
        if hidden is None:
            raise RuntimeError("`values` of these points, with is_kept, comes before their gradients")
        x_grad = torch.empty(x.shape if is_wanted[0] else (0, x.shape[1]), dtype=x.dtype)
        points, cotangent, by_x, flags = array_of(x), array_of(g), x_grad.numpy(), np.array(is_wanted, np.bool_)
        capacity, size = up(len(x), BLOCK), layers.room
        kernel: Any = gradients

        def work(start: int, stop: int, total: Array) -> None:
            room = Lease(4 * size, np.float32)
            kernel(
                points, cotangent, layers.plan, self.scales, layers.packed, hidden.array, capacity, flags,
                room.array[: 4 * size], start, stop, by_x, total,
            )  # fmt: skip

        totals = sum_over_slices(len(x), layers.n_gradients, work)
        return [x_grad if is_wanted[0] else None, *layers.gradients(totals.array, is_wanted[1:])]


def dense_mlp(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], activations: Sequence[Pointwise]
) -> Tensor:
    """See `inr.kernels.dense_mlp.dense_mlp`."""
    return dense_value(_Network, x, weights, biases, activations)
