"""Numbers that sum up bands."""

from __future__ import annotations

import math

import pytest
import torch

from inr.ntk.forecast.bands import interpolated, limit_db, unlearned
from tests.ntk.small_reports import band


def test_ratios_are_interpolated_by_frequency() -> None:
    got = interpolated(torch.tensor([9.0, 1.0, 100.0]), (0.0, 0.1, 0.2), (0.0, 0.1, 0.1 * 2**0.5, 0.4))
    assert got.tolist() == pytest.approx([1.0, 1.0, 10.0, 100.0])


def test_shares_and_limits() -> None:
    bands = (
        band(0, 0, 0, 0, kappa=1000), band(0.01, 0.1, 90, 0.01, kappa=100), band(0.1, 0.2, 6, 0.6, kappa=8),
        band(0.2, 0.5, 4, 1.0, kappa=1),
    )  # fmt: skip
    assert unlearned(bands) == pytest.approx(0.1)
    assert limit_db(bands, 2.0, 1000) == pytest.approx(10 * math.log10(4000 / (6 * 0.6 + 4)))
    assert limit_db(bands[:2], 2.0, 1000) == math.inf
