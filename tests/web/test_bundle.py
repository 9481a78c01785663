"""The decoder as one file: it is made from the sources of today, and small."""

from __future__ import annotations

import gzip
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.web.runner import WEB, node

SCRIPT: dict[str, Any] = runpy.run_path(str(WEB.parent / "assets" / "make_web.py"))
TABLES: dict[str, Any] = runpy.run_path(str(WEB.parent / "assets" / "make_web_tables.py"))
MOST_BYTES = 15_000
"""Of the decoder of pictures, after gzip."""


def program() -> str:
    found: str | None = SCRIPT["esbuild"]()
    if found is None:
        pytest.skip(f"needs esbuild {SCRIPT['VERSION']}, on the PATH or named by INR_ESBUILD")
    return found


def test_the_files_in_the_package_are_made_from_the_sources() -> None:
    for entry, target in SCRIPT["TARGETS"].items():
        assert target.read_text("utf-8") == SCRIPT["bundle"](program(), f"{entry}.js")


def test_the_tables_of_fields_are_made_from_the_settings_in_python() -> None:
    """Numbers, types, bounds and defaults: `python assets/make_web_tables.py` writes them."""
    assert TABLES["TARGET"].read_text("utf-8") == TABLES["tables"]()


def test_the_scripts_for_servers_are_small_and_decode(tmp_path: Path) -> None:
    SCRIPT["write_scripts"](tmp_path, program())
    for name, most in (("inr-web.js", 1), ("auto.js", 1), ("inr-web-fields.js", 1.4), ("inr-web-shape.js", 1.75)):
        assert len(gzip.compress((tmp_path / name).read_bytes(), 9)) < most * MOST_BYTES
    (tmp_path / "package.json").write_text('{"type": "module"}')
    golden = WEB.parent / "tests" / "codec" / "golden"
    code = f"""import {{ readFileSync }} from "node:fs";
    import {{ decode, FormatError, UnsupportedError }} from {(tmp_path / "inr-web.js").as_uri()!r};
    const read = (name) => new Uint8Array(readFileSync({str(golden)!r} + "/" + name));
    const damaged = read("weights-image.inrz");
    damaged[60] ^= 1;
    const errors = await Promise.all([damaged].map((bytes) => decode(bytes).catch((error) => error)));
    console.log((await decode(read("pyramid-image.inrz"))).width, (await decode(read("grids-image.inrz"))).width,
                errors.every((error) => error instanceof FormatError));"""
    done = node("--input-type=module", "-e", code)
    assert done.stdout.strip() == "41 24 true", done.stderr
