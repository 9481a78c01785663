"""`inr demo`: fit a generated signal, to see the program work without a file of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from inr.core.errors import unknown_name
from inr.core.files import check_folder
from inr.core.text import command, printable

from . import _options as options
from ._fit_result import fit_summary, write_rendering
from ._io import OutputTarget
from ._machine import machine
from ._output import Output
from ._progress import FitProgress


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

    Writes a model, and a rendering of it, to the current folder.

    \b
    inr demo
    inr demo shape -o /tmp
    """
    out = Output(as_json, is_quiet, verbosity)
    from inr.signals import SIGNALS

    demos = {found.name: found for kind in SIGNALS if (found := SIGNALS[kind].demo) is not None}
    if name not in demos:
        raise unknown_name("demo", name, demos)
    chosen = demos[name]
    check_folder(folder)
    stem = str(folder / f"demo-{name}")
    target = OutputTarget.of(f"{stem}.safetensors", "", force=force)
    rendering = OutputTarget.of(stem + chosen.rendering, "", force=force)
    with machine(device, threads) as where:
        from inr.signals.analytic import demo as demo_signal
        from inr.workflows.fit import FitPlan

        signal = demo_signal(chosen.signal)
        plan = FitPlan.of(signal, chosen.field, chosen.settings, device=where)
        out.note(f"Fitting {chosen.about}:\na {chosen.field['type']} field learns to give the value at any coordinate.")
        with FitProgress(is_shown=not (no_progress or is_quiet), time_s=None) as progress:
            fit = plan.fit(progress)
        data = fit.to_bytes()
        target.write(data)
        if chosen.rendering == ".ply":
            _write_mesh(fit, rendering)
        else:
            write_rendering(fit, rendering)
    line = fit_summary(fit, signal.headline, target.name, len(data))
    document = {
        "output": target.name,
        "rendering": rendering.name,
        "bytes": len(data),
        "metrics": fit.metrics,
        "seconds": fit.seconds,
    }
    out.result("demo", document, f"{line}\n{printable(rendering.name)}", target.name)
    verb, option, value = chosen.then
    out.note(f"Next: {command('inr', verb, Path(target.name), option, value)}\n      inr fit YOUR_FILE")


def _write_mesh(fit: Any, rendering: OutputTarget) -> None:
    import io

    import inr
    from inr.mesh import save_mesh

    file = io.BytesIO()
    save_mesh(inr.extract_mesh(fit, 64), file, ".ply")
    rendering.write(file.getvalue())
