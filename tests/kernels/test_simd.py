"""Layers of 32-bit integers against Python's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba")

from inr.core.jit import compiled
from inr.kernels.simd import INTEGER_LANES, add_product, load, store_rectified

LARGEST = (1 << 30) - 1


@compiled
def _dense(bias: NDArray[Any], x: NDArray[Any], weights: NDArray[Any], shift: int, out: NDArray[Any]) -> None:
    for j in range(0, len(bias), INTEGER_LANES):
        total = load(bias, j)
        for i in range(len(x)):
            total = add_product(total, x[i], weights, i * len(bias) + j)
        store_rectified(out, j, total, shift, LARGEST)


def test_a_layer_is_what_exact_integers_say() -> None:
    rng = np.random.default_rng(0)
    width = 3 * INTEGER_LANES
    bias = rng.integers(-(2**40), 2**40, width)
    x = rng.integers(-(2**30), 2**30, 20).astype(np.int32)
    weights = rng.integers(-(2**17), 2**17, (20, width)).astype(np.int32)
    out = np.empty(width, np.int32)
    for shift in (0, 5, 16, 30):
        _dense(bias, x, weights, shift, out)
        exact = [
            int(b) + sum(int(a) * int(w) for a, w in zip(x, column, strict=True))
            for b, column in zip(bias, weights.T, strict=True)
        ]
        assert out.tolist() == [min(max(total, 0) >> shift, LARGEST) for total in exact]
