"""Fully connected networks on the CPU, compiled by numba: values and first gradients.

Points pass through all layers in blocks whose activations stay in the cache. Three products make a layer,

    Z = H W^T + b        H_grad = Z_grad W        W_grad = Z_grad^T H

and one routine makes all three. Of the forward pass only Z is kept, and the backward pass computes the activations
again, with their slopes: that is less work than to write and read them.

Points are cut into slices by their number alone. A slice sums the gradients of its weights by itself and the slices
are added in order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._cpu import activations as activation
from inr.kernels._cpu.plans import widest
from inr.kernels._cpu.tiled_matmul import REST_ROWS, TILE_ROWS, multiply
from inr.kernels._cpu.workspace import Lease
from inr.kernels.dense_mlp._autograd import network_value
from inr.kernels.pointwise import NAMES, Pointwise
from inr.kernels.simd import VECTOR_BYTES, load, plus, store
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]

LANES = VECTOR_BYTES // 4
PANEL = 2 * LANES
BLOCK = 8 * TILE_ROWS  # points
MAX_SLICES = 16
LEAST_BLOCKS = 8  # per slice
SLACK = 2 * PANEL  # numbers past the end of an array that whole vectors may touch

# Columns of a plan, which has one row per activation, the input first: its features and the numbers from row to row;
# the numbers in a row of all hidden activations before it; and of the layer that makes it, where the operands of the
# way there, of the way back, the bias and the gradients by weight and bias begin.
# And the number of the activation (`inr.kernels._cpu.activations`); of the outputs there is none.
WIDTH, ROW, BEFORE, FORWARD, BACKWARD, BIAS, GRAD, BIAS_GRAD, KIND = range(9)


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


@compiled
def _add_slices(totals: Array, size: int, n_slices: int, start: int, stop: int) -> None:
    """The first slice becomes the sum of all, in their order, for elements start..stop."""
    for i in range(start, stop, LANES):
        value = load(totals, i)
        for s in range(1, n_slices):
            value = plus(value, load(totals, s * size + i))
        store(totals, i, value)


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


@lru_cache(maxsize=64)
def _plan(widths: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[Array, int, int]:
    """The plan, and the lengths of the packed operands and of the gradients.

    A row is an odd number of vectors, so that the rows of a column spread over all sets of the cache.
    """
    plan = np.zeros((len(widths), 9), np.int64)
    plan[:, WIDTH] = widths
    plan[1:-1, KIND] = kinds
    plan[:, ROW] = [_up(width, PANEL) + LANES for width in widths]
    plan[2:, BEFORE] = np.cumsum(plan[1:-1, ROW])
    packed, gradient = 0, 0
    for i, (d_in, width) in enumerate(pairwise(widths), 1):
        plan[i, FORWARD:GRAD] = np.cumsum([packed, _up(width, PANEL) * d_in, _up(d_in, PANEL) * width])
        packed = plan[i, BIAS] + _up(width, PANEL)
        plan[i, GRAD:KIND] = gradient, gradient + _up(d_in, PANEL) * _up(width, REST_ROWS)
        gradient = plan[i, BIAS_GRAD] + _up(width, PANEL)
    return plan, int(packed), int(gradient)


class _Network:
    """A network's shape and parameters in the kernels' layout."""

    def __init__(
        self,
        weights: Sequence[Tensor],
        biases: Sequence[Tensor | None],
        activations: Sequence[Pointwise],
    ) -> None:
        self.widths = (weights[0].shape[1], *(weight.shape[0] for weight in weights))
        kinds = tuple(NAMES.index(p.name) for p in activations)
        self.plan, n_packed, self.n_gradients = _plan(self.widths, kinds)
        self.scales = np.zeros((len(self.widths), 2), np.float32)
        self.scales[1:-1] = [(p.a, p.b) for p in activations] or np.zeros((0, 2))
        self.packed = Lease(n_packed + SLACK, np.float32)
        self.hidden: Lease | None = None
        self.ways_back: list[tuple[Tensor, Tensor]] = []
        whole = torch.from_numpy(self.packed.array)
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
            forward, backward, at = (int(self.plan[i, column]) for column in (FORWARD, BACKWARD, BIAS))
            _pack(weight.detach().t(), whole[forward:backward])
            self.ways_back.append((weight.detach(), whole[backward:at]))
            room = whole[at : at + _up(len(weight), PANEL)].zero_()
            if bias is not None:
                room[: len(weight)] = bias.detach()

    @property
    def room(self) -> int:
        """Numbers of the largest activation of a block."""
        return BLOCK * int(self.plan[:, ROW].max()) + SLACK

    def values(self, x: Tensor, *, is_kept: bool) -> Tensor:
        """[N, K] -> [N, C]. is_kept: `gradients` of the same points follows, which needs Z of all hidden layers."""
        out = torch.empty((len(x), self.widths[-1]), dtype=x.dtype)
        for weight, flat in self.ways_back if is_kept else ():
            _pack(weight, flat)
        n_blocks, capacity = -(-len(x) // BLOCK), _up(len(x), BLOCK) if is_kept else 0
        hidden = Lease(capacity * int(self.plan[1:-1, ROW].sum()) + SLACK, np.float32)
        points, result, kernel = _array(x), out.numpy(), _kernel(values)

        def work(part: int, parts: int) -> None:
            room = Lease(3 * self.room, np.float32)
            z = hidden.array if is_kept else room.array[2 * self.room :]
            start, stop = (min(len(x), BLOCK * (n_blocks * k // parts)) for k in (part, part + 1))
            kernel(
                points, self.plan, self.scales, self.packed.array, z, capacity, room.array[: 2 * self.room],
                start, stop, result,
            )  # fmt: skip

        in_parts(work, n_blocks)
        self.hidden = hidden if is_kept else None
        return out

    def gradients(self, x: Tensor, g: Tensor, is_wanted: Sequence[bool]) -> list[Tensor | None]:
        """By x, then by the weight and the bias of each layer; None where not wanted."""
        hidden = self.hidden
        if hidden is None:
            raise RuntimeError("`values` of these points, with is_kept, comes before their gradients")
        n_blocks = -(-len(x) // BLOCK)
        n_slices = max(1, min(MAX_SLICES, n_blocks // LEAST_BLOCKS))
        x_grad = torch.empty(x.shape if is_wanted[0] else (0, x.shape[1]), dtype=x.dtype)
        size = _up(self.n_gradients, PANEL)
        totals = Lease(n_slices * size + SLACK, np.float32)
        points, cotangent, by_x, flags = _array(x), _array(g), x_grad.numpy(), np.array(is_wanted, np.bool_)
        capacity, kernel, add = _up(len(x), BLOCK), _kernel(gradients), _kernel(_add_slices)

        def work(part: int, parts: int) -> None:
            room = Lease(4 * self.room, np.float32)
            for s in range(part, n_slices, parts):
                start, stop = (min(len(x), BLOCK * (n_blocks * k // n_slices)) for k in (s, s + 1))
                total = totals.array[s * size : (s + 1) * size]
                kernel(
                    points, cotangent, self.plan, self.scales, self.packed.array, hidden.array, capacity, flags,
                    room.array[: 4 * self.room], start, stop, by_x, total,
                )  # fmt: skip

        def add_part(part: int, parts: int) -> None:
            add(totals.array, size, n_slices, *(_up(size * k // parts, LANES) for k in (part, part + 1)))

        in_parts(work, n_slices)
        in_parts(add_part, size, 2**16)
        sums = torch.from_numpy(totals.array)
        found: list[Tensor | None] = [x_grad if is_wanted[0] else None]
        for i, (d_in, width) in enumerate(pairwise(self.widths), 1):
            at, bias_at = self.plan[i, GRAD:KIND].tolist()
            by_weight = sums[at:bias_at].view(-1, _up(width, REST_ROWS), PANEL).transpose(0, 1).flatten(1)
            part = by_weight[:width, :d_in]
            found.append(part.clone(memory_format=torch.contiguous_format) if is_wanted[2 * i - 1] else None)
            found.append(sums[bias_at : bias_at + width].clone() if is_wanted[2 * i] else None)
        return found


def _pack(matrix: Tensor, flat: Tensor) -> None:
    """[rows, columns] into panels of PANEL columns, [panels, rows, PANEL], with zeros behind the last column."""
    rows, columns = matrix.shape
    panels = flat.view(-1, rows, PANEL)
    whole = columns // PANEL
    panels[:whole] = matrix[:, : whole * PANEL].reshape(rows, whole, PANEL).transpose(0, 1)
    if whole < len(panels):
        panels[whole].zero_()
        panels[whole][:, : columns - whole * PANEL] = matrix[:, whole * PANEL :]


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array


def _kernel(function: Any) -> Any:
    return function


def dense_mlp(
    x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None], activations: Sequence[Pointwise]
) -> Tensor:
    """See `inr.kernels.dense_mlp.dense_mlp`."""
    return network_value(_Network, x, weights, biases, activations)
