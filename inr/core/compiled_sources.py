"""The source files that a compiled function depends on: its own, its callees', and those of the constants it reads."""

from __future__ import annotations

import os
import re
import sys
import types
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

IMPORT = re.compile(r"^(?:from|import)\s+([\w.]+)(?:\s+import\s+(\([^)]*\)|[^\n]*))?", re.MULTILINE)
"""An import at the top level of a file: the module, and the names if there are any."""


def stamp_of(function: Any) -> tuple[tuple[str, int, int], ...]:
    """(path, time of the last change in ns, bytes) of all files behind a function; it changes when one of them does."""
    found = []
    for path in sorted(sources_behind(function)):
        state = os.stat(path)
        found.append((path, state.st_mtime_ns, state.st_size))
    return tuple(found)


def sources_behind(function: Any) -> set[str]:
    """The files of a function, of the functions of its package that it calls, and of the names that it imports."""
    found: set[str] = set()
    waiting, seen = [function], set()
    while waiting:
        each = waiting.pop()
        module = sys.modules.get(each.__module__)
        if each in seen or module is None or not getattr(module, "__file__", None):
            continue
        seen.add(each)
        found.add(str(module.__file__))
        imported = _origins(str(module.__file__))
        names = set(_names(each.__code__))
        values = [cell.cell_contents for cell in each.__closure__ or ()]
        for name in names:
            origin = sys.modules.get(imported.get(name, ""))
            if origin is not None and getattr(origin, "__file__", None) and _is_beside(module, origin):
                found.add(str(origin.__file__))
            value = each.__globals__.get(name)
            values.append(value)
            if isinstance(value, types.ModuleType) and _is_beside(module, value):
                found.add(str(value.__file__))
                values += [vars(value).get(other) for other in names]
        for value in values:
            value = getattr(value, "__wrapped__", value)
            if isinstance(value, types.FunctionType) and _is_beside(module, value):
                waiting.append(value)
    return found


def _is_beside(module: types.ModuleType, other: Any) -> bool:
    """Whether a module, or a function's module, is of the same package."""
    name = other.__name__ if isinstance(other, types.ModuleType) else other.__module__
    return str(name).partition(".")[0] == module.__name__.partition(".")[0]


def _names(code: types.CodeType) -> Iterator[str]:
    """The names that a function uses, and those that functions within it use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


@cache
def _origins(path: str) -> dict[str, str]:
    """The modules that a file's names are imported from, at its top level."""
    found: dict[str, str] = {}
    for where, names in IMPORT.findall(Path(path).read_text("utf-8")):
        found |= dict.fromkeys(re.findall(r"\w+", names), where)
    return found
