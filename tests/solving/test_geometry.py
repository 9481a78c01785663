"""Domains: points are where they should be, spread evenly, with unit normals."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from inr.core.errors import UsageError
from inr.core.formula import parse_formula
from inr.core.tensor_formula import tensor_of
from inr.fields.solution import by_axis
from inr.solving.geometry import Box, Domain, Implicit, Polygon, Ring, Shape, shape_of, spread

L_SHAPE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (-1.0, -1.0), (0.0, -1.0))
SHAPES: dict[str, tuple[Shape, float]] = {
    "box": (Box(("x", "y"), (0.0, -1.0), (2.0, 3.0)), 8.0),
    "disc": (Ring((1.0, 2.0), 0.0, 2.0), 4 * math.pi),
    "annulus": (Ring((0.0, 0.0), 1.0, 2.0), 3 * math.pi),
    "polygon": (Polygon(("x", "y"), L_SHAPE), 3.0),
    "clockwise": (Polygon(("x", "y"), L_SHAPE[::-1]), 3.0),
    "formula": (Implicit(Box(("x", "y"), (-1.2, -1.2), (1.2, 1.2)), parse_formula("x**2 + 4*y**2 - 1")), math.pi / 2),
}


@pytest.mark.parametrize("name", SHAPES)
def test_points_and_normals(name: str, generator: torch.Generator) -> None:
    shape, area = SHAPES[name]
    x = shape.inside(4000, generator)
    assert shape.contains(x).all()
    box = math.prod(b - a for a, b in zip(shape.low, shape.high, strict=True))
    unit = spread(4000, 2, generator)
    every = unit.new_tensor(shape.low) + unit * (unit.new_tensor(shape.high) - unit.new_tensor(shape.low))
    assert math.isclose(float(shape.contains(every).double().mean()) * box, area, rel_tol=0.02)
    torch.testing.assert_close(x.mean(0), every[shape.contains(every)].mean(0), rtol=0, atol=0.05)
    for side in shape.sides:
        points = shape.on(side, 100, generator)
        assert points.x.shape == (100, 2)
        assert (points.normals.norm(dim=1) - 1).abs().max() < 1e-12
        assert shape.contains(points.x - 1e-6 * points.normals).all()
        assert not shape.contains(points.x + 1e-6 * points.normals).any()


def test_time_is_independent_of_space(generator: torch.Generator) -> None:
    disc = Domain(("x", "y", "t"), Ring((0.0, 0.0), 0.0, 1.0), (2.0, 5.0))
    assert disc.low == (-1.0, -1.0, 2.0)
    assert disc.sides == ("outer", "start", "end")
    x = disc.inside(2000, generator).x
    assert disc.contains(x).all()
    assert abs(float(torch.corrcoef(x[:, :].T)[0, 2])) < 0.1
    assert (disc.on("start", 50, generator).x[:, 2] == 2).all()
    wall = disc.on("outer", 50, generator)
    assert (wall.normals[:, 2] == 0).all()
    assert wall.x[:, 2].std() > 0.5
    line = Domain(("x", "t"), Box(("x",), (0.0,), (1.0,)), (0.0, 1.0), ("x",))
    assert line.sides == ("start", "end")
    assert len(line.on("start", 30, generator).x) == 30


def test_tables_of_shapes() -> None:
    def make(table: dict[str, Any]) -> Shape:
        return shape_of(table, ("x", "y"), (0.0, 0.0), (1.0, 1.0), parse_formula)

    assert isinstance(make({}), Box)
    assert isinstance(make({"disc": {"radius": 0.5, "center": [0.5, 0.5]}}), Ring)
    for table, message in (
        ({"disc": {}}, "disc is a table with"),
        ({"disc": {"radius": "a"}}, "disc has radius = 'a', expected finite numbers"),
        ({"disc": {"radius": math.inf}}, "disc has radius = inf, expected finite numbers"),
        ({"annulus": {"inner": True, "outer": 2}}, "annulus has inner = True, outer = 2"),
        ({"disc": {"radius": 1, "center": [1]}}, r"center = \[1\], expected finite numbers, and two of them"),
        ({"disc": {"radius": 1, "center": [math.nan, 0]}}, "expected finite numbers"),
        ({"polygon": [[0, 0], [1, 0], [0, True]]}, r"a corner \[0, True\], expected two finite numbers"),
        ({"annulus": {"inner": 2, "outer": 1}}, "radii"),
        ({"disc": {"radius": 1}, "depth": 3}, "unknown entries: depth"),
    ):
        with pytest.raises(UsageError, match=message):
            make(table)
    with pytest.raises(UsageError, match="nowhere negative"):
        Implicit(Box(("x",), (0.0,), (1.0,)), parse_formula("x + 1")).inside(5, torch.Generator())


def test_the_function_of_a_corner_is_harmonic_and_zero_on_its_sides(generator: torch.Generator) -> None:
    shape = Polygon(("x", "y"), L_SHAPE)
    [(place, node)] = shape.corner_functions.items()
    assert place == (0.0, 0.0)

    def value(formula: Any, x: torch.Tensor) -> torch.Tensor:
        return tensor_of(formula, {"x": x[:, 0], "y": x[:, 1]}, x[:, 0])

    x = shape.inside(100, generator)
    twice = [value(by_axis(by_axis(node, axis), axis), x) for axis in shape.axes]
    torch.testing.assert_close(twice[0], -twice[1], rtol=1e-9, atol=1e-9)
    for side in ("side1", "side6"):
        assert value(node, shape.on(side, 50, generator).x).abs().max() < 1e-12
    assert (value(node, x) > 0).all()
    convex = Polygon(("x", "y"), ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))
    assert convex.corner_functions == {}
    spiral = ((0.0, 0.0), (3.0, 0.0), (3.0, 3.0), (1.0, 3.0), (1.0, 2.0), (2.0, 2.0), (2.0, 1.0), (0.0, 1.0))
    assert (2.0, 2.0) not in Polygon(("x", "y"), spiral).corner_functions  # the ray comes back to the polygon


def test_integrals_over_a_disc_and_time() -> None:
    disc = Domain(("x", "t", "y"), Ring((0.0, 0.0), 0.0, 1.0), (0.0, 2.0))
    found = disc.quadrature(2)
    assert found is not None
    x, weights = found
    assert float(weights @ (x[:, 1] * x[:, 0] ** 2)) == pytest.approx(math.pi / 2, rel=1e-12)
    assert disc.contains(x).all()
    box = Domain(("x", "t"), Box(("x",), (0.0,), (3.0,)), (0.0, 2.0)).quadrature(2)
    assert box is not None
    assert float(box[1] @ (box[0][:, 0] * box[0][:, 1])) == pytest.approx(9.0, rel=1e-12)
    assert Domain(("x", "y"), SHAPES["polygon"][0], None).quadrature(2) is None
