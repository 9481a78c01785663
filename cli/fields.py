"""`inr fields`: the field families, and every setting of one."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import _options as options
from ._output import Output, say
from ._streams import is_terminal

if TYPE_CHECKING:
    from inr.core.config import Config, Setting
    from inr.fields import FieldConfig


def fields(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="One family, in full.", autocompletion=options.complete_field),
    ] = None,
    params: Annotated[
        bool,
        typer.Option(
            "--params",
            help="Also count each family's parameters for a picture of 768x512 RGB.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
) -> None:
    """List the field families, or the settings of one.

    \b
    inr fields
    inr fields --params           with parameter counts
    inr fields siren              its settings, as --set takes them
    inr fields siren --json       JSON schema, with every variant of every slot
    """
    out = Output(as_json, is_quiet, verbosity)
    from inr.core.config import json_schema
    from inr.fields import FIELDS

    if name is None:
        families: dict[str, dict[str, Any]] = {
            n: {"summary": summary(FIELDS[n]), "paper": FIELDS[n].paper} for n in FIELDS
        }
        if params:
            for n, entry in families.items():
                entry["n_params"] = _count(FIELDS[n])
        if as_json or is_quiet:
            out.result("fields", {"fields": families}, "", "\n".join(FIELDS))
            return
        _list(out, families, has_counts=params)
        return
    cls = FIELDS[name]
    settings = [*flat_settings(cls, "field.")]
    if as_json or is_quiet:
        keys = [key for key, _ in settings]
        document: dict[str, Any] = {
            "name": name,
            "summary": summary(cls),
            "paper": cls.paper,
            "json_schema": json_schema(cls),
        }
        out.result("field", document | {"slots": _slots(cls)}, "", "\n".join(keys))
        return
    say(f"{name}: {summary(cls)}\n{cls.paper}\n")
    out.table(
        ("setting", "default", "meaning"),
        [(key, default_text(s), _meaning(s)) for key, s in settings],
    )
    number = next(
        (key for key, s in settings if isinstance(s.default, int | float) and not isinstance(s.default, bool)), None
    )
    if name in set(FIELDS) and number is not None:
        value = next(default_text(s) for key, s in settings if key == number)
        say(f"\nSet one with --set, for example: inr fit IN --field {name} --set {number}={value}")


def _list(out: Output, families: Mapping[str, Mapping[str, Any]], *, has_counts: bool) -> None:
    """Three columns in a pipe, for grep; on a terminal, where three would not fit, the paper is below the
    description."""
    is_stacked = is_terminal(sys.stdout)
    columns = ["field", "what it is"] if is_stacked else ["field", "what it is", "paper"]
    rows = []
    for name, entry in families.items():
        counted = entry.get("n_params")
        count = [f"{counted:,}" if counted is not None else "-"] if has_counts else []
        texts = [f"{entry['summary']}\n{entry['paper']}"] if is_stacked else [entry["summary"], entry["paper"]]
        rows.append([name, *count, *texts])
    if has_counts:
        columns.insert(1, "parameters")
    out.table(columns, rows, right=("parameters",))
    if not out.as_json:
        out.note(f"\n{len(families)} families; inr fields NAME shows the settings of one")


def _count(cls: type[FieldConfig]) -> int | None:
    """Parameters with the default settings for a picture of 768x512 RGB; none if the family does not take it."""
    from inr.core.domain import Spec
    from inr.core.errors import InrError
    from inr.workflows.sizing import count_parameters

    spec = Spec("image", 2, 3, (768, 512))
    try:
        return count_parameters(cls().resolve(spec), spec)
    except InrError:
        return None


def summary(cls: type[Config]) -> str:
    return (inspect.getdoc(cls) or "").splitlines()[0]


def flat_settings(cls: type[Config], prefix: str, base: Config | None = None) -> Iterator[tuple[str, Setting]]:
    """Every setting with its full key, those of a slot's default variant, as the default has them, after the slot."""
    from inr.core.config import Config, settings_of

    for setting in settings_of(cls):
        if base is not None:
            setting = dataclasses.replace(setting, default=getattr(base, setting.name))
        yield prefix + setting.name, setting
        if isinstance(setting.default, Config):
            yield from flat_settings(type(setting.default), f"{prefix}{setting.name}.", setting.default)


def default_text(setting: Setting) -> str:
    from inr.core.config import Config

    value = setting.default
    if isinstance(value, Config):
        return value.type_name
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _meaning(setting: Setting) -> str:
    from inr.core.config import Config

    bounds = setting.param.bounds()
    text = setting.param.help + (f" ({bounds})" if bounds else "")
    if isinstance(setting.default, Config) and setting.default.slot is not None:
        text += f" [{', '.join(setting.default.slot)}]"
    return text


def _slots(cls: type[Config]) -> dict[str, Any]:
    """JSON schema of each variant of each slot that a config reaches."""
    from inr.core.config import Config, json_schema, settings_of

    found: dict[str, Any] = {}
    waiting = [cls]
    while waiting:
        for setting in settings_of(waiting.pop()):
            slot = setting.default.slot if isinstance(setting.default, Config) else None
            if slot is not None and slot.what not in found:
                found[slot.what] = {name: json_schema(slot[name]) for name in slot}
                waiting.extend(slot[name] for name in slot)
    return found
