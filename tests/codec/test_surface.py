"""The surface of a decoded shape in verification: components and volume beside those of the source."""

from __future__ import annotations

import math

import pytest
import trimesh

import inr
from inr.codec.container.header import Header
from inr.codec.decoded import FieldDecoded
from inr.codec.surface import notes_on_surface, surface_metrics
from inr.codec.verification import measure_decoded
from inr.fitting import Fit
from inr.signals.shape import Shape

BALL = trimesh.creation.icosphere(subdivisions=3)


def shape_of(*parts: trimesh.Trimesh) -> Shape:
    joined = trimesh.util.concatenate(list(parts))
    return Shape.of_mesh(joined.vertices, joined.faces, n_points=1000)


def cavity() -> trimesh.Trimesh:
    made = BALL.copy()
    made.apply_scale(0.5)
    made.invert()
    return made


@pytest.fixture(scope="module")
def fit() -> Fit:
    """A ball of radius 1, solved in closed form."""
    return inr.fit(shape_of(BALL), "polyharmonic")


@pytest.fixture(autouse=True)
def coarse_meshes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inr.mesh.fitted_surface.DEFAULT_RESOLUTION", 32)


def test_a_good_fit_has_the_components_and_the_volume_of_its_source(fit: Fit) -> None:
    metrics = surface_metrics(fit, shape_of(BALL), 1.0)
    assert (metrics["n_components"], metrics["n_components_source"]) == (1, 1)
    assert abs(metrics["volume_error"]) < 0.01
    assert notes_on_surface(metrics) == ()


def test_a_missing_cavity_and_its_volume_are_noted(fit: Fit) -> None:
    hollow = shape_of(BALL, cavity())
    metrics = surface_metrics(fit, hollow, 1.0)
    assert (metrics["n_components"], metrics["n_components_source"]) == (1, 2)
    assert metrics["volume_error"] == pytest.approx(1 / 7, abs=0.01)
    (note,) = notes_on_surface(metrics)
    assert "has 1 connected surface, the source 2, and has 1" in note


def test_verification_measures_the_surface(fit: Fit) -> None:
    signal = shape_of(BALL)
    metrics = measure_decoded(FieldDecoded(Header.of(signal), fit, b"", "weights"), signal)
    assert metrics["iou"] > 0.95
    assert metrics["n_components"] == 1


def test_open_shapes_and_noise_are_not_counted(fit: Fit) -> None:
    is_open = Shape.of_mesh(BALL.vertices, BALL.faces[:-200], n_points=1000)
    assert not is_open.is_bounded_by_mesh
    assert surface_metrics(fit, is_open, 1.0) == {}
    assert surface_metrics(fit, shape_of(BALL), 0.4) == {}


@pytest.mark.parametrize(
    ("n", "n_source", "error", "expected"),
    [
        (1, 1, 0.0099, None),
        (2, 2, -0.0099, None),
        (15, 1, 0.0, "has 15 connected surfaces, the source 1;"),
        (1, 1, -0.053, "the decoded mesh has 5.3 % less volume than the source;"),
        (0, 1, -1.0, "has 0 connected surfaces, the source 1, and has 100.0 % less volume"),
    ],
)
def test_the_note_states_the_differences(n: int, n_source: int, error: float, expected: str | None) -> None:
    notes = notes_on_surface({"n_components": n, "n_components_source": n_source, "volume_error": error})
    assert len(notes) == (0 if expected is None else 1)
    assert expected is None or expected in notes[0]


def test_other_signals_have_no_note() -> None:
    assert notes_on_surface({"psnr_db": math.inf}) == ()
