"""The page in a browser: its pixels equal a rendering, its shape is the zero level set, its sound is the field's."""

from __future__ import annotations

import dataclasses
import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import inr
from inr.core.errors import UsageError
from inr.exporters import EXPORTERS, export
from inr.fitting import Fit
from inr.signals import View
from tests.browser import browser
from tests.exporters import runtimes
from tests.exporters.fits import encoded, fit_of

SIZE = 640, 480
SIREN = {"type": "siren", "width": 16, "depth": 2}
TINY = {"steps": 3, "batch": 512}


def shot(page: Path, width: int, height: int) -> np.ndarray:
    """The canvas alone, as the browser shows it: [height, width, 3]."""
    target = page.with_suffix(".png")
    runtimes.browse(page, f"--window-size={width},{height}", f"--screenshot={target}", anchor="#bare")
    with Image.open(target) as opened:
        return np.asarray(opened.convert("RGB")).astype(int)


@pytest.mark.slow
def test_the_pixels_of_a_picture_are_those_of_render(tmp_path: Path) -> None:
    fit = inr.fit("analytic:zone-plate", SIREN, TINY)
    page = export(fit, tmp_path / "a.html")[0]
    found = shot(page, *SIZE)
    values, _ = fit.render(View(size=SIZE))
    expected = np.rint(255 * np.clip(values, 0, 1))
    assert found.shape[:2] == expected.shape[:2]
    assert np.abs(found - expected).max() <= 1


@pytest.mark.slow
def test_a_shape_is_drawn_where_rays_meet_it(tmp_path: Path) -> None:
    fit = inr.fit(
        "analytic:torus", {**SIREN, "activation": {"type": "sine", "omega": 4.0}}, {"steps": 100, "batch": 512}
    )
    picture = shot(export(fit, tmp_path / "a.html")[0], *SIZE)
    is_drawn = (picture.max(-1) - picture.min(-1)) > 24  # the shape is blue, the background is not
    step = 16
    drawn = is_drawn[step // 2 :: step, step // 2 :: step]
    expected = _silhouette(fit, step)
    assert 0.02 < expected.mean() < 0.9
    assert (drawn != expected).mean() < 0.02


def _silhouette(fit: Fit, step: int) -> np.ndarray:
    """Whether rays of the page's first view meet a value below 0, at 400 points of each."""
    width, height = SIZE
    yaw, pitch, distance = 0.6, 0.4, 2.5
    a, b, c, d = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)
    turn = np.array([[a, 0, -b], [-b * d, c, -a * d], [b * c, d, a * c]])
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step] + 0.5
    q = np.stack([2 * x - width, height - 2 * y, np.full_like(x, -2.5 * min(SIZE))], -1) / min(SIZE)
    ray = q @ turn
    ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
    t = np.linspace(distance - 0.9, distance + 0.9, 400)[:, None, None, None]
    p = 0.5 + distance * turn[2] + t * ray
    values = fit(torch.from_numpy(p.reshape(-1, 3)).float()).numpy().reshape(p.shape[:-1])
    is_inside: np.ndarray = ((values < 0) & ((p >= 0) & (p <= 1)).all(-1)).any(0)
    return is_inside


@pytest.mark.slow
def test_a_sounds_samples_are_the_fields(tmp_path: Path) -> None:
    fit = inr.fit("analytic:chirp", {**SIREN, "activation": {"type": "sine", "omega_first": 100.0}}, TINY)
    dom = runtimes.browse(export(fit, tmp_path / "a.html")[0])
    found = json.loads(unescape(re.search(r'data-samples="([^"]*)"', dom)[1]))  # type: ignore[index]
    values, meta = fit.render()
    assert np.abs(np.array(found) - values[:256, 0]).max() < 1 / 255
    text = encoded("html", fit).main.decode()
    assert json.loads(re.search(r'id="data">(.*?)</script>', text)[1])["rate"] == meta["rate_hz"]  # type: ignore[index]
    assert ">Play</button>" in dom


def test_the_page_loads_nothing_and_describes_what_it_shows(tmp_path: Path) -> None:
    fit = dataclasses.replace(fit_of(SIREN), source="<b>TITLE</b>.png", steps=7)
    text = encoded("html", fit).main.decode()
    assert not re.search(r"(src|href)=|https?:|@import|fetch\(", text)
    assert "<title>&lt;b&gt;TITLE&lt;/b&gt;.png</title>" in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text)[1])  # type: ignore[index]
    assert data["name"] == fit.source
    assert ["PSNR", "31.50 dB"] in data["facts"]
    assert ["steps", "7"] in data["facts"]
    assert encoded("html", fit).main == text.encode()


def test_the_page_states_in_a_sentence_what_it_cannot_show() -> None:
    for fit, reason in (
        (fit_of(SIREN, 3, 3), "this field maps 3 coordinates to 3 values"),
        (fit_of({"type": "chebyshev"}), "the field needs float64"),
    ):
        with pytest.raises(UsageError, match=reason):
            EXPORTERS["html"]().encode(fit, ".html")


@pytest.mark.slow
def test_the_keyboard_moves_what_is_shown(tmp_path: Path) -> None:
    page = export(inr.fit("analytic:zone-plate", SIREN, TINY), tmp_path / "a.html")[0]
    with browser() as tab:
        tab.open(page.as_uri(), width=500, height=700)
        tab.wait("document.body.dataset.state === 'done'")
        tab.press("Tab", 9)
        assert tab.value("document.activeElement.tagName") == "CANVAS"
        assert tab.value("document.activeElement.getAttribute('aria-label')").startswith("picture of ")
        assert tab.value("document.documentElement.scrollWidth") <= 500
        before = tab.value("document.querySelector('canvas').toDataURL()")
        for key, code, text in (("+", 187, "+"), ("ArrowRight", 39, "")):
            tab.press(key, code, text)
            tab.wait(f"document.querySelector('canvas').toDataURL() !== {json.dumps(before)}")
            before = tab.value("document.querySelector('canvas').toDataURL()")
        assert tab.problems == []
