"""`inr fit`: fit a field to a picture, sound, shape, point cloud or array."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from inr.core.errors import UsageError
from inr.core.stopwatch import compilation

from . import _interrupts
from . import _options as options
from ._checkpoints import Checkpoints, write_run
from ._fit_plan import check_training_memory, frequency_line, narrowed_line, plan_document, plan_text, print_settings
from ._fit_result import advice, fit_summary, rendering_target, tracking_line
from ._io import PIPE, OutputTarget, read_settings, source
from ._machine import machine
from ._output import Output
from ._training import Outputs, observers_of, process_group, train
from ._watch import AskedPage, ending, watching


def fit(
    input: options.SignalInput,
    output: options.OutputPath = None,
    kind: options.Kind = None,
    field: Annotated[
        str | None,
        options.family("Field family; see inr fields. Default: that of --init, or hash_grid; open clouds: siren."),
    ] = None,
    params: options.Params = None,
    size: options.ModelSize = None,
    settings: options.Settings = None,
    config: options.ConfigFile = None,
    init: options.Init = None,
    fresh: options.Fresh = None,
    recipe: options.Recipe = "best",
    steps: options.Steps = None,
    time: options.Time = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="Stop at this PSNR of the rendered file; exit code 1 if it is not reached.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    lr: options.Rate = None,
    batch: options.BatchSize = None,
    seed: options.Seed = None,
    track_ntk: options.TrackNtk = False,
    checkpoint: options.CheckpointFolder = None,
    save_every: options.SaveEvery = None,
    resume: options.Resume = None,
    render: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Also write a rendering of the field.", rich_help_panel=options.OUTPUT),
    ] = None,
    dtype: options.Dtype = None,
    watch: options.Watch = None,
    is_opened: options.OpenPage = False,
    linger: options.Linger = None,
    print_config: Annotated[
        bool,
        typer.Option(
            "--print-config",
            help="Print all settings as TOML for --config, without fitting.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print the plan and what is expected of it, from half a second of fitting; write nothing.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Fit a field to a picture, video, sound, shape, point cloud or array.

    Kernels are compiled once per machine. The fit's time and --time exclude that, the start-up and --track-ntk; --json
    lists them all: seconds, startup_seconds, compile_seconds, track_seconds.

    \b
    inr fit photo.png -o photo.safetensors --render fitted.png
    inr fit photo.png --field siren --time 30s
    inr fit photo.png --field siren --recipe paper
    inr fit photo.png --params 50000
    inr fit photo.png --watch --open
    inr fit photo.png --size 100k
    inr fit cello.wav --target-psnr 45
    inr fit photo.png --field siren --fresh auto
    inr fit photo.png --init learned.safetensors --steps 20
    inr fit bunny.obj --set field.encoding.levels=12 --set fit.batch=65536
    cat a.png | inr fit - -o - > a.safetensors
    torchrun --nproc-per-node 2 -m inr_cli fit photo.png
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == PIPE)
    options.check_count("--save-every", save_every)
    options.check_count("--steps", steps)
    options.check_count("--params", params)
    if params is not None and size is not None:
        raise UsageError("--params and --size are both given, expected one of them")
    most_bytes = None if size is None else options.size_bytes(size, "--size")
    if most_bytes is not None and dtype in (None, "auto"):
        dtype = "float16"
    flags = options.fit_flags(steps, time, target_psnr, lr, batch, seed, track_ntk=track_ntk, dtype=dtype)
    force_all = force or print_config or dry_run
    asked = AskedPage.of(watch, is_opened, linger)
    with (
        machine(device, threads, backend) as picked,
        process_group(picked, input) as group,
        contextlib.ExitStack() as stack,
    ):
        if asked is not None and group is not None:
            raise UsageError("--watch shows a fit of one process, but torchrun has started several")
        from inr.signals import default_field_of, load_signal
        from inr.workflows.fit import FitPlan, check_resume
        from inr.workflows.forecast import calibrated
        from inr.workflows.request import FitRequest
        from inr.workflows.sizing import parameters_within
        from inr.workflows.start import Start
        from inr.workflows.time_budget import within_time

        others = [text for text in settings or [] if not text.startswith("signal.")]
        start = Start.of(init, fresh)
        if resume is not None:
            check_resume(
                start, has_settings=bool(flags or field or others or config or params or size or recipe != "best")
            )
        chosen = picked if group is None else group.device
        given = source(input)
        request = FitRequest.of(
            lambda kind, options: default_field_of(given, kind, options),
            None if config is None else read_settings(config),
            field,
            settings or [],
            flags,
            kind,
            None if start.init is None else start.init.field.config,
            options.recipe(recipe),
        )
        signal = load_signal(given, request.kind, request.signal_options)
        target = OutputTarget.of(output, f"{given.stem}.safetensors", force=force_all, suffixes=(".safetensors",))
        picture = rendering_target(render, signal, force=force_all)
        checkpoints = Checkpoints.of(
            checkpoint,
            resume,
            target,
            given.stem,
            out,
            force=force_all,
            is_regular=save_every is not None,
            write=write_run,
        )
        out.notes(signal.notes)
        page = stack.enter_context(watching(None if print_config or dry_run else asked, signal, out))
        observers = observers_of if page is None else page.beside(observers_of)
        if resume is not None:
            plan = FitPlan.resume(resume, signal, device=chosen, group=group, observers=observers)
        else:
            plan = FitPlan.of(
                signal,
                request.field,
                request,
                n_params=params if most_bytes is None else parameters_within(most_bytes, dtype),
                start=start,
                device=chosen,
                group=group,
                observers=observers,
            )
            if params is None and size is None and group is None and not request.has_width:
                whole, plan = plan, within_time(plan)
                if plan is not whole:
                    out.note(narrowed_line(whole, plan))
        if plan.frequency is not None:
            out.note(frequency_line(plan.frequency))
        if print_config:
            print_settings(out, plan, {"kind": signal.kind, **request.signal_options})
            return
        check_training_memory(plan.n_params)
        if dry_run:
            forecast = calibrated(plan.begin())
            document = plan_document(plan, target.name)
            document["forecast"] = None if forecast is None else dataclasses.asdict(forecast)
            out.result("plan", document, plan_text(plan, target.name, forecast), target.name)
            return

        def resume_command(folder: Path) -> Sequence[str | Path]:
            words: list[str | Path] = ["inr", "fit", PIPE if input == PIPE else Path(input)]
            said = kind if config is None else request.kind
            words += ["--kind", said] if said is not None else []
            for key, value in request.signal_options.items():
                words += ["--set", f"signal.{key}={value}"]
            words += ["--resume", folder, "-o", PIPE if target.path is None else target.path]
            words += ["--render", Path(picture.name)] if picture is not None else []
            return [*words, "--force"] if force else words

        outputs = Outputs(target, picture, checkpoints, resume_command)
        trained = train(plan, outputs, out, is_shown=not (no_progress or is_quiet), save_every=save_every, watch=page)
        if trained is None:
            _interrupts.end()
            return
        result = trained.result
        document = plan_document(plan, target.name) | {
            "bytes": trained.n_bytes,
            "render": None if picture is None else picture.name,
            "outcome": result.outcome,
            "metrics": result.metrics,
            "steps": result.steps,
            "seconds": result.seconds,
            "startup_seconds": trained.startup_s,
            "compile_seconds": compilation.seconds,
            "track_seconds": None if result.ntk_track is None else result.ntk_track["seconds"],
        }
        stack.enter_context(ending(page, asked, result, out))
        if result.ntk_track is not None:
            out.note(tracking_line(result.ntk_track))
        out.result("fit", document, fit_summary(result, signal.headline, target.name, trained.n_bytes), target.name)
        if most_bytes is not None and trained.n_bytes > most_bytes:
            out.note(
                f"{target.name} has {trained.n_bytes} bytes, --size is {most_bytes}: its description is unusually long"
            )
            raise typer.Exit(1)
        if result.outcome != "done":
            out.note(advice(result))
        if result.outcome not in ("done", "interrupted"):
            raise typer.Exit(1)
