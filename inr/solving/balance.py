"""Whether sources and fluxes of a steady problem balance, which only fluxes on the boundary must."""

from __future__ import annotations

import math

from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.formula import ZERO, Node, number, substituted
from inr.core.tensor_formula import tensor_of
from inr.fields.solution import by_axis
from inr.solving.equation import by_name, streams_of
from inr.solving.geometry import Box, Ring, sides_of
from inr.solving.problem import Problem

TOLERANCE = 0.01
EQUAL = 1e-9
"""Relative difference of coefficients that count as equal."""
POINTS = 20_000


def check_balance(problem: Problem) -> None:
    """Refuse div(k grad(u)) = f with dn(u) = h on every wall if the integrals of f and k h differ by more than 1 %.

    The domain is a box, of which axes may be periodic, or a ring; other problems pass.
    """
    shape, axes = problem.domain.shape, problem.scope.axes
    if (
        len(problem.residuals) != 1
        or not problem.has_fluxes_only
        or problem.domain.time is not None
        or problem.unknowns
    ):
        return
    has_parts = problem.domain.surfaces or any(c.within or c.places is not None for c in problem.conditions)
    if has_parts or not isinstance(shape, Box | Ring):
        return
    channel = problem.scope.channels[0]
    (node,) = problem.residuals
    k = _conductivity(node, channel, problem)
    if k is None:
        return
    generator = Generator().manual_seed(0)
    volume, walls = _sizes(shape)
    inside = -_at_zero(node, shape.inside(POINTS, generator), None, axes)
    source, size, flux = float(inside.mean()) * volume, float(inside.abs().mean()) * volume, 0.0
    for side in problem.domain.walls:
        condition = next(c for c in problem.conditions if side in c.sides)
        given = condition.residuals[0]
        points = shape.on(side, POINTS // 10, generator)
        scale = _flux_factor(given, channel, axes)
        if scale is None:
            return
        factor = _at_zero(k, points.x, None, axes) / _at_zero(scale, points.x, None, axes)
        values = -_at_zero(given, points.x, points.normals, axes) * factor
        flux += float(values.mean()) * walls[side]
        size += float(values.abs().mean()) * walls[side]
    if abs(source - flux) > TOLERANCE * size:
        raise UsageError(
            f"sources and fluxes do not balance ({source:.3g} against {flux:.3g}): no steady solution exists.",
            "the integral of the source, as in div(k*grad(u)) = source, is that of k*dn(u) over the boundary",
        )


def _conductivity(node: Node, channel: str, problem: Problem) -> Node | None:
    """k where an equation is div(k grad(u)) = f with a formula k of the coordinates; None for any other."""
    axes = problem.scope.axes
    slopes = {letters: by_name(node, f"{channel}|{letters}") for _, letters in streams_of(node)}
    k = slopes.get(axes[0] * 2)
    if k is None or any(slope.names() - {*axes} for slope in slopes.values()):
        return None
    if set(slopes) - {*axes} != {axis * 2 for axis in axes}:
        return None
    x = problem.domain.inside(1000, Generator().manual_seed(0)).x
    size = float(_at_zero(k, x, None, axes).abs().max())
    for axis in axes:
        off = _at_zero(slopes[axis * 2], x, None, axes) - _at_zero(k, x, None, axes)
        slope = _at_zero(slopes.get(axis, ZERO), x, None, axes) - _at_zero(by_axis(k, axis), x, None, axes)
        if (
            float(off.abs().max()) > EQUAL * size
            or float(slope.abs().max()) > EQUAL * size / problem.domain.shape.radius
        ):
            return None
    return k


def _flux_factor(node: Node, channel: str, axes: tuple[str, ...]) -> Node | None:
    """c where a condition is c dn(u) = h with a formula c of the coordinates; None for any other."""
    found = set()
    for axis in axes:
        slope = by_name(node, f"{channel}|{axis}")
        found.add(substituted(slope, {f"n_{axis}": number(1)}) if f"n_{axis}" in slope.names() else None)
    (factor, *others) = found
    return factor if factor is not None and not others and not factor.names() - {*axes} else None


def _at_zero(node: Node, x: Tensor, normals: Tensor | None, axes: tuple[str, ...]) -> Tensor:
    zeros = {key: ZERO for key in node.names() if "|" in key}
    values = {axis: x[:, a] for a, axis in enumerate(axes)}
    if normals is not None:
        values |= {f"n_{axis}": normals[:, a] for a, axis in enumerate(axes)}
    return tensor_of(substituted(node, zeros), values, x[:, 0])


def _sizes(shape: Box | Ring) -> tuple[float, dict[str, float]]:
    """The volume, and the area of each side."""
    if isinstance(shape, Ring):
        sides = {"inner": 2 * math.pi * shape.inner, "outer": 2 * math.pi * shape.outer}
        return math.pi * (shape.outer**2 - shape.inner**2), sides
    lengths = [b - a for a, b in zip(shape.low, shape.high, strict=True)]
    volume = math.prod(lengths)
    return volume, {side: volume / n for axis, n in zip(shape.axes, lengths, strict=True) for side in sides_of(axis)}
