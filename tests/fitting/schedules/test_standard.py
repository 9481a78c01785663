"""Schedules: their factors in closed form."""

from __future__ import annotations

import pytest

from inr.fitting.schedules.standard import Constant, Cosine, Exponential


def test_schedules_at_their_ends() -> None:
    assert Constant().factor(0.3) == 1
    assert Exponential(end=0.01).factor(0.5) == pytest.approx(0.1)
    assert Cosine(end=0.2).factor(0.0) == pytest.approx(1)
    assert Cosine(end=0.2).factor(0.5) == pytest.approx(0.6)
    assert Cosine(end=0.2).factor(1.0) == pytest.approx(0.2)
    assert Cosine(end=1.0, warmup=0.5).factor(0.25) == pytest.approx(0.5)
