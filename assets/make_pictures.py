"""Make the pictures of README and the guides: run their commands in a new folder, and shrink what they write.

Those of README's tour go to assets/tour/, those of the guides to docs/guide/images/.

    python assets/make_pictures.py

Takes some minutes. The picture of the page needs a Chromium; without one the last stays.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parent.parent
TOUR = ROOT / "assets" / "tour"
GUIDES = ROOT / "docs" / "guide"
SIDE = 256
EYE = (212, 88, 276, 152)
BROWSER = ("--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--hide-scrollbars")


def commands() -> list[str]:
    """The shell blocks of README's tour, and what comes before it."""
    readme = (ROOT / "README.md").read_text("utf-8")
    first = re.search(r"(\.venv/bin/python assets/make\.py.*)", readme)
    assert first is not None
    tour = readme.split("## A tour")[1].split("\n## ")[0]
    return [first[1], *re.findall(r"```sh\n(.*?)```", tour, re.DOTALL)]


def run(place: Path) -> None:
    (place / "assets").mkdir()
    shutil.copy(ROOT / "assets" / "make.py", place / "assets")
    (place / ".venv").symlink_to(sys.prefix)
    for block in commands():
        script = f"PATH={place}/.venv/bin:$PATH; set -e\n{block}"
        subprocess.run(["bash", "-c", script], cwd=place, check=True)


def save(picture: Image.Image, name: str, folder: Path = TOUR) -> None:
    folder.mkdir(exist_ok=True)
    picture.convert("RGB").save(folder / f"{name}.webp", quality=80, method=6)


def shrunk(picture: Image.Image, width: int) -> Image.Image:
    return picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.LANCZOS)


def side_by_side(place: Path) -> Image.Image:
    """The fit, the original's pixels around an eye, and the field there."""
    original = Image.open(place / "assets" / "astronaut.png").crop(EYE).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    parts = [shrunk(Image.open(place / "fitted.png"), SIDE), original, shrunk(Image.open(place / "eye.png"), SIDE)]
    whole = Image.new("RGB", (3 * SIDE + 16, SIDE), "white")
    for i, part in enumerate(parts):
        whole.paste(part, (i * (SIDE + 8), 0))
    return whole


def page(place: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if browser is None:
        return
    with tempfile.TemporaryDirectory() as profile:
        shot = [f"--user-data-dir={profile}", f"--screenshot={place / 'page.png'}", "--window-size=900,720"]
        url = (place / "astronaut.html").as_uri()
        subprocess.run([browser, *BROWSER, "--virtual-time-budget=8000", *shot, url], check=True, capture_output=True)
    save(shrunk(Image.open(place / "page.png"), 720), "page")


def guide(name: str, place: Path) -> None:
    """Run the blocks of a guide in a folder."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-P", str(ROOT / "tests" / "guide_runner.py"), str(GUIDES / f"{name}.md")]
    subprocess.run(command, cwd=place, env={**os.environ, "PATH": path}, check=True)


def guide_pictures() -> None:
    with tempfile.TemporaryDirectory() as folder:
        guide("pictures", Path(folder))
        photo, large = (Image.open(Path(folder) / name).convert("RGB") for name in ("photo.png", "large.png"))
        whole = Image.new("RGB", (2 * SIDE + 8, SIDE), "white")
        whole.paste(photo.resize((SIDE, SIDE), Image.Resampling.NEAREST))
        whole.paste(shrunk(large, SIDE), (SIDE + 8, 0))
        save(whole, "picture", GUIDES / "images")
    with tempfile.TemporaryDirectory() as folder:
        guide("shapes", Path(folder))
        save(shrunk(Image.open(Path(folder) / "part.png"), 320), "shape", GUIDES / "images")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(place)
        save(side_by_side(place), "picture")
        save(shrunk(Image.open(place / "torus.png"), 320), "torus")
        save(shrunk(Image.open(place / "ntk.png"), 800), "ntk")
        page(place)
    guide_pictures()


if __name__ == "__main__":
    main()
