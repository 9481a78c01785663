"""A family at a given number of parameters: its size setting, found by counting, without fitting."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator

from inr.core.config import Config, override, settings_of
from inr.core.domain import Spec
from inr.core.errors import ConfigError, InrError, UsageError
from inr.core.samples import Samples
from inr.fields import FieldConfig
from inr.signals import Signal

TABLES = ("log2_table",)
FIRST = ("width", "n_centres", "n_kernels", "n_gaussians", "rank", "resolution")
"""Size settings, best first; else the whole number whose doubling adds the most parameters."""
NEVER = ("depth", "levels", "features", "base", "seed", "degree", "order", "branches")
SLACK = 2
"""How far a network behind a table may be widened to use up what the table leaves."""
MAX_VALUE = 2**22
DESCRIPTION_BYTES = 6000
"""Of a model file, at most, as a rule: settings, metadata, and the curve of a long run."""


@dataclasses.dataclass(frozen=True)
class Sized:
    """A family at a number of parameters.

    config: with at most the requested parameters. settings: the chosen values, by path. n_params: of the config.
    """

    config: FieldConfig
    settings: dict[str, int]
    n_params: int


def count_parameters(config: FieldConfig, spec: Spec) -> int:
    """Parameters of a field, counted without memory for them where its `build` allows."""
    try:
        with torch.device("meta"):
            return config.build(spec, Generator()).n_params
    except RuntimeError:  # a build that looks at numbers (orders, samples) needs memory
        return config.build(spec, Generator()).n_params


def parameters_within(n_bytes: int, dtype: str | None) -> int:
    """Parameters that a model file of n_bytes holds. dtype: float32, or any other for 16 bits.

    Raises UsageError where its description takes all of them.
    """
    n_params = (n_bytes - DESCRIPTION_BYTES) // (4 if dtype == "float32" else 2)
    if n_params < 1:
        raise UsageError(
            f"`size` is {n_bytes} bytes, expected more than the {DESCRIPTION_BYTES} of a model's description"
        )
    return int(n_params)


def adapted(signal: Signal, config: FieldConfig, target_db: float | None) -> FieldConfig:
    """The config with sizes that follow from the content, where the family has them (`FieldConfig.adapted_to`).

    target_db: the PSNR that is wanted; by default the error is `Signal.good_error`. A target gets 1 dB more, as quality
    is measured on a part.
    """
    if not signal.has_whole_lattice or signal.spec.shape is None or signal.peak is None:
        return config
    scale = math.sqrt(statistics.fmean(s * s for s in signal.frame.scale))
    error = signal.good_error if target_db is None else signal.peak * 10 ** (-(target_db + 1) / 20)
    assert error is not None

    def samples() -> Samples:
        return Samples.counted(signal.spec, signal.initial_pool(signal.pool(Generator())))

    return config.adapted_to(signal.spec, samples, error / scale)


def sized(config: FieldConfig, spec: Spec, n_params: int) -> Sized:
    """The config with its size settings such that it has as many parameters as possible, but not more than n_params.

    config: not resolved, so that what depends on its size follows. A table's size is set first, then the network
    behind it (within a factor 2 of its default). A field that starts from a lattice's samples and fits stays as it is.
    Raises UsageError when the field has no size setting, or is larger at its smallest.
    """
    resolved = config.resolve(spec)
    has_own_size = spec.shape is not None and resolved.starts_from_signal(spec)
    if has_own_size and (count := count_parameters(resolved, spec)) <= n_params:
        return Sized(resolved, {}, count)
    knobs = _knobs(config, resolved, spec)
    if not knobs:
        raise UsageError(f"field {config.type_name!r} has no setting that scales its parameters")
    chosen: dict[str, int] = {}
    found: tuple[FieldConfig, int] | None = None
    for i, path in enumerate(knobs):
        low, high = _range(path, _value(resolved, path), is_main=i == 0)
        best = _largest(config, spec, path, low, high, n_params)
        if best is None:
            # the smallest table leaves no room for the network at its default: shrink that too
            config = override(config, [f"{path}={low}"], "field") if i + 1 < len(knobs) else config
            chosen[path] = low
            continue
        value, config, count = best
        chosen[path], found = value, (config, count)
    if found is None:
        raise UsageError(
            f"field {config.type_name!r} has more than {n_params:,} parameters at its smallest", "allow more parameters"
        )
    return Sized(found[0].resolve(spec), chosen, found[1])


def _knobs(config: FieldConfig, resolved: FieldConfig, spec: Spec) -> list[str]:
    whole = [p for p, v in _whole_numbers(resolved) if p.split(".")[-1] not in NEVER]
    base = count_parameters(resolved, spec)
    tables = [p for p in whole if p.split(".")[-1] in TABLES]
    effect = {p: _try(config, spec, p, 2 * _value(resolved, p)) - base for p in whole if p not in tables}
    growing = [p for p, more in effect.items() if math.isfinite(more) and more > 0]
    named = sorted((p for p in growing if p.split(".")[-1] in FIRST), key=lambda p: FIRST.index(p.split(".")[-1]))
    return tables[:1] + (named or sorted(growing, key=lambda p: -effect[p]))[:1]


def _whole_numbers(config: Config, prefix: str = "") -> Iterator[tuple[str, int]]:
    for setting in settings_of(type(config)):
        value = getattr(config, setting.name)
        if isinstance(value, Config):
            yield from _whole_numbers(value, f"{prefix}{setting.name}.")
        elif isinstance(value, int) and not isinstance(value, bool) and value > 0:
            yield prefix + setting.name, value


def _range(path: str, value: int, *, is_main: bool) -> tuple[int, int]:
    if path.split(".")[-1] in TABLES:
        return 4, 24
    return (1, MAX_VALUE) if is_main else (max(1, value // SLACK), value * SLACK)


def _largest(
    config: FieldConfig, spec: Spec, path: str, low: int, high: int, n_params: int
) -> tuple[int, FieldConfig, int] | None:
    """The largest value in [low, high] within the budget, by doubling and then by halves; None if none is small enough.

    A family may refuse the smallest values; the search begins at the first power of 2 times low that it takes.
    """
    while math.isinf(_try(config, spec, path, low)) and 2 * low <= high:
        low *= 2
    if _try(config, spec, path, low) > n_params:
        return None
    lowest = step = low
    while step < high and _try(config, spec, path, min(high, 2 * step)) <= n_params:
        low = step = min(high, 2 * step)
    high = min(high, 2 * step)
    while low < high:
        middle = (low + high + 1) // 2
        if _try(config, spec, path, middle) <= n_params:
            low = middle
        else:
            high = middle - 1
    most = _try(config, spec, path, low)
    while path.split(".")[-1] in TABLES and low > lowest and _try(config, spec, path, low - 1) == most:
        low -= 1  # every level is dense already: a larger table is the same one
    chosen = override(config, [f"{path}={low}"], "field")
    return low, chosen, count_parameters(chosen.resolve(spec), spec)


def _try(config: FieldConfig, spec: Spec, path: str, value: int) -> float:
    """Parameters with a setting at a value; infinity if it cannot have it."""
    try:
        return count_parameters(override(config, [f"{path}={value}"], "field").resolve(spec), spec)
    except (ConfigError, InrError):
        return math.inf


def _value(config: Any, path: str) -> int:
    for part in path.split("."):
        config = getattr(config, part)
    assert isinstance(config, int)
    return config
