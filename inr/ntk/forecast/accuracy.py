"""How often forecasts of what is not learned were right, in runs that were fitted.

The numbers are in accuracy.json, which `python benchmarks/rehearsals.py --calibrate` writes from the records
`rehearsals`.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inr.ntk.forecast.calibration import KERNEL

STAYS, CHANGES = "kernel stays", "kernel changes"
"""Runs by the alignment of their kernel with that at the start: at least `inr.ntk.verdict.RICH`, or below."""


@dataclass(frozen=True)
class Accuracy:
    """Of one way to forecast.

    runs: how many. said: bands forecast as not learned. was: bands that were not. both: bands that were and had been
    forecast. Counted are bands with at least 0.1 % of the signal's energy. median_db, worst_db: the error of the energy
    left of all bands, without its sign.
    """

    runs: int
    said: int
    was: int
    both: int
    median_db: float
    worst_db: float

    @property
    def right(self) -> float:
        """The share of the bands forecast as not learned that were not, in [0, 1]."""
        return self.both / max(self.said, 1)

    @property
    def found(self) -> float:
        """The share of the bands that were not learned that had been forecast, in [0, 1]."""
        return self.both / max(self.was, 1)


def accuracy_of(share: float | None, group: str = CHANGES) -> Accuracy:
    """Of rehearsals with this share of the run's samples (0.01, 0.03 or 0.1), or None: of the kernel as it is.

    group: STAYS or CHANGES.
    """
    return Accuracy(**document()[KERNEL if share is None else f"{share:g}"][group])


@functools.cache
def document() -> dict[str, Any]:
    """The document of accuracy.json: way, group of runs, figures."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("accuracy.json").read_text("utf-8"))
    return found
