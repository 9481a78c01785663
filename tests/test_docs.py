"""docs/ is what its generator makes, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "assets" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pages: dict[str, str] = module.pages()
    return pages


@pytest.mark.slow
def test_the_pages_are_what_the_generator_makes(made: dict[str, str]) -> None:
    committed = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in DOCS.rglob("*.md")}
    stale = sorted(name for name in made.keys() | committed.keys() if made.get(name) != committed.get(name))
    assert not stale, f"stale: {', '.join(stale)}; run: python assets/make_docs.py"


@pytest.mark.slow
def test_every_command_and_family_has_a_page_with_what_belongs_on_it(made: dict[str, str]) -> None:
    from inr.fields import FIELDS

    for name in FIELDS:
        page = made[f"fields/{name}.md"]
        assert f"--field {name}" in page
        assert FIELDS[name].paper in page
        assert "| onnx, numpy | yes |" in page or "| safetensors, pt2 | yes |" in page
    for command in ("fit", "export", "inspect"):
        page = made[f"commands/{command}.md"]
        assert f"```sh\ninr {command} " in page
        assert "`--json`" in page
        assert "`-h, --help`" in page


def test_links_lead_to_pages_and_headings() -> None:
    for path in [ROOT / "README.md", *DOCS.rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]*(?:#[^)\s]*)?)\)", path.read_text("utf-8")):
            file, _, heading = target.partition("#")
            page = (path.parent / file).resolve() if file else path
            assert page.exists(), f"{path.name} links to {target}"
            if heading:
                headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
                assert heading in [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings], target
