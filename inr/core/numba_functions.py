"""Functions compiled by numba, and its cache of machine code."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from pickle import UnpicklingError
from typing import Any

import numba
from numba.core import bytecode, caching, event
from numba.core.registry import cpu_target

from inr.core.cache_folder import cache_folder
from inr.core.compiled_sources import stamp_of
from inr.core.errors import UnavailableError
from inr.core.stopwatch import Stopwatch, compilation, preparation

# The symbols of a function contain its number in the process that compiled it. Cached functions come from several
# processes, and with equal symbols numba would mix a function with the copy of it that a caller contains.
bytecode.FunctionIdentity._unique_ids = itertools.count(time.time_ns())


def dispatcher_of(function: Callable[..., Any], **options: Any) -> Any:
    """numba's dispatcher of a function: options of `numba.njit`, a cache on disk if there is a folder for it."""
    if numba.config.DISABLE_JIT:
        raise UnavailableError(
            "NUMBA_DISABLE_JIT is set, and kernels have no other form than the compiled one", "unset NUMBA_DISABLE_JIT"
        )
    with _cache_folder() as is_kept:
        dispatcher = numba.njit(cache=is_kept, nogil=True, error_model="numpy", **options)(function)
        if is_kept:
            _replace_cache_file(dispatcher._cache, function)
        return dispatcher


def type_of_intrinsic(function: Callable[..., Any]) -> Any:
    """numba's type of an intrinsic that is given by the function that writes its code."""
    made = numba.extending.intrinsic(function)
    context = cpu_target.typing_context
    context.refresh()
    return context.resolve_value_type(made)


def type_of_overload(function: Callable[..., Any], form: Callable[..., Any], options: dict[str, Any]) -> Any:
    """numba's type of a function whose form for given types another function returns."""
    numba.extending.overload(function, jit_options=options)(form)
    context = cpu_target.typing_context
    context.refresh()
    return context.resolve_value_type(function)


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


def _replace_cache_file(cache: Any, function: Callable[..., Any]) -> None:
    """numba compares with the function's own file only; callees and constants are part of its machine code as well."""
    cache._cache_file = _CacheFile(cache._cache_path, cache._impl.filename_base, stamp_of(function))


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


def skip_scipy_blas_import() -> None:
    """See `jit.skip_scipy_blas_import`."""
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
