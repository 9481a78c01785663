"""The speed of waves of an equation, and that of what it carries along."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from inr.core.formula import Node
from inr.core.tensor_formula import tensor_of
from inr.solving.equation import TIME, by_name
from inr.solving.problem import Problem

POINTS = 256


def wave_speed(problem: Problem) -> float | None:
    """c of u_tt = c^2 u_xx + ... where u_tt and some u_xx have opposite signs; the largest of all axes and fields.

    c^2 is the mean over the domain where it varies. None for equations without waves, and where c depends on the
    solution or on unknown numbers.
    """
    found = []
    for factors in _factors(problem, 2):
        if factors is None:
            return None
        means = {axis: float(values.mean()) for axis, values in factors.items()}
        if means[TIME]:
            found += [-means[axis] / means[TIME] for axis in problem.domain.space]
    fastest = max(found, default=0.0)
    return math.sqrt(fastest) if fastest > 0 and math.isfinite(fastest) else None


def transport_speed(problem: Problem) -> float | None:
    """|c| of u_t + c . grad(u) = ..., root mean square over the domain; the largest of all fields.

    None for equations without such terms, and where c depends on the solution or on unknown numbers.
    """
    found = []
    for factors in _factors(problem, 1):
        if factors is None:
            return None
        if bool((factors[TIME].abs() > 0).all()):
            speeds = torch.stack([factors[axis] / factors[TIME] for axis in problem.domain.space])
            found.append(float(speeds.square().sum(0).mean().sqrt()))
    fastest = max(found, default=0.0)
    return fastest if fastest > 0 and math.isfinite(fastest) else None


def _factors(problem: Problem, order: int) -> Iterator[dict[str, Tensor] | None]:
    """By equation and field, the factor of the derivative of an order along each axis, at points of the domain; None
    unless they are formulas of the coordinates."""
    domain, axes = problem.domain, problem.scope.axes
    x = domain.inside(POINTS, Generator().manual_seed(0)).x
    values = {axis: x[:, a] for a, axis in enumerate(axes)}
    for node in problem.residuals:
        for channel in problem.scope.channels:
            slopes: dict[str, Node] = {
                axis: by_name(node, f"{channel}|{axis * order}") for axis in (TIME, *domain.space)
            }
            if any(slope.names() - set(axes) for slope in slopes.values()):
                yield None
            else:
                yield {axis: tensor_of(slope, values, x[:, 0]).double() for axis, slope in slopes.items()}
