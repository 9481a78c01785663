"""docs/ is what its generator makes, its links have targets, and the site builds without a warning."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]


@pytest.fixture(scope="module")
def make_docs() -> Any:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "assets" / "make_docs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(make_docs: Any) -> dict[str, str]:
    pages: dict[str, str] = make_docs.pages()
    return pages


@pytest.mark.slow
def test_the_pages_are_what_the_generator_makes(make_docs: Any, made: dict[str, str]) -> None:
    texts = {path.relative_to(DOCS).as_posix(): path.read_text("utf-8") for path in DOCS.rglob("*.md")}
    committed = {name: text for name, text in texts.items() if text.startswith(make_docs.MADE)}
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


def test_families_below_a_goal_say_why_and_only_these(make_docs: Any) -> None:
    """Of pictures, sound and shapes, by the newest records of a minute."""
    from inr.fields import FIELDS

    below = {(name, what) for name in FIELDS for what in make_docs.coarse(name)}
    said = {(name, what) for name in FIELDS for what in make_docs.COARSE if getattr(FIELDS[name].limits, what)}
    assert {what for _, what in below} == {"pictures", "sound", "shapes"}
    assert below - said == set()
    assert said - below == set()


def test_families_that_lose_to_mlp_at_equal_parameters_say_what_they_are_for(make_docs: Any) -> None:
    from inr.fields import FIELDS

    losing = {name for name in FIELDS if make_docs.loses(name)}
    assert losing
    assert "mlp" not in losing
    assert {name for name in losing if not FIELDS[name].limits.purpose} == set()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_to_pages_and_headings(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]*(?:#[^)\s]*)?)\)", text):
        file, _, heading = target.partition("#")
        if file.startswith("https://"):
            continue
        page = (path.parent / file).resolve() if file else path
        assert page.exists(), f"{path.name} links to {target}"
        if heading:
            headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings], target


def test_the_reference_lists_every_public_name() -> None:
    """Of the package `inr`, and of every public package below it that has a page."""
    paths = sorted((DOCS / "reference").glob("*.md"))
    assert len(paths) > 5
    for path in paths:
        text = path.read_text("utf-8")
        package = re.findall(r"^# (\S+)$", text, re.MULTILINE)[0]
        names = importlib.import_module(package).__all__
        listed = re.findall(r"^::: (\S+)$", text, re.MULTILINE)
        assert sorted(listed) == sorted(f"{package}.{name}" for name in names if not name.startswith("__"))
    assert (DOCS / "reference" / "README.md").exists()


@pytest.mark.slow
def test_the_site_builds_strictly_and_its_reference_documents_every_name(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs the packages of the extra `docs`")
    pytest.importorskip("mkdocstrings")
    import inr

    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-f", str(ROOT / "site" / "mkdocs.yml")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([*command, "-d", str(tmp_path / "site")], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "site" / "reference" / "index.html").read_text("utf-8")
    for name in inr.__all__:
        assert name.startswith("__") or f'id="inr.{name}"' in page, name
    for name in ("guide/quickstart.html", "project/format.html", "fields/siren.html", "commands/fit.html"):
        assert (tmp_path / "site" / name).exists()


def test_the_paths_that_the_architecture_names_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = re.findall(r"`((?:inr|cli|tests|benchmarks|docs|site)/[\w/.-]*)`", text)
    assert len(named) > 40
    missing = [path for path in named if not (ROOT / path).exists()]
    assert not missing, missing
