"""Time that is no part of the work: packages imported on demand, machine code compiled or read from disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self


class Stopwatch:
    """Seconds in which something was going on, on any thread: `with stopwatch: ...`, nested and side by side as well.

    Time is counted once, however many are at it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at_it = 0
        self._since = 0.0
        self._before = 0.0
        self._listeners: list[Callable[[], None]] = []

    @property
    def seconds(self) -> float:
        """Seconds so far, those of a stretch that is not over included."""
        with self._lock:
            return self._before + (time.perf_counter() - self._since if self._at_it else 0.0)

    def __enter__(self) -> Self:
        with self._lock:
            self._at_it += 1
            is_first = self._at_it == 1
            if is_first:
                self._since = time.perf_counter()
            listeners = tuple(self._listeners) if is_first else ()
        for listener in listeners:
            listener()
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._at_it -= 1
            if not self._at_it:
                self._before += time.perf_counter() - self._since

    @contextmanager
    def telling(self, listener: Callable[[], None]) -> Iterator[None]:
        """Within the block the listener is called whenever a stretch begins, on the thread that begins it."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)


preparation = Stopwatch()
"""All of it: compilation, reading machine code from disk, and imports of optional packages."""

compilation = Stopwatch()
"""Kernels compiled by numba: once per machine, as the machine code is kept."""


def working_clock() -> float:
    """Seconds on a clock that stands still during preparation, so that a fit's length does not depend on what a
    machine has in its cache."""
    return time.perf_counter() - preparation.seconds
