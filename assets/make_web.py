"""Write the decoder of `web/` as one small file, for the pages that `inr export` writes.

    python assets/make_web.py            inr/exporters/_viewer.js and _colours.js, parts of the package
    python assets/make_web.py FOLDER     also inr-web.js (a module) and auto.js, to put on a server

Needs esbuild 0.28.2, on the PATH or named by INR_ESBUILD: `npm install --prefix FOLDER esbuild@0.28.2`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = ROOT / "web" / "src"
PAGES = ROOT / "inr" / "exporters"
TARGETS = {"page": PAGES / "_viewer.js", "field_page": PAGES / "_colours.js"}
"""Entries of `web/src` -> the files that pages of `inr export` hold."""
VERSION = "0.28.2"
NAMES = (
    "FormatError", "InrImage", "UnsupportedError", "decode", "decodeInWorker", "defineElement", "draw", "inspect",
    "paint", "paintInWorker", "watchImages",
)  # fmt: skip


def esbuild() -> str | None:
    """The program, if it is there in the version that the file was made with."""
    found = os.environ.get("INR_ESBUILD") or shutil.which("esbuild")
    if found is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return found if version == VERSION else None


def bundle(program: str, entry: str) -> str:
    """A function `inrWeb`, which returns what a file of `web/src` exports; workers run the same text."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(SOURCES, copy)
        (copy / "bundled_worker_source.js").replace(copy / "worker_source.js")
        options = [
            "--bundle",
            "--minify",
            "--format=iife",
            "--global-name=api",
            "--target=es2022",
            "--log-level=warning",
        ]
        made = subprocess.run(
            [program, str(copy / entry), *options], capture_output=True, text=True, check=True, cwd=folder
        )
    return f"function inrWeb(){{{made.stdout.strip()}return api}}\n"


def main(folder: Path | None) -> None:
    program = esbuild()
    if program is None:
        raise SystemExit(
            f"needs esbuild {VERSION}: npm install --prefix FOLDER esbuild@{VERSION}, then set INR_ESBUILD"
        )
    for entry, target in TARGETS.items():
        target.write_text(bundle(program, f"{entry}.js"), "utf-8")
    if folder is not None:
        write_scripts(folder, bundle(program, "bundle.js"))


def write_scripts(folder: Path, text: str) -> None:
    """The bundle as a module, and as a script that shows the pictures of a page."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "inr-web.js").write_text(f"{text}export const{{{','.join(NAMES)}}}=inrWeb();\n", "utf-8")
    (folder / "auto.js").write_text(f"{text}inrWeb().watchImages(document);\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
