"""`inr report`: fits on one page that can be sent to somebody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inr._errors import UsageError

from . import _options as options
from ._io import PIPE, Target, source
from ._machine import machine
from ._output import Output, human_bytes

SUFFIXES = (".html", ".htm")


def report(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL|RUN...",
            help="Models (.safetensors, .inrz), folders of checkpoints, or of inr batch; - reads stdin.",
        ),
    ],
    of: Annotated[
        str | None,
        typer.Option(
            "--signal",
            metavar="FILE",
            help="What they were fitted to. Default: the file that they name, beside them or here.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    ntk: Annotated[
        list[str] | None,
        typer.Option(
            "--ntk",
            metavar="FILE",
            help="What inr ntk --json said of one; repeatable. Default: MODEL.ntk.json.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Of the page.", show_default=False, rich_help_panel=options.VIEW)
    ] = "",
    output: options.OutputPath = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    threads: options.Threads = None,
) -> None:
    """Show fits on one self-contained page: pictures, errors, spectrum, curves, how to do it again.

    Of several models there is a table. The signal is looked for beside them; without it there are no targets. Time is
    told where inr fit --json (as photo.json) or inr batch wrote it down.

    \b
    inr report photo.safetensors -o report.html
    inr report siren.safetensors hash_grid.safetensors --signal photo.png
    inr ntk photo.safetensors --signal photo.png --json > photo.ntk.json && inr report photo.safetensors
    inr report models/ -o batch.html
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == PIPE)
    if models.count(PIPE) + (of == PIPE) > 1:
        raise UsageError("- is given more than once, and stdin can be read once")
    with machine("cpu", threads):
        first = "stdin" if models[0] == PIPE else Path(models[0]).stem
        target = Target.of(output, f"{first}.report.html", force=force, suffixes=SUFFIXES)
        from inr.report import page

        signal = None if of is None else source(of)
        given = [source(name) if name == PIPE else name for name in models]
        data = page(given, signal=signal, ntk=ntk or (), title=title).encode()
        target.write(data)
    text = f"{target.name}  {human_bytes(len(data))}"
    out.result("report", {"output": target.name, "bytes": len(data), "models": models}, text, target.name)
