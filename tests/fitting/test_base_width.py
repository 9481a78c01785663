"""Rates that hold for every width: their values, and what they make of a first step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from inr.core.errors import UsageError
from inr.fitting import FitConfig, Run, resolve
from inr.fitting.base_width import parameters_and_rates
from inr.signals.array import Array
from tests.assertions import assert_near
from tests.published import Array as NumbersArray
from tests.published import Published, PublishedFormula, PublishedMethod, check

BASE, LR = 16, 1e-3
WIDTHS = (8, 16, 64)


def run_of(width: int, *, family: str = "siren", base_width: int | None = BASE, **settings: Any) -> Run:
    signal = Array.of_array(np.sin(np.arange(64, dtype=np.float32) / 5))
    field = {"type": family, "width": width, "depth": 3}
    given = {"steps": 3, "lr": LR, "optimizer": "adam", "schedule": "constant", "base_width": base_width, **settings}
    return Run(signal, *resolve(signal, field, given))


def _published_rates() -> NumbersArray:
    """Table 3 for Adam: input weights and biases 1, hidden and output weights 1 / fan_in, both relative to the base."""
    return np.array([[LR, LR, LR / (width / BASE), LR / (width / BASE)] for width in WIDTHS])


def _rates() -> NumbersArray:
    found = []
    for width in WIDTHS:
        field = run_of(width).field
        groups, rates = parameters_and_rates(field, FitConfig(lr=LR, base_width=BASE))
        by_name = {id(p): rates[role] for role, params in groups.items() for p in params}
        of = {name: by_name[id(p)] for name, p in field.named_parameters()}
        assert len(of) == len(list(field.parameters()))
        kinds: dict[str, set[float]] = {"input": set(), "bias": set(), "hidden": set(), "output": set()}
        for name, rate in of.items():
            is_input, is_output = ".blocks.0." in name, ".last." in name
            kind = "input" if is_input else "output" if is_output else "hidden"
            kinds["bias" if name.endswith("bias") else kind].add(rate)
        assert all(len(rates_) == 1 for rates_ in kinds.values())
        found.append([rates_.pop() for rates_ in kinds.values()])
    return np.array(found)


def _published_output() -> NumbersArray:
    """Standard deviation of output weights proportional to 1 / fan_in, here relative to the family's at the base."""
    return np.array([(BASE / width) ** 0.5 for width in WIDTHS])


def _output() -> NumbersArray:
    found = []
    for width in WIDTHS:
        ours, plain = run_of(width).field.state_dict(), run_of(width, base_width=None).field.state_dict()
        changed = [name for name in ours if not torch.equal(ours[name], plain[name])]
        assert changed == ([] if width == BASE else ["body.last.weight"])
        ratio = ours["body.last.weight"] / plain["body.last.weight"]
        assert_near(ratio, ratio.mean().expand(ratio.shape), 1e-6)
        found.append(float(ratio.mean()))
    return np.array(found)


SOURCE = "Yang et al. 2022, arXiv:2203.03466"
PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(name="base_width: rates of Adam", source=SOURCE, published=_published_rates, here=_rates),
    PublishedFormula(name="base_width: output", source=SOURCE, published=_published_output, here=_output),
    PublishedMethod(
        name="base_width",
        source=SOURCE,
        here=FitConfig(),
        settings={},
        told={"initial biases": "initial biases do not depend on the width"},
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_rates_and_initial_values_are_the_published_ones(statement: Published) -> None:
    check(statement)


def test_a_run_at_the_base_width_is_the_plain_one() -> None:
    plain, based = run_of(BASE, base_width=None), run_of(BASE)
    plain.advance()
    based.advance()
    for a, b in zip(plain.field.parameters(), based.field.parameters(), strict=True):
        assert_near(a.detach(), b.detach(), 1e-6)


def _change(width: int, base_width: int | None) -> float:
    """Root mean square change of a network's values in a few steps, over some seeds."""
    x = torch.linspace(0, 1, 64)[:, None]
    squares = []
    for seed in range(4):
        run = run_of(width, family="mlp", base_width=base_width, seed=seed)
        before = run.field(x).detach()
        run.advance()
        squares.append(float((run.field(x).detach() - before).square().mean()))
    return float(np.sqrt(np.mean(squares)))


def test_the_first_steps_move_a_wide_network_as_far_as_a_narrow_one() -> None:
    plain = _change(512, None) / _change(32, None)
    based = _change(512, 32) / _change(32, 32)
    assert plain > 6
    assert 0.5 < based < 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"family": "low_rank"}, "is for networks of dense layers"),
        ({"family": "fourier_reparam"}, "is for networks of dense layers"),
        ({"family": "wire"}, "is for networks of dense layers"),
        ({"optimizer": "muon"}, "has the rates of Adam, but the optimizer is 'muon'"),
        ({"optimizer": "soap"}, "has the rates of Adam, but the optimizer is 'soap'"),
    ],
)
def test_what_the_rates_are_not_for_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run_of(16, **settings)
