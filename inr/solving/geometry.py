"""Domains: where a problem holds, its sides by name, and points in it and on them.

A domain is a shape in space (box, disc, annulus, or where a formula is negative), times an interval of time if there is
one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch.quasirandom import SobolEngine

from inr.core.errors import UsageError
from inr.core.formula import Node
from inr.core.tensor_formula import tensor_of
from inr.fields.solution import by_axis
from inr.solving.equation import TIME

LOW_HIGH = {"x": ("left", "right"), "y": ("bottom", "top"), "z": ("back", "front"), TIME: ("start", "end")}
"""Sides of a box by axis, at its lower and its higher end."""


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
    """A part of space. low, high: of a box around it. sides: their names."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    sides: tuple[str, ...]

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
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def sides(self) -> tuple[str, ...]:  # type: ignore[override]  # derived from the axes
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
    def sides(self) -> tuple[str, ...]:  # type: ignore[override]  # a disc has one
        return ("inner", "outer") if self.inner else ("outer",)

    @property
    def low(self) -> tuple[float, ...]:  # type: ignore[override]  # derived
        return tuple(c - self.outer for c in self.center)

    @property
    def high(self) -> tuple[float, ...]:  # type: ignore[override]  # derived
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


@dataclass(frozen=True)
class Implicit(Shape):
    """Where a formula of the coordinates is negative, within a box; its zero set is the boundary."""

    axes: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    distance: Node
    sides: tuple[str, ...] = ("outer",)

    def value(self, x: Tensor) -> Tensor:
        return tensor_of(self.distance, {key: x[:, a] for a, key in enumerate(self.axes)}, x[:, 0])

    def contains(self, x: Tensor) -> Tensor:
        return (self.value(x) <= 0) & Box(self.axes, self.low, self.high).contains(x)

    def inside(self, n: int, generator: Generator) -> Tensor:
        return self._collected(n, generator, lambda x: x[self.value(x) < 0])

    def on(self, side: str, n: int, generator: Generator) -> Points:
        reach = 0.05 * self.radius

        def found(x: Tensor) -> Tensor:
            near = self._landed(x[self.value(x).abs() < reach * self._gradient(x).norm(dim=-1)])
            is_there = (self.value(near).abs() < 1e-12 * self.radius) & near.isfinite().all(-1)
            return near[is_there & Box(self.axes, self.low, self.high).contains(near)]

        x = self._collected(n, generator, found)
        gradient = self._gradient(x)
        return Points(x, gradient / gradient.norm(dim=-1, keepdim=True))

    def _landed(self, x: Tensor) -> Tensor:
        """Newton's steps along the gradient to the zero set."""
        for _ in range(20):
            gradient = self._gradient(x)
            x = x - self.value(x)[:, None] * gradient / gradient.square().sum(-1, keepdim=True)
        return x

    def _gradient(self, x: Tensor) -> Tensor:
        values = {key: x[:, a] for a, key in enumerate(self.axes)}
        return torch.stack([tensor_of(by_axis(self.distance, axis), values, x[:, 0]) for axis in self.axes], -1)

    def _collected(self, n: int, generator: Generator, keep: Any) -> Tensor:
        box, parts, count = Box(self.axes, self.low, self.high), [], 0
        for attempt in range(60):
            part = keep(box.inside(max(256, 2 * n), generator))
            parts.append(part)
            count += len(part)
            if count >= n:
                return torch.cat(parts)[:n]
            if attempt >= 20 and count == 0:
                break
        raise UsageError(
            "the formula of the domain is nowhere negative in the box of the axes, or its boundary is not in it",
            "it is negative inside the domain",
        )


@dataclass(frozen=True)
class Domain:
    """A shape times an interval. axes: all coordinates in their order; periodic ones have no sides."""

    axes: tuple[str, ...]
    shape: Shape
    time: tuple[float, float] | None
    periodic: tuple[str, ...] = ()

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
        return (*self.walls, *(("start", "end") if self.time else ()))

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
        if self.time is not None and isinstance(self.shape, Box) and len(self.shape.axes) == 1:
            points = self.shape.on(side, 1, generator)
            points = Points(points.x.expand(n, -1), points.normals.expand(n, -1))
        else:
            points = self.shape.on(side, n, generator)
        return self._with_time(points, None, generator)

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
    kind = next(
        (key for key in ("disc", "annulus", "sdf_expression", "mesh", "sdf", "mask", "polygon") if key in document),
        "box",
    )
    unknown = set(document) - {kind, "box"}
    if unknown:
        raise UsageError(f"[geometry] has unknown entries: {', '.join(sorted(unknown))}")
    if kind == "box":
        return Box(axes, low, high)
    if kind == "sdf_expression":
        return Implicit(axes, low, high, formula(document[kind]))
    if kind in ("mesh", "sdf", "mask", "polygon"):
        raise UsageError(
            f"domains by {kind!r} are not built", "built are box, disc, annulus, and sdf_expression, a formula"
        )
    if len(axes) != 2:
        raise UsageError(f"a {kind} has two axes, and there are {len(axes)} in space")
    table = document[kind]
    names = {"center", "radius"} if kind == "disc" else {"center", "inner", "outer"}
    if not isinstance(table, Mapping) or set(table) - names or names - {"center"} - set(table):
        raise UsageError(f"{kind} is a table with {', '.join(sorted(names))}")
    numbers = [float(table[key]) for key in ("inner", "outer") if key in table]
    inner, outer = numbers if kind == "annulus" else (0.0, float(table["radius"]))
    if not 0 <= inner < outer or (kind == "annulus" and inner == 0):
        raise UsageError(f"the radii of the {kind} are {inner:g} and {outer:g}, expected 0 < inner < outer")
    center = table.get("center", [0.0, 0.0])
    return Ring((float(center[0]), float(center[1])), inner, outer)
