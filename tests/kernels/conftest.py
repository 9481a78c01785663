"""Optional packages that a test adds or takes away."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

import pytest

from inr.core import machine_code
from inr.core.optional import probe


class Packages:
    """Decides what the import of a package gives, until the end of the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._errors: dict[str, Exception] = {}
        monkeypatch.setattr(sys, "meta_path", [self, *sys.meta_path])

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> None:
        """The import system calls this first, for every module that it has to find."""
        if name in self._errors:
            raise self._errors[name]

    def add(self, package: ModuleType) -> None:
        """Let imports of a package with this name give this module."""
        self._monkeypatch.setitem(sys.modules, package.__name__, package)
        probe.cache_clear()

    def remove(self, *names: str, error: Exception | None = None) -> None:
        """Let imports of these packages raise this error, or ImportError; without numba nothing is compiled before."""
        for name in names:
            self._monkeypatch.delitem(sys.modules, name, raising=False)
            self._errors[name] = error or ImportError(f"no {name}")
        if "numba" in names:
            self._monkeypatch.setattr(machine_code, "is_there", lambda: False)
        probe.cache_clear()


@pytest.fixture
def packages(monkeypatch: pytest.MonkeyPatch) -> Iterator[Packages]:
    yield Packages(monkeypatch)
    probe.cache_clear()
