"""The folder in which machine code is kept."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def cache_folder() -> Path | None:
    """NUMBA_CACHE_DIR, or inr's folder in the user's cache; None if neither is writable."""
    return next(filter(_is_writable, _candidates()), None)


def _candidates() -> Iterator[Path]:
    config = sys.modules.get("numba.core.config")
    named = os.environ.get("NUMBA_CACHE_DIR", "") if config is None else config.CACHE_DIR
    if named:
        yield Path(named)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if base.is_absolute():  # XDG: relative paths must be ignored
        yield base / "inr"
        return
    with contextlib.suppress(RuntimeError):  # no HOME, and an unknown user
        yield Path.home() / ".cache" / "inr"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
