"""Functions as machine code: compiled by numba and cached on disk; imports neither torch nor numba.

numba is imported when the first function is compiled or loaded from its cache, which takes longer than to decode a
picture. A process that has imported neither numba nor torch therefore takes functions from the file of `machine_code`.
Those that are not in it come from numba, and are added to the file when the process ends.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import logging
import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar, cast

F = TypeVar("F", bound=Callable[..., Any])

_lock = threading.RLock()
_from_numba: list[Compiled] = []
"""Functions that were called and were not in the file."""
_is_blas_skipped = False


class Deferred:
    """A module that is imported when one of its names is used."""

    def __init__(self, name: str) -> None:
        self._module = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._module), name)


_numba_functions = Deferred("inr.core.numba_functions")


class Compiled:
    """A function as machine code, for calls from Python and from other compiled functions."""

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        functools.update_wrapper(self, function)
        self._function, self._options = function, options
        self._dispatcher: Any = None

    def __call__(self, *args: Any) -> Any:
        dispatcher = self._dispatcher
        if dispatcher is None:
            native = self._from_file(args)
            if native is not None:
                return native(*args)
            dispatcher = self.dispatcher
        return dispatcher(*args)

    @property
    def dispatcher(self) -> Any:
        """numba's form of the function. Raises UnavailableError where numba must not compile."""
        if self._dispatcher is None:
            with _lock:
                if self._dispatcher is None:
                    if _is_blas_skipped:
                        _numba_functions.skip_scipy_blas_import()
                    self._dispatcher = _numba_functions.dispatcher_of(self._function, **self._options)
        return self._dispatcher

    @property
    def _numba_type_(self) -> Any:
        return self.dispatcher._numba_type_

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.dispatcher, name)

    def _from_file(self, args: tuple[Any, ...]) -> Callable[..., Any] | None:
        if "torch" in sys.modules or ("numba" in sys.modules and not _from_numba):
            return None
        module, name = self._function.__module__, self._function.__qualname__
        if not module.startswith("inr.") or "<" in name:  # another function may have this name
            return None
        if not _from_numba:
            from inr.core import machine_code

            found = machine_code.find(f"{module}:{name}", args)
            if found is not None:
                return found
            atexit.register(_add_to_file)
        _from_numba.append(self)
        return None


def _add_to_file() -> None:
    from inr.core import object_code

    try:
        object_code.add([function.dispatcher for function in _from_numba])
    except Exception:
        logging.getLogger("inr").debug("the file of machine code is not extended", exc_info=True)


class Intrinsic:
    """A function that compiled functions call, given as a function that writes its code: see `numba.extending`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = self.__wrapped__ = function

    @functools.cached_property
    def _numba_type_(self) -> Any:
        with _lock:
            return _numba_functions.type_of_intrinsic(self._function)


def intrinsic(function: Callable[..., Any]) -> Any:
    """As numba's decorator of this name, without importing numba."""
    return Intrinsic(function)


def compiled(function: F) -> F:
    """The function as machine code: compiled at its first call, cached on disk, runs without the GIL.

    Multiply-add may be contracted (rounded once). No other rule of arithmetic is relaxed, so the result depends only on
    the values, and NaN and infinity propagate.
    """
    return cast(F, Compiled(function, fastmath={"contract"}))


def compiled_exactly(function: F) -> F:
    """As `compiled`, with every operation rounded separately, as in torch: for values that determine an index."""
    return cast(F, Compiled(function, fastmath=False))


def compiled_inline(function: F) -> F:
    """As `compiled`, and inlined into its callers: for a few operations in an innermost loop."""
    return cast(F, Compiled(function, fastmath={"contract"}, forceinline=True))


def skip_scipy_blas_import() -> None:
    """Prevent the import of scipy's BLAS when numba prepares its first function.

    Compiled functions cannot use np.dot afterwards. No function of inr does; do not call this in a process that may run
    other compiled code.
    """
    global _is_blas_skipped
    _is_blas_skipped = True
