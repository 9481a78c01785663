"""How kernels are compiled by numba, where the machine code is kept, and how a call is spread over threads."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import event

from inr._preparation import Stopwatch, compilation, preparation

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """The function as machine code: compiled at its first call, kept on disk, free of the interpreter's lock.

    A multiplication and the addition that follows may be rounded once; no other rule of arithmetic is relaxed, so
    the result depends on the values alone and numbers that are not finite stay so.
    """
    return _compile(function, {"contract"})


def compiled_exactly(function: F) -> F:
    """As `compiled`, with every operation rounded by itself, as torch does: for what decides an index."""
    return _compile(function, False)


def _compile(function: F, fastmath: set[str] | bool) -> F:
    with _cache_folder() as is_kept:
        jit = numba.njit(cache=is_kept, nogil=True, error_model="numpy", fastmath=fastmath)
        return cast(F, jit(function))


class _Timed(event.Listener):  # type: ignore[misc]  # numba has no types
    """Runs a stopwatch while numba is at something."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch

    def on_start(self, event: Any) -> None:
        self._stopwatch.__enter__()

    def on_end(self, event: Any) -> None:
        self._stopwatch.__exit__()


event.register("numba:compile", _Timed(compilation))
# Held whenever a function is made ready for new types of arguments, by compiling it or from disk.
event.register("numba:compiler_lock", _Timed(preparation))


@contextmanager
def _cache_folder() -> Iterator[bool]:
    """Points numba at the user's cache for the time of a definition; false where nothing can be written."""
    if numba.config.CACHE_DIR:
        yield True
        return
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "inr"
    if not _is_writable(folder):
        yield False
        return
    numba.config.CACHE_DIR = str(folder)
    try:
        yield True
    finally:
        numba.config.CACHE_DIR = ""


@cache
def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(n_threads, thread_name_prefix="inr")


if hasattr(os, "register_at_fork"):
    # A forked child has the pool's books and none of its threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def in_parts(work: Callable[[int, int], None], size: int, least: int = 1) -> None:
    """Calls work(part, parts) for every part, side by side on as many threads as torch uses.

    `size` is what there is to share out; no part is made for less than `least` of it.
    """
    parts = max(1, min(_threads(), size // least))
    if parts == 1:
        work(0, 1)
        return
    others = [_pool(parts - 1).submit(work, part, parts) for part in range(1, parts)]
    work(0, parts)
    for other in others:
        other.result()


def in_turn(count: int, work: Callable[[int], None]) -> None:
    """Calls work(0), ..., work(count - 1); a thread that is done takes the next one."""
    numbers = iter(range(count))

    def take(part: int, parts: int) -> None:
        for number in numbers:
            work(number)

    in_parts(take, count)


def _threads() -> int:
    """As many as torch uses, or would use where it is not needed."""
    torch = sys.modules.get("torch")
    if torch is not None:
        count: int = torch.get_num_threads()
        return count
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)
