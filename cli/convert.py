"""`inr convert`: fit a field of another family to a fitted field, without the signal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import _options as options
from ._io import Target, source
from ._machine import check_memory, machine
from ._output import Output, human_bytes, human_metric, human_seconds
from ._progress import FitProgress
from .fit import BYTES_PER_PARAMETER


def convert(
    model: options.Model,
    field: Annotated[str, options.family("Family of the new field; see inr fields. Required.")],
    output: options.OutputPath = None,
    settings: Annotated[list[str] | None, options.assignments("Any setting: field.*, fit.*")] = None,
    steps: options.Steps = None,
    time: options.Time = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="Stop at this PSNR to the model; exit code 1 if it is not reached.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    stages: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Equal parts of the run, from coarse targets to the model itself. Default: 1.",
            show_default=False,
            rich_help_panel=options.TRAINING,
        ),
    ] = 1,
    seed: options.Seed = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Turn a fitted field into one of another family, without its signal.

    The new field is fitted to the old one (distillation); what is said is how near it came to it, not to the signal.

    \b
    inr convert siren.safetensors --field hash_grid -o grid.safetensors
    inr convert grid.safetensors --field siren --set field.width=128 --time 1m
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == "-")
    flags = {
        "steps": steps,
        "time_s": None if time is None else options.seconds(time, "--time"),
        "target_psnr_db": target_psnr,
        "seed": seed,
    }
    flags = {key: value for key, value in flags.items() if value is not None}
    with machine(device, threads, backend) as chosen:
        from inr.fitting import Fit
        from inr.fitting.distil import distil
        from inr.fitting.request import Request
        from inr.fitting.sizing import count_parameters
        from inr.fitting.teacher import teacher_of

        given = source(model)
        request = Request.of(lambda kind: field, None, field, settings or [], flags, None)
        fit = Fit.load(given)
        fit.field.to(chosen)
        name = Path(given.name).name
        target = Target.of(output, f"{given.stem}.{field}.safetensors", force=force, suffixes=(".safetensors",))
        teacher = teacher_of(fit, name)
        config, fit_config = request.resolve(teacher)
        n_params = count_parameters(config, fit.spec)
        check_memory(
            n_params * BYTES_PER_PARAMETER, f"training {n_params:,} parameters", "use a smaller field: inr fields NAME"
        )
        old = fit.field.config.type_name
        out.note(
            f"{old} with {fit.field.n_params:,} parameters to {config.type_name} with {n_params:,}, "
            f"seed {fit_config.seed}, {chosen}"
        )
        shown = FitProgress(is_shown=not (no_progress or is_quiet), time_s=fit_config.time_s)
        with shown as progress:
            result = distil(fit, config, fit_config, stages=stages, name=name, device=chosen, on_progress=progress)
        data = result.to_bytes()
        target.write(data)
    document = {
        "output": target.name,
        "bytes": len(data),
        "from": {"file": name, "field": old, "n_params": fit.field.n_params},
        "field": config.to_json(),
        "fit": fit_config.to_json(),
        "n_params": n_params,
        "stages": stages,
        "fidelity": result.metrics,
        "outcome": result.outcome,
        "steps": result.steps,
        "seconds": result.seconds,
    }
    quality = human_metric(teacher.headline, result.metrics[teacher.headline])
    text = (
        f"{target.name}  {quality} to {name}  {n_params:,} parameters  {human_bytes(len(data))}  "
        f"{human_seconds(result.seconds)}"
    )
    out.result("convert", document, text, target.name)
    if result.outcome != "done":
        reason = "the loss is not finite" if result.outcome == "diverged" else f"{target_psnr:g} dB were not reached"
        out.note(f"{result.outcome.replace('_', ' ')} after {result.steps} steps: {reason}; the file was written")
        raise typer.Exit(1)
