"""Dispatch: chooses the backend of an op for a call, from the call's requirements and the backends' limits."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from inr.core.errors import UnavailableError, did_you_mean
from inr.core.jit import numba_or_error
from inr.core.optional import probe
from inr.kernels import compiler
from inr.kernels.precision import reason_against

_log = logging.getLogger("inr")
_forced: ContextVar[str | None] = ContextVar("inr_backend", default=None)


@dataclass(frozen=True)
class Need:
    """The requirements of one call.

    order: the highest derivative that will be taken of the result (eikonal training: 2).
    deterministic: the same call must give the same bytes.
    functional: the call runs under a torch.func transform, forward-mode AD, torch.export or torch.compile.
    size: the amount of work, in the op's own unit; None: unknown.
    width: features of the widest layer, for networks; None: unknown.
    precision: what the factors of matrix products may be rounded to.
    shape: anything else that a backend may limit, in a type of the op.
    """

    device: str
    dtype: torch.dtype
    order: int = 1
    deterministic: bool = False
    functional: bool = False
    size: int | None = None
    width: int | None = None
    precision: str = "float32"
    shape: Any = None

    @classmethod
    def of(
        cls,
        *tensors: Tensor,
        order: int = 1,
        size: int | None = None,
        width: int | None = None,
        precision: str = "float32",
        shape: Any = None,
    ) -> Need:
        """The need of a call with these tensors (device and dtype are those of the first one)."""
        return cls(
            device=tensors[0].device.type,
            dtype=tensors[0].dtype,
            order=order,
            deterministic=torch.are_deterministic_algorithms_enabled(),
            functional=is_functional(*tensors),
            size=size,
            width=width,
            precision=precision,
            shape=shape,
        )


def is_interpreted() -> bool:
    """Whether Triton kernels run in Triton's interpreter, on CPU tensors: for tests, and thousands of times slower."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def is_functional(*tensors: Tensor) -> bool:
    """Whether these tensors must only meet plain torch operations: they are traced, batched, or carry tangents."""
    if torch.compiler.is_compiling() or torch._C._is_tracing():
        return True
    if torch._C._functorch.peek_interpreter_stack() is not None or forward_ad._current_level >= 0:
        return True
    wrappers = (torch._C._functorch.is_functorch_wrapped_tensor, torch._C._functorch.is_legacy_batchedtensor)
    return any(
        type(tensor) not in (Tensor, torch.nn.Parameter) or any(is_wrapped(tensor) for is_wrapped in wrappers)
        for tensor in tensors
    )


@dataclass(frozen=True)
class Backend:
    """One implementation of an op, with its limits as data; None means no limit.

    target: "module:function", imported when the backend is first used.
    least_size, widths: outside of them it runs, but not faster than the backends after it.
    precisions: types to which it may round the factors of matrix products.
    refuses: "module:function" from `Need.shape` (never None) to reasons against it; the module must import quickly.
    """

    name: str
    priority: int
    target: str
    package: str | None = None
    devices: frozenset[str] | None = None
    dtypes: frozenset[torch.dtype] | None = None
    max_order: int | None = None
    is_deterministic: bool = True
    is_functional: bool = False
    least_size: int = 0
    widths: tuple[int, int] | None = None
    precisions: frozenset[str] = frozenset({"float32"})
    refuses: str | None = None

    def reasons_against(self, need: Need, *, is_thorough: bool = False) -> list[str]:
        """Why this backend cannot serve the need, in sentences; empty if it can.

        Its package is imported only if the device is one of its devices, or if `is_thorough`.
        """
        return list(self._reasons_against(need, is_thorough))

    def _reasons_against(self, need: Need, is_thorough: bool) -> Iterator[str]:
        is_at_home = self.devices is None or need.device in self.devices or self._is_interpreted(need)
        found = None
        if self.package and (is_at_home or is_thorough):
            found = numba_or_error() if self.package == "numba" and not is_thorough else probe(self.package)
        if isinstance(found, Exception):
            cause = f"{type(found).__name__}: {found}".splitlines()[0]
            yield f"the package {self.package!r} cannot be imported ({cause})"
        elif self.package == "triton" and need.device == "cuda" and (reason := compiler.reason_against()):
            yield reason
        if self.devices is not None and not is_at_home:
            yield f"it runs on {_words(self.devices)}, and the tensors are on {need.device}"
        if self.dtypes is not None and need.dtype not in self.dtypes:
            yield f"it computes in {_words(map(str, self.dtypes))}, and the tensors are {need.dtype}"
        if self.max_order is not None and need.order > self.max_order:
            yield f"it has derivatives up to order {self.max_order}, and order {need.order} is needed"
        if need.deterministic and not self.is_deterministic:
            yield "its sums depend on the order in which threads finish, and determinism is required"
        if need.functional and not self.is_functional:
            yield "it cannot run under torch.func, forward-mode AD, torch.export or torch.compile"
        if need.precision not in self.precisions:
            yield f"its matrix products are in {_words(self.precisions)}, and {need.precision} is required"
        asked = self.precisions & {need.precision} or self.precisions
        device = "cuda" if self._is_interpreted(need) else need.device
        for name in sorted(asked):
            if (reason := reason_against(name, device)) is not None:
                yield reason
        if self.refuses is not None and need.shape is not None and is_at_home:
            yield from _resolve(self.refuses)(need.shape)

    def _is_interpreted(self, need: Need) -> bool:
        return self.package == "triton" and need.device == "cpu" and is_interpreted()

    def reasons_to_pass(self, need: Need) -> list[str]:
        """Why another backend is as fast, in sentences; ignored if this backend is forced."""
        if need.size is not None and need.size < self.least_size:
            return [f"it gains nothing below a size of {self.least_size}"]
        if need.width is not None and self.widths is not None and not self.widths[0] <= need.width <= self.widths[1]:
            return [f"it gains nothing outside widths of {self.widths[0]} to {self.widths[1]}"]
        if self._is_interpreted(need):
            return ["it would run in Triton's interpreter, which is for tests"]
        return []

    def is_for(self, need: Need) -> bool:
        """Whether the backend can serve the need. Runs at every call, so the cheapest checks come first."""
        if self.devices is not None and need.device not in self.devices and not self._is_interpreted(need):
            return False
        if need.functional and not self.is_functional:  # first: comparing a traced size would specialise the graph
            return False
        return not self.reasons_to_pass(need) and next(self._reasons_against(need, False), None) is None

    @functools.cached_property
    def function(self) -> Callable[..., Any]:
        """The implementation, imported on first use."""
        return _resolve(self.target)


def _resolve(target: str) -> Callable[..., Any]:
    module, _, name = target.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def _words(names: Any) -> str:
    return ", ".join(sorted(names))


@dataclass(frozen=True)
class Op:
    """An operation with several implementations.

    tolerances: how far a backend may be from the reference, per dtype, as a part of the largest absolute value of
    the reference result; each op says in its own file how they follow from its sums.
    """

    name: str
    backends: tuple[Backend, ...]
    tolerances: Mapping[torch.dtype, float]
    _said: set[str] = field(default_factory=set, compare=False, repr=False)

    def choose(self, need: Need) -> Backend:
        """The backend of highest priority with no reasons against the need, or the forced one.

        Raises UnavailableError with every reason when the forced backend does not fit, or none does.
        """
        named = forced() or os.environ.get("INR_BACKEND")
        if named:
            return self._forced_backend(named, need)
        passed: list[Backend] = []
        for backend in self._ranked:
            if backend.is_for(need):
                if passed and _log.isEnabledFor(logging.INFO):
                    self._say(f"{self.name} runs on backend {backend.name!r}: {_listed(passed, need)}")
                return backend
            passed.append(backend)
        raise UnavailableError(f"no backend of {self.name} fits the call: {_listed(passed, need)}")

    @functools.cached_property
    def _ranked(self) -> list[Backend]:
        return sorted(self.backends, key=lambda backend: -backend.priority)

    def _say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            _log.info("%s", sentence)

    def _forced_backend(self, name: str, need: Need) -> Backend:
        known = {backend.name: backend for backend in self.backends}
        if name not in known:
            raise UnavailableError(
                f"{self.name} has no backend {name!r}{did_you_mean(name, known)}", f"known: {_words(known)}"
            )
        reasons = known[name].reasons_against(need)
        if reasons:
            raise UnavailableError(
                f"backend {name!r} cannot run {self.name}: {'; '.join(reasons)}",
                "unset INR_BACKEND, or leave use_backend, to let the op choose",
            )
        return known[name]


def forced() -> str | None:
    """The backend that `use_backend` forces in this context, if any."""
    return _forced.get()


def _listed(passed: list[Backend], need: Need) -> str:
    reasons = {b.name: b.reasons_against(need) or b.reasons_to_pass(need) for b in passed}
    return "; ".join(f"not {name!r} because {' and '.join(found)}" for name, found in reasons.items())


@contextmanager
def use_backend(name: str) -> Iterator[None]:
    """Inside the block every op runs on this backend or raises UnavailableError; overrides INR_BACKEND."""
    token = _forced.set(name)
    try:
        yield
    finally:
        _forced.reset(token)


def ops() -> dict[str, Op]:
    """Every op by name: each folder of inr.kernels is one, and holds it as `OP`."""
    package = importlib.import_module("inr.kernels")
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg and not m.name.startswith("_"))
    found = (importlib.import_module(f"inr.kernels.{name}").OP for name in names)
    return {op.name: op for op in found}


@dataclass(frozen=True)
class Row:
    """One line of `inr doctor`."""

    op: str
    backend: str
    is_usable: bool
    reasons: tuple[str, ...]


def table(need: Need | None = None) -> list[Row]:
    """For each op and backend, in the order of preference: is it usable for the need (by default float32 on cpu)?"""
    need = need or Need(device="cpu", dtype=torch.float32)
    rows = []
    for op in ops().values():
        for backend in sorted(op.backends, key=lambda backend: -backend.priority):
            reasons = tuple(backend.reasons_against(need, is_thorough=True))
            rows.append(Row(op.name, backend.name, not reasons, reasons))
    return rows
