"""The effect of the batch carried on: power laws in closed form, and bounds."""

from __future__ import annotations

import torch

from inr.ntk.forecast.batch_noise import GAIN, extrapolated


def test_a_power_law_of_the_batch_is_carried_on() -> None:
    """e = c B^-p in every band: e(full) = e(large) (full / large)^(-g p), whatever the mean over bands does."""
    c = torch.tensor([1.0, 0.3, 0.02, 0.5], dtype=torch.float64)
    found = extrapolated(c * 70**-0.4, c * 30**-0.4, (70, 30), 1000)
    assert torch.allclose(found, c * 70**-0.4 * (1000 / 70) ** (-0.4 * GAIN))


def test_every_time_is_carried_on_by_itself() -> None:
    large, small = torch.rand(3, 5, dtype=torch.float64), torch.rand(3, 5, dtype=torch.float64)
    rows = [extrapolated(a, b, (8, 4), 64) for a, b in zip(large, small, strict=True)]
    assert torch.allclose(extrapolated(large, small, (8, 4), 64), torch.stack(rows))


def test_more_samples_never_leave_more() -> None:
    large, small = torch.rand(50, dtype=torch.float64), torch.rand(50, dtype=torch.float64)
    assert bool((extrapolated(large, small, (70, 30), 1000) <= large * (1 + 1e-12)).all())


def test_the_whole_batch_is_not_extrapolated() -> None:
    large = torch.tensor([0.5, 0.1], dtype=torch.float64)
    assert torch.allclose(extrapolated(large, large * 2, (64, 32), 64), large)
    assert torch.allclose(extrapolated(large, large * 2, (4, 4), 64), large)
