"""Learning-rate schedules: a factor on every rate, as a function of the fraction of the run that is done."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from inr._config import Config, param
from inr._registry import Registry

SCHEDULES: Registry[type[ScheduleConfig]] = Registry("schedule", "inr.fitting")


class ScheduleConfig(Config):
    """Settings of a schedule."""

    slot: ClassVar[Registry[type[ScheduleConfig]]] = SCHEDULES

    @abstractmethod
    def factor(self, progress: float) -> float:
        """The factor at `progress` in [0, 1] of the step or time budget, whichever is further."""


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


def _warm(progress: float, warmup: float) -> float:
    return min(1.0, progress / warmup) if warmup > 0 else 1.0
