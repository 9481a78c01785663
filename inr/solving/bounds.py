"""Bounds on the error of a solution from its residual, for equations whose theory has one.

Maximum principles (Protter and Weinberger 1967, doi:10.1007/978-1-4612-5282-5) bound the largest error; expansions in
the eigenfunctions of a box, and the energy of waves, bound its root mean square. Maxima and means are sampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.formula import Node
from inr.core.tensor_formula import tensor_of
from inr.solving.conditions import given, value_given
from inr.solving.equation import TIME, by_name, is_linear, streams_of
from inr.solving.geometry import Box
from inr.solving.helmholtz import helmholtz_of, nearest_eigenvalue
from inr.solving.problem import Problem

POINTS = 500


@dataclass(frozen=True)
class Off:
    """What is measured of a solution. largest, mean: of the residuals of the equations, and their largest root mean
    square. edge: the largest error of values that conditions give; 0 if all are built in."""

    largest: float
    mean: float
    edge: float


def largest_error(problem: Problem, off: Off) -> float | None:
    """A bound on max |e|, for values on the whole boundary:

    max over the boundary + R^2 / (2 D |k|) max |r| for k lap(u) - c u = f with c / k >= 0, in a ball of radius R;
    max over boundary and start + T max |r| / |a| for a u_t = sum k_i u_ii + b . grad(u) - c u + f over a time T, with
    k_i / a >= 0 and c / a >= 0 that may vary. None for other problems.
    """
    if len(problem.residuals) != 1 or not _gives_values(problem):
        return None
    if problem.domain.time is not None:
        rate = _rate(problem)
        low, high = problem.domain.time
        return None if rate is None else off.edge + (high - low) * off.largest / rate
    numbers = helmholtz_of(problem)
    if numbers is None or problem.domain.periodic or numbers.wavenumber:
        return None
    radius, d = problem.domain.shape.radius, len(problem.scope.axes)
    return off.edge + radius**2 / (2 * d * abs(numbers.laplacian)) * off.largest


def mean_error(problem: Problem, off: Off) -> float | None:
    """A bound on the root mean square of e on a box, for values that are built in on all of its boundary:

    |r| / (|k| min_n |k^2 - lambda_n|) for lap(u) + k^2 u = f with the eigenvalues lambda_n of the box;
    T |r| / sqrt(sum (pi c_i / L_i)^2) at every time for u_tt = sum c_i^2 u_ii over a time T, with u and u_t at the
    start. None for other problems.
    """
    shape = problem.domain.shape
    if not isinstance(shape, Box) or problem.domain.periodic or problem.states or off.edge:
        return None
    lengths = [high - low for low, high in zip(shape.low, shape.high, strict=True)]
    numbers = helmholtz_of(problem)
    if numbers is not None and numbers.wavenumber and _gives_values(problem):
        square = numbers.wavenumber**2
        nearest = nearest_eigenvalue(lengths, square)
        if nearest is None or nearest == square:
            return None
        return off.mean / (abs(numbers.laplacian) * abs(square - nearest))
    speeds = _speeds(problem)
    if speeds is None or problem.domain.time is None:
        return None
    low, high = problem.domain.time
    size, squares = speeds
    first = sum(c * (math.pi / length) ** 2 for c, length in zip(squares, lengths, strict=True))
    return (high - low) * off.mean / (size * math.sqrt(first))


def _sides_with(problem: Problem, letters: str) -> set[str]:
    """The sides on which conditions give a field, or a derivative of it, and nothing else."""
    found: set[str] = set()
    for condition in problem.conditions:
        (channel, *others) = {key for node in condition.residuals for key, _ in streams_of(node)}
        nodes = condition.residuals if condition.sides else ()
        if not others and all(given(node, channel, letters) is not None for node in nodes):
            found |= {*condition.sides} if condition.within is None else set()
    return found


def _gives_values(problem: Problem) -> bool:
    """Whether the conditions are values of every field on the whole boundary and at the start."""
    if problem.unknowns or problem.observed or problem.domain.surfaces:
        return False
    for condition in problem.conditions:
        for node in condition.residuals if condition.sides else ():
            if not any(value_given(node, channel) is not None for channel in problem.scope.channels):
                return False
    starts = {"start"} if problem.domain.time is not None else set()
    for side in {*problem.domain.walls} | starts:
        nodes = [node for condition in problem.conditions if side in condition.sides for node in condition.residuals]
        if {key for node in nodes for key, _ in streams_of(node)} != {*problem.scope.channels}:
            return False
    return True


def _slopes(problem: Problem) -> Mapping[str, Node] | None:
    """Of one linear equation of one field, the factor of each derivative: formulas of the coordinates. Else None."""
    if len(problem.residuals) != 1 or len(problem.scope.channels) != 1 or problem.unknowns:
        return None
    (node,), (channel,) = problem.residuals, problem.scope.channels
    if not is_linear(node):
        return None
    slopes = {letters: by_name(node, f"{channel}|{letters}") for _, letters in streams_of(node)}
    is_known = all(not slope.names() - {*problem.scope.axes} for slope in slopes.values())
    return slopes if is_known else None


def _rate(problem: Problem) -> float | None:
    """|a| of a u_t = sum k_i u_ii + b . grad(u) - c u + f with k_i / a >= 0, c / a >= 0; None for other equations."""
    slopes = _slopes(problem)
    if slopes is None or TIME not in slopes or slopes[TIME].op != "number" or TIME in problem.domain.periodic:
        return None
    a = slopes[TIME].value
    x = problem.domain.inside(POINTS, Generator().manual_seed(0)).x
    for letters, slope in slopes.items():
        if letters == TIME or (len(letters) == 1 and letters in problem.domain.space):
            continue
        is_pure = letters in {axis * 2 for axis in problem.domain.space}
        sign = 1.0 if letters == "" else -1.0
        if not (is_pure or letters == "") or float((sign * _at(problem, slope, x) / a).min()) < 0:
            return None
    return abs(a)


def _speeds(problem: Problem) -> tuple[float, list[float]] | None:
    """|a| and c_i^2 of a (u_tt - sum c_i^2 u_ii) = f with numbers, where u is given on every wall and u, u_t at the
    start; None for other problems."""
    slopes = _slopes(problem)
    wanted = {TIME * 2, *(axis * 2 for axis in problem.domain.space)}
    if slopes is None or set(slopes) != wanted or any(slope.op != "number" for slope in slopes.values()):
        return None
    if not {*problem.domain.walls, "start"} <= _sides_with(problem, "") or "start" not in _sides_with(problem, TIME):
        return None
    a = slopes[TIME * 2].value
    squares = [-slopes[axis * 2].value / a for axis in problem.domain.space]
    return (abs(a), squares) if min(squares) > 0 else None


def _at(problem: Problem, formula: Node, x: Tensor) -> Tensor:
    found: Tensor = tensor_of(formula, {axis: x[:, k] for k, axis in enumerate(problem.scope.axes)}, x[:, 0])
    return torch.as_tensor(found)
