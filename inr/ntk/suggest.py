"""Settings proposed from a signal's spectrum and the tangent kernel of untrained fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from inr.core.config import override, parse
from inr.core.domain import Spec
from inr.core.errors import UsageError, did_you_mean
from inr.core.samples import Samples
from inr.fields import FieldConfig
from inr.ntk.kernel.operator import TangentOperator
from inr.ntk.probe_windows import ProbeWindows
from inr.ntk.spectra.bands import band_energy
from inr.ntk.spectra.fourier import band_kernel
from inr.signals import Signal

SLOW_DB = 10.0
"""A band is slow if its kappa is this far below that of the fastest band."""

PROBES, DRAWS = 8, 2

OMEGAS = (30.0, 45.0, 60.0, 90.0)  # smaller values lost to the default; larger ones were not tested
OMEGAS_FIRST = (1.0, 3.0, 10.0, 30.0)  # of t in [-100, 100]; 300, proposed for 7 s of music, lost to the default 30
SIGMAS = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)


@dataclass(frozen=True)
class FrequencySetting:
    """The setting of a family that determines its bandwidth, and the values that are tried, ascending.

    allowed: share of the signal's energy that may be in slow bands. It is larger for sines in pictures, which learn
    more than their kernel at the start predicts, because it changes.
    """

    field: str
    setting: str
    values: Sequence[float]
    allowed: float


PICTURE_RULES = (FrequencySetting("siren", "activation.omega", OMEGAS, 0.2),)
WAVEFORM_RULES = (
    FrequencySetting("siren", "activation.omega_first", OMEGAS_FIRST, 0.01),
    FrequencySetting("rff", "encoding.sigma", SIGMAS, 0.01),
)
"""Settings that were better than the defaults in benchmarks/suggest.py."""


@dataclass(frozen=True)
class Proposal:
    """A value for a setting of a family; default: its present value.

    slow, slow_default: share of the signal's energy in slow bands with either value. tried: this share by value.
    allowed: see `FrequencySetting`.
    """

    field: str
    setting: str
    value: float
    default: float
    allowed: float
    slow: float
    slow_default: float
    tried: Mapping[float, float]

    @property
    def is_default(self) -> bool:
        return self.value == self.default

    @property
    def reason(self) -> str:
        if self.slow > self.allowed:
            shares = f"{self.slow:.1%}, in slow bands; the default has {self.slow_default:.1%}"
            return f"has the least energy, {shares}"
        reason = f"the smallest value with less than {self.allowed:.0%} of the energy in slow bands"
        return reason if self.is_default else f"{reason}; the default has {self.slow_default:.1%}"


@dataclass(frozen=True)
class Suggestion:
    """kind: of the signal. edges: of the bands, cycles per sample. energy: share of the signal's energy (without its
    mean) in each. field: the default family of the kind. proposals: one for each family.
    """

    kind: str
    edges: Sequence[tuple[float, float]]
    energy: Sequence[float]
    field: str
    proposals: Sequence[Proposal]

    def below(self, share: float) -> float:
        """The frequency (upper edge of a band, cycles per sample) below which `share` of the energy is."""
        total = 0.0
        for (_, high), part in zip(self.edges, self.energy, strict=True):
            total += part
            if total >= share:
                return high
        return self.edges[-1][1]


def rules_for(spec: Spec) -> Sequence[FrequencySetting]:
    """The rules for a kind of signal; none for kinds that were not tested."""
    if spec.traits.is_waveform:
        return WAVEFORM_RULES
    return PICTURE_RULES if spec.traits.is_picture else ()


def suggest(
    signal: Signal, families: Sequence[str] | None = None, *, settings: Sequence[str] = (), seed: int = 0
) -> Suggestion:
    """For each family, the smallest frequency setting with which the signal's bands are learned at similar rates.

    kappa of a band, a rate of learning, is the mean Rayleigh quotient of the untrained field's tangent kernel at its
    frequencies (mean over two random fields). A band is slow if its kappa is 10 dB below that of the fastest band. The
    proposal is the smallest value with at most `FrequencySetting.allowed` of the signal's energy (without its mean) in
    slow bands, or else the value with the least. Larger values would add detail between the samples.

    There are rules for settings that were better than the defaults in benchmarks/suggest.py (equal steps, networks of
    width 64). There is none for sigma of random Fourier features for pictures, where the default 10 was as good, and
    none for the default fields, whose levels already follow the signal's grid: coarser and finer grids were worse, and
    more levels or features were better only with 1.5 to 2 times the parameters. Other kinds of signals were not tested.

    Args:
        signal: a loaded signal.
        families: names of families that have a rule; None: all of them.
        settings: of all families, such as `width=64`.
        seed: of the untrained fields.

    Returns:
        A `Suggestion`: the signal's bands and their energy, and a `Proposal` for each family, with the reason.

    Raises:
        UsageError: the signal has no lattice or is constant, or a family has no rule.
        ConfigError: settings are wrong.

    Examples:
        >>> from inr.ntk.suggest import suggest
        >>> from inr.signals import load_signal
        >>> found = suggest(load_signal("photo.png"), ["siren"], settings=["width=32", "depth=1"])
        >>> found.kind, found.proposals[0].setting
        ('image', 'activation.omega')
    """
    rules = {rule.field: rule for rule in rules_for(signal.spec)}
    for name in families or ():
        if name not in rules:
            raise UsageError(
                f"no rule covers field {name!r} for signals of kind {signal.spec.kind!r}{did_you_mean(name, rules)}",
                f"there are rules for {', '.join(rules)}" if rules else "there are rules for pictures and sound",
            )
    pool = signal.pool(Generator().manual_seed(seed))
    samples = Samples.counted(signal.spec, pool, signal.tile)
    samples.refuse_tiles()
    if samples.is_constant():
        raise _constant()
    probes = ProbeWindows.of(samples, seed)
    energy = _energy(samples, probes)
    proposals = []
    for name in families or rules:
        rule = rules[name]
        base = override(parse(FieldConfig, name, "field"), settings, "field")
        default = _value(base.resolve(signal.spec), rule.setting)
        tried: dict[float, float] = {}
        for value in rule.values:
            tried[value] = _slow(override(base, [f"{rule.setting}={value:g}"], "field"), samples, probes, energy, seed)
            if tried[value] <= rule.allowed:
                break
        best = min(tried, key=lambda v: (max(tried[v], rule.allowed), v))
        slow_default = tried.get(default)
        if slow_default is None:
            slow_default = _slow(base, samples, probes, energy, seed)
        proposals.append(Proposal(name, rule.setting, best, default, rule.allowed, tried[best], slow_default, tried))
    return Suggestion(signal.spec.kind, probes.bands.edges, energy.tolist(), signal.default_field, proposals)


def _energy(samples: Samples, probes: ProbeWindows) -> Tensor:
    """Shares [B] of the energy in the windows, without their means."""
    total = torch.zeros(probes.bands.n_bands, dtype=torch.float64)
    for window in probes.windows:
        y = samples.at(window)[1].double()
        total += band_energy(y - y.mean(0), probes.bands, "hann")
    total[0] = 0
    if not float(total.sum()) > 0:
        raise _constant()
    return total / total.sum()


def _constant() -> UsageError:
    return UsageError("the signal is constant, so there is no spectrum to propose settings from")


def _slow(config: FieldConfig, samples: Samples, probes: ProbeWindows, energy: Tensor, seed: int) -> float:
    config = config.resolve(samples.spec)
    x = samples.at(probes.windows[0])[0]
    kappa = torch.zeros_like(energy)
    for draw in range(seed, seed + DRAWS):
        field = config.build(samples.spec, Generator().manual_seed(draw))
        operator = TangentOperator(field, x, channels="sum", dtype=torch.float32)
        kappa += band_kernel(operator, probes.bands, Generator().manual_seed(draw), PROBES).kappa
    return float(energy[kappa < kappa[1:].max() * 10 ** (-SLOW_DB / 10)].sum())


def _value(config: Any, path: str) -> float:
    for part in path.split("."):
        config = getattr(config, part)
    return float(config)
