"""How much memory may be used, and the error if more is needed."""

from __future__ import annotations

import os

from inr.core.errors import UsageError

GIB = 2**30
SHARE = 0.5


def allowed(memory: int | None) -> int:
    """Bytes that may be used: as given, else half of the machine's free memory."""
    if memory is not None:
        return memory
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        free = 8 * GIB
    return int(SHARE * free)


def require(what: str, needed: float, memory: int, hint: str) -> None:
    """Raises UsageError if more is needed than may be used."""
    if needed > memory:
        raise UsageError(f"{what} needs {needed / GIB:.3g} GiB, but only {memory / GIB:.3g} GiB may be used", hint)
