"""exp, log, sine and cosine of compiled loops, against numpy in higher precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba")
from inr.kernels import elementary
from inr.kernels.threads import compiled

EXP, LOG, SINE, COSINE = range(4)


@compiled
def _exp(x: NDArray[Any], out: NDArray[Any]) -> None:
    for i in range(len(x)):
        out[i] = elementary.exp(x[i])


@compiled
def _log(x: NDArray[Any], out: NDArray[Any]) -> None:
    for i in range(len(x)):
        out[i] = elementary.log(x[i])


@compiled
def _sine(x: NDArray[Any], out: NDArray[Any]) -> None:
    for i in range(len(x)):
        out[i] = elementary.sine_cosine(x[i])[0]


@compiled
def _cosine(x: NDArray[Any], out: NDArray[Any]) -> None:
    for i in range(len(x)):
        out[i] = elementary.sine_cosine(x[i])[1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_errors_are_those_stated(dtype: Any) -> None:
    eps = np.finfo(dtype).eps
    rng = np.random.default_rng(0)
    bound = -np.log(np.finfo(dtype).tiny) - 1
    x = np.concatenate([rng.uniform(-bound, bound, 4000), rng.uniform(-1, 1, 4000), [0.0]]).astype(dtype)
    out = np.empty_like(x)
    _exp(x, out)
    exact = np.exp(x.astype(np.longdouble))
    assert (np.abs(out - exact) <= 3 * eps * exact).all()
    positive = np.concatenate([np.exp(rng.uniform(-50, 50, 4000)), rng.uniform(0.5, 2, 4000), [1.0]]).astype(dtype)
    _log(positive, out)
    exact = np.log(positive.astype(np.longdouble))
    assert (np.abs(out - exact) <= 3 * eps * np.maximum(1, np.abs(exact))).all()
    angles = np.concatenate([rng.uniform(-10, 10, 4000), rng.uniform(-1e5, 1e5, 4000), [0.0]]).astype(dtype)
    for function, reference in ((_sine, np.sin), (_cosine, np.cos)):
        function(angles, out)
        errors = np.abs(out - reference(angles.astype(np.longdouble)))
        assert (errors <= 3 * eps * (1 + np.abs(angles) / 100)).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nan_stays_nan_and_bounds_hold(dtype: Any) -> None:
    x = np.array([np.nan, -np.inf, np.inf, -1e4], dtype)
    out = np.empty_like(x)
    _exp(x, out)
    assert np.isnan(out[0])
    assert 0 < out[1] == out[3] < 1e-37
    assert 1e38 < out[2] < np.inf
    for function in (_sine, _cosine):
        function(x, out)
        assert np.isnan(out[0])
