"""The imports and repeated lines of the source files, for the tests of the structure."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
_PRIVATE = re.compile(r".*\._(?!_)\w*")
"""A dotted name, up to its last private part."""
FOLDERS = {"inr": ROOT / "inr", "inr_cli": ROOT / "cli"}


@dataclass(frozen=True)
class Import:
    """`from module import name`, or `import module` where name is None.

    module: the imported module; where `name` is a module of ours, that module, and name is None.
    is_top_level: whether it runs when the file is imported.
    """

    module: str
    name: str | None
    line: int
    is_top_level: bool


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file, of every module of the library and of the command line."""
    found = {}
    for root, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            parts = [root, *path.relative_to(folder).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def folder_of(module: str) -> str:
    """The package of a module; a package is its own."""
    return module if modules()[module].name == "__init__.py" else module.rpartition(".")[0]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    """Every import in a module's file that runs, at any depth, without those for type checkers."""
    tree = tree_of(modules()[module])
    top = {id(node) for node in tree.body}
    return tuple(found for node in _running(tree) for found in _imports(node, folder_of(module), id(node) in top))


def called_name(call: ast.Call) -> str:
    """The name of what is called with its owner, `b.c` of `a.b.c()`; an empty text for what has no name."""
    function = call.func
    if isinstance(function, ast.Name):
        return function.id
    if not isinstance(function, ast.Attribute):
        return ""
    owner = getattr(function.value, "attr", getattr(function.value, "id", ""))
    return f"{owner}.{function.attr}"


def _running(tree: ast.AST) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        waiting += ast.iter_child_nodes(node)


def _imports(node: ast.AST, package: str, is_top_level: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, None, node.lineno, is_top_level)
    elif isinstance(node, ast.ImportFrom):
        module = node.module or ""
        if node.level:
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            module = ".".join([*base, *([module] if module else [])])
        for alias in node.names:
            is_module = f"{module}.{alias.name}" in modules()
            whole, name = (f"{module}.{alias.name}", None) if is_module else (module, alias.name)
            yield Import(whole, name, node.lineno, is_top_level)


def circles() -> list[list[str]]:
    """Groups of files that import each other in a circle (strongly connected components, Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for there in {i.module for i in imports_of(module)} & modules().keys() - {module}:
            if there not in index:
                visit(there)
                low[module] = min(low[module], low[there])
            elif there in stack:
                low[module] = min(low[module], index[there])
        if low[module] == index[module]:
            at = stack.index(module)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for module in modules():
        if module not in index:
            visit(module)
    return found


def private_imports() -> list[str]:
    """Imports of a private module or name from outside of the folder that it is private to."""
    found = []
    for module, path in modules().items():
        here = folder_of(module)
        for item in imports_of(module):
            parts = item.module.split(".")
            if parts[0] not in FOLDERS or item.module == module:
                continue
            owners = [".".join(parts[:i]) for i, part in enumerate(parts) if part.startswith("_")]
            is_foreign = any(o and not f"{here}.".startswith(f"{o}.") for o in owners)
            is_name = item.name is not None and item.name.startswith("_") and not item.name.startswith("__")
            if is_foreign or is_name:
                found.append(f"{path.relative_to(ROOT)}:{item.line} imports {item.module} {item.name or ''}".rstrip())
    return found


def private_uses_of_tests(allowed: Collection[str]) -> list[str]:
    """Where tests and their helpers use a private module, name or attribute of the library or of the command line.

    allowed: modules and attributes that they may use. Code and patch targets in strings count.
    """
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(tree_of(path)):
            private = [name for name in _private_names(node) if name not in allowed]
            found += [f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)} uses {name}" for name in private]
    return found


def _private_names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        for item in _imports(node, "tests", is_top_level=True):
            name = f"{item.module}.{item.name}" if item.name else item.module
            if name.split(".")[0] in FOLDERS and (private := _PRIVATE.match(name)):
                yield private[0]
    elif isinstance(node, ast.Attribute) and _is_private(node.attr):
        if ast.unparse(node.value) not in ("self", "cls"):
            yield node.attr
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        for module, name in re.findall(r"from (inr[\w.]*) import (_[a-z]\w*)", node.value):
            yield f"{module}.{name}"
        yield from re.findall(r"\binr(?:_cli)?(?:\.\w+)*\._[a-z]\w*", node.value)
    elif isinstance(node, ast.Call) and called_name(node).endswith(("setattr", "getattr", "delattr", "patch.object")):
        texts = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        yield from (text for text in texts if _is_private(text))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def repeats(n_lines: int) -> list[str]:
    """Runs of equal lines that stand in several places, without imports, docstrings, comments and signatures.

    Kernels are left out: compiled code unrolls its loops by hand, and a backend has the same signature as its op.
    """
    places: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for module, path in modules().items():
        if module.startswith("inr.kernels."):
            continue
        lines = list(_lines(path))
        for i in range(len(lines) - n_lines + 1):
            window = lines[i : i + n_lines]
            places[tuple(text for _, text in window)].append(f"{path.relative_to(ROOT)}:{window[0][0]}")
    return sorted({" = ".join(found) for found in places.values() if len(found) > 1})


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    skipped: set[int] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef):
            skipped |= set(range(node.lineno, node.body[0].lineno))
        is_text = (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        )
        is_list = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        if is_text or is_list or isinstance(node, ast.Import | ast.ImportFrom):
            assert isinstance(node, ast.stmt)
            skipped |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = line.partition("#")[0].strip()
        if number not in skipped and len(text) > 3:
            yield number, text
