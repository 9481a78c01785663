"""The settings of a fit as a user gives them, in layers and before the signal is known."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, get_args

from inr.core.config import override, parse, read_toml
from inr.core.errors import ConfigError, UsageError, did_you_mean
from inr.core.sections import SECTIONS, by_section
from inr.fields import FieldConfig, RecipeName
from inr.fitting import FitConfig
from inr.fitting.resolving import ENDS, field_for, pursuing
from inr.signals import Signal, Source


@dataclasses.dataclass(frozen=True)
class FitRequest:
    """Settings in layers; each wins over those after it: flags, assignments, a document, the family's recipe, defaults.

    field: not resolved. fit_document: settings of the fit. assignments: `lr=0.01`. flags: settings of the fit by name.
    signal_options, kind: how the signal is loaded. recipe: which of the family's. has_width: `field.width` is given.
    """

    field: FieldConfig
    fit_document: Mapping[str, Any]
    assignments: Sequence[str]
    flags: Mapping[str, Any]
    signal_options: Mapping[str, str]
    kind: str | None
    recipe: RecipeName = "best"
    has_width: bool = False

    @classmethod
    def of(
        cls,
        default_field: Callable[[str | None, Mapping[str, str]], str],
        config: Mapping[str, Any] | None,
        field: str | None,
        settings: Sequence[str],
        flags: Mapping[str, Any],
        kind: str | None,
        init: FieldConfig | None = None,
        recipe: RecipeName = "best",
    ) -> FitRequest:
        """Check everything that can be checked without the signal. Raises ConfigError with every problem.

        default_field: the family for a kind and its options, if none is named. config: a document of sections, as
        `read_config` returns it. settings: `section.key=value`. init: the field's settings of a model to start from.
        recipe: "best" or "paper".
        """
        problems: list[str] = []
        document = {} if config is None else _known_sections(config, problems)
        assigned = by_section(settings, problems)
        field_document = dict(document["field"]) if "field" in document else {}
        if field is not None and field_document.get("type", field) != field:
            field_document = {}  # they are another family's settings
        signal_options = {key: str(value) for key, value in document.get("signal", {}).items()}
        signal_options |= {key: value for key, _, value in (text.partition("=") for text in assigned["signal"])}
        kind = signal_options.pop("kind", None) if kind is None else kind
        signal_options.pop("kind", None)
        if init is not None and field in (None, init.type_name) and not field_document:
            field_document = init.to_json()
        field_document["type"] = field or field_document.get("type") or default_field(kind, signal_options)
        parsed: FieldConfig | None = None
        with collecting(problems):
            parsed = parse(FieldConfig, field_document, "field")
            parsed = override(parsed, assigned["field"], "field")
        fit_document = document.get("fit", {})
        checked = FitConfig()
        with collecting(problems):
            checked = parse(FitConfig, fit_document, "fit")
        with collecting(problems):
            override(checked, assigned["fit"], "fit")
        with collecting(problems):
            parse(FitConfig, flags, "fit")
        if recipe not in get_args(RecipeName):
            problems.append(f"`recipe` is {recipe!r}, expected one of {', '.join(get_args(RecipeName))}")
        if problems or parsed is None:
            raise ConfigError(problems, "inr fields NAME lists a family's settings")
        has_width = "width" in field_document or any(text.startswith("width=") for text in assigned["field"])
        return cls(parsed, fit_document, assigned["fit"], flags, signal_options, kind, recipe, has_width)

    def fit_settings(self, signal: Signal, field: FieldConfig) -> FitConfig:
        """The layers of the fit's settings, merged. field: whose recipe it is, not resolved.

        A time limit without a number of steps replaces the recipe's steps. Raises UsageError if nothing limits the run.
        """
        fit = parse(FitConfig, field_for(signal, field).named_recipe(self.recipe, signal.spec), "fit")
        is_closed_form = fit.steps == 0
        if "time_s" in self.flags and not self._sets("steps") and not is_closed_form:
            fit = dataclasses.replace(fit, steps=None)
        fit = self._over(fit)
        if fit.steps is None and fit.time_s is None:
            raise UsageError("fit.steps is none and there is no time limit: the run might never end", "give `time_s`")
        return pursuing(fit, is_limited=any(self._sets(name) for name in ENDS))

    @property
    def target_psnr_db(self) -> float | None:
        """The PSNR that is wanted."""
        return self._over(FitConfig()).target_psnr_db

    def _over(self, base: FitConfig) -> FitConfig:
        """A fit's settings under everything that is given."""
        given = override(parse(FitConfig, self.fit_document, "fit", base), self.assignments, "fit")
        return parse(FitConfig, self.flags, "fit", given)

    def _sets(self, name: str) -> bool:
        is_assigned = any(text.partition("=")[0] == name for text in self.assignments)
        return name in self.flags or name in self.fit_document or is_assigned


def read_config(source: Source | str) -> dict[str, Any]:
    """The document in a TOML file of settings. Raises UnreadableError or ConfigError."""
    source = Source.of(source)
    name = source.name
    with source.open() as file:
        return read_toml(file.read(), name)


def _known_sections(document: Mapping[str, Any], problems: list[str]) -> dict[str, dict[str, Any]]:
    known = {}
    for section, table in document.items():
        if section not in SECTIONS:
            problems.append(f"`config` has the unknown section {section!r}{did_you_mean(section, SECTIONS)}")
        elif not isinstance(table, dict):
            problems.append(f"`config`: {section} is {table!r}, expected a table of settings")
        else:
            known[section] = table
    return known


@contextlib.contextmanager
def collecting(problems: list[str]) -> Iterator[None]:
    """Append the problems of a ConfigError to a list, and continue after the block."""
    try:
        yield
    except ConfigError as error:
        problems.extend(error.problems)
