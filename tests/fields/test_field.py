"""Settings with another number where samples are distances: families state them, with the record that chose them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inr.core.config import Config, Param, override, settings_of
from inr.core.domain import Spec
from inr.fields import FIELDS, Deviation, FieldConfig
from inr.fields.mlp import Mlp

PICTURE, SHAPE = Spec("image", 2, 3, (512, 768)), Spec("shape", 3, 1)
RECORDS = Path(__file__).parents[2] / "benchmarks" / "records"

OTHERS = {"xnet"}
"""Without a number of its paper, which is not about fields."""


def _automatic(config: Config, prefix: str) -> Iterator[tuple[str, Param]]:
    """Settings of none with another number for distances."""
    for setting in settings_of(type(config)):
        value = getattr(config, setting.name)
        if isinstance(value, Config):
            yield from _automatic(value, f"{prefix}.{setting.name}")
        elif value is None and setting.param.distances is not None:
            yield f"{prefix}.{setting.name}", setting.param


def _at(config: Config, path: str) -> Any:
    return _in({"field": config.to_json()}, path)


def _in(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value[part]
    return value


def _of_distances() -> list[tuple[type[FieldConfig], Deviation]]:
    return [(FIELDS[name], d) for name in FIELDS for d in FIELDS[name].deviations if d.for_distances is not None]


@pytest.mark.parametrize("name", [name for name in FIELDS if name not in OTHERS])
def test_another_number_for_distances_is_stated(name: str) -> None:
    config = FIELDS[name]()
    for path, _ in _automatic(config, "field"):
        if "octaves" in path and getattr(config, "encoding", None) == Mlp().encoding and name != "relu_pe":
            assert "`--set field.encoding.octaves=10` is the paper's" in str(Mlp.__doc__)
            continue
        subjects = [d.subject for d in config.deviations if path.startswith(d.subject)]
        assert subjects, f"{name}: no Deviation states {path}"


@pytest.mark.parametrize(("family", "deviation"), _of_distances(), ids=lambda v: getattr(v, "subject", ""))
def test_the_statement_is_true(family: type[FieldConfig], deviation: Deviation) -> None:
    path, number = deviation.subject, deviation.for_distances
    here = _at(family().resolve(SHAPE), path)
    assert deviation.here == f"{here:g} for distances"
    assert re.match(rf"{number:g}\b", deviation.paper)
    changed = override(family(), [f"{path.removeprefix('field.')}={number:g}"], "field").resolve(SHAPE)
    assert _at(changed, path) == number != here
    assert deviation not in family.deviations_for(PICTURE)
    assert deviation in family.deviations_for(SHAPE)


@pytest.mark.parametrize(("family", "deviation"), _of_distances(), ids=lambda v: getattr(v, "subject", ""))
def test_the_record_has_both_numbers_and_prefers_ours(family: type[FieldConfig], deviation: Deviation) -> None:
    assert "(record shape-frequencies" in deviation.because
    newest = max(RECORDS.glob("*-shape-frequencies.json"))
    ours, papers = [], []
    for row in json.loads(newest.read_text("utf-8"))["rows"]:
        if row["field"]["type"] == family().type_name and row.get("shape", "analytic:torus") == "analytic:torus":
            document = {"field": family().resolve(SHAPE).to_json()}
            together = [d for d in family.deviations if d.for_distances is not None]
            slots = [(row["field"].get(d.subject.split(".")[1], {}).get(d.subject.split(".")[2]), d) for d in together]
            if all(value == _in(document, d.subject) for value, d in slots):
                ours.append(row["iou"])
            if all(value == d.for_distances for value, d in slots):
                papers.append(row["iou"])
    here, paper = max(ours), max(papers)
    assert here > paper
    stated = [float(figure) for figure in re.findall(r"(?<!\d)\.\d+", deviation.because)]
    assert stated == [pytest.approx(here, abs=0.006), pytest.approx(paper, abs=0.006)]


def _of_pictures() -> list[tuple[type[FieldConfig], Deviation]]:
    return [(FIELDS[name], d) for name in FIELDS for d in FIELDS[name].deviations if "record frequencies" in d.because]


@pytest.mark.parametrize(("family", "deviation"), _of_pictures(), ids=lambda v: getattr(v, "subject", ""))
def test_the_record_has_both_decibels_and_prefers_ours(family: type[FieldConfig], deviation: Deviation) -> None:
    name = re.search(r"record (frequencies[\w-]*)", deviation.because)
    assert name is not None
    newest = max(RECORDS.glob(f"????-??-??-{name[1]}.json"))
    here = _in({"field": family().resolve(PICTURE).to_json()}, "field.activation")
    numbers = {d.subject.rpartition(".")[2]: float(d.paper.split()[0]) for f, d in _of_pictures() if f is family}
    ours, papers = [], []
    for row in json.loads(newest.read_text("utf-8"))["rows"]:
        if row["field"]["type"] == family().type_name and "crop" not in row:
            given = row["field"]["activation"]
            if all(given[key] == here[key] for key in numbers):
                ours.append(row["quality"])
            if all(given[key] == number for key, number in numbers.items()):
                papers.append(row["quality"])
    assert max(ours) > max(papers)
    assert re.findall(r"\d+\.\d", deviation.because) == [f"{max(ours):.1f}", f"{max(papers):.1f}"]


def test_statements_of_all_signals_stay() -> None:
    class Family(FieldConfig):
        deviations = (
            Deviation("field.width", "1", "2", "of speed"),
            Deviation("forward", "1", "2", "of it", 1.0),
            Deviation("field.depth", "1", "2", "of detail", for_pictures=1.0),
        )

    assert [d.subject for d in Family.deviations_for(PICTURE)] == ["field.width", "field.depth"]
    assert [d.subject for d in Family.deviations_for(SHAPE)] == ["field.width", "forward"]
