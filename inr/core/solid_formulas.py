"""Exact signed distances of simple solids, negative inside, as functions of points [..., 3] in any units."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def sphere(p: Tensor, radius: float = 1.0) -> Tensor:
    """|p| - radius."""
    length: Tensor = torch.linalg.vector_norm(p, dim=-1)
    return length - radius


def box(p: Tensor, half: Sequence[float] = (1.0, 0.7, 0.5)) -> Tensor:
    """Box of half sizes h around 0: with q = |p| - h, |max(q, 0)| + min(max_i q_i, 0)."""
    q = p.abs() - p.new_tensor(half)
    outside: Tensor = torch.linalg.vector_norm(q.clamp(min=0), dim=-1)
    return outside + q.amax(dim=-1).clamp(max=0)


def torus(p: Tensor, major: float = 1.0, minor: float = 0.35) -> Tensor:
    """Torus around the z axis: |(|(x, y)| - major, z)| - minor."""
    ring = torch.linalg.vector_norm(p[..., :2], dim=-1) - major
    return torch.hypot(ring, p[..., 2]) - minor


def cylinder(p: Tensor, radius: float, height: float) -> Tensor:
    """Cylinder around the z axis, its middle at 0: with a = |(x, y)| - radius and b = |z| - height / 2,
    |(max(a, 0), max(b, 0))| + min(max(a, b), 0)."""
    a = torch.linalg.vector_norm(p[..., :2], dim=-1) - radius
    b = p[..., 2].abs() - height / 2
    return torch.hypot(a.clamp(min=0), b.clamp(min=0)) + torch.maximum(a, b).clamp(max=0)


def half_space(p: Tensor, normal: Sequence[float], level: float) -> Tensor:
    """(n . p - level) / |n|: the points with n . p < level are inside."""
    n = p.new_tensor(normal)
    distance: Tensor = (p @ n - level) / torch.linalg.vector_norm(n)
    return distance
