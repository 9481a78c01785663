"""Settings proposed from the signal's spectrum and the tangent kernel at the start, before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from inr._config import override, parse
from inr._errors import UsageError, did_you_mean
from inr._samples import Samples
from inr.fields import FieldConfig
from inr.fitting._sight import Sight
from inr.ntk import TangentOperator, band_energy, band_kernel
from inr.signals import Signal

SLOW_DB = 10.0
"""A band is slow if its kappa is so far below that of the fastest band."""

PROBES, DRAWS = 8, 2

OMEGAS = (30.0, 45.0, 60.0, 90.0)  # less than the default lost where it was proposed; more was never fitted
OMEGAS_FIRST = (100.0, 300.0, 1000.0, 3000.0)  # 30000, proposed for 7 s of music, lost to the default 3000
SIGMAS = (1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)


@dataclass(frozen=True)
class Rule:
    """The setting of a family that decides its band, and the values that are tried, ascending.

    allowed: share of the signal's energy that may lie in slow bands. It is larger for sines in pictures, which learn
    more than the kernel at the start says: that kernel changes.
    """

    field: str
    setting: str
    values: Sequence[float]
    allowed: float


RULES: Mapping[str, Sequence[Rule]] = {
    "image": (Rule("siren", "activation.omega", OMEGAS, 0.2),),
    "audio": (
        Rule("siren", "activation.omega_first", OMEGAS_FIRST, 0.01),
        Rule("rff", "encoding.sigma", SIGMAS, 0.01),
    ),
}
"""By kind of signal, those that win over the defaults in benchmarks/suggest.py."""


@dataclass(frozen=True)
class Proposal:
    """value of a family's setting, where `default` is what it would be.

    slow, slow_default: shares of the signal's energy in slow bands with each. tried: that share by value.
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
            shares = f"{self.slow:.1%} of the energy in slow bands; the default leaves {self.slow_default:.1%}"
            return f"leaves the least, {shares}"
        said = f"the least value that leaves under {self.allowed:.0%} of the energy in slow bands"
        return said if self.is_default else f"{said}; the default leaves {self.slow_default:.1%}"


@dataclass(frozen=True)
class Suggestion:
    """edges: of the bands, cycles per sample. energy: share of the signal's (without its mean) in each.

    half: the frequency, cycles per sample, below which half of the energy is. field: what the kind is fitted with.
    """

    kind: str
    edges: Sequence[tuple[float, float]]
    energy: Sequence[float]
    field: str
    proposals: Sequence[Proposal]

    def below(self, share: float) -> float:
        """The upper edge, cycles per sample, of the band by which `share` of the energy is reached."""
        total = 0.0
        for (_, high), part in zip(self.edges, self.energy, strict=True):
            total += part
            if total >= share:
                return high
        return self.edges[-1][1]


def suggest(
    signal: Signal, families: Sequence[str] | None = None, *, settings: Sequence[str] = (), seed: int = 0
) -> Suggestion:
    """For each family the least frequency setting with which the signal's bands are all learned at about one rate.

    kappa of a band is the mean Rayleigh quotient of the tangent kernel at its frequencies, for fresh parameters (mean
    over two draws): a rate of learning. A band is slow if it is 10 dB below the fastest. The proposal is the smallest
    value with at most so much of the signal's energy, mean excluded, in slow bands (`Rule.allowed`), or else the one
    with the least; values beyond what the signal needs are left alone, as they fit what is between the samples.

    Rules are here that won over the defaults in benchmarks/suggest.py (equal steps, networks of width 64). Not here,
    as they did not: sigma of random Fourier features for pictures, where the default 10 was as good; and anything for
    the default fields, whose levels follow the signal's grid already (coarser and finer bases lost; more levels or
    features won with 1.5 and 2 times the parameters, which is no matter of the spectrum). Signals of other kinds have
    no rule: none was tried.

    Args:
        signal: a loaded signal.
        families: of those with a rule; None: all.
        settings: of all of them, as `width=64`.
        seed: of the fresh fields.

    Returns:
        A `Suggestion`: the signal's bands and their energy, and a `Proposal` for each family, with the reason.

    Raises:
        UsageError: signals without a lattice or without energy, and families without a rule.

    Examples:
        >>> from inr.fitting.suggest import suggest
        >>> from inr.signals import load_signal
        >>> found = suggest(load_signal("photo.png"), ["siren"], settings=["width=32", "depth=1"])
        >>> found.kind, found.proposals[0].setting
        ('image', 'activation.omega')
    """
    rules = {rule.field: rule for rule in RULES.get(signal.spec.kind, ())}
    for name in families or ():
        if name not in rules:
            raise UsageError(
                f"there is no rule for field {name!r} and signals of kind {signal.spec.kind!r}"
                f"{did_you_mean(name, rules)}",
                f"there are rules for {', '.join(rules)}" if rules else "there are rules for pictures and sound",
            )
    pool = signal.pool(Generator().manual_seed(seed))
    samples = Samples(
        signal.spec, pool.size, lambda index: ((batch := pool.batch(index)).x, batch.y), pool.order, signal.tile
    )
    samples.refuse_tiles()
    sight = Sight.of(samples, seed)
    energy = _energy(samples, sight)
    proposals = []
    for name in families or rules:
        rule = rules[name]
        base = override(parse(FieldConfig, name, "field"), settings, "field")
        default = _value(base.resolve(signal.spec), rule.setting)
        tried: dict[float, float] = {}
        for value in rule.values:
            tried[value] = _slow(override(base, [f"{rule.setting}={value:g}"], "field"), samples, sight, energy, seed)
            if tried[value] <= rule.allowed:
                break
        best = min(tried, key=lambda v: (max(tried[v], rule.allowed), v))
        slow_default = tried.get(default)
        if slow_default is None:
            slow_default = _slow(base, samples, sight, energy, seed)
        proposals.append(Proposal(name, rule.setting, best, default, rule.allowed, tried[best], slow_default, tried))
    return Suggestion(signal.spec.kind, sight.bands.edges, energy.tolist(), signal.default_field, proposals)


def _energy(samples: Samples, sight: Sight) -> Tensor:
    """Shares [B] of the energy of the windows, without their means."""
    total = torch.zeros(sight.bands.n_bands, dtype=torch.float64)
    for window in sight.windows:
        y = samples.at(window)[1].double()
        total += band_energy(y - y.mean(0), sight.bands, "hann")
    total[0] = 0
    if not float(total.sum()) > 0:
        raise UsageError("the signal is constant, so it has no spectrum to propose settings from")
    return total / total.sum()


def _slow(config: FieldConfig, samples: Samples, sight: Sight, energy: Tensor, seed: int) -> float:
    config = config.resolve(samples.spec)
    x = samples.at(sight.windows[0])[0]
    kappa = torch.zeros_like(energy)
    for draw in range(seed, seed + DRAWS):
        field = config.build(samples.spec, Generator().manual_seed(draw))
        operator = TangentOperator(field, x, channels="sum", dtype=torch.float32)
        kappa += band_kernel(operator, sight.bands, Generator().manual_seed(draw), PROBES).kappa
    return float(energy[kappa < kappa[1:].max() * 10 ** (-SLOW_DB / 10)].sum())


def _value(config: Any, path: str) -> float:
    for part in path.split("."):
        config = getattr(config, part)
    return float(config)
