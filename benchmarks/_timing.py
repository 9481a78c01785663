"""Comparable timings on a noisy machine: interleaved calls, and ratios of adjacent measurements."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping

Times = dict[str, list[float]]


def interleaved(
    calls: Mapping[str, Callable[[], object]], seconds: float = 2.0, *, least: int = 3, most: int = 200
) -> Times:
    """Milliseconds of every call by name, each once per round; a first round, which compiles, is not counted.

    Rounds continue for `seconds`, with at least `least` of them. Each round has a different order, as later calls find
    a warm cache.
    """
    for call in calls.values():
        call()
    times: Times = {name: [] for name in calls}
    order, shuffle = list(calls), random.Random(0).shuffle
    begin = time.perf_counter()
    for done in range(most):
        if done >= least and time.perf_counter() - begin >= seconds:
            break
        shuffle(order)
        for name in order:
            start = time.perf_counter()
            calls[name]()
            times[name].append(1e3 * (time.perf_counter() - start))
    return times


def ratio(times: Times, slow: str, fast: str) -> float:
    """Median over the rounds of one call's time over another's."""
    return statistics.median(a / b for a, b in zip(times[slow], times[fast], strict=True))
