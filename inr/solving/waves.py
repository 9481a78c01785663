"""The speed of waves of an equation."""

from __future__ import annotations

import math

from torch import Generator

from inr.core.tensor_formula import tensor_of
from inr.solving.equation import TIME, by_name
from inr.solving.problem import Problem

POINTS = 256


def wave_speed(problem: Problem) -> float | None:
    """c of u_tt = c^2 u_xx + ... where u_tt and some u_xx have opposite signs; the largest of all axes and fields.

    c^2 is the mean over the domain where it varies. None for equations without waves, and where c depends on the
    solution or on unknown numbers.
    """
    domain, axes = problem.domain, problem.scope.axes
    x = domain.inside(POINTS, Generator().manual_seed(0)).x
    values = {axis: x[:, a] for a, axis in enumerate(axes)}
    found = []
    for node in problem.residuals:
        for channel in problem.scope.channels:
            slopes = {axis: by_name(node, f"{channel}|{axis * 2}") for axis in (TIME, *domain.space)}
            if any(slope.names() - set(axes) for slope in slopes.values()):
                return None
            means = {axis: float(tensor_of(slope, values, x[:, 0]).mean()) for axis, slope in slopes.items()}
            if means[TIME]:
                found += [-means[axis] / means[TIME] for axis in domain.space]
    fastest = max(found, default=0.0)
    return math.sqrt(fastest) if fastest > 0 and math.isfinite(fastest) else None
