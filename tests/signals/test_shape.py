"""Shapes: exact distances, a sign that is robust to holes, duplicates and flips, and the frame for units."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow
from torch import Tensor

from inr.core.errors import UnreadableError, UsageError
from inr.core.solid_formulas import box, sphere, torus
from inr.signals import Source, View, evaluate_grid, load_signal, paint_distances
from inr.signals.shape import Shape

Floats = np.ndarray[Any, np.dtype[np.float64]]
Faces = np.ndarray[Any, np.dtype[np.int64]]
N = 4000


def ball(subdivisions: int = 4) -> tuple[Floats, Faces]:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions)
    return np.array(mesh.vertices), np.array(mesh.faces)


def cuboid() -> tuple[Floats, Faces]:
    mesh = trimesh.creation.box((2.0, 1.4, 1.0))
    return np.array(mesh.vertices), np.array(mesh.faces)


def ring() -> tuple[Floats, Faces]:
    mesh = trimesh.creation.torus(1.0, 0.35, major_sections=128, minor_sections=64)
    return np.array(mesh.vertices), np.array(mesh.faces)


def off(vertices: Floats, faces: Faces) -> bytes:
    lines = ["OFF", f"{len(vertices)} {len(faces)} 0", *(" ".join(map(repr, v.tolist())) for v in vertices)]
    return "\n".join(lines + [f"3 {a} {b} {c}" for a, b, c in faces.tolist()]).encode()


def random_points(shape: Shape, n: int = N) -> tuple[Tensor, Tensor]:
    """Unit-box points, and the same in mesh units."""
    x = torch.rand(n, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return x, shape.frame.domain.from_unit(x)


@pytest.mark.parametrize("sign", ["auto", "winding"])
def test_box_distance_is_exact(sign: Any) -> None:
    shape = Shape.of_mesh(*cuboid(), sign=sign)
    x, p = random_points(shape)
    torch.testing.assert_close(shape.distance(x)[:, 0], box(p, (1.0, 0.7, 0.5)), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("mesh", "exact", "error"), [(ball, sphere, 2e-3), (ring, torus, 2e-3)])
@pytest.mark.parametrize("sign", ["pseudonormal", "winding"])
def test_round_shapes_within_their_tessellation(mesh: Any, exact: Any, error: float, sign: Any) -> None:
    shape = Shape.of_mesh(*mesh(), sign=sign)
    x, p = random_points(shape)
    difference = shape.distance(x)[:, 0] - exact(p)
    assert float(difference.abs().max()) < error
    assert float(difference.mean()) > 0  # an inscribed mesh is smaller: farther from everywhere, less deep


def test_frame_is_a_cube_with_the_mesh_in_the_middle() -> None:
    vertices, faces = cuboid()
    shape = Shape.of_mesh(vertices + np.array([10, -20, 30]), faces)
    domain = shape.frame.domain
    assert domain.extent == pytest.approx((2.2, 2.2, 2.2))
    assert domain.low == pytest.approx((8.9, -21.1, 28.9))
    assert shape.frame.scale == pytest.approx((2.2,))
    assert shape.frame.offset == (0.0,)
    assert domain.axes == ("x", "y", "z")
    middle = torch.full((1, 3), 0.5, dtype=torch.float64)
    assert float(shape.distance(middle)) == pytest.approx(-0.5)
    torch.testing.assert_close(
        shape.mesh[0][np.lexsort(shape.mesh[0].T)], vertices_sorted(vertices + np.array([10, -20, 30]))
    )


def vertices_sorted(vertices: Floats) -> Floats:
    ordered: Floats = vertices[np.lexsort(vertices.T)]
    return ordered


def test_auto_sign_strategy_and_notes() -> None:
    vertices, faces = ball(3)
    closed = Shape.of_mesh(vertices, faces)
    assert (closed.meta["sign"], closed.meta["is_watertight"], closed.notes) == ("pseudonormal", True, ())
    holed = Shape.of_mesh(vertices, faces[20:])
    assert (holed.meta["sign"], holed.meta["is_watertight"]) == ("winding", False)
    assert "watertight" in holed.notes[0]
    nested = Shape.of_mesh(np.concatenate([vertices, vertices * 0.5]), np.concatenate([faces, faces + len(vertices)]))
    assert (nested.meta["sign"], nested.meta["is_watertight"]) == ("pseudonormal", True)
    hollow = Shape.of_mesh(
        np.concatenate([vertices, vertices * 0.5]), np.concatenate([faces, faces[:, ::-1] + len(vertices)])
    )
    assert hollow.meta["sign"] == "pseudonormal"
    middle = torch.full((1, 3), 0.5, dtype=torch.float64)
    assert float(nested.distance(middle)) < 0 < float(hollow.distance(middle))


def test_hole_only_disturbs_its_neighbourhood() -> None:
    vertices, faces = ball(4)
    centres = vertices[faces].mean(axis=1)
    holed = Shape.of_mesh(vertices, faces[centres[:, 2] < 0.95])
    x, p = random_points(holed)
    far = (p - p.new_tensor([0.0, 0.0, 1.0])).norm(dim=-1) > 0.6
    wrong = (holed.distance(x)[:, 0] < 0) != (sphere(p) < 0)
    assert not bool((wrong & far & (sphere(p).abs() > 5e-3)).any())
    deep = far & (p[:, 2] < 0)
    # A pitfall of libigl: distances must not be scaled by fractional winding numbers.
    torch.testing.assert_close(holed.distance(x)[deep, 0], sphere(p)[deep], atol=3e-3, rtol=0)


def test_duplicated_faces_change_nothing() -> None:
    vertices, faces = ball(3)
    once = Shape.of_mesh(vertices, faces)
    twice = Shape.of_mesh(vertices, np.concatenate([faces, np.roll(faces, 1, axis=1)]))
    assert "1280 repeated faces" in twice.notes[0]
    x, _ = random_points(once)
    torch.testing.assert_close(twice.distance(x), once.distance(x), rtol=0, atol=0)
    apart = np.concatenate([vertices, vertices * (1 + 1e-7)])
    doubled = Shape.of_mesh(apart, np.concatenate([faces, faces + len(vertices)]))  # winding number 2 inside
    torch.testing.assert_close(doubled.distance(x), once.distance(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("n_missing", [0, 12])
def test_flipped_faces_are_detected(n_missing: int) -> None:
    vertices, faces = ball(3)
    faces = faces[n_missing:]
    right, flipped = Shape.of_mesh(vertices, faces), Shape.of_mesh(vertices, faces[:, ::-1])
    assert flipped.meta["is_flipped"]
    assert not right.meta["is_flipped"]
    assert "inwards" in flipped.notes[0]
    x, _ = random_points(right)
    torch.testing.assert_close(flipped.distance(x), right.distance(x), rtol=0, atol=1e-6)


def test_two_balls_of_different_orientation_are_both_solid() -> None:
    vertices, faces = ball(3)
    both = Shape.of_mesh(
        np.concatenate([vertices, vertices + np.array([3, 0, 0])]),
        np.concatenate([faces, faces[:, ::-1] + len(vertices)]),
    )
    centres = both.frame.domain.to_unit(torch.tensor([[0.0, 0, 0], [3, 0, 0]], dtype=torch.float64))
    assert bool((both.distance(centres) < -0.9).all())


def test_pool_mixture() -> None:
    shape = Shape.of_mesh(*ball(), n_points=8000)
    pool = shape.pool(torch.Generator().manual_seed(0))
    assert pool.size == 8000
    batch = pool.batch(torch.arange(8000))
    d = sphere(shape.frame.domain.from_unit(batch.x.double()))
    assert bool((batch.y[:2000] == 0).all())
    assert float(d[:2000].abs().max()) < 3e-3
    torch.testing.assert_close(shape.frame.from_field(batch.y)[:, 0].double(), d, atol=3e-3, rtol=0)
    diagonal = 2 * math.sqrt(3)
    assert 0.25 * diagonal / 200 < float(d[2000:5000].abs().mean()) < diagonal / 64
    assert float(batch.x[5000:].std()) == pytest.approx(1 / math.sqrt(12), rel=0.05)
    assert float(batch.x.min()) >= 0
    assert float(batch.x.max()) <= 1
    octants = (batch.x[:2000] > 0.5).long() @ torch.tensor([1, 2, 4])
    assert int(octants.bincount().min()) > 180  # area-uniform: 250 expected in each
    again = shape.pool(torch.Generator().manual_seed(0)).batch(torch.arange(8000))
    assert torch.equal(again.x, batch.x)
    assert torch.equal(again.y, batch.y)
    other = shape.pool(torch.Generator().manual_seed(1)).batch(torch.arange(8000))
    assert not torch.equal(other.x, batch.x)


def test_metrics_closed_form() -> None:
    shape = Shape.of_mesh(*ball())

    def grown(by: float) -> Any:
        return lambda x: sphere(shape.frame.domain.from_unit(x.double()), 1 + by)[:, None]

    exact = shape.metrics(lambda x: shape.distance(x))
    assert exact["iou"] == exact["iou_shell"] == 1
    assert exact["sign_error"] == 0
    assert exact["sdf_mae"] < 1e-7
    small = shape.metrics(grown(-0.1))
    assert small["iou"] == pytest.approx(0.9**3, abs=0.01)
    assert small["sdf_mae"] == pytest.approx(0.1, abs=4e-3)
    assert small["iou_shell"] == 0
    volume = 4 / 3 * math.pi * (1 - 0.9**3) / 2.2**3
    assert small["sign_error"] == pytest.approx(volume, abs=0.01)


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".stl", ".glb", ".off"])
def test_file_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    trimesh.creation.icosphere(subdivisions=2).export(path)
    shape = load_signal(path)
    assert isinstance(shape, Shape)
    assert shape.kind == "shape"
    assert (shape.meta["n_vertices"], shape.meta["n_faces"]) == (162, 320)
    assert shape.meta["is_watertight"]
    assert shape.meta["sign"] == "pseudonormal"


def test_views_and_writing() -> None:
    shape = Shape.of_mesh(*cuboid())

    def values(view: View) -> tuple[Any, dict[str, Any]]:
        grid, meta = Shape.grid(shape.spec, shape.frame, shape.meta, view)
        return evaluate_grid(shape.distance, grid, 1), meta

    assert Shape.grid(shape.spec, shape.frame, shape.meta, View())[0].shape == (128, 128, 128)
    volume, meta = values(View(size=(11,)))
    assert volume.shape == (11, 11, 11, 1)
    out = io.BytesIO()
    Shape.write(volume, meta, out, ".npy")
    out.seek(0)
    loaded = np.load(out)
    assert loaded[5, 5, 5] == pytest.approx(-0.5)
    assert loaded[0, 5, 5] == pytest.approx(0, abs=1e-6)
    assert (loaded[9, 5, 5], loaded[5, 5, 9]) == (pytest.approx(-0.2), pytest.approx(0.3))
    with pytest.raises(UsageError, match="3 axes"):
        Shape.write(volume, meta, io.BytesIO(), ".png")
    flat, meta = values(View(slices={"z": 0.0}, size=(40, 20)))
    assert flat.shape == (40, 20, 1, 1)
    out = io.BytesIO()
    Shape.write(flat, meta, out, ".png")
    with Pillow.open(out) as image:
        assert image.size == (40, 20)


def test_painting_distinguishes_inside_and_outside() -> None:
    picture = paint_distances(np.array([[-0.5, 0.0, 0.5]], np.float32), 1.0).astype(int)
    assert picture.shape == (1, 3, 3)
    assert picture[0, 0, 2] > picture[0, 0, 0]
    assert picture[0, 2, 0] > picture[0, 2, 2]
    np.testing.assert_array_equal(picture[0, 1], [255, 255, 255])


def bad_shapes() -> dict[str, tuple[str, bytes, str]]:
    vertices, faces = ball(1)
    spoilt = vertices.copy()
    spoilt[3, 1] = np.nan
    return {
        "empty": ("a.obj", b"", "is empty"),
        "text as ply": ("a.ply", b"not a ply file\n", "cannot read"),
        "text as glb": ("a.glb", b"not a glb file, but text", "cannot read"),
        "no faces": ("a.obj", b"v 0 0 0\nv 1 0 0\nv 0 1 0\n", "no faces"),
        "nan": ("a.off", off(spoilt, faces), "vertex 4 of 42 is .*, nan, .*finite"),
        "zero area": ("a.off", off(vertices, np.array([[0, 1, 0]])), "zero area"),
        "no extent": ("a.off", off(np.zeros((3, 3)), np.array([[0, 1, 2]])), "spans 0"),
        "too large": ("a.off", off(vertices * 1e200, faces), "spans 2e"),
        "missing vertex": ("a.off", off(vertices[:5], faces), "line .* vertex .*, expected 0 to 4"),
        "truncated": ("a.off", off(vertices, faces)[:500], "truncated: .* lines for 42 vertices and 80 faces"),
        "suffix": ("a.png", b"x", "expected one of"),
    }


@pytest.mark.parametrize("name", bad_shapes())
def test_bad_shapes_are_refused_in_one_line(name: str) -> None:
    file, data, message = bad_shapes()[name]
    with pytest.raises(UnreadableError, match=message) as caught:
        Shape.load(Source(file, data=data), {})
    assert "\n" not in caught.value.message


def test_options() -> None:
    data = off(*ball(1))
    assert Shape.load(Source("a.off", data=data), {"sign": "winding", "points": "100"}).n_points == 100
    with pytest.raises(UsageError, match="did you mean 'winding'"):
        Shape.load(Source("a.off", data=data), {"sign": "windin"})
    with pytest.raises(UsageError, match="points is 'many'"):
        Shape.load(Source("a.off", data=data), {"points": "many"})


def seeds() -> list[tuple[str, bytes]]:
    mesh = trimesh.creation.box((1, 2, 3))
    made = []
    for suffix in ("obj", "ply", "stl", "glb", "off"):
        data = mesh.export(file_type=suffix)
        made.append((f"a.{suffix}", data.encode() if isinstance(data, str) else data))
    return made


SEEDS = seeds()


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_load_or_are_unreadable(data: st.DataObject) -> None:
    name, whole = data.draw(st.sampled_from(SEEDS))
    damaged = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    try:
        shape = Shape.load(Source(name, data=bytes(damaged[:cut])), {"points": "64"})
    except UnreadableError:
        pass
    except UsageError as error:
        if "is open" not in error.message:  # faces are missing
            raise
    else:
        assert bool(torch.isfinite(shape.pool(torch.Generator()).batch(torch.arange(64)).y).all())
