"""Every family's default fit starts: its loss, optimizer and batch go together."""

from __future__ import annotations

import pytest

import inr
from inr.core.errors import ConfigError
from inr.fields import FIELDS
from inr.signals import Signal
from inr.workflows.fit import FitPlan

WITHOUT_SHAPES = {"local_cosine", "winner"}


@pytest.fixture(scope="module")
def shape() -> Signal:
    return inr.load_signal("analytic:torus")


@pytest.mark.parametrize("name", sorted(set(FIELDS) - WITHOUT_SHAPES))
def test_the_default_fit_of_a_shape_starts(name: str, shape: Signal) -> None:
    """Two steps of it, with fewer samples; of families that start from the signal or are solved, the plan."""
    plan = FitPlan.of(shape, name)
    if plan.settings.steps == 0 or plan.field.starts_from_signal(shape.spec):
        return
    run = FitPlan.of(shape, name, {"steps": 2, "batch": 64}).begin()
    assert run.advance() == "done"
    assert run.step == 2


@pytest.mark.parametrize("name", sorted(WITHOUT_SHAPES))
def test_the_others_refuse_a_shape(name: str, shape: Signal) -> None:
    with pytest.raises(ConfigError):
        FitPlan.of(shape, name)
