"""Formulas of tensors, in torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from inr.core.formula import Node, evaluated


def tensor_of(node: Node, values: Mapping[str, Tensor], like: Tensor) -> Tensor:
    """The formula's value as a tensor of the shape and type of `like`; values: tensors that broadcast to it."""
    found = evaluated(node, values, _FUNCTIONS)
    return torch.as_tensor(found, dtype=like.dtype, device=like.device).expand(like.shape)


def _tensors(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function with numbers turned into tensors like the first tensor among its arguments."""

    def call(*args: Any) -> Tensor:
        like = next(arg for arg in args if isinstance(arg, Tensor) and arg.dtype != torch.bool)
        return function(*(a if isinstance(a, Tensor) else like.new_tensor(float(a)) for a in args))

    return call


def _where(condition: Any, a: Any, b: Any) -> Tensor:
    truth = torch.as_tensor(condition)
    like = next(each for each in (a, b, condition) if isinstance(each, Tensor))
    kind = like.dtype if like.is_floating_point() else torch.float64
    return torch.where(truth.bool(), torch.as_tensor(a, dtype=kind), torch.as_tensor(b, dtype=kind))


def _heaviside(a: Tensor) -> Tensor:
    return torch.heaviside(a, a.new_tensor(0.5))


_FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    **{key: getattr(torch, key) for key in ("sin", "cos", "tan", "exp", "log", "sqrt", "abs", "tanh", "sinh", "cosh")},
    **{"sign": torch.sign, "erf": torch.erf, "heaviside": _heaviside, "where": _where},
    **{"atan2": _tensors(torch.atan2), "min": _tensors(torch.minimum), "max": _tensors(torch.maximum)},
}
