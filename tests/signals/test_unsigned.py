"""Open surfaces as signals: exact distances, samples where the surface ends, and quality in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from inr.core.errors import UnreadableError, UsageError
from inr.signals import Source, load_signal
from inr.signals.solids.faces import Floats
from inr.signals.unsigned import SOFTENING, Unsigned
from tests.mesh.shapes import norm

SQUARE = np.array([[0, 0, 5], [2, 0, 5], [2, 2, 5], [0, 2, 5]], np.float64)
FACES = np.array([[0, 1, 2], [0, 2, 3]])


def square() -> Unsigned:
    return Unsigned.of_mesh(SQUARE, FACES, n_points=4096)


def true(p: Tensor) -> Tensor:
    """Distance to the square, in mesh units."""
    beyond = torch.maximum(p[:, :2] - 2, -p[:, :2]).clamp(min=0)
    return norm(torch.cat([beyond, p[:, 2:] - 5], dim=1))


def test_distances_are_exact_and_not_negative() -> None:
    signal = square()
    x = torch.rand(500, 3, dtype=torch.float64)
    found = signal.distance(x)[:, 0]
    assert torch.allclose(found, true(signal.frame.domain.from_unit(x)), atol=1e-9)
    assert float(found.min()) >= 0


def test_training_values_are_softened_distances() -> None:
    signal = square()
    batch = signal.pool(Generator().manual_seed(0)).batch(torch.arange(4096))
    w = true(signal.frame.domain.from_unit(batch.x.double())) / signal.meta["side"]
    assert torch.allclose(batch.y[:, 0].double(), w * w / (w + SOFTENING), atol=1e-6)


def test_an_eighth_of_the_samples_is_around_the_boundary() -> None:
    signal = square()
    x = signal.pool(Generator().manual_seed(0)).batch(torch.arange(4096)).x
    p = signal.frame.domain.from_unit(x.double())
    to_side = torch.minimum(p[:, :2].abs(), (2 - p[:, :2]).abs()).amin(dim=1)
    near_rim = (torch.hypot(to_side, p[:, 2] - 5) < 0.05) & (true(p) < 0.05)
    assert 0.1 < float(near_rim.double().mean()) < 0.35


def test_a_perfect_field_has_no_error_and_a_shifted_one_its_shift() -> None:
    signal = square()
    exact = signal.metrics(lambda x: signal.distance(x.double()))
    assert exact.keys() == {"near_mae", "distance_mae", "surface_mae", "boundary_mae"}
    assert max(exact.values()) < 1e-6
    off = signal.metrics(lambda x: signal.distance(x.double()) + 0.25)
    assert min(off.values()) == pytest.approx(0.25, abs=1e-6)


def test_any_faces_will_do() -> None:
    """Three squares at an edge, wound in any way; one boundary; a note says that three faces meet."""
    vertices = np.concatenate([SQUARE, SQUARE * [1, -1, 1], [[0, 0, 7], [2, 0, 7]]])
    faces = np.concatenate([FACES, FACES[:, ::-1] + 4, [[0, 1, 8], [1, 9, 8]]])
    signal = Unsigned.of_mesh(vertices, faces)
    assert signal.meta["n_nonmanifold_edges"] == 1
    assert signal.meta["n_loops"] == 1
    assert signal.notes == ("mesh: 1 edge has more than two faces",)


def test_a_closed_mesh_gets_a_note() -> None:
    faces = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
    signal = Unsigned.of_mesh(np.concatenate([np.zeros((1, 3)), np.eye(3)]), faces)
    assert "it is closed" in signal.notes[0]
    assert "boundary_mae" not in signal.metrics(lambda x: signal.distance(x.double()))


def test_refusals() -> None:
    with pytest.raises(UnreadableError, match="surface 'mesh' has no faces"):
        Unsigned.of_mesh(SQUARE, np.zeros((0, 3), np.int64))
    with pytest.raises(UnreadableError, match="zero area"):
        Unsigned.of_mesh(SQUARE, np.array([[0, 0, 1]]))


def test_the_message_of_an_open_shape_names_the_kind(tmp_path: Path) -> None:
    path = tmp_path / "sheet.off"
    path.write_text("OFF\n4 2 0\n0 0 0\n1 0 0\n1 1 1\n0 1 0\n3 0 1 2\n3 0 2 3\n")
    with pytest.raises((UnreadableError, UsageError)) as caught:
        load_signal(path)
    assert "`kind=unsigned`" in str(caught.value.hint)
    assert load_signal(path, "unsigned").spec.quantity == "unsigned distances"


# -- from points


def bowl(n: int = 3000) -> Floats:
    """Points of the lower half of a ball of radius 2 around (5, 0, 0)."""
    z, angle = np.random.default_rng(0).random((2, n)) * [[1], [2 * np.pi]]
    across = np.sqrt(1 - z**2)
    return 2 * np.stack([across * np.cos(angle), across * np.sin(angle), -z], axis=1) + [5, 0, 0]


def scan(points: Floats, name: str = "scan.xyz", **options: str) -> Unsigned:
    data = "\n".join(" ".join(map(repr, row)) for row in points.tolist()).encode()
    signal = load_signal(Source(name, data=data), "unsigned", {"points": "4096", **options})
    assert isinstance(signal, Unsigned)
    return signal


def test_points_of_a_bowl_give_its_distances_and_leave_it_open() -> None:
    signal = scan(bowl())
    p = signal.frame.domain.from_unit(torch.rand(2000, 3, generator=Generator().manual_seed(0), dtype=torch.float64))
    found = signal.distance(signal.frame.domain.to_unit(p))[:, 0]
    q = p - torch.tensor([5.0, 0, 0])
    across = q[:, :2].norm(dim=1)
    exact = torch.where(q[:, 2] <= 0, (q.norm(dim=1) - 2).abs(), torch.hypot(across - 2, q[:, 2]))
    assert float((found - exact).abs().max()) < 0.1  # 1.6 spacings, at the rim
    assert float((found - exact).abs().mean()) < 0.01
    assert "triangles join its 3000 points" in signal.notes[0]
    assert "boundary_mae" in signal.metrics(signal.distance)


def test_points_in_a_plane_are_a_surface() -> None:
    x, y = np.random.default_rng(0).random((2, 2000))
    signal = scan(np.stack([x, y, 2 * x - y], axis=1), "terrain.csv")
    height = signal.distance(signal.frame.domain.to_unit(torch.tensor([[0.5, 0.5, 0.5 + 0.06**0.5]]).double()))
    assert float(height) == pytest.approx(0.1, abs=1e-6)


def test_normals_of_a_file_do_not_matter_and_a_ply_without_faces_is_a_cloud() -> None:
    points = bowl(500)
    x = torch.rand(200, 3, dtype=torch.float64)
    rows = np.concatenate([points, np.random.default_rng(1).normal(size=(500, 3))], axis=1)
    head = "ply\nformat ascii 1.0\nelement vertex 500\n" + "".join(f"property double {c}\n" for c in "xyz")
    body = "\n".join(" ".join(map(repr, row)) for row in points.tolist())
    ply = load_signal(Source("a.ply", data=f"{head}end_header\n{body}\n".encode()), "unsigned")
    assert isinstance(ply, Unsigned)
    for signal in (scan(rows), ply):
        assert torch.equal(signal.distance(x), scan(points).distance(x))


def test_outliers_of_an_open_scan_are_left_out() -> None:
    signal = scan(np.concatenate([bowl(), [[5, 0, 4], [9, 3, 1]]]))
    assert any("left out: 2 outliers, far from their neighbours" in note for note in signal.notes)
    assert signal.meta["n_points"] == 3000
    assert scan(np.concatenate([bowl(), [[5, 0, 4]]]), outliers="keep").meta["n_points"] == 3001


def test_options_and_clouds_that_are_refused() -> None:
    with pytest.raises(UnreadableError, match="64 points, at least 100"):
        scan(bowl(64))
    with pytest.raises(UnreadableError, match="all points lie on a line"):
        scan(np.outer(np.random.default_rng(0).random(500), [1, 2, 3]))
    with pytest.raises(UsageError, match="unknown option 'method'"):
        scan(bowl(200), method="poisson")
    with pytest.raises(UsageError, match="option noise is"):
        scan(bowl(200), noise="much")
    away = np.random.default_rng(0).random((120, 3)) ** 30
    assert scan(away, outliers="keep").meta["n_faces"] > 0
