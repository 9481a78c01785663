"""The command that repeats a fit, from the settings in its file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from inr.core.config import override, parse, to_toml
from inr.core.errors import InrError
from inr.core.text import command
from inr.fields import FieldConfig, RecipeName
from inr.fitting import LOSSES, Fit, FitConfig
from inr.fitting.samplers.standard import Shuffled
from inr.fitting.samplers.tiles import TilesConfig
from inr.signals import SIGNALS, Source, kinds_with

OPTIONS = {
    "steps": "--steps", "time_s": "--time", "target_psnr_db": "--target-psnr", "lr": "--lr", "batch": "--batch",
    "seed": "--seed",
}  # fmt: skip
ROUNDS = 8


def command_of(fit: Fit, output: str) -> str | None:
    """`inr fit IN -o OUT ...` with every setting that differs from the family's recipe, of the two that which says
    more; None if a single `inr fit` cannot make it. Options of the signal (`--set signal.*`) are not in model files."""
    if fit.provenance.keys() - {"init"}:
        return None
    config, settings = fit.field.config, fit.settings
    try:
        assignments = _field_settings(config, fit)
        words = ["inr", "fit", fit.source or "IN", "-o", output, *_kind(fit), "--field", config.type_name]
        init = fit.provenance.get("init")
        if init is not None:
            words += ["--init", str(init["file"] or "INIT")]
        words += [word for text in assignments for word in ("--set", f"field.{text}")]
        names: tuple[RecipeName, ...] = get_args(RecipeName)
        by_recipe = {name: _fit_settings(settings, _recipe(fit, settings, name)) for name in names}
        nearest = min(names, key=lambda name: len(by_recipe[name]))
        words += ([] if nearest == "best" else ["--recipe", nearest]) + by_recipe[nearest]
    except InrError:
        return None
    return command(*words)


def settings_of(fit: Fit) -> str:
    """All settings as TOML, for `inr fit --config`."""
    return to_toml({"field": fit.field.config.to_json(), "fit": fit.settings.to_json()})


def _kind(fit: Fit) -> list[str]:
    source, words = Source(fit.source), []
    kind = fit.kind.load_kind(fit.meta)
    is_known = kind in kinds_with(source.suffix) and source.suffix not in SIGNALS[kind].unclaimed
    if not source.is_formula and not is_known:
        words += ["--kind", kind]
    for key, value in fit.kind.load_options(fit.meta).items():
        words += ["--set", f"signal.{key}={value}"]
    return words


def _field_settings(config: FieldConfig, fit: Fit) -> list[str]:
    """Assignments that turn the family's default config into this one: variants of slots first, then their settings."""
    plain = parse(FieldConfig, {"type": config.type_name}, "field")
    found: list[str] = []
    for _ in range(ROUNDS):
        base = override(plain, found, "field").resolve(fit.spec)
        changes = list(_changes(config.to_json(), base.to_json()))
        if not changes:
            break
        variants = [change for change in changes if change[2]]
        found += [f"{path}={_text(value)}" for path, value, _ in variants or changes]
    return found


def _recipe(fit: Fit, settings: FitConfig, name: RecipeName) -> FitConfig:
    """The settings of the fit if no option but that of the recipe was given."""
    recipe = parse(FitConfig, fit.field.config.named_recipe(name, fit.spec), "fit")
    loss = recipe.loss or LOSSES[fit.kind.loss]()
    is_tiled = isinstance(settings.sampler, TilesConfig) and recipe.sampler == Shuffled()
    return dataclasses.replace(recipe, loss=loss, sampler=TilesConfig() if is_tiled else recipe.sampler)


def _fit_settings(settings: FitConfig, base: FitConfig) -> list[str]:
    if settings.steps is None and settings.time_s is not None:
        base = dataclasses.replace(base, steps=None)  # --time alone removes the limit of steps
    words: list[str] = []
    given: list[str] = []
    for _ in range(ROUNDS):
        now = override(base, given, "fit")
        changes = [c for c in _changes(settings.to_json(), now.to_json()) if c[0] not in OPTIONS or c[1] is None]
        if not changes:
            break
        variants = [change for change in changes if change[2]]
        given += [f"{path}={_text(value)}" for path, value, _ in variants or changes]
    for name, option in OPTIONS.items():
        value = getattr(settings, name)
        if value is not None and value != getattr(base, name):
            words += [option, _text(value)]
    return words + [word for text in given for word in ("--set", f"fit.{text}")]


def _changes(document: Mapping[str, Any], base: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any, bool]]:
    """(path, value, whether it is a slot's variant) of each difference; nothing within a slot of another variant."""
    for key, value in document.items():
        before, full = base.get(key), f"{path}{key}"
        if key == "type" or value == before:
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping) and value.get("type") == before.get("type"):
            yield from _changes(value, before, f"{full}.")
        elif isinstance(value, Mapping):
            yield full, value["type"], True
        else:
            yield full, value, isinstance(before, Mapping)


def _text(value: Any) -> str:
    """A value as `--set` reads it."""
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ",".join(map(_text, value)) if len(value) != 1 else json.dumps(list(value))
    return value if isinstance(value, str) else json.dumps(value)
