"""Annealed rounding: between the two nearest numbers, with the stated probability, and harder as it cools."""

from __future__ import annotations

import pytest
import torch

from inr.codec.training.annealed_group import annealed, temperature


def test_the_temperature_falls_exponentially_to_a_tenth() -> None:
    assert [temperature(done) for done in (0.0, 0.5, 1.0, 2.0)] == pytest.approx([1.0, 0.1**0.5, 0.1, 0.1])


@pytest.mark.parametrize("tau", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("r", [0.2, 0.5, 0.8])
def test_the_upper_number_is_chosen_with_the_probability_of_its_logit(
    tau: float, r: float, generator: torch.Generator
) -> None:
    u = torch.full((40_000,), -3 + r)
    found = annealed(u, tau, generator)
    assert bool(((found >= -3) & (found <= -2)).all())
    logits = -torch.atanh(torch.tensor([r, 1 - r])) / tau
    expected = float(torch.softmax(logits, 0)[1])
    assert float((found > -2.5).float().mean()) == pytest.approx(expected, abs=0.01)


def test_a_whole_number_stays(generator: torch.Generator) -> None:
    u = torch.tensor([2.0, -7.0, 0.0]).repeat(1000)
    assert torch.allclose(annealed(u, 0.1, generator), u, atol=1e-3)


def test_cold_choices_are_whole_numbers(generator: torch.Generator) -> None:
    u = 10 * torch.randn(5000, generator=generator)
    spread = [float((v - v.round()).abs().mean()) for v in (annealed(u, tau, generator) for tau in (1.0, 0.3, 0.1))]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < 0.03


def test_the_gradient_is_that_of_the_choice(generator: torch.Generator) -> None:
    """Against differences, with equal noise."""
    u = torch.rand(200, generator=generator, dtype=torch.float64) * 0.8 + 4.1
    u.requires_grad_()

    def at(offset: float) -> torch.Tensor:
        return annealed(u.detach() + offset, 0.7, torch.Generator().manual_seed(3))

    torch.autograd.backward(annealed(u, 0.7, torch.Generator().manual_seed(3)).sum())
    assert u.grad is not None
    assert torch.allclose(u.grad, (at(1e-6) - at(-1e-6)) / 2e-6, rtol=1e-4, atol=1e-7)
    assert bool((u.grad > 0).all())
