"""Domains from meshes and fitted shapes, and conditions on parts of a boundary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import trimesh

import inr
from inr.core.errors import UnreadableError, UsageError
from inr.solving import Problem, solve
from inr.solving.hard import hard_conditions
from inr.solving.rows import groups_of

EXACT = "sin(2*x)*cos(3*y)*cosh(z)"
EQUATION = f"lap(u) = -12*{EXACT}"
WALLS = [{"on": "boundary", "equation": f"u = {EXACT}"}]


@pytest.fixture
def torus(tmp_path: Path) -> Path:
    path = tmp_path / "torus.stl"
    trimesh.creation.torus(0.5, 0.2, major_sections=32, minor_sections=16).export(path)
    return path


def test_points_of_a_mesh(torus: Path, generator: torch.Generator) -> None:
    shape = Problem.of(EQUATION, {}, WALLS, geometry={"mesh": str(torus)}).domain.shape
    inside = shape.inside(500, generator)
    ring = (inside[:, :2].norm(dim=1) - 0.5).square() + inside[:, 2].square()
    assert (ring.sqrt() < 0.2).all()
    points = shape.on("outer", 500, generator)
    assert (points.normals.norm(dim=1) - 1).abs().max() < 1e-6
    assert shape.contains(points.x - 1e-3 * points.normals).all()
    assert not shape.contains(points.x + 1e-3 * points.normals).any()


def test_poisson_in_a_mesh(torus: Path) -> None:
    problem = Problem.of(EQUATION, {}, WALLS, geometry={"mesh": str(torus)}, reference={"exact": EXACT})
    solution = solve(problem, method="least_squares", features=250, scale=4.0)
    assert solution.errors.exact["u"] < 1e-3
    assert solution.errors.boundary["outer"] < 1e-3


def test_a_fitted_shape_is_a_domain(tmp_path: Path, generator: torch.Generator) -> None:
    fit = inr.fit("analytic:sphere", "hash_grid", {"steps": 200})
    fit.save(tmp_path / "ball.safetensors")
    (tmp_path / "heat.toml").write_text(
        '[problem]\nequation = "lap(u) = -1"\n[geometry]\nsdf = "ball.safetensors"\n'
        '[[condition]]\non = "boundary"\nequation = "u = 0"\n'
    )
    shape = Problem.load(tmp_path / "heat.toml").domain.shape
    points = shape.on("outer", 200, generator)
    radius = points.x.norm(dim=1)
    assert float((radius - radius.mean()).abs().max()) < 0.02 * float(radius.mean())
    torch.testing.assert_close(points.normals, points.x / radius[:, None], rtol=0, atol=0.2)
    assert shape.inside(100, generator).norm(dim=1).max() < 1.02 * radius.max()


def test_parts_of_a_boundary(torus: Path, generator: torch.Generator) -> None:
    """The first condition that holds somewhere is the one that counts there."""
    conditions = [
        {"on": "expr: z > 0.1", "equation": "u = 1"},
        {"on": "boundary", "equation": "u = z"},
    ]
    problem = Problem.of("lap(u) = 0", {}, conditions, geometry={"mesh": str(torus)})
    groups = [g for g in groups_of(problem, hard_conditions(problem), 50, 100, generator) if g.kind == "condition"]
    assert [bool((g.x[:, 2] > 0.1).all()) for g in groups] == [True, False]
    assert (groups[1].x[:, 2] <= 0.1).all()
    assert all(len(g.x) > 20 for g in groups)


def test_parts_of_a_box(generator: torch.Generator) -> None:
    """A wall that is warm in its middle: the condition there is not built in, and the others hold."""
    conditions = [
        {"on": "expr: y < 0.5", "equation": "u = 0"},
        {"on": "boundary", "equation": "u = y - 0.5"},
    ]
    problem = Problem.of("lap(u) = 0", {"x": (0, 1), "y": (0, 1)}, conditions)
    solution = solve(problem, method="least_squares", features=150, scale=6.0)
    values = solution.fit(torch.tensor([[0.5, 1.0], [0.5, 0.0], [1.0, 0.25], [1.0, 0.75]]))[:, 0]
    torch.testing.assert_close(values, torch.tensor([0.5, 0.0, 0.0, 0.25]), rtol=0, atol=0.03)


BOX = dict.fromkeys("xyz", (-1, 1))
FLUX: dict[str, Any] = {"on": "boundary", "equation": "dn(u) = n_x + 2*n_y + 2*z*n_z"}


def test_values_on_a_surface_in_a_box(torus: Path) -> None:
    """x + 2 y + z^2: the walls give its fluxes, which leave a constant, and only the surface gives values."""
    on_surface = {"on": "surface:ring", "equation": "u = x + 2*y + z**2"}
    problem = Problem.of("lap(u) = 2", BOX, [FLUX, on_surface], surfaces={"ring": {"mesh": str(torus)}},
                         reference={"exact": "x + 2*y + z**2"})  # fmt: skip
    assert problem.floating == []
    solution = solve(problem, method="least_squares", features=200, scale=3.0)
    assert solution.errors.exact_max["u"] < 1e-4
    assert solution.errors.boundary["surface:ring"] < 1e-5
    raised = Problem.of("lap(u) = 2", BOX, [FLUX, on_surface | {"equation": "u = x + 2*y + z**2 + 1"}],
                        surfaces={"ring": {"mesh": str(torus)}}, reference={"exact": "x + 2*y + z**2 + 1"})  # fmt: skip
    assert solve(raised, method="least_squares", features=200, scale=3.0).errors.exact_max["u"] < 1e-4


def test_fluxes_through_a_surface_have_its_normals(torus: Path, generator: torch.Generator) -> None:
    """Of a surface that is the domain's own boundary: all of its points count."""
    conditions = [*WALLS, {"on": "surface:skin", "equation": "dn(u) = 0"}]
    tables: dict[str, Any] = {"geometry": {"mesh": str(torus)}, "surfaces": {"skin": {"mesh": str(torus)}}}
    problem = Problem.of(EQUATION, {"t": (0, 3)}, conditions, **tables)
    points = problem.domain.on("surface:skin", 300, generator)
    assert points.x.shape == (300, 4)
    assert ((points.x[:, 3] >= 0) & (points.x[:, 3] <= 3)).all()
    assert points.x[:, 3].std() > 0.5
    ring = torch.nn.functional.normalize(points.x[:, :2], dim=1) * 0.5
    away = points.x[:, :3] - torch.cat([ring, torch.zeros(300, 1)], 1)
    cosine = (away * points.normals[:, :3]).sum(1) / away.norm(dim=1)
    assert cosine.min() > 0.97


def test_the_part_of_a_surface_in_the_domain_counts(torus: Path, generator: torch.Generator) -> None:
    half = {**BOX, "x": (0, 1)}
    condition = {"on": "surface:ring", "equation": "u = 1"}
    tables: dict[str, Any] = {"surfaces": {"ring": {"mesh": str(torus)}}}
    domain = Problem.of("lap(u) = 0", half, [*WALLS, condition], **tables).domain
    points = domain.on("surface:ring", 100, generator)
    assert len(points.x) == 100
    assert points.x[:, 0].min() >= -1e-5
    away = Problem.of("lap(u) = 0", {**BOX, "x": (2, 3)}, [*WALLS, condition], **tables)
    with pytest.raises(UsageError, match='"surface:ring" is outside of the domain'):
        solve(away, time_s=1)


@pytest.mark.parametrize(
    ("axes", "surfaces", "message"),
    [
        (
            BOX,
            {"ring": {"mesh": 3}},
            r"surface 'ring' is \{'mesh': 3\}, expected a name of letters and digits, and a file",
        ),
        (BOX, {"ring": {"sdf": "a", "mesh": "b"}}, "surface 'ring' is"),
        (BOX, {"a b": {"mesh": "b.stl"}}, "surface 'a b' is"),
        ({"x": (0, 1), "y": (0, 1)}, {"ring": {"mesh": "b.stl"}}, "surface ring is in x, y, z, and the axes of the"),
        (BOX, {}, r"condition 2 is on 'surface:ring'"),
    ],
)
def test_surfaces_that_are_refused(axes: Any, surfaces: Any, message: str) -> None:
    conditions = [{"on": "boundary", "equation": "u = 0"}, {"on": "surface:ring", "equation": "u = 1"}]
    with pytest.raises(UsageError, match=message):
        Problem.of("lap(u) = 0", axes, conditions, surfaces=surfaces)


@pytest.mark.parametrize(
    ("least_z", "message"),
    [
        (-0.99, r"'bowl.stl' is not watertight \([0-9]+ edges have one face\)"),
        (0.0, "bowl.stl' is open: 1 boundary of 48 edges"),
    ],
)
def test_a_mesh_that_is_open_is_no_domain_and_no_surface(least_z: float, message: str, tmp_path: Path) -> None:
    """A ball with a small hole, and a bowl."""
    mesh = trimesh.creation.icosphere(3)
    mesh.update_faces(mesh.triangles_center[:, 2] > least_z)
    path = tmp_path / "bowl.stl"
    mesh.export(path)
    for tables in ({"geometry": {"mesh": str(path)}}, {"surfaces": {"ring": {"mesh": str(path)}}}):
        with pytest.raises(UsageError, match=message) as error:
            Problem.of("lap(u) = -1", {} if "geometry" in tables else BOX, WALLS, **tables)
        assert "winding numbers" in str(error.value.hint)


def test_axes_beside_a_mesh(torus: Path) -> None:
    tables: dict[str, Any] = {"geometry": {"mesh": str(torus)}}
    conditions = [{"on": "boundary", "equation": "u = x"}, {"on": "start", "equation": "u = x"}]
    problem = Problem.of("u_t = lap(u)", {"t": (0, 0.1)}, conditions, reference={"exact": "x"}, **tables)
    assert solve(problem, method="least_squares", features=120, scale=3.0).errors.exact["u"] < 1e-4
    with pytest.raises(UsageError, match="axes a are given, and x, y, z and their ranges come from the shape"):
        Problem.of("lap(u) = a", {"a": (0, 1)}, WALLS, **tables)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"geometry": {"mesh": "a.stl", "disc": {}}}, "expected mesh = a file, and nothing else"),
        ({"geometry": {"mesh": 3}}, "expected mesh = a file"),
        ({"geometry": {"polygon": [[0, 0], [1, 0]]}}, "expected 3 to 500 corners"),
        (
            {"geometry": {"disc": {"center": [5, 0], "radius": 1}}},
            "reaches from 4 to 6 along x, and the axis from 0 to 1",
        ),
        ({"geometry": {"polygon": [[0, 0], [1, 1], [1, 0], [0, 1]]}}, "sides 1 and 3 of the polygon meet"),
        ({"geometry": {"polygon": [[0, 0], [1, 1], [2, 2]]}}, "has no area"),
        ({"geometry": {"polygon": [[0, 0], ["a", 1], [2, 2]]}}, "expected two finite numbers"),
    ],
)
def test_domains_that_are_refused(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Problem.of("lap(u) = -1", {"x": (0, 1), "y": (0, 1)}, [{"on": "boundary", "equation": "u = 0"}], **tables)


def test_solids_that_are_refused(torus: Path, tmp_path: Path) -> None:
    wall = [{"on": "boundary", "equation": "u = 0"}]
    with pytest.raises(UsageError, match="come from the shape"):
        Problem.of("lap(u) = -1", {"x": (0, 1)}, wall, geometry={"mesh": str(torus)})
    with pytest.raises(UnreadableError, match="no such file"):
        Problem.of("lap(u) = -1", {}, wall, geometry={"mesh": str(tmp_path / "none.stl")})
    inr.fit("analytic:scene", "mlp", {"steps": 1}).save(tmp_path / "u.safetensors")
    with pytest.raises(UsageError, match="is not a fit of a shape"):
        Problem.of("lap(u) = -1", {}, wall, geometry={"sdf": str(tmp_path / "u.safetensors")})
    with pytest.raises(UsageError, match="outside the folder"):
        Problem.of_document({"problem": {"equation": "lap(u) = -1"}, "geometry": {"mesh": "../a.stl"}}, tmp_path)
    part = [{"on": "expr: z > 5", "equation": "u = 1"}, *wall]
    with pytest.raises(UsageError, match="holds at no point"):
        solve(Problem.of("lap(u) = -1", {}, part, geometry={"mesh": str(torus)}), time_s=1)
    with pytest.raises(UsageError, match='no condition on side "outer"'):
        Problem.of("lap(u) = -1", {}, part[:1], geometry={"mesh": str(torus)})
    with pytest.raises(UsageError, match="one of them"):
        Problem.of("lap(u) = -1", {}, [{"on": ["expr: z > 0", "outer"], "equation": "u = 0"}],
                   geometry={"mesh": str(torus)})  # fmt: skip
