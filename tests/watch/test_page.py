"""The page in a browser: what it shows of a fit, and what its buttons and keys do to it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inr.fitting import Fit, unfinished_fit
from tests.browser import Browser, browser
from tests.colour_profiles import adobe_rgb, converted

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shared_tab() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture
def tab(shared_tab: Browser) -> Browser:
    shared_tab.call("Page.navigate", url="about:blank")
    shared_tab.problems.clear()
    return shared_tab


@contextmanager
def fitting(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`inr fit ... --watch` in a process of its own, and the address of its page."""
    command = [sys.executable, "-m", "inr_cli", "fit", *words, "--watch", "-o", "out.safetensors", "--no-progress"]
    process = subprocess.Popen(
        command, cwd=folder, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("page: http://127.0.0.1:"), line
    try:
        yield process, line.split()[1]
    finally:
        process.kill()
        process.communicate()


def picture(folder: Path) -> Path:
    rows, columns = np.mgrid[:48, :64]
    pixels = np.stack([4 * rows, 4 * columns, 127 + 127 * np.sin(rows * columns / 90)], -1).astype(np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    return folder / "photo.png"


ENDLESS = ("--field", "siren", "--set", "field.width=16", "--set", "field.depth=1", "--steps", "1000000")


def test_pause_save_zoom_stop_and_keep(tab: Browser, tmp_path: Path) -> None:
    with fitting(tmp_path, str(picture(tmp_path)), *ENDLESS) as (process, url):
        tab.open(url)
        tab.wait("document.body.dataset.picture > 0")
        assert tab.value("location.search") == ""  # the secret has left the address bar
        tab.wait("document.querySelectorAll('#loss polyline').length === 1")

        tab.value("document.getElementById('pause').click()")
        tab.wait("document.body.dataset.state === 'paused'")
        tab.wait("document.body.dataset.samples === '64x48'")
        before = tab.value("document.body.dataset.step")
        time.sleep(1.0)
        assert tab.value("document.body.dataset.step") == before

        tab.value("document.getElementById('in').click()")
        tab.wait("document.body.dataset.samples !== '64x48'")
        assert tab.value("document.getElementById('about').textContent").count("crop ") == 1
        tab.value("document.getElementById('view').focus()")
        tab.press("0", 48, "0")
        tab.wait("document.body.dataset.samples === '64x48'")
        tab.press("ArrowLeft", 37)  # there is nothing further left
        assert tab.value("document.body.dataset.view") == "0.0000 0.0000 1.0000 1.0000"

        tab.value("document.getElementById('save').click()")
        tab.wait("document.getElementById('state').textContent.includes('is saved in out.checkpoint')")
        assert unfinished_fit(tmp_path / "out.checkpoint").steps > 0

        tab.value("document.getElementById('pause').click()")
        tab.wait("document.body.dataset.state === 'running'")
        tab.wait(f"+document.body.dataset.step > {int(before[0])}")
        tab.value("document.getElementById('stop').click()")
        tab.wait("document.body.dataset.state === 'stopped'")
        fit = Fit.load(tmp_path / "out.safetensors")
        assert fit.outcome == "interrupted"
        assert fit.steps > int(before[0])
        assert tab.value("document.getElementById('numbers').textContent").count("psnr, measured") == 1
        assert tab.value("getComputedStyle(document.getElementById('pause')).display") == "none"
        tab.value("document.getElementById('leave').click()")
        assert process.wait(30) == 0
        time.sleep(1.5)  # longer than the stream waits before it tries again
        assert tab.value("document.getElementById('state').textContent") == "closed; the tab can be closed too"
        assert process.stderr is not None
        assert f"stopped from the page after {fit.steps} of 1000000 steps" in process.stderr.read()
    assert tab.problems == []


def test_bands_of_the_tangent_kernel_are_drawn_and_the_end_is_told(tab: Browser, tmp_path: Path) -> None:
    words = (*ENDLESS[:-1], "600", "--set", "fit.track_ntk=0.9", "--linger", "60")
    with fitting(tmp_path, str(picture(tmp_path)), *words) as (process, url):
        tab.open(url)
        tab.wait("document.body.dataset.state === 'finished'")
        tab.wait("document.querySelectorAll('#bands polyline').length > 2")
        bands = tab.value("document.querySelectorAll('#bands polyline').length")
        assert tab.value("document.querySelectorAll('#bands-key span').length") == bands
        assert "now " in tab.value("document.getElementById('bands').getAttribute('aria-label')")
        assert tab.value("document.querySelectorAll('#psnr polyline').length") == 1
        process.terminate()
        process.wait(30)
        tab.wait("document.getElementById('state').textContent === \"finished; the page's server has ended, too\"")


def test_crop_is_a_rectangle_drawn_by_the_pointer(tab: Browser, tmp_path: Path) -> None:
    with fitting(tmp_path, str(picture(tmp_path)), *ENDLESS) as (_, url):
        tab.open(url)
        tab.wait("document.body.dataset.picture > 0")
        tab.value("document.getElementById('pause').click()")
        tab.wait("document.body.dataset.state === 'paused'")
        box = json.loads(tab.value("JSON.stringify(document.getElementById('view').getBoundingClientRect())"))
        scale = min(box["width"] / 64, box["height"] / 48)
        left = box["left"] + (box["width"] - 64 * scale) / 2
        top = box["top"] + (box["height"] - 48 * scale) / 2
        tab.value("document.getElementById('crop').click()")
        tab.drag((left + 16 * scale, top + 12 * scale), (left + 32 * scale, top + 36 * scale))
        tab.wait("document.getElementById('about').textContent.includes('crop ')")
        view = [float(v) for v in tab.value("document.body.dataset.view").split()]
        assert view == pytest.approx([0.25, 0.25, 0.25, 0.5], abs=0.02)
        assert tab.value("document.getElementById('crop').getAttribute('aria-pressed')") == "false"


def test_what_is_drawn_is_the_target_and_colours_go_through_the_profile(tab: Browser, tmp_path: Path) -> None:
    """A green that only Adobe RGB holds is not the green of sRGB with the same numbers."""
    path = picture(tmp_path)
    pixels = np.full((48, 64, 3), (60, 200, 60), np.uint8)
    Image.fromarray(pixels).save(path, icc_profile=adobe_rgb())
    expected = converted(pixels, adobe_rgb())[0, 0]
    assert np.abs(expected.astype(int) - pixels[0, 0]).max() > 30
    with fitting(tmp_path, str(path), *ENDLESS) as (_, url):
        tab.open(url)
        tab.wait("document.querySelectorAll('#layers input').length === 3")
        tab.value("document.querySelector('#layers input[value=target]').click()")
        tab.wait("document.body.dataset.shown === 'target'")
        middle = "document.getElementById('flat').getContext('2d').getImageData(400, 300, 1, 1).data"
        found = tab.value(f"Array.from({middle})")
        assert np.abs(np.array(found[:3]) - expected).max() <= 2
        image = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB"))
        assert np.abs(image[420, 420].astype(int) - expected).max() <= 2
    assert tab.problems == []


@pytest.mark.parametrize("signal", ["analytic:torus", "analytic:chirp"])
def test_shapes_and_sounds(tab: Browser, tmp_path: Path, signal: str) -> None:
    words = ("--field", "siren", "--set", "field.width=16", "--set", "field.depth=1", "--steps", "1000000")
    with fitting(tmp_path, signal, *words) as (_, url):
        tab.open(url)
        tab.wait("document.body.dataset.picture > 200")
        tab.value("document.getElementById('pause').click()")
        tab.wait("document.body.dataset.state === 'paused'")
        tab.wait("!/, 0 triangles/.test(document.getElementById('about').textContent)")
        time.sleep(0.5)
        plain = pixels_of(tab)
        assert len(np.unique(plain.reshape(-1, 3), axis=0)) > 3
        tab.value("document.getElementById('view').focus()")
        for _ in range(4):
            tab.press("+", 187, "+")
            tab.press("ArrowRight", 39)
        time.sleep(0.6)
        assert np.abs(pixels_of(tab).astype(int) - plain).mean() > 1
    assert tab.problems == []


def test_a_narrow_dark_window_without_motion_and_a_keyboard_alone(tab: Browser, tmp_path: Path) -> None:
    with fitting(tmp_path, str(picture(tmp_path)), *ENDLESS) as (_, url):
        tab.open(url, width=360, height=760, prefers_color_scheme="dark", prefers_reduced_motion="reduce")
        tab.wait("document.body.dataset.picture > 0")
        assert tab.value("document.documentElement.scrollWidth") <= 360
        assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(22, 25, 29)"
        assert tab.value("getComputedStyle(document.getElementById('pause')).transitionDuration") == "0s"
        names = "[...document.querySelectorAll('button, input, svg, #view')].filter(e => e.checkVisibility())"
        names += ".map(e => e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim())"
        assert all(tab.value(names))
        tab.press("Tab", 9)
        assert tab.value("document.activeElement.id") == "pause"
        assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        tab.press("Enter", 13, "\r")
        tab.wait("document.body.dataset.state === 'paused'")
        for _ in range(12):
            if tab.value("document.activeElement.id") == "view":
                break
            tab.press("Tab", 9)
        tab.press("+", 187, "+")
        tab.wait("document.getElementById('about').textContent.includes('crop ')")
    assert tab.problems == []


def pixels_of(tab: Browser) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The part of the window with the picture."""
    image = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB"))
    return image[140:700, 30:800]
