"""Large meshes: those of marching cubes on the same lattice, closed whatever the signs are, written in parts."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor

from inr.core.domain import Domain, Frame
from inr.core.errors import UsageError
from inr.mesh import LargeMesh, Mesh, check_mesh, extract_large, extract_mesh, save_large
from tests.mesh import shapes

FRAME = Frame(Domain((1.0, 2.0, 3.0), (3.0, 4.0, 5.0), ("x", "y", "z"), "units"), (0.0,), (2.0,))


def ring(x: Tensor) -> Tensor:
    """A torus of radii 0.05 and 0.02, and a ball whose centre is on a wall of the box."""
    p = x - x.new_tensor([0.4, 0.503, 0.6])
    torus = shapes.norm(torch.stack([shapes.norm(p[:, :2]) - 0.05, p[:, 2]], dim=1)) - 0.02
    return torch.minimum(torus, shapes.norm(x - x.new_tensor([1.0, 0.2, 0.3])) - 0.02)


@pytest.fixture(scope="module")
def large() -> LargeMesh:
    return extract_large(ring, FRAME, resolution=1024)


def test_it_is_marching_cubes_on_the_same_lattice(large: LargeMesh) -> None:
    small = extract_mesh(ring, resolution=1024, project_steps=0)
    assert len(large.faces) == len(small.faces)
    one, two = (np.sort(m.vertices.astype(float).sum(axis=1)) for m in (large, small))
    assert len(one) == len(two)
    assert np.allclose(one, two, atol=1e-5)
    found = check_mesh(Mesh(large.vertices.astype(float), large.faces.astype(np.int64)))
    assert found.is_sound
    assert found.genus == 1
    assert large.is_closed
    assert large.is_clipped
    assert (large.n_components, large.n_cavities) == (2, 0)
    torus, half_ball = 2 * math.pi**2 * 0.05 * 0.02**2, 2 / 3 * math.pi * 0.02**3
    assert large.volume == pytest.approx(8 * (torus + half_ball), rel=2e-3)
    assert large.fraction < 0.01


def test_random_signs_close() -> None:
    """A ball of random values, with distances around it."""

    def rough(x: Tensor) -> Tensor:
        return torch.maximum(shapes.norm(x - 0.4871) - 0.015, 1e-6 * shapes.signs(x))

    mesh = extract_large(rough, FRAME, resolution=1024, lipschitz=1.0)
    assert len(mesh.faces) > 10_000
    found = check_mesh(Mesh(mesh.vertices.astype(float), mesh.faces.astype(np.int64)))
    assert found.is_sound
    assert mesh.is_closed
    assert mesh.n_components == found.n_components


@pytest.mark.parametrize("suffix", [".ply", ".stl"])
def test_files_are_in_units(large: LargeMesh, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"m{suffix}"
    with path.open("wb") as file:
        save_large(large, file, suffix)
    again = trimesh.load_mesh(path, process=False)
    assert len(again.faces) == len(large.faces)
    assert again.volume == pytest.approx(large.volume, rel=1e-4)
    assert again.bounds[1][0] == 3


def test_empty_and_refused() -> None:
    empty = extract_large(lambda x: x[:, 0] + 1, FRAME, resolution=1024)
    assert empty.outcome == "empty"
    assert (empty.volume, empty.n_components, empty.is_closed) == (0, 0, True)
    with pytest.raises(UsageError, match="resolution 512 is out of range for a large mesh"):
        extract_large(ring, FRAME, resolution=512)
    with pytest.raises(UsageError, match="more than the cap"):
        extract_large(ring, FRAME, resolution=1024, memory_bytes=10_000)
    with pytest.raises(UsageError, match=r"not \.obj"):
        save_large(empty, io.BytesIO(), ".obj")
