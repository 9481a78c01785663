"""Damped Gauss-Newton: its step in closed form, its damping, and what it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Generator, Tensor, nn

from inr.core.errors import UsageError
from inr.fitting import Run, resolve
from inr.fitting.least_squares import BatchResiduals
from inr.fitting.optimizers.gauss_newton import GaussNewton
from inr.signals import Batch
from inr.signals.array import Array


class Linear:
    """r = y - sum_k J_k w_k for one parameter w."""

    def __init__(self, jacobian: Tensor, y: Tensor, w: Tensor) -> None:
        self._jacobian, self._y, self._w = jacobian, y, w
        self.n_solved = 0

    def value(self) -> Tensor:
        return self._y - self._jacobian @ self._w.detach()

    def linearised(self, params: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        self.n_solved += 1
        return self.value(), self._jacobian


def small_run(field: Any = "siren", **settings: Any) -> Run:
    x = np.linspace(0, 3, 12, dtype=np.float32)
    signal = Array.of_array(
        np.stack([np.sin(x)[:, None] * np.cos(x)[None, :], np.tile(x / 3, (12, 1))], axis=-1), has_channels=True
    )
    document = {"type": field, "width": 8, "depth": 2} if isinstance(field, str) else field
    return Run(signal, *resolve(signal, document, {"optimizer": "gauss_newton", "steps": 20, **settings}))


@pytest.mark.parametrize(("rows", "is_apart"), [(20, False), (4, False), (20, True), (4, True)])
def test_a_step_is_the_damped_normal_equations(rows: int, is_apart: bool, generator: Generator) -> None:
    """With more and fewer residuals than parameters, and with channels that share none."""
    jacobian = torch.randn(rows, 2, 12, generator=generator, dtype=torch.float64)
    if is_apart:
        jacobian[:, 0, :5] = 0
        jacobian[:, 1, 5:] = 0
    y = torch.randn(rows, 2, generator=generator, dtype=torch.float64)
    w = nn.Parameter(torch.zeros(12, dtype=torch.float64))
    optimizer = GaussNewton(damping=0.3, is_adaptive=False).build({"other": [w]}, {"other": 1e-3})
    optimizer.step(Linear(jacobian, y, w))  # type: ignore[call-overload]  # torch's closure returns a loss
    j, r = jacobian.flatten(0, 1).numpy(), y.flatten().numpy()
    expected = np.linalg.solve(j.T @ j + 0.3 * np.eye(12), j.T @ r)
    np.testing.assert_allclose(w.detach().numpy(), expected, atol=1e-10)
    assert optimizer.param_groups[0]["damping"] == 0.3


@pytest.mark.parametrize("rows", [20, 4])
def test_a_linear_model_takes_one_step(rows: int, generator: Generator) -> None:
    """To the least squares of 40 residuals, and to no residual with 8."""
    jacobian = torch.randn(rows, 2, 12, generator=generator, dtype=torch.float64)
    y = torch.randn(rows, 2, generator=generator, dtype=torch.float64)
    w = nn.Parameter(torch.zeros(12, dtype=torch.float64))
    optimizer = GaussNewton(damping=1e-12, is_adaptive=False).build({"other": [w]}, {"other": 1e-3})
    optimizer.step(Linear(jacobian, y, w))  # type: ignore[call-overload]  # torch's closure returns a loss
    expected = np.linalg.lstsq(jacobian.flatten(0, 1).numpy(), y.flatten().numpy(), rcond=None)[0]
    np.testing.assert_allclose(w.detach().numpy(), expected, atol=1e-8)


def test_the_damping_falls_with_success_and_rises_with_failure() -> None:
    w = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    optimizer = GaussNewton(damping=1.0, factor=4.0, tries=3).build({"other": [w]}, {"other": 1.0})
    (group,) = optimizer.param_groups
    optimizer.step(Linear(one, torch.ones(1, 1), w))  # type: ignore[call-overload]  # torch's closure returns a loss
    assert w.item() == pytest.approx(0.5)
    assert group["damping"] == 0.25
    wrong = Linear(one, torch.ones(1, 1), w)
    wrong.linearised = lambda params: (wrong.value(), -one)  # type: ignore[method-assign]  # the step goes uphill
    optimizer.step(wrong)  # type: ignore[call-overload]  # torch's closure returns a loss
    assert w.item() == pytest.approx(0.5)  # taken back
    assert group["damping"] == 0.25 * 4**3


def test_a_step_that_is_too_long_is_halved_while_it_improves() -> None:
    """A Jacobian that is 8 times too small makes a step 8 times too long: the sums of squares are 49, 9, 1, 0, 1/4."""
    w = nn.Parameter(torch.zeros(1, dtype=torch.float64))
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    optimizer = GaussNewton(damping=1e-12, factor=4.0, tries=3, halvings=10).build({"other": [w]}, {"other": 1.0})
    rows = Linear(one, torch.ones(1, 1), w)
    rows.linearised = lambda params: (rows.value(), one / 8)  # type: ignore[method-assign]  # for the test
    optimizer.step(rows)  # type: ignore[call-overload]  # torch's closure returns a loss
    assert w.item() == pytest.approx(1, abs=1e-9)
    assert optimizer.param_groups[0]["damping"] == pytest.approx(2e-12)  # 4^(3/2 - 1)


def test_residuals_and_jacobian_are_those_of_the_weighted_loss(generator: Generator) -> None:
    run = small_run()
    x, y = torch.rand(9, 2, generator=generator), torch.randn(9, 2, generator=generator)
    weight = torch.rand(9, 1, generator=generator)
    residuals = BatchResiduals(run.field, Batch(x, y, weight))
    params = list(run.field.parameters())
    r, jacobian = residuals.linearised(params)
    loss = (weight * (run.field(x) - y).square()).sum()
    assert float(r.square().sum()) == pytest.approx(float(loss.detach()), rel=1e-5)
    gradient = torch.cat([g.flatten() for g in torch.autograd.grad(loss, params)])
    torch.testing.assert_close(-2 * torch.einsum("nc,ncp->p", r, jacobian), gradient, rtol=1e-4, atol=1e-4)


def test_a_grid_of_coordinates_is_its_points(generator: Generator) -> None:
    run = small_run()
    axes = torch.rand(3, generator=generator), torch.rand(4, generator=generator)
    x = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(12, 2)
    y = torch.randn(12, 2, generator=generator)
    params = list(run.field.parameters())
    by_axes = BatchResiduals(run.field, Batch(x, y, axes=axes)).linearised(params)
    by_points = BatchResiduals(run.field, Batch(x, y)).linearised(params)
    for one, other in zip(by_axes, by_points, strict=True):
        torch.testing.assert_close(one, other)


def test_a_small_network_learns_in_few_steps() -> None:
    run = small_run({"type": "siren", "width": 20, "depth": 2}, batch=144)
    assert run.advance() == "done"
    assert run.result("done").metrics["psnr_db"] > 35


@pytest.mark.parametrize(
    ("field", "settings", "message"),
    [
        ("siren", {"loss": "l1"}, "needs loss 'mse' alone"),
        ("lipmlp", {}, "needs loss 'mse' alone"),
        ("siren", {"residual_transform": {"type": "iga"}}, "needs the residual as it is"),
        ("siren", {"clip": 1.0}, "needs steps without a limit"),
    ],
)
def test_it_refuses_what_is_no_plain_least_squares(field: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        small_run(field, **settings)


def test_it_refuses_systems_that_are_too_large() -> None:
    x = np.zeros((128, 128), np.float32)
    signal = Array.of_array(x)
    settings = {"optimizer": "gauss_newton", "batch": 16384}
    with pytest.raises(UsageError, match="would solve for 16384 unknowns, of at most 8192"):
        Run(signal, *resolve(signal, {"type": "siren"}, settings))
