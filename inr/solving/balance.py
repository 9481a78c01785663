"""Whether sources and fluxes of a steady problem balance, which only fluxes on the boundary must."""

from __future__ import annotations

import math

from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.formula import ZERO, Node, number, substituted
from inr.core.tensor_formula import tensor_of
from inr.solving.equation import by_name, streams_of
from inr.solving.geometry import Box, Ring, sides_of
from inr.solving.problem import Problem

TOLERANCE = 0.01
POINTS = 20_000


def check_balance(problem: Problem) -> None:
    """Refuse k lap(u) = f with dn(u) = h on every wall if the integrals of f / k and of h differ by more than 1 %.

    The domain is a box, of which axes may be periodic, or a ring; other problems pass.
    """
    shape, axes = problem.domain.shape, problem.scope.axes
    if len(problem.residuals) != 1 or not problem.floating or problem.domain.time is not None or problem.unknowns:
        return
    has_parts = problem.domain.surfaces or any(condition.within for condition in problem.conditions)
    if has_parts or not isinstance(shape, Box | Ring):
        return
    channel = problem.scope.channels[0]
    (node,) = problem.residuals
    slopes = {letters: by_name(node, f"{channel}|{letters}") for _, letters in streams_of(node)}
    if set(slopes) != {axis * 2 for axis in axes} or len(set(slopes.values())) != 1:
        return
    (k,) = set(slopes.values())
    if k.op != "number":
        return
    generator = Generator().manual_seed(0)
    x = shape.inside(POINTS, generator)
    volume, walls = _sizes(shape)
    inside = -_at_zero(node, x, None, axes) / k.value
    source, size, flux = float(inside.mean()) * volume, float(inside.abs().mean()) * volume, 0.0
    for side in problem.domain.walls:
        condition = next(c for c in problem.conditions if side in c.sides)
        given = condition.residuals[0]
        scale = _flux_factor(given, channel, axes)
        if scale is None:
            return
        points = shape.on(side, POINTS // 10, generator)
        values = -_at_zero(given, points.x, points.normals, axes) / scale
        flux += float(values.mean()) * walls[side]
        size += float(values.abs().mean()) * walls[side]
    if abs(source - flux) > TOLERANCE * size:
        raise UsageError(
            f"sources and fluxes do not balance ({source:.3g} against {flux:.3g}): no steady solution exists.",
            "the integral of the source, with its sign in lap(u) = source, is that of dn(u) over the boundary",
        )


def _flux_factor(node: Node, channel: str, axes: tuple[str, ...]) -> float | None:
    """c where a condition is c dn(u) = h with a number c; None for any other."""
    found = set()
    for axis in axes:
        slope = by_name(node, f"{channel}|{axis}")
        found.add(substituted(slope, {f"n_{axis}": number(1)}) if f"n_{axis}" in slope.names() else None)
    (factor, *others) = found
    return factor.value if factor is not None and not others and factor.op == "number" else None


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
