"""Errors for users. Each message names the value, what was expected, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class InrError(Exception):
    """Base of errors that a user can correct; `exit_code` is the exit code of the command line.

    message: one line, naming the value given and what was expected.
    hint: one more line saying what to do, or None.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(InrError):
    """A value, name, option or output path that cannot be used."""


class ConfigError(UsageError):
    """One or more settings are invalid; `problems` lists all of them."""

    def __init__(self, problems: Sequence[str], hint: str | None = None) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems), hint)


class EmptyError(InrError):
    """The operation succeeded, but the result is empty."""

    exit_code = 1


class UnreadableError(InrError):
    """An input file is missing, truncated, corrupt, or has a wrong suffix."""

    exit_code = 3


class FormatError(InrError, ValueError):
    """A compressed file (.inrz) is damaged, malicious, beyond the limits, or in a newer format."""

    exit_code = 3


class UnavailableError(InrError):
    """A required package, device, kernel backend or resource is not available."""

    exit_code = 4


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` for the nearest known name, or an empty string."""
    near = difflib.get_close_matches(name.lower(), {k.lower(): k for k in known}, n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def unknown_name(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not in a closed list."""
    names = sorted(known)
    return UsageError(f"unknown {what} {name!r}{did_you_mean(name, names)}", f"known: {', '.join(names)}")
