"""Domains: where a problem holds, its sides by name, and points in it and on them.

A domain is a shape in space (box, disc, annulus, polygon, or where a function is negative), times an interval of time
if there is one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.quasirandom import SobolEngine

from inr.core.errors import UsageError
from inr.core.formula import Node, add, call, divide, multiply, name, number, power, subtract
from inr.core.tensor_formula import tensor_of
from inr.fields.solution import by_axis
from inr.solving.equation import TIME

LOW_HIGH = {"x": ("left", "right"), "y": ("bottom", "top"), "z": ("back", "front"), TIME: ("start", "end")}
"""Sides of a box by axis, at its lower and its higher end."""
KINDS = ("disc", "annulus", "polygon", "sdf_expression")
MOST_CORNERS = 500
SURFACE_DRAWS = 4
"""Points that are drawn on a surface for one that is used, where part of it is outside of the domain."""
SURFACE_SLACK = 1e-6
"""How far outside a point of a surface is that counts as on the boundary, in radii of the domain."""


def is_number(value: Any) -> bool:
    """Whether a value of a file is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def spread(n: int, d: int, generator: Generator) -> Tensor:
    """n points of the unit cube [n, d] in float64, evenly spread (scrambled Sobol)."""
    if d == 0:
        return torch.zeros(n, 0, dtype=torch.float64)
    engine: Any = SobolEngine  # torch gives it no types
    seed = int(torch.randint(2**31, (1,), generator=generator))
    points: Tensor = engine(d, scramble=True, seed=seed).draw(n, dtype=torch.float64)
    return points


def panels(n: int, low: float, high: float) -> tuple[Tensor, Tensor]:
    """Points and weights [8 n] of Gauss-Legendre rules of 8 points in n equal parts of an interval."""
    nodes, weights = map(torch.from_numpy, np.polynomial.legendre.leggauss(8))
    edges = torch.linspace(low, high, n + 1, dtype=torch.float64)
    half = (edges[1:] - edges[:-1])[:, None] / 2
    return ((edges[:-1, None] + half) + half * nodes).flatten(), (half * weights).flatten()


@dataclass(frozen=True)
class Points:
    """x [N, D]; normals [N, D], outward, zero along time."""

    x: Tensor
    normals: Tensor


class Shape(ABC):
    """A part of space."""

    @property
    @abstractmethod
    def low(self) -> tuple[float, ...]:
        """The lower corner of a box around it."""

    @property
    @abstractmethod
    def high(self) -> tuple[float, ...]:
        """The upper corner."""

    @property
    @abstractmethod
    def sides(self) -> tuple[str, ...]:
        """Their names."""

    @abstractmethod
    def contains(self, x: Tensor) -> Tensor:
        """Whether points [N, d] are inside [N]."""

    @abstractmethod
    def inside(self, n: int, generator: Generator) -> Tensor:
        """n points [n, d], evenly spread."""

    @abstractmethod
    def on(self, side: str, n: int, generator: Generator) -> Points:
        """n points on a side with their normals."""

    def quadrature(self, n: int) -> tuple[Tensor, Tensor]:
        """Points [N, d] and weights [N] whose sums are integrals over the shape, from n parts per axis.

        Raises UsageError for shapes that have no such rule.
        """
        raise UsageError("integrals are exact on boxes, discs and annuli only")

    @property
    def radius(self) -> float:
        """Of a ball around the shape."""
        return math.dist(self.low, self.high) / 2


@dataclass(frozen=True)
class Box(Shape):
    axes: tuple[str, ...]
    low_ends: tuple[float, ...]
    high_ends: tuple[float, ...]

    @property
    def low(self) -> tuple[float, ...]:
        return self.low_ends

    @property
    def high(self) -> tuple[float, ...]:
        return self.high_ends

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(side for axis in self.axes for side in sides_of(axis))

    def contains(self, x: Tensor) -> Tensor:
        low, high = x.new_tensor(self.low), x.new_tensor(self.high)
        return ((x >= low) & (x <= high)).all(-1)

    def inside(self, n: int, generator: Generator) -> Tensor:
        unit = spread(n, len(self.axes), generator)
        return unit.new_tensor(self.low) + unit * (unit.new_tensor(self.high) - unit.new_tensor(self.low))

    def on(self, side: str, n: int, generator: Generator) -> Points:
        axis, end = next((a, e) for a, key in enumerate(self.axes) for e in (0, 1) if sides_of(key)[e] == side)
        x = self.inside(n if len(self.axes) > 1 else 1, generator)
        x[:, axis] = (self.low, self.high)[end][axis]
        normals = torch.zeros_like(x)
        normals[:, axis] = 2.0 * end - 1
        return Points(x, normals)

    def quadrature(self, n: int) -> tuple[Tensor, Tensor]:
        lines = [panels(n, low, high) for low, high in zip(self.low, self.high, strict=True)]
        x = torch.cartesian_prod(*(x for x, _ in lines)).reshape(-1, len(lines))
        w = torch.cartesian_prod(*(w for _, w in lines)).reshape(-1, len(lines)).prod(-1)
        return x, w


@dataclass(frozen=True)
class Ring(Shape):
    """Between two circles; inner 0: a disc."""

    center: tuple[float, float]
    inner: float
    outer: float

    @property
    def sides(self) -> tuple[str, ...]:
        return ("inner", "outer") if self.inner else ("outer",)

    @property
    def low(self) -> tuple[float, ...]:
        return tuple(c - self.outer for c in self.center)

    @property
    def high(self) -> tuple[float, ...]:
        return tuple(c + self.outer for c in self.center)

    @property
    def radius(self) -> float:
        return self.outer

    def contains(self, x: Tensor) -> Tensor:
        r: Tensor = torch.linalg.vector_norm(x - x.new_tensor(self.center), dim=-1)
        return (r >= self.inner) & (r <= self.outer)

    def _at(self, r: Tensor | float, turn: Tensor) -> Tensor:
        ways = torch.stack([torch.cos(2 * math.pi * turn), torch.sin(2 * math.pi * turn)], -1)
        return ways.new_tensor(self.center) + torch.as_tensor(r).reshape(-1, 1) * ways

    def quadrature(self, n: int) -> tuple[Tensor, Tensor]:
        r, w = panels(n, self.inner, self.outer)
        around = 2 * len(r)
        turns = torch.arange(around, dtype=torch.float64) / around  # equal weights are exact for periodic functions
        x = self._at(r.repeat_interleave(around), turns.repeat(len(r)))
        return x, (2 * math.pi / around * r * w).repeat_interleave(around)

    def inside(self, n: int, generator: Generator) -> Tensor:
        unit = spread(n, 2, generator)
        return self._at((self.inner**2 + unit[:, 0] * (self.outer**2 - self.inner**2)).sqrt(), unit[:, 1])

    def on(self, side: str, n: int, generator: Generator) -> Points:
        r = torch.tensor(self.inner if side == "inner" else self.outer, dtype=torch.float64)
        x = self._at(r, spread(n, 1, generator)[:, 0])
        out = (x - x.new_tensor(self.center)) / r
        return Points(x, -out if side == "inner" else out)


class Within(Shape):
    """A shape within a box, with one side: `outer`."""

    @property
    @abstractmethod
    def box(self) -> Box:
        """Around it."""

    @property
    def low(self) -> tuple[float, ...]:
        return self.box.low

    @property
    def high(self) -> tuple[float, ...]:
        return self.box.high

    @property
    def sides(self) -> tuple[str, ...]:
        return ("outer",)


class LevelSet(Within):
    """Where a function is negative, within a box; its zero set is the boundary.

    exactness: largest |value| / |gradient| of a point that counts as on the boundary, as a part of the radius.
    """

    exactness: float = 1e-12

    @abstractmethod
    def value(self, x: Tensor) -> Tensor:
        """The function [N] at points [N, d]."""

    @abstractmethod
    def gradient(self, x: Tensor) -> Tensor:
        """Its gradient [N, d]."""

    def contains(self, x: Tensor) -> Tensor:
        return (self.value(x) <= 0) & self.box.contains(x)

    def inside(self, n: int, generator: Generator) -> Tensor:
        return collected(self.box, n, generator, lambda x: x[self.value(x) < 0])

    def on(self, side: str, n: int, generator: Generator) -> Points:
        reach = 0.05 * self.radius

        def found(x: Tensor) -> Tensor:
            near = self._landed(x[self.value(x).abs() < reach * self.gradient(x).norm(dim=-1)])
            off = self.value(near).abs() / self.gradient(near).norm(dim=-1).clamp_min(1e-3)
            is_there = (off < self.exactness * self.radius) & near.isfinite().all(-1)
            return near[is_there & self.box.contains(near)]

        x = collected(self.box, n, generator, found)
        gradient = self.gradient(x)
        return Points(x, gradient / gradient.norm(dim=-1, keepdim=True))

    def _landed(self, x: Tensor) -> Tensor:
        """Newton's steps along the gradient to the zero set."""
        for _ in range(20):
            gradient = self.gradient(x)
            x = x - self.value(x)[:, None] * gradient / gradient.square().sum(-1, keepdim=True)
        return x


def collected(box: Box, n: int, generator: Generator, keep: Callable[[Tensor], Tensor]) -> Tensor:
    """n points [n, d] out of those that `keep` makes of evenly spread points of a box.

    Raises UsageError where it keeps none.
    """
    parts, count = [], 0
    for attempt in range(60):
        part = keep(box.inside(max(256, 2 * n), generator))
        parts.append(part)
        count += len(part)
        if count >= n:
            return torch.cat(parts)[:n]
        if attempt >= 20 and count == 0:
            break
    raise UsageError(
        "the function of the domain is nowhere negative in the box of the axes, or its boundary is not in it",
        "it is negative inside the domain",
    )


@dataclass(frozen=True)
class Implicit(LevelSet):
    """Where a formula of the coordinates is negative."""

    around: Box
    distance: Node

    @property
    def box(self) -> Box:
        return self.around

    def value(self, x: Tensor) -> Tensor:
        return tensor_of(self.distance, {key: x[:, a] for a, key in enumerate(self.around.axes)}, x[:, 0])

    def gradient(self, x: Tensor) -> Tensor:
        axes = self.around.axes
        values = {key: x[:, a] for a, key in enumerate(axes)}
        return torch.stack([tensor_of(by_axis(self.distance, axis), values, x[:, 0]) for axis in axes], -1)


@dataclass(frozen=True)
class Polygon(Shape):
    """Within a closed line of corners [[x, y], ...] that does not cross itself. Sides: side1 from corner 1 to 2, ..."""

    axes: tuple[str, ...]
    corners: tuple[tuple[float, float], ...]

    @property
    def low(self) -> tuple[float, ...]:
        return tuple(min(column) for column in zip(*self.corners, strict=True))

    @property
    def high(self) -> tuple[float, ...]:
        return tuple(max(column) for column in zip(*self.corners, strict=True))

    @property
    def sides(self) -> tuple[str, ...]:
        return tuple(f"side{k}" for k in range(1, len(self.corners) + 1))

    @property
    def area(self) -> float:
        """Positive if the corners run counterclockwise."""
        return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in self.edges) / 2

    @property
    def edges(self) -> list[tuple[tuple[float, float], tuple[float, float]]]:
        return [*zip(self.corners, self.corners[1:] + self.corners[:1], strict=True)]

    @property
    def corner_functions(self) -> dict[tuple[float, float], Node]:
        """By corner, (r / R)^a cos(a phi) for every corner of more than a half turn w, with a = pi / w.

        r, phi: from the corner and from the line that halves its angle. Solutions of second-order equations behave as
        these functions there (Grisvard 1985, Elliptic Problems in Nonsmooth Domains). Left out where the ray on which
        phi jumps comes back to the polygon.
        """
        found = {}
        turn = math.copysign(1.0, self.area)
        for before, at, after in zip(self.corners[-1:] + self.corners[:-1], self.corners,
                                     self.corners[1:] + self.corners[:1], strict=True):  # fmt: skip
            to_after, to_before = (math.atan2(p[1] - at[1], p[0] - at[0]) for p in (after, before))
            wide = (turn * (to_before - to_after)) % (2 * math.pi)
            half = to_after + turn * wide / 2
            cut = (-math.cos(half), -math.sin(half))
            far = 2 * self.radius * torch.linspace(1e-3, 1, 1000, dtype=torch.float64)[:, None]
            if wide > math.pi + 1e-6 and not self.contains(torch.tensor(at) + far * torch.tensor(cut)).any():
                found[at] = _corner_function(self.axes, at, (-cut[0], -cut[1]), math.pi / wide, self.radius)
        return found

    def contains(self, x: Tensor) -> Tensor:
        inside = torch.zeros(len(x), dtype=torch.bool)
        for (x0, y0), (x1, y1) in self.edges:  # how often a ray to the right crosses the line
            if y0 != y1:
                crosses = (x[:, 1] < y0) != (x[:, 1] < y1)
                inside ^= crosses & (x[:, 0] < x0 + (x[:, 1] - y0) * (x1 - x0) / (y1 - y0))
        return inside

    def inside(self, n: int, generator: Generator) -> Tensor:
        return collected(Box(self.axes, self.low, self.high), n, generator, lambda x: x[self.contains(x)])

    def on(self, side: str, n: int, generator: Generator) -> Points:
        start, end = torch.tensor(self.edges[self.sides.index(side)], dtype=torch.float64)
        way = end - start
        out = torch.stack([way[1], -way[0]]) / way.norm() * math.copysign(1.0, self.area)
        return Points(start + spread(n, 1, generator) * way, out.expand(n, -1))


def _corner_function(
    axes: tuple[str, ...], at: tuple[float, float], way: tuple[float, float], power_: float, radius: float
) -> Node:
    dx, dy = (subtract(name(axis), number(place)) for axis, place in zip(axes, at, strict=True))
    along = add(multiply(number(way[0]), dx), multiply(number(way[1]), dy))
    across = subtract(multiply(number(way[0]), dy), multiply(number(way[1]), dx))
    square = divide(add(multiply(dx, dx), multiply(dy, dy)), number(radius**2))
    return multiply(
        power(square, number(power_ / 2)), call("cos", multiply(number(power_), call("atan2", across, along)))
    )


@dataclass(frozen=True)
class Domain:
    """A shape times an interval. axes: all coordinates in their order; periodic ones have no sides.

    surfaces: of solids, by the name of the side that they are; the part in the domain counts.
    """

    axes: tuple[str, ...]
    shape: Shape
    time: tuple[float, float] | None
    periodic: tuple[str, ...] = ()
    surfaces: Mapping[str, Shape] = field(default_factory=dict)

    @property
    def low(self) -> tuple[float, ...]:
        return tuple(self._ends(axis)[0] for axis in self.axes)

    @property
    def high(self) -> tuple[float, ...]:
        return tuple(self._ends(axis)[1] for axis in self.axes)

    def _ends(self, axis: str) -> tuple[float, float]:
        if axis == TIME and self.time is not None:
            return self.time
        at = self.space.index(axis)
        return self.shape.low[at], self.shape.high[at]

    @property
    def space(self) -> tuple[str, ...]:
        return tuple(axis for axis in self.axes if axis != TIME)

    @property
    def walls(self) -> tuple[str, ...]:
        """The sides in space that need a condition."""
        closed = {side for axis in self.periodic for side in sides_of(axis)}
        return tuple(side for side in self.shape.sides if side not in closed)

    @property
    def sides(self) -> tuple[str, ...]:
        return (*self.walls, *(("start", "end") if self.time else ()), *self.surfaces)

    def quadrature(self, n: int) -> tuple[Tensor, Tensor] | None:
        """Points [N, D] and weights [N] whose sums are integrals, from n parts per axis; None for shapes without."""
        if not isinstance(self.shape, Box | Ring):
            return None
        if self.time is None:
            return self.shape.quadrature(n)
        if isinstance(self.shape, Box):
            return Box(self.axes, self.low, self.high).quadrature(n)
        (x, w), (t, v) = self.shape.quadrature(n), panels(n, *self.time)
        at, late = torch.arange(len(x)).repeat_interleave(len(t)), t.repeat(len(x))
        where = self.axes.index(TIME)
        return torch.cat([x[at, :where], late[:, None], x[at, where:]], 1), w[at] * v.repeat(len(x))

    def contains(self, x: Tensor) -> Tensor:
        found = self.shape.contains(self._space_of(x))
        if self.time is not None:
            t = x[:, self.axes.index(TIME)]
            found = found & (t >= self.time[0]) & (t <= self.time[1])
        return found

    def _space_of(self, x: Tensor) -> Tensor:
        return x[:, [a for a, axis in enumerate(self.axes) if axis != TIME]]

    def inside(self, n: int, generator: Generator) -> Points:
        if self.time is not None and isinstance(self.shape, Box):  # spread in space and time together
            x = Box(self.axes, self.low, self.high).inside(n, generator)
            return Points(x, torch.zeros_like(x))
        return self._with_time(Points(x := self.shape.inside(n, generator), torch.zeros_like(x)), None, generator)

    def on(self, side: str, n: int, generator: Generator) -> Points:
        if side in ("start", "end") and self.time is not None:
            x = self.shape.inside(n, generator)
            return self._with_time(Points(x, torch.zeros_like(x)), self.time[side == "end"], generator)
        if side in self.surfaces:
            return self._with_time(self._on_surface(side, n, generator), None, generator)
        if self.time is not None and isinstance(self.shape, Box) and len(self.shape.axes) == 1:
            points = self.shape.on(side, 1, generator)
            points = Points(points.x.expand(n, -1), points.normals.expand(n, -1))
        else:
            points = self.shape.on(side, n, generator)
        return self._with_time(points, None, generator)

    def _on_surface(self, side: str, n: int, generator: Generator) -> Points:
        """At most n points of a surface that are in the shape or on its boundary."""
        points = self.surfaces[side].on("outer", SURFACE_DRAWS * n, generator)
        inward = points.x - SURFACE_SLACK * self.shape.radius * points.normals
        there = self.shape.contains(points.x) | self.shape.contains(inward)
        if not there.any():
            raise UsageError(f'"{side}" is outside of the domain', "surfaces and axes have the same units")
        return Points(points.x[there][:n], points.normals[there][:n])

    def _with_time(self, points: Points, at: float | None, generator: Generator) -> Points:
        if self.time is None:
            return points
        low, high = self.time
        n = len(points.x)
        order = torch.randperm(n, generator=generator)  # the spread of time and of space must not go together
        t = low + spread(n, 1, generator)[order] * (high - low) if at is None else torch.full((n, 1), at)
        where = self.axes.index(TIME)

        def joined(part: Tensor, column: Tensor) -> Tensor:
            return torch.cat([part[:, :where], column.to(part), part[:, where:]], 1)

        return Points(joined(points.x, t), joined(points.normals, torch.zeros_like(t)))


def sides_of(axis: str) -> tuple[str, str]:
    """The names of the lower and the higher end of an axis of a box."""
    return LOW_HIGH.get(axis, (f"{axis}_low", f"{axis}_high"))


def shape_of(document: Mapping[str, Any], axes: tuple[str, ...], low: tuple[float, ...], high: tuple[float, ...],
             formula: Any) -> Shape:  # fmt: skip
    """The shape that a [geometry] table describes, in the box of the axes. formula: text to a formula.

    Raises UsageError for what it cannot be.
    """
    kind = next((key for key in KINDS if key in document), "box")
    unknown = set(document) - {kind, "box"}
    if unknown:
        raise UsageError(f"[geometry] has unknown entries: {', '.join(sorted(unknown))}")
    if kind == "box":
        return Box(axes, low, high)
    if kind == "sdf_expression":
        return Implicit(Box(axes, low, high), formula(document[kind]))
    if len(axes) != 2:
        raise UsageError(
            f"a {kind} has two axes, and there are {len(axes)} beside t: {', '.join(axes)}",
            "sdf_expression takes any, also one that is a parameter of the equation",
        )
    return _polygon(document[kind], axes) if kind == "polygon" else _ring(kind, document[kind])


def _ring(kind: str, table: Any) -> Ring:
    names = {"center", "radius"} if kind == "disc" else {"center", "inner", "outer"}
    if not isinstance(table, Mapping) or set(table) - names or names - {"center"} - set(table):
        raise UsageError(f"{kind} is a table with {', '.join(sorted(names))}")
    center = table.get("center", [0.0, 0.0])
    is_place = isinstance(center, Sequence) and len(center) == 2 and all(map(is_number, center))
    if not is_place or not all(is_number(table[key]) for key in names - {"center"}):
        shown = ", ".join(f"{key} = {value!r}" for key, value in table.items())
        raise UsageError(f"{kind} has {shown}, expected finite numbers, and two of them as center")
    inner, outer = (table["inner"], table["outer"]) if kind == "annulus" else (0.0, table["radius"])
    if not 0 <= inner < outer or (kind == "annulus" and inner == 0):
        raise UsageError(f"the radii of the {kind} are {inner:g} and {outer:g}, expected 0 < inner < outer")
    return Ring((float(center[0]), float(center[1])), float(inner), float(outer))


def _polygon(value: Any, axes: tuple[str, ...]) -> Polygon:
    is_list = isinstance(value, Sequence) and not isinstance(value, str) and 3 <= len(value) <= MOST_CORNERS
    if not is_list or not all(isinstance(c, Sequence) and len(c) == 2 for c in value):
        raise UsageError(f"polygon is {value!r}, expected 3 to {MOST_CORNERS} corners", "[[0, 0], [1, 0], [0, 1]]")
    wrong = [corner for corner in value if not all(map(is_number, corner))]
    if wrong:
        raise UsageError(f"the polygon has a corner {wrong[0]!r}, expected two finite numbers")
    found = Polygon(axes, tuple((float(x), float(y)) for x, y in value))
    for a, first in enumerate(found.edges):
        for b, second in enumerate(found.edges[:a]):
            is_next = a - b == 1 or (b == 0 and a == len(found.corners) - 1)
            if first[0] == first[1] or (not is_next and _meet(*first, *second)):
                raise UsageError(f"sides {b + 1} and {a + 1} of the polygon meet, expected a line without crossings")
    if not found.area:
        raise UsageError("the polygon has no area: its corners lie on a line")
    return found


def _meet(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], d: tuple[float, float]) -> bool:
    """Whether the segments ab and cd have a point in common."""

    def turn(p: tuple[float, float], q: tuple[float, float], r: tuple[float, float]) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return turn(a, b, c) * turn(a, b, d) <= 0 and turn(c, d, a) * turn(c, d, b) <= 0
