"""Runs simulated in the Krylov space of their residual."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from inr.ntk.forecast.adaptive import BEYOND, TrainingPlan, forecast_adam
from inr.ntk.forecast.krylov_flow import follow, saved_steps
from inr.ntk.kernel.lanczos import krylov

M = 12


@pytest.fixture
def kernel(generator: Generator) -> Tensor:
    j = torch.randn(M, 2 * M, generator=generator, dtype=torch.float64)
    return j @ j.T


def steady(steps: int, lr: float) -> TrainingPlan:
    """Adam whose preconditioner cannot change in so few steps."""
    return TrainingPlan(steps, lr, batch=M, beta2=1 - 1e-12, done=10**14)


def test_the_space_is_orthonormal_and_holds_the_powers(kernel: Tensor, generator: Generator) -> None:
    q = torch.nn.functional.normalize(torch.randn(M, generator=generator, dtype=torch.float64), dim=0)
    basis, matrix = krylov(lambda v: kernel @ v, q, 5)
    assert basis.shape == (5, M)
    torch.testing.assert_close(basis @ basis.T, torch.eye(5, dtype=torch.float64), atol=1e-10, rtol=0)
    torch.testing.assert_close(basis @ kernel @ basis.T, matrix, atol=1e-8, rtol=1e-8)
    power = kernel @ kernel @ q
    torch.testing.assert_close(basis.T @ (basis @ power), power, rtol=1e-8, atol=1e-8)


def test_an_eigenvector_is_a_space_of_its_own() -> None:
    diagonal = torch.diag(torch.arange(1, M + 1, dtype=torch.float64))
    basis, matrix = krylov(lambda v: diagonal @ v, diagonal[3] / 4, 5)
    assert basis.shape == (1, M)
    assert float(matrix) == pytest.approx(4)


def test_in_the_whole_space_it_is_the_linear_run(kernel: Tensor, generator: Generator) -> None:
    residual = torch.randn(M, generator=generator, dtype=torch.float64)
    lr, steps = 0.2 * M / float(torch.linalg.eigvalsh(kernel)[-1]), 40
    flow = follow(lambda v: kernel @ v, residual, steady(steps, lr), 0.0, 1.0, M)
    step = torch.eye(M, dtype=torch.float64) - 2 * lr / M * kernel
    for index, t in enumerate(flow.steps[: flow.at_end + 1]):
        exact = torch.linalg.matrix_power(step, t) @ residual
        torch.testing.assert_close(flow.residual(index), exact, atol=1e-6, rtol=1e-6)
    assert flow.steps[flow.at_end] == steps
    assert flow.steps[-1] == BEYOND * steps


def test_modes_that_never_move_stay_where_one_rate_for_all_would_take_them() -> None:
    """Half of the modes are fast and half stuck: half of the energy is left, whatever the mean rate is."""
    values = torch.cat([torch.full((M // 2,), 2.0), torch.zeros(M // 2)]).double()
    plan = steady(400, 0.05 * M)
    residual = torch.ones(M, dtype=torch.float64)
    flow = follow(lambda v: values * v, residual, plan, 0.0, 1.0, 4)
    assert float(flow.residual(flow.at_end).square().sum()) == pytest.approx(M / 2, rel=1e-6)
    mean = values.mean().reshape(1)
    assert float(forecast_adam(mean, mean, torch.full((1,), float(M)), float(values.sum()), M, M, plan).left) < 1e-6


def test_a_residual_of_nothing_stays_nothing() -> None:
    flow = follow(lambda v: v, torch.zeros(M), TrainingPlan(7, 0.1), 0.0, 1.0, 4)
    assert flow.steps == (7,)
    assert float(flow.residual(flow.at_end).abs().max()) == 0


def test_a_batch_s_noise_holds_adam_back(kernel: Tensor, generator: Generator) -> None:
    """Gradients that do not shrink with the residual keep Adam's steps small at the end."""
    residual = torch.randn(M, generator=generator, dtype=torch.float64)
    lr = 0.05 * M / float(torch.linalg.eigvalsh(kernel)[-1])
    plan = TrainingPlan(20, lr, batch=M, beta2=0.9)
    quiet, noisy = (follow(lambda v: kernel @ v, residual, plan, n, 1.0, M) for n in (0.0, 50.0))
    assert float(quiet.residual(quiet.at_end).norm()) < float(noisy.residual(noisy.at_end).norm())


@pytest.mark.parametrize("steps", [1, 7, 1000])
def test_the_steps_rise_and_include_the_end(steps: int) -> None:
    due = saved_steps(steps)
    assert due == sorted(set(due))
    assert steps in due
    assert due[-1] == BEYOND * steps
    assert len(due) <= 13 * math.log10(BEYOND * steps + 1) + 2
