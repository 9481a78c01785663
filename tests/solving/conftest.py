"""A clock of steps instead of seconds, so that what descents find does not depend on the machine."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import pytest

from inr.solving import descent


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> float:
    """A clock that ends a descent after 300 steps: the time that is to be given."""
    start, ticks, seconds = time.perf_counter(), itertools.count(), 1e4

    def clock() -> float:
        return start + next(ticks) / 30 * seconds

    monkeypatch.setattr(descent, "time", SimpleNamespace(perf_counter=clock))
    return seconds
