"""Shared parts of the variable-period sine.  Liu et al. 2024 (FINER), arXiv:2312.02434."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.layers.activations._base import ActivationConfig


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


@dataclass(frozen=True, kw_only=True)
class Warped(ActivationConfig):
    """Settings of an envelope that may have a variable period inside (FINER++, arXiv:2407.19434)."""

    warp: float | None = param(None, "FINER++: frequency w of the variable-period sine inside; none: no sine", gt=0)
    first_bias: float | None = param(None, "range k of the first layer's biases; none: torch's", ge=0)
    has_scale_gradient: bool | None = param(
        None, "warp: gradient through |z| + 1; none: where the loss takes derivatives (point clouds)"
    )

    def resolve(self, spec: Spec) -> Self:
        return dataclasses.replace(
            super().resolve(spec), has_scale_gradient=is_exact_for(spec, self.has_scale_gradient)
        )
