"""How much was gained by settings that verdicts of `inr ntk` advised, in fits of as many steps.

The numbers are in advice_gains.json, which `python benchmarks/verdict_advice.py --gains` writes from the records.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FEWEST = 10
"""Fits of one kind of setting for separate figures; of fewer, the figures of all kinds are said."""
LOSS_DB = 1.0
ALL = "all"


@dataclass(frozen=True)
class Gains:
    """Fits with an advised setting against those without it.

    fits: how many. mean_db, worst_db: of what is left of the signal's energy, positive where the advice helped.
    n_losing: fits that lost more than LOSS_DB.
    """

    fits: int
    mean_db: float
    worst_db: float
    n_losing: int

    @classmethod
    def of(cls, gains_db: Sequence[float]) -> Gains:
        """Of one fit and more."""
        mean, worst = round(sum(gains_db) / len(gains_db), 2), round(min(gains_db), 2)
        return cls(len(gains_db), mean, worst, sum(gain < -LOSS_DB for gain in gains_db))

    def sentence(self) -> str:
        """For a verdict."""
        text = f"In {self.fits} fits such advice gained {self.mean_db:.1f} dB in the mean"
        if not self.n_losing:
            return f"{text}, and none lost more than {LOSS_DB:g} dB."
        return f"{text}; {self.n_losing} lost more than {LOSS_DB:g} dB, {-self.worst_db:.1f} dB at worst: compare fits."


def kind_of(setting: str) -> str:
    """The kind of an advised setting: `fit.lr` of `fit.lr=0.003`."""
    return setting.partition("=")[0]


def gains_of(setting: str, *, is_rehearsed: bool) -> Gains:
    """Of settings of this kind, or of all where the kind has few fits. is_rehearsed: advised after rehearsals."""
    known = document()["rehearsal" if is_rehearsed else "kernel"]
    own = known.get(kind_of(setting))
    return Gains(**(own if own is not None and own["fits"] >= FEWEST else known[ALL]))


def document_of(gains_db: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, dict[str, Any]]]:
    """The document of advice_gains.json, from the gains by way and kind of setting."""
    return {
        way: {
            ALL: asdict(Gains.of([gain for gains in kinds.values() for gain in gains])),
            **{kind: asdict(Gains.of(gains)) for kind, gains in sorted(kinds.items())},
        }
        for way, kinds in sorted(gains_db.items())
    }


@functools.cache
def document() -> dict[str, dict[str, dict[str, Any]]]:
    """The document of advice_gains.json: way, kind of setting, figures."""
    found: dict[str, Any] = json.loads(Path(__file__).with_name("advice_gains.json").read_text("utf-8"))
    return found
