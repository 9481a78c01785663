"""What is painted: the pixels are the field's and the signal's, at the places that the page is told."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from PIL import ImageCms

from inr.core.samples import Samples
from inr.fitting import Fit, Run, resolve
from inr.signals import Signal, load_signal
from inr.signals import View as Whole
from inr.signals.array import Array
from inr.signals.audio import Audio
from inr.signals.image import Image
from inr.watch.painting import Painted, Painter, painter_of
from inr.watch.session import View

GRID = {"type": "hash_grid", "encoding": {"levels": 2}}


def painter(signal: Signal, field: Any = GRID) -> tuple[Painter, Fit]:
    run = Run(signal, *resolve(signal, field, {"steps": 2}))
    fit = run.result(run.advance(), with_metrics=False)
    found = painter_of(fit, Samples.counted(signal.spec, signal.pool(torch.Generator())), signal)
    assert found is not None
    return found, fit


def pixels(painted: Painted, name: str) -> np.ndarray[Any, Any]:
    return np.asarray(Pillow.open(io.BytesIO(painted.layers[name].data)))


def noise(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_the_target_is_the_picture_and_the_fit_is_what_render_writes() -> None:
    source = noise(30, 40, 3)
    paint, fit = painter(Image.of_pixels(source))
    painted = paint.paint(fit, View(px=64), np.inf)
    assert np.array_equal(pixels(painted, "target"), source)
    rendered = np.rint(255 * np.clip(fit.render()[0], 0, 1)).astype(np.uint8)
    assert np.abs(pixels(painted, "fit").astype(int) - rendered).max() <= 1
    assert painted.about["box"] == [0, 0, 1, 1]
    assert painted.about["error"]["mean"] == pytest.approx(np.abs(fit.render()[0] - source / 255).mean(), rel=1e-3)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_pictures_of_other_channels(channels: int) -> None:
    paint, fit = painter(Image.of_pixels(noise(9, 7, channels)))
    painted = paint.paint(fit, View(px=16), np.inf)
    assert pixels(painted, "fit").shape == ((9, 7) if channels == 1 else (9, 7, channels))
    assert painted.about["alpha"] == (channels in (2, 4))


def test_a_crop_is_at_its_place_and_magnified_the_field_is_evaluated_between_the_samples() -> None:
    source = noise(64, 96, 3)
    paint, fit = painter(Image.of_pixels(source))
    view = View(x=0.25, y=0.5, w=0.25, h=0.25, px=480)
    painted = paint.paint(fit, view, np.inf)
    assert np.array_equal(pixels(painted, "target"), source[32:48, 24:48])
    assert painted.about["box"] == [0.25, 0.5, 0.25, 0.25]
    fine = fit.render(crop=(24, 32, 24, 16), size=(480, 320))[0]
    assert np.abs(pixels(painted, "fit") / 255 - np.clip(fine, 0, 1)).max() < 0.01
    assert painted.points == paint.points(fit, view) == 24 * 16 + 480 * 320
    coarse = paint.paint(fit, View(x=0.25, y=0.5, w=0.25, h=0.25, px=480), 400)
    assert pixels(coarse, "fit").shape == (16, 24, 3)


def test_with_little_time_every_k_th_sample_is_shown() -> None:
    source = noise(60, 90, 3)
    paint, fit = painter(Image.of_pixels(source))
    painted = paint.paint(fit, View(), 700)
    assert np.array_equal(pixels(painted, "target"), source[1::3, 1::3])
    assert painted.points <= 700
    assert painted.about["samples"] == [30, 20]


def test_arrays_show_the_slice_that_is_asked_for() -> None:
    values = np.arange(5 * 6 * 7, dtype=np.float32).reshape(5, 6, 7)
    paint, fit = painter(Array.of_array(values))
    painted = paint.paint(fit, View(at=0.9), np.inf)
    expected = np.rint(255 * values[4] / values.max())
    assert np.abs(pixels(painted, "target") - expected).max() <= 1
    assert painted.about["frames"] == 5
    near = paint.paint(fit, View(at=0.9, x=0.0, y=0.0, w=0.2, h=0.2, px=64), np.inf)
    expected = fit.render(Whole(slices={"axis0": 4}, crop=(0, 0, 0, 5, 2, 2), size=(64, 64)))[0] / values.max()
    assert np.abs(pixels(near, "fit") / 255 - np.clip(expected[0, ..., 0], 0, 1)).max() < 0.01


def test_colours_that_cannot_be_shown_are_noted() -> None:
    picture = Image.of_pixels(noise(8, 8, 3))
    paint, fit = painter(picture)
    assert "note" not in paint.paint(fit, View(), np.inf).about
    picture.meta["colour_chunks"] = {"cICP": "09100001"}
    paint, fit = painter(picture)
    assert "shown as sRGB" in paint.paint(fit, View(), np.inf).about["note"]


def test_the_colour_profile_goes_with_the_picture() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    paint, fit = painter(Image.of_pixels(noise(8, 8, 3), icc=profile))
    painted = paint.paint(fit, View(), np.inf)
    for name, expected in (("fit", profile), ("target", profile), ("error", None)):
        assert Pillow.open(io.BytesIO(painted.layers[name].data)).info.get("icc_profile") == expected


def test_a_sound_is_its_least_and_largest_values_per_column() -> None:
    samples = np.random.default_rng(1).uniform(-1, 1, (4096, 2)).astype(np.float32)
    paint, fit = painter(Audio.of_samples(samples, 8000))
    painted = paint.paint(fit, View(px=64), np.inf)
    assert painted.about["layers"] == ["fit", "target", "error"]
    _, target, error = np.frombuffer(painted.layers["wave"].data, "<f4").reshape(3, 2, 64, 2)
    assert error.min() >= 0
    shown = samples[:: 4096 // 512]  # 8 to a column
    expected = shown.reshape(64, 8, 2).transpose(2, 0, 1) / np.abs(samples).max()
    assert np.allclose(target[..., 0], expected.min(-1), atol=1e-4)
    assert np.allclose(target[..., 1], expected.max(-1), atol=1e-4)
    close = paint.paint(fit, View(x=0.5, w=1 / 64, px=1024), np.inf)
    assert close.about["box"] == [0.5, 0.0, 1 / 64, 1.0]
    assert len(close.layers["wave"].data) == 4 * 3 * 2 * 64 * 2


def test_a_surface_is_triangles_with_their_distance_from_the_signal_s() -> None:
    signal = load_signal("analytic:torus")
    paint, fit = painter(signal, {"type": "siren", "width": 16, "depth": 1})
    painted = paint.paint(fit, View(), 3000)
    n, faces = painted.about["vertices"], painted.about["triangles"]
    data = painted.layers["surface"].data
    assert len(data) == n * (12 + 12 + 4) + 12 * faces
    if n:
        place = np.frombuffer(data[: 12 * n], "<f4").reshape(n, 3)
        assert np.abs(place).max() <= 1.001
        assert np.frombuffer(data[28 * n :], "<u4").max() < n


@pytest.mark.parametrize(
    "given",
    [
        {"x": float("nan")}, {"w": "1"}, {"px": None}, {"at": True}, {"h": [1]},
    ],
)  # fmt: skip
def test_views_that_are_not_numbers_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="of a view is a number"):
        View.of_document(given)


def test_views_are_clipped_to_what_exists() -> None:
    view = View.of_document({"x": -5, "y": 0.9, "w": 7, "h": 0.5, "px": 1e9, "at": 3})
    assert (view.x, view.y, view.w, view.h, view.px, view.at) == (0, 0.5, 1, 0.5, 1024, 1)
    tiny = View.of_document({"w": 0, "h": -1})
    assert tiny.w == tiny.h > 0
