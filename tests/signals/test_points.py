"""Point clouds: distinguished from meshes and arrays, normals needed, batches on the surface."""

from __future__ import annotations

import contextlib
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inr.core.domain import Domain, Frame
from inr.core.errors import EmptyError, UnreadableError, UsageError
from inr.core.solid_formulas import sphere
from inr.fitting import Run, resolve
from inr.signals import Source, default_field_of, kind_of, load_signal
from inr.signals.points import BarePoints, ClosedCloud, Points, mesh_in
from inr.signals.solids.cloud_mesh import CloudBoundary
from inr.signals.solids.clouds import orientation
from inr.signals.solids.distances import MeshSolid

Floats = np.ndarray[Any, np.dtype[np.float64]]
RADIUS = 0.3


def table(n: int = 200) -> Floats:
    """Rows x y z nx ny nz of a ball of radius 2 around (5, 0, 0); normals of length 3."""
    normals = np.random.default_rng(0).normal(size=(n, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[:6] = np.concatenate([np.eye(3), -np.eye(3)])
    return np.concatenate([2 * normals + [5, 0, 0], 3 * normals], axis=1)


def ply(rows: Floats, form: str, *, faces: int = 0, columns: int = 6) -> bytes:
    names = ["x", "y", "z", "nx", "ny", "nz"][:columns]
    header = ["ply", f"format {form} 1.0", "comment made by a test", f"element vertex {len(rows)}"]
    header += [f"property double {name}" for name in names] + ["property uchar red"]
    if faces:
        header += [f"element face {faces}", "property list uchar int vertex_indices"]
    head = "\n".join([*header, "end_header\n"]).encode()
    if form == "ascii":
        return head + "".join(" ".join(map(repr, row[:columns].tolist())) + " 7\n" for row in rows).encode()
    order = "<" if "little" in form else ">"
    records = np.zeros(len(rows), [(name, order + "f8") for name in names] + [("red", "u1")])
    for i, name in enumerate(names):
        records[name] = rows[:, i]
    return head + records.tobytes()


def text(rows: Floats) -> bytes:
    return ("# a cloud\n" + "\n".join(" ".join(map(repr, row.tolist())) for row in rows)).encode()


def npy(rows: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, rows)
    return out.getvalue()


FILES = {
    "ascii.ply": ply(table(), "ascii"),
    "little.ply": ply(table(), "binary_little_endian"),
    "big.ply": ply(table(), "binary_big_endian"),
    "a.xyz": text(table()),
    "a.txt": text(table()),
    "a.npy": npy(table()),
}


@pytest.mark.parametrize("name", FILES)
def test_all_formats_give_the_same_cloud(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    cloud = load_signal(path, "points" if name == "a.npy" else None, {"method": "eikonal"})
    assert isinstance(cloud, Points)
    assert cloud.frame.domain.extent == pytest.approx((4.4, 4.4, 4.4))
    assert cloud.frame.domain.low == pytest.approx((2.8, -2.2, -2.2))
    batch = cloud.pool(torch.Generator()).batch(torch.arange(200))
    assert batch.normals is not None
    np.testing.assert_allclose(cloud.frame.domain.from_unit(batch.x.double()).numpy(), table()[:, :3], atol=1e-5)
    np.testing.assert_allclose(batch.normals.numpy(), table()[:, 3:] / 3, atol=1e-6)
    assert bool((batch.y == 0).all())


def test_shared_suffixes(tmp_path: Path) -> None:
    array = tmp_path / "a.npy"
    array.write_bytes(npy(table()))
    assert load_signal(array).kind == "array"
    assert not Points.claims(Source("a.ply", data=ply(table(), "ascii", faces=2)))
    assert Points.claims(Source("a.ply", data=ply(table(), "ascii", faces=0)))


def test_metrics_closed_form() -> None:
    cloud = Points.load(Source("a.npy", data=npy(table())), {})

    def ball(x: Tensor, radius: float = 2.0) -> Tensor:
        return sphere(cloud.frame.domain.from_unit(x.double()) - x.new_tensor([5.0, 0, 0]), radius)[:, None]

    exact = cloud.metrics(ball)
    assert exact["surface_mae"] < 1e-6
    assert exact["normal_error_deg"] < 0.1
    assert exact["gradient_norm_error"] < 1e-3
    assert exact["wrong_side"] == 0
    assert cloud.metrics(lambda x: ball(x, 1.5))["surface_mae"] == pytest.approx(0.5, abs=1e-5)
    inside_out = cloud.metrics(lambda x: -2 * ball(x))
    assert inside_out["normal_error_deg"] == pytest.approx(180, abs=0.1)
    assert inside_out["gradient_norm_error"] == pytest.approx(1, abs=1e-3)
    assert inside_out["wrong_side"] == 1
    flat = cloud.metrics(lambda x: torch.zeros(len(x), 1))
    assert flat["normal_error_deg"] == pytest.approx(90)


def test_points_without_a_normal_are_left_out() -> None:
    rows = table()
    rows[4, 3:] = 0
    cloud = Points.load(Source("a.npy", data=npy(rows)), {})
    assert cloud.meta["n_points"] == 199
    assert any("1 of 200 points with a normal of no usable length" in note for note in cloud.notes)


def bad_clouds() -> dict[str, tuple[str, bytes, str]]:
    spoilt = table()
    spoilt[:, 4] = math.nan
    return {
        "empty": ("a.xyz", b"", "is empty"),
        "two columns": ("a.xyz", text(table()[:, :2]), "expected one row x y z nx ny nz"),
        "few points without normals": ("a.ply", ply(table(64), "ascii", columns=3), "a.ply: 64 points, at least 100"),
        "plane without normals": ("a.xyz", text(table()[:, :3] * [1, 1, 0]), "all points lie in a plane"),
        "ragged": ("a.xyz", b"1 2 3 4 5 6\n1 2 3\n", "line 2 has 3 numbers"),
        "words": ("a.txt", b"hello world and so on\n", "cannot read"),
        "nan": ("a.npy", npy(spoilt), "all 200 rows are NaN"),
        "zero": ("a.npy", npy(table() * [1, 1, 1, 0, 0, 0]), "all 200 rows are of length zero"),
        "one point": ("a.xyz", b"1 2 3 0 0 1\n", "has one point"),
        "equal points": ("a.xyz", b"1 2 3 0 0 1\n" * 9, "all of its 9 points are"),
        "no lines": ("a.xyz", b"# nothing\n", "no rows of numbers"),
        "fewer than counted": ("a.pts", b"5\n1 2 3 0 0 1\n2 2 2 0 1 0\n", "2 of the 5 rows"),
        "a ragged line": ("a.csv", b"1,2,3,0,0,1\n2,2,2,0,1\n", "line 2 has 5 numbers, expected 6"),
        "a word in a line": (
            "a.csv",
            b"x,y,z,nx,ny,nz\n1,2,3,0,0,1\n2,two,2,0,1,0\n",
            "'two' in line 3 is not a number",
        ),
        "a molecule": ("a.xyz", b"2\nwater\nO 0 0 0\nH 0 0 1\n", "no row of numbers"),
        "three axes": ("a.npy", npy(np.ones((2, 50, 6))), "expected .N, 6."),
        "truncated": ("a.ply", ply(table(), "binary_little_endian")[:-10], "truncated"),
        "truncated text": ("a.ply", ply(table(), "ascii")[:-200], "truncated"),
        "words array": ("a.npy", npy(np.array([["a"] * 6])), "dtype"),
    }


@pytest.mark.parametrize("name", bad_clouds())
def test_bad_clouds_are_refused_in_one_line(name: str) -> None:
    file, data, message = bad_clouds()[name]
    with pytest.raises(UnreadableError, match=message) as caught:
        Points.load(Source(file, data=data), {})
    assert "\n" not in caught.value.message


# -- dialects of text, and columns by name or by value


def unit_table(n: int = 200) -> Floats:
    rows = table(n)
    rows[:, 3:] /= 3
    return rows


def lines(rows: Any, delimiter: str = " ", *before: str, decimal: str = ".", form: str = "%.6f") -> bytes:
    text = "\n".join([*before, *(delimiter.join(form % value for value in row) for row in rows)])
    return text.replace(".", decimal).encode() if decimal != "." else text.encode()


ROWS = unit_table()
COLOURS = np.random.default_rng(5).integers(0, 256, (200, 3)).astype(float)
WITH_COLOURS = np.concatenate([ROWS, COLOURS], axis=1)
COLOURS_FIRST = np.concatenate([ROWS[:, :3], COLOURS, ROWS[:, 3:]], axis=1)
TURNED = ROWS[:, [3, 4, 5, 0, 1, 2]]
DIALECTS: dict[str, bytes] = {
    "comma": lines(ROWS, ","),
    "comma and blank": lines(ROWS, ", "),
    "semicolon": lines(ROWS, ";"),
    "semicolon and blank": lines(ROWS, " ; "),
    "tab": lines(ROWS, "\t"),
    "several blanks": lines(ROWS, "    "),
    "indented": b"\n".join(b"   " + line + b"  " for line in lines(ROWS).splitlines()),
    "blank lines": lines(ROWS).replace(b"\n", b"\n\n"),
    "windows": lines(ROWS).replace(b"\n", b"\r\n"),
    "old mac": lines(ROWS).replace(b"\n", b"\r"),
    "mark": b"\xef\xbb\xbf" + lines(ROWS),
    "mark and header": b"\xef\xbb\xbf" + lines(ROWS, ",", "x,y,z,nx,ny,nz"),
    "utf-16": lines(ROWS).decode().encode("utf-16"),
    "header": lines(ROWS, " ", "x y z nx ny nz"),
    "quoted header": lines(ROWS, ",", '"X","Y","Z","Normal_X","Normal_Y","Normal_Z"'),
    "header with units": lines(ROWS, ";", "x[m];y[m];z[m];nx;ny;nz"),
    "cloudcompare": lines(ROWS, " ", "//X Y Z Nx Ny Nz"),
    "cloudcompare with count": lines(WITH_COLOURS, " ", "//X Y Z Nx Ny Nz R G B", "200"),
    "hash": lines(ROWS, " ", "# made by a scanner", "#", "# x y z nx ny nz"),
    "hash within": lines(ROWS).replace(b"\n", b" # good\n"),
    "count": lines(ROWS, " ", "200"),
    "count below comments": lines(ROWS, " ", "# a cloud", "200"),
    "trailing commas": lines(ROWS, ",").replace(b"\n", b",\n") + b",",
    "decimal comma": lines(ROWS, " ", decimal=","),
    "decimal comma and semicolon": lines(ROWS, ";", "X;Y;Z;NX;NY;NZ", decimal=","),
    "decimal comma and tab": lines(ROWS, "\t", decimal=","),
    "exponents": lines(ROWS, " ", form="%.9e"),
    "latin-1 comment": "# Gerät: Höhe\n".encode("latin-1") + lines(ROWS),
    "colours behind": lines(WITH_COLOURS),
    "colours before": lines(COLOURS_FIRST),
    "intensity and colours before": lines(np.concatenate([ROWS[:, :3], COLOURS[:, :1], COLOURS, ROWS[:, 3:]], 1)),
    "header in another order": lines(TURNED, ",", "nx,ny,nz,x,y,z"),
    "header with more": lines(COLOURS_FIRST, " ", "X Y Z R G B Nx Ny Nz"),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_of_text_gives_the_same_cloud(name: str) -> None:
    check_cloud(Points.load(Source("a.xyz", data=DIALECTS[name]), {}), ROWS)


def test_text_of_every_suffix_is_a_cloud() -> None:
    assert {kind_of(Source("a" + suffix)) for suffix in (".xyz", ".xyzn", ".txt", ".pts", ".csv", ".asc")} == {"points"}


def check_cloud(cloud: Points, rows: Floats) -> None:
    batch = cloud.pool(torch.Generator()).batch(torch.arange(len(rows)))
    assert batch.normals is not None
    np.testing.assert_allclose(cloud.frame.domain.from_unit(batch.x.double()).numpy(), rows[:, :3], atol=2e-5)
    np.testing.assert_allclose(batch.normals.numpy(), rows[:, 3:], atol=2e-5)
    assert cloud.notes == ()


def structured(rows: Floats, **fields: Any) -> Any:
    records = np.zeros(len(rows), [(name, *form) for name, (form, _) in fields.items()])
    for name, (_, columns) in fields.items():
        records[name] = rows[:, columns]
    return records


@pytest.mark.parametrize(
    "array",
    [
        ROWS.T,
        ROWS[None],
        np.asfortranarray(ROWS),
        structured(WITH_COLOURS, **{n: (("f8",), k) for k, n in enumerate(["x", "y", "z", "nx", "ny", "nz", "red"])}),
        structured(TURNED, normal=(("f4", 3), [0, 1, 2]), xyz=(("f8", 3), [3, 4, 5])),
    ],
    ids=["6 x N", "1 x N x 6", "fortran", "fields", "fields of three"],
)
def test_arrays_of_every_layout_give_the_same_cloud(array: Any) -> None:
    check_cloud(Points.load(Source("a.npy", data=npy(array)), {}), ROWS)


@pytest.mark.parametrize(
    "colours",
    [
        COLOURS,
        COLOURS / 255,
        COLOURS * 257,
        np.round(COLOURS / 255),
        np.minimum(COLOURS, 30),
        COLOURS * [1, 1, -1] + [0, 0, 100],
    ],
    ids=["0 to 255", "0 to 1", "0 to 65535", "0 and 1", "dark", "whole numbers of both signs"],
)
@pytest.mark.parametrize("delimiter", [" ", ","])
def test_colours_are_not_taken_for_normals(colours: Floats, delimiter: str) -> None:
    data = lines(np.concatenate([ROWS[:, :3], colours], axis=1), delimiter)
    with pytest.raises(UnreadableError, match="normals are needed") as caught:
        Points.load(Source("a.xyz", data=data), {"normals": "given"})
    assert caught.value.hint is not None
    assert "x y z nx ny nz" in caught.value.hint


@pytest.mark.parametrize("header", ["x y z r g b", "//X Y Z R G B", "# x y z red green blue"])
def test_six_columns_that_are_named_as_colours_have_no_normals(header: str) -> None:
    with pytest.raises(UnreadableError, match="normals are needed"):
        Points.load(Source("a.xyz", data=lines(ROWS, " ", header)), {"normals": "given"})


def test_columns_named_as_normals_are_normals_even_if_they_look_like_colours() -> None:
    rows = np.array([[x, y, 0.1 * x * y, 0, 0, 2] for x in range(9) for y in range(9)], float)
    with pytest.raises(UnreadableError, match="as colours are"):
        Points.load(Source("a.xyz", data=lines(rows)), {"normals": "given"})
    cloud = Points.load(Source("a.xyz", data=lines(rows, " ", "x y z nx ny nz")), {})
    assert cloud.meta["n_points"] == 81


def test_normals_that_are_not_of_length_one_are_made_so_with_a_note() -> None:
    rows = table()
    rows[:, 3:] *= np.linspace(0.5, 4, 200)[:, None]
    cloud = Points.load(Source("a.xyz", data=lines(rows)), {})
    assert "columns 4 to 6 are taken for normals" in cloud.notes[0]
    batch = cloud.pool(torch.Generator()).batch(torch.arange(200))
    assert batch.normals is not None
    np.testing.assert_allclose(batch.normals.numpy(), ROWS[:, 3:], atol=1e-4)


def test_several_columns_of_length_one_are_not_guessed() -> None:
    rows = np.concatenate([ROWS[:, :3], COLOURS[:, :1], ROWS[:, 3:], ROWS[:, 3:]], axis=1)
    with pytest.raises(UnreadableError, match="several three of them") as caught:
        Points.load(Source("a.xyz", data=lines(rows)), {})
    assert caught.value.hint is not None
    assert "name the columns" in caught.value.hint


def test_rows_with_missing_values_are_left_out_and_counted() -> None:
    data = lines(ROWS, ",") + b"\n1,2,,0,0,1\n1,nan,3,0,0,1\n1,2,3,0,NA,1\n1,2,inf,0,0,1\n"
    cloud = Points.load(Source("a.csv", data=data), {})
    assert cloud.meta["n_points"] == 200
    assert "4 of 204 points with NaN or infinite values were left out" in cloud.notes[0]


def test_more_rows_than_counted_are_noted() -> None:
    loaded = Points.load(Source("a.pts", data=lines(ROWS, " ", "150")), {})
    assert "states 150 rows; all 200 are read" in loaded.notes[0]


def test_far_coordinates_keep_their_small_differences() -> None:
    far = np.array([500_000.0, 5_000_000.0, 100.0])
    cloud = Points.load(
        Source("a.xyz", data=lines(np.concatenate([ROWS[:, :3] + far, ROWS[:, 3:]], axis=1), form="%.9f")), {}
    )
    near = Points.load(Source("a.xyz", data=lines(ROWS, form="%.9f")), {})
    index = torch.arange(200)
    here, there = (signal.pool(torch.Generator()).batch(index).x.numpy() for signal in (near, cloud))
    np.testing.assert_allclose(here, there, atol=1e-6)
    np.testing.assert_allclose(np.array(cloud.frame.domain.low) - far, near.frame.domain.low, atol=1e-6)


# -- which way the normals point


def ball(n: int, rng: Any, centre: Any = (0, 0, 0), radius: float = 1.0) -> tuple[Floats, Floats]:
    normals = rng.normal(size=(n, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return radius * normals + centre, normals


def torus(n: int, rng: Any) -> tuple[Floats, Floats]:
    a, b = 2 * np.pi * rng.random((2, n))
    normals = np.stack([np.cos(a) * np.cos(b), np.sin(a) * np.cos(b), np.sin(b)], axis=1)
    return np.stack([2 * np.cos(a), 2 * np.sin(a), 0 * a], axis=1) + 0.5 * normals, normals


def box(n: int, rng: Any, sides: Any = (1, 1, 1)) -> tuple[Floats, Floats]:
    axis, sign = rng.integers(0, 3, n), rng.choice([-1.0, 1.0], n)
    points, normals = rng.random((n, 3)) - 0.5, np.zeros((n, 3))
    points[np.arange(n), axis], normals[np.arange(n), axis] = sign / 2, sign
    return points * sides, normals


def hollow(n: int, rng: Any) -> tuple[Floats, Floats]:
    (outer, out), (inner, into) = ball(n, rng), ball(n, rng, radius=0.5)
    return np.concatenate([outer, inner]), np.concatenate([out, -into])


def noisy(n: int, rng: Any) -> tuple[Floats, Floats]:
    points, normals = ball(n, rng)
    normals = normals + rng.normal(0, 0.3, normals.shape)
    return points + rng.normal(0, 0.02, points.shape), normals / np.linalg.norm(normals, axis=1, keepdims=True)


CLOSED = {"ball": ball, "torus": torus, "box": box, "hollow ball": hollow, "noisy ball": noisy}


@pytest.mark.parametrize(
    ("name", "n", "scale"),
    [*((name, 800, 1.0) for name in CLOSED), ("box", 100, 1.0), ("ball", 50, 1e-6), ("torus", 500, 1e6)],
)
def test_closed_clouds_whose_normals_point_inwards_are_turned_over_with_a_note(name: str, n: int, scale: float) -> None:
    points, normals = CLOSED[name](n, np.random.default_rng(n))
    points = scale * (points + np.array([30, -20, 10]))
    outward = Points.load(Source("a.npy", data=npy(np.concatenate([points, normals], 1))), {})
    inward = Points.load(Source("a.npy", data=npy(np.concatenate([points, -normals], 1))), {})
    assert outward.notes == ()
    assert "point inwards and were turned over" in inward.notes[0]
    index = torch.arange(len(points))
    one, other = (signal.pool(torch.Generator()).batch(index).normals for signal in (outward, inward))
    assert one is not None
    assert other is not None
    torch.testing.assert_close(one, other)
    torch.testing.assert_close(one.double(), torch.from_numpy(normals), rtol=0, atol=1e-6)


def test_inward_normals_are_kept_on_request() -> None:
    points, normals = ball(500, np.random.default_rng(0))
    source = Source("a.npy", data=npy(np.concatenate([points, -normals], 1)))
    cloud = Points.load(source, {"orient": "keep"})
    assert cloud.notes == ()
    batch = cloud.pool(torch.Generator()).batch(torch.arange(500))
    assert batch.normals is not None
    torch.testing.assert_close(batch.normals.double(), torch.from_numpy(-normals), rtol=0, atol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_open_clouds_are_not_turned_over(sign: int) -> None:
    rng = np.random.default_rng(0)
    plane = np.concatenate([rng.random((900, 2)), np.zeros((900, 1))], axis=1)
    points, normals = ball(4000, rng)
    for xyz, up in ((plane, np.tile([0.0, 0, 1], (900, 1))), (points[points[:, 2] < 0], normals[points[:, 2] < 0])):
        assert orientation(xyz, sign * up) == 0


def test_normals_of_random_sign_are_reported_as_unoriented() -> None:
    rng = np.random.default_rng(0)
    points, normals = ball(2000, rng)
    rows = np.concatenate([points, normals * rng.choice([-1, 1], (2000, 1))], axis=1)
    assert "point opposite ways" in Points.load(Source("a.npy", data=npy(rows)), {}).notes[0]


# -- points without normals


def scanned(points: Floats, **options: str) -> Any:
    return load_signal(Source("scan.xyz", data=lines(points)), None, options)


def test_points_without_normals_are_fitted_as_the_solid_that_they_surround() -> None:
    points = 2 * ball(3000, np.random.default_rng(0))[0] + [5, 0, 0]
    signal = scanned(points)
    assert isinstance(signal, ClosedCloud)
    assert default_field_of(Source("scan.xyz", data=lines(points))) == ClosedCloud.default_field
    assert "normals were estimated; clear for 100 % of the points" in signal.notes[0]
    x = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0))
    at = x.numpy() * signal.frame.scale[0] + np.array(signal.frame.domain.low)
    np.testing.assert_allclose(signal.distance(x)[:, 0].numpy(), np.linalg.norm(at - [5, 0, 0], axis=1) - 2, atol=0.06)


def test_noisy_points_and_method_poisson_take_the_distances_of_a_mesh() -> None:
    rng = np.random.default_rng(0)
    points, normals = ball(3000, rng)
    noisy = scanned(points + 0.03 * rng.normal(size=points.shape))
    given = load_signal(
        Source("a.npy", data=npy(np.concatenate([points, normals], axis=1))), "points", {"method": "poisson"}
    )
    x = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0))
    for signal, error in ((noisy, 0.02), (given, 0.005)):
        assert isinstance(signal, ClosedCloud)
        assert isinstance(signal.solid, MeshSolid)
        at = x.numpy() * signal.frame.scale[0] + np.array(signal.frame.domain.low)
        off = signal.distance(x)[:, 0].numpy() - (np.linalg.norm(at, axis=1) - 1)
        assert np.abs(off).mean() < error


def test_method_gauss_takes_the_distances_of_a_mesh_by_the_winding_number() -> None:
    points, normals = ball(2000, np.random.default_rng(0))
    given = Source("a.npy", data=npy(np.concatenate([points, normals], axis=1)))
    signal = load_signal(given, "points", {"method": "gauss"})
    assert isinstance(signal, ClosedCloud)
    assert isinstance(signal.solid, MeshSolid)
    x = torch.rand(2000, 3, generator=torch.Generator().manual_seed(0))
    at = x.numpy() * signal.frame.scale[0] + np.array(signal.frame.domain.low)
    off = signal.distance(x)[:, 0].numpy() - (np.linalg.norm(at, axis=1) - 1)
    assert np.abs(off).mean() < 0.005


@pytest.mark.parametrize("options", [{"method": "heat"}, {"normals": "ignore"}])
@pytest.mark.parametrize("has_normals", [True, False])
def test_points_can_be_trained_without_any_normals(options: dict[str, str], *, has_normals: bool) -> None:
    points, normals = ball(500, np.random.default_rng(0))
    rows = np.concatenate([points, normals], axis=1) if has_normals else points
    source = Source("scan.xyz", data=lines(np.concatenate([rows, rows[:1] * 5])))
    signal = load_signal(source, None, options)
    assert isinstance(signal, BarePoints)
    assert default_field_of(source, None, options) == signal.default_field == "siren"
    loss = resolve(signal)[1].loss
    assert loss is not None
    assert loss.type_name == "heat"
    assert any("left out: 1 outlier, far from their neighbours" in note for note in signal.notes)
    batch = signal.pool(torch.Generator()).batch(torch.arange(500))
    assert batch.normals is None
    to_surface = torch.linalg.vector_norm(signal.frame.domain.from_unit(batch.x.double()), dim=1) - 1
    assert float(to_surface.abs().max()) < 1e-6
    found = signal.metrics(lambda x: torch.linalg.vector_norm(signal.frame.domain.from_unit(x), dim=1)[:, None] - 1)
    assert found.keys() == {"surface_mae", "gradient_norm_error"}
    assert max(found.values()) < 1e-3
    assert signal.load_options(signal.meta) == {"method": "heat"}


@pytest.mark.parametrize(
    "options",
    [
        {"method": "heat", "normals": "estimate"},
        {"method": "poisson", "normals": "ignore"},
        {"method": "heat", "viewpoint": "0,0,1"},
        {"normals": "ignore", "orient": "keep"},
        {"method": "heat", "noise": "1%"},
    ],
)
def test_options_that_need_normals_are_refused_without_them(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="does not apply"):
        scanned(ball(300, np.random.default_rng(0))[0], **options)


@pytest.mark.slow
def test_the_heat_loss_finds_the_inside_of_a_torus_without_normals() -> None:
    points, _ = torus(4000, np.random.default_rng(0))
    signal = load_signal(Source("scan.xyz", data=lines(points)), None, {"method": "heat"})
    field = {"type": "siren", "width": 64, "depth": 3}
    run = Run(signal, *resolve(signal, field, {"steps": 500, "batch": 1024}))
    fit = run.result(run.advance())
    x = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(1))
    at = signal.frame.domain.from_unit(x.double()).numpy()
    inside = np.hypot(np.hypot(at[:, 0], at[:, 1]) - 2, at[:, 2]) < 0.5
    found = fit(x)[:, 0].numpy() < 0
    assert (found & inside).sum() > 0.9 * (found | inside).sum()


def test_thin_parts_are_noted() -> None:
    flat = ball(1000, np.random.default_rng(0))[0] * [1, 1, 0.16]
    notes = load_signal(Source("a.xyz", data=lines(flat)), None, {}).notes
    assert any("parts thinner than" in note for note in notes)


def test_colours_beside_points_are_named_when_normals_are_estimated() -> None:
    points = ball(500, np.random.default_rng(0))[0]
    colours = np.random.default_rng(1).integers(0, 256, (500, 3))
    signal = scanned(np.concatenate([points, colours], axis=1))
    assert "as colours are, so they are not taken for normals" in signal.notes[0]


def test_normals_of_the_file_are_left_out_on_request() -> None:
    points, normals = ball(500, np.random.default_rng(0))
    random = normals * np.random.default_rng(1).choice([-1.0, 1.0], (500, 1))
    rows = np.concatenate([points, random], axis=1)
    assert isinstance(scanned(rows), Points)
    assert isinstance(scanned(rows, normals="estimate"), ClosedCloud)


def test_outliers_are_noted() -> None:
    points = np.concatenate([ball(2000, np.random.default_rng(0))[0], [[3, 3, 3], [-3, 3, 2.5]]])
    assert any("left out: 2 outliers, far from their neighbours" in note for note in scanned(points).notes)


def test_a_small_part_that_is_left_out_is_noted_and_kept_on_request() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([np.concatenate(ball(3000, rng), 1), np.concatenate(ball(24, rng, (1.2, 1.2, 1.2), 0.06), 1)])
    source = Source("a.npy", data=npy(rows))
    middle = torch.full((1, 3), 1.2, dtype=torch.float64)
    for options, is_kept in (({}, False), ({"outliers": "keep"}, True)):
        signal = load_signal(source, "points", {"method": "gauss", **options})
        assert isinstance(signal, ClosedCloud)
        assert (float(signal.distance(signal.frame.domain.to_unit(middle))) < 0) == is_kept
        note = (
            "a.npy: left out: 24 points off the surface, alone or in parts of less than 1 % of the points; "
            "signal.outliers=keep keeps them"
        )
        assert signal.notes == (() if is_kept else (note,))


def test_outliers_that_are_kept_are_not_left_out_later() -> None:
    """One far from a closed cloud that has normals is left out, or on request not."""
    points, normals = ball(2000, np.random.default_rng(0))
    rows = np.concatenate([points, normals], axis=1)
    source = Source("a.npy", data=npy(np.concatenate([rows, [[3.0, 3, 3, 0, 0, 1]]])))
    note = "a.npy: left out: 1 point far from the surface of the others; signal.outliers=keep keeps them"
    assert load_signal(source, "points").notes == (note,)
    assert not any("left out" in each for each in load_signal(source, "points", {"outliers": "keep"}).notes)
    with pytest.raises(UsageError, match="option outliers=remove does not apply"):
        load_signal(source, "points", {"outliers": "remove"})


def test_a_sheet_without_normals_is_refused() -> None:
    x, y = np.random.default_rng(0).random((2, 1000))
    with pytest.raises(EmptyError, match="inside and outside are clear for only") as caught:
        scanned(np.stack([x, y, 0.1 * np.sin(5 * x)], axis=1))
    assert caught.value.exit_code == 1
    assert "`kind=unsigned`" in str(caught.value.hint)


def test_a_plane_and_too_few_points_are_refused() -> None:
    x, y = np.random.default_rng(0).random((2, 1000))
    with pytest.raises(UnreadableError, match="all points lie in a plane") as caught:
        scanned(np.stack([x, y, 2 * x - y], axis=1))
    assert "`kind=unsigned`" in str(caught.value.hint)
    with pytest.raises(UnreadableError, match="64 points, at least 100 are needed to tell a surface"):
        scanned(ball(64, np.random.default_rng(0))[0])
    with pytest.raises(UnreadableError, match="8 different points among 320, at least 100 are needed"):
        scanned(np.repeat(ball(8, np.random.default_rng(0))[0], 40, axis=0))
    with pytest.raises(UnreadableError, match="all points lie on a line, expected points all over a surface"):
        scanned(np.outer(x, [1, 2, 3]))


def test_normals_that_disagree_with_the_shape_are_noted() -> None:
    points, normals = ball(3000, np.random.default_rng(0))
    turned = np.where(np.abs(points[:, 2:]) > 0.88, -normals, normals)  # on 12 % of the area
    notes = scanned(np.concatenate([points, turned], axis=1)).notes
    assert len(notes) == 1
    assert re.search(r"its normals disagree with the shape at 1[123] % of the points", notes[0])
    assert not scanned(np.concatenate([points, normals], axis=1)).notes


def test_uncertain_orientation_is_noted() -> None:
    points = ball(4000, np.random.default_rng(0))[0]
    notes = scanned(points[points[:, 2] > 0.3], normals="estimate").notes
    assert any("the orientation is uncertain for" in note and "`kind=unsigned`" in note for note in notes)


def test_half_a_ball_is_not_closed_unless_it_is_wished() -> None:
    points = ball(4000, np.random.default_rng(0))[0]
    with pytest.raises(UsageError, match=r"leave an opening, (4|5). % of their area") as caught:
        scanned(points[points[:, 2] > 0])
    assert "`kind=unsigned` keeps it open" in str(caught.value.hint)
    for part, options in ((points[points[:, 2] > 0], {"normals": "estimate"}), (points[points[:, 2] > -0.7], {})):
        notes = scanned(part, **options).notes
        assert any("which was closed" in note for note in notes)
    assert not any("opening" in note for note in scanned(points).notes)  # all around a ball


def test_a_pipe_that_is_closed_is_noted() -> None:
    """Its openings cancel in the sum of all normals, and inside and outside are clear along it."""
    angle, height = np.random.default_rng(0).random((2, 6000)) * [[2 * np.pi], [12]]
    signal = scanned(np.stack([np.cos(angle), np.sin(angle), height], axis=1))
    (note,) = (note for note in signal.notes if "closes openings" in note)
    share = float(note.split(": ")[1].split(" %")[0])
    free = 1 - 3 * np.sqrt(24 * np.pi / 6000)  # radius of what is 3 spacings from the ends of the pipe
    assert share == pytest.approx(100 * 2 * free**2 / (24 + 2), rel=0.3)
    assert "`kind=unsigned` keeps them open" in note


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": "much"}, "option noise is 'much'"),
        ({"noise": "-1%"}, "option noise is '-1%'"),
        ({"viewpoint": "1,2"}, "option viewpoint is '1,2'"),
        ({"normals": "no"}, "option normals is 'no'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        scanned(ball(300, np.random.default_rng(0))[0], **options)


def test_options_of_the_estimate_are_refused_where_normals_are_given() -> None:
    with pytest.raises(UsageError, match="option noise does not apply"):
        load_signal(Source("a.xyz", data=lines(ROWS)), None, {"noise": "1%"})


def test_noise_is_a_share_of_the_diagonal_or_a_length() -> None:
    points = ball(1000, np.random.default_rng(0))[0]
    diagonal = float(np.linalg.norm(np.ptp(points, axis=0)))
    for text in ("2%", f"{0.02 * diagonal}"):
        note = scanned(points, noise=text).notes[0]
        assert f"noise {0.02 * diagonal:.2g})" in note


# -- damage


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_bytes_load_or_are_unreadable(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(FILES)))
    damaged = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(0, 3))):
        damaged[data.draw(st.integers(0, 400))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(damaged)))
    source = Source(name, data=bytes(damaged[:cut]))
    Points.claims(source)
    loaded = None
    with contextlib.suppress(UnreadableError):
        loaded = Points.load(source, {})
    assert loaded is None or np.isfinite(loaded.pool(torch.Generator()).batch(torch.arange(1)).x.numpy()).all()


@pytest.mark.parametrize("shape", ["(4294967296,)", "(99999999, 99999999)", "(-1, 6)", "(3, 6)"])
def test_an_npy_with_a_false_size_is_refused_before_memory_is_allocated(shape: str) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode() + bytes(80)
    with pytest.raises(UnreadableError, match="truncated"):
        Points.load(Source("a.npy", data=data), {})


def folded_sphere() -> tuple[Any, Any]:
    """A sphere around (1/2, 1/2, 1/2). The faces at its top vertex are raised and mirrored, so they face inwards."""
    mesh = trimesh.creation.icosphere(5, RADIUS)
    vertices, faces = np.array(mesh.vertices), np.array(mesh.faces)
    top = int(np.argmax(vertices[:, 2]))
    ring = np.setdiff1d(faces[(faces == top).any(axis=1)], [top])
    vertices[ring, 0] *= -1
    vertices[ring, 2] += 0.006
    vertices[top, 2] += 0.009
    return vertices + 0.5, faces


def test_a_fold_does_not_turn_the_sign_of_places_that_are_nearest_to_it() -> None:
    vertices, faces = folded_sphere()
    boundary = CloudBoundary(vertices, faces, vertices, faces, n_flipped=0, buried=0.0, is_cut=False)
    domain = Domain((0.0,) * 3, (1.0,) * 3, ("x", "y", "z"), "mesh units")
    frame = Frame(domain, (0.0,), (1.0,))
    points = vertices[:100]
    solid, _, _ = mesh_in(frame, points, points, through=lambda *a, **k: boundary, noise=0.0, measured=points)
    rng = np.random.default_rng(0)
    way = rng.normal(size=(100_000, 3)) * [0.15, 0.15, 0] + [0, 0, 1]
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    outside = 0.5 + way * rng.uniform(RADIUS + 0.06, 0.49, (len(way), 1))
    assert (solid.distance(outside) > 0).all()
    assert (solid.distance(0.5 + way * rng.uniform(0, RADIUS - 0.06, (len(way), 1))) < 0).all()


def test_a_fold_is_seen_where_it_turns_signs_far_outside_the_surface() -> None:
    vertices, faces = folded_sphere()
    boundary = CloudBoundary(vertices, faces, vertices, faces, n_flipped=0, buried=0.0, is_cut=False)
    assert MeshSolid(boundary, "auto").sign == "winding"
