"""Trials of a report whose whole run was rehearsed: other settings, rehearsed too."""

from __future__ import annotations

import math
from collections.abc import Callable

from inr.ntk.ranking import SAME_SIZE, Ranked, rank
from inr.ntk.rehearsal import Subject
from inr.ntk.report import UNCHANGED, Trial
from inr.signals import Signal

PART = 1 / 6
"""Of a report's rehearsal, for each rehearsal of a trial, of which there are at most two."""


def is_fair(r: Ranked) -> bool:
    """Whether what a rehearsal gains with a change is the setting's, and not its size's or that of few samples."""
    return r.size <= SAME_SIZE and not r.change.is_lower


def rehearse_trials(
    signal: Signal, subject: Subject, share: float, on_progress: Callable[[str], None]
) -> tuple[Trial, ...]:
    """The settings unchanged and each change of `rank` with as many parameters, largest gain first.

    Lower rates and frequencies are left out (`Change.is_lower`).

    share: of the report's rehearsal. A change that diverges has the gain -inf. Which bands would be learned is not
    forecast.
    """
    device = next(subject.now.parameters()).device
    config, settings = subject.now.config, subject.settings
    ranking = rank(signal, config, settings, share * PART, device=device, on_progress=on_progress)
    found = [Trial(UNCHANGED, math.nan, math.nan, 0.0)]
    found += [Trial(r.change.what, math.nan, math.nan, r.gain_db) for r in ranking.found if is_fair(r)]
    return tuple(sorted(found, key=lambda t: -t.gain_db))
