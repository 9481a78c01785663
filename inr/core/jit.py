"""Functions as machine code: compiled by numba and cached on disk; imports neither torch nor numba.

numba is imported when the first function is compiled or loaded from its cache, which takes longer than to decode a
picture. A process that has not imported it otherwise therefore takes functions from the file of `machine_code`. Those
that are not in it come from numba, and are added to the file when the process ends.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import logging
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any, TypeVar, cast

from inr.core import machine_code
from inr.core.machine_code import signature_of
from inr.core.optional import need, probe
from inr.core.stopwatch import preparation

F = TypeVar("F", bound=Callable[..., Any])

_lock = threading.RLock()
_from_numba: list[Compiled] = []
"""Functions that were called and were not in the file."""
_is_blas_skipped = False
_is_numba_ours = False
"""Whether `numba_or_error` has imported numba."""


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
        self._natives: dict[tuple[Any, ...], Callable[..., Any]] = {}

    def __call__(self, *args: Any) -> Any:
        dispatcher = self._dispatcher
        if dispatcher is None:
            signature = signature_of(args)
            native = self._natives.get(signature) or self._from_file(args)
            if native is not None:
                self._natives[signature] = native
                return native(*args)
            dispatcher = self.dispatcher
        return dispatcher(*args)

    @property
    def dispatcher(self) -> Any:
        """numba's form of the function. Raises UnavailableError where numba is broken or must not compile."""
        if self._dispatcher is None:
            with _lock:
                if self._dispatcher is None:
                    need("numba", "this function")
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
        if "numba" in sys.modules and not (_from_numba or _is_numba_ours):
            return None
        module, name = self._function.__module__, self._function.__qualname__
        if not module.startswith("inr.") or "<" in name:  # another function may have this name
            return None
        if not _from_numba:
            with preparation:
                found = machine_code.find(f"{module}:{name}", args)
            if found is not None:
                return found
            atexit.register(_add_to_file)
        _from_numba.append(self)
        return None


def numba_or_error() -> ModuleType | Exception | None:
    """numba, or why it cannot be imported; None if functions come from the file of machine code, without numba."""
    global _is_numba_ours
    if "numba" not in sys.modules:
        if machine_code.is_there():
            return None
        _is_numba_ours = True
    return probe("numba")


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


class Overloaded:
    """A function with a form for each type of arguments in compiled code: see `numba.extending.overload`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def form(self, **options: Any) -> Callable[[F], F]:
        """Decorate the function from types of numba to the form for them; options: of its compilation."""

        def take(form: F) -> F:
            self._form, self._options = form, options
            return form

        return take

    @functools.cached_property
    def _numba_type_(self) -> Any:
        with _lock:
            return _numba_functions.type_of_overload(self._function, self._form, self._options)


def overloaded(function: Callable[..., Any]) -> Overloaded:
    """The function for calls from Python; `form` states those for compiled functions, without importing numba."""
    return Overloaded(function)


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
