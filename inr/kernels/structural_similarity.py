"""Sums of the structural similarity of pictures over windows, compiled; without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.kernels.simd import fma, lanes_of, load, load_each, plus, store, times
from inr.kernels.threads import compiled, in_turn

Array = NDArray[Any]

WINDOW = 11
"""Side of the window."""
SIGMA = 1.5
ROWS, COLUMNS = 64, 120  # of a tile: five moments of it stay in the cache
_REACH = WINDOW // 2
_ROOM = 16  # numbers that vectors may read and write past the end of a row


@compiled
def _filtered(source: Array, at: int, step: int, count: int, taps: Array, out: Array, out_at: int) -> None:
    """out_i = sum over k of taps_k source_(at + k step + i), for the 11 symmetric taps; whole vectors."""
    lanes = lanes_of(out)
    a, b, c = load_each(taps, 0), load_each(taps, 1), load_each(taps, 2)
    d, e, f = load_each(taps, 3), load_each(taps, 4), load_each(taps, 5)
    for i in range(0, count, lanes):
        here = at + i
        total = times(f, load(source, here + 5 * step))
        total = fma(e, plus(load(source, here + 4 * step), load(source, here + 6 * step)), total)
        total = fma(d, plus(load(source, here + 3 * step), load(source, here + 7 * step)), total)
        total = fma(c, plus(load(source, here + 2 * step), load(source, here + 8 * step)), total)
        total = fma(b, plus(load(source, here + step), load(source, here + 9 * step)), total)
        store(out, out_at + i, fma(a, plus(load(source, here), load(source, here + 10 * step)), total))


@compiled
def _tile(predicted: Array, reference: Array, channel: int, top: int, left: int, n_rows: int, n_columns: int,
          taps: Array, c1: float, c2: float, lines: Array, moments: Array, means: Array) -> float:  # fmt: skip
    """The sum over the windows whose upper left corners are a tile's n_rows x n_columns pixels."""
    line, step = len(lines) // 5, len(means) // 5
    size = len(moments) // 5
    for r in range(n_rows + WINDOW - 1):
        for i in range(n_columns + WINDOW - 1):
            x = np.float64(predicted[top + r, left + i, channel])
            y = np.float64(reference[top + r, left + i, channel])
            lines[i], lines[line + i] = x, y
            lines[2 * line + i], lines[3 * line + i], lines[4 * line + i] = x * x, y * y, x * y
        for m in range(5):
            _filtered(lines, m * line, 1, n_columns, taps, moments, m * size + r * step)
    total = 0.0
    for r in range(n_rows):
        for m in range(5):
            _filtered(moments, m * size + r * step, step, n_columns, taps, means, m * step)
        for i in range(n_columns):
            x, y = means[i], means[step + i]
            xx, yy, xy = means[2 * step + i] - x * x, means[3 * step + i] - y * y, means[4 * step + i] - x * y
            means[i] = (2 * x * y + c1) * (2 * xy + c2) / ((x * x + y * y + c1) * (xx + yy + c2))
        for i in range(n_columns):
            total += means[i]
    return total


@compiled
def _strip(predicted: Array, reference: Array, top: int, n_rows: int, taps: Array, c1: float, c2: float,
           sums: Array) -> None:  # fmt: skip
    """The sums of each channel over the windows that begin in some rows."""
    n_columns = predicted.shape[1] - WINDOW + 1
    lines = np.zeros(5 * (COLUMNS + WINDOW - 1 + _ROOM), np.float64)
    moments = np.zeros(5 * (ROWS + WINDOW) * (COLUMNS + _ROOM), np.float64)
    means = np.zeros(5 * (COLUMNS + _ROOM), np.float64)
    for channel in range(len(sums)):
        for left in range(0, n_columns, COLUMNS):
            width = min(COLUMNS, n_columns - left)
            sums[channel] += _tile(predicted, reference, channel, top, left, n_rows, width,
                                   taps, c1, c2, lines, moments, means)  # fmt: skip


def similarity_sums(predicted: Array, reference: Array, peak: float) -> Array:
    """The sums over all windows inside a picture of the structural similarity, by channel [C], in float64.

    predicted, reference: [rows, columns, C] of at least 11 rows and columns, of float32 or float64. Means, variances
    and the covariance of a window of 11 x 11 have Gaussian weights of sigma 1.5:

        (2 x y + c1) (2 xy + c2) / ((x^2 + y^2 + c1) (xx + yy + c2)),    c1 = (0.01 peak)^2, c2 = (0.03 peak)^2

    The result does not depend on the number of threads. Source: Wang, Bovik, Sheikh, Simoncelli 2004, IEEE TIP 13(4).
    """
    dtype = np.float32 if predicted.dtype == reference.dtype == np.float32 else np.float64
    given = np.ascontiguousarray(predicted, dtype), np.ascontiguousarray(reference, dtype)
    taps = np.exp(-0.5 * (np.arange(-_REACH, _REACH + 1) / SIGMA) ** 2)
    taps /= taps.sum()
    n_rows = len(predicted) - WINDOW + 1
    tops = range(0, n_rows, ROWS)
    sums = np.zeros((len(tops), predicted.shape[2]))
    strip: Any = _strip

    def work(i: int) -> None:
        strip(*given, tops[i], min(ROWS, n_rows - tops[i]), taps, (0.01 * peak) ** 2, (0.03 * peak) ** 2, sums[i])

    in_turn(len(tops), work)
    total: Array = sums.sum(0)
    return total
