"""Replacing reparameterised linear maps by equal dense layers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from inr.layers.linear import Linear


def linears_of(network: nn.Module) -> Iterator[Linear]:
    return (m for m in network.modules() if isinstance(m, Linear))


def set_dense(plain: Linear, weight: Tensor, bias: Tensor | None) -> None:
    """Set a dense layer's matrix and bias, in place."""
    with torch.no_grad():
        plain.assign(weight)
        if bias is not None:
            plain.assign_bias(bias)


def fold_linears(network: nn.Module, plain: nn.Module) -> None:
    """Copy the effective matrices of the linear maps of `network` into the dense layers of `plain`, in order."""
    for own, dense in zip(linears_of(network), linears_of(plain), strict=True):
        set_dense(dense, *own.effective())


def spectral_norm(linear: Linear) -> float:
    """Largest singular value of the effective matrix of a linear map."""
    with torch.no_grad():
        return float(torch.linalg.matrix_norm(linear.effective()[0].double(), 2))
