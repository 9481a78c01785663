"""The schedule slot: a factor on every learning rate, over the run."""

from inr.fitting.schedules._base import SCHEDULES, ScheduleConfig

__all__ = ["SCHEDULES", "ScheduleConfig"]
