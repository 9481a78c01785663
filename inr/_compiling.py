"""How functions are compiled by numba, and where the machine code is kept; needs no torch."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
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


def compiled_inline(function: F) -> F:
    """As `compiled`, and put whole into the functions that call it: for a few operations in an innermost loop."""
    return _compile(function, {"contract"}, forceinline=True)


def _compile(function: F, fastmath: set[str] | bool, *, forceinline: bool = False) -> F:
    with _cache_folder() as is_kept:
        jit = numba.njit(cache=is_kept, nogil=True, error_model="numpy", fastmath=fastmath, forceinline=forceinline)
        return cast(F, jit(function))


def forgo_blas() -> None:
    """Spares this process the import of scipy's BLAS when its first function is made ready.

    Compiled functions can not multiply matrices by np.dot afterwards. None of ours does; a process that may run
    other people's is not ours to take it from.
    """
    blas = "scipy.linalg.cython_blas"
    if blas in sys.modules:
        return
    sys.modules[blas] = None  # type: ignore[assignment]  # what the import system takes for "can not be imported"
    try:
        importlib.import_module("numba.np.arraymath")  # looks for it once
    finally:
        del sys.modules[blas]


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
