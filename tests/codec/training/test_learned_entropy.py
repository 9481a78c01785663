"""Learned distributions of whole numbers: they are distributions, and learn those of data."""

from __future__ import annotations

import math

import pytest
import torch

from inr.codec.training.learned_entropy import MOST_BITS, LearnedEntropy


def test_it_is_a_distribution_for_any_parameters(generator: torch.Generator) -> None:
    model = LearnedEntropy([0.5, 3.0])
    u = torch.arange(-400.0, 401.0, dtype=torch.float64)
    for scale in (0.0, 0.3, 1.0):
        with torch.no_grad():
            for parameter in model.parameters:
                parameter.add_(scale * torch.randn(parameter.shape, generator=generator))
        for level in (0, 1):
            assert bool((model.logit(u, level).diff() > 0).all()), "a distribution function rises"
            assert float(torch.exp2(-model.bits(u, level).detach()).sum()) == pytest.approx(1, abs=1e-4)


def test_it_starts_as_a_logistic_distribution() -> None:
    u = torch.arange(-5.0, 6.0)
    c = torch.sigmoid((u + 0.5) / 2) - torch.sigmoid((u - 0.5) / 2)
    assert torch.allclose(LearnedEntropy([2.0]).bits(u, 0).detach(), -torch.log2(c), atol=1e-4)


def test_far_numbers_have_bounded_bits_and_no_nan() -> None:
    u = torch.tensor([-1e4, 1e4], requires_grad=True)
    bits = LearnedEntropy([0.5]).bits(u, 0)
    assert bool((bits.detach() <= MOST_BITS).all())
    assert bool((bits.detach() > 30).all())
    torch.autograd.backward(bits.sum())
    assert u.grad is not None
    assert bool(u.grad.isfinite().all())


def test_it_learns_the_entropy_of_data(generator: torch.Generator) -> None:
    """A skewed distribution of 3 numbers, of 1.157 bits: no Laplace distribution of mean 0 has less than 1.5."""
    p = torch.tensor([0.7, 0.2, 0.1])
    entropy = float(-(p * p.log2()).sum())
    u = torch.multinomial(p, 4000, replacement=True, generator=generator).float()
    model = LearnedEntropy([1.0])
    optimizer = torch.optim.Adam(model.parameters, lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        mean = model.bits(u, 0).mean()
        torch.autograd.backward(mean)
        optimizer.step()
    assert entropy == pytest.approx(1.157, abs=1e-3)
    assert entropy - 0.03 < float(mean.detach()) < 1.12 * entropy
    assert math.isfinite(float(mean.detach()))
