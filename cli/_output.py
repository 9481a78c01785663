"""What a command prints: results on stdout, everything else on stderr, with --json one JSON document."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from inr.core.errors import ConfigError, InrError, UsageError
from inr.core.text import finite_json, printable
from inr.core.text import human_seconds as human_seconds

from ._parameters import as_flags
from ._streams import is_terminal, leave_stdout, refused

SCHEMA_VERSION = 1
LONGEST_LINE = 2000
"""Characters of an error line; a value that is longer is shown by its beginning and its end."""


def say(text: str = "", *, err: bool = False) -> None:
    """Lines for a human. Control characters of terminals are escaped; names in the text are on one line where
    they went through `printable`."""
    _write(_lines(text) + "\n", err=err)


def say_exactly(text: str, *, end: str = "\n") -> None:
    """A value for another program, on stdout: names as the file system has them; on a terminal as `say` shows them."""
    if is_terminal(sys.stdout):
        _write(_lines(text) + end)
        return
    try:
        _write(os.fsencode(text + end))
    except UnicodeEncodeError:
        _write(text + end)


def say_bytes(data: bytes) -> None:
    """A text file's bytes, on stdout."""
    _write(data)


def _write(text: str | bytes, *, err: bool = False) -> None:
    """Ignores a stderr that cannot be written. Raises UnavailableError for such a stdout."""
    try:
        typer.echo(text, err=err, nl=False)
    except BrokenPipeError:
        if not err:
            raise
    except OSError as error:
        if not err:
            leave_stdout()
            raise refused(error) from error


class Output:
    """Console output of one command.

    as_json: one document on stdout and nothing else there. is_quiet: only the essential value on stdout, and no notes.
    verbosity: 1 shows what the library logs, 2 its details and tracebacks. is_stdout_taken: data goes to stdout, so
    messages go to stderr.
    """

    def __init__(
        self, as_json: bool = False, is_quiet: bool = False, verbosity: int = 0, *, is_stdout_taken: bool = False
    ) -> None:
        if as_json and is_quiet:
            raise UsageError("--json and --quiet are both given, expected one of them")
        if as_json and is_stdout_taken:
            raise UsageError("--json and - as an output both write to stdout, expected one of them", "give a file name")
        self.as_json = as_json
        self.is_quiet = is_quiet
        self._err = is_stdout_taken
        self._set_log_level(verbosity)

    @staticmethod
    def _set_log_level(verbosity: int) -> None:
        import logging  # not at the top: help and completion never log

        logging.basicConfig(format="%(message)s", level=logging.CRITICAL + 1)  # libraries log for their authors
        logging.getLogger("inr").setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)])

    def always(self, text: str) -> None:
        """A line on stderr that --quiet and --json do not leave out."""
        say(text, err=True)

    def result(self, schema: str, document: Mapping[str, Any], text: str, essential: str) -> None:
        """The outcome as JSON, as the essential value, or as text."""
        if self.as_json:
            say_json(schema, document)
        elif self.is_quiet and not self._err:
            say_exactly(essential)
        else:
            say(essential if self.is_quiet else text, err=self._err)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        """A table for a human; columns named in `right` are set flush right."""
        if self.as_json:
            return
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for name in columns:
            table.add_column(name, justify="right" if name in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*map(_lines, row))
        if is_terminal(sys.stdout):
            Console(markup=False, highlight=False, emoji=False).print(table)
            return
        # A pipe has no width: whole rows, for grep and awk.
        console = Console(markup=False, highlight=False, emoji=False, width=10_000)
        with console.capture() as capture:
            console.print(table)
        _write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))

    def note(self, text: str) -> None:
        """A note for the user, on stderr."""
        if not self.is_quiet:
            say(text, err=True)

    def notes(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.note(f"note: {printable(as_flags(text))}")

    def error(self, error: InrError) -> None:
        """The error, for commands that go on with their next input."""
        report(error, as_json=self.as_json)


def report(error: InrError, *, as_json: bool) -> None:
    """An error on stderr: one `error:` line per problem and an optional `hint:`, or a JSON document.

    The parameters that the library names are shown as options.
    """
    message, hint = as_flags(error.message), None if error.hint is None else as_flags(error.hint)
    problems = [as_flags(problem) for problem in error.problems] if isinstance(error, ConfigError) else [message]
    if as_json:
        document = {"message": message, "problems": problems, "hint": hint, "exit_code": error.exit_code}
        say_json("error", document, err=True)
        return
    for problem in problems:
        say(f"error: {_shortened(' '.join(problem.split()))}", err=True)
    if hint:
        say(f"hint: {printable(hint)}", err=True)


def say_json(schema: str, document: Mapping[str, Any], *, err: bool = False) -> None:
    """One JSON document; it has no other characters than ASCII, and so is the same on every stream."""
    _write(to_json(f"inr.{schema}", document) + "\n", err=err)


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.split("\n")))


def _shortened(line: str) -> str:
    if len(line) <= LONGEST_LINE:
        return line
    kept = LONGEST_LINE // 2
    return f"{line[:kept]} ... {line[-kept:]}"


def to_json(schema: str, document: Mapping[str, Any]) -> str:
    """One JSON document; numbers that are not finite are null."""
    return json.dumps(finite_json({"schema": schema, "version": SCHEMA_VERSION, **document}), allow_nan=False, indent=2)


def human_bytes(n: int) -> str:
    """`812 bytes`, `3.9 MB`; powers of 1000."""
    from rich.filesize import decimal

    return decimal(n)


def human_metric(name: str, value: float | None) -> str:
    """`40.31 dB PSNR`, `0.9871 IOU`: a metric as a phrase."""
    label = name.removesuffix("_db").replace("_", " ").upper()
    if value is None or math.isnan(value):
        return f"{label} undefined"
    return f"{value:.2f} dB {label}" if name.endswith("_db") else f"{value:.4g} {label}"
