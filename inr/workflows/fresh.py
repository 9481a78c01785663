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
ENTRIES = 64
"""Entries of a spectrum that are compared: the paper's number for SIREN, and its scripts' for all networks."""
MAX_SIDE = {1: 2**14, 2: 192, 3: 48, 4: 16}
"""Points per axis at which a field is evaluated, by the number of coordinates."""

OMEGAS = tuple(range(10, 201, 10))
DEFAULTS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("encoding.sigma", tuple(range(1, 21))),
    ("activation.first_bias", tuple(k / 10 for k in range(31))),
    ("activation.omega_first", OMEGAS),
    ("activation.omega", OMEGAS),
)
"""The paper's candidates by setting; the default is the first setting that the field has and that is not none."""
AUDIO_OMEGAS_FIRST = (30, 100, 300, 600, 1000, 1500, 2000, 3000, 4500, 6000, 10000)
"""Candidates for sound (not in the paper), for coordinates in [-1, 1]; other ranges have them in proportion."""


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

    field: not resolved, so that what depends on the setting follows it. setting: its path ("encoding.sigma",
    "activation.omega_first"); values: the candidates; by default those of `DEFAULTS`. Each candidate is built `draws`
    times, and its distances are averaged. Compared are the first 64 entries of `spectrum`, over the whole signal.

    The paper: the output on the signal's own lattice, both resized to a square of at most 1024 pixels a side; here: the
    output at up to 192 x 192 points of the unit box, because 64 cycles need 128 and 1024 x 1024 take 28 times as long,
    and the signal as it is, because frequencies count per unit box. The paper: pictures and videos; here: sound too, by
    all entries of the spectra of the central 2^14 samples, because its frequencies are beyond the first 64.

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
    corner, axes = _compared(signal.spec.shape)
    n_entries = ENTRIES if len(axes) > 1 else len(axes[0]) // 2
    target = spectrum(grid[corner], n_entries)
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


def spectrum(values: Tensor, n_entries: int = ENTRIES) -> Tensor:
    """Share of the amplitude at each frequency k = k_1 + ... + k_D, 1 <= k <= n_entries, of values [*shape, C].

    |DFT| at k_d = 0 ... n_d / 2, summed over channels and along k, the constant dropped, normalised to sum 1 (all 0 for
    a constant signal). Frequencies of opposite signs are left out, as in the paper's code.
    """
    n_dims = values.ndim - 1
    dims = tuple(range(n_dims))
    centred = values - values.mean(dims, keepdim=True)
    if float(centred.abs().max()) <= 1e-6 * float(values.abs().max()):
        return torch.zeros(n_entries, dtype=torch.float64)
    found = torch.fft.rfft(centred, dim=0) if n_dims == 1 else centred
    for d in dims if n_dims > 1 else ():
        found = _low_frequencies(found, d, n_entries)
    amplitude = found.abs().sum(-1).double()
    k = torch.zeros((), dtype=torch.int64)
    for n in amplitude.shape:
        k = k.unsqueeze(-1) + torch.arange(n)
    is_compared = (k >= 1) & (k <= n_entries)
    total = torch.zeros(n_entries, dtype=torch.float64)
    total.index_add_(0, k[is_compared] - 1, amplitude[is_compared])
    return total / total.sum().clamp_min(torch.finfo(total.dtype).tiny)


def _low_frequencies(values: Tensor, dim: int, n_entries: int) -> Tensor:
    """DFT along one axis at k = 0 ... min(n_entries, n / 2): a product of matrices, small where the signal is large."""
    n = values.shape[dim]
    k = torch.arange(min(n_entries, n // 2) + 1, dtype=torch.float64)
    angles = (2 * math.pi / n) * ((k[:, None] * torch.arange(n)) % n)
    real, imaginary = angles.cos().to(values.real.dtype), -angles.sin().to(values.real.dtype)
    if values.is_complex():
        product = torch.tensordot(torch.complex(real, imaginary), values, dims=([1], [dim]))
    else:
        parts = [torch.tensordot(wave, values, dims=([1], [dim])) for wave in (real, imaginary)]
        product = torch.complex(*parts)
    found: Tensor = product.movedim(0, dim)
    return found


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
            total += wasserstein(spectrum(field.on_grid(axes), len(target)), target)
    return total / draws if math.isfinite(total) else math.inf


def _compared(shape: tuple[int, ...]) -> tuple[tuple[slice, ...], list[Tensor]]:
    """The part of a lattice that is compared, and the coordinates at which a field is. Sound: the central samples."""
    side = MAX_SIDE.get(len(shape), 8)
    if len(shape) == 1:
        kept = min(shape[0], side)
        start = (shape[0] - kept) // 2
        return (slice(start, start + kept),), [(torch.arange(start, start + kept) + 0.5) / shape[0]]
    return (slice(None),) * len(shape), [(torch.arange(min(n, side)) + 0.5) / min(n, side) for n in shape]


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
        if path == "activation.omega_first" and signal.spec.traits.is_waveform:
            low, high = _value(resolved, "encoding.low"), _value(resolved, "encoding.high")
            stretch = 1.0 if low is None or high is None else (high - low) / 2
            return path, [omega / stretch for omega in AUDIO_OMEGAS_FIRST]
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
