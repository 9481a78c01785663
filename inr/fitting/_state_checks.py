"""Checks of the state of samplers and residual transforms that a checkpoint holds: kernels trust shapes and indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from inr.core.errors import UsageError


def indices(state: Mapping[str, Tensor], name: str, size: int) -> Tensor:
    """Indices [K] (int32, int64) of `size` samples. Raises UsageError for anything else, as the other functions do."""
    found = _tensor(state, name)
    if found.dtype not in (torch.int32, torch.int64) or found.ndim != 1:
        raise _unlike(name, found, "one row of int32 or int64")
    if len(found) and not (int(found.min()) >= 0 and int(found.max()) < size):
        raise UsageError(f"state {name!r} has indices from {int(found.min())} to {int(found.max())} of {size} samples")
    return found


def array(
    state: Mapping[str, Tensor], name: str, shape: Sequence[int], dtype: torch.dtype, *, or_empty: bool
) -> Tensor:
    """Finite numbers of a shape and type. or_empty: or none at all, where they were not measured yet."""
    found = _tensor(state, name)
    is_empty = or_empty and found.numel() == 0
    if found.dtype != dtype or (not is_empty and tuple(found.shape) != tuple(shape)):
        raise _unlike(name, found, f"{dtype} of shape {list(shape)}")
    if not bool(torch.isfinite(found).all()):
        raise UsageError(f"state {name!r} has NaN or infinite numbers")
    return found


def counter(state: Mapping[str, Tensor], name: str) -> int:
    """A whole number >= -1; -1 is never."""
    found = _tensor(state, name)
    if found.dtype != torch.int64 or found.ndim != 0 or int(found) < -1:
        raise _unlike(name, found, "one whole number >= -1")
    return int(found)


def _tensor(state: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in state:
        raise UsageError(f"state {name!r} is missing")
    return state[name]


def _unlike(name: str, found: Tensor, expected: str) -> UsageError:
    return UsageError(f"state {name!r} is {found.dtype} of shape {list(found.shape)}, expected {expected}")
