"""FreSh: choose a frequency setting by spectra, before any training.  Kania et al. 2024, arXiv:2410.05050."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from inr.core.config import override
from inr.core.errors import UsageError
from inr.core.samples import Samples
from inr.fields import FieldConfig
from inr.signals import Signal

DRAWS = 10
MAX_SIDE = {1: 2**14, 2: 128, 3: 24, 4: 10}
"""Samples per axis of the central crop whose spectra are compared, by the number of coordinates."""

DEFAULTS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("encoding.sigma", (1, 2, 4, 6, 8, 10, 15, 20, 30, 40, 60, 80, 120)),
    ("activation.first_bias", (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20)),
    ("activation.omega", tuple(range(10, 201, 10))),
)
"""Candidates by setting; the default is the first setting that the field has and that is not none."""
AUDIO_OMEGAS_FIRST = (30, 100, 300, 600, 1000, 1500, 2000, 3000, 4500, 6000, 10000)


@dataclasses.dataclass(frozen=True)
class FrequencyChoice:
    """A frequency setting that was chosen by the signal's spectrum.

    config: the field's, with the chosen value of `setting`. distances: by candidate.
    """

    config: FieldConfig
    setting: str
    value: float
    distances: dict[float, float]


def choose_frequency(signal: Signal, field: FieldConfig, text: str, *, seed: int = 0) -> FrequencyChoice:
    """Choose a frequency setting by the signal's spectrum. Kania et al. 2024 (FreSh), arXiv:2410.05050.

    text: `auto`, or a setting and its candidates, `activation.omega=30,60,90`. Otherwise as `fresh`, errors included.
    """
    return fresh(signal, field, *_read_candidates(text), seed=seed)


def check_frequency(field: FieldConfig, text: str) -> None:
    """Refuse, before a signal is loaded, a text that `choose_frequency` would refuse for every signal.

    field: not resolved. Raises UsageError for a setting that the field does not have, ConfigError for values.
    """
    setting, values = _read_candidates(text)
    if setting is None:
        if not any(_has(field, path) for path, _ in DEFAULTS):
            raise _no_setting(field)
        return
    for value in _default_candidates(setting) if values is None else values:
        override(field, [f"{setting}={value:g}"], "field")


def fresh(
    signal: Signal,
    field: FieldConfig,
    setting: str | None = None,
    values: Sequence[float] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> FrequencyChoice:
    """The candidate whose untrained output has the spectrum nearest to the signal's, by Wasserstein-1 distance.

    field: not resolved, so that what depends on the setting follows it (SIREN's first omega). setting: its path
    ("activation.omega", "encoding.sigma"); values: the candidates; by default those of `DEFAULTS`.
    Each candidate is built `draws` times, and its distances are averaged. The spectrum is `spectrum` of the central
    crop of the signal's lattice, at most `MAX_SIDE` samples per axis.
    Raises UsageError for a signal without a lattice, or a field without any of these settings; ConfigError for values.
    """
    pool = signal.pool(torch.Generator().manual_seed(seed))
    samples = Samples(
        signal.spec, pool.size, lambda index: ((batch := pool.batch(index)).x, batch.y), pool.order, signal.tile
    )
    grid = samples.grid()
    if grid is None or signal.spec.shape is None:
        raise UsageError(
            f"FreSh compares spectra on a lattice, but this signal is of kind {signal.spec.kind!r}",
            "set the frequency setting yourself",
        )
    setting, values = _candidates(signal, field, setting, values)
    corner, axes = _crop(signal.spec.shape)
    target = spectrum(grid[corner])
    if float(target.sum()) == 0:
        raise UsageError("FreSh compares spectra, but the signal is constant", "set the frequency setting yourself")
    configs = {v: override(field, [f"{setting}={v:g}"], "field").resolve(signal.spec) for v in values}
    distances = {v: _distance(c, signal, axes, target, draws, seed) for v, c in configs.items()}
    best = min(distances, key=lambda v: distances[v])
    chosen = override(field, [f"{setting}={best:g}"], "field")
    return FrequencyChoice(chosen, setting, best, distances)


def _read_candidates(text: str) -> tuple[str | None, list[float] | None]:
    """The setting and its candidates, as `fresh` takes them. text: `auto`, or `activation.omega=30,60,90`."""
    setting, _, listed = text.removeprefix("field.").partition("=")
    try:
        values = [float(value) for value in listed.split(",")] if listed else None
    except ValueError as error:
        raise UsageError(f"`fresh` is {text!r}, expected numbers such as activation.omega=30,60,90") from error
    return (None if setting == "auto" else setting), values


def spectrum(values: Tensor) -> Tensor:
    """Share of the amplitude at each frequency k = |k_1| + ... + |k_D|, k >= 1, of values [*shape, C].

    |DFT| of the non-redundant half, summed over channels and along k, the constant dropped, normalised to sum 1
    (all 0 for a constant signal).
    """
    shape = values.shape[:-1]
    amplitude = torch.fft.rfftn(values.double(), dim=tuple(range(len(shape)))).abs().sum(-1)
    k = torch.zeros(())
    for d, n in enumerate(shape):
        own = torch.arange(amplitude.shape[d])
        own = torch.minimum(own, n - own) if d < len(shape) - 1 else own
        k = k.unsqueeze(-1) + own
    k = k.flatten().long()
    total = torch.zeros(int(k.max()) + 1, dtype=torch.float64).index_add_(0, k, amplitude.flatten())
    total[0] = 0
    # for a constant the transform leaves rounding errors only
    if float(total.sum()) <= 1e-9 * float(amplitude.flatten()[0]) * len(total):
        return torch.zeros_like(total[1:])
    return total[1:] / total.sum()


def wasserstein(p: Tensor, q: Tensor) -> float:
    """Wasserstein-1 distance of two distributions over the same frequencies, in cycles: sum |P - Q| of their sums."""
    return float((p.cumsum(0) - q.cumsum(0)).abs().sum())


def _distance(
    config: FieldConfig, signal: Signal, axes: Sequence[Tensor], target: Tensor, draws: int, seed: int
) -> float:
    total = 0.0
    for draw in range(draws):
        field = config.build(signal.spec, Generator().manual_seed(seed * draws + draw))
        with torch.no_grad():
            total += wasserstein(spectrum(field.on_grid(axes)), target)
    return total / draws if math.isfinite(total) else math.inf


def _crop(shape: tuple[int, ...]) -> tuple[tuple[slice, ...], list[Tensor]]:
    """The central crop of a lattice, with equal sides if they are long enough: slices, and its coordinates."""
    side = min(MAX_SIDE.get(len(shape), 8), max(shape))
    slices, axes = [], []
    for n in shape:
        kept = min(n, side)
        start = (n - kept) // 2
        slices.append(slice(start, start + kept))
        axes.append((torch.arange(start, start + kept) + 0.5) / n)
    return tuple(slices), axes


def _candidates(
    signal: Signal, field: FieldConfig, setting: str | None, values: Sequence[float] | None
) -> tuple[str, Sequence[float]]:
    if setting is not None and values is not None:
        return setting, values
    if setting is not None:
        return setting, _default_candidates(setting)
    resolved = field.resolve(signal.spec)
    for path, candidates in DEFAULTS:
        if _value(resolved, path) is None:
            continue
        if path == "activation.omega" and signal.spec.traits.is_waveform:
            return "activation.omega_first", AUDIO_OMEGAS_FIRST
        return path, candidates
    raise _no_setting(field)


def _default_candidates(setting: str) -> Sequence[float]:
    known: dict[str, Sequence[float]] = dict(DEFAULTS)
    if setting not in known:
        raise UsageError(f"FreSh has no candidates for {setting!r}", f"give some: {setting}=1,3,10")
    return known[setting]


def _no_setting(field: FieldConfig) -> UsageError:
    return UsageError(
        f"FreSh knows no frequency setting of field {field.type_name!r}",
        "name one with its candidates: `fresh=encoding.base=4,8,16`",
    )


def _has(config: Any, path: str) -> bool:
    """Whether there is a setting at a path, whatever its value."""
    *parents, name = path.split(".")
    for part in parents:
        config = getattr(config, part, None)
    return hasattr(config, name)


def _value(config: Any, path: str) -> Any:
    """The value at a setting's path; None if there is no such setting."""
    for part in path.split("."):
        config = getattr(config, part, None)
    return config
