"""The list of commands, `--version`, and the help of `inr` itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Annotated

import typer

import inr

from ._app import Command, Commands
from ._output import say

_HELP = """Fit neural fields to pictures, video, sound, shapes and arrays; render, mesh and measure them.

\b
inr fit photo.png -o photo.safetensors     fit a field
inr render photo.safetensors --scale 4     evaluate it at any size
inr mesh bunny.safetensors -o bunny.ply    surface of a fitted shape
inr compress photo.png -o photo.inrz       a small file, for inr decompress
inr demo                                   see it work without a file
"""

_EXIT_CODES = """\b
Exit codes:
  0    done
  1    ran, with a negative outcome: diverged, target not reached, empty mesh
  2    usage: a wrong option or setting, an output that exists
  3    an input is missing, unreadable or damaged
  4    a package, device, backend, memory or disk space is missing
  130  interrupted by Ctrl-C (143: by SIGTERM, 129: by SIGHUP); a fit that
       had begun has written a checkpoint

\b
Results go to stdout, the rest to stderr; - is stdin or stdout.
"""

COMMANDS: dict[str, str] = {
    "fit": "fit",
    "batch": "batch",
    "render": "render",
    "mesh": "mesh",
    "eval": "evaluate",
    "compare": "compare",
    "convert": "convert",
    "csg": "csg",
    "evolve": "evolve",
    "export": "export",
    "report": "report",
    "watch": "watch",
    "learn": "learn",
    "solve": "solve",
    "compress": "compress",
    "decompress": "decompress",
    "ntk": "ntk",
    "suggest": "suggest",
    "inspect": "inspect",
    "fields": "fields",
    "doctor": "doctor",
    "desktop": "desktop",
    "thumbnail": "thumbnail",
    "demo": "demo",
}
"""The function of each command, in the file of the command's name; in the order of the help."""


def app_for(arguments: Sequence[str]) -> typer.Typer:
    """The program with the command that the arguments begin with; with all of them if they begin with none.

    Only the commands that it has are imported.
    """
    app = typer.Typer(
        cls=Commands,
        help=_HELP,
        epilog=_EXIT_CODES,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS:
        function: Callable[..., None] = getattr(import_module(f".{name}", __package__), COMMANDS[name])
        app.command(name, cls=Command)(function)
    app.callback(invoke_without_command=True)(_main)
    return app


def __getattr__(name: str) -> typer.Typer:
    """`app`: the program with all commands."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return app_for(())


def _print_version(is_asked: bool) -> None:
    if is_asked:
        say(f"inr {inr.__version__}")
        raise typer.Exit


def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        say(context.get_help())
