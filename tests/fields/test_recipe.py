"""Recipes of families: the best one that was found, and the paper's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from inr.core.config import Config, override, parse, settings_of
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


def _numbers(config: Config, prefix: str = "") -> Iterator[tuple[str, float]]:
    for setting in settings_of(type(config)):
        value = getattr(config, setting.name)
        if isinstance(value, Config):
            yield from _numbers(value, f"{prefix}{setting.name}.")
        elif isinstance(value, float):
            yield f"{prefix}{setting.name}", value


FREQUENCIES_OF_SOUND = {
    "rff": "encoding.sigma",
    "cam": "encoding.sigma",
    "pi_ccp": "encoding.sigma",
    "pi_ncp": "encoding.sigma",
    "mfn_fourier": "block.input_scale",
    "mfn_gabor": "block.input_scale",
}


@pytest.mark.parametrize(("name", "path"), FREQUENCIES_OF_SOUND.items())
def test_frequencies_of_sound_follow_its_samples(name: str, path: str) -> None:
    """Three times the samples have three times the cycles; a number that is given, and those of pictures, stay."""
    config = FIELDS[name]()
    short, long = (dict(_numbers(config.resolve(Spec("audio", 1, 1, (n,))))) for n in (88_200, 264_600))
    assert long[path] == pytest.approx(3 * short[path])
    changed = {key for key in short if long[key] != short[key]}
    assert changed == {path}
    given = override(config, [f"{path}=7"], "field")
    assert dict(_numbers(given.resolve(SOUND)))[path] == 7
    few, many = (dict(_numbers(config.resolve(Spec("image", 2, 1, (n, n))))) for n in (40, 400))
    assert few[path] == many[path]


@pytest.mark.parametrize(("name", "half"), [("siren", 100), ("finer", 10), ("finer_pp", 6), ("f_inr", 30)])
def test_raw_coordinates_of_sound_have_their_own_range(name: str, half: float) -> None:
    sound, picture = (dict(_numbers(FIELDS[name]().resolve(spec))) for spec in (SOUND, PICTURE))
    assert (sound["encoding.low"], sound["encoding.high"]) == (-half, half)
    assert (picture["encoding.low"], picture["encoding.high"]) == (-1, 1)


def test_centres_of_a_sounds_gaussians_move_by_samples() -> None:
    """The step of a centre, in samples, does not depend on the length; neither does the spacing of the Gaussians."""
    specs = [Spec("audio", 1, 1, (n,)) for n in (88_200, 264_600)]
    configs = [parse(FieldConfig, "gaussian_image", "field").resolve(spec) for spec in specs]
    steps = [c.recipe(spec)["lr_encoding"] * n for c, spec, n in zip(configs, specs, (88_200, 264_600), strict=True)]
    assert steps[0] == pytest.approx(steps[1])
    documents = [config.to_json()["encoding"] for config in configs]
    assert [document["n_gaussians"] for document in documents] == [22_050, 66_150]
    assert [document["shape"] for document in documents] == [[22_050], [66_150]]


def test_an_unknown_recipe_is_refused() -> None:
    with pytest.raises(UsageError, match="recipe"):
        Siren().named_recipe("worst", PICTURE)  # type: ignore[arg-type]  # the error is what is tested
