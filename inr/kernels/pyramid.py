"""What a latent pyramid shows, and the gradients of its mean squared error, compiled by numba; without torch.

Formulas: `pyramid_error`. Every plane is stored row after row with all channels of a row side by side, and with room
around each one, where the edge is repeated (in values) or zeros stand (in gradients):

    double    X_l = [grid_l, up(X_{l+1})], first along the rows' axis (V_l), then along the rows themselves
    show      Y_0 = network(X_0), pixels as the lanes of vectors, in blocks that stay in the cache
    filter_   Y_i = relu(Y_{i-1} + conv(Y_{i-1})), without the relu for the last one
    compare   the error, and D_n, its gradient by Y_n
    unfilter  D_{i-1} from D_i, and the gradients of the convolution
    unshow    gradients by X_0 and the network; of X_0's, those by grid_0 and V_0
    undouble  from the gradients by V_l those by X_{l+1}, of these those by grid_{l+1} and V_{l+1}

Every pass is cut into parts by rows alone, whose sums are taken in order, so the result does not depend on the number
of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy as copy_of
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from inr.kernels._cpu.panel_matmul import (
    GATED,
    PLAIN,
    RECTIFIED,
    STEP,
    copy,
    correlate,
    empty_lines,
    multiply,
    sum_lanes,
)
from inr.kernels._cpu.skip_network import Network, empty_block, run, run_back
from inr.kernels._cpu.workspace import Lease
from inr.kernels.simd import VECTOR_BYTES, alternate, fma, lanes_of, load, load_each, part, plus, store, times, zeros
from inr.kernels.threads import compiled, in_turn

Array = NDArray[Any]
Parts = list[tuple[int, int]]  # ranges of rows

VECTORS = 16  # of a block, a multiple of STEP
ROOM = 16  # numbers before and after a row
MOST_PARTS = 8
LEAST_PART = 1 << 15  # numbers of all channels
STRIP, LEAST_STRIP = 1 << 22, 16  # numbers of X_0 in a strip, or so; rows

# Columns of the plan of levels: size, distance of channels and of rows, where X, V and V's gradient begin.
HEIGHT, WIDTH, STRIDE, ROW, X, V, V_GRAD, V_ROW = range(8)


@compiled
def _edges(space: Array, at: int, width: int, stride: int, reach: int) -> None:
    """Repeats the first and the last number of a row outside, and puts zeros beyond."""
    space[at - ROOM : at - reach] = 0
    space[at - reach : at] = space[at]
    space[at + width : at + width + reach] = space[at + width - 1]
    space[at + width + reach : at + stride - ROOM] = 0


@compiled
def _blend(
    source: Array, a: int, b: int, c: int, d: int, taps: Array, ta: int, tb: int, tc: int, td: int, count: int,
    out: Array, at: int,
) -> None:  # fmt: skip
    """out = the sum of four rows, each times one of the taps."""
    lanes = lanes_of(out)
    wa, wb, wc, wd = load_each(taps, ta), load_each(taps, tb), load_each(taps, tc), load_each(taps, td)
    for i in range(0, count, lanes):
        left = fma(wa, load(source, a + i), times(wb, load(source, b + i)))
        right = fma(wc, load(source, c + i), times(wd, load(source, d + i)))
        store(out, at + i, plus(left, right))


@compiled
def _stretch(source: Array, start: int, width: int, taps: Array, at_taps: int, out: Array, at: int) -> None:
    """A row at twice its width."""
    lanes = lanes_of(out)
    a, b = load_each(taps, at_taps), load_each(taps, at_taps + 1)
    c, d = load_each(taps, at_taps + 2), load_each(taps, at_taps + 3)
    for i in range(0, width, lanes):
        here = start + i
        x1, x2, x3 = load(source, here - 1), load(source, here), load(source, here + 1)
        even = plus(fma(a, load(source, here - 2), times(c, x1)), fma(d, x2, times(b, x3)))
        odd = plus(fma(b, x1, times(d, x2)), fma(c, x3, times(a, load(source, here + 2))))
        first, second = alternate(even, odd)
        store(out, at + 2 * i, first)
        store(out, at + 2 * i + lanes, second)


@compiled
def double(plan: Array, level: int, first: int, last: int, grid: Array, taps: Array, space: Array) -> None:
    """Rows of X_l. taps: [L - 1, 4], flat."""
    width, stride = plan[level, WIDTH], plan[level, STRIDE]
    n_levels = len(plan)
    for r in range(first, last):
        at = plan[level, X] + r * plan[level, ROW] + ROOM
        space[at : at + width] = grid[r]
        _edges(space, at, width, stride, 2)
        if level + 1 == n_levels:
            continue
        below, coarse, step = plan[level + 1, HEIGHT], plan[level + 1, WIDTH], plan[level + 1, STRIDE]
        source, row, t = plan[level + 1, X], plan[level + 1, ROW], 4 * level
        m, v = r // 2, plan[level, V] + r * plan[level, V_ROW]
        middle, under, over = source + m * row, source + min(m + 1, below - 1) * row, source + max(m - 1, 0) * row
        if r % 2 == 0:
            farther = source + max(m - 2, 0) * row
            _blend(space, under, middle, over, farther, taps, t + 1, t + 3, t + 2, t, row, space, v)
        else:
            farther = source + min(m + 2, below - 1) * row
            _blend(space, farther, under, middle, over, taps, t, t + 2, t + 3, t + 1, row, space, v)
        for k in range(n_levels - 1 - level):
            target = at + (k + 1) * stride
            _stretch(space, v + k * step + ROOM, coarse, taps, t, space, target)
            _edges(space, target, width, stride, 2)


@compiled
def _take(space: Array, at: int, stride: int, rows: int, count: int, block: Array, starts: Array, first: int) -> None:
    """Some numbers of each channel of a row, as rows of a block."""
    for k in range(rows):
        copy(space, at + k * stride, count, block, starts[first + k])


@compiled
def show(
    plan: Array, first: int, last: int, points: int, network: Array, weights: Array, biases: Array, starts: Array,
    x_row: int, n_out: int, space: Array, y: int,
) -> None:  # fmt: skip
    """Rows of Y_0."""
    width, stride, inputs = plan[0, WIDTH], plan[0, STRIDE], len(plan)
    block = empty_block(x_row, inputs, points, space)
    for r in range(first, last):
        at, target = plan[0, X] + r * plan[0, ROW] + ROOM, y + r * n_out * stride + ROOM
        for q in range(0, stride - 2 * ROOM, points):
            count = min(points, stride - 2 * ROOM - q)
            _take(space, at + q, stride, inputs, count, block, starts, x_row)
            run(network, weights, biases, starts, block, count)
            for k in range(n_out):
                copy(block, starts[k], count, space, target + k * stride + q)
        for k in range(n_out):
            _edges(space, target + k * stride, width, stride, 1)


@compiled
def _neighbours(source: int, r: int, height: int, channels: int, stride: int, out: Array) -> None:
    """Where the rows begin that a 3 x 3 filter sees at row r: by channel, and then as the filter's numbers."""
    for k in range(channels):
        for j in range(3):
            row = min(max(r + j - 1, 0), height - 1)
            here = source + (row * channels + k) * stride + ROOM
            for i in range(3):
                out[(k * 3 + j) * 3 + i] = here + i - 1


@compiled
def filter_(
    plan: Array, first: int, last: int, channels: int, weights: Array, biases: Array, mode: int, source: int,
    target: int, space: Array,
) -> None:  # fmt: skip
    """Rows of Y_i. weights: [C 3 3, C], with one added in the middle, flat."""
    height, width, stride = plan[0, HEIGHT], plan[0, WIDTH], plan[0, STRIDE]
    starts = np.empty(9 * channels, np.int64)
    for r in range(first, last):
        _neighbours(source, r, height, channels, stride, starts)
        at = target + r * channels * stride + ROOM
        multiply(
            weights, 0, biases, 0, channels, space, 0, starts, 0, 9 * channels, space, at, stride,
            stride - 2 * ROOM, mode,
        )  # fmt: skip
        for k in range(channels):
            _edges(space, at + k * stride, width, stride, 1)


@compiled
def compare(plan: Array, first: int, last: int, target: Array, has_grad: bool, space: Array, y: int) -> float:
    """The sum of squares of rows of Y_n - target; Y_n becomes D_n."""
    width, stride, channels = plan[0, WIDTH], plan[0, STRIDE], len(target)
    two = space.dtype.type(2.0 / target.size)
    cost = np.zeros(width, space.dtype)
    for r in range(first, last):
        for k in range(channels):
            at = y + (r * channels + k) * stride
            row, wanted = space[at + ROOM : at + ROOM + width], target[k, r]
            for c in range(width):
                e = row[c] - wanted[c]
                cost[c] += e * e
                row[c] = e * two
            space[at : at + ROOM] = 0
            space[at + ROOM + width : at + stride] = 0
    total = 0.0
    for c in range(width):
        total += cost[c]
    return total


@compiled
def unfilter(
    plan: Array, first: int, last: int, channels: int, weights: Array, none: Array, mode: int, y: int, source: int,
    target: int, zero: int, ones: int, space: Array, every: int, turn: int, sums: Array,
) -> None:  # fmt: skip
    """Rows of D_{i-1} from D_i and Y_{i-1}; sums: the gradients by weights and bias of each channel.

    These are `every` times those of every such pair of rows, from number `turn` on.

    weights: [4, C 3 3, C] of the transposed filter for rows within, at the top, at the bottom, and at both, flat.
    """
    height, width, stride = plan[0, HEIGHT], plan[0, WIDTH], plan[0, STRIDE]
    lanes = lanes_of(space)
    taps = 9 * channels
    starts = np.empty(taps + 1, np.int64)
    starts[taps] = ones
    totals = empty_lines(len(sums) * lanes, space)
    count = stride - 2 * ROOM
    for r in range(first, last):
        here = source + r * channels * stride + ROOM
        if r // 2 % every == turn:
            _neighbours(y, r, height, channels, stride, starts)
            correlate(space, here, stride, channels, space, 0, starts, 0, taps + 1, count, totals, 0)
        _neighbours(source, r, height, channels, stride, starts)
        for k in range(channels):
            for i in range(3):
                if r == 0:
                    starts[k * 9 + i] = zero + ROOM
                if r == height - 1:
                    starts[k * 9 + 6 + i] = zero + ROOM
        variant = (1 if r == 0 else 0) + (2 if r == height - 1 else 0)
        at, values = target + r * channels * stride + ROOM, y + r * channels * stride + ROOM
        if mode == GATED:
            for k in range(channels):
                copy(space, values + k * stride, count, space, at + k * stride)
        factors = weights[variant * taps * channels : (variant + 1) * taps * channels]
        multiply(factors, 0, none, 0, channels, space, 0, starts, 0, taps, space, at, stride, count, mode)
        for k in range(channels):
            left, right = space.dtype.type(0), space.dtype.type(0)
            for j in range(3 * channels):  # the edge was seen from outside, too
                left += factors[(j * 3 + 2) * channels + k] * space[starts[j * 3 + 1]]
                right += factors[j * 3 * channels + k] * space[starts[j * 3 + 1] + width - 1]
            row = at + k * stride
            if mode != GATED or space[values + k * stride] > 0:
                space[row] += left
            if mode != GATED or space[values + k * stride + width - 1] > 0:
                space[row + width - 1] += right
            space[row - ROOM : row] = 0
            space[row + width : row + stride - ROOM] = 0
    sum_lanes(totals, sums)
    sums *= sums.dtype.type(every)


@compiled
def _gather(
    space: Array, a: int, a_: int, b: int, b_: int, c: int, c_: int, d: int, d_: int, count: int, taps: Array, t: int,
    values: int, totals: Array, is_added: bool, out: int,
) -> None:  # fmt: skip
    """The adjoint of doubling for one row: out = a (A + A_) + ..., and totals of a's gradient, values (A + A_), ..."""
    lanes = lanes_of(space)
    wa, wb, wc, wd = load_each(taps, t), load_each(taps, t + 1), load_each(taps, t + 2), load_each(taps, t + 3)
    ta, tb = load(totals, t * lanes), load(totals, (t + 1) * lanes)
    tc, td = load(totals, (t + 2) * lanes), load(totals, (t + 3) * lanes)
    before = zeros(space)
    for i in range(0, count, lanes):
        sa, sb = plus(load(space, a + i), load(space, a_ + i)), plus(load(space, b + i), load(space, b_ + i))
        sc, sd = plus(load(space, c + i), load(space, c_ + i)), plus(load(space, d + i), load(space, d_ + i))
        x = load(space, values + i)
        ta, tb, tc, td = fma(x, sa, ta), fma(x, sb, tb), fma(x, sc, tc), fma(x, sd, td)
        total = plus(fma(wa, sa, times(wb, sb)), fma(wc, sc, times(wd, sd)))
        if is_added:
            before = load(space, out + i)
        store(space, out + i, plus(total, before))
    store(totals, t * lanes, ta)
    store(totals, (t + 1) * lanes, tb)
    store(totals, (t + 2) * lanes, tc)
    store(totals, (t + 3) * lanes, td)


@compiled
def _shrink(
    plan: Array, level: int, r: int, space: Array, source: int, halves: int, taps: Array, totals: Array
) -> None:
    """The gradient by row r of V_l from that by the same row of X_l, all but its first channel.

    halves: room for every other number of a row, twice, surrounded by zeros.
    """
    lanes = lanes_of(space)
    stride, coarse, step = plan[level, STRIDE], plan[level + 1, WIDTH], plan[level + 1, STRIDE]
    even, odd = halves + ROOM, halves + step + ROOM
    for k in range(len(plan) - 1 - level):
        row = source + (k + 1) * stride + ROOM
        for i in range(0, coarse, lanes):
            first, second = part(load(space, row + 2 * i), load(space, row + 2 * i + lanes))
            store(space, even + i, first)
            store(space, odd + i, second)
        out = plan[level, V_GRAD] + r * plan[level, V_ROW] + k * step
        values = plan[level, V] + r * plan[level, V_ROW] + k * step + ROOM - 2
        e, o = even - 2, odd - 2
        _gather(
            space, e + 2, o - 2, o + 1, e - 1, e + 1, o - 1, o, e, coarse + 4, taps, 4 * level, values, totals, False,
            out + ROOM - 2,
        )  # fmt: skip
        here = out + ROOM
        space[here] += space[here - 1] + space[here - 2]
        space[here + coarse - 1] += space[here + coarse] + space[here + coarse + 1]
        space[out:here] = 0
        space[here + coarse : out + step] = 0


@compiled
def unshow(
    plan: Array, first: int, last: int, points: int, network: Array, network_back: Array, weights: Array,
    weights_back: Array, biases: Array, none: Array, starts: Array, x_row: int, n_out: int, taps: Array,
    space: Array, d: int, own: int, grid_grad: Array, every: int, turn: int, sums: Array, taps_grad: Array,
) -> None:  # fmt: skip
    """Gradients by rows of grid_0 and V_0, and sums of those by the network, of rows as in `unfilter`.

    own: where the part has room.
    """
    width, stride, inputs = plan[0, WIDTH], plan[0, STRIDE], len(plan)
    lanes = lanes_of(space)
    block = empty_block(x_row, inputs, points, space)
    totals = empty_lines(len(sums) * lanes, space)
    tap_totals = np.zeros(len(taps) * lanes, space.dtype)
    halves = own + plan[0, ROW]
    if inputs > 1:
        space[halves : halves + 2 * plan[1, STRIDE]] = 0
    for r in range(first, last):
        at, source = plan[0, X] + r * plan[0, ROW] + ROOM, d + r * n_out * stride + ROOM
        counted = totals if r // 2 % every == turn else totals[:0]
        for q in range(0, stride - 2 * ROOM, points):
            count = min(points, stride - 2 * ROOM - q)
            _take(space, at + q, stride, inputs, count, block, starts, x_row)
            run(network[:-1], weights, biases, starts, block, count)  # the hidden layers: y is not needed
            _take(space, source + q, stride, n_out, count, block, starts, 0)
            run_back(network_back, weights_back, none, starts, block, count, counted)
            for k in range(inputs):
                copy(block, starts[x_row + k], count, space, own + k * stride + ROOM + q)
        grid_grad[r] = space[own + ROOM : own + ROOM + width]
        if inputs > 1:
            _shrink(plan, 0, r, space, own, halves, taps, tap_totals)
    sum_lanes(totals, sums)
    sums *= sums.dtype.type(every)
    if inputs > 1:
        sum_lanes(tap_totals, taps_grad)


@compiled
def undouble(
    plan: Array, level: int, first: int, last: int, taps: Array, space: Array, zero: int, own: int, grid_grad: Array,
    taps_grad: Array,
) -> None:  # fmt: skip
    """Gradients by rows of grid_l and V_l from those by V_{l-1}."""
    height, width, row = plan[level, HEIGHT], plan[level, WIDTH], plan[level, ROW]
    finer, base = plan[level - 1, HEIGHT], plan[level - 1, V_GRAD]
    lanes = lanes_of(space)
    tap_totals = np.zeros(len(taps) * lanes, space.dtype)
    halves = own + row
    if level + 1 < len(plan):
        space[halves : halves + 2 * plan[level + 1, STRIDE]] = 0
    seen = np.empty(8, np.int64)
    for r in range(first, last):
        begin, end = (-2 if r == 0 else r), (height + 1 if r == height - 1 else r)
        for q in range(begin, end + 1):
            for i in range(8):
                at = 2 * q + 4 - i
                seen[i] = base + at * row if 0 <= at < finer else zero
            a, b, c, d, d_, c_, b_, a_ = seen[0], seen[1], seen[2], seen[3], seen[4], seen[5], seen[6], seen[7]
            values = plan[level, X] + r * row
            _gather(space, a, a_, b, b_, c, c_, d, d_, row, taps, 4 * level - 4, values, tap_totals, q > begin, own)
        grid_grad[r] = space[own + ROOM : own + ROOM + width]
        if level + 1 < len(plan):
            _shrink(plan, level, r, space, own, halves, taps, tap_totals)
    sum_lanes(tap_totals, taps_grad)


class _Layout:
    """Where everything is, for grids of given shapes. rows: of the finest level that there is room for."""

    def __init__(self, shapes: tuple[tuple[int, int], ...], channels: int, filters: int, rows: int) -> None:
        self.shapes, n = shapes, len(shapes)
        self.channels = channels
        self.plan = np.zeros((n, 8), np.int64)
        at = 0

        def take(size: int) -> int:
            nonlocal at
            begin, at = at, at + size
            return begin

        for level, (height, width) in enumerate(shapes):
            stride = 2 * ROOM + -(-width // (STEP * 16)) * STEP * 16
            held = height if level else rows
            self.plan[level, :5] = height, width, stride, (n - level) * stride, take(held * (n - level) * stride)
        for level in range(n - 1):
            row = int(self.plan[level + 1, ROW])
            self.plan[level, V:] = take((shapes[level][0] if level else rows) * row), 0, row
        stride = int(self.plan[0, STRIDE])
        plane = rows * channels * stride
        self.y = [take(plane) for _ in range(filters + 1)]
        self.n_values = at
        for level in range(n - 1):
            self.plan[level, V_GRAD] = take((shapes[level][0] if level else rows) * int(self.plan[level, V_ROW]))
        self.d = [take(plane) for _ in range(filters)] + [self.y[-1]]
        self.ones = take(stride)
        self.n_zeros = int(max(self.plan[:, ROW].max(), stride))
        self.zero = take(self.n_zeros)
        own = int(self.plan[:, ROW].max() + 2 * self.plan[:, STRIDE].max())
        self.own = [take(own) for _ in range(MOST_PARTS)]
        self.n_all = at
        self.parts = [_cut(0, int(line[HEIGHT]), int(line[ROW])) for line in self.plan]

    def at_row(self, first: int) -> Self:
        """The same room, with row `first` of the finest level at its beginning."""
        shifted = copy_of(self)
        shifted.plan = self.plan.copy()
        shifted.plan[0, X] -= first * self.plan[0, ROW]
        shifted.plan[0, V] -= first * self.plan[0, V_ROW]
        shifted.y = [at - first * self.channels * int(self.plan[0, STRIDE]) for at in self.y]
        return shifted


def _cut(first: int, last: int, row: int) -> Parts:
    """Ranges of rows of so many numbers, at most MOST_PARTS."""
    rows = max(-(-LEAST_PART // row), -(-(last - first) // MOST_PARTS))
    return [(start, min(start + rows, last)) for start in range(first, last, rows)]


_layout = lru_cache(maxsize=16)(_Layout)


class Pyramid:
    """Grids, kernels and parameters as `pyramid_error` takes them, as arrays; everything else follows from them."""

    def __init__(
        self,
        grids: Sequence[Array],
        kernels: Sequence[Array],
        weights: Sequence[Array],
        biases: Sequence[Array],
        skip: Array,
    ) -> None:
        self.grids, self.channels, self.dtype = grids, len(skip), skip.dtype
        lanes = VECTOR_BYTES // self.dtype.itemsize
        self.points = VECTORS * lanes
        self.taps = np.concatenate([*kernels, np.zeros(0, self.dtype)])
        self.network = Network(weights[:2], biases[:2], skip, self.points, lanes)
        self.filters, self.filter_biases = weights[2:], biases[2:]
        shapes = tuple((len(grid), grid.shape[1]) for grid in grids)
        self.layout = _layout(shapes, self.channels, len(self.filters), len(grids[0]))

    def picture(self) -> Array:  # [C, H_0, W_0]
        """What the pyramid shows."""
        picture = np.empty((self.channels, *self.layout.shapes[0]), self.dtype)
        for first, rows in self.strips():
            picture[:, first : first + rows.shape[1]] = rows
        return picture

    def strips(self, most_rows: int = STRIP, wait: Callable[[int], None] | None = None) -> Iterator[tuple[int, Array]]:
        """What the pyramid shows, from top to bottom: the first row of each strip, and its rows [C, R, W_0].

        The finest level takes no more memory than a strip needs. An array is valid until the next one.
        most_rows: of a strip. wait: called with the number of rows of the finest grid that the next strip reads.
        """
        whole, reach = self.layout, len(self.filters)
        height, width = whole.shapes[0]
        n_rows = min(height, max(LEAST_STRIP, min(most_rows, STRIP // int(whole.plan[0, ROW]))))
        strip = _layout(whole.shapes, self.channels, reach, min(height, n_rows + 2 * reach))
        lease = Lease(strip.n_values, self.dtype)
        for level in range(len(self.grids) - 1, 0, -1):
            self._double(strip, strip.parts[level], level, lease.array)
        stride = int(strip.plan[0, STRIDE])
        for first in range(0, height, n_rows):
            last = min(first + n_rows, height)
            if wait is not None:
                wait(min(last + reach, height))
            shifted = strip.at_row(max(0, first - reach))
            for n in range(-1, reach):
                seen = reach - n - 1  # rows above and below that later filters see
                rows = _cut(max(0, first - seen), min(last + seen, height), int(strip.plan[0, ROW]))
                if n < 0:
                    self._double(shifted, rows, 0, lease.array)
                else:
                    self._filter(shifted, rows, n, lease.array)
            y, row = shifted.y[-1], self.channels * stride
            shown = lease.array[y + first * row : y + last * row].reshape(last - first, self.channels, stride)
            yield first, shown[:, :, ROOM : ROOM + width].transpose(1, 0, 2)
        del lease

    def error(
        self, target: Array, has_grad: bool, share: tuple[int, int] = (1, 0), *, is_network_fixed: bool = False
    ) -> tuple[float, list[Array]]:
        """The mean squared difference, and its gradients by grids, kernels, weights, biases and skip.

        share: those by weights, biases and skip are `every` times the ones of every such pair of rows, from pair `turn`
        on. is_network_fixed: only those by grids and kernels.
        """
        lease, space = self._space(has_grad)
        self._show(space)
        layout, parts, kernel = self.layout, self.layout.parts[0], _loose(compare)
        costs = [0.0] * len(parts)

        def work(i: int) -> None:
            costs[i] = kernel(layout.plan, *parts[i], target, has_grad, space, layout.y[-1])

        in_turn(len(parts), work)
        found = self._back(space, share, is_network_fixed) if has_grad else []
        del lease
        return sum(costs) / target.size, found

    def _space(self, has_grad: bool) -> tuple[Lease, Array]:
        lease = Lease(self.layout.n_all if has_grad else self.layout.n_values, self.dtype)
        return lease, lease.array

    def _show(self, space: Array) -> None:
        layout = self.layout
        for level in range(len(self.grids) - 1, -1, -1):
            self._double(layout, layout.parts[level], level, space)
        for n in range(len(self.filters)):
            self._filter(layout, layout.parts[0], n, space)

    def _double(self, layout: _Layout, parts: Parts, level: int, space: Array) -> None:
        """Rows of X_l, and for the finest level of Y_0 as well."""
        net, double_, show_ = self.network, _loose(double), _loose(show)

        def work(i: int) -> None:
            double_(layout.plan, level, *parts[i], self.grids[level], self.taps, space)
            if level == 0:
                given = net.plan, net.weights, net.biases, net.starts, net.x_row, self.channels
                show_(layout.plan, *parts[i], self.points, *given, space, layout.y[0])

        in_turn(len(parts), work)

    def _filter(self, layout: _Layout, parts: Parts, n: int, space: Array) -> None:
        kernel = _loose(filter_)
        mode = PLAIN if n + 1 == len(self.filters) else RECTIFIED
        weights = _with_one(self.filters[n]).transpose(1, 2, 3, 0).ravel()
        given = self.channels, weights, self.filter_biases[n], mode, layout.y[n], layout.y[n + 1], space
        in_turn(len(parts), lambda i: kernel(layout.plan, *parts[i], *given))

    def _back(self, space: Array, share: tuple[int, int], is_network_fixed: bool) -> list[Array]:
        layout, n_grids, n_filters = self.layout, len(self.grids), len(self.filters)
        space[layout.zero : layout.zero + layout.n_zeros] = 0
        space[layout.ones : layout.ones + int(layout.plan[0, STRIDE])] = 1
        filters = [self._unfilter(n, share, space) for n in range(n_filters - 1, -1, -1)][::-1]
        by_grids = [np.empty_like(grid) for grid in self.grids]
        by_taps = np.zeros((n_grids, MOST_PARTS, max(1, len(self.taps))), self.dtype)
        sums = self._unshow(space, share, by_grids[0], by_taps[0], 0 if is_network_fixed else self.network.n_sums)
        for level in range(1, n_grids):
            self._undouble(level, space, by_grids[level], by_taps[level])
        by_kernels = by_taps.sum((0, 1))[: len(self.taps)].reshape(-1, 4)
        if is_network_fixed:
            return [*by_grids, *(row.copy() for row in by_kernels)]
        by_weights, by_biases, by_skip = self.network.unpack(sums)
        by_weights += [weight for weight, _ in filters]
        by_biases += [bias for _, bias in filters]
        return [*by_grids, *(row.copy() for row in by_kernels), *by_weights, *by_biases, by_skip]

    def _unfilter(self, n: int, share: tuple[int, int], space: Array) -> tuple[Array, Array]:
        """The gradients by a filter and its bias, and D_n."""
        layout, parts, channels, kernel = self.layout, self.layout.parts[0], self.channels, _loose(unfilter)
        weights, none = _transposed(self.filters[n]), np.zeros(channels, self.dtype)
        sums = np.zeros((len(parts), (9 * channels + 1) * channels), self.dtype)
        mode = GATED if n > 0 else PLAIN
        given = (
            channels,
            weights,
            none,
            mode,
            layout.y[n],
            layout.d[n + 1],
            layout.d[n],
            layout.zero,
            layout.ones,
            space,
            *share,
        )
        in_turn(len(parts), lambda i: kernel(layout.plan, *parts[i], *given, sums[i]))
        total = sums.sum(0).reshape(channels, 9 * channels + 1)
        return total[:, :-1].reshape(self.filters[n].shape).copy(), total[:, -1].copy()

    def _unshow(self, space: Array, share: tuple[int, int], by_grid: Array, by_taps: Array, n_sums: int) -> Array:
        """The gradients by the finest grid, the kernels, and by the network in so many sums."""
        layout, parts, net, kernel = self.layout, self.layout.parts[0], self.network, _loose(unshow)
        sums = np.zeros((len(parts), n_sums), self.dtype)
        given = net.operands
        then = self.channels, self.taps, space, layout.d[0]

        def work(i: int) -> None:
            kernel(
                layout.plan, *parts[i], self.points, *given, *then, layout.own[i], by_grid, *share, sums[i], by_taps[i]
            )

        in_turn(len(parts), work)
        total: Array = sums.sum(0)
        return total

    def _undouble(self, level: int, space: Array, by_grid: Array, by_taps: Array) -> None:
        layout, parts, kernel = self.layout, self.layout.parts[level], _loose(undouble)
        given = self.taps, space, layout.zero

        def work(i: int) -> None:
            kernel(layout.plan, level, *parts[i], *given, layout.own[i], by_grid, by_taps[i])

        in_turn(len(parts), work)


def _loose(function: Any) -> Any:
    """A compiled function without its types."""
    return function


def _with_one(matrix: Array) -> Array:
    """A filter [C, C, 3, 3] that adds what it filters."""
    matrix = matrix.copy()
    channels = np.arange(len(matrix))
    matrix[channels, channels, 1, 1] += 1
    return matrix


def _transposed(matrix: Array) -> Array:
    """What `unfilter` needs of a filter [C, C, 3, 3]."""
    variants = []
    for bottom in (False, True):
        for top in (False, True):
            folded = matrix.copy()
            # The edge that is repeated outside is seen from there as well.
            folded[:, :, 1] += top * matrix[:, :, 0] + bottom * matrix[:, :, 2]
            variants.append(_with_one(folded)[:, :, ::-1, ::-1].transpose(0, 2, 3, 1).ravel())
    return np.concatenate(variants)
