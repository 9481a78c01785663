"""Shared parts of the variable-period sine.  Liu et al. 2024 (FINER), arXiv:2312.02434."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.core.domain import Spec


def vary(z: Tensor, is_exact: bool) -> Tensor:
    """(|z| + 1) z; unless `is_exact`, the gradient through the factor |z| + 1 is stopped."""
    factor = z.abs() + 1.0
    return (factor if is_exact else factor.detach()) * z


def is_exact_for(spec: Spec, chosen: bool | None) -> bool:
    """The resolved `has_scale_gradient`: the given value, else true if the loss uses derivatives of the field."""
    return spec.traits.is_surface_only if chosen is None else chosen


def smoothness_of(is_exact: bool) -> float:
    """(|z| + 1) z has a second derivative that jumps at 0; without the factor's gradient, autograd's derivatives in
    training are not those of the function."""
    return 2.0 if is_exact else 0.0


def sine(z: Tensor, omega: float, is_exact: bool) -> Tensor:
    """sin(omega (|z| + 1) z)."""
    return torch.sin(omega * vary(z, is_exact))
