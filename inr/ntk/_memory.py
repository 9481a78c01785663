"""What may be used, and the error that says what was needed."""

from __future__ import annotations

import os

from inr._errors import UsageError

GIB = 2**30
SHARE = 0.5


def allowed(memory: int | None) -> int:
    """Bytes that may be used: as given, else half of what the machine has free."""
    if memory is not None:
        return memory
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        free = 8 * GIB
    return int(SHARE * free)


def require(what: str, needed: float, memory: int, hint: str) -> None:
    """Raises UsageError where more is needed than may be used."""
    if needed > memory:
        raise UsageError(f"{what} needs {needed / GIB:.3g} GiB, and {memory / GIB:.3g} GiB may be used", hint)
