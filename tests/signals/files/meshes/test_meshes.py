"""Mesh readers: every dialect gives the same triangles; damaged and unsupported files are refused in one line."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inr.core.errors import UnreadableError
from inr.inspection import describe
from inr.signals import Source, load_signal
from inr.signals.files.meshes import READERS
from tests.signals.files.meshes.mesh_bytes import (
    BOX,
    BOX_FACES,
    DIALECTS,
    Faces,
    Floats,
    obj_lines,
    off,
    ply,
    read,
    stl_binary,
    stl_lines,
    text,
    triangles,
)

CASES = [(suffix, name) for suffix, dialects in DIALECTS.items() for name, _ in dialects(BOX, BOX_FACES)]


@pytest.mark.parametrize(("suffix", "name"), CASES)
def test_every_dialect_gives_the_box(suffix: str, name: str) -> None:
    found = read(f"a.{suffix}", dict(DIALECTS[suffix](BOX, BOX_FACES))[name])
    np.testing.assert_array_equal(triangles(found), BOX[BOX_FACES])
    assert found.vertices.dtype == np.float64
    assert found.notes == () or "behind" in name or "two files" in name


@st.composite
def meshes(draw: st.DrawFn) -> tuple[Floats, Faces]:
    """Any triangles between a few points, positions as single precision has them."""
    n = draw(st.integers(3, 9))
    number = st.floats(-1e6, 1e6, width=32, allow_subnormal=False)
    vertices = np.array(draw(st.lists(st.tuples(number, number, number), min_size=n, max_size=n)), np.float64)
    corner = st.integers(0, n - 1)
    faces = draw(st.lists(st.tuples(corner, corner, corner), min_size=1, max_size=12))
    return vertices, np.array(faces, np.int64)


@settings(max_examples=25, deadline=None)
@given(meshes())
def test_any_mesh_reads_back_from_every_dialect(mesh: tuple[Floats, Faces]) -> None:
    vertices, faces = mesh
    for suffix, dialects in DIALECTS.items():
        for name, data in dialects(vertices, faces):
            found = triangles(read(f"a.{suffix}", data))
            np.testing.assert_array_equal(found, vertices[faces], err_msg=f"{suffix} {name}")


SEEDS = [(suffix, data) for suffix, dialects in DIALECTS.items() for _, data in dialects(BOX, BOX_FACES)]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6), st.integers(0, 9))))
def test_damage_of_any_kind_is_a_mesh_or_a_value_error(seed: tuple[str, bytes], changes: list[Any]) -> None:
    suffix, data = seed
    for place, new, n_lost in changes:
        place %= len(data) + 1
        data = data[:place] + new + data[place + n_lost :]
    try:
        found = READERS[f".{suffix}"](data)
    except ValueError:
        return
    assert np.isfinite(found.vertices).all()
    assert found.faces.size == 0 or 0 <= found.faces.min() <= found.faces.max() < len(found.vertices)


@pytest.mark.parametrize("suffix", DIALECTS)
def test_without_a_suffix_the_first_bytes_give_the_format(suffix: str) -> None:
    data = next(DIALECTS[suffix](BOX, BOX_FACES))[1]
    np.testing.assert_array_equal(triangles(read("stdin", data)), BOX[BOX_FACES])


@pytest.mark.parametrize(("suffix", "name"), [case for case in CASES if case[1] != "no keyword"])
def test_inspect_knows_the_kind_of_every_dialect(suffix: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(dict(DIALECTS[suffix](BOX, BOX_FACES))[name])
    found = describe(path)
    assert (found["what"], found["format"]) == ("mesh", suffix)
    if suffix in ("ply", "off"):
        assert (found["n_vertices"], found["n_faces"]) == (8, 12)


CUT = [
    *(("stl", name) for name in ("binary", "ascii", "binary that begins solid", "ascii, latin-1 name")),
    *(("ply", name) for name in ("ascii", "binary_little_endian", "binary_big_endian, more properties")),
    ("off", "plain"),
    ("off", "colours"),
    ("glb", "indices of uint8"),
]


@pytest.mark.parametrize(("suffix", "name"), CUT)
def test_a_file_cut_at_any_byte_is_refused_or_gives_the_same_mesh(suffix: str, name: str) -> None:
    corners = np.array([[0.0, 0, 0], [1.5, 0, 0], [0, 2.5, 0], [0, 0, 3.5]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    data = dict(DIALECTS[suffix](corners, faces))[name]
    n_read = 0
    for size in range(len(data)):
        try:
            found = read(f"a.{suffix}", data[:size])
        except UnreadableError:
            continue
        else:
            np.testing.assert_array_equal(triangles(found), corners[faces], err_msg=f"cut at {size} of {len(data)}")
            n_read += 1
    assert n_read <= 12  # the line end, the last name


def test_a_cut_obj_holds_a_beginning_of_the_faces() -> None:
    data = text(obj_lines(BOX, BOX_FACES))
    for size in range(len(data)):
        try:
            found = triangles(read("a.obj", data[:size]))
        except UnreadableError:
            continue
        else:
            np.testing.assert_array_equal(found, BOX[BOX_FACES][: len(found)])


@pytest.mark.parametrize("suffix", ["obj", "off", "ply"])
def test_a_last_number_that_may_have_lost_digits_is_noted(suffix: str) -> None:
    vertices = np.random.default_rng(0).random((30, 3))
    rows = [[0, 1, 2], [3, 4, 25]]
    data = {
        "obj": text(obj_lines(vertices, np.array(rows) - [[0, 0, 0], [0, 0, 1]])),
        "off": text(off(vertices, rows)),
        "ply": ply(vertices, rows, "ascii"),
    }[suffix]
    assert read(f"a.{suffix}", data).notes == ()
    assert "may lack digits" in read(f"a.{suffix}", data[:-2]).notes[0]
    assert read(f"a.{suffix}", data[:-1]).notes == ()  # 25 cannot have been longer


def refused() -> dict[str, tuple[str, bytes, str]]:
    """name: (file, bytes, part of the message)."""
    lines, faces = obj_lines(BOX, BOX_FACES), BOX_FACES.tolist()
    binary = stl_binary(BOX, BOX_FACES)
    ascii_stl = stl_lines(BOX, BOX_FACES)
    plain = off(BOX, faces)
    whole = ply(BOX, faces)
    nan = np.where(np.arange(24).reshape(8, 3) == 7, np.nan, BOX)
    return {
        "obj index 0": ("a.obj", text([line.replace("f 5 2", "f 0 2") for line in lines]), "line 10: .* index 0"),
        "obj index too large": ("a.obj", text([*lines, "f 1 2 500"]), "line 21: .* vertex 500, the file has 8"),
        "obj relative too far": ("a.obj", text([*lines, "f -1 -2 -9"]), "line 21: .* before the first vertex"),
        "obj relative before all": ("a.obj", text(["f -1 -2 -3", *lines]), "line 1: .* before the first vertex"),
        "obj index of words": ("a.obj", text([*lines, "f 1 a 3"]), "line 21: 'a' is not a vertex index"),
        "obj index that is no whole number": ("a.obj", text([*lines, "f 1 2.5 3"]), "line 21: '2.5' is not"),
        "obj index far too large": ("a.obj", text([*lines, "f 1 2 " + "9" * 30]), "line 21: "),
        "obj index with underscore": ("a.obj", text([*lines, "f 1 2 1_0"]), "line 21: '1_0' is not"),
        "obj decimal comma": ("a.obj", text(["v 0,5 0 0", *lines]), "line 1: '0,5' .* expected 0.5"),
        "obj not a number": ("a.obj", text([*lines, "v 1 2 1.#IND"]), "line 21: '1.#IND' is not a number"),
        "obj underscore": ("a.obj", text(["# a", "v 1 2 1_0", *lines]), "line 2: '1_0' is not a number"),
        "obj short vertex": ("a.obj", text([*lines, "", "v 1 2"]), "line 22: a vertex has 2 numbers"),
        "obj nan": ("a.obj", text(obj_lines(nan, BOX_FACES)), r"vertex 3 of 8 is \(0, nan, 0\)"),
        "obj free form": ("a.obj", text([*lines, "surf 0 1 0 1 1 2 3"]), "line 21: 'surf' is .* free-form"),
        "obj that calls": ("a.obj", text([*lines, "call more.obj"]), "line 21: 'call' is another file"),
        "obj without faces": ("a.obj", text(lines[:8]), "has no faces"),
        "stl count too large": ("a.stl", binary[:80] + b"\xff\xff\xff\xff" + binary[84:], "4294967295 .* hold 12"),
        "stl count too small": ("a.stl", binary[:80] + struct.pack("<I", 10) + binary[84:], "states 10 .* hold 12"),
        "stl count 0": ("a.stl", binary[:80] + bytes(4) + binary[84:], "states 0 .* hold 12"),
        "stl cut": ("a.stl", binary[:-77], "states 12 .* hold 10"),
        "stl ascii, cut between facets": ("a.stl", text(ascii_stl[:-8]), "11 facets, without 'endsolid'"),
        "stl ascii, cut in a facet": ("a.stl", text(ascii_stl[:-4]), "facet 12 is cut short"),
        "stl ascii, four corners": (
            "a.stl",
            text([*ascii_stl[:4], "vertex 1 1 1", *ascii_stl[4:]]),
            "facet 1 is cut short or not understood",
        ),
        "stl ascii, words": ("a.stl", text(ascii_stl).replace(b"vertex 0", b"vertex a", 1), "'a.0' is not a number"),
        "stl ascii without facets": ("a.stl", b"solid a\nendsolid a\n", "has no faces"),
        "stl nan": ("a.stl", stl_binary(nan, BOX_FACES), "vertex .* expected finite"),
        "ply short of faces": ("a.ply", ply(BOX, faces, "ascii").rsplit(b"\n", 3)[0], "after 10 of the 12 rows"),
        "ply cut": ("a.ply", whole[:-20], "10 of the 12 rows of its element 'face'"),
        "ply with more numbers": (
            "a.ply",
            ply(BOX, faces, "ascii") + b"3 0 1 2\n",
            "12 rows of its element 'face', but more rows follow",
        ),
        "ply binary with more rows": ("a.ply", whole + bytes(range(13)), "12 rows .* more rows follow"),
        "ply of two faces elements": (
            "a.ply",
            whole.replace(b"end_header", b"element face 0\nproperty list uchar int vertex_indices\nend_header"),
            "two elements with the name 'face'",
        ),
        "ply of two x": ("a.ply", whole.replace(b"float y", b"float x"), "two properties of 'vertex' .* 'x'"),
        "ply list of float length": (
            "a.ply",
            whole.replace(b"list uchar", b"list float"),
            "length that is not a whole",
        ),
        "ply index too large": ("a.ply", ply(BOX, [*faces, [0, 1, 99]]), "face 13 has the vertex index 99"),
        "ply index negative": ("a.ply", ply(BOX, [*faces, [0, 1, -1]]), "face 13 has the vertex index -1"),
        "ply of many vertices": (
            "a.ply",
            whole.replace(b"vertex 8", b"vertex 999999999999999"),
            "of the 999999999999999 rows of its element 'vertex'",
        ),
        "ply of many faces": ("a.ply", whole.replace(b"face 12", b"face 99999999999"), "rows of its element 'face'"),
        "ply negative count": ("a.ply", whole.replace(b"face 12", b"face -1"), "negative number of 'face'"),
        "ply unknown type": ("a.ply", whole.replace(b"float x", b"quad x"), "line 6 .*'property quad x'"),
        "ply unknown format": ("a.ply", whole.replace(b"little_endian", b"middle_endian"), "binary_middle_endian"),
        "ply no x": ("a.ply", whole.replace(b"float x", b"float a"), "no property 'x', they have: a, y, z"),
        "ply no list": ("a.ply", whole.replace(b"vertex_indices", b"corners"), "no list vertex_indices.*corners"),
        "ply nan": ("a.ply", ply(nan, faces), r"vertex 3 of 8 is \(0, nan, 0\)"),
        "ply float indices": ("a.ply", ply(BOX, [[0, 1, 2.5]], index="float"), "not whole numbers"),  # type: ignore[list-item]
        "ply without faces": ("a.ply", ply(BOX, []), "has no faces"),
        "off short": ("a.off", text(plain[:-3]), "after 9 of its 12 faces"),
        "off goes on": ("a.off", text([*plain, "3 0 1 2"]), "line 23: .* after the 12 faces"),
        "off index": ("a.off", text([*plain[:-1], "3 0 1 8"]), "line 22: .* vertex 8, expected 0 to 7"),
        "off negative index": ("a.off", text([*plain[:-1], "3 0 1 -1"]), "line 22: .* vertex -1"),
        "off short face": ("a.off", text([*plain[:-1], "4 0 1 2"]), "line 22: .* 3 vertices, .* states 4"),
        "off words": ("a.off", text([*plain[:-1], "3 0 1 x"]), "line 22: 'x' is not a whole number"),
        "off short vertex": ("a.off", text([*plain[:2], "0 0", *plain[3:]]), "line 3: vertex 1 has 2 numbers"),
        "off word for a number": ("a.off", text([*plain[:2], "0 0 z", *plain[3:]]), "line 3: 'z' is not a number"),
        "off binary": ("a.off", b"OFF BINARY\n" + bytes(40), "binary OFF"),
        "off of four dimensions": ("a.off", text(off(BOX, faces, "nOFF 4\n")), "'4' dimensions, expected 3"),
        "off counts": ("a.off", b"OFF\n8\n", "line 2: expected the numbers"),
        "off nan": ("a.off", text(off(nan, faces)), r"vertex 3 of 8 is \(0, nan, 0\)"),
        "ply under another name": ("a.obj", whole, "first bytes are those of a .ply file"),
    }


@pytest.mark.parametrize("name", refused())
def test_errors_name_the_place_in_the_file(name: str) -> None:
    file, data, message = refused()[name]
    with pytest.raises(UnreadableError, match=message) as caught:
        read(file, data)
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 3


def test_hints_of_meshes_without_faces_hold() -> None:
    with pytest.raises(UnreadableError) as caught:
        read("a.obj", b"v 0 0 0\nvn 0 0 1\n")
    assert ".xyz" in str(caught.value.hint)
    assert "kind=points" not in str(caught.value.hint)
    with pytest.raises(UnreadableError) as caught:
        read("a.ply", ply(BOX, []))
    assert "kind=points" in str(caught.value.hint)


def test_unused_vertices_do_not_matter() -> None:
    vertices = np.concatenate([[[np.nan, 0, 0]], BOX, [[1e30, 0, 0]]])
    found = read("a.off", text(off(vertices, (BOX_FACES + 1).tolist())))
    np.testing.assert_array_equal(found.vertices, BOX)


def test_notes_reach_the_signal() -> None:
    shape = load_signal(Source("a.stl", data=stl_binary(BOX, BOX_FACES) + b"behind"))
    assert shape.notes[0] == "a.stl: 6 bytes after its last triangle were left out"


def test_an_ascii_stl_without_its_end_is_read_where_the_surface_is_closed() -> None:
    lines = stl_lines(BOX, BOX_FACES)[:-1]
    np.testing.assert_array_equal(triangles(read("a.stl", text(lines))), BOX[BOX_FACES])


def test_far_coordinates_keep_their_digits() -> None:
    far = BOX / 7 + [500000.125, 4000000.0625, 120.3]
    for suffix, data in (
        ("obj", text(obj_lines(far, BOX_FACES))),
        ("off", text(off(far, BOX_FACES.tolist()))),
        ("ply", ply(far, BOX_FACES.tolist(), "ascii", position="double")),
        ("ply", ply(far, BOX_FACES.tolist(), "binary_big_endian", position="double")),
        ("stl", text(stl_lines(far, BOX_FACES))),
    ):
        np.testing.assert_array_equal(triangles(read(f"a.{suffix}", data)), far[BOX_FACES])
