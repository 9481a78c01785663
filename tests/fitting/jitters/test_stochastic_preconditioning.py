"""Stochastic preconditioning: how much noise, where it goes, when it ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Generator

from inr.core.errors import ConfigError
from inr.fitting.jitters.stochastic_preconditioning import StochasticPreconditioning
from tests.published import Array, Published, PublishedFormula, PublishedMethod, check

STEPS = 8000


def _published_scale() -> Array:
    """alpha of each step: 0.02, then 1 / ((1 / 0.02) 8^p), then none."""
    rows = []
    for step in range(STEPS):
        if step < 2000:
            rows.append(0.02)
        elif step < 5000:
            rows.append(1 / ((1 / 0.02) * 8 ** ((step - 2000) / 3000)))
        else:
            rows.append(0.0)
    return np.array(rows)


def _scale() -> Array:
    jitter = StochasticPreconditioning(start=2000 / STEPS, end=5000 / STEPS)
    return np.array([jitter.scale(step / STEPS) for step in range(STEPS)])


def _published_reflection() -> Array:
    moved = (_points() + 0.5 * _noise()) % 2
    return np.where(moved > 1, 2 - moved, moved)


def _points() -> Array:
    return np.random.default_rng(0).random((500, 3))


def _noise() -> Array:
    return torch.randn((500, 3), generator=Generator().manual_seed(1), dtype=torch.float64).numpy()


def _reflection() -> Array:
    jitter = StochasticPreconditioning(alpha=0.5)
    return jitter.apply(torch.from_numpy(_points()), 0.0, Generator().manual_seed(1)).numpy()


SOURCE = "iszihan/stochastic-preconditioning"
PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(
        name="stochastic_preconditioning: noise by step",
        source=SOURCE,
        published=_published_scale,
        here=_scale,
        tolerance=1e-12,
    ),
    PublishedFormula(
        name="stochastic_preconditioning: reflection",
        source=SOURCE,
        published=_published_reflection,
        here=_reflection,
        tolerance=1e-12,
    ),
    PublishedMethod(
        name="stochastic_preconditioning",
        source=SOURCE,
        here=StochasticPreconditioning(),
        settings={"alpha": 0.02, "decay": 1 / 8},
        told={"start and end": "The paper: steps, start 2000 and end 5000"},
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_method(statement: Published) -> None:
    check(statement)


def test_it_is_constant_then_decays_geometrically_then_ends() -> None:
    jitter = StochasticPreconditioning(alpha=0.02, start=0.2, end=0.6, decay=0.01)
    assert [jitter.scale(p) for p in (0.0, 0.2)] == pytest.approx([0.02, 0.02])
    assert jitter.scale(0.4) == pytest.approx(0.02 * 0.1)
    assert jitter.scale(0.3) / jitter.scale(0.4) == pytest.approx(jitter.scale(0.4) / jitter.scale(0.5))
    assert jitter.scale(0.6) == 0.0
    assert [jitter.is_active(p) for p in (0.0, 0.59, 0.6, 1.0)] == [True, True, False, False]


def test_a_switch_without_decay() -> None:
    switch = StochasticPreconditioning(start=0.3, end=0.3)
    assert [switch.scale(p) for p in (0.0, 0.29, 0.3)] == [0.02, 0.02, 0.0]
    with pytest.raises(ConfigError, match=r"end is 0.1, expected at least start"):
        StochasticPreconditioning(start=0.2, end=0.1)


def test_noise_has_its_size_and_is_reflected_at_the_borders(generator: Generator) -> None:
    jitter = StochasticPreconditioning(alpha=0.02)
    middle = torch.full((20_000, 2), 0.5)
    moved = jitter.apply(middle, 0.0, generator) - middle
    assert float(moved.std()) == pytest.approx(0.02, rel=0.03)
    assert abs(float(moved.mean())) < 1e-3
    border = torch.tensor([[0.0, 1.0]]).expand(20_000, 2)
    state = generator.get_state()
    inside = jitter.apply(border, 0.0, generator)
    noise = 0.02 * torch.randn(border.shape, generator=Generator().set_state(state))
    torch.testing.assert_close(inside[:, 0], noise[:, 0].abs(), rtol=0, atol=1e-6)
    torch.testing.assert_close(inside[:, 1], 1 - noise[:, 1].abs(), rtol=0, atol=1e-6)


def test_no_noise_is_large_enough_to_leave_the_box(generator: Generator) -> None:
    moved = StochasticPreconditioning(alpha=3.0).apply(torch.rand(1000, 3, generator=generator), 0.0, generator)
    assert ((moved >= 0) & (moved <= 1)).all()
