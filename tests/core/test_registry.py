"""Registries: names, duplicates, and what a look-up imports."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import inr.fields
from inr.core.errors import UsageError
from inr.core.registry import Registry, names_without_import
from inr.fields import FIELDS


def test_registry_names_nearest_and_refuses_duplicates() -> None:
    registry: Registry[int] = Registry("thing")
    registry.register("seven")(7)
    assert registry["seven"] == 7
    with pytest.raises(UsageError, match=r"unknown thing 'sevn' .did you mean 'seven'"):
        registry["sevn"]
    with pytest.raises(ValueError, match="twice"):
        registry.register("seven")(8)


def test_a_registry_imports_what_is_named_and_all_only_when_it_must(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "things"
    package.mkdir()
    (package / "__init__.py").write_text(
        "from inr.core.registry import Registry\nTHINGS = Registry('thing', 'things')\nseen = []\n"
    )
    for name in ("one", "two", "three"):
        registered = f'@THINGS.register("{name}")\nclass Thing: ...\n'
        (package / f"{name}.py").write_text(f"from things import THINGS, seen\n{registered}seen.append({name!r})\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    things = importlib.import_module("things")
    assert "two" in things.THINGS
    assert things.THINGS.name_of(things.THINGS["two"]) == "two"
    assert things.seen == ["two"]
    assert "four" not in things.THINGS
    assert things.seen == ["two", "one", "three"]
    assert list(things.THINGS) == ["one", "three", "two"]


def test_names_read_from_text_are_the_registered_ones() -> None:
    assert names_without_import(Path(inr.fields.__path__[0])) == list(FIELDS)
