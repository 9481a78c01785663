"""`inr thumbnail`: a small picture of a compressed picture, for file managers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inr.core.errors import UnreadableError

from . import _options as options
from ._interrupts import nothing_to_lose
from ._output import Output


def thumbnail(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A picture in an .inrz file.")],
    output: Annotated[str, typer.Argument(metavar="OUT", help="The PNG to write; it is replaced.")],
    side: Annotated[
        int, typer.Option(metavar="PIXELS", help="Of the longer side, at most.", rich_help_panel=options.VIEW)
    ] = 256,
    is_quiet: options.Quiet = False,
) -> None:
    """Write a PNG of a compressed picture for a file manager (inr desktop --install).

    \b
    inr thumbnail photo.inrz photo.png --side 128
    """
    out = Output(is_quiet=is_quiet)
    options.check_count("--side", side)
    with nothing_to_lose():
        from inr.codec import decompress
        from inr.core.files import write_file
        from inr.signals.files.thumbnails import thumbnail_of

    decoded = decompress(Path(file))
    if not decoded.header.codec_kind.is_picture:
        raise UnreadableError(f"{file!r} holds a signal of kind {decoded.header.kind!r}, which has no thumbnail")
    write_file(Path(output), thumbnail_of(decoded.values(), decoded.header.meta, side), force=True)
    out.result("thumbnail", {"output": output}, output, output)
