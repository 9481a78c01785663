"""Sums of radial kernels in Triton: values and first gradients; higher ones are the reference's.

With q = |p - c|^2 / s^2, t = <g, w> phi'(q) and o = p - c:

    gather:  y = sum_m phi w                             p_grad = sum_m 2 t o / s^2
    scatter: w_grad = sum_n phi g    c_grad = -sum_n 2 t o / s^2    s_grad = -sum_n 2 t q / s

A program has a tile of points and passes over the kernels, or a tile of kernels and passes over a slice of the points;
values of kernels never leave the chip. Sums have one order.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from inr.kernels._cuda.launch import block, power_of_two, start
from inr.kernels._cuda.sine_triton import sine_cosine
from inr.kernels.kernel_sum._derivatives import differentiable
from inr.kernels.radial import Kernel, least_exponent

LEAST_SIDE = 16  # of a tile in a matrix product
KERNELS_PER_TILE = 32
MAX_SLICES = 64


@triton.jit
def _radial(q: tl.tensor, least: tl.tensor, KERNEL: tl.constexpr) -> tl.tensor:
    """phi(q) and phi'(q), 0 where q is 0 under a root; see `inr.kernels.radial`."""
    one = q * 0 + 1
    is_positive = q > 0
    positive = tl.where(is_positive, q, 1)
    root = tl.where(is_positive, tl.sqrt(positive), 0)
    by_root = tl.where(is_positive, 0.5 / tl.sqrt(positive), 0)
    if KERNEL == "inverse_quadric":
        phi = 1 / (1 + q)
        slope = -phi * phi
    elif KERNEL == "inverse_multiquadric":
        phi = 1 / tl.sqrt(1 + q)
        slope = -0.5 * phi * phi * phi
    elif KERNEL == "inverse_linear":
        phi = 1 / (root + 1e-10)
        slope = -phi * by_root * phi
    elif KERNEL == "inverse_cubic":
        phi = 1 / (q * root + 1e-30)
        slope = tl.where(is_positive, -phi * 1.5 * root * phi, 0)
    elif KERNEL == "gauss":
        phi = tl.exp(tl.maximum(-0.5 * q, least))
        slope = tl.where(-0.5 * q >= least, -0.5 * phi, 0)
    elif KERNEL == "gauss_squared":
        phi = tl.exp(tl.maximum(-0.25 * q * q, least))
        slope = tl.where(-0.25 * q * q >= least, -0.5 * q * phi, 0)
    elif KERNEL == "markov":
        phi = tl.exp(tl.maximum(-root, least))
        slope = tl.where(-root >= least, -by_root * phi, 0)
    elif KERNEL == "exp_sine":
        sine, cosine = sine_cosine(root)
        phi = tl.exp(-sine)
        slope = -by_root * cosine * phi
    elif KERNEL == "quadric":
        phi, slope = 1 + q, one
    elif KERNEL == "multiquadric":
        phi = tl.sqrt(1 + q)
        slope = 0.5 / phi
    elif KERNEL == "linear":
        phi, slope = root, by_root
    elif KERNEL == "cubic":
        phi, slope = q * root, 1.5 * root
    else:
        log = tl.log(positive)
        phi, slope = 0.5 * q * log, tl.where(is_positive, 0.5 * log + 0.5, 0)
    return phi, slope


@triton.jit
def _squares(
    p: tl.tensor, centres: tl.tensor, n: tl.tensor, m: tl.tensor, N: tl.tensor, M: tl.tensor, D: tl.constexpr
) -> tl.tensor:
    """|p_n - c_m|^2, axis by axis."""
    total = (n[:, None] * 0 + m[None, :] * 0).to(tl.float32)
    for d in tl.static_range(D):
        point = tl.load(p + n * D + d, mask=n < N, other=0)
        centre = tl.load(centres + m * D + d, mask=m < M, other=0)
        total += (point[:, None] - centre[None, :]) * (point[:, None] - centre[None, :])
    return total


@triton.jit
def gather(
    p: tl.tensor,
    centres: tl.tensor,
    widths: tl.tensor,
    weights: tl.tensor,
    g: tl.tensor,
    out: tl.tensor,
    N: tl.tensor,
    M: tl.tensor,
    least: tl.tensor,
    KERNEL: tl.constexpr,
    D: tl.constexpr,
    DP: tl.constexpr,
    C: tl.constexpr,
    CP: tl.constexpr,
    BY_POINT: tl.constexpr,
    ROUNDS: tl.constexpr,
    BN: tl.constexpr,
    BM: tl.constexpr,
) -> None:
    """out [N, C]: the sums, or, if BY_POINT, out [N, D]: their gradient by the points along g [N, C]."""
    n = tl.program_id(0).to(tl.int64) * BN + tl.arange(0, BN)
    channel, axis = tl.arange(0, CP), tl.arange(0, DP)
    is_value = (n < N)[:, None] & (channel < C)[None, :]
    if BY_POINT:
        total = tl.zeros([BN, DP], tl.float32)
        along = tl.load(g + n[:, None] * C + channel[None, :], mask=is_value, other=0)
    else:
        total = tl.zeros([BN, CP], tl.float32)
    for i in range(ROUNDS):
        m = i * BM + tl.arange(0, BM)
        width = tl.load(widths + m, mask=m < M, other=1)
        scale = (1 / (width * width))[None, :]
        phi, slope = _radial(_squares(p, centres, n, m, N, M, D) * scale, least, KERNEL)
        is_weight = (m < M)[:, None] & (channel < C)[None, :]
        weight = tl.load(weights + m[:, None] * C + channel[None, :], mask=is_weight, other=0)
        if BY_POINT:
            t = 2 * tl.dot(along, tl.trans(weight), input_precision="tf32x3") * slope * scale
            for d in tl.static_range(D):
                point = tl.load(p + n * D + d, mask=n < N, other=0)
                centre = tl.load(centres + m * D + d, mask=m < M, other=0)
                moved = tl.sum(t * (point[:, None] - centre[None, :]), axis=1)
                total += tl.where((axis == d)[None, :], moved[:, None], 0)
        else:
            total += tl.dot(phi, weight, input_precision="tf32x3")
    if BY_POINT:
        tl.store(out + n[:, None] * D + axis[None, :], total, mask=(n < N)[:, None] & (axis < D)[None, :])
    else:
        tl.store(out + n[:, None] * C + channel[None, :], total, mask=is_value)


@triton.jit
def scatter(
    p: tl.tensor,
    centres: tl.tensor,
    widths: tl.tensor,
    weights: tl.tensor,
    g: tl.tensor,
    by_centres: tl.tensor,
    by_widths: tl.tensor,
    by_weights: tl.tensor,
    N: tl.tensor,
    M: tl.tensor,
    least: tl.tensor,
    KERNEL: tl.constexpr,
    D: tl.constexpr,
    DP: tl.constexpr,
    C: tl.constexpr,
    CP: tl.constexpr,
    ROUNDS: tl.constexpr,
    BN: tl.constexpr,
    BM: tl.constexpr,
) -> None:
    """Gradients [slices, M, D], [slices, M] and [slices, M, C], of the points of a slice."""
    m = tl.program_id(0).to(tl.int64) * BM + tl.arange(0, BM)
    part = tl.program_id(1).to(tl.int64)
    channel, axis = tl.arange(0, CP), tl.arange(0, DP)
    is_kernel = m < M
    is_weight = is_kernel[:, None] & (channel < C)[None, :]
    weight = tl.load(weights + m[:, None] * C + channel[None, :], mask=is_weight, other=0)
    width = tl.load(widths + m, mask=is_kernel, other=1)
    scale = (1 / (width * width))[None, :]
    moved = tl.zeros([BM, DP], tl.float32)
    widened = tl.zeros([BM], tl.float32)
    summed = tl.zeros([BM, CP], tl.float32)
    for i in range(ROUNDS):
        n = (part * ROUNDS + i) * BN + tl.arange(0, BN)
        q = _squares(p, centres, n, m, N, M, D) * scale
        phi, slope = _radial(q, least, KERNEL)
        is_value = (n < N)[:, None] & (channel < C)[None, :]
        along = tl.load(g + n[:, None] * C + channel[None, :], mask=is_value, other=0)
        t = 2 * tl.dot(along, tl.trans(weight), input_precision="tf32x3") * slope
        summed += tl.dot(tl.trans(phi), along, input_precision="tf32x3")
        widened -= tl.sum(t * q, axis=0)
        for d in tl.static_range(D):
            point = tl.load(p + n * D + d, mask=n < N, other=0)
            centre = tl.load(centres + m * D + d, mask=is_kernel, other=0)
            change = tl.sum(t * scale * (point[:, None] - centre[None, :]), axis=0)
            moved -= tl.where((axis == d)[None, :], change[:, None], 0)
    at = part * M + m
    tl.store(by_centres + at[:, None] * D + axis[None, :], moved, mask=is_kernel[:, None] & (axis < D)[None, :])
    tl.store(by_widths + at, widened / width, mask=is_kernel)
    tl.store(by_weights + at[:, None] * C + channel[None, :], summed, mask=is_weight)


class _Sums:
    def over_points(self, inputs: tuple[Tensor, ...], kernel: Kernel, g: Tensor | None) -> Tensor:
        p, _, _, weights = inputs
        out = torch.empty((len(p), weights.shape[1] if g is None else p.shape[1]), device=p.device)
        tensors = [*_whole(inputs), p if g is None else g.contiguous(), out]
        rows, columns = block(64), block(KERNELS_PER_TILE)
        programs = (-(-len(p) // rows),)
        self._start(
            gather, programs, tensors, kernel, rows, columns, -(-len(weights) // columns), BY_POINT=g is not None
        )
        return out

    def over_kernels(
        self, inputs: tuple[Tensor, ...], kernel: Kernel, g: Tensor, with_places: bool
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:
        p, centres = inputs[:2]
        rows, columns = block(64), block(KERNELS_PER_TILE)
        blocks = -(-len(p) // rows)
        rounds = power_of_two(-(-blocks // MAX_SLICES))
        slices = -(-blocks // rounds)
        grads = [torch.empty((slices, *t.shape), device=p.device) for t in inputs[1:]]
        tensors = [*_whole(inputs), g.contiguous(), *grads]
        self._start(scatter, (-(-len(centres) // columns), slices), tensors, kernel, rows, columns, rounds)
        by_centres, by_widths, by_weights = (grad.sum(0) for grad in grads)
        return by_centres, by_widths, by_weights

    def _start(
        self,
        function: Any,
        programs: tuple[int, ...],
        tensors: list[Tensor],
        kernel: Kernel,
        rows: int,
        columns: int,
        rounds: int,
        **constants: Any,
    ) -> None:
        p, weights = tensors[0], tensors[3]
        (n, d_in), (m, n_values) = p.shape, weights.shape
        start(
            function, programs, p, *tensors, n, m, least_exponent(p.dtype), KERNEL=kernel, D=d_in,
            DP=power_of_two(d_in), C=n_values, CP=power_of_two(n_values, LEAST_SIDE), ROUNDS=rounds, BN=rows,
            BM=columns, num_stages=1, **constants,
        )  # fmt: skip


def _whole(tensors: tuple[Tensor, ...]) -> list[Tensor]:
    return [tensor.contiguous() for tensor in tensors]


def kernel_sum(p: Tensor, centres: Tensor, widths: Tensor, weights: Tensor, kernel: Kernel) -> Tensor:
    """See `inr.kernels.kernel_sum.kernel_sum`."""
    return differentiable((p, centres, widths, weights), kernel, _Sums())
