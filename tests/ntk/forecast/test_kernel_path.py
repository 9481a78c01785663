"""Flows along kernels that are read at some steps, against closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from inr.ntk.forecast.kernel_path import KernelPath, slowed, weight
from inr.ntk.kernel.lanczos import Product

M = 6
STEPS = (0, 2, 5, 20)


def symmetric(seed: int) -> Tensor:
    j = torch.randn(M, 2 * M, generator=Generator().manual_seed(seed), dtype=torch.float64)
    return j @ j.T


def product_of(matrix: Tensor) -> Product:
    return lambda v: matrix @ v


def constant(step: float) -> float:
    return 1.0


def test_a_constant_kernel_gives_the_exponential(generator: Generator) -> None:
    kernel, start = symmetric(0), torch.randn(M, generator=generator, dtype=torch.float64)
    path = KernelPath(start, STEPS, 0.01, constant)
    for step in STEPS:
        exact = torch.linalg.matrix_exp(-2 * 0.01 / M * step * kernel) @ start
        torch.testing.assert_close(path.take(product_of(kernel)), exact)


@pytest.mark.parametrize("factor", [constant, lambda step: 1 - step / 40])
def test_a_kernel_that_changes_linearly_has_the_integral_as_exponent(factor: Callable[[float], float]) -> None:
    """In one dimension: r(t) = r(0) exp(-2 lr int c(t) k(t) dt), with k(t) = 3 + t / 2."""
    path = KernelPath(torch.tensor([2.0]), STEPS, 0.02, factor)
    slope = factor(1.0) - factor(0.0)
    for step in STEPS:
        left = path.take(product_of(torch.tensor([[3 + step / 2]], dtype=torch.float64)))
        integral = 3 * step + step**2 / 4 + slope * (3 * step**2 / 2 + step**3 / 6)
        assert float(left) == pytest.approx(2 * math.exp(-2 * 0.02 * integral), rel=2e-3)


def test_kernels_that_do_not_commute_are_followed_to_second_order(generator: Generator) -> None:
    """With half the distance between readings the error is about a quarter."""
    first, last = symmetric(1), symmetric(2)
    start = torch.randn(M, generator=generator, dtype=torch.float64)

    def end(count: int) -> Tensor:
        steps = [16 * i // count for i in range(count + 1)]
        path = KernelPath(start, steps, 0.02, constant)
        found = start
        for step in steps:
            found = path.take(product_of(first + step / 16 * (last - first)))
        return found

    exact = start
    for i in range(4000):
        middle = first + (i + 0.5) / 4000 * (last - first)
        exact = torch.linalg.matrix_exp(-2 * 0.02 / M * 16 / 4000 * middle) @ exact
    errors = [float((end(count) - exact).norm()) for count in (2, 4, 8)]
    assert errors[0] / errors[1] > 3
    assert errors[1] / errors[2] > 3


def test_weights_of_an_interval_add_up_to_its_length() -> None:
    rising, falling = (weight(constant, 3, 11, is_rising=r) for r in (True, False))
    assert rising == pytest.approx(4)
    assert falling == pytest.approx(4)
    assert weight(lambda step: step, 0, 6, is_rising=True) == pytest.approx(12, rel=1e-3)


@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.02, 0.5, 5.0])
@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.95])
def test_a_mode_with_momentum_falls_as_the_iteration_does(rate: float, momentum: float) -> None:
    """m <- b m + (1 - b) r, r <- r - rate m: the spectral radius of that map; without momentum the continuous flow."""
    found = float(slowed(torch.tensor(rate, dtype=torch.float64), momentum))
    if momentum == 0:
        assert found == pytest.approx(rate)
        return
    step = torch.tensor([[1 - rate * (1 - momentum), -rate * momentum], [1 - momentum, momentum]], dtype=torch.float64)
    assert found == pytest.approx(-math.log(float(torch.linalg.eigvals(step).abs().max())), abs=1e-9)
    assert found <= -math.log(momentum) / 2 + 1e-9


def test_nothing_stays_nothing() -> None:
    path = KernelPath(torch.zeros(M), (0, 3), 0.1, constant)
    assert float(path.take(product_of(symmetric(0))).norm()) == 0
