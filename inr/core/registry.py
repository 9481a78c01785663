"""Registries of named variants (fields, encodings, activations ...), discovered in a folder."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from inr.core.errors import unknown_name

T = TypeVar("T")
C = TypeVar("C")


class Registry(Generic[T]):
    """Name -> variant. A variant registers itself in its own file with `@registry.register("name")`.

    Looking up a name imports only the module of that variant. Listing all names imports all modules of `packages`, in
    sorted order. Variants that a command composes, and that nobody chooses by name, are not listed.
    """

    def __init__(self, what: str, *packages: str, was: str | None = None) -> None:
        """was: the earlier name of the slot, if it was renamed."""
        self.what = what
        self.stored_what = was or what
        self._packages = packages
        self._entries: dict[str, T] = {}
        self._earlier: dict[str, str] = {}
        self._unlisted: set[str] = set()
        self._is_loaded = False

    def register(self, name: str, *, was: str | None = None, is_listed: bool = True) -> Callable[[C], C]:
        """was: the variant's earlier name, if it was renamed; files with it can still be read."""

        def add(entry: C) -> C:
            if name in self._entries:
                raise ValueError(f"{self.what} {name!r} is registered twice")
            self._entries[name] = entry  # type: ignore[assignment]
            if was is not None:
                self._earlier[was] = name
            if not is_listed:
                self._unlisted.add(name)
            return entry

        return add

    def stored_name(self, name: str) -> str:
        """The earliest name of a variant, from which `.inrz` files derive its number."""
        return next((was for was, now in self._earlier.items() if now == name), name)

    def _load(self) -> None:
        if self._is_loaded:
            return
        self._is_loaded = True
        for package in self._packages:
            for name in module_names(package):
                importlib.import_module(f"{package}.{name}")

    def _find(self, name: object) -> None:
        """Import the modules that register this name; if there are none, import all modules."""
        for package in self._packages:
            if name not in self._entries and not self._is_loaded:
                for module in _modules_of(package).get(str(name), ()):
                    importlib.import_module(f"{package}.{module}")
        if name not in self._entries and name not in self._earlier:
            self._load()

    def name_of(self, entry: object) -> str:
        """The name of a registered object."""
        return next(name for name, known in self._entries.items() if known is entry)

    def registered(self) -> list[tuple[str, T]]:
        """(name, variant) of the variants imported so far."""
        return sorted(self._entries.items(), key=lambda entry: entry[0])

    def __getitem__(self, name: str) -> T:
        self._find(name)
        name = self._earlier.get(name, name)
        if name not in self._entries:
            raise unknown_name(self.what, name, self._entries.keys() - self._unlisted)
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(sorted(self._entries.keys() - self._unlisted))

    def __contains__(self, name: object) -> bool:
        self._find(name)
        return name in self._entries or name in self._earlier


def module_names(package: str) -> list[str]:
    """The public modules of a package, in sorted order, without importing any of them."""
    found = (m.name for m in pkgutil.iter_modules(_folders(package)))
    return sorted(name for name in found if not name.startswith("_"))


def names_without_import(package_dir: Path) -> list[str]:
    """Names registered in a folder's files, read from their text: for completion, which must not import torch."""
    found = (
        set(_registered(path)) - set(_UNLISTED.findall(path.read_text("utf-8")))
        for path in package_dir.glob("[!_]*.py")
    )
    return sorted(name for names in found for name in names)


_UNLISTED = re.compile(r'^@\w+\.register\("([^"]+)", is_listed=False', re.MULTILINE)


@functools.cache
def _modules_of(package: str) -> dict[str, list[str]]:
    """Registered name -> the public modules of a package whose source registers it."""
    homes: dict[str, list[str]] = {}
    for folder in _folders(package):
        for path in sorted(Path(folder).glob("[!_]*")):
            for file in sorted(path.glob("*.py")) if path.is_dir() else [path] * (path.suffix == ".py"):
                for name in _registered(file):
                    homes.setdefault(name, []).append(path.stem)
    return homes


def _registered(path: Path) -> list[str]:
    return re.findall(r'^@\w+\.register\("([^"]+)"[,)]', path.read_text("utf-8"), re.MULTILINE)


def _folders(package: str) -> list[str]:
    spec = importlib.util.find_spec(package)
    assert spec is not None, package
    assert spec.submodule_search_locations is not None, package
    return list(spec.submodule_search_locations)
