"""The shell around every command: help grouped by purpose, and every error as lines on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, Self

import typer
from typer.core import TyperCommand, TyperGroup

import inr
from inr.core.errors import InrError, UnavailableError, UnreadableError, UsageError, did_you_mean

from . import _interrupts
from ._interrupts import Interrupted
from ._options import GROUPS, INPUT, LARGEST, MOST, OPTIONAL_VALUES, OTHER
from ._output import report, say, say_json
from ._streams import flush, leave_stdout

INTERNAL_ERROR = 1
_NUMBERS = {"integer": "expected a whole number", "number": "expected a number"}


class Command(TyperCommand):
    """A command whose help starts with its usage and examples, and lists options by group, for 80 columns."""

    def get_params(self, ctx: Any) -> Any:
        return _without_pydantic(super().get_params(ctx))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args = self._with_values(ctx, args)
        typed, _, _ = self.make_parser(ctx).parse_args(list(args))
        if not ctx.resilient_parsing and "help" not in typed:
            _check_texts(self.get_params(ctx), typed)
        rest = super().parse_args(ctx, args)
        for param in self.get_params(ctx):
            _check_number(_name(param), ctx.params.get(param.name))
        return rest

    def _with_values(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with the values of options that have one but may leave it out."""
        own = {name for param in self.get_params(ctx) for name in getattr(param, "opts", ())} & OPTIONAL_VALUES.keys()
        end = args.index("--") if "--" in args else len(args)
        return [f"{arg}={OPTIONAL_VALUES[arg]}" if arg in own else arg for arg in args[:end]] + args[end:]

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Arguments first: the order in which people type."""
        options, *arguments = super().collect_usage_pieces(ctx)
        plain = [piece.replace("{", "").replace("}", "") for piece in arguments]
        return [re.sub(r"\.{4,}$", "...", piece) for piece in plain] + [options]  # click adds dots to those of ours

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
        return _without_pydantic(super().get_params(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run the command. Any error that follows a signal, from whatever library, is an interruption."""
        _interrupts.begin()
        try:
            return super().invoke(ctx)
        except (InrError, typer.Exit):
            raise
        except KeyboardInterrupt as error:  # where Python's own handler is installed; Typer would say nothing
            raise Interrupted from error
        except Exception as error:
            number = _interrupts.number()
            if number is None:
                raise
            raise Interrupted(number) from error

    def main(self, args: Any = None, prog_name: Any = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in given
        extra["standalone_mode"] = False
        try:
            code = super().main(given, "inr", **extra)
            flush()
        except InrError as error:
            report(error, as_json=as_json)
            code = error.exit_code
        except typer.TyperException as error:
            report(_usage(error), as_json=as_json)
            code = InrError.exit_code
        except (Interrupted, KeyboardInterrupt, typer.Abort) as error:
            code = error.exit_code if isinstance(error, Interrupted) else Interrupted().exit_code
            _say_interrupted(code, as_json=as_json)
        except BrokenPipeError:
            leave_stdout()  # the reader closed the pipe
            code = INTERNAL_ERROR
        except OSError as error:
            refusal = _of_system(error)
            code = _unexpected(error, as_json=as_json) if refusal is None else refusal.exit_code
            if refusal is not None:
                report(refusal, as_json=as_json)
        except MemoryError as error:
            report(UnavailableError(f"not enough memory: {error}", "request a smaller size"), as_json=as_json)
            code = UnavailableError.exit_code
        except Exception as error:  # noqa: BLE001  the last handler: a user must not see a traceback; -vv prints it
            code = _unexpected(error, as_json=as_json)
        _interrupts.end()
        sys.exit(code if isinstance(code, int) else 0)


def _without_pydantic(params: Any) -> Any:
    """The parameters, so that Typer does not import pydantic for plain texts and numbers, which takes a fifth of a
    second. It would for flags whose default is None, too."""
    for param in params:
        if getattr(param, "is_flag", False) and param.default is None:
            param.default = False
        if not isinstance(param.get_runtime_param, _Plain):
            param.get_runtime_param = _Plain(param.type_descriptor.annotation, param.get_runtime_param)
    return params


class _Plain:
    """The conversion of a parameter's text; Typer's own for all that is not plain, which knows what is wrong."""

    def __init__(self, annotation: Any, typers: Callable[[], Any]) -> None:
        self._annotation, self._typers = annotation, typers

    def __call__(self) -> Self:
        return self

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        kind, is_text = self._annotation, isinstance(value, str)
        if (kind in (str, int, float, Path, list[str]) and value is None) or (kind is str and is_text):
            return value
        if kind == list[str] and isinstance(value, list | tuple):
            return list(value)
        if kind is int and re.fullmatch("-?[0-9]{1,15}", str(value)):
            return int(value)
        return self._typers().coerce(value, param=param, ctx=ctx)


def _name(param: Any) -> str:
    if param.param_type_name == "option":
        return str(next((name for name in param.opts if name.startswith("--")), param.opts[-1]))
    return str(param.metavar or param.name).strip("[].")


def _check_texts(params: Iterable[Any], typed: Mapping[str, Any]) -> None:
    """UsageError for an empty text, before it becomes a path: Path("") is the current folder."""
    for param in params:
        value = typed.get(param.name)
        if "" in (value if isinstance(value, list | tuple) else [value]):
            raise UsageError(f"{_name(param)} is empty, expected a value")


def _check_number(option: str, value: Any) -> None:
    """UsageError for numbers that no option can use."""
    if isinstance(value, float) and not abs(value) <= LARGEST:
        raise UsageError(f"{option} is {value}, expected a finite number of at most {LARGEST:g}")
    if isinstance(value, int) and abs(value) > MOST:
        raise UsageError(f"{option} is {value}, expected a whole number of at most {MOST}")


def _usage(error: typer.TyperException) -> InrError:
    """The parser's error in our wording: one line, and the command for help."""
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


_TOO_LARGE = re.compile("Storage size calculation overflowed|integer multiplication overflow")
"""torch's messages for tensors whose size in bytes overflows."""
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ENFILE, errno.EMFILE}


def _of_system(error: OSError) -> InrError | None:
    """The error for a refusal of the system: a full disk, a limit, or a file that the user named."""
    reason = (error.strerror or str(error)).lower()
    name = error.filename
    if name is not None and Path(os.fsdecode(name)).resolve().is_relative_to(Path(inr.__file__).parent):
        return None
    where = "" if name is None else f" {os.fsdecode(name)!r}"
    if error.errno in _FULL:
        return UnavailableError(f"cannot use{where or ' the disk'}: {reason}", "make room, or choose another place")
    return None if name is None else UnreadableError(f"cannot use{where}: {reason}")


def _say_interrupted(code: int, *, as_json: bool) -> None:
    if as_json:
        error = InrError("interrupted")
        error.exit_code = code
        report(error, as_json=True)
    else:
        say("interrupted", err=True)


def _unexpected(error: Exception, *, as_json: bool) -> int:
    text = " ".join(str(error).split())
    if "memory" in text and isinstance(error, RuntimeError):  # torch's allocators
        report(UnavailableError(f"not enough memory: {text[:200]}", "request a smaller size"), as_json=as_json)
        return UnavailableError.exit_code
    if isinstance(error, RuntimeError) and _TOO_LARGE.search(text):
        report(
            UnavailableError("the requested size does not fit into memory", "request a smaller size"), as_json=as_json
        )
        return UnavailableError.exit_code
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        report(UnavailableError("no more threads can be started", "give a smaller --threads or -j"), as_json=as_json)
        return UnavailableError.exit_code
    hint = "this is a bug in inr; -vv shows where, inr doctor --json what a report needs"
    if as_json:
        document = {"message": f"{type(error).__name__}: {text}", "hint": hint, "exit_code": INTERNAL_ERROR}
        say_json("error", document, err=True)
    else:
        say(f"error: {type(error).__name__}: {text[:500]}\nhint: {hint}", err=True)
    import logging
    import traceback

    if logging.getLogger("inr").isEnabledFor(logging.DEBUG):
        traceback.print_exception(error)
    return INTERNAL_ERROR
