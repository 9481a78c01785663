"""How far forecasts were off in runs that were fitted: conformal intervals, and how often a lost band was lost.

The numbers are in calibration.json, which `python benchmarks/forecasts.py --calibrate RECORD` writes from a record.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inr.fields import Field

LEVEL = 0.9
"""Share of intervals that should hold."""
FLOOR = 0.3
"""Added to the logarithmic change that is forecast: a forecast of no change is not exact either."""
LEAST = 1e-4
"""Share of a band's energy, -40 dB, below which it does not matter how much is left; smaller values count as this."""
GRID, NETWORK = "grid", "network"
"""Classes of families."""
KERNEL = "kernel"
"""The forecast from the kernel as it is, without a rehearsal of the whole run."""


@dataclass(frozen=True)
class Calibration:
    """Of one way to forecast, for one class of families.

    quantile: LEVEL of |log true - log forecast| / (FLOOR + |log forecast - log known|), over bands of runs that
    calibrate (`conformal_quantile`; normalised scores: Papadopoulos et al. 2002). right, said: bands forecast as not
    learned, of runs that did not calibrate. runs: that did.
    """

    quantile: float
    right: int
    said: int
    runs: int

    def interval(self, forecast: float, known: float) -> tuple[float, float]:
        """(low, high) of the energy left, >= 0. known: what was measured and the forecast changes."""
        middle, before = max(forecast, LEAST), max(known, LEAST)
        width = self.quantile * (FLOOR + abs(math.log(middle / before)))
        low = middle * math.exp(-width)
        return low if low > LEAST else 0.0, middle * math.exp(min(width, 600.0))


def family_class(field: Field) -> str:
    """GRID: the encoding is trained; else NETWORK."""
    return GRID if any(p.requires_grad for p in field.param_groups().get("encoding", [])) else NETWORK


WITH_FLOW = " flow"
"""Ends the name of a rehearsal whose forecast is a mean with the flow along its kernels (`blend`)."""


def calibration_of(kind: str, share: float | None, *, has_flow: bool = False) -> Calibration | None:
    """For a class of families and a rehearsal with `share` of the run's samples; None: for the kernel as it is.

    That of the largest share that was calibrated and is not above `share`, or of the smallest. None if the class has no
    calibration. has_flow: the forecast is a mean with the flow's, which starts from all of the target's energy.
    """
    known: dict[str, Any] = table()["classes"].get(kind, {})
    if share is None:
        return None if KERNEL not in known else Calibration(**known[KERNEL])
    end = WITH_FLOW if has_flow else ""
    names = [name for name in known if name != KERNEL and name.endswith(WITH_FLOW) == has_flow]
    shares = sorted(float(name.removesuffix(end)) for name in names)
    if not shares:
        return None
    chosen = max((s for s in shares if s <= share * (1 + 1e-9)), default=shares[0])
    return Calibration(**known[f"{chosen:g}{end}"])


def conformal_quantile(runs: Sequence[Sequence[float]], level: float = LEVEL) -> float:
    """The score that a band of a new run is below with probability `level`: hierarchical conformal prediction.

    The bands of a run are alike, so runs count and not bands: the quantile at level (1 + 1 / K) of the K runs' scores,
    each with the weight 1 / (K bands); inf for fewer than level / (1 - level) runs.  Lee, Barber, Willett 2023,
    arXiv:2306.06342.
    """
    of = [scores for scores in runs if scores]
    wanted = level * (1 + 1 / max(len(of), 1))
    if not of or wanted > 1 + 1e-12:
        return math.inf
    weighted = sorted((value, 1 / (len(of) * len(scores))) for scores in of for value in scores)
    total = 0.0
    for value, weight in weighted:
        total += weight
        if total >= wanted - 1e-12:
            return value
    return weighted[-1][0]


def score(true: float, forecast: float, known: float) -> float:
    """The error of a forecast, normalised by the change that it made."""
    logs = [math.log(max(v, LEAST)) for v in (true, forecast, known)]
    return abs(logs[0] - logs[1]) / (FLOOR + abs(logs[1] - logs[2]))


@functools.cache
def table() -> dict[str, Any]:
    """The document of calibration.json."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("calibration.json").read_text("utf-8"))
    return found
