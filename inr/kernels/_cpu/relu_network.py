"""The ReLU network on the CPU, compiled by numba: values and first gradients.

Points are the lanes of vectors, in blocks that pass through all layers while they stay in the cache. Per layer

    Z = W H + b        H_grad = W^T Z_grad        W_grad = Z_grad H^T

in tiles of 4 x 2 vectors whose sums stay in the 16 registers of AVX2. Rows are padded to whole tiles with zeros.
Activations are kept for the backward pass if a gradient may be needed.

Blocks are cut into slices by the number of points alone. A slice sums the gradients of its weights by itself and the
slices are added in order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._cpu.plans import widest
from inr.kernels.simd import VECTOR_BYTES, fma, lanes_of, load, load_each, store, zero_below
from inr.kernels.threads import compiled, in_parts, in_turn

Array = NDArray[Any]

TILE, PAIR = 4, 2  # rows and vectors of a tile
VECTORS = 8  # per row of a block, a multiple of PAIR
BLOCKS_PER_SLICE = 8
MAX_SLICES = 16

# What is done to a tile of a product before it is stored. Callers give it as a constant: if it is known only when the
# code runs, there are branches in the loops, which then take three times as long.
PLAIN, RECTIFIED, GATED = range(3)


@compiled
def multiply(weight: Array, bias: Array, x: Array, depth: int, rows: int, mode: int, gate: Array, out: Array) -> None:
    """out[r] = bias[r] + sum_i weight[r, i] x[i] for blocks x, out; all arrays flat, rows a multiple of TILE."""
    lanes = lanes_of(x)
    points = VECTORS * lanes
    for r in range(0, rows, TILE):
        for p in range(0, points, PAIR * lanes):
            c0, c1, c2, c3 = load_each(bias, r), load_each(bias, r + 1), load_each(bias, r + 2), load_each(bias, r + 3)
            d0, d1, d2, d3 = c0, c1, c2, c3
            at, row = p, r * depth
            for _ in range(depth):
                x0, x1 = load(x, at), load(x, at + lanes)
                w = load_each(weight, row)
                c0, d0 = fma(w, x0, c0), fma(w, x1, d0)
                w = load_each(weight, row + depth)
                c1, d1 = fma(w, x0, c1), fma(w, x1, d1)
                w = load_each(weight, row + 2 * depth)
                c2, d2 = fma(w, x0, c2), fma(w, x1, d2)
                w = load_each(weight, row + 3 * depth)
                c3, d3 = fma(w, x0, c3), fma(w, x1, d3)
                at += points
                row += 1
            at = r * points + p
            _store_pair(out, at, c0, d0, mode, gate)
            _store_pair(out, at + points, c1, d1, mode, gate)
            _store_pair(out, at + 2 * points, c2, d2, mode, gate)
            _store_pair(out, at + 3 * points, c3, d3, mode, gate)


@compiled
def _store_pair(out: Array, at: int, c: Any, d: Any, mode: int, gate: Array) -> None:
    lanes = lanes_of(out)
    if mode == RECTIFIED:
        c, d = zero_below(c, c), zero_below(d, d)
    elif mode == GATED:
        c, d = zero_below(c, load(gate, at)), zero_below(d, load(gate, at + lanes))
    store(out, at, c)
    store(out, at + lanes, d)


@compiled
def correlate(a: Array, rows: int, b: Array, columns: int, total: Array) -> None:
    """total[r, c] += a[r] * b[c], lane by lane, for blocks a, b; `total` holds tile after tile."""
    lanes = lanes_of(a)
    points = VECTORS * lanes
    at = 0
    for r in range(0, rows, TILE):
        for c in range(0, columns, PAIR):
            c0, d0 = load(total, at), load(total, at + lanes)
            c1, d1 = load(total, at + 2 * lanes), load(total, at + 3 * lanes)
            c2, d2 = load(total, at + 4 * lanes), load(total, at + 5 * lanes)
            c3, d3 = load(total, at + 6 * lanes), load(total, at + 7 * lanes)
            left, right = r * points, c * points
            for _ in range(VECTORS):
                b0, b1 = load(b, right), load(b, right + points)
                x = load(a, left)
                c0, d0 = fma(x, b0, c0), fma(x, b1, d0)
                x = load(a, left + points)
                c1, d1 = fma(x, b0, c1), fma(x, b1, d1)
                x = load(a, left + 2 * points)
                c2, d2 = fma(x, b0, c2), fma(x, b1, d2)
                x = load(a, left + 3 * points)
                c3, d3 = fma(x, b0, c3), fma(x, b1, d3)
                left += lanes
                right += lanes
            _store_pair(total, at, c0, d0, PLAIN, total)
            _store_pair(total, at + 2 * lanes, c1, d1, PLAIN, total)
            _store_pair(total, at + 4 * lanes, c2, d2, PLAIN, total)
            _store_pair(total, at + 6 * lanes, c3, d3, PLAIN, total)
            at += TILE * PAIR * lanes


@compiled
def load_block(source: Array, first: int, count: int, points: int, block: Array) -> None:
    """Columns first.. of a matrix [features, N] as a flat block, zeros past the last one."""
    for k in range(len(source)):
        row, column = block[k * points : (k + 1) * points], source[k, first : first + count]
        for p in range(count):
            row[p] = column[p]
        for p in range(count, points):
            row[p] = 0


@compiled
def store_block(block: Array, points: int, first: int, count: int, target: Array) -> None:
    """The inverse of `load_block`."""
    for k in range(len(target)):
        row, column = block[k * points : (k + 1) * points], target[k, first : first + count]
        for p in range(count):
            column[p] = row[p]


@compiled
def sum_points(a: Array, rows: int, total: Array) -> None:
    """total[r] += a[r], lane by lane."""
    lanes = lanes_of(a)
    one = np.ones(1, a.dtype)
    unit = load_each(one, 0)
    for r in range(rows):
        c = load(total, r * lanes)
        for v in range(VECTORS):
            c = fma(load(a, (r * VECTORS + v) * lanes), unit, c)
        store(total, r * lanes, c)


@compiled
def values(
    x: Array, plan: Array, weights: Array, biases: Array, kept: Array, start: int, stop: int, out: Array
) -> None:
    """Columns of out [C, N] for blocks start..stop of x [K, N]. `plan`: see `_plan`.

    kept: takes the inputs and activations of every block [blocks, rows], for `gradients`, or else of one.
    """
    n_layers, n = len(plan) - 1, x.shape[1]
    points = VECTORS * lanes_of(x)
    last = np.empty(plan[-1, 1] * points, x.dtype)
    for number in range(start, stop):
        first = number * points
        count = min(points, n - first)
        block = kept[number if len(kept) > 1 else 0]
        block[plan[0, 0] * points : plan[0, 1] * points] = 0
        load_block(x, first, count, points, block)
        for i in range(n_layers):
            _, rows, before, weight_at, _, _, bias_at = plan[i + 1]
            h = block[plan[i, 2] * points :]
            is_last = i + 1 == n_layers
            z = last if is_last else block[before * points :]
            if is_last:
                multiply(weights[weight_at:], biases[bias_at:], h, plan[i, 0], rows, PLAIN, z, z)
            else:
                multiply(weights[weight_at:], biases[bias_at:], h, plan[i, 0], rows, RECTIFIED, z, z)
        store_block(last, points, first, count, out)


@compiled
def gradients(
    g: Array,
    plan: Array,
    transposed: Array,
    kept: Array,
    is_wanted: Array,
    start: int,
    stop: int,
    x_grad: Array,
    weight_grad: Array,
    bias_grad: Array,
) -> None:
    """Gradients for blocks start..stop: columns of x_grad [K, N], and sums over these points of the others.

    is_wanted: for x, then for the weight and the bias of each layer.
    """
    n_layers, n = len(plan) - 1, g.shape[1]
    lanes = lanes_of(g)
    points = VECTORS * lanes
    even = np.zeros(widest(plan, 1) * points, g.dtype)
    odd = np.zeros_like(even)
    zeros = np.zeros(widest(plan, 1), g.dtype)
    weight_total = np.zeros(len(weight_grad) * lanes, g.dtype)
    bias_total = np.zeros(len(bias_grad) * lanes, g.dtype)
    lowest = 0  # the first layer whose Z_grad is needed
    while lowest < n_layers and not is_wanted[: 2 * lowest + 3].any():
        lowest += 1
    for number in range(start, stop):
        first = number * points
        count = min(points, n - first)
        block = kept[number]
        z_grad, h_grad = even, odd
        z_grad[plan[-1, 0] * points : plan[-1, 1] * points] = 0
        load_block(g, first, count, points, z_grad)
        for i in range(n_layers - 1, lowest - 1, -1):
            rows_in, before = plan[i, 1], plan[i, 2]
            width, rows, _, _, transposed_at, grad_at, bias_at = plan[i + 1]
            h = block[before * points :]
            if is_wanted[1 + 2 * i]:
                correlate(z_grad, rows, h, rows_in, weight_total[grad_at * lanes :])
            if is_wanted[2 + 2 * i]:
                sum_points(z_grad, width, bias_total[bias_at * lanes :])
            if i > lowest or (i == 0 and is_wanted[0]):
                if i > 0:
                    multiply(transposed[transposed_at:], zeros, z_grad, width, rows_in, GATED, h, h_grad)
                else:
                    multiply(transposed[transposed_at:], zeros, z_grad, width, rows_in, PLAIN, h, h_grad)
                z_grad, h_grad = h_grad, z_grad
        if is_wanted[0]:
            store_block(z_grad, points, first, count, x_grad)
    sum_lanes(weight_total, weight_grad)
    sum_lanes(bias_total, bias_grad)


@compiled
def sum_lanes(total: Array, out: Array) -> None:
    lanes = len(total) // len(out)
    for k in range(len(out)):
        out[k] = total[k * lanes : (k + 1) * lanes].sum()


@lru_cache(maxsize=64)
def _plan(widths: tuple[int, ...]) -> tuple[Array, list[int]]:
    """For each activation: width; rows, the width in whole tiles; rows of all before it; and where in the flat arrays
    its layer's matrix, transposed matrix, weight gradient and bias start. Then the lengths of those arrays."""
    rows = [-(-width // TILE) * TILE for width in widths]
    plan = np.zeros((len(widths), 7), np.int64)
    plan[:, 0], plan[:, 1] = widths, rows
    plan[1:, 2] = np.cumsum(rows[:-1])
    ends = np.zeros(4, np.int64)
    for i in range(1, len(widths)):
        plan[i, 3:] = ends
        ends += rows[i] * widths[i - 1], rows[i - 1] * widths[i], rows[i] * rows[i - 1], rows[i]
    return plan, ends.tolist()


class ReluNetwork:
    """A network's shape and parameters in the kernels' layout."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> None:
        self.widths = (weights[0].shape[1], *(weight.shape[0] for weight in weights))
        self.dtype = weights[0].detach().numpy().dtype
        self.plan, lengths = _plan(self.widths)
        self.n_grad = lengths[2]
        self.weights, self.transposed, self.biases = (np.zeros(lengths[i], self.dtype) for i in (0, 1, 3))
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            matrix = weight.detach().numpy()
            _, _, _, weight_at, transposed_at, _, bias_at = self.plan[i + 1]
            self.weights[weight_at : weight_at + matrix.size] = matrix.reshape(-1)
            self.transposed[transposed_at : transposed_at + matrix.size] = matrix.T.reshape(-1)
            if bias is not None:
                self.biases[bias_at : bias_at + len(matrix)] = bias.detach().numpy()

    def values(self, x: Tensor, is_kept: bool) -> tuple[Tensor, Array]:
        """The result, and what `gradients` wants (empty unless kept)."""
        out = torch.empty((len(x), self.widths[-1]), dtype=x.dtype)
        inputs, result = _features_first(x), _features_first(out)
        n_blocks, size = self._blocks(len(x)), int(self.plan[:-1, 1].sum()) * self._points
        kept = np.empty((n_blocks, size), self.dtype) if is_kept else None
        kernel: Any = values

        def work(part: int, parts: int) -> None:
            start, stop = n_blocks * part // parts, n_blocks * (part + 1) // parts
            room = np.empty((1, size), self.dtype) if kept is None else kept
            kernel(inputs, self.plan, self.weights, self.biases, room, start, stop, result)

        in_parts(work, n_blocks, least=4)
        return out, np.empty((0, 0), self.dtype) if kept is None else kept

    def gradients(self, x: Tensor, g: Tensor, kept: Array, is_wanted: Sequence[bool]) -> list[Tensor | None]:
        """By x, then by the weight and the bias of each layer; None where not wanted."""
        x_grad = torch.empty((x.shape[1], len(x) if is_wanted[0] else 0), dtype=x.dtype)
        slices = self.slices(len(x))
        weight_grads = np.empty((len(slices), self.n_grad), self.dtype)
        bias_grads = np.empty((len(slices), len(self.biases)), self.dtype)
        cotangent, by_x, flags = _features_first(g), x_grad.numpy(), np.array(is_wanted, np.bool_)
        kernel: Any = gradients

        def work(i: int) -> None:
            sums = weight_grads[i], bias_grads[i]
            kernel(cotangent, self.plan, self.transposed, kept, flags, *slices[i], by_x, *sums)

        in_turn(len(slices), work)
        found = [x_grad.t(), *self.unpack(weight_grads.sum(0), bias_grads.sum(0))]
        return [grad if flag else None for grad, flag in zip(found, is_wanted, strict=True)]

    def unpack(self, weight_grad: Array, bias_grad: Array) -> list[Tensor]:
        """The gradients by the weight and the bias of each layer."""
        found = []
        for i, width in enumerate(self.widths[1:]):
            bias_at = self.plan[i + 1, 6]
            found += [self._matrix(weight_grad, i), torch.from_numpy(bias_grad[bias_at : bias_at + width].copy())]
        return found

    def slices(self, n_points: int) -> list[tuple[int, int]]:
        """Ranges of blocks whose sums are taken together."""
        n_blocks = self._blocks(n_points)
        length = max(BLOCKS_PER_SLICE, -(-n_blocks // MAX_SLICES))
        return [(start, min(start + length, n_blocks)) for start in range(0, max(n_blocks, 1), length)]

    def _matrix(self, flat: Array, i: int) -> Tensor:
        """Layer i's weight gradient, from tiles."""
        rows, columns, at = self.plan[i + 1, 1], self.plan[i, 1], self.plan[i + 1, 5]
        tiles = flat[at : at + rows * columns].reshape(rows // TILE, columns // PAIR, TILE, PAIR)
        matrix = tiles.transpose(0, 2, 1, 3).reshape(rows, columns)[: self.widths[i + 1], : self.widths[i]]
        return torch.from_numpy(np.ascontiguousarray(matrix))

    @property
    def _points(self) -> int:
        return VECTORS * VECTOR_BYTES // self.dtype.itemsize

    def _blocks(self, n_points: int) -> int:
        return -(-n_points // self._points)


def _features_first(tensor: Tensor) -> Array:
    """A matrix [N, K] as [K, N], in place where one of the two is contiguous."""
    matrix = tensor.detach().t()
    if not (matrix.is_contiguous() or tensor.is_contiguous()):
        matrix = matrix.contiguous()
    array: Array = matrix.numpy()
    return array
