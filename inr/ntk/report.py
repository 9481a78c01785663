"""What a field can learn of a signal, as data: a `Report`, and the JSON document that is made of it.

Version 1 of the document; keys are added, never changed or taken away, within a version. Numbers that do not exist are
null.

    inr_ntk            1
    mode               "quick" or "full"
    field, signal      names; state: "start" or "trained"; rehearsed: steps of training that the kernel has seen
    n, p, o            points of the kernel's matrix, parameters, channels; loss_convention "mean": L = |r|^2 / (n o)
    dtype, chunk       what the matrix was computed in, and the points that go through the field at a time
    steps, lr, batch, optimizer    the run that is forecast
    trace, lambda_max, lambda_min_over_max, noise_floor_index    of the matrix; spectrum: its eigenvalues over n
    eff_rank           entropy, participation, stable, numerical
    condition          trace, target: lambda_1 over the eigenvalue at which 99 % of it is reached
    kta, cka_target, lga    alignment with the target
    energy             its cumulative energy by mode; energy90_index, top10_energy: of it
    cka_init, drift    against the kernel at the start: relative, rotation, trace_ratio, overlap
    wide               cka and trace_ratio to the infinite width, or why: a reason why there is none
    bands              rho, low, high (cycles per sample), count, kappa, kappa_error, kappa_adam, tau_steps (gradient
                       descent at half its largest stable rate), target_energy, residual_energy (now, of the target's),
                       left_gd, left_adam (forecast after the run, of the target's), half_step (Adam), is_learned
    is_followed        is left_adam the run's, followed in the Krylov space of the residual? Else each band has one rate
    centroid, roll_off      of the target, and where kappa is 20 dB below its largest, in cycles per sample
    sharpness, two_over_lr  of the kernel for gradient descent
    stable_lr          half of gradient descent's largest stable rate
    per_layer_trace    shares, by layer
    convergence        optimizer, lr, steps, predicted, actual (losses), by octave of eigenvalues: octaves
    training_jacobian  singular values of d theta_T / d theta_0, for small fields in mode full
    trials             settings that were tried: what, unlearned, best first
    verdict            unlearned (share of the target's energy without its mean), from_rho, psnr_limit_db, is_reliable
                       (else the kernel moved, and unlearned is about the most that may be left), sentences
                       [{rule, text, because, source}]
    warnings, seconds  lines; time by part
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from inr.ntk._alignment import Drift
from inr.ntk._spectrum import Ranks

VERSION = 1
LEARNED = 0.5
"""A band is learned when at most half of the target's energy in it is left."""
SHOWN_VALUES = 256
"""Entries of curves over modes in a document, spaced evenly in the logarithm of the index."""


@dataclass(frozen=True)
class Band:
    """One band of frequencies; energies left are shares of the target's energy in it. See the module."""

    low: float
    high: float
    count: int
    kappa: float
    kappa_error: float
    kappa_adam: float
    tau_steps: float
    target_energy: float
    residual_energy: float
    left_gd: float
    left_adam: float
    half_step: float

    @property
    def rho(self) -> float:
        return math.sqrt(self.low * self.high)

    @property
    def is_learned(self) -> bool:
        return self.left_adam <= LEARNED


@dataclass(frozen=True)
class Modes:
    """The kernel's matrix at n points, read in its eigenbasis. values: eigenvalues over n; energy: E(k); both [M], or
    where `index` says so, at those modes (from 1, the last is M)."""

    n: int
    trace: float
    largest: float
    least: float
    floor_index: int
    values: tuple[float, ...]
    energy: tuple[float, ...]
    ranks: Ranks
    condition_trace: float
    condition_target: float
    kta: float
    cka_target: float
    lga: float
    energy90: int
    top10: float
    index: tuple[int, ...] = ()

    @property
    def at(self) -> tuple[int, ...]:
        """The modes that `values` and `energy` are of, from 1."""
        return self.index or tuple(range(1, len(self.values) + 1))

    @property
    def size(self) -> int:
        """M, the rows of the matrix."""
        return self.at[-1] if self.values else 0


@dataclass(frozen=True)
class Wide:
    """Likeness to the infinite width: cka and trace_ratio, or `why` there is none."""

    cka: float = math.nan
    trace_ratio: float = math.nan
    why: str = ""


@dataclass(frozen=True)
class Octave:
    """Modes within one octave of eigenvalues: shares of the energy at the start, predicted and actual, by step."""

    low: float
    high: float
    predicted: tuple[float, ...]
    actual: tuple[float, ...]


@dataclass(frozen=True)
class Convergence:
    """A linearised run and the real one, on the points of the matrix, all of them in every step."""

    optimizer: str
    lr: float
    steps: tuple[int, ...]
    predicted: tuple[float, ...]
    actual: tuple[float, ...]
    octaves: tuple[Octave, ...] = ()

    @property
    def error(self) -> float:
        """The largest |predicted - actual| / (loss at the start)."""
        pairs = zip(self.predicted, self.actual, strict=True)
        return max(abs(p - a) for p, a in pairs) / max(self.actual[0], 1e-300)


@dataclass(frozen=True)
class Trial:
    """A setting that was tried in the kernel: the share that would not be learned with it."""

    setting: str
    unlearned: float
    limit_db: float


@dataclass(frozen=True)
class Finding:
    """One sentence of the verdict, the number that it rests on, and where the rule is from."""

    rule: str
    text: str
    because: str
    source: str


@dataclass(frozen=True)
class Verdict:
    """unlearned: share of the target's energy, without its mean, in bands that the run will not learn, from_rho the
    lowest of them. psnr_limit: what that alone leaves. is_reliable: did the kernel hold still in the rehearsal?"""

    unlearned: float = math.nan
    from_rho: float = math.nan
    psnr_limit: float = math.nan
    is_reliable: bool = True
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Report:
    """What a field can learn of a signal. See the module for what is in it."""

    mode: str
    field: str
    signal: str
    state: str
    rehearsed: int
    n_params: int
    n_channels: int
    steps: int
    lr: float
    batch: int
    optimizer: str
    modes: Modes
    layers: Mapping[str, float]
    bands: tuple[Band, ...] = ()
    centroid: float = math.nan
    roll_off: float | None = None
    sharpness: float = math.nan
    stable_lr: float = math.nan
    cka_init: float = math.nan
    drift: Drift | None = None
    wide: Wide = Wide(why="not asked for")
    is_linear: bool = False
    is_followed: bool = False
    convergence: tuple[Convergence, ...] = ()
    training_jacobian: tuple[float, ...] = ()
    trials: tuple[Trial, ...] = ()
    verdict: Verdict = Verdict()
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The JSON document described in the module; numbers that are not finite are None."""
        m = self.modes
        shown = shown_indices(len(m.values))
        whole = {
            "inr_ntk": VERSION,
            "mode": self.mode,
            "field": self.field,
            "signal": self.signal,
            "state": self.state,
            "rehearsed": self.rehearsed,
            "is_linear": self.is_linear,
            "is_followed": self.is_followed,
            "n": m.n,
            "p": self.n_params,
            "o": self.n_channels,
            "loss_convention": "mean",
            "dtype": "float64",
            "chunk": CHUNK,
            "steps": self.steps,
            "lr": self.lr,
            "batch": self.batch,
            "optimizer": self.optimizer,
            "trace": m.trace,
            "lambda_max": m.largest,
            "lambda_min_over_max": m.least,
            "noise_floor_index": m.floor_index,
            "spectrum": {"index": [m.at[i] for i in shown], "value": [m.values[i] for i in shown]},
            "eff_rank": dataclasses.asdict(m.ranks),
            "condition": {"trace": m.condition_trace, "target": m.condition_target},
            "kta": m.kta,
            "cka_target": m.cka_target,
            "lga": m.lga,
            "energy": {"index": [m.at[i] for i in shown], "value": [m.energy[i] for i in shown]},
            "energy90_index": m.energy90,
            "top10_energy": m.top10,
            "cka_init": self.cka_init,
            "drift": None if self.drift is None else dataclasses.asdict(self.drift),
            "wide": dataclasses.asdict(self.wide),
            "bands": [{"rho": b.rho, **dataclasses.asdict(b), "is_learned": b.is_learned} for b in self.bands],
            "centroid": self.centroid,
            "roll_off": self.roll_off,
            "sharpness": self.sharpness,
            "two_over_lr": 2 / self.lr,
            "stable_lr": self.stable_lr,
            "per_layer_trace": dict(self.layers),
            "convergence": [{**dataclasses.asdict(c), "error": c.error} for c in self.convergence],
            "training_jacobian": list(self.training_jacobian),
            "trials": [dataclasses.asdict(t) for t in self.trials],
            "verdict": {
                "unlearned": self.verdict.unlearned,
                "from_rho": self.verdict.from_rho,
                "psnr_limit_db": self.verdict.psnr_limit,
                "is_reliable": self.verdict.is_reliable,
                "sentences": [dataclasses.asdict(f) for f in self.verdict.findings],
            },
            "warnings": list(self.warnings),
            "seconds": dict(self.seconds),
        }
        finite: dict[str, Any] = _finite(whole)
        return finite


CHUNK = 1024
"""Points that go through the field at a time where the matrix is made (`inr.ntk._units.ROWS`)."""


def shown_indices(n: int) -> list[int]:
    """At most `SHOWN_VALUES` indices of n, the first ones and then evenly spaced in their logarithm."""
    if n <= SHOWN_VALUES:
        return list(range(n))
    steps = (round(n ** (i / (SHOWN_VALUES - 1))) - 1 for i in range(SHOWN_VALUES))
    return sorted({min(n - 1, s) for s in steps})


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
