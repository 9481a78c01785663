"""A fit from its plan to its files: progress on stderr, checkpoints, and what an interruption leaves behind."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from inr.core.errors import UsageError
from inr.core.files import descriptor_of
from inr.core.text import command, printable

from ._checkpoints import Checkpoints
from ._fit_plan import forecast_line, plan_line
from ._fit_result import write_rendering
from ._interrupts import Interrupted, held, shielded
from ._io import PIPE, OutputTarget
from ._output import Output, say
from ._progress import FitProgress

if TYPE_CHECKING:
    import torch

    from inr.fitting import Fit, FitConfig, Observer, Progress
    from inr.fitting.distributed import ProcessGroup
    from inr.watch import FitWatch
    from inr.workflows.fit import FitPlan


@dataclasses.dataclass(frozen=True)
class Outputs:
    """Where the files of a fit go. resume_command: the words that continue it from the checkpoint in a folder."""

    model: OutputTarget
    picture: OutputTarget | None
    checkpoints: Checkpoints
    resume_command: Callable[[Path], Sequence[str | Path]]


@dataclasses.dataclass(frozen=True)
class WrittenFit:
    """A fit whose files are written. startup_s: seconds before its first step; None if it had none."""

    result: Fit
    n_bytes: int
    startup_s: float | None


def observers_of(settings: FitConfig) -> list[Observer]:
    """What watches a run with these settings; imports `inr.ntk`, which takes a while, only if the settings need it."""
    if settings.track_ntk is None:
        return []
    from inr.ntk import observers_of as trackers_of

    return trackers_of(settings)


def train(
    plan: FitPlan,
    outputs: Outputs,
    out: Output,
    *,
    is_shown: bool,
    save_every: int | None,
    watch: FitWatch | None = None,
) -> WrittenFit | None:
    """Run the plan and write its files. None in a process that only shares the work.

    watch: one of the plan's observers, whose page may end the run; its fit is then written as it is.

    Raises typer.Exit after an interruption, when the checkpoint is written.
    """
    from inr.workflows.forecast import Calibration

    run = plan.begin()
    is_first = plan.group is None or plan.group.rank == 0  # only rank 0 writes files and prints
    model, picture, checkpoints = outputs.model, outputs.picture, outputs.checkpoints
    is_written = False
    try:
        out.note(plan_line(plan) if plan.resumed is None else f"resuming at step {run.step}: {plan_line(plan)}")
        shown = FitProgress(is_shown=is_shown, time_s=plan.settings.time_s, seconds=run.seconds)
        calibration = Calibration(run)

        def on_progress(progress: Progress) -> None:
            shown(progress)
            if watch is not None:
                watch.on_progress(progress)
            if not calibration.is_done():
                calibration(progress)
                if calibration.forecast is not None and is_first and not out.is_quiet:
                    shown.say(forecast_line(calibration.forecast, plan))

        def save() -> str:
            is_saved = checkpoints.save(run)
            where = printable(str(checkpoints.folder))
            return f"Step {run.step} is saved in {where}." if is_saved else f"{where} cannot be written."

        def on_checkpoint() -> None:
            if is_first:
                checkpoints.save(run)

        with shown, held() as interruption:
            if watch is not None:
                watch.save, watch.is_interrupted = save, interruption.is_set
            outcome = run.advance(
                on_progress,
                should_stop=lambda: interruption.is_set() or (watch is not None and watch.is_stopping),
                on_checkpoint=on_checkpoint,
                checkpoint_every=save_every,
            )
        if interruption.is_set() or (outcome == "interrupted" and (watch is None or not watch.is_stopping)):
            raise interruption.error()
        if not is_first:
            return None
        result = run.result(outcome)
        data = result.to_bytes()
        with held() as interruption:
            model.write(data, keep=True)
            checkpoints.finish(run, outcome)
            is_written = True
        if picture is not None:
            if interruption.is_set():
                raise interruption.error()
            out.notes(write_rendering(result, picture))
    except Interrupted as error:
        if is_written and picture is not None:
            say(f"interrupted; {printable(model.name)} was written, {printable(picture.name)} was not", err=True)
        elif is_first:
            with shielded():
                checkpoints.save_last(run)
            folder = checkpoints.folder
            say_interrupted(out, "fit", run.step, run.seconds, folder, outputs.resume_command(folder))
        raise typer.Exit(error.exit_code) from None
    return WrittenFit(result, len(data), shown.startup_s)


def say_interrupted(
    out: Output, schema: str, step: int, seconds: float, folder: Path, words: Sequence[str | Path]
) -> None:
    """Where the checkpoint is, and the command that continues from it."""
    document = {"outcome": "interrupted", "steps": step, "seconds": seconds, "checkpoint": str(folder)}
    if out.as_json:
        out.result(schema, document, "", "")
    else:
        text = f"interrupted at step {step}; checkpoint in {printable(str(folder))}"
        say(f"{text}\nhint: {command(*words)}", err=True)


@contextlib.contextmanager
def process_group(device: torch.device, input: str) -> Iterator[ProcessGroup | None]:
    """The processes that torchrun started for this fit, or None."""
    from inr.fitting.distributed import is_launched, joined

    if is_launched() and (input == PIPE or Path(input).is_fifo() or descriptor_of(Path(input)) is not None):
        raise UsageError(f"input is {input}, a pipe, which the processes of torchrun cannot share", "give a file")
    with joined(device) as group:
        yield group
