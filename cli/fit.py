"""`inr fit`: fit a field to a picture, sound, shape, point cloud or array."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import signal as os_signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr._errors import UsageError
from inr._preparation import compilation

from . import _options as options
from ._app import INTERRUPTED
from ._io import PIPE, Target, read_settings, source
from ._machine import check_memory, machine
from ._output import Output, human_bytes, human_metric, human_seconds
from ._progress import FitProgress

if TYPE_CHECKING:
    import torch

    from inr.fields import FieldConfig
    from inr.fitting import Fit, FitConfig, Run
    from inr.fitting.request import Request
    from inr.fitting.team import Team
    from inr.signals import Signal

TRACK_SHARE = 0.1
"""Seconds that looks at the tangent kernel may take per second of the fit, where --track-ntk is given."""

BYTES_PER_PARAMETER = 16
"""float32: the parameter, its gradient, and Adam's two moments."""


def fit(
    input: options.SignalInput,
    output: options.OutputPath = None,
    kind: options.Kind = None,
    field: Annotated[
        str | None,
        options.family("Field family; see inr fields. Default: that of --init, or hash_grid; points: siren."),
    ] = None,
    settings: options.Settings = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Settings as TOML, or a tiny-cuda-nn configuration (.json); options and --set win over it.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    init: options.Init = None,
    fresh: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Choose a frequency setting by the signal's spectrum: auto, or activation.omega=30,60,90.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
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
    track_ntk: Annotated[
        bool,
        typer.Option(
            "--track-ntk",
            help="Follow the tangent kernel, within 10 % of the time; the model file holds what was seen.",
            rich_help_panel=options.TRAINING,
        ),
    ] = False,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for checkpoints. Default: OUT.checkpoint.", rich_help_panel=options.TRAINING
        ),
    ] = None,
    save_every: Annotated[
        int | None,
        typer.Option(metavar="N", help="Write a checkpoint every N steps.", rich_help_panel=options.TRAINING),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Go on from a checkpoint, with its settings, as if never stopped.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    render: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Also write what the field looks like.", rich_help_panel=options.OUTPUT),
    ] = None,
    print_config: Annotated[
        bool,
        typer.Option(
            "--print-config",
            help="Print all settings as TOML for --config; fit nothing.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Check everything, say the plan; fit nothing.", rich_help_panel=options.OUTPUT),
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
    """Fit a field to a picture, sound, shape, point cloud or array.

    Kernels are compiled once per machine. Neither that nor the start nor --track-ntk is part of the fit's time or of
    --time; --json tells them apart: seconds, startup_seconds, compile_seconds, track_seconds.

    \b
    inr fit photo.png -o photo.safetensors --render fitted.png
    inr fit photo.png --field siren --time 30s
    inr fit cello.wav --target-psnr 45 --steps 20000
    inr fit photo.png --field siren --fresh auto
    inr fit photo.png --init learned.safetensors --steps 20
    inr fit bunny.obj --set field.encoding.levels=12 --set fit.batch=65536
    cat a.png | inr fit - -o - > a.safetensors
    torchrun --nproc-per-node 2 -m inr_cli fit photo.png
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == "-")
    if save_every is not None and save_every < 1:
        raise UsageError(f"--save-every is {save_every}, expected a whole number >= 1")
    if steps is not None and steps < 1:
        raise UsageError(f"--steps is {steps}, expected a whole number >= 1")
    flags = {
        "steps": steps,
        "time_s": None if time is None else options.seconds(time, "--time"),
        "target_psnr_db": target_psnr,
        "lr": lr,
        "batch": batch,
        "seed": seed,
        "track_ntk": TRACK_SHARE if track_ntk else None,
    }
    flags = {key: value for key, value in flags.items() if value is not None}
    if resume is not None and (flags or field or settings or config or init or fresh):
        raise UsageError("--resume takes its settings from the checkpoint, other settings can not be given with it")
    if init is not None and fresh is not None:
        raise UsageError("--init and --fresh are both given, expected one of them: --init brings its own settings")
    is_real = not (print_config or dry_run)
    with machine(device, threads, backend) as picked, _team(picked, input) as team:
        from inr.fitting import Fit, Run
        from inr.fitting.request import Request
        from inr.fitting.warm import warm_start
        from inr.signals import default_field_of, load_signal

        chosen = picked if team is None else team.device
        is_first = team is None or team.rank == 0  # the others work, and neither write nor speak
        given = source(input)
        start = None if init is None else Fit.load(init)
        request = Request.of(
            lambda kind: default_field_of(given, kind),
            None if config is None else read_settings(config),
            field,
            settings or [],
            flags,
            kind,
            None if start is None else start.field.config,
        )
        stem = given.stem
        signal = load_signal(given, request.kind, request.signal_options)
        target = Target.of(output, f"{stem}.safetensors", force=force or not is_real, suffixes=(".safetensors",))
        picture = None
        if render == "-":
            raise UsageError("--render is -, expected a file name", "write the model to stdout with -o -")
        if render is not None:
            picture = Target.of(render, "", force=force or not is_real, suffixes=signal.formats)
        folder = _checkpoint_folder(checkpoint, resume, target, stem, force=force or not is_real)
        out.notes(signal.notes)
        if resume is not None:
            run = Run.resume(resume, signal, chosen, team=team)
            field_config, fit_config = run.field.config, run.settings
        else:
            if fresh is not None:
                request = _choose(request, signal, fresh, out)
            field_config, fit_config = request.resolve(signal)
        if print_config:
            typer.echo(_to_toml(field_config, fit_config, signal, request.signal_options), nl=False)
            return
        plan = Plan.of(signal, field_config, fit_config, target, chosen)
        if dry_run:
            out.result("plan", plan.document(), plan.text(), target.name)
            return
        if resume is None:
            run = Run(signal, field_config, fit_config, chosen, team=team)
        if start is not None:
            warm_start(run, start, Path(str(init)).name)
        out.note(plan.line() if resume is None else f"resuming at step {run.step}: {plan.line()}")
        is_shown = not (no_progress or is_quiet)
        shown = FitProgress(is_shown=is_shown, time_s=fit_config.time_s, seconds=run.seconds)
        with shown as progress, interruptible() as interruption:
            outcome = run.advance(
                progress,
                should_stop=interruption.is_set,
                on_checkpoint=lambda: run.save_checkpoint(folder) if is_first else None,
                checkpoint_every=save_every,
            )
            if outcome == "interrupted" and is_first:
                run.save_checkpoint(folder)
        if outcome == "interrupted":
            _say_interrupted(out, run, input, folder, target)
            raise typer.Exit(INTERRUPTED)
        if not is_first:
            return
        result = run.result(outcome)
        data = result.to_bytes()
        target.write(data)
        if picture is not None:
            out.notes(write_rendering(result, picture))
    document = plan.document() | {
        "bytes": len(data),
        "render": None if picture is None else picture.name,
        "outcome": outcome,
        "metrics": result.metrics,
        "steps": result.steps,
        "seconds": result.seconds,
        "startup_seconds": shown.startup_s,
        "compile_seconds": compilation.seconds,
        "track_seconds": None if result.ntk_track is None else result.ntk_track["seconds"],
    }
    if result.ntk_track is not None:
        out.note(_tracked(result.ntk_track))
    out.result("fit", document, summary(result, signal.headline, target.name, len(data)), target.name)
    if outcome != "done":
        out.note(_advice(result))
        raise typer.Exit(1)


def summary(result: Fit, headline: str, name: str, n_bytes: int) -> str:
    """`kodim05.safetensors  40.31 dB PSNR  981,234 parameters  3.9 MB  11.2 s`."""
    quality = human_metric(headline, result.metrics.get(headline))
    size = f"{result.field.n_params:,} parameters  {human_bytes(n_bytes)}"
    return f"{name}  {quality}  {size}  {human_seconds(result.seconds)}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What will be done: everything resolved, nothing begun."""

    signal: Signal
    field: FieldConfig
    fit: FitConfig
    target: Target
    device: torch.device
    n_params: int

    @classmethod
    def of(cls, signal: Signal, field: FieldConfig, fit: FitConfig, target: Target, device: torch.device) -> Plan:
        """Raises UnavailableError when the parameters do not fit into memory; they are counted, not made."""
        import torch

        with torch.device("meta"):
            n_params = field.build(signal.spec, torch.Generator()).n_params
        check_memory(
            n_params * BYTES_PER_PARAMETER, f"training {n_params:,} parameters", "use a smaller field: inr fields NAME"
        )
        return cls(signal, field, fit, target, device, n_params)

    def line(self) -> str:
        spec = self.signal.spec
        size = "" if spec.shape is None else "x".join(map(str, spec.shape)) + f"x{spec.d_out} "
        return (
            f"{self.field.type_name} for {size}{spec.kind}: {self.n_params:,} parameters, {self._end()}, "
            f"seed {self.fit.seed}, {self.device}"
        )

    def _end(self) -> str:
        parts = []
        if self.fit.steps is not None:
            parts.append(f"{self.fit.steps} steps")
        if self.fit.time_s is not None:
            parts.append(human_seconds(self.fit.time_s))
        if self.fit.target_psnr_db is not None:
            parts.append(f"{self.fit.target_psnr_db:g} dB")
        return " or ".join(parts)

    def text(self) -> str:
        return f"{self.line()}\nwould write {self.target.name}; batch {self.fit.batch}, learning rate {self.fit.lr:g}"

    def document(self) -> dict[str, Any]:
        return {
            "output": self.target.name,
            "kind": self.signal.spec.kind,
            "shape": self.signal.spec.shape,
            "channels": self.signal.spec.d_out,
            "n_params": self.n_params,
            "device": str(self.device),
            "seed": self.fit.seed,
            "field": self.field.to_json(),
            "fit": self.fit.to_json(),
        }


def _to_toml(field: FieldConfig, fit: FitConfig, signal: Signal, signal_options: Mapping[str, str]) -> str:
    import json

    from inr._config import to_toml

    options_ = {"kind": signal.spec.kind, **signal_options}
    lines = [f"{key} = {json.dumps(value)}" for key, value in options_.items()]
    return to_toml({"field": field, "fit": fit}) + "\n[signal]\n" + "\n".join(lines) + "\n"


def _choose(request: Request, signal: Signal, text: str, out: Output) -> Request:
    """The request with the frequency setting that FreSh chooses; says so on stderr."""
    request, choice = request.freshened(signal, text)
    tried = "  ".join(f"{v:g}: {d:.3g}" for v, d in choice.distances.items())
    out.note(f"fresh: field.{choice.setting}={choice.value:g} is nearest to the signal's spectrum; distances {tried}")
    return request


def _checkpoint_folder(given: Path | None, resume: Path | None, target: Target, stem: str, *, force: bool) -> Path:
    """Where checkpoints go; refuses a place that can not be one, and to lose another run's checkpoint."""
    from inr.fitting import CHECKPOINT_NAME

    default = Path(f"{stem}.checkpoint") if target.path is None else target.path.with_suffix(".checkpoint")
    folder = given or resume or default
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"checkpoint folder {str(folder)!r} is a file", "choose another --checkpoint")
    if not folder.parent.is_dir():
        raise UsageError(f"the parent of checkpoint folder {str(folder)!r} does not exist", f"mkdir -p {folder.parent}")
    if (folder / CHECKPOINT_NAME).exists() and folder != resume and not force:
        raise UsageError(
            f"checkpoint folder {str(folder)!r} holds an unfinished run",
            f"go on with --resume {folder}, or start over with --force",
        )
    return folder


@contextlib.contextmanager
def _team(device: torch.device, input: str) -> Iterator[Team | None]:
    """The processes that torchrun started for this fit, or None."""
    from inr.fitting.team import is_launched, joined

    if is_launched() and input == PIPE:
        raise UsageError("input is -, which the processes of torchrun can not share", "give a file")
    with joined(device) as team:
        yield team


class _Interruption:
    """Set by the first Ctrl-C; the second one ends the program at once."""

    def __init__(self) -> None:
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self._is_set = True
        os_signal.signal(number, os_signal.default_int_handler)


@contextlib.contextmanager
def interruptible() -> Iterator[_Interruption]:
    interruption = _Interruption()
    before = os_signal.signal(os_signal.SIGINT, interruption)
    try:
        yield interruption
    finally:
        os_signal.signal(os_signal.SIGINT, before)


def _say_interrupted(out: Output, run: Run, input: str, folder: Path, target: Target) -> None:
    again = f"inr fit {input} --resume {folder} -o {'-' if target.is_stdout else target.path}"
    document = {"outcome": "interrupted", "steps": run.step, "seconds": run.seconds, "checkpoint": str(folder)}
    if out.as_json:
        out.result("fit", document, "", "")
    else:
        out.note(f"interrupted at step {run.step}; checkpoint in {folder}\nhint: {again}")


def write_rendering(result: Fit, picture: Target) -> tuple[str, ...]:
    """Write what a fit looks like on its signal's own lattice, in the format of the target's suffix; returns notes."""
    values, meta = result.render()
    file = io.BytesIO()
    assert picture.path is not None
    notes = result.kind.write(values, meta, file, picture.path.suffix.lower())
    picture.write(file.getvalue())
    return notes


def _tracked(found: Mapping[str, Any]) -> str:
    looks = found["looks"]
    if "stopped" in found:
        return f"tangent kernel: {len(looks)} looks, then they failed: {found['stopped']}"
    if not looks:
        return "tangent kernel: no look, the fit was too short for one\nhint: --set fit.track_ntk=1 allows more time"
    steps = ", ".join(str(look["step"]) for look in looks)
    last = "" if looks[-1]["cka"] is None else f", CKA with the start {looks[-1]['cka']:.3f}"
    return f"tangent kernel: looked at steps {steps}{last}; {human_seconds(found['seconds'])} beside the fit"


def _advice(result: Fit) -> str:
    if result.outcome == "diverged":
        return (
            f"diverged: the loss is not finite after step {result.steps}; the last good state was written\n"
            f"hint: use a smaller --lr (it was {result.settings.lr:g}), or --set fit.clip=1"
        )
    target = result.settings.target_psnr_db
    reached = result.metrics["psnr_db"]
    return f"target not reached: {reached:.2f} dB of {target:g} dB after {result.steps} steps; the file was written"
