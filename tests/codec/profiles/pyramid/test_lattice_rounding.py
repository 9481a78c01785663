"""Integers of least loss: closed forms, all integers of a small lattice, and rounding to the nearest."""

from __future__ import annotations

import itertools

import numpy as np

from inr.codec.profiles.pyramid.architecture import Array
from inr.codec.profiles.pyramid.lattice_rounding import Cost, Lattice, Quadratic


def free(symbols: Array) -> tuple[float, Array]:
    """Integers that cost nothing."""
    return 0.0, np.zeros(2 * int(np.abs(symbols).max()) + 129)


def of_size(price: float) -> Cost:
    """Integers that cost their magnitude."""

    def cost(symbols: Array) -> tuple[float, Array]:
        most = 2 * int(np.abs(symbols).max()) + 64
        return price * float(np.abs(symbols).sum()), price * np.abs(np.arange(-most, most + 1)).astype(float)

    return cost


def lattice(n: int, cost: Cost, most: int = 1000) -> Lattice:
    return Lattice(np.ones(n), np.zeros(n), np.full(n, most, np.int64), [cost])


def quadratic(weights: Array, curvature: Array) -> Quadratic:
    n = len(weights)
    return Quadratic(weights, np.zeros(n), curvature, np.zeros(n, np.int64))


def correlated(n: int, seed: int) -> tuple[Array, Array]:
    """Weights, and a curvature that is much flatter along some directions than along others."""
    random = np.random.default_rng(seed)
    factors = random.normal(size=(n, n)) * 0.5 ** np.arange(n)[:, None]
    return 3 * random.normal(size=n), factors.T @ factors + 1e-3 * np.eye(n)


def test_without_bits_and_correlations_the_nearest_integers_are_best() -> None:
    weights = np.array([0.4, -1.6, 7.2, 0.0])
    made = quadratic(weights, np.diag([1.0, 5.0, 2.0, 3.0])).rounded(lattice(4, free))
    assert made.integers.tolist() == [0, -2, 7, 0]
    assert made.loss == np.sum(np.array([1, 5, 2, 3]) * (made.integers - weights) ** 2) / 2


def test_a_weight_that_is_not_worth_its_bits_is_zero() -> None:
    made = quadratic(np.array([3.0, 3.0]), np.diag([10.0, 1e-3])).rounded(lattice(2, of_size(0.5)))
    assert made.integers.tolist() == [3, 0]


def test_weights_move_to_make_up_for_others() -> None:
    """Only the sum counts: 0.45 + 0.45 is nearer to 1 + 0 than to 0 + 0, to which each weight is nearest."""
    made = quadratic(np.array([0.45, 0.45]), np.ones((2, 2))).rounded(lattice(2, free))
    assert made.integers.sum() == 1


def test_the_loss_is_near_the_least_of_all_integers_and_below_the_nearest() -> None:
    ratios = []
    for seed in range(20):
        weights, curvature = correlated(4, seed)
        own = quadratic(weights, curvature)
        made, cost = own.rounded(lattice(4, of_size(0.01))), of_size(0.01)

        def loss(integers: Array, weights: Array = weights, curvature: Array = curvature, cost: Cost = cost) -> float:
            change = integers - weights
            return float(change @ curvature @ change / 2) + cost(integers)[0]

        assert abs(made.loss - loss(made.integers)) < 1e-12
        around = np.rint(weights)
        least = min(loss(around + np.array(by)) for by in itertools.product(range(-4, 5), repeat=4))
        nearest = loss(around)
        assert made.loss <= nearest + 1e-12
        ratios.append((made.loss - least) / max(nearest - least, 1e-12))
    assert np.mean(ratios) < 0.35


def test_integers_stay_within_their_bound_and_improvements_too() -> None:
    weights, curvature = correlated(6, 1)
    own, bounded = quadratic(1e3 * weights, curvature), lattice(6, free, most=5)
    made = own.rounded(bounded)
    assert np.abs(made.integers).max() == 5
    slope = curvature @ (made.integers - 1e3 * weights)
    assert np.abs(own.improved(made.integers, slope, 0.0, bounded)).max() <= 5


def test_a_slope_away_from_the_model_moves_the_integers() -> None:
    own, given = quadratic(np.array([2.0]), np.eye(1)), lattice(1, free)
    made = own.rounded(given).integers
    assert made.tolist() == [2]
    assert own.improved(made, np.array([3.0]), 0.0, given).tolist() == [-1]
    assert own.improved(made, np.array([3.0]), 100.0, given).tolist() == [2]
