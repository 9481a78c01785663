"""Context managers around decoding: every failure becomes a FormatError that names the file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from inr.core.errors import FormatError, InrError, UnavailableError


@contextlib.contextmanager
def only_format_errors(what: str = "the file cannot be decoded") -> Iterator[None]:
    """Turn every exception that a damaged file can cause into a FormatError; `what` begins its message.

    UnavailableError (a missing package or device) passes: the file may be good.
    """
    try:
        yield
    except (FormatError, UnavailableError):
        raise
    except MemoryError as error:
        raise FormatError("the file needs more memory than is available") from error
    except (InrError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, AssertionError) as error:
        reason = error.message if isinstance(error, InrError) else f"{type(error).__name__}: {error}".splitlines()[0]
        raise FormatError(f"{what}: {reason}") from error


@contextlib.contextmanager
def naming(name: str | None) -> Iterator[None]:
    """Put a file's name before the message of a FormatError."""
    try:
        yield
    except FormatError as error:
        if name is None:
            raise
        raise FormatError(f"{name}: {error.message}", error.hint) from error
