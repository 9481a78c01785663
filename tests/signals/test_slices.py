"""Slices as signals: options, notes, contradictions, metrics, and fits."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from inr.core.errors import UnreadableError, UsageError
from inr.signals import SIGNALS, Signal, Source, default_field_of, kind_of, load_signal
from inr.signals.files.csl import ContourPlane, csl_text
from inr.signals.slices import SolidOfSlices
from inr.signals.solids.sections import Section
from tests.conformance.test_signals import TestSlices as Small
from tests.signals.solids.cut_solids import ball, cut, random_cuts, torus

OREX = {"method": "orex"}


def csl(sections: list[Section]) -> bytes:
    planes = [ContourPlane(s.normal, s.offset, tuple((1, s.to_space(r)) for r in s.rings)) for s in sections]
    return csl_text(planes).encode()


def loaded(sections: list[Section], options: dict[str, str] = OREX) -> Signal:
    return load_signal(Source("a.csl", data=csl(sections)), None, options)


def test_the_kind_of_files() -> None:
    kinds = {name: kind_of(Source(name)) for name in ("a.csl", "a.nii", "a.nii.gz", "a.dcm", "a.npy")}
    assert kinds == {"a.csl": "slices", "a.nii": "slices", "a.nii.gz": "slices", "a.dcm": "slices", "a.npy": "array"}
    assert default_field_of(Source("a.csl", data=b"x")) == "hash_grid"
    assert default_field_of(Source("a.csl", data=b"x"), "slices", OREX) == "siren"


def test_one_plane_is_no_volume() -> None:
    plane = cut(ball, (0, 0, 1), 0.0, 40)
    for given in ([plane], [plane, plane]):
        with pytest.raises(UnreadableError, match=r"a\.csl: 1 plane, a volume needs at least 2"):
            loaded(given)
    with pytest.raises(UnreadableError, match="no plane has a contour"):
        loaded([cut(ball, (0, 0, 1), 3.0, 40)] * 2)


def test_repeated_planes_are_left_out_with_a_note() -> None:
    plane, other = cut(ball, (0, 0, 1), 0.0, 40), cut(ball, (0, 0, 1), 0.2, 40)
    signal = loaded([plane, other, plane])
    assert signal.meta["n_planes"] == 2
    assert signal.notes == ("a.csl: left out: 1 plane in the place of another",)


def test_contradictory_planes_are_named() -> None:
    sections = random_cuts(torus, 5, 60)
    assert not loaded(sections).notes
    third = sections[2]
    sections[2] = Section(third.origin, third.frame, ())
    notes = loaded(sections).notes
    assert notes
    assert all("planes" in note and "3" in note and "% of their common line" in note for note in notes[:3])


def test_points_on_the_planes_have_the_sign_of_the_solid() -> None:
    signal = loaded(random_cuts(torus, 6, 100))
    pool = signal.pool(torch.Generator().manual_seed(0))
    batch = pool.batch(torch.arange(pool.size))
    p = signal.frame.domain.from_unit(batch.x.double()).numpy()
    d, y = torus(p), batch.y[:, 0].numpy() * signal.meta["side"]
    clear = np.abs(d) > 0.01
    on_planes = np.arange(len(y)) < 20_000  # the rest is beyond the hull of contours, which the solid may leave
    assert ((d < 0) == (y < 0))[clear & (y != 0) & on_planes].all()
    assert np.abs(d[y == 0]).max() < 0.01
    assert (np.abs(d) <= np.abs(y) + 0.01)[on_planes & (y != 0)].all()  # the bound


def test_metrics_of_the_true_solid() -> None:
    signal = loaded(random_cuts(torus, 6, 100))

    def true(x: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(torus(signal.frame.domain.from_unit(x.double()).numpy()))[:, None]

    found = signal.metrics(true)
    assert found["slice_iou"] > 0.99
    assert found["contour_mae"] < 0.003
    assert signal.metrics(lambda x: true(x) + 0.1)["slice_iou"] < 0.9


def test_a_solid_knows_how_it_was_read() -> None:
    data = io.BytesIO()
    x, y, z = np.meshgrid(*[np.arange(16)] * 3, indexing="ij")
    np.save(data, np.where((x - 7.5) ** 2 + (y - 7.5) ** 2 + (z - 7.5) ** 2 < 36, 5, 0).astype(np.int16))
    options = {"label": "5", "spacing": "1,1,2", "axis": "z"}
    source = Source("a.npy", data=data.getvalue())
    signal = load_signal(source, "slices", {**options, "points": "512"})
    assert isinstance(signal, SolidOfSlices)
    assert (signal.kind, signal.spec.kind, signal.headline) == ("slices", "shape", "slice_iou")
    assert SIGNALS["shape"].load_kind(signal.meta) == "slices"
    assert SIGNALS["shape"].load_options(signal.meta) == options
    size = np.ptp(signal.solid.vertices, axis=0) * signal.meta["side"]  # type: ignore[attr-defined]
    np.testing.assert_allclose(size, [12, 12, 24], rtol=0.1)
    exact = signal.metrics(signal.distance)
    assert exact["slice_iou"] > 0.98
    assert exact["iou"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label": "x"}, "option label is 'x', expected a whole number"),
        ({"spacing": "1,2"}, "does not apply to slices of this format"),
        ({"roi": "liver"}, "option roi does not apply"),
        ({"method": "best"}, "option method is 'best', expected one of spline, orex"),
        ({"label": "3"}, "option label is 3, but a.csl has the labels 1"),
        ({"points": "99", **OREX}, "option points does not apply"),
    ],
)
def test_wrong_options(options: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_signal(Source("a.csl", data=Small().content()), None, options)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="it is a folder, expected a file"):
        load_signal(tmp_path)
    with pytest.raises(UnreadableError, match="neither PNG nor SVG"):
        load_signal(tmp_path, "slices")
    for k in range(3):
        pixels = np.zeros((20, 20), np.uint8)
        pixels[5:15, 5:15] = 255
        Image.fromarray(pixels).save(tmp_path / f"{k}.png")
    signal = load_signal(tmp_path, "slices", OREX)
    assert signal.meta["n_planes"] == 3
    assert any("voxels are taken as 1 x 1 x 1" in note for note in signal.notes)
    assert not load_signal(tmp_path, "slices", {**OREX, "spacing": "1,1,4"}).notes
    with pytest.raises(UsageError, match="option spacing is '1,1,0'"):
        load_signal(tmp_path, "slices", {"spacing": "1,1,0"})
    with pytest.raises(UnreadableError, match="folder"):
        load_signal(tmp_path, "shape")
