"""The error on the CPU, compiled by numba.

A block of points goes through everything while it stays in the cache: features, network, error, and back to the
gradients by the features. Those are kept for `hash_grid`'s own `scatter`: adding them to the table's gradient at once
would make the entries of all levels compete for the cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._autograd import applied, reference_gradients
from inr.kernels._cpu.grid_cells import Axes, index_corners, place, prefetch_corners, weigh
from inr.kernels._cpu.plans import widest
from inr.kernels._cpu.relu_network import (
    GATED,
    PLAIN,
    RECTIFIED,
    VECTORS,
    ReluNetwork,
    correlate,
    multiply,
    store_block,
    sum_lanes,
    sum_points,
)
from inr.kernels._dispatch import is_functional
from inr.kernels.grid_mlp_loss import reference
from inr.kernels.hash_grid import GridGeometry, Interpolation
from inr.kernels.hash_grid.cpu import GridSums
from inr.kernels.simd import lanes_of
from inr.kernels.threads import compiled, in_turn

Array = NDArray[Any]


@compiled
def _interpolate(
    rows: Array, index: Array, weight: Array, count: int, points: int, axes: Axes, features: Axes, out: Array
) -> None:
    """One level's features of a block, flat, zeros past the last point."""
    n_features = len(features)
    zero = rows.dtype.type(0)
    for i in range(count):
        for f in range(0, n_features - 3, 4):
            y0, y1, y2, y3 = zero, zero, zero, zero
            for m in range(1 << len(axes)):
                w, row = weight[m, i], rows[index[m, i]]
                y0 += w * row[f]
                y1 += w * row[f + 1]
                y2 += w * row[f + 2]
                y3 += w * row[f + 3]
            out[f * points + i] = y0
            out[(f + 1) * points + i] = y1
            out[(f + 2) * points + i] = y2
            out[(f + 3) * points + i] = y3
        for f in range(n_features // 4 * 4, n_features, 2):
            pair = f + 1 < n_features
            left, right = zero, zero
            for m in range(1 << len(axes)):
                left += weight[m, i] * rows[index[m, i], f]
                if pair:
                    right += weight[m, i] * rows[index[m, i], f + 1]
            out[f * points + i] = left
            if pair:
                out[(f + 1) * points + i] = right
    for f in range(n_features):
        out[f * points + count : (f + 1) * points] = 0


@compiled
def _error(
    block: Array, points: int, y: Array, weight: Array, power: int, first: int, count: int, share: float
) -> float:
    """The sum of the block's errors; the block becomes its gradient, times `share`, zeros past the last point."""
    total = 0.0
    real = y.dtype.type
    for k in range(y.shape[1]):
        row = block[k * points : (k + 1) * points]
        column = min(k, weight.shape[1] - 1)
        for p in range(count):
            error = row[p] - y[first + p, k]
            w = weight[first + p, column] if weight.size > 0 else real(1)
            if power == 2:
                total += w * error * error
                row[p] = (w * real(share)) * (error + error)
            else:
                total += w * abs(error)
                row[p] = (w * real(share)) * np.sign(error)
        row[count:] = 0
    return total


@compiled
def errors(
    x: Array,
    y: Array,
    weight: Array,
    power: int,
    table: Array,
    scale: Array,
    stride: Array,
    span: Array,
    smooth: bool,
    axes: Axes,
    features: Axes,
    plan: Array,
    weights: Array,
    transposed: Array,
    biases: Array,
    has_grad: bool,
    start: int,
    stop: int,
    feature_grad: Array,
    weight_grad: Array,
    bias_grad: Array,
) -> float:
    """The sum of errors over blocks start..stop, and its gradients: columns of feature_grad [L F, N], and the sums
    weight_grad and bias_grad over these points."""
    n_layers, n, n_corners = len(plan) - 1, x.shape[1], 1 << len(axes)
    lanes = lanes_of(x)
    points = VECTORS * lanes
    n_levels, n_features = len(span), len(features)
    cell = np.empty((len(axes), points), np.uint32)
    factor = np.empty((1, 2 * len(axes), points), x.dtype)
    index = np.empty((n_corners, points), np.uint32)
    corner = np.empty((n_corners, points), x.dtype)
    hidden = np.zeros(plan[:-1, 1].sum() * points, x.dtype)
    even = np.zeros(widest(plan, 1) * points, x.dtype)
    odd = np.zeros_like(even)
    zeros = np.zeros(widest(plan, 1), x.dtype)
    weight_total = np.zeros(len(weight_grad) * lanes, x.dtype)
    bias_total = np.zeros(len(bias_grad) * lanes, x.dtype)
    share = 1.0 / y.size
    total = 0.0
    for number in range(start, stop):
        first = number * points
        count = min(points, n - first)
        for level in range(n_levels):
            offset, entries, is_dense = span[level]
            place(x, first, count, scale[level], smooth, axes, cell, factor)
            index_corners(cell, count, stride[level], entries, is_dense != 0, axes, index)
            prefetch_corners(table, offset, index, count)
            weigh(factor, count, False, axes, corner)
            level_rows = table[offset : offset + entries]
            out = hidden[level * n_features * points :]
            _interpolate(level_rows, index, corner, count, points, axes, features, out)
        for i in range(n_layers):
            depth, before = plan[i, 0], plan[i, 2]
            _, n_rows, after, weight_at, _, _, bias_at = plan[i + 1]
            is_last = i + 1 == n_layers
            z = even if is_last else hidden[after * points :]
            matrix, bias, h = weights[weight_at:], biases[bias_at:], hidden[before * points :]
            if is_last:
                multiply(matrix, bias, h, depth, n_rows, PLAIN, z, z)
            else:
                multiply(matrix, bias, h, depth, n_rows, RECTIFIED, z, z)
        total += _error(even, points, y, weight, power, first, count, share)
        if not has_grad:
            continue
        z_grad, h_grad = even, odd
        for i in range(n_layers - 1, -1, -1):
            rows_in, before = plan[i, 1], plan[i, 2]
            width, n_rows, _, _, transposed_at, grad_at, bias_at = plan[i + 1]
            h = hidden[before * points :]
            correlate(z_grad, n_rows, h, rows_in, weight_total[grad_at * lanes :])
            sum_points(z_grad, width, bias_total[bias_at * lanes :])
            if i > 0:
                multiply(transposed[transposed_at:], zeros, z_grad, width, rows_in, GATED, h, h_grad)
            else:
                multiply(transposed[transposed_at:], zeros, z_grad, width, rows_in, PLAIN, h, h_grad)
            z_grad, h_grad = h_grad, z_grad
        store_block(z_grad, points, first, count, feature_grad)
    sum_lanes(weight_total, weight_grad)
    sum_lanes(bias_total, bias_grad)
    return total * share


class _Problem:
    """The arguments of the op except the tensors."""

    def __init__(self, power: int, geometry: GridGeometry, interpolation: Interpolation) -> None:
        self.power, self.geometry, self.interpolation = power, geometry, interpolation

    def reference(self, inputs: Sequence[Tensor | None]) -> Tensor:
        x, y, weight, table, *parameters = inputs
        assert x is not None
        assert y is not None
        assert table is not None
        layers: Any = parameters[::2], parameters[1::2]
        return reference.grid_mlp_loss(x, y, weight, self.power, table, self.geometry, self.interpolation, *layers)

    def evaluate(self, inputs: Sequence[Any], has_grad: bool) -> tuple[Tensor, list[Tensor | None]]:
        """The loss, and its gradients by the table and by the weight and the bias of each layer."""
        x, y, weight, table, *parameters = inputs
        grid = GridSums(self.geometry, self.interpolation)
        network = ReluNetwork(parameters[::2], parameters[1::2])
        slices = network.slices(len(x))
        weight_grads = np.zeros((len(slices), network.n_grad), network.dtype)
        bias_grads = np.zeros((len(slices), len(network.biases)), network.dtype)
        feature_grad = torch.empty((network.widths[0], len(x) if has_grad else 0), dtype=x.dtype)
        columns = np.ascontiguousarray(x.detach().numpy().T)
        given = [
            columns,
            _rows(y),
            _rows(x.new_empty(0, 0) if weight is None else weight),
            self.power,
            _rows(table),
        ]
        settings = grid.settings(x, table.shape[1])
        operands = (network.plan, network.weights, network.transposed, network.biases, has_grad)
        by_features = feature_grad.numpy()
        totals = [0.0] * len(slices)
        kernel: Any = errors

        def work(i: int) -> None:
            sums = weight_grads[i], bias_grads[i]
            totals[i] = kernel(*given, *settings, *operands, *slices[i], by_features, *sums)

        in_turn(len(slices), work)
        loss = x.new_full((), sum(totals))
        if not has_grad:
            return loss, []
        by_table = grid.scatter(torch.from_numpy(columns).t(), None, feature_grad.t())
        return loss, [by_table, *network.unpack(weight_grads.sum(0), bias_grads.sum(0))]


def _rows(tensor: Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array


class _Loss(torch.autograd.Function):
    """Of x, y, their weights or None, the table, then the weight and the bias of each layer, absent ones None."""

    @staticmethod
    def forward(ctx: Any, problem: _Problem, *inputs: Tensor | None) -> Tensor:
        ctx.problem = problem
        ctx.save_for_backward(*inputs)
        ctx.set_materialize_grads(False)
        loss, ctx.found = problem.evaluate(inputs, has_grad=any(ctx.needs_input_grad[1:]))
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (g,) = grads
        inputs, needs = ctx.saved_tensors, ctx.needs_input_grad[1:]
        if torch.is_grad_enabled() or is_functional(g) or any(needs[:3]):
            return None, *reference_gradients(ctx.problem.reference, g, inputs, needs)
        found, ctx.found = ctx.found, None  # without another reference autograd moves the gradient
        if found is None:
            raise RuntimeError("these gradients were used before; call grid_mlp_loss again, or use create_graph=True")
        scaled = (
            None if not need else by if float(g) == 1 else by * g for by, need in zip(found, needs[3:], strict=True)
        )
        return None, None, None, None, *scaled


def grid_mlp_loss(
    x: Tensor,
    y: Tensor,
    weight: Tensor | None,
    power: int,
    table: Tensor,
    geometry: GridGeometry,
    interpolation: Interpolation,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
) -> Tensor:
    """See `inr.kernels.grid_mlp_loss.grid_mlp_loss`."""
    layers = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    problem = _Problem(power, geometry, interpolation)
    return applied(_Loss, problem, x, y, weight, table, *layers)
