"""Learning-rate schedules: a factor on every rate, as a function of the fraction of the run that is done."""

from __future__ import annotations

import math
from dataclasses import dataclass

from inr.core.config import param
from inr.fitting.schedules._base import SCHEDULES, ScheduleConfig


@SCHEDULES.register("constant")
@dataclass(frozen=True, kw_only=True)
class Constant(ScheduleConfig):
    """factor = 1."""

    def factor(self, progress: float) -> float:
        return 1.0


@SCHEDULES.register("exponential")
@dataclass(frozen=True, kw_only=True)
class Exponential(ScheduleConfig):
    """factor = end^p for progress p, after a linear warm-up."""

    end: float = param(0.1, "factor at the end of the run", gt=0, le=1)
    warmup: float = param(0.0, "fraction of the run over which the rate rises from 0", ge=0, lt=1)

    def factor(self, progress: float) -> float:
        return _warm(progress, self.warmup) * math.pow(self.end, progress)


@SCHEDULES.register("cosine")
@dataclass(frozen=True, kw_only=True)
class Cosine(ScheduleConfig):
    """factor = end + (1 - end) (1 + cos(pi p)) / 2 for progress p, after a linear warm-up."""

    end: float = param(0.01, "factor at the end of the run", ge=0, le=1)
    warmup: float = param(0.0, "fraction of the run over which the rate rises from 0", ge=0, lt=1)

    def factor(self, progress: float) -> float:
        return _warm(progress, self.warmup) * (self.end + (1 - self.end) * 0.5 * (1 + math.cos(math.pi * progress)))


@SCHEDULES.register("step")
@dataclass(frozen=True, kw_only=True)
class Step(ScheduleConfig):
    """factor = decay^(number of `at` that progress has reached), after a linear warm-up.

    The default is coordinate-aware modulation's (Lee et al. 2024, arXiv:2311.14993: 1000 and 1500 of 2000 steps);
    Fourier reparameterisation's is at = 0.3 (Shi et al. 2024: 3000 of 10000).
    """

    at: tuple[float, ...] = param((0.5, 0.75), "fractions of the run at which the rate falls", ge=0, le=1)
    decay: float = param(0.1, "what the rate is multiplied by there", gt=0, le=1)
    warmup: float = param(0.0, "fraction of the run over which the rate rises from 0", ge=0, lt=1)

    def factor(self, progress: float) -> float:
        return _warm(progress, self.warmup) * math.pow(self.decay, sum(progress >= at for at in self.at))


def _warm(progress: float, warmup: float) -> float:
    return min(1.0, progress / warmup) if warmup > 0 else 1.0
