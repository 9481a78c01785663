"""The demo site: pictures that a browser decodes, a field that it evaluates, and a place to drop files on.

    python site/make_demo.py FOLDER [--effort 5] [--steps 2000] [--pictures astronaut coffee]

Fits and compresses photographs of scikit-image, and puts an AVIF of the same size beside each. The folder can be served
by any web server; nothing in it loads from elsewhere. At the default effort 1 it takes a minute or two.
"""

from __future__ import annotations

import argparse
import html
import io
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

import inr
from inr.exporters import export

HERE = Path(__file__).parent
ROOT = HERE.parent
PICTURES = {
    "astronaut": ("An astronaut in front of a flag and a model of a shuttle", "NASA"),
    "chelsea": ("The face of a tabby cat", "Stefan van der Walt"),
    "coffee": ("A cup of coffee on a wooden table", "Rachel Michetti"),
    "rocket": ("A rocket on its launch pad at night", "SpaceX"),
    "immunohistochemistry": ("A stained section of colonic glands", "Human Protein Atlas / CBSA"),
    "hubble_deep_field": ("Galaxies of all shapes on black", "NASA, Hubble Space Telescope"),
}
"""Functions of `skimage.data` -> what the picture shows, and whose it is."""
LONGEST = 512
QUALITY = 45


def picture(name: str, side: int) -> Any:
    """The middle of a photograph, at most `side` pixels wide and high."""
    whole = getattr(data, name)()
    top, left = (max(0, (n - side) // 2) for n in whole.shape[:2])
    return np.ascontiguousarray(whole[top : top + side, left : left + side, :3])


def psnr_db(a: Any, b: Any) -> float:
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def avif_of_size(pixels: Any, most: int) -> bytes:
    """The best AVIF of at most so many bytes, by bisection of its quality; the smallest if there is none."""

    def encoded(quality: int) -> bytes:
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "AVIF", quality=quality, subsampling="4:4:4", speed=4)
        return file.getvalue()

    low, high = 0, 100
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if len(encoded(middle)) <= most else (low, middle)
    return encoded(low)


def made(name: str, folder: Path, effort: int, side: int) -> dict[str, Any]:
    """Write a picture in both formats. Returns what the page tells of it."""
    pixels = picture(name, side)
    original = folder / f"{name}.png"
    Image.fromarray(pixels).save(original)
    compressed = inr.compress(original, folder / f"{name}.inrz", quality=QUALITY, effort=effort, force=True)
    avif = avif_of_size(pixels, len(compressed.data))
    (folder / f"{name}.avif").write_bytes(avif)
    original.unlink()
    with Image.open(io.BytesIO(avif)) as again:
        avif_db = psnr_db(pixels, np.asarray(again.convert("RGB")))
    alt, credit = PICTURES[name]
    return {
        "name": name, "alt": alt, "credit": credit, "width": pixels.shape[1], "height": pixels.shape[0],
        "bytes": len(compressed.data), "psnr_db": compressed.metrics["psnr_db"], "avif_bytes": len(avif),
        "avif_psnr_db": avif_db,
    }  # fmt: skip


def figure(row: dict[str, Any]) -> str:
    size = f'width="{row["width"]}" height="{row["height"]}" loading="lazy"'
    alt, credit = html.escape(row["alt"], quote=True), html.escape(row["credit"])

    def one(kind: str, element: str, n_bytes: int, decibels: float) -> str:
        told = f"<b>{kind}</b> {n_bytes:,} bytes, {decibels:.2f} dB"
        return f"<figure>{element}<figcaption>{told}</figcaption></figure>"

    ours = f'<inr-image src="{row["name"]}.inrz" alt="{alt}" {size}></inr-image>'
    other = f'<img src="{row["name"]}.avif" alt="{alt}, as AVIF" {size}>'
    pair = one(".inrz", ours, row["bytes"], row["psnr_db"]) + one("AVIF", other, row["avif_bytes"], row["avif_psnr_db"])
    return f'<section class="pair"><h3>{alt}</h3><p>Photograph: {credit}</p><div>{pair}</div></section>\n'


def field_page(folder: Path, name: str, steps: int, side: int) -> None:
    """A page that evaluates a field of one picture."""
    path = folder / "field.png"
    Image.fromarray(picture(name, side)).save(path)
    fit = inr.fit(path, {"type": "siren", "width": 96, "depth": 3}, {"steps": steps})
    export(fit, folder / "field.html", force=True)
    path.unlink()


def build(folder: Path, names: list[str], effort: int = 1, steps: int = 300, side: int = LONGEST) -> None:
    """Write the site."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "web" / "src", folder / "src", dirs_exist_ok=True)
    rows = [made(name, folder, effort, side) for name in names]
    field_page(folder, names[0], steps, min(side, 256))
    page = (HERE / "demo.html").read_text("utf-8").replace("FIGURES", "".join(map(figure, rows)))
    (folder / "index.html").write_text(page.replace("EFFORT", str(effort)), "utf-8")
    shutil.copyfile(HERE / "demo.js", folder / "demo.js")
    (folder / "pictures.json").write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--pictures", nargs="+", choices=PICTURES, default=list(PICTURES))
    given = parser.parse_args()
    build(given.folder, given.pictures, given.effort, given.steps)


if __name__ == "__main__":
    main()
