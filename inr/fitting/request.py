"""The settings of a fit as they are asked for, before the signal is known."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from inr._config import override, parse, read_toml
from inr._errors import ConfigError, UsageError, did_you_mean
from inr.fields import FieldConfig
from inr.fitting._loop import resolve
from inr.fitting._settings import FitConfig
from inr.fitting.fresh import Choice, fresh
from inr.signals import Signal, Source

SECTIONS = ("field", "fit", "signal")


@dataclasses.dataclass(frozen=True)
class Request:
    """The settings that were asked for, before the signal is known: flag > --set > --config > preset > default."""

    field: FieldConfig
    fit_document: Mapping[str, Any]
    assignments: Sequence[str]
    flags: Mapping[str, Any]
    signal_options: Mapping[str, str]
    kind: str | None

    @classmethod
    def of(
        cls,
        default_field: Callable[[str | None], str],
        config: Mapping[str, Any] | None,
        field: str | None,
        settings: Sequence[str],
        flags: Mapping[str, Any],
        kind: str | None,
        init: FieldConfig | None = None,
    ) -> Request:
        """Check everything that can be checked without the signal. Raises ConfigError with every problem.

        default_field: the family for a kind of signal, where none is named. config: a document of sections, as
        `read_config` returns it. settings: `section.key=value`. flags: settings of the fit that have options of their
        own. init: the field's settings there.
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
        field_document["type"] = field or field_document.get("type") or default_field(kind)
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
        if problems or parsed is None:
            raise ConfigError(problems, "inr fields NAME lists a family's settings")
        return cls(parsed, fit_document, assigned["fit"], flags, signal_options, kind)

    def resolve(self, signal: Signal) -> tuple[FieldConfig, FitConfig]:
        """The complete settings for a signal."""
        field = self.field.resolve(signal.spec)
        fit = parse(FitConfig, field.recipe(signal.spec), "fit")
        fit = override(parse(FitConfig, self.fit_document, "fit", fit), self.assignments, "fit")
        is_closed_form = fit.steps == 0
        if "time_s" in self.flags and "steps" not in self.flags and not self._says_steps() and not is_closed_form:
            fit = dataclasses.replace(fit, steps=None)
        fit = parse(FitConfig, self.flags, "fit", fit)
        if fit.steps is None and fit.time_s is None:
            raise UsageError("fit.steps is none and there is no time limit: the run might never end", "give --time")
        return resolve(signal, field, fit)

    def freshened(self, signal: Signal, text: str) -> tuple[Request, Choice]:
        """The request with the frequency setting that FreSh chooses. text: `auto`, or `activation.omega=30,60,90`."""
        setting, _, listed = text.removeprefix("field.").partition("=")
        try:
            values = [float(value) for value in listed.split(",")] if listed else None
        except ValueError as error:
            raise UsageError(f"--fresh is {text!r}, expected numbers such as activation.omega=30,60,90") from error
        seed = self.flags.get("seed", 0)
        choice = fresh(signal, self.field, None if setting == "auto" else setting, values, seed=seed)
        return dataclasses.replace(self, field=choice.config), choice

    def _says_steps(self) -> bool:
        return "steps" in self.fit_document or any(text.startswith("steps=") for text in self.assignments)


def read_config(name: str) -> dict[str, Any]:
    """The document in a TOML file of settings. Raises UnreadableError or ConfigError."""
    with Source.of(name).open() as file:
        try:
            return read_toml(file.read().decode(), name)
        except UnicodeDecodeError as error:
            raise ConfigError([f"{name}: not valid TOML: {error}"]) from error


def _known_sections(document: Mapping[str, Any], problems: list[str]) -> dict[str, dict[str, Any]]:
    known = {}
    for section, table in document.items():
        if section not in SECTIONS:
            problems.append(f"--config has the unknown section {section!r}{did_you_mean(section, SECTIONS)}")
        elif not isinstance(table, dict):
            problems.append(f"--config: {section} is {table!r}, expected a table of settings")
        else:
            known[section] = table
    return known


def by_section(
    assignments: Sequence[str], problems: list[str], names: Sequence[str] = SECTIONS
) -> dict[str, list[str]]:
    """`field.width=64` to {"field": ["width=64"]}."""
    sections: dict[str, list[str]] = {name: [] for name in names}
    for text in assignments:
        section, dot, rest = text.partition(".")
        if "=" not in text or not dot or "=" in section:
            problems.append(f"--set {text!r} is not of the form section.key=value, for example fit.lr=0.01")
        elif section not in sections:
            problems.append(f"--set {text!r} has the unknown section {section!r}{did_you_mean(section, names)}")
        else:
            sections[section].append(rest)
    return sections


@contextlib.contextmanager
def collecting(problems: list[str]) -> Iterator[None]:
    try:
        yield
    except ConfigError as error:
        problems.extend(error.problems)
