"""Polygons of mesh files: concave ones are filled inside their outline, by all of their corners, in order."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.signals.files.meshes.polygons import triangulate
from tests.signals.files.meshes.mesh_bytes import (
    BOX,
    BOX_FACES,
    Floats,
    obj_lines,
    off,
    ply,
    read,
    text,
    triangles,
)


def area_vectors(corners: Floats) -> Floats:
    found: Floats = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) / 2
    return found


ELL = np.array([[0.0, 0, 0], [2, 0, 0], [2, 1, 0], [1, 1, 0], [1, 2, 0], [0, 2, 0]])


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("suffix", ["obj", "off", "ply", "ascii ply"])
def test_a_concave_polygon_is_cut_inside_its_outline(suffix: str, first: int) -> None:
    outline = np.roll(np.arange(6), first).tolist()
    data = {
        "obj": text(obj_lines(ELL, np.array([outline]))),
        "off": text(off(ELL, [outline])),
        "ply": ply(ELL, [outline]),
        "ascii ply": ply(ELL, [outline], "ascii"),
    }[suffix]
    corners = triangles(read(f"a.{suffix.split()[-1]}", data))
    assert corners.shape == (4, 3, 3)
    assert (area_vectors(corners)[:, 2] > 0).all()
    assert area_vectors(corners)[:, 2].sum() == pytest.approx(3)


@settings(max_examples=100, deadline=None)
@given(st.integers(4, 24), st.integers(0, 2**32 - 1), st.floats(-12, 9), st.booleans())
def test_any_simple_polygon_is_filled_once_by_all_its_corners(n: int, seed: int, size: float, is_plain: bool) -> None:
    """Star-shaped outlines in any plane, with corners on straight edges, of any size and far from the origin."""
    rng = np.random.default_rng(seed)
    angle = 2 * np.pi * (np.arange(n) + 0.8 * rng.random(n)) / n
    radius = np.ones(n) if is_plain else rng.uniform(0.2, 1, n)
    flat = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    straight = rng.random(n) < 0.3
    flat = np.concatenate(
        [np.stack([p, (p + q) / 2])[: 1 + s] for p, q, s in zip(flat, np.roll(flat, -1, axis=0), straight, strict=True)]
    )
    axes = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    outline = 10**size * (flat @ axes[:2] + (100 * rng.normal(size=3) if is_plain else 0))
    order = np.arange(len(flat))
    faces = triangulate(outline, order, np.array([len(flat)]))
    assert faces.shape == (len(flat) - 2, 3)
    assert set(faces.ravel().tolist()) == set(order.tolist())
    x, y = flat.T
    expected = float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)
    areas = area_vectors(outline[faces] / 10**size) @ np.cross(axes[0], axes[1])
    assert areas.sum() == pytest.approx(expected, rel=1e-6)
    assert areas.min() > -1e-6
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).tolist()
    for a, b in zip(order.tolist(), np.roll(order, -1).tolist(), strict=True):
        assert edges.count([a, b]) == 1
        assert edges.count([b, a]) == 0


def test_polygons_of_many_sizes_keep_their_order() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.integers(3, 8, 50)
    turn = [2 * np.pi * np.arange(n) / n for n in sizes]
    vertices = np.concatenate([np.stack([np.cos(a), np.sin(a), np.full(len(a), i)], 1) for i, a in enumerate(turn)])
    faces = triangulate(vertices, np.arange(len(vertices)), sizes)
    np.testing.assert_array_equal(vertices[faces][:, 0, 2], np.repeat(np.arange(50.0), sizes - 2))
    np.testing.assert_array_equal(vertices[faces][:, 2, 2], np.repeat(np.arange(50.0), sizes - 2))
    assert (area_vectors(vertices[faces])[:, 2] > 0).all()


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("extra", [False, True])
def test_a_ply_may_mix_triangles_and_quads(form: str, extra: bool) -> None:
    rows = [*BOX_FACES[:-2].tolist(), [6, 7, 5, 4]]
    found = read("a.ply", ply(BOX, rows, form, extra=extra))
    assert len(found.faces) == 12
    assert area_vectors(triangles(found)).sum(axis=0) == pytest.approx(np.zeros(3))


def test_faces_of_two_corners_are_left_out_with_a_note() -> None:
    rows = [*BOX_FACES.tolist(), [0, 1]]
    lines = [*obj_lines(BOX, BOX_FACES), "f 1 2"]
    for name, data in (("a.ply", ply(BOX, rows)), ("a.off", text(off(BOX, rows))), ("a.obj", text(lines))):
        found = read(name, data)
        np.testing.assert_array_equal(triangles(found), BOX[BOX_FACES])
        assert found.notes[0].startswith("1 faces of fewer than three")


def strips(index: list[int], form: str = "<") -> bytes:
    lines = ["ply", f"format binary_{'little' if form == '<' else 'big'}_endian 1.0", "element vertex 8"]
    lines += [*(f"property float {a}" for a in "xyz"), "element tristrips 1"]
    head = text([*lines, "property list int int vertex_indices", "end_header"])
    return head + BOX.astype(form + "f4").tobytes() + struct.pack(f"{form}{len(index) + 1}i", len(index), *index)


def test_triangle_strips_of_a_ply_end_at_minus_one_and_alternate() -> None:
    for form in "<>":
        found = triangles(read("a.ply", strips([0, 1, 2, 3, 4, -1, 5, 6, 7, -1], form)))
        np.testing.assert_array_equal(found, BOX[[[0, 1, 2], [2, 1, 3], [2, 3, 4], [5, 6, 7]]])
    stitched = triangles(read("a.ply", strips([0, 1, 2, 2, 4, 4, 5, 6])))
    np.testing.assert_array_equal(stitched, BOX[[[0, 1, 2], [5, 4, 6]]])
