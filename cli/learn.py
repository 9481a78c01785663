"""`inr learn`: parameters from which a few steps fit any signal of a class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import ConfigError, UnreadableError
from inr.core.text import count_of, printable

from . import _options as options
from ._interrupts import held
from ._io import OutputTarget
from ._machine import machine
from ._output import Output, human_bytes, human_seconds, say
from ._progress import FitProgress

if TYPE_CHECKING:
    from inr.fields import FieldConfig
    from inr.workflows.meta_learning import LearnConfig

SECTIONS = ("field", "learn")


def learn(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="Signals of one kind, or folders of them; not their subfolders."),
    ],
    output: options.OutputPath = None,
    kind: options.Kind = None,
    field: Annotated[
        str | None,
        options.family("Field family; see inr fields. Default: siren, for pictures with omega 200 on [0, 1]."),
    ] = None,
    settings: Annotated[
        list[str] | None, options.assignments("Any setting: field.*, learn.signals, learn.batch")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="maml or reptile. Default: maml.", rich_help_panel=options.TRAINING),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(metavar="N", help="Outer steps. Default: 2000.", rich_help_panel=options.TRAINING)
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="Rate of the outer Adam. Default: 1e-4.", rich_help_panel=options.TRAINING),
    ] = None,
    inner_steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Steps of SGD on each signal. Default: 2.", rich_help_panel=options.TRAINING),
    ] = None,
    inner_lr: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="Rate of that SGD. Default: 0.0025.", rich_help_panel=options.TRAINING),
    ] = None,
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
    """Learn a start for fits from signals of one class.

    Sizes may differ, channels may not. Give the file to inr fit --init, for these or for other signals.

    \b
    inr learn faces/ -o faces.safetensors
    inr learn faces/ --method reptile --inner-steps 12 --steps 500
    inr fit new.png --init faces.safetensors --steps 20
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == "-")
    flags = {
        "method": method,
        "steps": steps,
        "lr": lr,
        "inner_steps": inner_steps,
        "inner_lr": inner_lr,
        "seed": seed,
    }
    flags = {key: value for key, value in flags.items() if value is not None}
    with machine(device, threads, backend) as chosen:
        from inr.signals import load_signal
        from inr.workflows.meta_learning import default_field
        from inr.workflows.meta_learning import learn as run

        field_config, learn_config = _settings(field or "siren", settings or [], flags)
        target = OutputTarget.of(output, "init.safetensors", force=force, suffixes=(".safetensors",))
        signals = [load_signal(path, kind) for path in _files(inputs, kind)]
        if field is None:
            field_config, _ = _settings(default_field(signals[0]), settings or [], flags)
        out.note(
            f"{learn_config.method} on {len(signals)} signals of kind {signals[0].spec.kind}: "
            f"{learn_config.steps} outer steps, seed {learn_config.seed}, {chosen}"
        )
        shown = FitProgress(is_shown=not (no_progress or is_quiet), time_s=None)
        with shown as progress, held() as interruption:
            result = run(
                signals,
                field_config,
                learn_config,
                device=chosen,
                on_progress=progress,
                should_stop=interruption.is_set,
            )
        data = result.to_bytes()
        target.write(data, keep=True)
    learned = result.provenance["learned"]
    document = {
        "output": target.name,
        "bytes": len(data),
        "n_signals": len(signals),
        "n_params": result.field.n_params,
        "field": result.field.config.to_json(),
        "learn": learn_config.to_json(),
        "loss_after": learned["loss_after"],
        "outcome": result.outcome,
        "steps": result.steps,
        "seconds": result.seconds,
    }
    adapted = count_of(learn_config.inner_steps, "step")
    text = (
        f"{printable(target.name)}  loss {learned['loss_after']:.3g} after {adapted}  "
        f"{result.field.n_params:,} parameters  {human_bytes(len(data))}  {human_seconds(result.seconds)}"
    )
    out.result("learn", document, text, target.name)
    if result.outcome == "interrupted":
        say(f"interrupted at step {result.steps}; what was learned so far was written", err=True)
        raise typer.Exit(interruption.exit_code)
    if result.outcome == "diverged":
        out.note(f"diverged after step {result.steps}; the last good state was written\nhint: use a smaller --inner-lr")
        raise typer.Exit(1)


def _settings(
    field: str | Mapping[str, Any], settings: list[str], flags: Mapping[str, object]
) -> tuple[FieldConfig, LearnConfig]:
    from inr.core.config import override, parse
    from inr.core.sections import by_section
    from inr.fields import FieldConfig
    from inr.workflows.meta_learning import LearnConfig
    from inr.workflows.request import collecting

    problems: list[str] = []
    assigned = by_section(settings, problems, SECTIONS)
    field_config: FieldConfig | None = None
    learn_config = LearnConfig()
    with collecting(problems):
        field_config = override(parse(FieldConfig, field, "field"), assigned["field"], "field")
    with collecting(problems):
        learn_config = override(learn_config, assigned["learn"], "learn")
    with collecting(problems):
        learn_config = parse(LearnConfig, flags, "learn", learn_config)
    if problems or field_config is None:
        raise ConfigError(problems, "inr fields NAME lists a family's settings")
    return field_config, learn_config


def _files(inputs: list[Path], kind: str | None) -> list[Path]:
    """The given files, and those of the given folders with a suffix of the kind (or of any kind), in order of name."""
    from inr.signals import suffixes_of

    suffixes = suffixes_of(kind)
    found: list[Path] = []
    for path in inputs:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in suffixes and p.is_file())
        if not inside:
            raise UnreadableError(
                f"folder {str(path)!r} has no signals", f"known suffixes: {' '.join(sorted(suffixes))}"
            )
        found += inside
    return found
