"""The page of a compressed picture: its size, its bytes, its colours, and what a browser shows of it."""

from __future__ import annotations

import gzip
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import inr
from inr.core.errors import FormatError, UsageError
from inr.exporters import EXPORTERS
from inr.exporters.file_page import embedded, has_page, page_of_file
from inr.exporters.html import Page
from inr.signals.image import Image as Picture
from tests.browser import browser
from tests.codec.test_golden import FOLDER as GOLDEN
from tests.colour_profiles import adobe_rgb, converted, display_p3, grey
from tests.exporters.fits import fit_of
from tests.web.server import serving

DATA = (GOLDEN / "pyramid-image.inrz").read_bytes()
VIEWER = Path(inr.__file__).parent / "exporters" / "_viewer.js"
MOST_MORE = 20_000
"""Bytes of a page beyond its file, for files of up to 64 kB."""


def document_of(page: bytes) -> dict[str, object]:
    found: dict[str, object] = json.loads(re.search(rb'id="data">(.*?)</script>', page)[1])  # type: ignore[index]
    return found


def test_the_page_is_little_larger_than_the_file() -> None:
    page = page_of_file(DATA, "photo.inrz")
    random = np.random.default_rng(0).bytes(64_000)
    assert len(page) - len(DATA) + len(embedded(random)) - len(random) < MOST_MORE
    assert len(gzip.compress(VIEWER.read_bytes(), 9)) < 15_000


def test_every_byte_comes_back_from_the_text() -> None:
    data = bytes(range(256)) * 3
    text = embedded(data)
    assert not re.search(rb"[\x00\r<]", text)
    assert re.sub(rb"=(.)", lambda found: bytes([found[1][0] - 64]), text, flags=re.DOTALL) == data


def test_the_page_loads_nothing_and_tells_of_its_file(tmp_path: Path) -> None:
    name = "<b>DATA BYTES TITLE<b> é.inrz"
    pixels = np.rint(inr.decompress(DATA).values() * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "same.png")
    page = page_of_file(DATA, f"folder/{name}", str(tmp_path / "same.png"))
    start = page[: page.index(b'id="bytes">')]
    assert start.isascii()
    assert not re.search(rb"(src|href)=|https?:|@import|url\(", start)
    assert b"<title>&lt;b&gt;DATA BYTES TITLE&lt;b&gt; &#233;.inrz</title>" in start
    found = document_of(page)
    assert found["name"] == name
    assert ["size", "41 x 33"] in found["facts"]  # type: ignore[operator]
    assert ["file", f"{len(DATA)} bytes"] in found["facts"]  # type: ignore[operator]
    assert ["PSNR", "no error"] in found["facts"]  # type: ignore[operator]
    assert page == page_of_file(DATA, name, str(tmp_path / "same.png"))


def test_files_without_a_page_are_refused_or_exported_as_fields() -> None:
    damaged = bytearray(DATA)
    damaged[-3] ^= 1
    for wrong in (bytes(damaged), b"", DATA[:100]):
        with pytest.raises(FormatError, match=r"^a\.inrz: "):
            EXPORTERS["html"]().encode_file(wrong, "folder/a.inrz", ".html")
    other = (GOLDEN / "weights-image.inrz").read_bytes()
    assert not has_page(other)
    assert EXPORTERS["html"]().encode_file(other, "a.inrz", ".html") is None
    assert EXPORTERS["onnx"]().encode_file(DATA, "a.inrz", ".onnx") is None
    with pytest.raises(UsageError, match="original"):
        Page(original="a.png").encode(fit_of({"type": "siren", "width": 16, "depth": 2}), ".html")


def test_an_original_of_another_size_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (40, 33)).save(tmp_path / "small.png")
    Image.new("L", (41, 33)).save(tmp_path / "grey.png")
    for name, said in (("small.png", "is 40 x 33 x 3 "), ("grey.png", "is 41 x 33 x 1 ")):
        with pytest.raises(UsageError, match=said):
            page_of_file(DATA, "photo.inrz", str(tmp_path / name))


@pytest.mark.slow
def test_the_browser_shows_the_pixels_that_python_decodes(tmp_path: Path) -> None:
    path = tmp_path / "photo.html"
    path.write_bytes(page_of_file(DATA, "photo.inrz"))
    expected = np.rint(inr.decompress(DATA).values() * 255)
    height, width, _ = expected.shape
    with browser() as page, serving({"photo.html": path.read_bytes()}) as address:
        # From a file the page has its own encoding; from this server it is sent as UTF-8.
        for place, encoding in ((path.as_uri(), "windows-1252"), (f"{address}photo.html", "UTF-8")):
            page.open(f"{place}#bare", width=400, height=300)
            assert page.wait("document.body.dataset.state") == "done"
            assert page.value("document.characterSet") == encoding
            with Image.open(io.BytesIO(page.screenshot())) as shot:
                found = np.asarray(shot.convert("RGB")).astype(int)[:height, :width]
            assert np.abs(found - expected).max() <= 1
        assert page.problems == []


@pytest.mark.slow
@pytest.mark.parametrize("icc", [display_p3(), adobe_rgb(), grey(1.4)], ids=["display-p3", "adobe", "grey"])
def test_colours_of_a_wide_picture_are_those_that_colour_management_gives(icc: bytes, tmp_path: Path) -> None:
    rows, columns = np.mgrid[:48, :64]
    pixels = np.stack([5 * rows, 4 * columns, 250 - 4 * columns], -1).astype(np.uint8)
    pixels = pixels[..., :1] if icc == grey(1.4) else pixels
    data = inr.compress(Picture.of_pixels(pixels, icc=icc), quality=60, effort=1).data
    path = tmp_path / "photo.html"
    path.write_bytes(page_of_file(data, "photo.inrz"))
    own = np.rint(inr.decompress(data).values() * 255).astype(np.uint8)
    expected = converted(own[..., 0] if own.shape[-1] == 1 else own, icc).astype(int)
    assert np.abs(expected - own).max() > 20
    with browser() as page:
        page.open(f"{path.as_uri()}#bare", width=400, height=300)
        assert page.wait("document.body.dataset.state") == "done"
        with Image.open(io.BytesIO(page.screenshot())) as shot:
            found = np.asarray(shot.convert("RGB")).astype(int)[: own.shape[0], : own.shape[1]]
    assert np.abs(found - expected).max() <= 2


@pytest.mark.slow
def test_the_picture_moves_by_keys_wheel_and_pointer_and_can_be_saved(tmp_path: Path) -> None:
    path = tmp_path / "photo.html"
    path.write_bytes(page_of_file(DATA, "photo.inrz"))
    with browser() as page:
        page.open(path.as_uri(), width=900, height=600)
        page.wait("document.body.dataset.state === 'done'")
        place = "document.querySelector('canvas').style.transform"
        scale = f"+/scale\\((.*)\\)/.exec({place})[1]"
        whole = page.value(place)
        page.value("document.querySelector('main').focus()")
        before = page.value(scale)
        page.press("+", 187, "+")
        assert page.value(scale) == pytest.approx(1.25 * before, rel=1e-4)
        page.press("ArrowLeft", 37)
        moved = page.value(place)
        assert moved != whole
        page.wheel(200, 200, -100)
        page.wait(f"{place} !== {moved!r}")
        page.drag((200, 200), (250, 240))
        page.press("0", 48, "0")
        assert page.value(place) == whole
        page.value("window.made = URL.createObjectURL; URL.createObjectURL = b => made.call(URL, window.saved = b); 0")
        page.value("document.querySelector('[data-do=file]').click()")
        saved = page.value("saved.arrayBuffer().then(b => Array.from(new Uint8Array(b)))")
        assert bytes(saved) == DATA
        page.value("document.querySelector('[data-do=exact]').click()")
        assert page.value(scale) == pytest.approx(1.0, rel=1e-4)
        page.value("document.querySelector('[data-do=png]').click()")
        page.wait("saved.type === 'image/png'")
        page.resize(360, 700, prefers_color_scheme="dark")
        page.wait("innerWidth === 360")
        assert page.value("document.documentElement.scrollWidth") <= 360


@pytest.mark.slow
def test_a_page_that_was_changed_says_what_is_wrong(tmp_path: Path) -> None:
    page = page_of_file(DATA, "photo.inrz")
    at = page.rindex(b"</script>", 0, page.index(b'"use strict"')) - 20
    path = tmp_path / "photo.html"
    path.write_bytes(page[:at] + bytes([page[at] ^ 2]) + page[at + 1 :])
    with browser() as shown:
        shown.open(path.as_uri())
        assert shown.wait("document.body.dataset.state") == "failed"
        assert "cannot be shown" in shown.value("document.querySelector('#state').textContent")
