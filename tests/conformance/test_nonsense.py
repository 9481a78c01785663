"""Extreme values for every setting of every family and variant: accepted, or refused in one line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Generator

from inr.core.config import Config, alternatives, override, parse, settings_of
from inr.core.domain import Spec
from inr.core.errors import InrError
from inr.exporters import EXPORTERS
from inr.fields import FIELDS, FieldConfig
from inr.fitting import FitConfig
from inr.workflows.meta_learning import LearnConfig

NONSENSE = (
    "nan", "inf", "-inf", "1e300", "-1", "0", "9223372036854775807", "-9223372036854775808", "9" * 400, "9" * 5000, "",
    "0x10", "none", "true", "[]", "[1,2", "[" * 5000, '{"type":"x"}', '{"type":null}', "[nan]", "65536", "é\x1b\udcff",
)  # fmt: skip
SPEC = Spec("image", 2, 3, (12, 16))


def settings_within(cls: type[Config], before: tuple[str, ...], path: str, seen: set[Any]) -> Iterator[tuple[str, ...]]:
    """Assignments that choose variants, and at their end the key of a setting that those have; variants met once."""
    for setting in settings_of(cls):
        key = f"{path}{setting.name}"
        yield (*before, key)
        for option in alternatives(setting.annotation):
            slot = option.slot if isinstance(option, type) and issubclass(option, Config) else None
            if slot is None:
                continue
            for name in slot:
                if (slot, name) not in seen:
                    seen.add((slot, name))
                    yield from settings_within(slot[name], (*before, f"{key}={name}"), f"{key}.", seen)


def refusals(config: Config, where: str, *, is_field: bool = False, seen: set[Any] | None = None) -> list[str]:
    """The messages of all refusals, from every value for every setting."""
    found: list[str] = []
    for *variants, key in settings_within(type(config), (), "", set() if seen is None else seen):
        for value in NONSENSE:
            try:
                changed: Any = override(config, [*variants, f"{key}={value}"], where)
                if is_field:
                    with torch.device("meta"):
                        changed.resolve(SPEC).build(SPEC, Generator())
            except InrError as error:
                found.append(error.message)
    return found


SEEN: set[Any] = set()
"""Variants of slots that an earlier family was tried with: all families are compositions of the same ones."""


@pytest.mark.slow
@pytest.mark.parametrize("family", list(FIELDS))
def test_a_family_accepts_or_refuses_extreme_values(family: str) -> None:
    found = refusals(parse(FieldConfig, family, "field"), "field", is_field=True, seen=SEEN)
    assert found
    assert max(map(len, found)) < 2000


@pytest.mark.parametrize(("config", "where"), [(FitConfig(), "fit"), (LearnConfig(), "learn")])
def test_a_fit_accepts_or_refuses_extreme_values(config: Config, where: str) -> None:
    found = refusals(config, where)
    assert len(found) > 100
    assert max(map(len, found)) < 2000


@pytest.mark.parametrize("name", list(EXPORTERS))
def test_a_format_accepts_or_refuses_extreme_values(name: str) -> None:
    assert max(map(len, refusals(EXPORTERS[name](), name)), default=0) < 2000
    with pytest.raises(InrError, match="unknown setting"):
        override(EXPORTERS[name](), ["nonsense=1"], name)


@pytest.mark.parametrize("key", ["lr" + ".a" * 5000, "a" * 100_000, "\x00", "lr.x", "optimizer.type.x.y"])
def test_impossible_keys_are_refused(key: str) -> None:
    with pytest.raises(InrError) as refused:
        override(FitConfig(), [f"{key}=1"], "fit")
    assert len(refused.value.message) < 2000
