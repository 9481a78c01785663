"""On which side of an oriented point cloud a place lies: functions that are 1 outside and -1 inside, by name."""

from __future__ import annotations

from inr.signals.solids.indicators._indicator import INDICATORS, Indicator

__all__ = ["INDICATORS", "Indicator"]
