"""Compilation of functions by numba, and the cache of machine code; does not import torch."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, TypeVar, cast

import numba
from numba.core import bytecode, caching, event

from inr.core.errors import UnavailableError
from inr.core.stopwatch import Stopwatch, compilation, preparation

F = TypeVar("F", bound=Callable[..., Any])

# The symbols of a function contain its number in the process that compiled it. Cached functions come from several
# processes, and with equal symbols numba would mix a function with the copy of it that a caller contains.
bytecode.FunctionIdentity._unique_ids = itertools.count(time.time_ns())


def compiled(function: F) -> F:
    """The function as machine code: compiled at its first call, cached on disk, runs without the GIL.

    Multiply-add may be contracted (rounded once). No other rule of arithmetic is relaxed, so the result depends only on
    the values, and NaN and infinity propagate.
    """
    return _compile(function, {"contract"})


def compiled_exactly(function: F) -> F:
    """As `compiled`, with every operation rounded separately, as in torch: for values that determine an index."""
    return _compile(function, False)


def compiled_inline(function: F) -> F:
    """As `compiled`, and inlined into its callers: for a few operations in an innermost loop."""
    return _compile(function, {"contract"}, forceinline=True)


def _compile(function: F, fastmath: set[str] | bool, *, forceinline: bool = False) -> F:
    if numba.config.DISABLE_JIT:
        raise UnavailableError(
            "NUMBA_DISABLE_JIT is set, and kernels have no other form than the compiled one", "unset NUMBA_DISABLE_JIT"
        )
    with _cache_folder() as is_kept:
        jit = numba.njit(cache=is_kept, nogil=True, error_model="numpy", fastmath=fastmath, forceinline=forceinline)
        dispatcher = jit(function)
        if is_kept:
            _replace_cache_file(dispatcher._cache)
        return cast(F, dispatcher)


class _CacheFile(caching.IndexDataCacheFile):  # type: ignore[misc]  # numba has no types
    """Machine code on disk. Unreadable files count as absent and are compiled again.

    numba reads its index before it compares dates. An index written by an older inr may name modules that have moved,
    and a file may be truncated by a full disk.
    """

    def save(self, key: Any, data: Any) -> None:
        """Nothing is kept where the disk is full or a file may not be as large."""
        with contextlib.suppress(OSError):
            super().save(key, data)

    def _load_index(self) -> Any:
        try:
            return super()._load_index()
        except _UNREADABLE:
            return {}

    def _load_data(self, name: str) -> Any:
        try:
            return super()._load_data(name)
        except _UNREADABLE as error:
            raise OSError(f"{name} cannot be read") from error  # the caller treats it as absent


_UNREADABLE = (ImportError, AttributeError, EOFError, IndexError, KeyError, TypeError, ValueError, UnpicklingError)


def _replace_cache_file(cache: Any) -> None:
    cache._cache_file = _CacheFile(cache._cache_path, cache._impl.filename_base, cache._impl.locator.get_source_stamp())


def skip_scipy_blas_import() -> None:
    """Prevent the import of scipy's BLAS when numba prepares its first function.

    Compiled functions cannot use np.dot afterwards. No function of inr does; do not call this in a process that may run
    other compiled code.
    """
    blas = "scipy.linalg.cython_blas"
    if blas in sys.modules:
        return
    sys.modules[blas] = None  # type: ignore[assignment]  # makes the import fail
    try:
        importlib.import_module("numba.np.arraymath")  # tries the import once
    finally:
        del sys.modules[blas]


class _Timed(event.Listener):  # type: ignore[misc]  # numba has no types
    """Run a stopwatch during an event of numba."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch

    def on_start(self, event: Any) -> None:
        self._stopwatch.__enter__()

    def on_end(self, event: Any) -> None:
        self._stopwatch.__exit__()


event.register("numba:compile", _Timed(compilation))
# Held while a function is compiled or loaded for new argument types.
event.register("numba:compiler_lock", _Timed(preparation))


@contextlib.contextmanager
def _cache_folder() -> Iterator[bool]:
    """Set numba's cache to the user's cache during a definition; yields False if no folder is writable."""
    folder = cache_folder()
    if folder is None:
        yield False
        return
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(folder)
    try:
        yield True
    finally:
        numba.config.CACHE_DIR = before


@cache
def cache_folder() -> Path | None:
    """The folder of machine code: NUMBA_CACHE_DIR, or inr's folder in the user's cache; None if neither is
    writable."""
    return next(filter(_is_writable, _candidates()), None)


def _candidates() -> Iterator[Path]:
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():  # XDG: relative paths must be ignored
        yield base / "inr"
        return
    with contextlib.suppress(RuntimeError):  # no HOME, and an unknown user
        yield Path.home() / ".cache" / "inr"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
