"""`inr watch`: a page that shows the fit of another process, from its checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inr.core.errors import UnreadableError
from inr.core.text import printable

from . import _options as options
from ._io import source
from ._machine import machine
from ._output import Output
from ._watch import AskedPage, serve


def watch(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Folder with the checkpoints of a fit (photo.checkpoint).")],
    of: Annotated[
        str | None,
        typer.Option(
            "--signal",
            metavar="FILE",
            help="Signal that is fitted. Default: the file that the checkpoint names, beside it or here.",
            rich_help_panel=options.INPUT,
        ),
    ] = None,
    port: Annotated[
        str, typer.Option(metavar="PORT", help="Of the page. Default: any that is free.", show_default=False)
    ] = options.ANY_PORT,
    is_opened: options.OpenPage = False,
    linger: Annotated[
        str | None,
        typer.Option("--linger", metavar="T", help="Serve the page so long: 30s, 10m. Default: until Ctrl-C."),
    ] = None,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    threads: options.Threads = None,
) -> None:
    """Show a fit that another process runs, on a page on this machine.

    It reads the newest checkpoint, and each one that follows, so the fit writes them now and then. The page has no
    buttons to pause or stop; inr fit --watch has.

    \b
    inr fit photo.png --save-every 100 -o photo.safetensors &
    inr watch photo.checkpoint --open
    """
    out = Output(is_quiet=is_quiet, verbosity=verbosity)
    asked = AskedPage.of(port, is_opened, linger, option="--port")
    assert asked is not None, "a port was given"
    folder = Path(run)
    if folder.exists() and not folder.is_dir():
        raise UnreadableError(
            f"{run!r} is a file, expected the folder with the checkpoints of a fit",
            "inr fit photo.png --save-every 100 writes them into photo.checkpoint",
        )
    with machine("cpu", threads):
        from inr.report import signal_of
        from inr.watch import FolderWatch, Session

        signal, why = signal_of(folder, None if of is None else source(of))
        if why:
            out.note(why)
        shown = FolderWatch(folder, signal)
        session = Session(printable(shown.fit.source) or printable(folder.name), port=asked.port)
        serve(session, asked, out, lambda is_over: shown.serve(session, is_over, asked.linger_s))
