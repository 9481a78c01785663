"""Functions compiled by numba, and its cache of machine code."""

from __future__ import annotations

import contextlib
import functools
import importlib
import itertools
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pickle import UnpicklingError
from typing import Any

import numba
from numba import _dynfunc
from numba.core import bytecode, caching, cpu, event
from numba.core.registry import cpu_target

from inr.core.cache_folder import cache_folder
from inr.core.compiled_sources import stamp_of
from inr.core.errors import UnavailableError
from inr.core.stopwatch import Stopwatch, compilation, preparation

# The symbols of a function contain its number in the process that compiled it. Cached functions come from several
# processes, and with equal symbols numba would mix a function with the copy of it that a caller contains.
bytecode.FunctionIdentity._unique_ids = itertools.count(time.time_ns())


def dispatcher_of(function: Callable[..., Any], *, is_callee: bool = False, **options: Any) -> Any:
    """numba's dispatcher of a function: options of `numba.njit`, a cache on disk if there is a folder for it.

    is_callee: it is for calls from other compiled functions, which contain its code. It has neither a form for calls
    from Python nor a place in the cache.
    """
    if numba.config.DISABLE_JIT:
        raise UnavailableError(
            "NUMBA_DISABLE_JIT is set, and kernels have no other form than the compiled one", "unset NUMBA_DISABLE_JIT"
        )
    options |= {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
    if is_callee:
        return _noted(numba.njit(no_cpython_wrapper=True, **options)(function))
    with _cache_folder() as is_kept:
        dispatcher = _noted(numba.njit(cache=is_kept, **options)(function))
        if is_kept:
            _replace_cache_file(dispatcher._cache, function)
        return dispatcher


_ours: weakref.WeakSet[Any] = weakref.WeakSet()
_depth = threading.local()


def _noted(dispatcher: Any) -> Any:
    _ours.add(dispatcher)
    return dispatcher


class _Ours(event.Listener):  # type: ignore[misc]  # numba has no types
    """Counts, for each thread, how many functions of this package are being compiled, one within the other."""

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"] in _ours:
            _depth.n = getattr(_depth, "n", 0) + 1

    def on_end(self, event: Any) -> None:
        if event.data["dispatcher"] in _ours:
            _depth.n -= 1


_executable = cpu.CPUContext.get_executable


def _executable_if_called(context: Any, library: Any, fndesc: Any, env: Any) -> Any:
    """As numba's method; for a function that only compiled functions call, without its own machine code.

    numba makes machine code of every function, and of the whole again in each of its callers. Such a function is
    compiled within one of this package, has no form for Python, and does not use its environment, which callers have
    no pointer to.
    """
    module = library._final_module
    if not getattr(_depth, "n", 0) or library._finalized:
        return _executable(context, library, fndesc, env)
    if any(function.name == fndesc.llvm_cpython_wrapper_name for function in module.functions):
        return _executable(context, library, fndesc, env)
    library._finalize_final_module = functools.partial(_finish_for_callers, library)
    library._ensure_finalized()
    if str(library._final_module).count(context.get_env_name(fndesc)) > 1:
        del library._finalize_final_module
        library._finalize_final_module()
        return _executable(context, library, fndesc, env)
    name = fndesc.qualname.split(".")[-1]
    return _dynfunc.make_function(fndesc.lookup_module(), name, "", 0, env, (library,))


def _finish_for_callers(library: Any) -> None:
    """What `CodeLibrary._finalize_final_module` does, without machine code."""
    library._finalize_dynamic_globals()
    library._verify_declare_only_symbols()
    library._finalized = True


def _cfunc_wrapper_of_others(context: Any, *args: Any, **options: Any) -> None:
    """numba's method, for functions that are not compiled within one of this package; those are not called from C."""
    if not getattr(_depth, "n", 0):
        _cfunc_wrapper(context, *args, **options)


_cfunc_wrapper = cpu.CPUContext.create_cfunc_wrapper
cpu.CPUContext.get_executable = _executable_if_called
cpu.CPUContext.create_cfunc_wrapper = _cfunc_wrapper_of_others


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
event.register("numba:compile", _Ours())
# Held while a function is compiled or loaded for new argument types.
event.register("numba:compiler_lock", _Timed(preparation))
