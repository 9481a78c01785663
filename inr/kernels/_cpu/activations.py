"""Activations of rows for kernels that numba compiles: values with slopes, and gradients through them.

Each is for a row of one layer; a and b are those of `Pointwise`. Arrays are flat, with room for whole vectors past the
end of a row; what is written there has no meaning.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from inr.kernels._cpu.vector_formula import (
    Lanes,
    choose,
    exp,
    log_1_plus,
    root,
    row_function,
    sign_of,
    sine_cosine,
    vector_function,
)
from inr.kernels.pointwise import NAMES
from inr.kernels.simd import VECTOR_BYTES, load, store, times
from inr.kernels.threads import compiled

Array = NDArray[Any]
Pair = tuple[Lanes, Lanes]

LANES = VECTOR_BYTES // 4
(SINE, FINER, FINER_EXACT, GAUSS, GAUSS_WARPED, SPDER, GABOR, RELU, SILU, SOFTPLUS, TANH) = range(len(NAMES))
LARGEST_EXPONENT = 40.0
"""exp(-q) counts as 0 for larger q, as in the layers."""
TINY = 2.0**-46
LARGEST_PHASE = 2.0**22


def _envelope(q: Lanes) -> Lanes:
    return choose(-q < -LARGEST_EXPONENT, 0.0, exp(-q))  # NaN stays NaN


def wave(x: Lanes) -> Pair:
    """(sin x, cos x), and (0, 1) where x is so large that float32 does not know its place in a period."""
    return sine_cosine(choose(abs(x) < LARGEST_PHASE, x, 0.0 * x))


def _sine(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    s, c = wave(a * z)
    return s, a * c


def _finer(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    factor = a * (abs(z) + 1.0)
    s, c = wave(factor * z)
    return s, factor * c


def _finer_exact(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    s, c = wave(a * (abs(z) + 1.0) * z)
    return s, a * (2.0 * abs(z) + 1.0) * c


def _gauss(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    u = a * z
    e = _envelope(u * u)
    return e, -2.0 * a * u * e


def _gauss_warped(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    factor = b * (abs(z) + 1.0)
    s, c = wave(factor * z)
    u = a * s
    e = _envelope(u * u)
    return e, -2.0 * a * u * e * (factor * c)


def _spder(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    u = a * z
    size = abs(u)
    is_tiny = size < TINY
    damping = root(choose(is_tiny, 1.0, size))
    s, c = wave(u)
    slope = a * (c * damping + 0.5 * s * sign_of(u) / damping)
    return choose(is_tiny, 0.0, s * damping), choose(is_tiny, 0.0, slope)


def _relu(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    is_off = z < 1e-45  # the smallest positive number
    return choose(is_off, 0.0, z), choose(is_off, 0.0, z - z + 1.0)


def _silu(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    s = 1.0 / (exp(-z) + 1.0)
    return z * s, s * (z * (1.0 - s) + 1.0)


def _softplus(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    u = a * z
    e = exp(-abs(u))
    is_negative = u < 0.0
    return choose(is_negative, 0.0, z) + log_1_plus(e) / a, choose(is_negative, e, 1.0) / (e + 1.0)


def _tanh(z: Lanes, a: Lanes, b: Lanes) -> Pair:
    e = exp(-2.0 * abs(z))
    t = sign_of(z) * ((1.0 - e) / (e + 1.0))
    return t, 1.0 - t * t


def _gabor(real: Lanes, imag: Lanes, a: Lanes, b: Lanes) -> Pair:
    size = _envelope(a * imag + b * b * (real * real + imag * imag))
    s, c = wave(a * real)
    return size * c, size * s


def _through_gabor(real: Lanes, imag: Lanes, h: Lanes, k: Lanes, g: Lanes, f: Lanes, a: Lanes, b: Lanes) -> Pair:
    """The gradient by z = real + j imag, from that by h + j k, which is g + j f."""
    along, across = g * h + f * k, f * h - g * k
    scale = 2.0 * b * b
    return a * across - scale * real * along, -(a + scale * imag) * along


sine, finer, finer_exact, gauss, gauss_warped, spder, relu, silu, softplus, tanh = (
    row_function(formula)
    for formula in (_sine, _finer, _finer_exact, _gauss, _gauss_warped, _spder, _relu, _silu, _softplus, _tanh)
)
gabor, through_gabor = vector_function(_gabor, 2), vector_function(_through_gabor, 6)


@compiled
def values(
    kind: int, a: Any, b: Any, z: Array, z_at: int, width: int, h: Array, h_at: int, c: Array, c_at: int
) -> None:
    """h = f(z); c = f'(z), or h again for GABOR, whose gradient `through` makes from that."""
    if kind == SINE:
        sine(a, b, width, z, z_at, h, h_at, c, c_at)
    elif kind == FINER:
        finer(a, b, width, z, z_at, h, h_at, c, c_at)
    elif kind == FINER_EXACT:
        finer_exact(a, b, width, z, z_at, h, h_at, c, c_at)
    elif kind == GAUSS:
        gauss(a, b, width, z, z_at, h, h_at, c, c_at)
    elif kind == GAUSS_WARPED:
        gauss_warped(a, b, width, z, z_at, h, h_at, c, c_at)
    elif kind == SPDER:
        spder(a, b, width, z, z_at, h, h_at, c, c_at)
    elif kind == RELU:
        relu(a, b, width, z, z_at, h, h_at, c, c_at)
    elif kind == SILU:
        silu(a, b, width, z, z_at, h, h_at, c, c_at)
    elif kind == SOFTPLUS:
        softplus(a, b, width, z, z_at, h, h_at, c, c_at)
    elif kind == TANH:
        tanh(a, b, width, z, z_at, h, h_at, c, c_at)
    else:
        half = width // 2
        for k in range(0, half, LANES):
            here = min(k, half - LANES)  # the last vector overlaps the one before
            real, imag = gabor(load(z, z_at + here), load(z, z_at + half + here), a, b)
            store(h, h_at + here, real)
            store(h, h_at + half + here, imag)
            store(c, c_at + here, real)
            store(c, c_at + half + here, imag)


@compiled
def through(
    kind: int, a: Any, b: Any, z: Array, z_at: int, width: int, c: Array, c_at: int, g: Array, at: int, out: Array
) -> None:
    """out[at:] = the gradient by z from that by h, g[at:]; c: of `values`."""
    if kind == GABOR:
        half = width // 2
        for k in range(0, half, LANES):
            here = min(k, half - LANES)
            real, imag = through_gabor(
                load(z, z_at + here), load(z, z_at + half + here), load(c, c_at + here), load(c, c_at + half + here),
                load(g, at + here), load(g, at + half + here), a, b,
            )  # fmt: skip
            store(out, at + here, real)
            store(out, at + half + here, imag)
        return
    for k in range(0, width, LANES):
        store(out, at + k, times(load(g, at + k), load(c, c_at + k)))
