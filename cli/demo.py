"""`inr demo`: fit a generated signal, to see the program work without a file of one's own."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from inr._errors import UsageError, unknown_name

from . import _options as options
from ._io import Target
from ._machine import machine
from ._output import Output
from ._progress import FitProgress
from .fit import summary, write_rendering


@dataclasses.dataclass(frozen=True)
class Demo:
    """signal: a name of `inr.signals.analytic`. field, settings: what is fitted, and how. rendering: its suffix."""

    signal: str
    field: dict[str, Any]
    settings: dict[str, Any]
    rendering: str
    about: str


DEMOS = {
    "image": Demo(
        "scene",
        {"type": "hash_grid"},
        {"steps": 150},
        ".png",
        "a 256x192 picture with smooth colours, sharp edges and a fine grating",
    ),
    "sound": Demo(
        "chirp",
        {"type": "siren", "width": 64},
        {"steps": 250, "lr": 1e-3, "batch": 8192},
        ".wav",
        "one second of a tone that rises from 50 to 2000 Hz",
    ),
    "shape": Demo(
        "torus",
        {"type": "hash_grid"},
        {"steps": 150, "batch": 8192},
        ".ply",
        "the signed distance to a torus, from random points in space",
    ),
}


def demo(
    name: Annotated[
        str, typer.Argument(metavar="[NAME]", help="image, sound or shape. Default: image.", show_default=False)
    ] = "image",
    folder: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder to write to. Default: the current one.",
            show_default=False,
            rich_help_panel=options.OUTPUT,
        ),
    ] = Path(),
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
) -> None:
    """Fit a generated picture, sound or shape.

    Writes a model, and what it looks or sounds like, to the current folder.

    \b
    inr demo
    inr demo shape -o /tmp
    """
    out = Output(as_json, is_quiet, verbosity)
    if name not in DEMOS:
        raise unknown_name("demo", name, DEMOS)
    chosen = DEMOS[name]
    if not folder.is_dir():
        raise UsageError(f"output folder {str(folder)!r} does not exist", f"mkdir -p {folder}")
    stem = str(folder / f"demo-{name}")
    target = Target.of(f"{stem}.safetensors", "", force=force)
    rendering = Target.of(stem + chosen.rendering, "", force=force)
    with machine(device, threads) as where:
        from inr.fitting import Run, resolve
        from inr.signals.analytic import demo as demo_signal

        signal = demo_signal(chosen.signal)
        run = Run(signal, *resolve(signal, chosen.field, chosen.settings), where)
        out.note(f"Fitting {chosen.about}:\na {chosen.field['type']} field learns to give the value at any coordinate.")
        with FitProgress(is_shown=not (no_progress or is_quiet), time_s=None) as progress:
            outcome = run.advance(progress)
        fit = run.result(outcome)
        data = fit.to_bytes()
        target.write(data)
        if chosen.rendering == ".ply":
            _write_mesh(fit, rendering)
        else:
            write_rendering(fit, rendering)
    line = summary(fit, signal.headline, target.name, len(data))
    document = {
        "output": target.name,
        "rendering": rendering.name,
        "bytes": len(data),
        "metrics": fit.metrics,
        "seconds": fit.seconds,
    }
    out.result("demo", document, f"{line}\n{rendering.name}", target.name)
    out.note(f"Next: {_next(name, target.name)}\n      inr fit YOUR_FILE")


def _write_mesh(fit: Any, rendering: Target) -> None:
    import io

    import inr
    from inr.mesh import save_mesh

    file = io.BytesIO()
    save_mesh(inr.extract_mesh(fit, 64), file, ".ply")
    rendering.write(file.getvalue())


def _next(name: str, model: str) -> str:
    return {
        "image": f"inr render {model} --scale 4",
        "sound": f"inr render {model} --rate 48000",
        "shape": f"inr mesh {model} --resolution 512",
    }[name]
