"""The structure: arrows point down, nothing private is imported from outside, nothing heavy at import, no output."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.imports import (
    ROOT,
    called_name,
    circles,
    imports_of,
    modules,
    private_imports,
    private_uses_of_tests,
    repeats,
    tree_of,
)

# A package may import those of lower floors and its own files.
FLOORS = {
    "_version": -2,
    "core": -1,
    "kernels": 0,
    "signals": 0.5,
    "encodings": 1,
    "layers": 1,
    "assemblies": 2,
    "fields": 3,
    "fitting": 4,
    "workflows": 5,
    "solving": 5,
    "ntk": 6,
    "mesh": 7,
    "codec": 8,
    "batch": 9,
    "report": 10,
    "watch": 10.5,
    "plugins": 10.5,
    "exporters": 11,
    "inspection": 11,
    "_api": 12,
    "testing": 13,
}
MAY_SEE_SIGNALS = (
    *(
        "signals",
        "fitting",
        "ntk",
        "solving",
        "workflows",
        "solving",
        "codec",
        "mesh",
        "batch",
        "report",
        "watch",
        "plugins",
        "exporters",
        "_api",
    ),
    "inspection",
    "testing",
)
HEAVY = {"igl", "imageio", "matplotlib", "PIL", "scipy", "skimage", "soundfile", "tifffile", "trimesh", "triton"}
BANNED = (r"\bprint\(", r"sys\.exit", r"torch\.manual_seed", r"random\.seed", r"torch\.set_", r"pickle\.load")
PRIVATE_BUT_TESTED = (
    # A module of inr_cli without an underscore is a command. tests/cli tests these other parts one by one.
    *(
        "inr_cli._batch",
        "inr_cli._desktop_files",
        "inr_cli._ending",
        "inr_cli._first_signals",
        "inr_cli._interrupts",
        "inr_cli._io",
        "inr_cli._output",
    ),
    *("inr_cli._parameters", "inr_cli._progress", "inr_cli._torch_library", "inr_cli._training"),
    # Names of Python and torch: to end a process without clean-up, to see that hooks are removed, and to let torch
    # remember its constructors before a test replaces them. The last is the protocol of notebooks.
    *("_exit", "_forward_hooks", "_device_constructors", "_repr_mimebundle_"),
)
TOPICS = {
    "": {"architecture", "docs", "guides", "kinds", "language", "packaging", "readme", "security"},
    "cli/": {
        *("bad_inputs", "convert_compare_learn", "environment", "full_disks", "information", "large", "names"),
        *("nonsense", "pipes", "program", "render_mesh_eval", "side_by_side"),
    },
    "codec/": {"golden", "robustness"},
    "conformance/": {"exporters", "fields", "kernels", "nonsense", "ntk", "profiles", "signals", "slots"},
    "exporters/": {"conformance", "files"},
    "fields/": {"activation_families", "polynomial"},
    "fitting/": {"golden", "golden_checkpoint", "precision"},
    "kernels/": {"interpreter", "triton"},
    "mesh/": {"fitted_solids"},
    "ntk/": {"kernel_effects"},
    "signals/": {"corpus"},
    "signals/solids/": {"scan_meshes"},
    "solving/": {"absorbing"},
    "web/": {"browser", "bundle", "colours", "decoder", "demo", "mutations", "shader"},
    "watch/": {"contrast", "page"},
}
"""Tests of several modules together, by the folder that they are in."""
LIBRARY = {name: path for name, path in modules().items() if name.split(".")[0] == "inr"}


def test_arrows_point_down() -> None:
    found = []
    for module in LIBRARY:
        here = module.split(".")[1] if module != "inr" else "inr"
        for item in imports_of(module):
            parts = item.module.split(".")
            if parts[0] == "inr_cli":
                found.append(f"{module} imports the command line")
            if parts[0] != "inr" or here == "inr":
                continue
            there = parts[1] if len(parts) > 1 else "inr"
            if there != here and FLOORS.get(there, 99) >= FLOORS.get(here, 99):
                found.append(f"{module} imports {item.module}, which is not below it")
            if there == "signals" and here not in MAY_SEE_SIGNALS:
                found.append(f"{module} imports signals")
    assert found == []


def test_no_circle_of_files() -> None:
    assert circles() == []


def test_no_six_lines_stand_in_two_places() -> None:
    assert repeats(6) == []


def test_nothing_private_is_imported_from_outside_its_folder() -> None:
    assert private_imports() == []


def test_tests_use_public_names() -> None:
    assert private_uses_of_tests(PRIVATE_BUT_TESTED) == []


def test_tests_mirror_the_source() -> None:
    """A test file has the name of a module or package that lies in the same place, or of a topic in TOPICS."""
    found = {str(p.relative_to(ROOT / "tests").with_suffix("")) for p in (ROOT / "tests").rglob("test_*.py")}
    mirrored = set()
    for module, path in modules().items():
        root, *folders, name = module.split(".") if "." in module else (module, "")
        folders = ["cli", *folders] if root == "inr_cli" else folders
        mirrored.add("/".join([*folders, f"test_{name.lstrip('_')}"]))
        if path.name == "__init__.py":
            mirrored.add("/".join([*folders, name, f"test_{name}"]))
    known = {f"{folder}test_{topic}" for folder, topics in TOPICS.items() for topic in topics}
    assert found - mirrored == known


def test_no_command_imports_a_command() -> None:
    commands = {m for m in modules() if re.fullmatch(r"inr_cli\.[a-z]\w*", m)} - {"inr_cli.main"}
    found = {(m, i.module) for m in commands for i in imports_of(m) if i.module in commands}
    assert found == set()


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("fields", {"mlp", "kernel_sum", "block_networks"}),
        ("signals", {"metrics", "files", "solids", "streaming", "tiled"}),
        ("encodings", {"centres"}),
        ("assemblies", set()),
    ],
)
def test_siblings_share_only_through_their_common_files(package: str, allowed: set[str]) -> None:
    """A family builds on the contract and on the freely composed network, never on another family.

    The analytic signals are ready-made pictures, sounds and shapes, so they import those; so do the modules above the
    kinds, which load and stream them.
    """
    found = []
    for module in (m for m in LIBRARY if re.fullmatch(rf"inr\.{package}\.[a-z]\w*", m)):
        if module in ("inr.signals.analytic", "inr.signals.streaming", "inr.signals.loading"):
            continue
        for item in imports_of(module):
            parts = item.module.split(".")
            if parts[:2] == ["inr", package] and len(parts) > 2 and not parts[2].startswith("_"):
                found += [] if parts[2] in allowed else [f"{module} imports its sibling {parts[2]}"]
    assert found == []


def test_heavy_packages_are_imported_where_they_are_used() -> None:
    found = []
    for module in LIBRARY:
        if module.startswith("inr.plugins."):  # imported by who uses the package that they are for
            continue
        heavy = HEAVY - {"triton"} if is_of_triton(module) else HEAVY
        found += [f"{module} imports {i.module}" for i in imports_of(module) if i.is_top_level and _root(i) in heavy]
    assert found == []


def _root(item: object) -> str:
    return str(getattr(item, "module", "")).split(".")[0]


def is_of_triton(module: str) -> bool:
    """Whether a module is one of Triton kernels, which the dispatcher imports when it has chosen them."""
    last = module.rpartition(".")[2]
    return module.startswith("inr.kernels.") and (last == "cuda" or last.endswith("_triton"))


def test_modules_of_triton_kernels_are_imported_by_each_other_alone() -> None:
    others = [module for module in LIBRARY if not is_of_triton(module)]
    assert [(m, i.module) for m in others for i in imports_of(m) if is_of_triton(i.module)] == []


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import inr", {"torch", "numba", "matplotlib", "trimesh", "igl"}),
        (
            "import inr\nfor name in inr.__all__: getattr(inr, name)",
            {"numba", "matplotlib", "trimesh", "igl", "skimage", "imageio", "soundfile", "triton"},
        ),
    ],
    ids=["package", "every public name"],
)
def test_importing_is_light(code: str, heavy: set[str]) -> None:
    code += f"\nimport sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_library_is_silent_and_leaves_global_state_alone() -> None:
    library = {module: path for module, path in LIBRARY.items() if not module.startswith("inr.testing")}
    texts = {module: path.read_text("utf-8") for module, path in library.items()}
    found = [(module, banned) for module, text in texts.items() for banned in BANNED if re.search(banned, text)]
    assert found == [("inr.kernels.threads", r"torch\.set_")]  # a context manager, which restores the number of threads


def test_every_file_has_a_docstring() -> None:
    assert [module for module, path in modules().items() if ast.get_docstring(tree_of(path)) is None] == []


def test_every_test_asserts_something() -> None:
    """It asserts itself, or calls a function of the tests that does."""
    functions = [(path, node.name, *_calls(node)) for path, node in _functions_of_tests()]
    asserting, before = {"raises", "gradcheck"}, 0
    while len(asserting) > before:
        before = len(asserting)
        asserting |= {name for _, name, has_assert, called in functions if has_assert or called & asserting}
    without = [f"{path.name}::{n}" for path, n, *_ in functions if n.startswith("test_") and n not in asserting]
    assert without == []


def _calls(function: ast.FunctionDef) -> tuple[bool, set[str]]:
    """Whether a function asserts, itself or by a function that is named so, and the last names of what it calls."""
    nodes = list(ast.walk(function))
    calls = {called_name(node).rpartition(".")[2] for node in nodes if isinstance(node, ast.Call)}
    has_statement = any(isinstance(node, ast.Assert) for node in nodes)
    return has_statement or any("assert" in name for name in calls), calls


def _functions_of_tests() -> Iterator[tuple[Path, ast.FunctionDef]]:
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef):
                yield path, node


def test_errors_name_parameters_and_not_options() -> None:
    """The command line shows `size` as --size. Only whole commands (`inr ntk MODEL --json`) may have options."""
    found = []
    for module, path in LIBRARY.items():
        for call in ast.walk(tree_of(path)):
            if isinstance(call, ast.Call) and re.search(r"Error$|^problems\.append$", called_name(call)):
                texts = [c.value for c in ast.walk(call) if isinstance(c, ast.Constant) and isinstance(c.value, str)]
                options = [text for text in texts if re.search(r"(?<![\w-])--[a-z]", text)]
                is_command = "command(" in ast.unparse(call)
                found += [(module, text) for text in options if not (is_command or re.search("inr |torchrun ", text))]
    assert found == []
