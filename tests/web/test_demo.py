"""The demo site: its script builds it, its pictures are shown, and a file that is dropped on it is opened."""

from __future__ import annotations

import base64
import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.browser import browser
from tests.web.runner import WEB
from tests.web.server import CODEC, serving

ROOT = WEB.parent
DROP = """(() => {
    const bytes = Uint8Array.from(atob("BYTES"), c => c.charCodeAt(0)), files = new DataTransfer();
    files.items.add(new File([bytes], "dropped.inrz"));
    document.getElementById("drop").dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true }));
})()"""


DARKNESS = "Math.max(...getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number))"


@pytest.mark.slow
def test_the_demo_is_built_and_shows_its_pictures(tmp_path: Path) -> None:
    script: dict[str, Any] = runpy.run_path(str(ROOT / "site" / "make_demo.py"))
    script["build"](tmp_path, ["coffee"], 1, 3, 48)
    (row,) = json.loads((tmp_path / "pictures.json").read_text("utf-8"))
    assert (tmp_path / "coffee.inrz").stat().st_size == row["bytes"]
    assert row["psnr_db"] > 20
    pages = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    golden = (CODEC / "golden" / "pyramid-image.inrz").read_bytes()
    with serving(pages) as address, browser() as page:
        page.open(address + "index.html", width=360, height=900, prefers_color_scheme="dark")
        page.value(
            "document.querySelector('inr-image').scrollIntoView()"
        )  # pictures are decoded when they come into view
        page.wait("document.querySelector('inr-image').naturalWidth === 48")
        assert page.value("document.documentElement.scrollWidth") <= 360
        assert page.value("matchMedia('(prefers-color-scheme: dark)').matches")
        assert page.value(DARKNESS) < 60
        reached = []
        for _ in range(8):  # links, the live field, the choice of a file
            page.press("Tab", 9)
            reached.append(page.value("document.activeElement.tagName"))
        assert {"A", "IFRAME", "INPUT"} <= set(reached)
        assert page.value("[...document.querySelectorAll('inr-image, img, iframe')].every(e => e.alt || e.title)")
        damaged = golden[:-9] + bytes(9)
        for data, said in ((golden, "41 x 33, 301 bytes"), (damaged, "cannot be shown: the file's checksum")):
            page.value(DROP.replace("BYTES", base64.b64encode(data).decode()))
            page.wait(f"document.getElementById('told').textContent.includes({json.dumps(said)})")
        assert page.value("document.querySelector('#drop canvas').hidden") is True
        for name, said in (("grids-audio", "audio, "), ("weights-shape", "shape, ")):
            data = (CODEC / "golden" / f"{name}.inrz").read_bytes()
            page.value(DROP.replace("BYTES", base64.b64encode(data).decode()))
            page.wait(f"document.getElementById('told').textContent.includes({json.dumps(said)})")
        assert page.value("document.querySelector('#other inr-shape').canvas.offsetHeight") > 100
        assert page.value("document.documentElement.scrollWidth") <= 360
        assert page.problems == []
