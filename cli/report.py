"""`inr report`: one self-contained HTML page about fits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inr.core.errors import UsageError
from inr.core.text import printable

from . import _options as options
from ._io import PIPE, OutputTarget, source
from ._machine import machine
from ._output import Output, human_bytes

SUFFIXES = (".html", ".htm")


def report(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="MODEL|RUN...",
            help="Models (.safetensors, .inrz), folders of checkpoints or of inr batch; - reads stdin.",
        ),
    ],
    of: Annotated[
        str | None,
        typer.Option(
            "--signal",
            metavar="FILE",
            help="Signal that they were fitted to. Default: the file that each names, beside it or here.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    ntk: Annotated[
        list[str] | None,
        typer.Option(
            "--ntk",
            metavar="FILE",
            help="JSON written by inr ntk --json for a model; repeatable. Default: MODEL.ntk.json.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    title: Annotated[
        str, typer.Option(metavar="TEXT", help="Title of the page.", show_default=False, rich_help_panel=options.VIEW)
    ] = "",
    output: options.OutputPath = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    threads: options.Threads = None,
) -> None:
    """Write one HTML page about fits: pictures, errors, spectra, training curves, and commands to repeat them.

    Several models are compared in a table. Without the signal, the page has no targets and errors. Times of fits are
    read from the output of inr fit --json (as photo.json) or inr batch.

    \b
    inr report photo.safetensors -o report.html
    inr report siren.safetensors hash_grid.safetensors --signal photo.png
    inr ntk photo.safetensors --signal photo.png --json > photo.ntk.json && inr report photo.safetensors
    inr report models/ -o batch.html
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == PIPE)
    if models.count(PIPE) + (of == PIPE) > 1:
        raise UsageError("- is given more than once, but stdin can be read only once")
    with machine("cpu", threads):
        first = "stdin" if models[0] == PIPE else Path(models[0]).stem
        target = OutputTarget.of(output, f"{first}.report.html", force=force, suffixes=SUFFIXES)
        from inr.report import page

        signal = None if of is None else source(of)
        given = [source(name) if name == PIPE else name for name in models]
        data = page(given, signal=signal, ntk=ntk or (), title=title).encode()
        target.write(data)
    text = f"{printable(target.name)}  {human_bytes(len(data))}"
    out.result("report", {"output": target.name, "bytes": len(data), "models": models}, text, target.name)
