"""Domains: points are where they should be, spread evenly, with unit normals."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from inr.core.errors import UsageError
from inr.core.formula import parse_formula
from inr.solving.geometry import Box, Domain, Implicit, Ring, Shape, shape_of, spread

SHAPES: dict[str, tuple[Shape, float]] = {
    "box": (Box(("x", "y"), (0.0, -1.0), (2.0, 3.0)), 8.0),
    "disc": (Ring((1.0, 2.0), 0.0, 2.0), 4 * math.pi),
    "annulus": (Ring((0.0, 0.0), 1.0, 2.0), 3 * math.pi),
    "formula": (Implicit(("x", "y"), (-1.2, -1.2), (1.2, 1.2), parse_formula("x**2 + 4*y**2 - 1")), math.pi / 2),
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
    assert math.isclose(float(x[:, 0].mean()), (shape.low[0] + shape.high[0]) / 2, abs_tol=0.05)
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
    assert isinstance(make({"disc": {"radius": 2}}), Ring)
    for table, message in (
        ({"mesh": "part.stl"}, "by 'mesh' are not built"),
        ({"disc": {}}, "disc is a table with"),
        ({"annulus": {"inner": 2, "outer": 1}}, "radii"),
        ({"disc": {"radius": 1}, "depth": 3}, "unknown entries: depth"),
    ):
        with pytest.raises(UsageError, match=message):
            make(table)
    with pytest.raises(UsageError, match="nowhere negative"):
        Implicit(("x",), (0.0,), (1.0,), parse_formula("x + 1")).inside(5, torch.Generator())
