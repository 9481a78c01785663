"""Multiplicative filter networks on the CPU, compiled by numba: values and first gradients.

As in `dense_mlp`, points pass through all layers in blocks that stay in the cache, with products in tiles. The products
Z_i = W_i z_i + b_i are kept for the backward pass, which makes the filters again: a sine with its cosine costs less
than to write and read it. With the cotangent G of a z = g Z, g = s w of a sine and a window, it needs

    by Z: G g        by the angle: G Z c w        by the window's exponent: G g Z        (c: the cosine)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._cpu.activations import wave
from inr.kernels._cpu.dense_layers import (
    BACKWARD,
    BEFORE,
    BIAS,
    BIAS_GRAD,
    BLOCK,
    FORWARD,
    GRAD,
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
from inr.kernels._cpu.vector_formula import Lanes, exp, vector_function
from inr.kernels._cpu.workspace import Lease
from inr.kernels._network import network_value
from inr.kernels.filter_mlp import reference
from inr.kernels.simd import fma, load, load_each, plus, store, times, zeros
from inr.kernels.threads import compiled

Array = NDArray[Any]


def _plane(angle: Lanes, unused: Lanes, a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    return wave(angle)


def _windowed(angle: Lanes, exponent: Lanes, a: Lanes, b: Lanes) -> tuple[Lanes, Lanes]:
    s, c = wave(angle)
    window = exp(exponent)
    return s * window, c * window


plane, windowed = vector_function(_plane, 2), vector_function(_windowed, 2)

# A filter's table has rows of one number per feature, as far apart as those of its activation: K of Omega^T and the
# phases; with windows also K + 1 of V^T and v. The inputs of a point are K + 1 numbers: e and |e|^2.


@compiled
def _inputs(x: Array, first: int, count: int, e: Array) -> None:
    d_in = x.shape[1]
    for n in range(count):
        square = x[first, 0] * 0
        for k in range(d_in):
            value = x[first + n, k]
            e[n * (d_in + 1) + k] = value
            square += value * value
        e[n * (d_in + 1) + d_in] = square


@compiled
def _map(table: Array, at: int, row: int, n_terms: int, e: Array, e_at: int, width: int, out: Array) -> None:
    """out = the rows of a table times the inputs, plus the row behind them."""
    for k in range(0, width, LANES):
        value = load(table, at + n_terms * row + k)
        for t in range(n_terms):
            value = fma(load_each(e, e_at + t), load(table, at + t * row + k), value)
        store(out, k, value)


@compiled
def _filter(
    table: Array, at: int, row: int, d_in: int, has_windows: bool, e: Array, e_at: int, width: int, lines: Array,
    g: Array, g_at: int, c: Array, c_at: int,
) -> None:  # fmt: skip
    """g[g_at:] = the filter at a point, c[c_at:] = its derivative by the angle. lines: room for two rows."""
    numbers = lines[:2]
    angles, exponents = lines, lines[len(lines) // 2 :]
    _map(table, at, row, d_in, e, e_at, width, angles)
    if has_windows:
        _map(table, at + (d_in + 1) * row, row, d_in + 1, e, e_at, width, exponents)
        for k in range(0, width, LANES):
            value, slope = windowed(load(angles, k), load(exponents, k), numbers[0], numbers[1])
            store(g, g_at + k, value)
            store(c, c_at + k, slope)
    else:
        for k in range(0, width, LANES):
            angle = load(angles, k)
            value, slope = plane(angle, angle, numbers[0], numbers[1])
            store(g, g_at + k, value)
            store(c, c_at + k, slope)


@compiled
def _table_at(plan: Array, layer: int, n_rows: int) -> int:
    """Where the table of the filter of an activation begins."""
    at: int = n_rows * (plan[layer, BEFORE] + (plan[0, ROW] if layer > 0 else 0))
    return at


@compiled
def values(
    x: Array, plan: Array, table: Array, n_rows: int, packed: Array, hidden: Array, capacity: int, room: Array,
    start: int, stop: int, out: Array,
) -> None:  # fmt: skip
    """out[n] = network(x[n]) for points start..stop.

    hidden: takes Z of all hidden layers for `capacity` points, or of one layer for a block if that is 0.
    room: for two activations of a block.
    """
    n_layers, d_in = len(plan) - 1, x.shape[1]
    h, last = room, room[len(room) // 2 :]
    most = widest(plan, ROW)
    lines, line, slopes = np.empty(2 * most, x.dtype), np.empty(most, x.dtype), np.empty(most, x.dtype)
    e = np.empty(BLOCK * (d_in + 1), x.dtype)
    has_windows = n_rows > d_in + 1
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        _inputs(x, first, count, e)
        for n in range(count):
            _filter(
                table, 0, plan[0, ROW], d_in, has_windows, e, n * (d_in + 1), plan[0, WIDTH], lines, h,
                n * plan[0, ROW], slopes, 0,
            )  # fmt: skip
        rows = -(-count // REST_ROWS) * REST_ROWS
        for i in range(1, n_layers + 1):
            width, row, before = plan[i, WIDTH], plan[i, ROW], plan[i - 1, WIDTH]
            z, at = (hidden, capacity * plan[i, BEFORE]) if i < n_layers else (last, 0)
            if i < n_layers and capacity > 0:
                at += first * row
            left, right = (0, plan[i - 1, ROW], 1), (plan[i, FORWARD], before * PANEL, PANEL)
            base = (plan[i, BIAS], PANEL, 0)
            multiply(h, left, packed, right, packed, base, z, (at, PANEL, row), (rows, before, width))
            for n in range(count if i < n_layers else 0):
                _filter(
                    table, _table_at(plan, i, n_rows), row, d_in, has_windows, e, n * (d_in + 1), width, lines, line,
                    0, slopes, 0,
                )  # fmt: skip
                for k in range(0, width, LANES):
                    store(h, n * row + k, times(load(line, k), load(z, at + n * row + k)))
        for n in range(count):
            for k in range(plan[n_layers, WIDTH]):
                out[first + n, k] = last[n * plan[n_layers, ROW] + k]


@compiled
def _add_outer(
    e: Array, e_at: int, n_terms: int, g: Array, width: int, total: Array, at: int, row: int
) -> None:  # fmt: skip
    """The rows of a table's gradient += the inputs, and a one behind them, times g."""
    for k in range(0, width, LANES):
        value = load(g, k)
        for t in range(n_terms):
            here = at + t * row + k
            store(total, here, fma(load_each(e, e_at + t), value, load(total, here)))
        store(total, at + n_terms * row + k, plus(value, load(total, at + n_terms * row + k)))


@compiled
def _add_inner(
    table: Array, at: int, row: int, n_terms: int, g: Array, width: int, e_grad: Array, e_at: int, lanes: Array
) -> None:  # fmt: skip
    """The gradient by the inputs += the rows of a table times g. lanes: room for a vector."""
    for t in range(n_terms):
        value = zeros(g)
        for k in range(0, width, LANES):
            value = fma(load(table, at + t * row + k), load(g, k), value)
        store(lanes, 0, value)
        for k in range(LANES):
            e_grad[e_at + t] += lanes[k]


@compiled
def gradients(
    x: Array, cotangent: Array, plan: Array, table: Array, n_rows: int, packed: Array, hidden: Array, capacity: int,
    is_wanted: Array, n_sums: int, room: Array, start: int, stop: int, x_grad: Array, total: Array,
) -> None:  # fmt: skip
    """Gradients for points start..stop: rows of x_grad, and in `total` sums over these points of the others.

    is_wanted: for x, then for the weight of each layer. n_sums: of the layers, behind which those by the tables begin.
    room: for five activations of a block.
    """
    n_layers, d_in = len(plan) - 1, x.shape[1]
    part = len(room) // 5
    z_grad, h_grad, h, g, c = (
        room[:part], room[part : 2 * part], room[2 * part : 3 * part], room[3 * part : 4 * part], room[4 * part :],
    )  # fmt: skip
    most = widest(plan, ROW)
    lines, line, lanes = np.empty(2 * most, x.dtype), np.empty(most, x.dtype), np.empty(LANES, x.dtype)
    nothing = np.zeros(PANEL, x.dtype)
    e, e_grad = np.empty(BLOCK * (d_in + 1), x.dtype), np.empty(BLOCK * (d_in + 1), x.dtype)
    has_windows = n_rows > d_in + 1
    for k in range(len(total)):
        total[k] = 0
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        rows = -(-count // REST_ROWS) * REST_ROWS
        _inputs(x, first, count, e)
        for k in range(count * (d_in + 1)):
            e_grad[k] = 0
        for n in range(count):
            for k in range(plan[n_layers, WIDTH]):
                z_grad[n * plan[n_layers, ROW] + k] = cotangent[first + n, k]
                total[plan[n_layers, BIAS_GRAD] + k] += cotangent[first + n, k]
        for i in range(n_layers, 0, -1):
            width, row, before, row_in = plan[i, WIDTH], plan[i, ROW], plan[i - 1, WIDTH], plan[i - 1, ROW]
            z_at = capacity * plan[i - 1, BEFORE] + first * row_in
            at = _table_at(plan, i - 1, n_rows)
            for n in range(count):
                here = n * row_in
                _filter(table, at, row_in, d_in, has_windows, e, n * (d_in + 1), before, lines, g, here, c, here)
                for k in range(0, before, LANES):
                    value = load(g, here + k)
                    if i > 1:
                        z = load(hidden, z_at + here + k)
                        value = times(value, z)
                        store(c, here + k, times(load(c, here + k), z))
                    store(h, (k // PANEL * BLOCK + n) * PANEL + k % PANEL, value)
            if is_wanted[i]:
                span = -(-width // REST_ROWS) * REST_ROWS
                left, right = (0, 1, row), (0, BLOCK * PANEL, PANEL)
                sums = (plan[i, GRAD], span * PANEL, PANEL)
                multiply(z_grad, left, h, right, total, sums, total, sums, (width, count, before))
            left, right = (0, row, 1), (plan[i, BACKWARD], width * PANEL, PANEL)
            target = (0, PANEL, row_in)
            multiply(z_grad, left, packed, right, nothing, (0, 0, 0), h_grad, target, (rows, width, before))
            for n in range(count):
                here, e_at = n * row_in, n * (d_in + 1)
                for k in range(0, before, LANES):
                    by = load(h_grad, here + k)
                    store(line, k, times(by, load(c, here + k)))
                    if i > 1:
                        by_z = times(by, load(g, here + k))
                        store(z_grad, here + k, by_z)
                        there = plan[i - 1, BIAS_GRAD] + k
                        store(total, there, plus(by_z, load(total, there)))
                _add_outer(e, e_at, d_in, line, before, total, n_sums + at, row_in)
                if is_wanted[0]:
                    _add_inner(table, at, row_in, d_in, line, before, e_grad, e_at, lanes)
                if has_windows:
                    windows = at + (d_in + 1) * row_in
                    for k in range(0, before, LANES):
                        z = load(h, (k // PANEL * BLOCK + n) * PANEL + k % PANEL)
                        store(line, k, times(load(h_grad, here + k), z))
                    _add_outer(e, e_at, d_in + 1, line, before, total, n_sums + windows, row_in)
                    if is_wanted[0]:
                        _add_inner(table, windows, row_in, d_in + 1, line, before, e_grad, e_at, lanes)
        if is_wanted[0]:
            for n in range(count):
                by_square = 2 * e_grad[n * (d_in + 1) + d_in]
                for k in range(d_in):
                    x_grad[first + n, k] = e_grad[n * (d_in + 1) + k] + by_square * x[first + n, k]


class _Network:
    """A network's shape and parameters in the kernels' layout.

    parameters: Omega and phi of each filter, V and v of each, if there are any, then weight and bias of each layer.
    """

    def __init__(self, parameters: Sequence[Any], n_filters: int, has_windows: bool) -> None:
        self.n_filters, self.n_tensors = n_filters, (4 if has_windows else 2) * n_filters
        filters, layers = parameters[: self.n_tensors], parameters[self.n_tensors :]
        self.layers = DenseLayers(layers[::2], layers[1::2], (0,) * (n_filters - 1))
        self.d_in = filters[0].shape[1]
        self.n_rows = self.d_in + 1 + (self.d_in + 2 if has_windows else 0)
        self.places = [self.n_rows * int(at) for at in np.cumsum([0, *self.layers.plan[:-1, ROW]])]
        self.table = np.zeros(self.places[-1] + PANEL, np.float32)
        for place, tensor in zip(self._rows(self.table), filters, strict=True):
            place.copy_(tensor.detach().t())
        self.hidden: Lease | None = None

    def _rows(self, table: Array) -> list[Tensor]:
        """The place in a table of each tensor of the filters, transposed."""
        whole, found = torch.from_numpy(table), []
        for first in range(0, self.n_tensors, 2 * self.n_filters):
            d_in, skipped = (self.d_in, 0) if first == 0 else (self.d_in + 1, self.d_in + 1)
            for i, width in enumerate(self.layers.widths[:-1]):
                rows = whole[self.places[i] : self.places[i + 1]].view(self.n_rows, -1)[skipped:, :width]
                found += [rows[:d_in], rows[d_in]]
        return found

    def values(self, x: Tensor, *, is_kept: bool) -> Tensor:
        """[N, K] -> [N, C]. is_kept: `gradients` of the same points follows, which needs Z of all hidden layers."""
        layers = self.layers
        out = torch.empty((len(x), layers.widths[-1]), dtype=x.dtype)
        if is_kept:
            layers.pack_ways_back()
        capacity, size = up(len(x), BLOCK) if is_kept else 0, layers.room
        kernel: Any = values
        hidden, points, result = layers.lease_hidden(capacity), array_of(x), out.numpy()

        def work(start: int, stop: int) -> None:
            room = Lease(3 * size, np.float32)
            z = hidden.array if is_kept else room.array[2 * size :]
            kernel(
                points, layers.plan, self.table, self.n_rows, layers.packed, z, capacity, room.array[: 2 * size],
                start, stop, result,
            )  # fmt: skip

        over_blocks(len(x), work)
        self.hidden = hidden if is_kept else None
        return out

    def gradients(self, x: Tensor, g: Tensor, is_wanted: Sequence[bool]) -> list[Tensor | None]:
        """By x, then by each parameter; None where not wanted."""
        layers, hidden = self.layers, self.hidden
        if hidden is None:
            raise RuntimeError("`values` of these points, with is_kept, comes before their gradients")
        x_grad = torch.empty(x.shape if is_wanted[0] else (0, x.shape[1]), dtype=x.dtype)
        of_filters, of_layers = is_wanted[1 : self.n_tensors + 1], is_wanted[self.n_tensors + 1 :]
        flags = np.array([is_wanted[0], *of_layers[::2]], np.bool_)
        points, cotangent, by_x = array_of(x), array_of(g), x_grad.numpy()
        n_sums, size = up(layers.n_gradients, PANEL), layers.room
        kernel: Any = gradients

        def work(start: int, stop: int, total: Array) -> None:
            room = Lease(5 * size, np.float32)
            kernel(
                points, cotangent, layers.plan, self.table, self.n_rows, layers.packed, hidden.array,
                up(len(x), BLOCK), flags, n_sums, room.array[: 5 * size], start, stop, by_x, total,
            )  # fmt: skip

        lease = sum_over_slices(len(x), n_sums + self.places[-1], work)
        totals = lease.array
        by_filters = self._rows(totals[n_sums : n_sums + self.places[-1]])
        return [
            x_grad if is_wanted[0] else None,
            *(rows.t().clone(memory_format=torch.contiguous_format) if is_asked else None
              for rows, is_asked in zip(by_filters, of_filters, strict=True)),
            *layers.gradients(totals, of_layers),
        ]  # fmt: skip


def filter_mlp(
    e: Tensor,
    waves: Sequence[tuple[Tensor, Tensor]],
    envelopes: Sequence[tuple[Tensor, Tensor]],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
) -> Tensor:
    """See `inr.kernels.filter_mlp.filter_mlp`."""
    n, has_windows = len(waves), bool(envelopes)
    filters = [tensor for layer in (*waves, *envelopes) for tensor in layer]
    layers = [tensor for layer in zip(weights, biases, strict=True) for tensor in layer]

    def plain(points: Tensor, parameters: Sequence[Any]) -> Tensor:
        pairs = list(zip(parameters[::2], parameters[1::2], strict=True))
        weights, biases = zip(*pairs[-n:], strict=True)
        return reference.filter_mlp(points, pairs[:n], pairs[n:-n], weights, biases)

    return network_value(lambda parameters: _Network(parameters, n, has_windows), plain, e, [*filters, *layers])
