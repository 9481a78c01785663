"""The page in a browser: its pixels equal a rendering, its shape is the zero level set, its sound is the field's."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from html import unescape
from itertools import product
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
from inr.signals.image import Image as Picture
from tests.browser import Browser, browser
from tests.colour_profiles import adobe_rgb, converted, display_p3, grey, rec_2020
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
def test_the_shownof_a_picture_are_those_of_render(tmp_path: Path) -> None:
    fit = inr.fit("analytic:zone-plate", SIREN, TINY)
    page = export(fit, tmp_path / "a.html")[0]
    found = shot(page, *SIZE)
    values, _ = fit.render(View(size=SIZE))
    expected = np.rint(255 * np.clip(values, 0, 1))
    assert found.shape[:2] == expected.shape[:2]
    assert np.abs(found - expected).max() <= 1


@pytest.mark.slow
def test_colours_of_a_wide_picture_are_those_that_colour_management_gives(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:48, :64]
    pixels = np.stack([5 * rows, 4 * columns, 250 - 4 * columns], -1).astype(np.uint8)
    with browser() as tab:
        for icc in (display_p3(), adobe_rgb()):
            fit = inr.fit(Picture.of_pixels(pixels, icc=icc), SIREN, {"steps": 100})
            page = export(fit, tmp_path / "a.html", force=True)[0]
            values, _ = fit.render(View(size=SIZE))
            own = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
            for gamut, target in (("srgb", None), ("p3", display_p3())):  # of the screen, and of the canvas on it
                tab.open(f"{page.as_uri()}#bare", width=SIZE[0], height=SIZE[1], color_gamut=gamut)
                tab.wait("document.body.dataset.state === 'done'")
                expected = converted(own, icc, target).astype(int)
                assert np.abs(expected - own).max() > 15 or icc == target
                found = [canvas_of(tab)]
                if gamut == "srgb":  # as Chromium shows it on a screen of sRGB
                    found.append(np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB")).astype(int))
                # The page converts values that are not rounded: each channel lies between those of the neighbours.
                corners = [np.clip(own + np.array(c), 0, 255).astype(np.uint8) for c in product((-1.0, 1.0), repeat=3)]
                near = [converted(corner, icc, target).astype(int) for corner in corners]
                for shown in found:
                    assert (shown >= np.min(near, 0) - 1).all()
                    assert (shown <= np.max(near, 0) + 1).all()
                    assert (np.abs(shown - expected) <= 2).mean() > 0.99
        assert tab.problems == []


@pytest.mark.slow
def test_grey_of_a_profile_and_code_points_are_shown_as_colour_management_shows_them(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:48, :64]
    pixels = np.stack([5 * rows, 4 * columns, 250 - 4 * columns], -1).astype(np.uint8)
    with browser() as tab:
        for given, icc, chunks in ((pixels[..., :1], grey(1.4), {}), (pixels, rec_2020(), {"cICP": "090d0001"})):
            picture = Picture.of_pixels(given, icc=None if chunks else icc)
            picture.meta["colour_chunks"] = chunks
            fit = inr.fit(picture, SIREN, {"steps": 50})
            page = export(fit, tmp_path / "a.html", force=True)[0]
            values, _ = fit.render(View(size=SIZE))
            own = np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)
            tab.open(f"{page.as_uri()}#bare", width=SIZE[0], height=SIZE[1], color_gamut="srgb")
            tab.wait("document.body.dataset.state === 'done'")
            expected = converted(own if own.shape[-1] == 3 else own[..., 0], icc).astype(int)
            assert np.abs(expected - own).max() > 15
            assert (np.abs(canvas_of(tab) - expected) <= 2).mean() > 0.99
        assert tab.problems == []


def canvas_of(tab: Browser) -> np.ndarray:
    """The numbers in the canvas, in its own colour space: [height, width, 3]."""
    width, height = SIZE
    read = f"""(() => {{
        const pixels = new Uint8Array({4 * width * height});
        gl.readPixels(0, 0, {width}, {height}, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
        let text = "";
        for (let i = 0; i < pixels.length; i += 4096) text += String.fromCharCode(...pixels.subarray(i, i + 4096));
        return btoa(text);
    }})()"""
    pixels = np.frombuffer(base64.b64decode(tab.value(read)), np.uint8)
    return pixels.reshape(height, width, 4)[::-1, :, :3].astype(int)


@pytest.mark.slow
def test_colours_that_are_not_understood_are_shown_as_they_are_with_a_note(tmp_path: Path) -> None:
    pixels = np.full((8, 8, 3), (60, 200, 60), np.uint8)
    fit = inr.fit(Picture.of_pixels(pixels, icc=b"a colour profile"), SIREN, TINY)
    dom = runtimes.browse(export(fit, tmp_path / "a.html")[0])
    assert "are shown as sRGB</dd>" in dom


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


@pytest.mark.slow
@pytest.mark.parametrize("source", ["analytic:chirp", "analytic:torus"])
def test_what_is_no_picture_has_the_colours_of_the_page_around_it(source: str, tmp_path: Path) -> None:
    page = export(inr.fit(source, SIREN, TINY), tmp_path / "a.html")[0]
    with browser() as tab:
        for scheme, low, high in (("light", 180, 255), ("dark", 0, 75)):
            tab.open(page.as_uri(), width=SIZE[0], height=SIZE[1], prefers_color_scheme=scheme)
            tab.wait("document.body.dataset.state === 'done'")
            corner = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB"))[20, 20]
            assert low <= corner.min() <= corner.max() <= high, (scheme, corner)
        tab.resize(*SIZE, prefers_color_scheme="light")  # the page follows a change
        tab.wait("matchMedia('(prefers-color-scheme: light)').matches")
        tab.wait(
            "(gl.bindFramebuffer(gl.FRAMEBUFFER, null), window.dot ??= new Uint8Array(4),"
            " gl.readPixels(20, 20, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, dot), dot[0] > 180)"
        )
        assert tab.problems == []


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
        tab.open(page.as_uri(), width=360, height=700)
        tab.wait("document.body.dataset.state === 'done'")
        tab.press("Tab", 9)
        assert tab.value("document.activeElement.tagName") == "CANVAS"
        assert tab.value("document.activeElement.getAttribute('aria-label')").startswith("picture of ")
        assert tab.value("document.documentElement.scrollWidth") <= 360
        before = tab.value("document.querySelector('canvas').toDataURL()")
        for key, code, text in (("+", 187, "+"), ("ArrowRight", 39, "")):
            tab.press(key, code, text)
            tab.wait(f"document.querySelector('canvas').toDataURL() !== {json.dumps(before)}")
            before = tab.value("document.querySelector('canvas').toDataURL()")
        assert tab.problems == []
