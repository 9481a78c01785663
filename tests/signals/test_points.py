"""Point clouds: told from meshes and arrays, normals needed, batches on the surface."""

from __future__ import annotations

import contextlib
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from inr._errors import UnreadableError
from inr.signals import Source, load_signal
from inr.signals.analytic import sphere
from inr.signals.points import Points

Floats = np.ndarray[Any, np.dtype[np.float64]]


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
    cloud = load_signal(path, kind="points" if name == "a.npy" else None)
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
    assert "1 points" in cloud.notes[0]


def bad_clouds() -> dict[str, tuple[str, bytes, str]]:
    spoilt = table()
    spoilt[3, 4] = math.nan
    return {
        "empty": ("a.xyz", b"", "is empty"),
        "no normals": ("a.ply", ply(table(), "ascii", columns=3), "normals are needed"),
        "three columns": ("a.xyz", text(table()[:, :3]), "normals are needed"),
        "ragged": ("a.xyz", b"1 2 3 4 5 6\n1 2 3\n", "can not read"),
        "words": ("a.txt", b"hello world and so on\n", "can not read"),
        "nan": ("a.npy", npy(spoilt), "NaN"),
        "one point": ("a.xyz", text(table(6)[:1]), "spans 0"),
        "no lines": ("a.xyz", b"# nothing\n", "can not read|normals are needed"),
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
