"""Settings: validation, overrides, round trips."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inr.core.config import (
    Config,
    assignments_of,
    completed,
    json_schema,
    override,
    param,
    parse,
    settings_of,
    to_toml,
)
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.registry import Registry

SHAPES: Registry[type[Shape]] = Registry("shape")


class Shape(Config):
    slot: ClassVar[Registry[type[Shape]]] = SHAPES


@SHAPES.register("circle")
@dataclass(frozen=True, kw_only=True)
class Circle(Shape):
    radius: float = param(1.0, "radius", gt=0)


@SHAPES.register("box")
@dataclass(frozen=True, kw_only=True)
class Box(Shape):
    sides: tuple[int, ...] | None = param(None, "sides", ge=1)
    is_open: bool = param(False, "without a lid")


@dataclass(frozen=True, kw_only=True)
class Scene(Config):
    width: int = param(64, "width in pixels", ge=1, le=4096)
    mode: Literal["fast", "good"] = param("fast", "mode")
    title: str = param("a", "title")
    shape: Shape = param(Circle(), "what is drawn")


def test_defaults_are_written_once_and_described() -> None:
    rows = {s.name: s for s in settings_of(Scene)}
    assert rows["width"].default == Scene().width == 64
    assert rows["width"].param.bounds() == ">= 1, <= 4096"
    schema = json_schema(Scene)["properties"]["width"]
    assert (schema["type"], schema["default"], schema["minimum"], schema["maximum"]) == ("integer", 64, 1, 4096)


def test_every_problem_is_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        override(Scene(), ["widht=3", "width=0", "mode=fats", "shape.radius=-1"], "scene")
    problems = caught.value.problems
    assert len(problems) == 4
    assert "unknown setting 'scene.widht' (did you mean 'width'?)" in problems
    assert "scene.width is 0, expected >= 1, <= 4096" in problems
    assert "scene.mode is 'fats', expected one of fast, good (did you mean 'fast'?)" in problems
    assert "scene.shape.radius is -1.0, expected > 0" in problems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width", "`settings` has 'width', expected key=value"),
        ("width=abc", "scene.width is 'abc', expected a whole number"),
        ("width=true", "scene.width is True, expected a whole number"),
        ("shape=crcle", "did you mean 'circle'"),
        ("shape=[1]", "scene.shape is [1], expected a table of settings"),
        ("shape.radius=NaN", "scene.shape.radius is nan, expected > 0"),
    ],
)
def test_a_bad_override_names_value_and_expectation(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        override(Scene(), [text], "scene")
    assert message in caught.value.message


def test_overrides_reach_into_slots_and_keep_the_rest() -> None:
    scene = override(Scene(title="kept"), ["shape=box", "shape.sides=2,3", "shape.is_open=true"], "scene")
    assert scene == Scene(title="kept", shape=Box(sides=(2, 3), is_open=True))
    assert override(scene, ["shape.sides=none"], "scene").shape == Box(is_open=True)
    assert override(scene, ["shape.is_open=false"], "scene").shape == Box(sides=(2, 3))


configs = st.builds(
    Scene,
    width=st.integers(1, 4096),
    mode=st.sampled_from(["fast", "good"]),
    title=st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"])),
    shape=st.one_of(
        st.builds(Circle, radius=st.floats(1e-9, 1e20)),
        st.builds(Box, sides=st.none() | st.lists(st.integers(1, 9), min_size=1).map(tuple), is_open=st.booleans()),
    ),
)


@given(configs)
def test_json_and_toml_round_trips_are_the_identity(scene: Scene) -> None:
    assert parse(Scene, scene.to_json()) == scene
    assert parse(Scene, tomllib.loads(to_toml({"scene": scene.to_json()}))["scene"]) == scene


@given(
    st.dictionaries(
        st.sampled_from(["width", "mode", "shape", "other"]),
        st.one_of(
            st.none(), st.text(), st.floats(), st.lists(st.integers()), st.dictionaries(st.text(), st.integers())
        ),
    )
)
def test_any_document_is_a_config_or_a_config_error(document: dict[str, object]) -> None:
    scene = Scene()
    problems: tuple[str, ...] = ("none",)
    try:
        scene = parse(Scene, document)
    except ConfigError as error:
        problems = error.problems
    assert problems
    assert 1 <= scene.width <= 4096


PENS: Registry[type[Pen]] = Registry("pen", was="brush")


class Pen(Config):
    slot: ClassVar[Registry[type[Pen]]] = PENS


@PENS.register("ink", was="wet")
@dataclass(frozen=True, kw_only=True)
class Ink(Pen):
    boundary: int = param(1, "a setting that had another name", was="outside")


def test_earlier_names_are_understood_and_written_under_the_new_ones() -> None:
    config = parse(Pen, {"type": "wet", "outside": 3})
    assert config == Ink(boundary=3)
    assert config.to_json() == {"type": "ink", "boundary": 3}
    assert override(config, ["outside=4"], "pen") == Ink(boundary=4)
    assert list(PENS) == ["ink"]
    assert "wet" in PENS


def test_both_names_of_a_setting_at_once_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'outside'"):
        parse(Pen, {"type": "ink", "outside": 3, "boundary": 3})


@SHAPES.register("ring")
@dataclass(frozen=True, kw_only=True)
class Ring(Shape):
    gap: float = param(0.5, "gap", ge=0, absent=0.0)


@dataclass(frozen=True, kw_only=True)
class Page(Config):
    shape: Shape = param(Ring(gap=0.25), "shape", was="form")


def test_a_setting_newer_than_a_file_has_the_value_that_keeps_the_files_meaning() -> None:
    for key in ("shape", "form"):
        file = {key: {"type": "ring"}}
        assert parse(Page, completed(Page, file)) == Page(shape=Ring(gap=0.0))
        assert parse(Page, file) == Page(shape=Ring(gap=0.25))
    assert completed(Page, {"shape": {"type": "ring", "gap": 0.75}}) == {"shape": {"type": "ring", "gap": 0.75}}
    others: list[Any] = [{"shape": {"type": "cube"}}, {"shape": 3}, 3, {"shape": {}}]
    for document in others:
        assert completed(Page, document) == document


def test_numbers_in_files_follow_from_the_earliest_names() -> None:
    assert (PENS.stored_what, PENS.stored_name("ink")) == ("brush", "wet")
    assert [s.stored_name for s in settings_of(Ink)] == ["outside"]
    assert SHAPES.stored_name("box") == "box"


def test_assignments_mean_the_same_as_the_table() -> None:
    table = {"width": 3, "title": "7", "shape": {"type": "box", "sides": [2, 3], "is_open": True}}
    words = assignments_of(table)
    assert words == ["width=3", 'title="7"', "shape=box", "shape.sides=[2, 3]", "shape.is_open=true"]
    assert override(Scene(), words, "scene") == parse(Scene, table)


@dataclass(frozen=True, kw_only=True)
class Automatic(Config):
    plain: float | None = param(None, "a number", usual=30.0, distances=3.0)
    sound: float | None = param(None, "a number", usual=256.0, per_sample=0.5)
    own: int | None = param(None, "a number; none: by a rule", distances=6)
    shape: Shape = param(Box(), "what is drawn")


def test_none_stands_for_what_the_setting_states() -> None:
    picture, waveform, solid = Spec("image", 2, 3, (4, 4)), Spec("audio", 1, 1, (9,)), Spec("shape", 3, 1)
    found = {spec.kind: Automatic().resolve(spec) for spec in (picture, waveform, solid)}
    assert [(c.plain, c.sound, c.own) for c in found.values()] == [(30, 256, None), (30, 4.5, None), (3, 256, 6)]
    points = Automatic().resolve(Spec("points", 3, 1))
    assert (points.plain, points.own) == (30, None)  # points of a surface have no distances
    given = Automatic(plain=7.0, sound=8.0, own=9)
    assert given.resolve(solid) == given
    helps = {s.name: s.param.help for s in settings_of(Automatic)}
    assert helps["plain"] == "a number; none: 30, distances: 3"
    assert helps["sound"] == "a number; none: 256, sound: 0.5 per sample"
    assert helps["own"] == "a number; none: by a rule, distances: 6"
