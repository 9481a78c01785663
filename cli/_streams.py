"""The standard streams, any of which may be closed, full, or of an encoding that lacks characters of the output."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO

from inr.core.errors import UnavailableError


def prepare() -> None:
    """Called before anything is opened or printed: what cannot be encoded is escaped, and closed descriptors lead
    nowhere.

    Without the second, the next file that is opened would get the number of a closed stream, and what C libraries
    print would be written into it. `sys.stdin`, `sys.stdout` and `sys.stderr` stay None if they were closed.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest free number: this one
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def flush() -> None:
    """Flush stdout. Raises as writing to it does."""
    if sys.stdout is not None:
        sys.stdout.flush()


def leave_stdout() -> None:
    """Nothing more can be printed; what is still buffered must not fail once more at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def refused(error: OSError, hint: str | None = None) -> UnavailableError:
    """The error for results that could not be printed."""
    return UnavailableError(f"cannot write to stdout: {(error.strerror or str(error)).lower()}", hint)
