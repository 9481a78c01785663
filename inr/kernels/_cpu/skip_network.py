"""A small rectified network with a linear skip, forwards and backwards on one block of points.

    h_1 = relu(W_1 x + b_1), ..., h_n = relu(W_n h_{n-1} + b_n),    y = W_{n+1} h_n + V x + b_{n+1}

A block has one row per number of y, h_1, ..., h_n, x, in this order, so that the inputs of y = [W_{n+1} V] [h_n; x] and
the gradients of x = [V^T W_1^T] [y; h_1] lie side by side, and one of ones, by which the gradients of biases are among
those of weights. On the way back every row becomes its gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.kernels._cpu.panel_matmul import GATED, PLAIN, RECTIFIED, correlate, empty_lines, multiply
from inr.kernels.threads import compiled

Array = NDArray[Any]


@compiled
def run(plan: Array, weights: Array, biases: Array, starts: Array, block: Array, points: int) -> None:
    """Fills in h and y. starts: where the rows of the block begin, and then those that `run_back` reads."""
    for i in range(len(plan)):
        weight_at, bias_at, rows, depth, source, target, mode = plan[i]
        multiply(
            weights, weight_at, biases, bias_at, rows, block, 0, starts, source, depth,
            block, starts[target], starts[1], points, mode,
        )  # fmt: skip


@compiled
def run_back(plan: Array, weights: Array, zeros: Array, starts: Array, block: Array, points: int, total: Array) -> None:
    """From the gradients by y those by h and x, in their places, and the sums of those by parameters, in lanes.

    total: empty if those are not wanted.
    """
    for i in range(len(plan)):
        row, rows, seen_at, columns, total_at, weight_at, width, first, depth, target, mode = plan[i]
        at = starts[row]
        if len(total) > 0:
            correlate(block, at, starts[1], rows, block, 0, starts, seen_at, columns, points, total, total_at)
        multiply(
            weights, weight_at, zeros, 0, width, block, 0, starts, first, depth,
            block, starts[target], starts[1], points, mode,
        )  # fmt: skip


@compiled
def empty_block(x_row: int, inputs: int, points: int, like: Array) -> Array:
    """A block of zeros, and ones in its last row."""
    block = empty_lines((x_row + inputs + 1) * points, like)
    block[(x_row + inputs) * points :] = 1
    return block


@lru_cache(maxsize=64)
def _plans(widths: tuple[int, ...], lanes: int) -> tuple[Array, Array, list[int], int]:
    """Both plans, which rows they read, and how many sums there are. widths: of x, h_1, ..., h_n, y."""
    k, *hidden, n_out = widths
    firsts = [n_out + sum(hidden[:i]) for i in range(len(hidden) + 1)]  # of h_1, ..., h_n, x
    x = firsts[-1]
    forwards, at, bias_at = [], 0, 0
    for i, width in enumerate(hidden):
        source, depth = (x, k) if i == 0 else (firsts[i - 1], hidden[i - 1])
        forwards.append((at, bias_at, width, depth, source, firsts[i], RECTIFIED))
        at, bias_at = at + width * depth, bias_at + width
    wide = k + (hidden[-1] if hidden else 0)
    last = x + k - wide
    forwards.append((at, bias_at, n_out, wide, last, 0, PLAIN))
    backwards, total_at, at = [], 0, 0
    ones = x + k
    read = list(range(ones))
    for i in range(len(hidden), -1, -1):
        row, rows = (0, n_out) if i == len(hidden) else (firsts[i], hidden[i])
        source, columns = (last, wide) if i == len(hidden) else (x, k) if i == 0 else (firsts[i - 1], hidden[i - 1])
        seen_at = len(read)
        read += [*range(source, source + columns), ones]
        if i > 0:
            width, first, depth, target, mode = hidden[i - 1], row, rows, firsts[i - 1], GATED
        else:
            width, first, depth, target, mode = k, 0, n_out + (hidden[0] if hidden else 0), x, PLAIN
        backwards.append((row, rows, seen_at, columns + 1, total_at, at, width, first, depth, target, mode))
        at += width * depth
        total_at += rows * (columns + 1) * lanes
    return np.array(forwards, np.int64), np.array(backwards, np.int64), read, total_at // lanes


class Network:
    """Parameters in the kernels' layout.

    weights: [H_i, H_{i-1}] each; skip: [H_{n+1}, H_0]; points: columns of a block.
    """

    def __init__(self, weights: Sequence[Array], biases: Sequence[Array], skip: Array, points: int, lanes: int) -> None:
        self.widths = (skip.shape[1], *(len(weight) for weight in weights))
        self.plan, self.plan_back, read, self.n_sums = _plans(self.widths, lanes)
        self.starts = np.array(read, np.int64) * points
        self.x_row = sum(self.widths[1:])
        self.biases = np.concatenate(biases)
        self.zeros = np.zeros(max(self.widths), skip.dtype)
        hidden, last = list(weights[:-1]), weights[-1]
        out = np.concatenate([last, skip], 1) if hidden else last + skip
        self.weights = np.concatenate([matrix.T.ravel() for matrix in [*hidden, out]])
        # Of the products on the way back the factors are [V^T W_1^T] and W^T, stored by columns: rows of W.
        first = np.concatenate([skip, hidden[0]]) if hidden else out
        back = [last, *hidden[:0:-1], first] if hidden else [first]
        self.weights_back = np.concatenate([matrix.ravel() for matrix in back])

    @property
    def operands(self) -> tuple[Any, ...]:
        """What kernels that go through it and back take, in this order."""
        parameters = self.weights, self.weights_back, self.biases, self.zeros
        return self.plan, self.plan_back, *parameters, self.starts, self.x_row

    def unpack(self, sums: Array) -> tuple[list[Array], list[Array], Array]:
        """Gradients by the weights, the biases and the skip."""
        k, *hidden = self.widths[:-1]
        weights: list[Array] = []
        biases: list[Array] = []
        skip: Array = sums[:0]
        at = 0
        for row in self.plan_back:
            rows, columns = int(row[1]), int(row[3])
            matrix = sums[at : at + rows * columns].reshape(rows, columns)
            at += rows * columns
            biases.append(matrix[:, -1].copy())
            matrix = matrix[:, :-1]
            if not weights:
                skip = np.ascontiguousarray(matrix[:, columns - 1 - k :])
                matrix = matrix[:, : columns - 1 - k] if hidden else matrix
            weights.append(matrix.copy())
        return weights[::-1], biases[::-1], skip
