"""Sums of radial kernels on the CPU, compiled by numba: values and first gradients; higher ones are the reference's.

Points are handled in blocks, kernel by kernel, by loops over the block that vectorise; values of kernels never leave
the first-level cache. With q = |p - c|^2 / s^2, t = <g, w> phi'(q) and o = p - c:

    gather:  y = sum_m phi w                             p_grad = sum_m 2 t o / s^2
    scatter: w_grad = sum_n phi g    c_grad = -sum_n 2 t o / s^2    s_grad = -sum_n 2 t q / s

A point's sums are one thread's in the first, a kernel's in the second, in one order whatever the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels.elementary import exp, log, sine_cosine
from inr.kernels.kernel_sum._derivatives import differentiable
from inr.kernels.radial import SQUARE_KERNELS, Kernel, least_exponent
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]

BLOCK = 64
CHUNK = 1024  # points that the kernels pass one after the other
LEAST_PAIRS_PER_THREAD = 1 << 14
CODES = {name: code for code, name in enumerate(SQUARE_KERNELS)}
(
    INVERSE_QUADRIC, INVERSE_MULTIQUADRIC, INVERSE_LINEAR, INVERSE_CUBIC, GAUSS, GAUSS_SQUARED, MARKOV, EXP_SINE,
    QUADRIC, MULTIQUADRIC, LINEAR, CUBIC, THIN_PLATE,
) = range(13)  # fmt: skip


@compiled
def _place(p: Array, first: int, centres: Array, m: int, scale: Any, offset: Array, q: Array) -> None:
    """Offsets [D, B] of a block of points from centre m, and q = |offset|^2 scale."""
    for d in range(len(offset)):
        points, o, c = p[d, first : first + BLOCK], offset[d], centres[m, d]
        if d == 0:
            for i in range(BLOCK):
                o[i] = points[i] - c
                q[i] = o[i] * o[i]
        else:
            for i in range(BLOCK):
                o[i] = points[i] - c
                q[i] += o[i] * o[i]
    for i in range(BLOCK):
        q[i] *= scale


@compiled
def _evaluate(code: int, q: Array, least: Any, phi: Array, slope: Any) -> None:
    """phi(q), and, unless slope is None, phi'(q), 0 where q is 0 under a root."""
    real = q.dtype.type
    zero, half, one, three = real(0), real(0.5), real(1), real(3)
    if code == GAUSS:
        for i in range(BLOCK):
            exponent = -half * q[i]
            phi[i] = exp(least if exponent < least else exponent)
            if slope is not None:
                slope[i] = zero if exponent < least else -half * phi[i]
    elif code == GAUSS_SQUARED:
        for i in range(BLOCK):
            exponent = -(half * q[i]) * (half * q[i])
            phi[i] = exp(least if exponent < least else exponent)
            if slope is not None:
                slope[i] = zero if exponent < least else -half * q[i] * phi[i]
    elif code == THIN_PLATE:
        for i in range(BLOCK):
            logarithm = log(q[i] if q[i] > zero else q[i] + one)
            phi[i] = half * q[i] * logarithm
            if slope is not None:
                slope[i] = half * (logarithm + one) if q[i] > zero else zero
    elif code == LINEAR:
        for i in range(BLOCK):
            phi[i] = np.sqrt(q[i])
            if slope is not None:
                slope[i] = half / (phi[i] if phi[i] > zero else one) if q[i] > zero else zero
    elif code == CUBIC:
        for i in range(BLOCK):
            root = np.sqrt(q[i])
            phi[i] = q[i] * root
            if slope is not None:
                slope[i] = (one + half) * root
    elif code == INVERSE_QUADRIC:
        for i in range(BLOCK):
            phi[i] = one / (one + q[i])
            if slope is not None:
                slope[i] = -phi[i] * phi[i]
    elif code == INVERSE_MULTIQUADRIC:
        for i in range(BLOCK):
            phi[i] = one / np.sqrt(one + q[i])
            if slope is not None:
                slope[i] = -half * phi[i] * phi[i] * phi[i]
    elif code == QUADRIC:
        for i in range(BLOCK):
            phi[i] = one + q[i]
            if slope is not None:
                slope[i] = one
    elif code == MULTIQUADRIC:
        for i in range(BLOCK):
            phi[i] = np.sqrt(one + q[i])
            if slope is not None:
                slope[i] = half / phi[i]
    else:
        tiny, tinier = real(1e-10), real(1e-30)
        for i in range(BLOCK):
            root = np.sqrt(q[i])
            by_root = zero  # phi' as a function of the root
            if code == MARKOV:
                phi[i] = exp(least if -root < least else -root)
                by_root = zero if -root < least else -phi[i]
            elif code == EXP_SINE:
                sine, cosine = sine_cosine(root)
                phi[i] = exp(-sine)
                by_root = -phi[i] * cosine
            elif code == INVERSE_LINEAR:
                phi[i] = one / (root + tiny)
                by_root = -phi[i] * phi[i]
            else:
                phi[i] = one / (q[i] * root + tinier)
                by_root = -three * q[i] * phi[i] * phi[i]
            if slope is not None:
                slope[i] = half * by_root / root if q[i] > zero else zero


@compiled
def gather(
    p: Array,
    centres: Array,
    widths: Array,
    weights: Array,
    code: int,
    least: Any,
    g: Any,
    start: int,
    stop: int,
    out: Array,
) -> None:
    """For blocks of points start..stop: values out [C, N], or, given g [C, N], gradients by the points [D, N]."""
    d_in, n_values = centres.shape[1], weights.shape[1]
    offset = np.empty((d_in, BLOCK), p.dtype)
    q, phi = np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype)
    slope, t = np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype)
    total = np.empty((len(out), BLOCK), p.dtype)
    two = p.dtype.type(2)
    for first in range(start * BLOCK, stop * BLOCK, BLOCK):
        total[:] = 0
        for m in range(len(centres)):
            scale = p.dtype.type(1) / (widths[m] * widths[m])
            _place(p, first, centres, m, scale, offset, q)
            if g is None:
                _evaluate(code, q, least, phi, None)
                for c in range(n_values):
                    w, sums = weights[m, c], total[c]
                    for i in range(BLOCK):
                        sums[i] += w * phi[i]
            else:
                _evaluate(code, q, least, phi, slope)
                _push(g, first, weights, m, slope, t)
                for d in range(d_in):
                    o, sums = offset[d], total[d]
                    for i in range(BLOCK):
                        sums[i] += two * scale * t[i] * o[i]
        out[:, first : first + BLOCK] = total


@compiled
def _push(g: Array, first: int, weights: Array, m: int, slope: Array, t: Array) -> None:
    """t = <g, w> phi'."""
    t[:] = 0
    for c in range(weights.shape[1]):
        w, along = weights[m, c], g[c, first : first + BLOCK]
        for i in range(BLOCK):
            t[i] += w * along[i]
    for i in range(BLOCK):
        t[i] *= slope[i]


@compiled
def scatter(
    p: Array,
    centres: Array,
    widths: Array,
    weights: Array,
    code: int,
    least: Any,
    g: Array,
    n_blocks: int,
    start: int,
    stop: int,
    by_weights: Array,
    by_centres: Any,
    by_widths: Any,
) -> None:
    """Gradients by the kernels start..stop; by centres and widths unless these are None."""
    d_in, n_values = centres.shape[1], weights.shape[1]
    offset, moved = np.empty((d_in, BLOCK), p.dtype), np.empty((d_in, BLOCK), p.dtype)
    q, phi = np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype)
    slope, t, widened = np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype), np.empty(BLOCK, p.dtype)
    summed = np.empty((n_values, BLOCK), p.dtype)
    one, two = p.dtype.type(1), p.dtype.type(2)
    by_weights[start:stop] = 0
    if by_centres is not None:
        by_centres[start:stop] = 0
        by_widths[start:stop] = 0
    for chunk in range(0, n_blocks * BLOCK, CHUNK):
        chunk_end = min(chunk + CHUNK, n_blocks * BLOCK)
        for m in range(start, stop):
            scale = one / (widths[m] * widths[m])
            summed[:] = 0
            if by_centres is not None:
                moved[:] = 0
                widened[:] = 0
            for first in range(chunk, chunk_end, BLOCK):
                _place(p, first, centres, m, scale, offset, q)
                if by_centres is None:
                    _evaluate(code, q, least, phi, None)
                else:
                    _evaluate(code, q, least, phi, slope)
                    _push(g, first, weights, m, slope, t)
                    for d in range(d_in):
                        o, sums = offset[d], moved[d]
                        for i in range(BLOCK):
                            sums[i] += t[i] * o[i]
                    for i in range(BLOCK):
                        widened[i] += t[i] * q[i]
                for c in range(n_values):
                    along, sums = g[c, first : first + BLOCK], summed[c]
                    for i in range(BLOCK):
                        sums[i] += along[i] * phi[i]
            for c in range(n_values):
                by_weights[m, c] += summed[c].sum()
            if by_centres is not None:
                for d in range(d_in):
                    by_centres[m, d] -= two * scale * moved[d].sum()
                by_widths[m] -= two * widened.sum() / widths[m]


class _Sum:
    """The sums of one call, on arrays."""

    def __init__(self, p: Tensor, centres: Tensor, widths: Tensor, weights: Tensor, kernel: Kernel) -> None:
        self.n, self.dtype = len(p), p.dtype
        self.n_blocks = -(-self.n // BLOCK)
        self.points = self._axes_first(p)
        self.kernels = tuple(_array(tensor) for tensor in (centres, widths, weights))
        self.kind = CODES[kernel], self.points.dtype.type(least_exponent(p.dtype))
        self.least = max(1, LEAST_PAIRS_PER_THREAD // max(1, len(centres)))

    def _axes_first(self, rows: Tensor) -> Any:
        """[N, K] to [K, N], filled up with zeros to whole blocks."""
        columns = torch.zeros((rows.shape[1], self.n_blocks * BLOCK), dtype=self.dtype)
        columns[:, : self.n] = rows.detach().t()
        return columns.numpy()

    def over_points(self, n_rows: int, g: Tensor | None) -> Tensor:
        out = torch.empty((n_rows, self.n_blocks * BLOCK), dtype=self.dtype)
        along = None if g is None else self._axes_first(g)
        inputs = self.points, *self.kernels, *self.kind, along
        _over(gather, self.n_blocks, max(1, self.least // BLOCK), inputs, (out.numpy(),))
        return out[:, : self.n].t().contiguous()

    def over_kernels(self, g: Tensor, with_places: bool) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Gradients by weights, centres and widths."""
        made = [torch.empty(array.shape, dtype=self.dtype) for array in reversed(self.kernels)]
        by_weights, by_widths, by_centres = made
        inputs = self.points, *self.kernels, *self.kind, self._axes_first(g), self.n_blocks
        places = (by_centres.numpy(), by_widths.numpy()) if with_places else (None, None)
        least = max(1, LEAST_PAIRS_PER_THREAD // max(1, self.n))
        _over(scatter, len(by_weights), least, inputs, (by_weights.numpy(), *places))
        return (by_weights, by_centres, by_widths) if with_places else (by_weights, None, None)


def _array(tensor: Tensor) -> Any:
    return tensor.detach().contiguous().numpy()


def _over(kernel: Any, size: int, least: int, inputs: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
    def work(part: int, parts: int) -> None:
        kernel(*inputs, size * part // parts, size * (part + 1) // parts, *outputs)

    in_parts(work, size, least)


class _Sums:
    def over_points(self, inputs: tuple[Tensor, ...], kernel: Kernel, g: Tensor | None) -> Tensor:
        p, centres, widths, weights = inputs
        n_rows = weights.shape[1] if g is None else p.shape[1]
        return _Sum(p, centres, widths, weights, kernel).over_points(n_rows, g)

    def over_kernels(
        self, inputs: tuple[Tensor, ...], kernel: Kernel, g: Tensor, with_places: bool
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:
        p, centres, widths, weights = inputs
        sums = _Sum(p, centres, widths, weights, kernel)
        by_weights, by_centres, by_widths = sums.over_kernels(g, with_places)
        return by_centres, by_widths, by_weights


def kernel_sum(p: Tensor, centres: Tensor, widths: Tensor, weights: Tensor, kernel: Kernel) -> Tensor:
    """See `inr.kernels.kernel_sum.kernel_sum`."""
    return differentiable((p, centres, widths, weights), kernel, _Sums())
