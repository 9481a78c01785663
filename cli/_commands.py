"""The list of commands, `--version`, and the help of `inr` itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

import inr

from . import (
    batch,
    compare,
    compress,
    convert,
    decompress,
    demo,
    doctor,
    eval,  # noqa: A004  commands are named for users
    export,
    fields,
    fit,
    inspect,
    learn,
    mesh,
    ntk,
    render,
    report,
    suggest,
    watch,
)
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

app = typer.Typer(
    cls=Commands,
    help=_HELP,
    epilog=_EXIT_CODES,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_COMMANDS: dict[str, Callable[..., None]] = {
    "fit": fit.fit,
    "batch": batch.batch,
    "render": render.render,
    "mesh": mesh.mesh,
    "eval": eval.evaluate,
    "compare": compare.compare,
    "convert": convert.convert,
    "export": export.export,
    "report": report.report,
    "watch": watch.watch,
    "learn": learn.learn,
    "compress": compress.compress,
    "decompress": decompress.decompress,
    "ntk": ntk.ntk,
    "suggest": suggest.suggest,
    "inspect": inspect.inspect,
    "fields": fields.fields,
    "doctor": doctor.doctor,
    "demo": demo.demo,
}
for _name, _function in _COMMANDS.items():
    app.command(_name, cls=Command)(_function)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        say(f"inr {inr.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        say(context.get_help())
