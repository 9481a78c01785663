"""`inr convert`: fit a field of another family to a fitted field, without the signal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inr.core.text import count_of, printable

from . import _options as options
from ._fit_plan import check_training_memory
from ._io import OutputTarget, source
from ._machine import machine
from ._output import Output, human_bytes, human_metric, human_seconds
from ._progress import FitProgress
from ._training import observers_of


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
            help="Number of coarse-to-fine training stages. Default: 1.",
            show_default=False,
            rich_help_panel=options.TRAINING,
        ),
    ] = 1,
    features: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="Part of the steps that first fits the last features of the model, such as 0.3. Default: 0.",
            show_default=False,
            rich_help_panel=options.TRAINING,
        ),
    ] = 0.0,
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

    The new field is fitted to the old one (distillation). The quality is measured against that.

    \b
    inr convert siren.safetensors --field hash_grid -o grid.safetensors
    inr convert grid.safetensors --field siren --set field.width=128 --time 1m
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == "-")
    flags = options.fit_flags(steps, time, target_psnr, seed=seed)
    with machine(device, threads, backend) as chosen:
        import inr
        from inr.fitting.teacher import teacher_of
        from inr.workflows.distillation import distil
        from inr.workflows.fit import FitPlan
        from inr.workflows.request import FitRequest

        given = source(model)
        request = FitRequest.of(lambda kind, options: field, None, field, settings or [], flags, None)
        fit = inr.load(given)
        fit.field.to(chosen)
        name = Path(given.name).name
        target = OutputTarget.of(output, f"{given.stem}.{field}.safetensors", force=force, suffixes=(".safetensors",))
        teacher = teacher_of(fit, name)
        plan = FitPlan.of(teacher, request.field, request, device=chosen)
        config, fit_config, n_params = plan.field, plan.settings, plan.n_params
        check_training_memory(n_params)
        old = fit.field.config.type_name
        out.note(
            f"{old} with {fit.field.n_params:,} parameters to {config.type_name} with {n_params:,}, "
            f"seed {fit_config.seed}, {chosen}"
        )
        shown = FitProgress(is_shown=not (no_progress or is_quiet), time_s=fit_config.time_s)
        with shown as progress:
            result = distil(
                teacher,
                config,
                fit_config,
                stages=stages,
                features=features,
                name=name,
                device=chosen,
                observers=observers_of,
                on_progress=progress,
            )
        data = result.to_bytes()
        target.write(data, keep=True)
    document = {
        "output": target.name,
        "bytes": len(data),
        "from": {"file": name, "field": old, "n_params": fit.field.n_params},
        "field": config.to_json(),
        "fit": fit_config.to_json(),
        "n_params": n_params,
        "stages": stages,
        "features": features,
        "fidelity": result.metrics,
        "outcome": result.outcome,
        "steps": result.steps,
        "seconds": result.seconds,
    }
    quality = human_metric(teacher.headline, result.metrics[teacher.headline])
    text = (
        f"{printable(target.name)}  {quality} to {printable(name)}  {n_params:,} parameters  {human_bytes(len(data))}  "
        f"{human_seconds(result.seconds)}"
    )
    out.result("convert", document, text, target.name)
    if result.outcome != "done":
        reason = "the loss is not finite" if result.outcome == "diverged" else f"{target_psnr:g} dB were not reached"
        out.note(
            f"{result.outcome.replace('_', ' ')} after {count_of(result.steps, 'step')}: {reason}; the file was written"
        )
        raise typer.Exit(1)
