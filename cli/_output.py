"""What a command says: results on stdout, everything else on stderr, one JSON document when asked for."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

from inr._errors import ConfigError, InrError, UsageError

SCHEMA_VERSION = 1


class Output:
    """The voice of one command.

    as_json: one document on stdout and nothing else there. is_quiet: the essential value alone on stdout, and no notes.
    verbosity: 1 shows what the library logs, 2 its details and tracebacks. is_stdout_taken: data goes to stdout, so
    the words for a human go to stderr.
    """

    def __init__(
        self, as_json: bool = False, is_quiet: bool = False, verbosity: int = 0, *, is_stdout_taken: bool = False
    ) -> None:
        if as_json and is_quiet:
            raise UsageError("--json and --quiet are both given, expected one of them")
        if as_json and is_stdout_taken:
            raise UsageError("--json and -o - both write to stdout, expected one of them", "give -o a file name")
        self.as_json = as_json
        self.is_quiet = is_quiet
        self._err = is_stdout_taken
        self._set_log_level(verbosity)

    @staticmethod
    def _set_log_level(verbosity: int) -> None:
        import logging  # not at the top: help and completion never log

        logging.basicConfig(format="%(message)s")
        logging.getLogger("inr").setLevel((logging.WARNING, logging.INFO, logging.DEBUG)[min(verbosity, 2)])

    def result(self, schema: str, document: Mapping[str, Any], text: str, essential: str) -> None:
        """The outcome, in the one of three forms that was asked for."""
        if self.as_json:
            typer.echo(to_json(f"inr.{schema}", document))
        else:
            typer.echo(essential if self.is_quiet else text, err=self._err)

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
            table.add_row(*row)
        if sys.stdout.isatty():
            Console(markup=False, highlight=False).print(table)
            return
        # A pipe has no width: whole rows, for grep and awk.
        console = Console(markup=False, highlight=False, width=10_000)
        with console.capture() as capture:
            console.print(table)
        typer.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))

    def note(self, text: str) -> None:
        """Something a user may want to know, on stderr."""
        if not self.is_quiet:
            typer.echo(text, err=True)

    def notes(self, texts: Iterable[str]) -> None:
        for text in texts:
            self.note(f"note: {text}")

    def error(self, error: InrError) -> None:
        """The error, for commands that go on with their next input."""
        report(error, as_json=self.as_json)


def report(error: InrError, *, as_json: bool) -> None:
    """An error on stderr: one `error:` line per problem and an optional `hint:`, or a JSON document."""
    problems = error.problems if isinstance(error, ConfigError) else (error.message,)
    if as_json:
        document = {"message": error.message, "problems": problems, "hint": error.hint, "exit_code": error.exit_code}
        typer.echo(to_json("inr.error", document), err=True)
        return
    for problem in problems:
        typer.echo(f"error: {' '.join(problem.split())}", err=True)
    if error.hint:
        typer.echo(f"hint: {error.hint}", err=True)


def to_json(schema: str, document: Mapping[str, Any]) -> str:
    """One JSON document; numbers that are not finite are null."""
    return json.dumps(_finite({"schema": schema, "version": SCHEMA_VERSION, **document}), allow_nan=False, indent=2)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value


def human_bytes(n: int) -> str:
    """`812 B`, `3.9 MB`; powers of 1000."""
    size = float(n)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
    return f"{n} B" if unit == "B" else f"{size:.1f} {unit}"


def human_seconds(seconds: float) -> str:
    """`11.2 s`, `4 min 05 s`, `2 h 03 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def human_metric(name: str, value: float | None) -> str:
    """`40.31 dB PSNR`, `0.9871 IOU`: a metric as a phrase."""
    label = name.removesuffix("_db").replace("_", " ").upper()
    if value is None or math.isnan(value):
        return f"{label} undefined"
    return f"{value:.2f} dB {label}" if name.endswith("_db") else f"{value:.4g} {label}"
