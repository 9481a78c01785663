"""The shape of the house: arrows point down, nothing heavy at import, nothing printed, every test asserts."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "inr").rglob("*.py"))

# A package may import those of lower floors, its own files, and the core (private modules of `inr`).
FLOORS = {
    "kernels": 0,
    "signals": 0,
    "encodings": 1,
    "layers": 1,
    "assemblies": 2,
    "fields": 3,
    "ntk": 4,
    "fitting": 5,  # on `ntk`: a fit can follow its tangent kernel
    "codec": 6,
    "mesh": 6,
    "batch": 7,
    "report": 8,
    "export": 9,
    "_api": 10,
}
MAY_SEE_SIGNALS = ("signals", "fitting", "codec", "mesh", "batch", "report", "export", "_api")


def imports_of(path: Path) -> list[tuple[str, bool]]:
    """(module, is at the top level) for every import in a file."""
    tree = ast.parse(path.read_text("utf-8"))
    top = {id(node) for node in tree.body}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [(name if node.module == "inr" else node.module, id(node) in top) for name in names]
    return found


def floor_of(path: Path) -> str:
    part = path.relative_to(ROOT / "inr").parts[0]
    return part.removesuffix(".py")


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_down(path: Path) -> None:
    here = floor_of(path)
    for module, _ in imports_of(path):
        parts = module.split(".")
        assert parts[0] != "inr_cli", f"{path} imports the command line"
        if parts[0] != "inr" or len(parts) == 1 or parts[1] not in FLOORS:
            continue
        there = parts[1]
        if here == "__init__":
            continue
        assert here in FLOORS, f"core file {path.name} imports {module}"
        is_down = there == here or FLOORS[there] < FLOORS[here]
        assert is_down, f"{here} imports {there}"
        if there == "signals":
            assert here in MAY_SEE_SIGNALS, f"{here} imports signals"


@pytest.mark.parametrize(
    ("package", "allowed"),
    [("fields", {"mlp"}), ("signals", {"metrics"}), ("encodings", set()), ("assemblies", set())],
)
def test_siblings_share_only_through_private_files(package: str, allowed: set[str]) -> None:
    """A family builds on the contract and on the freely composed network, never on another family.

    The analytic signals are ready-made pictures, sounds and shapes, so they import those.
    """
    for path in (ROOT / "inr" / package).glob("[!_]*.py"):
        if path.stem == "analytic":
            continue
        for module, _ in imports_of(path):
            parts = module.split(".")
            if parts[:2] == ["inr", package] and len(parts) > 2:
                is_shared = parts[2].startswith("_") or parts[2] in allowed
                assert is_shared, f"{path.name} imports its sibling {parts[2]}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_packages_are_imported_where_they_are_used(path: Path) -> None:
    heavy = {"igl", "imageio", "matplotlib", "PIL", "scipy", "skimage", "soundfile", "tifffile", "trimesh", "triton"}
    if is_of_triton(path.relative_to(ROOT).with_suffix("").parts):
        heavy.remove("triton")
    for module, is_top_level in imports_of(path):
        assert not (is_top_level and module.split(".")[0] in heavy), f"{path.name} imports {module} at import time"


def is_of_triton(parts: tuple[str, ...]) -> bool:
    """Whether a module is one of Triton kernels, which the dispatcher imports when it has chosen them."""
    return parts[:2] == ("inr", "kernels") and (parts[-1] == "cuda" or parts[-1].endswith("_triton"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_of_triton_kernels_are_imported_by_each_other_alone(path: Path) -> None:
    if not is_of_triton(path.relative_to(ROOT).with_suffix("").parts):
        assert not [name for name, _ in imports_of(path) if is_of_triton(tuple(name.split(".")))]


def test_import_inr_is_light() -> None:
    code = "import sys, inr; print(sorted({'torch', 'numba', 'matplotlib', 'trimesh', 'igl'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_importing_every_public_name_loads_nothing_optional() -> None:
    code = (
        "import sys, inr\n"
        "for name in inr.__all__: getattr(inr, name)\n"
        "heavy = {'numba', 'matplotlib', 'trimesh', 'igl', 'skimage', 'imageio', 'soundfile', 'triton'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_library_is_silent_and_leaves_global_state_alone(path: Path) -> None:
    text = path.read_text("utf-8")
    for banned in (r"\bprint\(", r"sys\.exit", r"torch\.manual_seed", r"random\.seed", r"torch\.set_", r"pickle\.load"):
        assert not re.search(banned, text), f"{path.name} contains {banned}"
    assert ast.get_docstring(ast.parse(text)) is not None, f"{path.name} does not say what it is for"


def test_every_test_asserts_something() -> None:
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            text = ast.unparse(node)
            assert "assert" in text or "raises" in text or "gradcheck" in text, (
                f"{path.name}::{node.name} asserts nothing"
            )
