"""VTI and VTU files hold the lattice's values, its cells inside the domain, and the surface of a mesh."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from inr.solving import Problem, Solution, solve
from inr.solving.lattice import Sampled
from inr.solving.vtk import vti, vtu

KINDS = {"Float64": "<f8", "Int64": "<i8", "UInt8": "u1"}


def arrays(root: ElementTree.Element) -> dict[str, Any]:
    found = {}
    for array in root.iter("DataArray"):
        raw = base64.b64decode(array.text or "")
        assert int.from_bytes(raw[:8], "little") == len(raw) - 8
        found[str(array.get("Name"))] = np.frombuffer(raw[8:], KINDS[str(array.get("type"))])
    return found


@pytest.fixture(scope="module")
def solution() -> Solution:
    axes, walls = {"x": (-1, 1), "y": (-1, 1)}, [{"on": "boundary", "equation": "u = x + 3*y"}]
    problem = Problem.of("lap(u) = 0", axes, walls, geometry={"disc": {"radius": 1}})
    return solve(problem, method="least_squares", features=60, scale=3.0)


def test_vti(solution: Solution) -> None:
    sampled = Sampled.of(solution, 21)
    root = ElementTree.fromstring(vti(sampled))
    image = root.find("ImageData")
    assert image is not None
    assert image.get("WholeExtent") == "0 20 0 20 0 0"
    np.testing.assert_allclose([float(each) for each in (image.get("Spacing") or "").split()], [0.1, 0.1, 1.0])
    found = arrays(root)
    assert set(found) == {"u", "residual", "mask"}
    np.testing.assert_array_equal(found["u"].reshape(21, 21).T, sampled.values["u"])  # x runs fastest


def test_cells_of_a_disc(solution: Solution) -> None:
    root = ElementTree.fromstring(vtu(Sampled.of(solution, 101), solution))
    found = arrays(root)
    points, cells = found["points"].reshape(-1, 3), found["connectivity"].reshape(-1, 4)
    piece = next(root.iter("Piece"))
    assert (int(piece.get("NumberOfPoints") or 0), int(piece.get("NumberOfCells") or 0)) == (len(points), len(cells))
    assert set(found["types"]) == {9}
    np.testing.assert_array_equal(found["offsets"], 4 * np.arange(1, 1 + len(cells)))
    np.testing.assert_allclose(found["u"], points[:, 0] + 3 * points[:, 1], atol=1e-8)
    x, y = points[cells, 0], points[cells, 1]
    area = (x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1)).sum(1) / 2
    np.testing.assert_allclose(area, 0.02**2)  # counterclockwise squares
    assert np.pi - 0.15 < area.sum() < np.pi


def test_cells_and_surface_of_a_mesh(tmp_path: Path) -> None:
    trimesh.creation.icosphere(subdivisions=2).export(tmp_path / "ball.stl")
    problem = Problem.of("lap(u) = 0", {}, [{"on": "boundary", "equation": "u = x + z"}],
                         geometry={"mesh": str(tmp_path / "ball.stl")})  # fmt: skip
    solution = solve(problem, method="least_squares", features=60, scale=2.0, target=0.5)
    found = arrays(ElementTree.fromstring(vtu(Sampled.of(solution, 13), solution)))
    assert set(found["types"]) == {12, 5}
    points = found["points"].reshape(-1, 3)
    np.testing.assert_allclose(found["u"], points[:, 0] + points[:, 2], atol=0.02)
    n_cells = int((found["types"] == 12).sum())
    corners = points[found["connectivity"][: 8 * n_cells].reshape(-1, 8)]
    way = corners[:, [1, 3, 4]] - corners[:, :1]
    assert (np.linalg.det(way) > 0).all()
    triangles = points[found["connectivity"][8 * n_cells :].reshape(-1, 3)]
    assert len(triangles) == 320
    np.testing.assert_allclose(np.linalg.norm(triangles, axis=-1), 1, atol=1e-6)
