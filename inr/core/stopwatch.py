"""Excludes imports and kernel compilation from measured times."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self


class Stopwatch:
    """Measures the time in which at least one thread is inside `with stopwatch: ...` (nested or concurrent).

    Overlapping intervals count once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_running = 0
        self._since = 0.0
        self._before = 0.0
        self._listeners: list[Callable[[], None]] = []

    @property
    def seconds(self) -> float:
        """Seconds so far, including a running interval."""
        with self._lock:
            return self._before + (time.perf_counter() - self._since if self._n_running else 0.0)

    def __enter__(self) -> Self:
        with self._lock:
            self._n_running += 1
            is_first = self._n_running == 1
            if is_first:
                self._since = time.perf_counter()
            listeners = tuple(self._listeners) if is_first else ()
        for listener in listeners:
            listener()
        return self

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._n_running -= 1
            if not self._n_running:
                self._before += time.perf_counter() - self._since

    @contextmanager
    def notifying(self, listener: Callable[[], None]) -> Iterator[None]:
        """Inside the block, call the listener whenever an interval begins, on the thread that begins it."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)


preparation = Stopwatch()
"""Compilation, loading of machine code from disk, and imports of optional packages."""

compilation = Stopwatch()
"""Compilation of kernels by numba: once per machine, because the machine code is cached."""


def working_clock() -> float:
    """Seconds on a clock that stops during preparation, so that the length of a fit does not depend on caches."""
    return time.perf_counter() - preparation.seconds
