"""Which settings of a run are changed, and that the words for each make exactly that change."""

from __future__ import annotations

import shlex

import pytest

from inr.core.config import override
from inr.fitting import resolve
from inr.ntk.changes import RECIPE, Change, changes, sizes
from inr.signals import Signal, load_signal
from tests.ntk.small_reports import SMALL, picture

SLOW = {"steps": 40, "optimizer": "adam", "lr": 2e-5, "schedule": "constant"}


def of(signal: Signal, family: object = None, **settings: object) -> dict[str, Change]:
    config, fit = resolve(signal, SMALL if family is None else family, settings or SLOW)  # type: ignore[arg-type]
    return {change.what: change for change in [*changes(signal, config, fit), *sizes(config, fit)]}


def test_rates_optimizers_schedules_and_the_recipe_are_changed() -> None:
    found = of(picture(3))
    wanted = {"fit.lr=6e-05", "fit.lr=6.67e-06", "fit.optimizer=soap", "fit.schedule=cosine", RECIPE}
    assert wanted <= set(found)
    assert "fit.optimizer=adam" not in found
    assert found["fit.optimizer=soap"].run.optimizer.type_name == "soap"
    assert found["fit.lr=6e-05"].run.lr == pytest.approx(6e-5)
    assert RECIPE not in of(picture(3), steps=40)


def test_frequencies_and_sizes_are_changed_both_ways() -> None:
    assert {"field.activation.omega=15", "field.activation.omega=60", "field.width=64"} <= set(of(picture(3)))
    grid = of(load_signal("analytic:torus"), {"type": "hash_grid", "encoding": {"log2_table": 8}}, steps=5)
    levels = [c.field.to_json()["encoding"]["levels"] for c in grid.values() if c.rule == "encoding.levels"]
    assert len(levels) == 2
    assert levels[0] < levels[1]


def test_a_grids_own_rate_changes_with_the_networks() -> None:
    found = of(picture(3), {"type": "hash_grid"}, steps=5, lr=1e-3, lr_encoding=1e-2)
    faster = found["fit.lr=0.003"]
    assert faster.run.lr == pytest.approx(3e-3)
    assert faster.run.lr_encoding == pytest.approx(3e-2)
    assert "fit.lr_encoding=0.03" in faster.options


@pytest.mark.parametrize("family", [SMALL, {"type": "rff", "width": 16}, {"type": "relu_pe", "width": 16}])
def test_the_options_make_the_change(family: dict[str, object]) -> None:
    signal = picture(3)
    config, fit = resolve(signal, family, SLOW)
    tried = 0
    for change in [*changes(signal, config, fit), *sizes(config, fit)]:
        if change.is_whole:
            continue
        tried += 1
        given = [word for word in shlex.split(shlex.join(change.options)) if word != "--set"]
        field = override(config, [t.removeprefix("field.") for t in given if t.startswith("field.")], "field")
        run = override(fit, [t.removeprefix("fit.") for t in given if t.startswith("fit.")], "fit")
        assert (field, run) == (change.field, change.run), change.what
    assert tried > 4
