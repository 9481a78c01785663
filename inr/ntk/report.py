"""What a field can learn of a signal, as data: a `Report`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from inr.ntk.spectra.alignment import Drift
from inr.ntk.spectra.power_laws import PowerLaws
from inr.ntk.spectra.spectrum import Ranks

LEARNED = 0.5
"""A band is learned when at most half of the target's energy in it is left."""
UNCHANGED = "as it is"
"""The trial without a changed setting."""


@dataclass(frozen=True)
class Band:
    """One band of frequencies; what is left are shares of the target's energy in it. See `report_document`.

    left_adam: the forecast: of the rehearsal of the whole run if there was one, else of the kernel.
    """

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
    left_low: float = math.nan
    left_high: float = math.nan

    @property
    def rho(self) -> float:
        return math.sqrt(self.low * self.high)

    @property
    def is_learned(self) -> bool:
        return self.left_adam <= LEARNED


@dataclass(frozen=True)
class Modes:
    """The kernel's matrix at n points, in its eigenbasis.

    values: eigenvalues over n. energy: E(k). Both are [M], or at the modes in `index` (from 1; the last is M).
    laws: exponents of both, None if too few modes are above rounding noise. dimension: `effective_dimension` of the run
    under gradient descent at half its largest stable rate; nan without steps.
    """

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
    laws: PowerLaws | None = None
    dimension: float = math.nan

    @property
    def at(self) -> tuple[int, ...]:
        """The modes of `values` and `energy`, from 1."""
        return self.index or tuple(range(1, len(self.values) + 1))

    @property
    def size(self) -> int:
        """M, the rows of the matrix."""
        return self.at[-1] if self.values else 0


@dataclass(frozen=True)
class Wide:
    """Similarity to the infinite-width kernel: cka and trace_ratio, or `why` there is none.

    nngp_left, ntk_left, gap: see `WideAnswers`, from `points` samples.
    """

    cka: float = math.nan
    trace_ratio: float = math.nan
    why: str = ""
    nngp_left: float = math.nan
    ntk_left: float = math.nan
    gap: float = math.nan
    points: int = 0


@dataclass(frozen=True)
class Octave:
    """Modes within one octave of eigenvalues: predicted and actual energy by step, as shares of that at the start."""

    low: float
    high: float
    predicted: tuple[float, ...]
    actual: tuple[float, ...]


@dataclass(frozen=True)
class Convergence:
    """A linearised run and the actual one, with all points of the matrix in every step."""

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
class Masses:
    """A density of eigenvalues as point masses: values, descending, and weights >= 0 of sum 1."""

    values: tuple[float, ...]
    weights: tuple[float, ...]

    def below(self, edge: float) -> float:
        """The share of eigenvalues below `edge`."""
        return sum(w for v, w in zip(self.values, self.weights, strict=True) if v < edge)


@dataclass(frozen=True)
class Curvature:
    """Of the loss at n points by all parameters: `curvature_density`. hessian: None without second derivatives."""

    n: int
    gauss_newton: Masses
    hessian: Masses | None = None

    @property
    def negative(self) -> float:
        """The share of the Hessian's eigenvalues below -0.1 % of the largest; nan without a Hessian."""
        if self.hessian is None:
            return math.nan
        return self.hessian.below(-1e-3 * max(map(abs, self.hessian.values)))


@dataclass(frozen=True)
class Trial:
    """A setting that was tried: the share that would not be learned with it.

    gain_db: what rehearsals of the whole run with it leave less than without; nan: only its kernel was read. unlearned
    and limit_db are nan if it was rehearsed.
    """

    setting: str
    unlearned: float
    limit_db: float
    gain_db: float = math.nan


@dataclass(frozen=True)
class Rehearsal:
    """A run forecast from two rehearsals of its whole length on a part of the samples (`thin_runs`).

    share: of the run's samples. batches: of the two. steps: [T], from 0 to the run's last. left: forecast share of the
    target's energy by band of the report [T][B]; of all its energy [T][1] for a signal without bands. seconds: that
    the rehearsals took. right, said: of bands that such forecasts called not learned, how many were not, and of how
    many (0: not known). fit_seconds: that the fit would take, from its first steps; nan: not known. flow: by band, what
    the flow along the kernels of the rehearsal alone leaves, which `left` is a mean with; () if none were read.
    """

    share: float
    batches: tuple[int, ...]
    steps: tuple[int, ...]
    left: tuple[tuple[float, ...], ...]
    seconds: float
    right: int = 0
    said: int = 0
    fit_seconds: float = math.nan
    flow: tuple[float, ...] = ()


@dataclass(frozen=True)
class Finding:
    """One sentence of the verdict, the number behind it, and the source of the rule."""

    rule: str
    text: str
    because: str
    source: str


@dataclass(frozen=True)
class Verdict:
    """unlearned: share of the target's energy, without its mean, in bands that the run will not learn.

    from_rho: the lowest of these bands. psnr_limit: the PSNR if only they were in error. is_reliable: whether the
    kernel hardly changed in the rehearsal.
    """

    unlearned: float = math.nan
    from_rho: float = math.nan
    psnr_limit: float = math.nan
    is_reliable: bool = True
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class Report:
    """What a field can learn of a signal. `report_document` describes each entry."""

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
    wide: Wide = Wide(why="not computed")
    is_linear: bool = False
    is_followed: bool = False
    convergence: tuple[Convergence, ...] = ()
    training_jacobian: tuple[float, ...] = ()
    trials: tuple[Trial, ...] = ()
    rehearsal: Rehearsal | None = None
    curvature: Curvature | None = None
    verdict: Verdict = Verdict()
    warnings: tuple[str, ...] = ()
    seconds: Mapping[str, float] = dataclasses.field(default_factory=dict)
