"""The spline between bounds: interpolation, polynomials, and the conditions of the optimum."""

from __future__ import annotations

import numpy as np

from inr.signals.solids.bounded_spline import BoundedSpline


def test_it_interpolates_where_bounds_meet() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((60, 3))
    y = np.sin(3 * x[:, 0]) * x[:, 1]
    np.testing.assert_allclose(BoundedSpline(x, y, y)(x), y, atol=1e-4)


def test_linear_functions_are_reproduced() -> None:
    rng = np.random.default_rng(1)
    x, more = rng.random((50, 3)), rng.random((200, 3))
    y = 0.3 + x @ [0.5, -0.2, 0.1]
    np.testing.assert_allclose(BoundedSpline(x, y, y)(more), 0.3 + more @ [0.5, -0.2, 0.1], atol=1e-4)


def test_values_are_within_bounds_that_a_linear_function_satisfies() -> None:
    """Then the energy is 0: the spline is linear."""
    rng = np.random.default_rng(2)
    x = rng.random((80, 3))
    middle = x @ [1.0, 0.0, -1.0]
    spline = BoundedSpline(x, middle - 0.1, middle + 0.1)
    assert (np.abs(spline(x) - middle) < 0.1 + 1e-4).all()
    assert np.abs(spline.weights[:80]).max() < 1e-3


def test_only_active_bounds_pull() -> None:
    """Complementarity: where a value is strictly between its bounds, its kernel has no weight."""
    rng = np.random.default_rng(3)
    x = rng.random((60, 3))
    y = np.where(x[:, 0] > 0.5, 0.1, -0.1) * (1 + x[:, 1])
    low, high = np.minimum(y, 3 * y), np.maximum(y, 3 * y)
    spline = BoundedSpline(x, low, high)
    f = spline(x)
    free = (f > low + 0.01) & (f < high - 0.01)
    assert 0 < free.sum() < 60
    size = np.abs(spline.weights[:60])
    assert size[free].max() < 0.02 * size.max()
    assert ((f > low - 1e-3) & (f < high + 1e-3)).all()
