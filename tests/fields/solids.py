"""Composed fields of simple solids, and points to test them at."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.domain import Spec
from inr.fields import Field, FieldConfig

SPEC = Spec("shape", 3, 1)
A: dict[str, Any] = {"type": "primitive", "solid": "sphere", "numbers": [0.4, 0.5, 0.5, 0.2]}
B: dict[str, Any] = {"type": "primitive", "solid": "sphere", "numbers": [0.65, 0.5, 0.5, 0.15]}


def built(document: dict[str, Any]) -> Field:
    config = parse(FieldConfig, document).resolve(SPEC)
    return config.build(SPEC, torch.Generator().manual_seed(0)).double()


def values(document: dict[str, Any], x: Tensor) -> Tensor:
    return built(document)(x)[..., 0]


def combined(operation: str, **more: Any) -> dict[str, Any]:
    return {"type": "csg", "operation": operation, "first": A, **({} if "by" in more else {"second": B}), **more}


def everywhere(n: int, seed: int = 0) -> Tensor:
    """Points of the unit box and around it."""
    return 2 * torch.rand(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.5


def steepest(document: dict[str, Any], n: int = 50_000) -> float:
    """The largest slope between pairs of near points, and of far ones."""
    x, other = everywhere(n), everywhere(n, 1)
    near = x + 1e-3 * torch.nn.functional.normalize(other - x, dim=1)
    here = values(document, x)
    return max(float(((values(document, y) - here).abs() / (y - x).norm(dim=1)).max()) for y in (near, other))


def distance_to(is_inside: Tensor, x: Tensor, fine: Tensor) -> Tensor:
    """Distance from x to the nearest of points `fine` on the other side of a surface: an upper bound."""
    return torch.cdist(x, fine[is_inside]).amin(dim=1)
