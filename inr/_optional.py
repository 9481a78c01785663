"""Optional packages: absent or broken ones are normal; the cause is kept and told only when one is needed."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

from inr._errors import UnavailableError
from inr._preparation import preparation


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
    """The package, or UnavailableError that says what needs it and why it could not be imported.

    install: what to give to pip where that is not the package's own name.
    """
    found = probe(package)
    if isinstance(found, ModuleType):
        return found
    cause = f"{type(found).__name__}: {found}".splitlines()[0]
    raise UnavailableError(
        f"{why} needs the package {package!r}, which can not be imported ({cause})", f"pip install {install or package}"
    )
