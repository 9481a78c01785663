"""The schedule slot: a factor on every learning rate, as a function of how much of the run is done."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from inr.core.config import Config
from inr.core.registry import Registry

SCHEDULES: Registry[type[ScheduleConfig]] = Registry("schedule", "inr.fitting.schedules")


class ScheduleConfig(Config):
    """Settings of a schedule."""

    slot: ClassVar[Registry[type[ScheduleConfig]]] = SCHEDULES

    @abstractmethod
    def factor(self, progress: float) -> float:
        """The factor at `progress` in [0, 1] of the step or time budget, whichever is further."""
