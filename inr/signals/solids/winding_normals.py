"""Which way a closed surface faces at points of it: normals whose winding number is 1/2 at all of them.

Winding number normal consistency: Lin et al. 2024, Fast and globally consistent normal orientation based on the winding
number normal consistency (arXiv 2405.01634).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from inr.core.jit import compiled
from inr.kernels.threads import in_parts
from inr.signals.solids.faces import Floats

_BLOCK = 256
_ROUNDS = 30
_Singles = np.ndarray[Any, np.dtype[np.float32]]


def consistent_normals(points: Floats, narrow: float, wide: float, rounds: int = _ROUNDS) -> Floats:
    """Outward vectors [N, 3] along the normals at points [N, 3] all over closed surfaces, which lie in the unit box.

    Unknown vectors m_j, at first 0, give the winding number sum_j m_j . (x_j - x) / |x_j - x|^3 at x, without the terms
    closer than a width, which goes from `wide` to `narrow`. Each round takes the steepest step towards 1/2 at all
    points (the factor 4 pi is part of m), then turns each vector, at its length, against the gradient of the winding
    number there. Sums run over all pairs, in the order of the points, whatever the number of threads.
    """
    x = _columns(points)
    m = np.zeros_like(x)
    for width in np.linspace(wide, narrow, rounds):
        square = np.float32(width * width)
        down = _over(x, _add_adjoint, x, np.float32(0.5) - _over(x, _add_numbers, x, m, square)[0], square)
        along = _over(x, _add_numbers, x, down, square)[0]
        steepness = float(np.square(along, dtype=np.float64).sum())
        if steepness == 0:
            break
        m += np.float32(float(np.square(down, dtype=np.float64).sum()) / steepness) * down
        turned = _over(x, _add_slopes, x, m, square)
        length = np.sqrt(np.square(turned).sum(axis=0))
        scale = np.sqrt(np.square(m).sum(axis=0)) / np.maximum(length, np.float32(1e-30))
        m = np.where(length > 0, scale * turned, m)
    found: Floats = m.T.astype(np.float64)
    return found


def winding_numbers(at: Floats, points: Floats, vectors: Floats, width: float) -> Floats:
    """sum_j v_j . (p_j - q) / |p_j - q|^3 [Q] at q [Q, 3], of points and vectors [N, 3] not closer than width."""
    found = _over(_columns(at), _add_numbers, _columns(points), _columns(vectors), np.float32(width * width))
    numbers: Floats = found[0].astype(np.float64)
    return numbers


def winding_slopes(at: Floats, points: Floats, vectors: Floats, width: float) -> Floats:
    """Minus the gradient [Q, 3] of the winding number: it points outward where the vectors do."""
    found = _over(_columns(at), _add_slopes, _columns(points), _columns(vectors), np.float32(width * width))
    slopes: Floats = found.T.astype(np.float64)
    return slopes


def _columns(points: Floats) -> _Singles:
    """[3, N] of [N, 3]."""
    return np.ascontiguousarray(points.T, np.float32)


def _over(at: _Singles, kernel: Callable[..., None], x: _Singles, values: _Singles, square: np.float32) -> _Singles:
    """[3, Q]: what a kernel sums at points [3, Q] over the sources x [3, N], block by block."""
    n = at.shape[1]
    blocks = math.ceil(n / _BLOCK)
    found = np.zeros((3, n), np.float32)

    def part(k: int, of: int) -> None:
        for block in range(k * blocks // of, (k + 1) * blocks // of):
            kernel(at, x, values, square, block * _BLOCK, min(n, (block + 1) * _BLOCK), found)

    in_parts(part, blocks)
    return found


# The inner loops run over the targets: they vectorise, and the sum of each target keeps its order.


@compiled
def _add_numbers(at: Any, x: Any, m: Any, square: Any, start: Any, end: Any, found: Any) -> None:
    x0, x1, x2, to = at[0, start:end], at[1, start:end], at[2, start:end], found[0, start:end]
    for j in range(x.shape[1]):
        a, b, c, ma, mb, mc = x[0, j], x[1, j], x[2, j], m[0, j], m[1, j], m[2, j]
        for i in range(len(to)):
            u, v, w = a - x0[i], b - x1[i], c - x2[i]
            r = u * u + v * v + w * w
            f = np.float32(1) / (max(r, square) * math.sqrt(max(r, square)))
            f = f if r >= square else np.float32(0)
            to[i] += f * (u * ma + v * mb + w * mc)


@compiled
def _add_adjoint(at: Any, x: Any, s: Any, square: Any, start: Any, end: Any, found: Any) -> None:
    x0, x1, x2 = at[0, start:end], at[1, start:end], at[2, start:end]
    to0, to1, to2 = found[0, start:end], found[1, start:end], found[2, start:end]
    for j in range(x.shape[1]):
        a, b, c, sj = x[0, j], x[1, j], x[2, j], s[j]
        for i in range(len(to0)):
            u, v, w = x0[i] - a, x1[i] - b, x2[i] - c
            r = u * u + v * v + w * w
            f = sj / (max(r, square) * math.sqrt(max(r, square)))
            f = f if r >= square else np.float32(0)
            to0[i] += f * u
            to1[i] += f * v
            to2[i] += f * w


@compiled
def _add_slopes(at: Any, x: Any, m: Any, square: Any, start: Any, end: Any, found: Any) -> None:
    x0, x1, x2 = at[0, start:end], at[1, start:end], at[2, start:end]
    to0, to1, to2 = found[0, start:end], found[1, start:end], found[2, start:end]
    for j in range(x.shape[1]):
        a, b, c, ma, mb, mc = x[0, j], x[1, j], x[2, j], m[0, j], m[1, j], m[2, j]
        for i in range(len(to0)):
            u, v, w = x0[i] - a, x1[i] - b, x2[i] - c
            r = u * u + v * v + w * w
            q = np.float32(1) / max(r, square)
            f = q * math.sqrt(q)
            f = f if r >= square else np.float32(0)
            g = np.float32(3) * q * (u * ma + v * mb + w * mc)
            to0[i] += f * (ma - g * u)
            to1[i] += f * (mb - g * v)
            to2[i] += f * (mc - g * w)
