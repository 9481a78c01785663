"""The error in Triton: value and all gradients, computed together. Every sum has one order.

    stretch   X_l = [grid_l, up(X_{l+1})], first the rows, then the columns: planes [L - l, H_l, W_l]
    network   Y_0 = network(X_0) (`_skip_triton`), pixels by channels, as all that follows
    filter_   Y_i = relu(Y_{i-1} + conv(Y_{i-1})), without the relu for the last one
    compare   the error, and D_n, its gradient by Y_n
    unfilter  D_{i-1} from D_i, and the gradients of the convolution, in parts
    network   gradients by X_0 and the network
    shrink    from those by the doubled planes those by the planes, and by the four taps, in parts

A number that the repeated edge shows outside gets the gradients from there, which have "virtual" places below.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from inr.kernels._cuda.launch import block, power_of_two, start
from inr.kernels._cuda.skip_triton import SkipNetwork
from inr.kernels.pyramid_error._derivatives import Problem, differentiable
from inr.kernels.row_share import ALL, RowShare


@triton.jit
def stretch(
    x: tl.tensor,
    taps: tl.tensor,
    out: tl.tensor,
    count: tl.tensor,
    n: tl.tensor,
    fine: tl.tensor,
    inner: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """out [.., fine, inner] of x [.., n, inner]: twice as many along an axis.

    Number 2 m sees x at m - 2 ... m + 1 by the taps 0, 2, 3, 1, number 2 m + 1 those at m - 1 ... m + 2 by 1, 3, 2, 0.
    """
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    outer, place, side = i // inner // fine, i // inner % fine, i % inner
    is_odd, first = place % 2 == 1, place // 2 - 2 + place % 2
    t0, t1, t2, t3 = tl.load(taps), tl.load(taps + 1), tl.load(taps + 2), tl.load(taps + 3)
    total = tl.zeros([BLOCK], tl.float32)
    for k in tl.static_range(4):
        if k == 0:
            tap = tl.where(is_odd, t1, t0)
        elif k == 1:
            tap = tl.where(is_odd, t3, t2)
        elif k == 2:
            tap = tl.where(is_odd, t2, t3)
        else:
            tap = tl.where(is_odd, t0, t1)
        source = tl.minimum(tl.maximum(first + k, 0), n - 1)
        total += tap * tl.load(x + (outer * n + source) * inner + side, mask=i < count, other=0)
    tl.store(out + i, total, mask=i < count)


@triton.jit
def shrink(
    g: tl.tensor,
    x: tl.tensor,
    taps: tl.tensor,
    out: tl.tensor,
    by_taps: tl.tensor,
    count: tl.tensor,
    n: tl.tensor,
    fine: tl.tensor,
    inner: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    """The adjoint of `stretch`: out [.., n, inner] of g [.., fine, inner]; by_taps [blocks, 4]."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    outer, place, side = i // inner // n, i // inner % n, i % inner
    tap = tl.arange(0, 4)
    sums = tl.zeros([BLOCK, 4], tl.float32)
    for step in range(5):
        virtual = place + step - 2
        is_seen = (virtual < 0) & (place == 0) | (virtual >= n) & (place == n - 1)
        is_seen = (i < count) & (is_seen | (virtual == place))
        for k in tl.static_range(8):
            row = virtual + 2 - k // 2 - k % 2
            target = 2 * row + k % 2
            there = tl.load(
                g + (outer * fine + target) * inner + side, mask=is_seen & (row >= 0) & (target < fine), other=0
            )
            if k == 0 or k == 7:
                sums += tl.where((tap == 0)[None, :], there[:, None], 0)
            elif k == 1 or k == 6:
                sums += tl.where((tap == 1)[None, :], there[:, None], 0)
            elif k == 2 or k == 5:
                sums += tl.where((tap == 2)[None, :], there[:, None], 0)
            else:
                sums += tl.where((tap == 3)[None, :], there[:, None], 0)
    tl.store(out + i, tl.sum(sums * tl.load(taps + tap)[None, :], axis=1), mask=i < count)
    value = tl.load(x + i, mask=i < count, other=0)
    tl.store(by_taps + tl.program_id(0).to(tl.int64) * 4 + tap, tl.sum(sums * value[:, None], axis=0))


@triton.jit
def filter_(
    y: tl.tensor,
    weights: tl.tensor,
    biases: tl.tensor,
    out: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    RECTIFIED: tl.constexpr,
    C: tl.constexpr,
    CP: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """out [N, C] of y [N, C]; weights [9, C, C]: by place in the filter, input channel, output channel."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    row, column, channel = i // width, i % width, tl.arange(0, CP)
    is_pixel, is_channel = i < height.to(tl.int64) * width, channel < C
    is_value = is_pixel[:, None] & is_channel[None, :]
    at = i[:, None] * C + channel[None, :]
    total = tl.load(y + at, mask=is_value, other=0) + tl.load(biases + channel, mask=is_channel, other=0)[None, :]
    for place in range(9):
        r = tl.minimum(tl.maximum(row + place // 3 - 1, 0), height - 1)
        c = tl.minimum(tl.maximum(column + place % 3 - 1, 0), width - 1)
        for k in range(C):
            seen = tl.load(y + (r * width + c) * C + k, mask=is_pixel, other=0)
            weight = tl.load(weights + (place * C + k) * C + channel, mask=is_channel, other=0)
            total += seen[:, None] * weight[None, :]
    if RECTIFIED:
        total = tl.where(total <= 0, 0, total)
    tl.store(out + at, total, mask=is_value)


@triton.jit
def compare(
    y: tl.tensor, target: tl.tensor, sums: tl.tensor, n: tl.tensor, factor: tl.tensor, C: tl.constexpr,
    CP: tl.constexpr, BLOCK: tl.constexpr,
) -> None:  # fmt: skip
    """sums: of squares, per block; y [N, C]: becomes the gradient by y. target: [C, N]."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    channel = tl.arange(0, CP).to(tl.int64)
    mask = (i < n)[:, None] & (channel < C)[None, :]
    at = i[:, None] * C + channel[None, :]
    e = tl.load(y + at, mask=mask, other=0) - tl.load(target + channel[None, :] * n + i[:, None], mask=mask, other=0)
    tl.store(sums + tl.program_id(0), tl.sum(tl.sum(e * e, axis=1)))
    tl.store(y + at, factor * e, mask=mask)


@triton.jit
def unfilter(
    y: tl.tensor,
    g: tl.tensor,
    weights: tl.tensor,
    out: tl.tensor,
    sums: tl.tensor,
    height: tl.tensor,
    width: tl.tensor,
    GATED: tl.constexpr,
    C: tl.constexpr,
    CP: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """out [N, C]: the gradient by the input y of a filter, from the gradient g by its output; if GATED, where y > 0.

    sums [blocks, 9 C + 1, CP]: the gradients by the filter, as `filter_` has it, and by its biases.
    """
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    row, column, channel = i // width, i % width, tl.arange(0, CP)
    is_pixel, is_channel = i < height.to(tl.int64) * width, channel < C
    is_value = is_pixel[:, None] & is_channel[None, :]
    at = i[:, None] * C + channel[None, :]
    here = tl.load(g + at, mask=is_value, other=0)
    total = here
    to = sums + tl.program_id(0).to(tl.int64) * (9 * C + 1) * CP + channel
    tl.store(to + 9 * C * CP, tl.sum(here, axis=0))
    for place in range(9):
        down, right = place // 3 - 1, place % 3 - 1
        r = tl.minimum(tl.maximum(row + down, 0), height - 1)
        c = tl.minimum(tl.maximum(column + right, 0), width - 1)
        for k in range(C):
            seen = tl.load(y + (r * width + c) * C + k, mask=is_pixel, other=0)
            tl.store(to + (place * C + k) * CP, tl.sum(seen[:, None] * here, axis=0))
        # The pixels whose filter reads this one: that on the other side, and at a repeated edge the pixel itself.
        for edge in tl.static_range(4):
            r, c = row - down, column - right
            is_row, is_column = (r >= 0) & (r < height), (c >= 0) & (c < width)
            if edge % 2 == 1:
                r, is_row = row, (row + down < 0) | (row + down >= height)
            if edge // 2 == 1:
                c, is_column = column, (column + right < 0) | (column + right >= width)
            is_seen = is_pixel & is_row & is_column
            for k in range(C):
                there = tl.load(g + (r * width + c) * C + k, mask=is_seen, other=0)
                weight = tl.load(weights + (place * C + channel) * C + k, mask=is_channel, other=0)
                total += there[:, None] * weight[None, :]
    if GATED:
        total = tl.where(tl.load(y + at, mask=is_value, other=0) > 0, total, 0)
    tl.store(out + at, total, mask=is_value)


def _stretched(x: Tensor, taps: Tensor, fine: int, axis: int) -> Tensor:
    """Planes [K, .., ..], with `fine` numbers along an axis."""
    shape = list(x.shape)
    shape[axis] = fine
    out, points = torch.empty(shape, device=x.device), block(256)
    sizes = out.numel(), x.shape[axis], fine, x.shape[2] if axis == 1 else 1
    start(stretch, (-(-out.numel() // points),), x, x, taps, out, *sizes, BLOCK=points)
    return out


def _shrunk(g: Tensor, x: Tensor, taps: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The gradients by x and the taps from g, that by `_stretched`."""
    points = block(256)
    blocks = -(-x.numel() // points)
    out, by_taps = torch.empty_like(x), torch.empty((blocks, 4), device=x.device)
    sizes = x.numel(), x.shape[axis], g.shape[axis], x.shape[2] if axis == 1 else 1
    start(shrink, (blocks,), x, g, x, taps, out, by_taps, *sizes, BLOCK=points)
    return out, by_taps.sum(0)


class _Picture:
    """What is shown, and what is kept of the way there."""

    def __init__(self, problem: Problem, inputs: Sequence[Tensor], *, is_kept: bool) -> None:
        grids, self.taps, weights, biases, skip = problem.split(inputs)
        self.channels, (self.height, self.width) = len(skip), grids[0].shape
        self.filters = [weight.permute(2, 3, 1, 0).contiguous() for weight in weights[2:]]
        self.x, self.v = [grids[-1][None]], list[Tensor]()
        for grid, taps in zip(reversed(grids[:-1]), reversed(self.taps), strict=True):
            self.v.append(_stretched(self.x[-1], taps, grid.shape[0], 1))
            self.x.append(torch.cat([grid[None], _stretched(self.v[-1], taps, grid.shape[1], 2)]))
        self.network = SkipNetwork(weights[:2], biases[:2], skip)
        first, self.kept = self.network.values(self.pixels, is_kept=is_kept)
        self.y = [first]
        for i, (weight, bias) in enumerate(zip(self.filters, biases[2:], strict=True)):
            out = torch.empty_like(first)
            self._start(filter_, self.y[-1], weight, bias, out, RECTIFIED=i + 1 < len(self.filters))
            self.y.append(out)

    @property
    def pixels(self) -> Tensor:  # [N, L]
        pixels: Tensor = self.x[-1].flatten(1).t()
        return pixels

    def error(self, target: Tensor) -> Tensor:
        """The mean of squares; the last of y becomes its gradient."""
        n, y = self.height * self.width, self.y[-1]
        blocks = -(-n // block(256))
        sums = torch.empty(blocks, device=y.device)
        constants = {"C": self.channels, "CP": power_of_two(self.channels), "BLOCK": block(256)}
        start(compare, (blocks,), y, y, target, sums, n, 2 / target.numel(), **constants)
        value: Tensor = (sums.double().sum() / target.numel()).to(target.dtype)
        return value

    def gradients(self) -> list[Tensor]:
        """By grids, kernels, weights, biases and the skip."""
        g, filters = self.y[-1], []
        for i in range(len(self.filters) - 1, -1, -1):
            y, out = self.y[i], torch.empty_like(g)
            blocks, n_sums = -(-len(g) // block(256)), 9 * self.channels + 1
            sums = torch.empty((blocks, n_sums, power_of_two(self.channels)), device=g.device)
            self._start(unfilter, y, g, self.filters[i], out, sums, GATED=i > 0)
            total = sums.sum(0)[:, : self.channels]
            filters.append((total[:-1].reshape(self.filters[i].shape).permute(3, 2, 0, 1).contiguous(), total[-1]))
            g = out
        by_x, weights, biases, skip = self.network.gradients(self.pixels, g, self.kept)
        planes = by_x.t().reshape(self.x[-1].shape)
        grids, kernels = [planes[0].clone()], list[Tensor]()
        for taps, x, v in zip(self.taps, reversed(self.x[:-1]), reversed(self.v), strict=True):
            by_v, by_columns = _shrunk(planes[1:], v, taps, 2)
            planes, by_rows = _shrunk(by_v, x, taps, 1)
            grids.append(planes[0].clone())
            kernels.append(by_columns + by_rows)
        weights += [weight for weight, _ in reversed(filters)]
        biases += [bias for _, bias in reversed(filters)]
        return [*grids, *kernels, *weights, *biases, skip]

    def _start(self, kernel: object, y: Tensor, *inputs: Tensor, **constants: bool) -> None:
        sizes = {"C": self.channels, "CP": power_of_two(self.channels), "BLOCK": block(256)}
        start(kernel, (-(-len(y) // block(256)),), y, y, *inputs, self.height, self.width, **sizes, **constants)


def _evaluate(problem: Problem, inputs: Sequence[Tensor], has_grad: bool) -> tuple[Tensor, list[Tensor]]:
    target, *others = inputs
    picture = _Picture(problem, others, is_kept=has_grad)
    value = picture.error(target)
    return value, picture.gradients() if has_grad else []


def pyramid_error(
    grids: Sequence[Tensor],
    kernels: Sequence[Tensor],
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    skip: Tensor,
    target: Tensor,
    share: RowShare = ALL,
) -> Tensor:
    """See `inr.kernels.pyramid_error.pyramid_error`."""
    return differentiable(grids, kernels, weights, biases, skip, target, _evaluate, share)
