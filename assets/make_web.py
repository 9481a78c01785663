"""Write the decoder of `web/` as one small file, for the pages that `inr export` writes.

    python assets/make_web.py            inr/exporters/_viewer.js and _colours.js, parts of the package
    python assets/make_web.py FOLDER     also inr-web.js (a module), auto.js, and inr-web-fields.js, which both load for
                                         files that hold a field, and inr-web-shape.js (the element of shapes, which
                                         needs no other file), to put on a server

`web/src/field/tables.js` is written anew first (`assets/make_web_tables.py`).

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
WHOLE, BESIDE = ("lattice_worker_source.js", "field_shader.js"), ("worker_source.js", "fields_module.js")
"""Files that others replace in a bundle that needs no other file, and in those beside which others lie."""
VERSION = "0.28.2"
NAMES = (
    "FormatError", "InrImage", "InrSound", "UnsupportedError", "decode", "decodeInWorker", "defineElement", "draw",
    "inspect", "paint", "paintInWorker", "watchImages",
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
    return f"function inrWeb(){{{_bundle(program, entry, '--format=iife', '--global-name=api')}return api}}\n"


def module(program: str, entry: str, *, is_whole: bool = False) -> str:
    """A module that exports what a file of `web/src` exports. is_whole: it has the module of fields in it, without
    shaders of fields."""
    return _bundle(program, entry, "--format=esm", is_whole=is_whole) + "\n"


def _bundle(program: str, entry: str, *options: str, is_whole: bool = False) -> str:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "src"
        shutil.copytree(SOURCES, copy)
        places = (
            ("lattice_worker_source.js", "field_shader.js") if is_whole else ("worker_source.js", "fields_module.js")
        )
        for place in places:
            (copy / f"bundled_{place}").replace(copy / place)
        made = subprocess.run(
            [program, str(copy / entry), "--bundle", "--minify", "--target=es2022", "--log-level=warning", *options],
            capture_output=True,
            text=True,
            check=True,
            cwd=folder,
        )
    return made.stdout.strip()


def main(folder: Path | None) -> None:
    program = esbuild()
    if program is None:
        raise SystemExit(
            f"needs esbuild {VERSION}: npm install --prefix FOLDER esbuild@{VERSION}, then set INR_ESBUILD"
        )
    subprocess.run([sys.executable, str(ROOT / "assets" / "make_web_tables.py")], check=True)
    for entry, target in TARGETS.items():
        target.write_text(bundle(program, f"{entry}.js"), "utf-8")
    if folder is not None:
        write_scripts(folder, program)


def write_scripts(folder: Path, program: str) -> None:
    """The bundle as a module, and as a script that shows the pictures of a page; beside them the module of fields."""
    folder.mkdir(parents=True, exist_ok=True)
    text = bundle(program, "bundle.js")
    text += 'inrWeb.fields=new URL("./inr-web-fields.js",import.meta.url).href;'
    (folder / "inr-web.js").write_text(f"{text}export const{{{','.join(NAMES)}}}=inrWeb();\n", "utf-8")
    (folder / "auto.js").write_text(f"{text}inrWeb().watchImages(document);\n", "utf-8")
    (folder / "inr-web-fields.js").write_text(module(program, "fields.js"), "utf-8")
    (folder / "inr-web-shape.js").write_text(module(program, "shape_element.js", is_whole=True), "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
