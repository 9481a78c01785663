"""What the site adds to docs/: the pages that lie elsewhere in the repository, and the listing of generated folders."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
ELSEWHERE = {
    "ARCHITECTURE.md": "project/architecture.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "CHANGELOG.md": "project/changelog.md",
    "benchmarks/RESULTS.md": "project/results.md",
    "inr/codec/FORMAT.md": "project/format.md",
    **{f"assets/tour/{path.name}": f"images/{path.name}" for path in (ROOT / "assets" / "tour").iterdir()},
}
"""Path in the repository -> path in the site."""
LINK = re.compile(r"(\]\()([^)\s#:]+\.(?:md|webp))((?:#[^)\s]*)?\))")


def on_config(config: Any) -> Any:
    config.nav = [listed(entry, Path(config.docs_dir)) for entry in config.nav]
    return config


def listed(entry: Any, docs: Path) -> Any:
    """The entry of the navigation, with the pages of a folder in the place of the folder's name."""
    if isinstance(entry, list):
        return [listed(each, docs) for each in entry]
    if isinstance(entry, dict):
        return {name: listed(value, docs) for name, value in entry.items()}
    if not entry.endswith("/"):
        return entry
    pages = sorted((docs / entry).glob("*.md"), key=lambda path: (path.stem != "README", path.stem))
    return [{title_of(path): f"{entry}{path.name}"} for path in pages]


def title_of(path: Path) -> str:
    return next(line[2:] for line in path.read_text("utf-8").splitlines() if line.startswith("# "))


def on_files(files: Files, config: Any) -> Files:
    for source, target in ELSEWHERE.items():
        files.append(File.generated(config, target, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Links between docs/ and pages that lie elsewhere lead to where these are in the site."""
    here = page.file.src_uri
    place = {target: source for source, target in ELSEWHERE.items()}.get(here, f"docs/{here}")

    def moved(match: re.Match[str]) -> str:
        there = os.path.normpath(os.path.join(os.path.dirname(place), match[2]))
        target = ELSEWHERE.get(there, there.removeprefix("docs/") if there.startswith("docs/") else None)
        if target is None:
            return match[0]
        return f"{match[1]}{os.path.relpath(target, os.path.dirname(here) or '.')}{match[3]}"

    return LINK.sub(moved, markdown)
