"""Extraction: closed forms, sparse against dense, shapes that meet the box, fields that are not distances."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from scipy.spatial import cKDTree
from torch import Tensor

from inr.core.domain import Domain, Frame
from inr.core.errors import UsageError
from inr.mesh import Mesh, MeshResult, extract_mesh, march
from tests.mesh import shapes

Shape = Callable[[Tensor], Tensor]


def solid(mesh: Mesh) -> Any:
    return trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)


def assert_sound(result: MeshResult, euler: int | None = None) -> None:
    """Closed, consistently wound, outward; unit normals on the same side as the faces."""
    made = solid(result)
    assert result.outcome == "ok"
    assert result.is_closed
    assert made.is_watertight
    assert made.is_winding_consistent
    assert made.volume > 0
    assert np.allclose(np.linalg.norm(result.normals, axis=1), 1)
    assert result.vertices.min() >= 0
    assert result.vertices.max() <= 1
    if euler is not None:
        assert made.euler_number == euler


def assert_same(a: MeshResult, b: MeshResult) -> None:
    assert np.array_equal(a.faces, b.faces)
    assert np.array_equal(a.vertices, b.vertices)
    assert np.array_equal(a.normals, b.normals)


@pytest.mark.parametrize("project_steps", [0, 2])
def test_sphere_converges_at_second_order(project_steps: int) -> None:
    area, volume = 4 * math.pi * shapes.R**2, 4 / 3 * math.pi * shapes.R**3
    errors = []
    for resolution in (24, 48, 96):
        result = extract_mesh(shapes.sphere, resolution=resolution, project_steps=project_steps)
        assert_sound(result, euler=2)
        made = solid(result)
        errors.append((abs(made.area / area - 1), abs(made.volume / volume - 1)))
    rates = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert rates.min() > 1.7
    assert max(errors[-1]) < 1e-3


def test_torus() -> None:
    result = extract_mesh(shapes.torus, resolution=128)
    assert_sound(result, euler=0)
    made = solid(result)
    assert made.volume == pytest.approx(2 * math.pi**2 * shapes.RING * shapes.TUBE**2, rel=2e-3)
    assert made.area == pytest.approx(4 * math.pi**2 * shapes.RING * shapes.TUBE, rel=2e-3)


@pytest.mark.parametrize("resolution", [37, 64, 100])
@pytest.mark.parametrize("dense", [False, True])
def test_axes_are_not_swapped(resolution: int, dense: bool) -> None:
    result = extract_mesh(shapes.ellipsoid, resolution=resolution, dense=dense)
    assert_sound(result, euler=2)
    semi = np.array(shapes.SEMI_AXES)
    assert np.allclose(result.vertices.min(axis=0), 0.5 - semi, atol=0.5 / resolution)
    assert np.allclose(result.vertices.max(axis=0), 0.5 + semi, atol=0.5 / resolution)


def test_projection_puts_vertices_on_the_level_set() -> None:
    before = extract_mesh(shapes.torus, resolution=48, project_steps=0)
    after = extract_mesh(shapes.torus, resolution=48)
    residual = [float(shapes.torus(torch.from_numpy(m.vertices)).abs().max()) for m in (before, after)]
    assert residual[1] < 2e-3 / 48
    assert residual[1] < residual[0] / 20
    assert np.linalg.norm(after.vertices - before.vertices, axis=1).max() <= 0.5 / 48 + 1e-9


@pytest.mark.parametrize("gradient", [None, shapes.sphere_gradient])
def test_normals_are_outward(gradient: Shape | None) -> None:
    result = extract_mesh(shapes.sphere, resolution=64, gradient=gradient)
    exact = (result.vertices - 0.5) / np.linalg.norm(result.vertices - 0.5, axis=1, keepdims=True)
    assert np.abs(result.normals - exact).max() < 1e-4


def test_a_vanishing_gradient_leaves_the_normals_to_the_faces() -> None:
    result = extract_mesh(shapes.sphere, resolution=32, gradient=lambda x: torch.full_like(x, math.nan))
    assert_sound(result, euler=2)
    exact = (result.vertices - 0.5) / np.linalg.norm(result.vertices - 0.5, axis=1, keepdims=True)
    assert (result.normals * exact).sum(axis=1).min() > 0.97


def test_level_is_a_distance() -> None:
    result = extract_mesh(shapes.sphere, resolution=64, level=-0.1)
    assert np.linalg.norm(result.vertices - 0.5, axis=1) == pytest.approx(0.25, abs=1e-4)


@pytest.mark.parametrize("resolution", [64, 128])
@pytest.mark.parametrize(
    "shape",
    [shapes.sphere, shapes.torus, shapes.box, shapes.cube, shapes.ellipsoid, shapes.clipped_sphere, shapes.sheets],
)
def test_sparse_is_dense(shape: Shape, resolution: int) -> None:
    sparse = extract_mesh(shape, resolution=resolution)
    dense = extract_mesh(shape, resolution=resolution, dense=True)
    assert_same(sparse, dense)
    assert sparse.rounds == 0
    assert sparse.n_search < 0.3 * dense.n_search
    assert dense.n_search == dense.n_dense == (resolution + 1) ** 3
    assert dense.lipschitz is None


@pytest.mark.parametrize("shape", [shapes.steep, shapes.rippled, shapes.gridded])
@pytest.mark.parametrize("resolution", [50, 96])
def test_fields_that_are_not_distances_are_refused(shape: Shape, resolution: int) -> None:
    sparse = extract_mesh(shape, resolution=resolution)
    assert_sound(sparse)
    assert_same(sparse, extract_mesh(shape, resolution=resolution, dense=True))


@pytest.mark.parametrize("resolution", [4, 5, 7, 13, 33])
def test_every_resolution_closes(resolution: int) -> None:
    sparse = extract_mesh(shapes.sphere, resolution=resolution)
    assert_sound(sparse, euler=2)
    assert_same(sparse, extract_mesh(shapes.sphere, resolution=resolution, dense=True))


@pytest.mark.parametrize("shape", [shapes.noise, shapes.signs, shapes.ties])
@pytest.mark.parametrize("resolution", [5, 16, 31])
def test_random_signs_give_two_faces_at_every_edge(shape: Shape, resolution: int) -> None:
    result = extract_mesh(shape, resolution=resolution, dense=True, project_steps=0)
    assert result.is_clipped
    assert_sound(result)


def test_a_face_through_lattice_points_is_flat() -> None:
    result = extract_mesh(shapes.cube, resolution=32)
    assert_sound(result, euler=2)
    assert np.abs(shapes.cube(torch.from_numpy(result.vertices)).numpy()).max() < 1.1e-3 / 32


@pytest.mark.parametrize("size", [1e-30, 1e-5, 1e30])
def test_values_of_any_size_close(size: float) -> None:
    plain = extract_mesh(shapes.noise, resolution=12, dense=True, project_steps=0)
    result = extract_mesh(lambda x: size * shapes.noise(x), resolution=12, dense=True, project_steps=0)
    assert_sound(result)
    assert len(result.vertices) == pytest.approx(len(plain.vertices), rel=0.01)


def test_blocks_are_stitched_without_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    together = extract_mesh(shapes.noise, resolution=31, dense=True, project_steps=0)
    monkeypatch.setattr(march, "BLOCKS_PER_CALL", 1)
    apart = extract_mesh(shapes.noise, resolution=31, dense=True, project_steps=0)
    assert np.array_equal(apart.faces, together.faces)
    assert np.allclose(apart.vertices, together.vertices, rtol=0, atol=1e-3 / 31)


def test_against_one_call_over_the_whole_lattice() -> None:
    """The same crossings as scikit-image finds without blocks, where no face is ambiguous."""
    from skimage.measure import marching_cubes

    n = 40
    axis = torch.arange(n + 1) / n
    grid = shapes.torus(torch.cartesian_prod(axis, axis, axis)).reshape(n + 1, n + 1, n + 1)
    theirs, faces, _, _ = marching_cubes(grid.numpy(), 0.0, spacing=(1 / n,) * 3)
    ours = extract_mesh(shapes.torus, resolution=n, project_steps=0)
    assert ours.faces.shape == faces.shape
    for one, other in ((ours.vertices, theirs), (theirs, ours.vertices)):
        assert cKDTree(one).query(other)[0].max() < 2e-3 / n
    assert solid(ours).volume == pytest.approx(abs(trimesh.Trimesh(theirs, faces).volume), rel=1e-3)


def test_a_shape_that_meets_the_box_is_closed_on_its_walls() -> None:
    result = extract_mesh(shapes.clipped_sphere, resolution=80)
    assert_sound(result, euler=2)
    assert result.is_clipped
    assert solid(result).volume == pytest.approx(math.pi / 3 * 0.3**3, rel=2e-3)
    assert (result.vertices[:, 0] == 0).any()
    assert (result.vertices[:, 2] == 1).any()
    inner = (result.vertices[:, 0] > 0) & (result.vertices[:, 2] < 1)
    distance = np.linalg.norm(result.vertices - [0, 0.5, 1], axis=1)
    assert distance[inner] == pytest.approx(0.3, abs=1e-4)
    assert distance.max() < 0.3 + 1e-4
    assert not extract_mesh(shapes.sphere, resolution=20).is_clipped


@pytest.mark.parametrize("sign", [-1.0, 1.0])
@pytest.mark.parametrize("dense", [False, True])
def test_no_crossing_is_a_named_outcome(sign: float, dense: bool) -> None:
    result = extract_mesh(lambda x: sign * (0.5 + x[:, :1]), resolution=32, dense=dense)
    assert result.outcome == "empty"
    assert result.vertices.shape == result.normals.shape == result.faces.shape == (0, 3)
    assert sorted(abs(v) for v in result.value_range) == pytest.approx([0.5, 1.5], abs=0.02)
    assert not result.is_clipped


def test_thin_and_far_parts_are_found() -> None:
    result = extract_mesh(shapes.sheets, resolution=200)
    assert_sound(result, euler=6)
    assert len(solid(result).split(only_watertight=True)) == 3


@pytest.mark.parametrize("lipschitz", [0.02, 0.3])
def test_the_search_recovers_from_a_bound_that_is_too_small(lipschitz: float) -> None:
    result = extract_mesh(shapes.torus, resolution=128, lipschitz=lipschitz)
    assert result.rounds > 0
    assert result.lipschitz == lipschitz
    assert_same(result, extract_mesh(shapes.torus, resolution=128, dense=True))


def test_a_given_bound_is_used() -> None:
    result = extract_mesh(shapes.sphere, resolution=128, lipschitz=1.0)
    assert result.rounds == 0
    assert result.n_search < extract_mesh(shapes.sphere, resolution=128).n_search
    assert_same(result, extract_mesh(shapes.sphere, resolution=128, dense=True))


@pytest.mark.slow
def test_under_a_tenth_of_the_dense_lattice_at_512() -> None:
    points = 0

    def counted(x: Tensor) -> Tensor:
        nonlocal points
        points += len(x)
        return shapes.sphere(x)

    result = extract_mesh(counted)
    assert result.resolution == 512
    assert result.n_evaluated == points
    assert result.fraction == points / 513**3
    assert result.fraction < 0.1
    assert result.is_closed
    assert solid(result).volume == pytest.approx(4 / 3 * math.pi * shapes.R**3, rel=1e-4)


def test_gradient_points_are_counted_and_progress_is_reported() -> None:
    seen: list[tuple[str, int]] = []
    points = 0

    def counted(x: Tensor) -> Tensor:
        nonlocal points
        points += len(x)
        return shapes.sphere_gradient(x)

    result = extract_mesh(
        shapes.sphere, resolution=32, gradient=counted, chunk=1000, on_progress=lambda *a: seen.append(a)
    )
    assert points > 0
    assert seen[-1][1] == result.n_evaluated
    assert [n for _, n in seen] == sorted(n for _, n in seen)
    assert {"coarse lattice", "lattice points", "projection"} <= {stage for stage, _ in seen}


def test_same_call_same_bytes() -> None:
    assert_same(extract_mesh(shapes.gridded, resolution=40), extract_mesh(shapes.gridded, resolution=40, chunk=5000))


def test_in_units() -> None:
    domain = Domain((-1.0, 10.0, 0.0), (3.0, 12.0, 8.0), ("x", "y", "z"), "mm")
    result = extract_mesh(shapes.sphere, resolution=48, level=0.01)
    placed = result.in_units(Frame(domain, (0.0,), (2.0,)))
    assert placed.level == pytest.approx(0.02)
    assert placed.value_range == pytest.approx([2 * v for v in result.value_range])
    assert np.allclose(placed.vertices.mean(axis=0), [1, 11, 4], atol=0.05)
    around = (placed.vertices - [1, 11, 4]) / np.array([4.0, 2.0, 8.0])
    outward = around / np.array([4.0, 2.0, 8.0])
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    assert np.abs(placed.normals - outward).max() < 1e-3
    assert placed.n_evaluated == result.n_evaluated


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resolution": 5000}, "5000"),
        ({"resolution": 2}, "resolution 2 "),
        ({"resolution": 4096, "memory_bytes": 1 << 30, "lipschitz": 1.0}, "GiB"),
        ({"level": math.nan}, "nan"),
        ({"project_steps": -1}, "-1"),
        ({"margin": 0.5}, "0.5"),
        ({"lipschitz": 0.0}, "0.0"),
        ({"chunk": 0}, "0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        extract_mesh(shapes.sphere, **settings)


def test_a_dense_mesh_over_the_memory_cap_is_refused_before_the_first_point() -> None:
    def untouched(x: Tensor) -> Tensor:
        raise AssertionError

    with pytest.raises(UsageError, match=r"resolution 4096 needs about .* GiB .* cap of 8.0 GiB") as caught:
        extract_mesh(untouched, resolution=4096, dense=True)
    assert "resolution of " in str(caught.value.hint)


def test_a_dense_mesh_with_more_surface_than_fits_is_refused_on_the_way() -> None:
    points = 0

    def counted(x: Tensor) -> Tensor:
        nonlocal points
        points += len(x)
        return shapes.noise(x)

    with pytest.raises(UsageError, match="needs about"):
        extract_mesh(counted, resolution=31, dense=True, chunk=1024, memory_bytes=4 << 20)
    assert 0 < points < 32**3


def test_fields_that_cannot_be_meshed_are_refused() -> None:
    with pytest.raises(UsageError, match=r"shape \[\d+, 3\]"):
        extract_mesh(lambda x: x, resolution=16)
    with pytest.raises(UsageError, match="not finite at"):
        extract_mesh(lambda x: torch.log(x[:, 0] - 0.3), resolution=16)
