"""The shell around every command: help grouped by purpose, and every error as lines on stderr and an exit code."""

from __future__ import annotations

import os
import re
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup

from inr._errors import InrError, UnavailableError, did_you_mean

from ._options import GROUPS, INPUT, OTHER
from ._output import report, to_json

INTERNAL_ERROR = 1
INTERRUPTED = 130
_NUMBERS = {"integer": "expected a whole number", "number": "expected a number"}


class Command(TyperCommand):
    """A command whose help starts with its usage and examples, and lists options by group, for 80 columns."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments first: the order in which people type."""
        options, *arguments = super().collect_usage_pieces(ctx)
        return [piece.replace("{", "").replace("}", "") for piece in arguments] + [options]

    def options_by_group(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """(names, help) of every argument and option, by purpose; groups without any are left out."""
        groups: dict[str, list[tuple[str, str]]] = {name: [] for name in GROUPS}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            name, text = record
            group = getattr(param, "rich_help_panel", None) or OTHER
            if param.param_type_name == "argument":
                group, name, text = INPUT, name.partition(" <")[0], text.removesuffix("[required]").rstrip()
            groups[group].append((name, text))
        return {group: rows for group, rows in groups.items() if rows}

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for group, rows in self.options_by_group(ctx).items():
            with formatter.section(group):
                formatter.write_dl(rows, col_max=24)


class Commands(TyperGroup):
    """The group of commands. Its `main` is where exceptions end and exit codes begin."""

    def get_params(self, ctx: Any) -> Any:
        """The options of `inr` itself. A flag whose default is None would be checked by pydantic, whose import takes
        as long as all the rest of `inr fit --help`."""
        params = super().get_params(ctx)
        for param in params:
            if getattr(param, "is_flag", False) and param.default is None:
                param.default = False
        return params

    def main(self, args: Any = None, prog_name: Any = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in given
        extra["standalone_mode"] = False
        try:
            code = super().main(given, "inr", **extra)
            sys.stdout.flush()
        except InrError as error:
            report(error, as_json=as_json)
            code = error.exit_code
        except typer.TyperException as error:
            report(_usage(error), as_json=as_json)
            code = InrError.exit_code
        except (KeyboardInterrupt, typer.Abort):
            typer.echo("interrupted", err=True)
            code = INTERRUPTED
        except BrokenPipeError:
            # The reader has enough. Python would complain once more when it flushes at exit: give it a place to.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = INTERNAL_ERROR
        except MemoryError as error:
            report(UnavailableError(f"not enough memory: {error}", "ask for less"), as_json=as_json)
            code = UnavailableError.exit_code
        except Exception as error:  # noqa: BLE001  a bug: one line for the user, all of it for whoever asks
            code = _unexpected(error, as_json=as_json)
        sys.exit(code if isinstance(code, int) else 0)


def _usage(error: typer.TyperException) -> InrError:
    """What the parser has to say, in our words: one line, and where the help is."""
    possible = getattr(error, "possibilities", None)
    if possible:
        name = str(getattr(error, "option_name", ""))
        text = f"no such option: {name}{did_you_mean(name, possible)}"
    else:
        text = error.format_message() if hasattr(error, "format_message") else str(error)
        text = re.sub(r"Input should be a valid (integer|number).*", lambda m: _NUMBERS[m[1]], " ".join(text.split()))
        text = text.rstrip(".")
    context = getattr(error, "ctx", None)
    return InrError(text[:1].lower() + text[1:], None if context is None else f"{context.command_path} --help")


def _unexpected(error: Exception, *, as_json: bool) -> int:
    text = " ".join(str(error).split())
    if "memory" in text and isinstance(error, RuntimeError):  # torch's allocators
        report(UnavailableError(f"not enough memory: {text[:200]}", "ask for less"), as_json=as_json)
        return UnavailableError.exit_code
    hint = "this is a bug in inr; -vv shows where, inr doctor --json what a report needs"
    if as_json:
        document = {"message": f"{type(error).__name__}: {text}", "hint": hint, "exit_code": INTERNAL_ERROR}
        typer.echo(to_json("inr.error", document), err=True)
    else:
        typer.echo(f"error: {type(error).__name__}: {text[:500]}\nhint: {hint}", err=True)
    import logging
    import traceback

    if logging.getLogger("inr").isEnabledFor(logging.DEBUG):
        traceback.print_exception(error)
    return INTERNAL_ERROR
