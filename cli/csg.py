"""`inr csg`: combine fitted shapes by an expression."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import UsageError
from inr.core.text import count_of, printable

from . import _options as options
from ._fit_plan import check_training_memory
from ._io import PIPE, OutputTarget, source
from ._machine import machine
from ._output import Output, human_bytes, human_metric
from ._progress import FitProgress
from ._training import observers_of

if TYPE_CHECKING:
    import torch

    from inr.fitting import Fit
    from inr.workflows.request import FitRequest

_SUFFIX = ".safetensors"


def csg(
    expression: Annotated[str, typer.Argument(metavar="EXPRESSION", help="Models, solids and functions; see above.")],
    output: options.OutputPath = None,
    blend: Annotated[
        float,
        typer.Option(
            metavar="K", help="Width of a smooth blend of each + - &, in mesh units.", rich_help_panel=options.VIEW
        ),
    ] = 0.0,
    offset: Annotated[
        float,
        typer.Option(
            metavar="D", help="Move the surface of the result outwards, in mesh units.", rich_help_panel=options.VIEW
        ),
    ] = 0.0,
    shell: Annotated[
        float,
        typer.Option(metavar="T", help="A shell of this thickness instead of the solid.", rich_help_panel=options.VIEW),
    ] = 0.0,
    margin: Annotated[
        float,
        typer.Option(
            metavar="M", help="Free space around the result in its box, in addition.", rich_help_panel=options.VIEW
        ),
    ] = 0.0,
    bake: Annotated[
        bool,
        typer.Option(
            "--bake", help="Fit one field to the exact distances of the result.", rich_help_panel=options.TRAINING
        ),
    ] = False,
    resolution: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="With --bake: cells of the mesh that distances are measured from. Default: 256, more if thin.",
            show_default=False,
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    field: Annotated[str | None, options.family("With --bake: family of the field; see inr fields.")] = None,
    settings: Annotated[list[str] | None, options.assignments("With --bake, any setting: field.*, fit.*")] = None,
    steps: options.Steps = None,
    time: options.Time = None,
    seed: options.Seed = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
) -> None:
    """Combine fitted shapes: unions, cuts, offsets, shells, moved copies.

    The result is a model that holds its operands, without a loss; it is meshed, rendered and exported as any other.

    \b
    inr csg "a + b - c" -o d.safetensors             models a.safetensors ...; + union, - difference, & intersection
    inr csg "part - cylinder(0,0,0, 3,50)" -o hole.safetensors
    inr csg "move(rotate(a, 0,0,45), 10,0,0) & box(0,0,0, 20,20,20)" -o b.safetensors
    inr csg "part" --shell 1.5 -o hollow.safetensors
    inr csg "a + b" --blend 3 --bake -o one.safetensors

    \b
    union(a, b, K)  intersection(a, b, K)  difference(a, b, K)    with a blend of width K
    offset(a, D)  shell(a, T)  move(a, x,y,z)  scale(a, F)  rotate(a, x,y,z) in degrees
    sphere(x,y,z, R)  box(x,y,z, A,B,C)  cylinder(x,y,z, R,H)  torus(x,y,z, R,R)  plane(nx,ny,nz, D)
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == PIPE)
    flags = options.fit_flags(steps, time, None, seed=seed)
    if not bake and (field or settings or flags or resolution):
        raise UsageError("options of training need --bake", "without it the operands are kept as they are")
    with machine(device, threads) as chosen:
        from inr.workflows.csg import combine
        from inr.workflows.request import FitRequest

        target = OutputTarget.of(output, f"csg{_SUFFIX}", force=force, suffixes=(_SUFFIX,))
        result = combine(expression, _operand, blend=blend, offset=offset, shell=shell, margin=margin)
        out.notes(result.notes)
        if bake:
            request = FitRequest.of(lambda kind, given: field or "hash_grid", None, field, settings or [], flags, None)
            result = _baked(result, request, resolution, chosen, out, is_shown=not (no_progress or is_quiet))
        data = result.to_bytes()
        target.write(data, keep=True)
    operands = sorted(Path(row["file"]).name for row in result.provenance.get("combined", []))
    quality = "".join(f"  {human_metric('iou', value)}" for name, value in result.metrics.items() if name == "iou")
    text = (
        f"{printable(target.name)}{quality}  {result.field.n_params:,} parameters  {human_bytes(len(data))}  "
        f"box of {result.frame.scale[0]:.4g}"
    )
    document: dict[str, Any] = {
        "output": target.name,
        "bytes": len(data),
        "expression": expression,
        "operands": operands,
        "field": result.field.config.type_name,
        "n_params": result.field.n_params,
        "box": {"low": list(result.frame.domain.low), "high": list(result.frame.domain.high)},
        "outside": result.meta.get("outside"),
        "inside": result.meta.get("inside"),
        "metrics": dict(result.metrics),
        "outcome": result.outcome,
    }
    out.result("csg", document, text, target.name)
    if result.outcome != "done":
        out.note(f"{result.outcome.replace('_', ' ')} after {count_of(result.steps, 'step')}; the file was written")
        raise typer.Exit(1)


def _operand(name: str) -> Fit:
    """The model of a name in an expression: a file, with or without its suffix."""
    import inr

    is_bare = not Path(name).is_file() and Path(name + _SUFFIX).is_file()
    return inr.load(source(name + _SUFFIX if is_bare else name))


def _baked(
    combined: Fit, request: FitRequest, resolution: int | None, device: torch.device, out: Output, *, is_shown: bool
) -> Fit:
    """A field fitted to the exact distances of a combined one, in its box."""
    from inr.mesh.redistance import redistanced
    from inr.workflows.fit import FitPlan

    signal, mesh = redistanced(combined, resolution)
    out.notes(mesh.notes)
    plan = FitPlan.of(signal, request.field, request, device=device, observers=observers_of)
    check_training_memory(plan.n_params)
    with FitProgress(is_shown=is_shown, time_s=plan.settings.time_s) as progress:
        fitted = plan.fit(progress)
    return dataclasses.replace(fitted, source=combined.source, provenance=combined.provenance)
