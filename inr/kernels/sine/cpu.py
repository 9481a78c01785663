"""The sine on the CPU, compiled by numba: values, first and second derivatives, each in one pass over memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels.simd import VECTOR_BYTES, load, scaled, store, times, zeros
from inr.kernels.sine._derivatives import differentiable
from inr.kernels.sine.polynomial import LIMIT, is_beyond, larger, sine_cosine
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]

LANES = VECTOR_BYTES // 4
CHUNK = 1024  # elements whose sines and cosines wait in the first cache
LEAST_PER_THREAD = 16384


@compiled
def sines(z: Array, z_at: int, omega: np.float32, size: int, sine: Array, sine_at: int, cosine: Array) -> None:
    """sine[sine_at + i] = sin(omega z[z_at + i]), and cosine[i], for i < size, a whole number of vectors."""
    worst = zeros(z)
    for i in range(0, size, LANES):
        x = scaled(load(z, z_at + i), omega)
        s, c = sine_cosine(x)
        store(sine, sine_at + i, s)
        store(cosine, i, c)
        worst = larger(worst, x)
    if is_beyond(worst):
        _repair(z, z_at, omega, size, sine, sine_at, cosine)


@compiled
def _repair(z: Array, z_at: int, omega: np.float32, size: int, sine: Array, sine_at: int, cosine: Array) -> None:
    """The same by libm, for the numbers for which the polynomials do not hold."""
    for i in range(size):
        x = omega * z[z_at + i]
        if not abs(x) <= LIMIT:
            sine[sine_at + i] = math.sin(x)
            cosine[i] = math.cos(x)


@compiled
def value(z: Array, omega: np.float32, start: int, stop: int, out: Array) -> None:
    """out = sin(omega z) for elements start..stop."""
    cosine = np.empty(CHUNK, z.dtype)
    whole = start + (stop - start) // LANES * LANES
    for first in range(start, whole, CHUNK):
        sines(z, first, omega, min(CHUNK, whole - first), out, first, cosine)
    for i in range(whole, stop):
        out[i] = math.sin(omega * z[i])


@compiled
def slope(z: Array, g: Array, omega: np.float32, start: int, stop: int, out: Array) -> None:
    """out = omega g cos(omega z) for elements start..stop."""
    sine, cosine = np.empty(CHUNK, z.dtype), np.empty(CHUNK, z.dtype)
    whole = start + (stop - start) // LANES * LANES
    for first in range(start, whole, CHUNK):
        count = min(CHUNK, whole - first)
        sines(z, first, omega, count, sine, 0, cosine)
        for i in range(0, count, LANES):
            store(out, first + i, times(scaled(load(g, first + i), omega), load(cosine, i)))
    for i in range(whole, stop):
        out[i] = omega * g[i] * math.cos(omega * z[i])


def _pass(kernel: Any, omega: float, z: Tensor, *others: Tensor) -> Tensor:
    out = torch.empty(z.shape, dtype=z.dtype)
    arrays = [t.detach().contiguous().view(-1).numpy() for t in (z, *others)]
    result, size, factor = out.view(-1).numpy(), z.numel(), np.float32(omega)
    chunks = -(-size // CHUNK)  # never divided, so that the result does not depend on the number of threads

    def work(part: int, parts: int) -> None:
        start, stop = (min(size, CHUNK * (chunks * i // parts)) for i in (part, part + 1))
        kernel(*arrays, factor, start, stop, result)

    in_parts(work, size, LEAST_PER_THREAD)
    return out


class _Passes:
    def value(self, omega: float, z: Tensor) -> Tensor:
        return _pass(value, omega, z)

    def slope(self, omega: float, z: Tensor, g: Tensor) -> Tensor:
        return _pass(slope, omega, z, g)


def sine(z: Tensor, omega: float) -> Tensor:
    """See `inr.kernels.sine.sine`."""
    return differentiable(z, omega, _Passes())
