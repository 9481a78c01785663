"""Optional packages. A failed import is reported only when the package is needed."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

from inr.core.errors import UnavailableError
from inr.core.stopwatch import preparation


@functools.cache
def probe(package: str) -> ModuleType | Exception:
    """The imported package, or the exception its import raised (any: some raise OSError without a GPU)."""
    try:
        with preparation:
            return importlib.import_module(package)
    except Exception as error:  # noqa: BLE001  a broken optional package may raise anything
        return error


def has(package: str) -> bool:
    return isinstance(probe(package), ModuleType)


def need(package: str, why: str, install: str | None = None) -> ModuleType:
    """The imported package. Raises UnavailableError with the reason for the failed import.

    why: the feature that needs it. install: the argument for pip, if it is not the package's name.
    """
    found = probe(package)
    if isinstance(found, ModuleType):
        return found
    cause = f"{type(found).__name__}: {found}".splitlines()[0]
    raise UnavailableError(
        f"{why} needs the package {package!r}, which cannot be imported ({cause})", f"pip install {install or package}"
    )
