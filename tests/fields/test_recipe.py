"""Recipes of families: the best one that was found, and the paper's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import InrError, UsageError
from inr.fields import FIELDS, BestRecipe, FieldConfig
from inr.fields.siren import Siren
from inr.fitting import FitConfig

PICTURE, SOUND, VOLUME = Spec("image", 2, 3, (12, 8)), Spec("audio", 1, 1, (400,)), Spec("array", 3, 1, (4, 4, 4))
SHAPE, POINTS = Spec("shape", 3, 1), Spec("points", 3, 1)
RECORDS = Path(__file__).parents[2] / "benchmarks" / "records"


def test_a_recipe_is_chosen_by_what_is_fitted() -> None:
    recipe = BestRecipe(lattice={"steps": 1}, sound={"steps": 2}, shape={"steps": 3}, surface={"steps": 4})
    assert [recipe.settings(spec)["steps"] for spec in (PICTURE, SOUND, SHAPE, POINTS)] == [1, 2, 3, 4]
    assert BestRecipe(lattice={"steps": 1}, volume={"steps": 5}).settings(VOLUME)["steps"] == 5
    plain = BestRecipe(lattice={"steps": 1})
    assert [plain.settings(spec).get("steps") for spec in (PICTURE, SOUND, SHAPE)] == [1, 1, 1]
    assert plain.settings(POINTS)["clip"] == 1.0  # SIREN's, for losses of derivatives


@pytest.mark.parametrize("name", list(FIELDS))
@pytest.mark.parametrize("spec", [PICTURE, SOUND, SHAPE, POINTS], ids=lambda spec: spec.kind)
def test_both_recipes_are_settings_of_a_fit(name: str, spec: Spec) -> None:
    try:
        config = parse(FieldConfig, name, "field").resolve(spec)
    except InrError:
        return  # not for such a signal
    for fit in (parse(FitConfig, config.recipe(spec), "fit"), parse(FitConfig, config.paper_recipe(spec), "fit")):
        assert fit.steps is not None
    assert config.named_recipe("best", spec) == config.recipe(spec)
    assert config.named_recipe("paper", spec) == config.paper_recipe(spec)


@pytest.mark.parametrize(
    "name", [name for name in FIELDS if (found := FIELDS[name].searched_recipe()) is not None and found.record]
)
def test_a_searched_recipe_names_its_record(name: str) -> None:
    """The record has the family's fits: a search, or one that confirms the recipe of its class."""
    best = FIELDS[name].searched_recipe()
    assert best is not None
    rows = [
        row
        for path in RECORDS.glob(f"????-??-??-{best.record}.json")
        for row in json.loads(path.read_text())["rows"]
        if row["field"] == name
    ]
    assert rows
    assert best.searched in ("", *FIELDS)


def test_another_activation_has_not_the_rate_of_the_familys() -> None:
    assert Siren().recipe(PICTURE)["optimizer"] == "soap"
    assert "optimizer" not in parse(FieldConfig, {"type": "siren", "activation": "relu"}).recipe(PICTURE)


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UsageError, match="recipe"):
        Siren().named_recipe("worst", PICTURE)  # type: ignore[arg-type]  # the error is what is tested
