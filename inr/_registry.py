"""Named variants of one slot (fields, encodings, activations ...), found by reading a folder."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from inr._errors import unknown_name

T = TypeVar("T")
C = TypeVar("C")


class Registry(Generic[T]):
    """Name -> variant. A variant registers itself in its own file with `@registry.register("name")`.

    `packages` are imported, module by module in sorted order, the first time the registry is asked.
    """

    def __init__(self, what: str, *packages: str) -> None:
        self.what = what
        self._packages = packages
        self._entries: dict[str, T] = {}
        self._is_loaded = False

    def register(self, name: str) -> Callable[[C], C]:
        def add(entry: C) -> C:
            if name in self._entries:
                raise ValueError(f"{self.what} {name!r} is registered twice")
            self._entries[name] = entry  # type: ignore[assignment]
            return entry

        return add

    def _load(self) -> None:
        if self._is_loaded:
            return
        self._is_loaded = True
        for package in self._packages:
            for name in module_names(package):
                importlib.import_module(f"{package}.{name}")

    def __getitem__(self, name: str) -> T:
        self._load()
        if name not in self._entries:
            raise unknown_name(self.what, name, self._entries)
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries))

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries


def module_names(package: str) -> list[str]:
    """The public modules of a package, in sorted order, without importing any of them."""
    spec = importlib.util.find_spec(package)
    assert spec is not None, package
    assert spec.submodule_search_locations is not None, package
    found = (m.name for m in pkgutil.iter_modules(spec.submodule_search_locations))
    return sorted(name for name in found if not name.startswith("_"))


def names_without_import(package_dir: Path) -> list[str]:
    """Names registered in a folder's files, read from their text: for completion, which must not import torch."""
    pattern = re.compile(r'^@\w+\.register\("([^"]+)"\)', re.MULTILINE)
    return sorted(name for path in package_dir.glob("[!_]*.py") for name in pattern.findall(path.read_text("utf-8")))
