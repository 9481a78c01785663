"""Distances outside a box: bounds from both sides, slopes, and the same values inside."""

from __future__ import annotations

import torch

from inr.core.box_extension import beyond_box

LOW, HIGH = (-1.0, -0.5, 0.0), (1.0, 1.5, 2.0)
CENTRE = torch.tensor([0.2, 0.4, 0.9], dtype=torch.float64)


def _ball(p: torch.Tensor) -> torch.Tensor:
    away: torch.Tensor = (p - CENTRE).norm(dim=-1)
    return away - 0.4


def _points(n: int) -> torch.Tensor:
    return 6 * torch.rand(n, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 3


def test_outside_the_box_it_is_between_the_bounds() -> None:
    p = _points(100_000)
    found, exact = beyond_box(p, LOW, HIGH, _ball), _ball(p)
    c = torch.minimum(torch.maximum(p, torch.tensor(LOW).double()), torch.tensor(HIGH).double())
    assert (found <= exact + 1e-12).all()
    assert (exact <= (p - c).norm(dim=-1) + _ball(c) + 1e-12).all()
    inside = (p == c).all(dim=-1)
    assert 0 < inside.sum() < len(p)
    assert torch.equal(found[inside], exact[inside])
    assert (found[~inside] > 0).all()


def test_its_slopes_are_at_most_one() -> None:
    a, b = _points(50_000), _points(100_000)[50_000:]
    rise = (beyond_box(a, LOW, HIGH, _ball) - beyond_box(b, LOW, HIGH, _ball)).abs()
    assert (rise <= (a - b).norm(dim=-1) + 1e-12).all()


def test_gradients_are_finite_everywhere() -> None:
    p = torch.tensor([[0.2, 0.4, 0.9], [1.0, 1.5, 2.0], [5.0, 0.0, 0.5], [0.2, 0.4, 1.31]], dtype=torch.float64)
    p[0] += 0.01
    p.requires_grad_()
    (slope,) = torch.autograd.grad(beyond_box(p, LOW, HIGH, _ball).sum(), p)
    assert torch.isfinite(slope).all()
    assert (slope.norm(dim=-1) <= 1 + 1e-9).all()


def test_single_precision_far_from_a_surface_on_the_wall() -> None:
    found = beyond_box(torch.tensor([[1.5, 0.0, 0.5]]), LOW, HIGH, lambda c: torch.full_like(c[:, 0], -0.3))
    assert found.dtype == torch.float32
    assert found.item() == 0.5
