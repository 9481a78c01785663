"""The ReLU network on the CPU, compiled by numba: values and first gradients.

Points pass through all layers in blocks whose activations stay in the cache; three products make a layer,

    Z = H W^T + b        H_grad = Z_grad W        W_grad = Z_grad^T H

and one routine makes all three: tiles of C = A B whose sums stay in registers. Rows of every matrix start a vector and
have room for whole ones, so no loop has a remainder; what lies in that room is never read as a result. Activations are
worked out again on the way back, which costs less than storing them.

Points are cut into slices by their number alone. A slice sums the gradients of its weights by itself and the slices
are added in order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._autograd import tracked, wanted
from inr.kernels._dispatch import is_functional
from inr.kernels._numba import compiled, in_parts
from inr.kernels._vectors import VECTOR_BYTES, fma, load, load_each, store, zero_below
from inr.kernels.mlp import reference

Array = NDArray[Any]

TILE_ROWS = 6
BLOCK = 96  # points, a multiple of TILE_ROWS
MAX_SLICES = 32
LEAST_POINTS_PER_SLICE = 4 * BLOCK
LINE_BYTES = 64

PLAIN, RECTIFIED, GATED = range(3)


@compiled
def _multiply(
    a: Array,
    a_row: int,
    a_column: int,
    b: Array,
    b_row: int,
    start: Array,
    start_row: int,
    c: Array,
    c_row: int,
    size: tuple[int, int, int],
    ending: int,
    gate: Array,
) -> None:
    """C = ending(start + A B) for C of size[0] x size[2]; arrays are flat, x_row elements from row to row.

    Whole tiles are computed. RECTIFIED ends with relu, GATED with zero where `gate`, laid out as C, is not positive.
    """
    lanes = VECTOR_BYTES // c.itemsize
    rows, depth, columns = size
    for i in range(0, rows, TILE_ROWS):
        j = 0
        while j < columns:
            if columns - j > lanes:
                at = i * start_row + j
                c00, c01 = load(start, at), load(start, at + lanes)
                at += start_row
                c10, c11 = load(start, at), load(start, at + lanes)
                at += start_row
                c20, c21 = load(start, at), load(start, at + lanes)
                at += start_row
                c30, c31 = load(start, at), load(start, at + lanes)
                at += start_row
                c40, c41 = load(start, at), load(start, at + lanes)
                at += start_row
                c50, c51 = load(start, at), load(start, at + lanes)
                left, right = i * a_row, j
                for _ in range(depth):
                    b0, b1 = load(b, right), load(b, right + lanes)
                    x = load_each(a, left)
                    c00, c01 = fma(x, b0, c00), fma(x, b1, c01)
                    x = load_each(a, left + a_row)
                    c10, c11 = fma(x, b0, c10), fma(x, b1, c11)
                    x = load_each(a, left + 2 * a_row)
                    c20, c21 = fma(x, b0, c20), fma(x, b1, c21)
                    x = load_each(a, left + 3 * a_row)
                    c30, c31 = fma(x, b0, c30), fma(x, b1, c31)
                    x = load_each(a, left + 4 * a_row)
                    c40, c41 = fma(x, b0, c40), fma(x, b1, c41)
                    x = load_each(a, left + 5 * a_row)
                    c50, c51 = fma(x, b0, c50), fma(x, b1, c51)
                    left += a_column
                    right += b_row
                at = i * c_row + j
                _end(c, at, c00, ending, gate)
                _end(c, at + lanes, c01, ending, gate)
                at += c_row
                _end(c, at, c10, ending, gate)
                _end(c, at + lanes, c11, ending, gate)
                at += c_row
                _end(c, at, c20, ending, gate)
                _end(c, at + lanes, c21, ending, gate)
                at += c_row
                _end(c, at, c30, ending, gate)
                _end(c, at + lanes, c31, ending, gate)
                at += c_row
                _end(c, at, c40, ending, gate)
                _end(c, at + lanes, c41, ending, gate)
                at += c_row
                _end(c, at, c50, ending, gate)
                _end(c, at + lanes, c51, ending, gate)
                j += 2 * lanes
            else:
                at = i * start_row + j
                c00, c10, c20 = load(start, at), load(start, at + start_row), load(start, at + 2 * start_row)
                at += 3 * start_row
                c30, c40, c50 = load(start, at), load(start, at + start_row), load(start, at + 2 * start_row)
                left, right = i * a_row, j
                for _ in range(depth):
                    b0 = load(b, right)
                    c00 = fma(load_each(a, left), b0, c00)
                    c10 = fma(load_each(a, left + a_row), b0, c10)
                    c20 = fma(load_each(a, left + 2 * a_row), b0, c20)
                    c30 = fma(load_each(a, left + 3 * a_row), b0, c30)
                    c40 = fma(load_each(a, left + 4 * a_row), b0, c40)
                    c50 = fma(load_each(a, left + 5 * a_row), b0, c50)
                    left += a_column
                    right += b_row
                at = i * c_row + j
                _end(c, at, c00, ending, gate)
                _end(c, at + c_row, c10, ending, gate)
                _end(c, at + 2 * c_row, c20, ending, gate)
                _end(c, at + 3 * c_row, c30, ending, gate)
                _end(c, at + 4 * c_row, c40, ending, gate)
                _end(c, at + 5 * c_row, c50, ending, gate)
                j += lanes


@compiled
def _end(c: Array, at: int, value: Any, ending: int, gate: Array) -> None:
    if ending == RECTIFIED:
        value = zero_below(value, value)
    elif ending == GATED:
        value = zero_below(value, load(gate, at))
    store(c, at, value)


@compiled
def _take(source: Array, first: int, count: int, target: Array, row: int) -> None:
    """Rows of a matrix into a block, with zeros below."""
    width = source.shape[1]
    for i in range(count):
        for k in range(width):
            target[i * row + k] = source[first + i, k]
    target[count * row :] = 0


@compiled
def _climb(h: Array, n_layers: int, count: int, plan: Array, forwards: Array, biases: Array) -> None:
    """Activations h[1], ..., h[n_layers] of a block from h[0]; the last layer of the network is not rectified."""
    for i in range(n_layers):
        width, row, _, forward_at, _, bias_at = plan[i + 1]
        size = (count, plan[i, 0], width)
        ending = RECTIFIED if i + 2 < len(plan) else PLAIN
        bias = biases[bias_at:]
        _multiply(h[i], plan[i, 1], 1, forwards[forward_at:], row, bias, 0, h[i + 1], row, size, ending, bias)


@compiled
def values(x: Array, plan: Array, forwards: Array, biases: Array, start: int, stop: int, out: Array) -> None:
    """out[n] = network(x[n]) for points start..stop. `plan`: see `_plan`."""
    h = np.zeros((len(plan), plan[0, 2]), x.dtype)
    row = plan[-1, 1]
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        _take(x, first, count, h[0], plan[0, 1])
        _climb(h, len(plan) - 1, count, plan, forwards, biases)
        for i in range(count):
            for k in range(out.shape[1]):
                out[first + i, k] = h[-1, i * row + k]


@compiled
def gradients(
    x: Array,
    g: Array,
    plan: Array,
    forwards: Array,
    backwards: Array,
    biases: Array,
    is_wanted: Array,
    start: int,
    stop: int,
    x_grad: Array,
    weight_grad: Array,
    bias_grad: Array,
) -> None:
    """Gradients for points start..stop: rows of x_grad, and sums over these points of the others.

    is_wanted: for x, then for the weight and the bias of each layer.
    """
    n_layers = len(plan) - 1
    h = np.zeros((n_layers, plan[0, 2]), x.dtype)
    z_grad, h_grad = np.zeros(plan[0, 2], x.dtype), np.zeros(plan[0, 2], x.dtype)
    nothing = np.zeros(plan[:, 1].max(), x.dtype)
    weight_grad[:] = 0
    bias_grad[:] = 0
    lowest = 0  # the first layer whose Z_grad is needed
    while lowest < n_layers and not is_wanted[: 2 * lowest + 3].any():
        lowest += 1
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        _take(x, first, count, h[0], plan[0, 1])
        _climb(h, n_layers - 1, count, plan, forwards, biases)
        _take(g, first, count, z_grad, plan[-1, 1])
        for i in range(n_layers - 1, lowest - 1, -1):
            d_in, row_in = plan[i, 0], plan[i, 1]
            width, row, _, _, backward_at, bias_at = plan[i + 1]
            if is_wanted[1 + 2 * i]:
                total = weight_grad[backward_at:]
                size = (width, count, d_in)
                _multiply(z_grad, 1, row, h[i], row_in, total, row_in, total, row_in, size, PLAIN, total)
            if is_wanted[2 + 2 * i]:
                for n in range(count):
                    for k in range(width):
                        bias_grad[bias_at + k] += z_grad[n * row + k]
            if i > lowest or (i == 0 and is_wanted[0]):
                ending = GATED if i > 0 else PLAIN
                matrix = backwards[backward_at:]
                size = (count, width, d_in)
                _multiply(z_grad, row, 1, matrix, row_in, nothing, 0, h_grad, row_in, size, ending, h[i])
                z_grad, h_grad = h_grad, z_grad
        if is_wanted[0]:
            for n in range(count):
                for k in range(x.shape[1]):
                    x_grad[first + n, k] = z_grad[n * plan[0, 1] + k]


@lru_cache(maxsize=64)
def _plan(widths: tuple[int, ...], itemsize: int) -> tuple[Array, int, int, int]:
    """For each activation: width, elements per row, elements of a block, and where in the flat arrays its layer's
    H W^T operand, its W operand (and W_grad) and its bias start; then the lengths of those arrays.

    A row is an odd number of cache lines, so that the rows of a column spread over all sets of the cache.
    """
    line = LINE_BYTES // itemsize
    rows = [(-(-width // line) | 1) * line for width in widths]
    plan = np.zeros((len(widths), 6), np.int64)
    plan[:, 0], plan[:, 1], plan[:, 2] = widths, rows, BLOCK * max(rows) + TILE_ROWS
    forward, backward, bias = 0, 0, 0
    for i, ((d_in, width), (row_in, row)) in enumerate(zip(pairwise(widths), pairwise(rows), strict=True)):
        plan[i + 1, 3:] = forward, backward, bias
        forward += d_in * row
        backward += -(-width // TILE_ROWS) * TILE_ROWS * row_in
        bias += row
    return plan, forward, backward, bias


class _Network:
    """A network's shape and parameters in the kernels' layout."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> None:
        self.widths = (weights[0].shape[1], *(weight.shape[0] for weight in weights))
        self.dtype = weights[0].detach().numpy().dtype
        self.plan, n_forward, n_backward, n_bias = _plan(self.widths, self.dtype.itemsize)
        self.forwards = np.zeros(n_forward, self.dtype)
        self.backwards = np.zeros(n_backward, self.dtype)
        self.biases = np.zeros(n_bias, self.dtype)
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            matrix = weight.detach().numpy()
            self._columns(self.forwards, i)[:] = matrix.T
            self._rows(self.backwards, i)[:] = matrix
            if bias is not None:
                self._bias(self.biases, i)[:] = bias.detach().numpy()

    def _columns(self, flat: Array, i: int) -> Array:
        """Layer i's transposed matrix in the operands of the forward pass."""
        at, row = self.plan[i + 1, 3], self.plan[i + 1, 1]
        return flat[at : at + self.widths[i] * row].reshape(self.widths[i], row)[:, : self.widths[i + 1]]

    def _rows(self, flat: Array, i: int) -> Array:
        """Layer i's matrix in the operands, or the gradients, of the backward pass."""
        at, row = self.plan[i + 1, 4], self.plan[i, 1]
        return flat[at : at + self.widths[i + 1] * row].reshape(self.widths[i + 1], row)[:, : self.widths[i]]

    def _bias(self, flat: Array, i: int) -> Array:
        at = self.plan[i + 1, 5]
        return flat[at : at + self.widths[i + 1]]

    def values(self, x: Tensor) -> Tensor:
        out = torch.empty((len(x), self.widths[-1]), dtype=x.dtype)
        points, result = _array(x), _array(out)
        kernel: Any = values

        def work(start: int, stop: int, index: int) -> None:
            kernel(points, self.plan, self.forwards, self.biases, start, stop, result)

        _over_slices(work, len(x))
        return out

    def gradients(self, x: Tensor, g: Tensor, is_wanted: Sequence[bool]) -> list[Tensor | None]:
        """By x, then by the weight and the bias of each layer; None where not wanted."""
        n_slices = len(_slices(len(x)))
        x_grad = torch.empty(x.shape if is_wanted[0] else (0, 0), dtype=x.dtype)
        weight_grads = np.empty((n_slices, len(self.backwards)), self.dtype)
        bias_grads = np.empty((n_slices, len(self.biases)), self.dtype)
        inputs, by_x, flags = (_array(x), _array(g)), _array(x_grad), np.array(is_wanted, np.bool_)
        operands = (self.plan, self.forwards, self.backwards, self.biases, flags)
        kernel: Any = gradients

        def work(start: int, stop: int, index: int) -> None:
            kernel(*inputs, *operands, start, stop, by_x, weight_grads[index], bias_grads[index])

        _over_slices(work, len(x))
        found: list[Tensor | None] = [x_grad if is_wanted[0] else None]
        weight_grad, bias_grad = weight_grads.sum(0), bias_grads.sum(0)
        for i in range(len(self.widths) - 1):
            by_weight, by_bias = self._rows(weight_grad, i), self._bias(bias_grad, i)
            found.append(torch.from_numpy(by_weight.copy()) if is_wanted[1 + 2 * i] else None)
            found.append(torch.from_numpy(by_bias.copy()) if is_wanted[2 + 2 * i] else None)
        return found


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array


def _slices(n_points: int) -> list[tuple[int, int]]:
    blocks = -(-max(n_points, 1) // BLOCK)
    length = BLOCK * max(LEAST_POINTS_PER_SLICE // BLOCK, -(-blocks // MAX_SLICES))
    return [(start, min(start + length, n_points)) for start in range(0, max(n_points, 1), length)]


def _over_slices(work: Callable[[int, int, int], None], n_points: int) -> None:
    """work(start, stop, index of the slice) for all points."""
    slices = _slices(n_points)

    def some(part: int, parts: int) -> None:
        for index in range(part, len(slices), parts):
            work(*slices[index], index)

    in_parts(some, len(slices))


class _Value(torch.autograd.Function):
    """Inputs: a network or None, x, then the weight and the bias of each layer."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, *parameters: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, *parameters)
        ctx.network = _Network(*_split(parameters))
        return ctx.network.values(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        is_wanted = wanted(ctx, len(ctx.saved_tensors))
        if torch.is_grad_enabled() or is_functional(g):
            return _reference_gradients(g, ctx.saved_tensors, is_wanted)
        return tuple(ctx.network.gradients(ctx.saved_tensors[0], g, is_wanted))


def _split(parameters: Sequence[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return parameters[::2], parameters[1::2]


def _reference_gradients(
    g: Tensor, inputs: Sequence[Tensor | None], is_wanted: Sequence[bool]
) -> tuple[Tensor | None, ...]:
    """What the kernel gives, in plain torch: differentiable and under any transform."""
    with torch.enable_grad():
        sources = [None if tensor is None else tracked(tensor) for tensor in inputs]
        assert sources[0] is not None
        value = reference.relu_mlp(sources[0], *_split(sources[1:]))
        picked = [
            source for source, is_asked in zip(sources, is_wanted, strict=True) if source is not None and is_asked
        ]
        found = iter(torch.autograd.grad(value, picked, g, create_graph=True))
    return tuple(next(found) if is_asked else None for is_asked in is_wanted)


def relu_mlp(x: Tensor, weights: Sequence[Tensor], biases: Sequence[Tensor | None]) -> Tensor:
    """See `inr.kernels.mlp.relu_mlp`."""
    layers = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    views = [None if tensor is None else tensor.view_as(tensor) for tensor in (x, *layers)]
    value: Tensor = _Value.apply(*views)  # type: ignore[no-untyped-call]
    return value
