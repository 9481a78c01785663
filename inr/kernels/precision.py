"""What the factors of matrix products are rounded to while a network trains."""

from __future__ import annotations

import ctypes
import functools
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

import torch

from inr.core.errors import UnavailableError

Precision = Literal["float32", "tf32", "float16", "bfloat16"]
PRECISIONS: frozenset[str] = frozenset(get_args(Precision))

_chosen: ContextVar[Precision] = ContextVar("inr_precision", default="float32")


def precision() -> Precision:
    """The precision that is in effect for kernels."""
    return _chosen.get()


@contextmanager
def use_precision(name: Precision, device: str = "cpu") -> Iterator[None]:
    """Inside the block, kernels that can round the factors of their matrix products to `name` do so.

    device: the type of the device they run on. Raises UnavailableError if the device gains nothing by it.
    """
    reason = reason_against(name, device)
    if reason is not None:
        raise UnavailableError(f"precision {name!r} is not offered here: {reason}", "use float32")
    token = _chosen.set(name)
    try:
        yield
    finally:
        _chosen.reset(token)


def reason_against(name: str, device: str = "cpu") -> str | None:
    """Why the processor cannot compute in this precision faster than in float32; None when it can."""
    if name not in get_args(Precision):
        return f"known are {', '.join(get_args(Precision))}"
    if device == "cuda":
        return None
    if name in ("tf32", "float16"):
        return f"{name} is for CUDA devices"
    if name == "bfloat16" and not has_bf16_units():
        return "this processor has no bf16 matrix units (AMX-BF16 or AVX512-BF16)"
    return None


@functools.cache
def has_amx() -> bool:
    """Whether the CPU has AMX-BF16, and the system lets this process use it, which the process must request."""
    found = getattr(torch.cpu, "_is_amx_tile_supported", None)
    if sys.platform != "linux" or platform.machine() != "x86_64" or found is None or not found():
        return False
    arch_prctl, request_permission, tile_data = 158, 0x1023, 18
    return bool(ctypes.CDLL(None).syscall(arch_prctl, request_permission, tile_data) == 0)


def bf16_units() -> str:
    """The processor's units for products of bf16 matrices, in words."""
    return "AMX-BF16" if has_amx() else "AVX512-BF16" if has_bf16_units() else "none"


def has_bf16_units() -> bool:
    """Whether the CPU multiplies bf16 matrices in hardware, as torch reports it; unknown counts as no."""
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(found()) for found in (getattr(torch.cpu, name, None) for name in names) if found is not None)
