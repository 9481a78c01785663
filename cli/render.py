"""`inr render`: evaluate a fitted field on a grid and write it in the signal's own format."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from inr.core.errors import UsageError
from inr.core.text import printable

from . import _options as options
from ._io import formatted_target, source
from ._machine import check_memory, machine
from ._output import Output, human_bytes

if TYPE_CHECKING:
    from inr.signals import View

BYTES_PER_VALUE = 2
"""Of a format that is encoded from the whole result: the samples, and what the encoder adds."""

LEAST = 1e-9
"""Share of a signal, or of its samples, below which nothing is left to render."""


def render(
    model: options.Model,
    output: options.OutputPath = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="WxH", help="Samples along each axis: 640x480, or 64x64x64.", rich_help_panel=options.VIEW
        ),
    ] = None,
    scale: Annotated[
        float | None,
        typer.Option(metavar="F", help="Times the number of samples along each axis.", rich_help_panel=options.VIEW),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="BOX",
            help="Low corner, then size, in the signal's units: x,y,width,height in pixels; start,duration in seconds.",
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="HZ", help="Sample rate of a sound.", rich_help_panel=options.VIEW),
    ] = None,
    slices: Annotated[
        list[str] | None,
        typer.Option(
            "--slice",
            metavar="AXIS=POS",
            help="Cut at a position along an axis, in its units: z=0; repeatable.",
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    form: options.Format = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    device: options.Device = "auto",
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Evaluate a fitted field at any size, crop, rate or slice.

    \b
    inr render photo.safetensors -o photo.png
    inr render photo.safetensors --scale 4 -o large.png
    inr render photo.safetensors --crop 100,50,64,64 --size 1024x1024
    inr render cello.safetensors --rate 96000
    inr render bunny.safetensors --slice z=0 -o slice.png
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == "-")
    with machine(device, threads, backend) as chosen:
        import inr
        from inr.signals import View

        view = View(
            scale=scale,
            size=None if size is None else options.whole_numbers(size, "--size", "whole numbers such as 640x480"),
            crop=None if crop is None else options.numbers(crop, "--crop", "numbers such as 100,50,64,64"),
            rate_hz=rate,
            slices=_slices(slices or []),
        )
        given = source(model)
        fit = inr.load(given)
        fit.field.to(chosen)
        _check_size(view, fit.frame.domain.extent)
        kind = fit.kind
        default = _default_suffix(kind.formats, view.slices)
        target, suffix = formatted_target(output, form, f"{given.stem}.render", kind.formats, default, force=force)
        grid, viewed = kind.grid(fit.spec, fit.frame, fit.meta, view)
        if suffix in kind.held_formats:
            hint = "write another format, which is written in parts, or use --crop"
            n_bytes = grid.size * fit.spec.d_out * BYTES_PER_VALUE
            check_memory(n_bytes, f"a rendering of {grid.size:,} samples as {suffix}", hint)
        bands, meta = fit.bands(view)
        with target.opened() as file:
            notes = kind.write_bands(bands, meta, file, suffix)
            n_bytes = file.seek(0, io.SEEK_END)
        out.notes(notes)
    shape = [grid.shape[axis] for axis in grid.order if axis not in viewed.get("sliced", ())]
    document = {
        "output": target.name,
        "bytes": n_bytes,
        "shape": shape,
        "channels": fit.spec.d_out,
        "format": suffix[1:],
    }
    out.result(
        "render",
        document,
        f"{printable(target.name)}  {'x'.join(map(str, shape))}  {human_bytes(n_bytes)}",
        target.name,
    )


def _check_size(view: View, extent: Sequence[float]) -> None:
    """UsageError for a scale or a crop that is too small to show anything of the signal."""
    if view.scale is not None and 0 < view.scale < LEAST:
        raise UsageError(f"--scale is {view.scale:g}, expected at least {LEAST:g}")
    sizes = (view.crop or ())[len(extent) :]
    if any(0 < size < LEAST * whole for size, whole in zip(sizes, extent, strict=False)):
        raise UsageError(f"--crop has a size of {min(sizes):g}, expected at least {LEAST:g} of the signal's")


def _slices(texts: list[str]) -> dict[str, float]:
    found = {}
    for text in texts:
        axis, _, position = text.partition("=")
        if axis in found:
            raise UsageError(f"--slice {axis} is given twice, expected one position along an axis")
        try:
            found[axis] = float(position)
        except ValueError as error:
            raise UsageError(f"--slice is {text!r}, expected AXIS=POSITION such as z=0") from error
    return found


def _default_suffix(formats: tuple[str, ...], slices: Mapping[str, float]) -> str:
    """The kind's own format; a slice is for looking at."""
    return ".png" if slices and ".png" in formats else formats[0]
