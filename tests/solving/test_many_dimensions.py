"""Equations in many dimensions: estimates of Laplacians, and a closed form."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.solving.many_dimensions import Ball, BallField, solve_ball


def field_of(d: int) -> BallField:
    return BallField(d, 8, 2, 1.5, Generator().manual_seed(0))


def by_autograd(field: BallField, x: Tensor) -> Tensor:
    def value(point: Tensor) -> Tensor:
        h = point
        for weight, bias in zip(field.weights[:-1], field.biases[:-1], strict=True):
            h = torch.tanh(weight @ h + bias)
        net = field.weights[-1] @ h + field.biases[-1]
        return field.size * (1 - point.square().sum()) * net[0]

    return torch.stack([torch.autograd.functional.hessian(value, point).diagonal().sum() for point in x])  # type: ignore[no-untyped-call]


def test_all_coordinates_give_the_laplacian() -> None:
    field = field_of(6)
    x = 0.3 * torch.randn(5, 6, generator=Generator().manual_seed(1))
    wanted = by_autograd(field, x)
    assert torch.allclose(field.with_laplacian(x, torch.arange(6))[1], wanted, rtol=1e-4, atol=1e-4)
    assert torch.allclose(field.exact_laplacian(x), wanted, rtol=1e-4, atol=1e-4)


def test_the_mean_of_estimates_is_the_laplacian() -> None:
    """The mean over all parts of a partition, each of which is drawn equally often."""
    field = field_of(60)
    x = 0.1 * torch.randn(4, 60, generator=Generator().manual_seed(1))
    parts = torch.split(torch.randperm(60, generator=Generator().manual_seed(2)), 15)
    estimates = torch.stack([field.with_laplacian(x, part)[1] for part in parts])
    assert torch.allclose(estimates.mean(0), field.exact_laplacian(x), rtol=1e-4, atol=1e-4)
    assert float(estimates.detach().std(0).min()) > 0


def test_a_paraboloid_in_fifty_dimensions() -> None:
    """lap(u) + u = -2 d + u for u = 1 - |x|^2, which is 0 on the sphere."""
    ball = Ball(50, lambda x: 1 - x.square().sum(1) - 100, lambda u: u)
    solution = solve_ball(ball, steps=300, width=16, depth=2, points=50, lr=0.01)
    x = ball.points(200, Generator().manual_seed(5))
    wanted = 1 - x.square().sum(1)
    assert float((solution.field(x) - wanted).norm() / wanted.norm()) < 0.03
    assert solution.residual < 0.1
    again = solve_ball(ball, steps=300, width=16, depth=2, points=50, lr=0.01)
    assert torch.equal(solution.field(x), again.field(x))


def test_what_is_not_valid_is_refused() -> None:
    with pytest.raises(UsageError, match="source has a root mean square of 0"):
        solve_ball(Ball(10, lambda x: 0 * x[:, 0]), steps=1)
    with pytest.raises(UsageError, match="directions is 0"):
        solve_ball(Ball(10, lambda x: x[:, 0]), steps=1, directions=0)
