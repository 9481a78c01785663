"""The residual of each band after gradient descent and Adam."""

from __future__ import annotations

import math

import pytest
import torch

from inr.ntk.forecast.adaptive import TrainingPlan, forecast_adam, forecast_descent


def test_descent_by_the_formula() -> None:
    kappa = torch.tensor([0.0, 1.0, 5.0], dtype=torch.float64)
    found = forecast_descent(kappa, 20, 0.5, 7)
    assert found.left.tolist() == pytest.approx([1.0, 0.95**14, 0.75**14])
    assert float(found.half[0]) == math.inf
    assert 0.95 ** (2 * float(found.half[1])) == pytest.approx(0.5)


def test_adam_with_equal_bands_is_gradient_descent_while_gradients_last() -> None:
    """One step: v is v_0, so the scale is 1 and the step that of the preconditioned kernel."""
    kappa, bent = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    left = forecast_adam(kappa, bent, torch.ones(2), 10.0, 100, 100, TrainingPlan(1, 0.5, batch=100)).left
    assert left.tolist() == pytest.approx([(1 - 0.03) ** 2, (1 - 0.04) ** 2])


def test_adam_speeds_up_as_gradients_shrink() -> None:
    kappa = torch.tensor([1.0, 1e-3], dtype=torch.float64)
    bent = 100 * kappa
    size, steps = 1000, 3000
    plan = TrainingPlan(steps, 0.1, batch=1000, beta2=0.9)
    found = forecast_adam(kappa, bent, torch.ones(2, dtype=torch.float64), 0.0, size, 1000, plan)
    frozen = (1 - 2 * 0.1 * bent[1] / size) ** (2 * steps)
    assert float(found.left[1]) < float(frozen)
    assert float(found.half[0]) < float(found.half[1])


def test_moments_of_a_run_that_are_larger_than_its_gradients_now_hold_it_back() -> None:
    """v_0 is kept; with ratio 1/4 the first step has s = sqrt(1 / (b2 w + (1 - b2) / 4) (b2 w + 1 - b2))."""
    kappa = torch.ones(1, dtype=torch.float64)
    plan = TrainingPlan(1, 0.5, batch=100, beta2=0.5, done=1)
    left = forecast_adam(kappa, kappa, kappa, 100.0, 100, 100, plan, 0.25).left
    scale = math.sqrt((0.25 + 0.5) / (0.25 + 0.125))
    assert float(left) == pytest.approx((1 - 0.01 * scale) ** 2)
