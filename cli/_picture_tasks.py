"""`inr solve clone ...`: tasks on pictures, and problem files with kind = "picture"."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from inr.core.errors import UnreadableError, UsageError, did_you_mean
from inr.core.text import printable

from ._interrupts import held
from ._io import OutputTarget, source
from ._output import Output, human_bytes, human_seconds

if TYPE_CHECKING:
    from inr.solving.pictures import PictureProblem, PictureSolution

_SHOWN_EVERY_S = 2.0
_MODEL = ".safetensors"


@dataclass(frozen=True)
class Given:
    """What the command line says about a task. words: the task and its files, or a problem file alone."""

    words: Sequence[str]
    mask: str | None
    at: str | None
    field: str | None
    settings: Sequence[str]
    time_s: float | None
    seed: int | None

    def problem(self) -> PictureProblem:
        """Raises UsageError, ConfigError or UnreadableError, as `PictureProblem.of`."""
        from inr.core.config import override, parse
        from inr.fields import FieldConfig
        from inr.solving.pictures import TASKS, PictureProblem

        sections = _by_section(self.settings)
        sections["solve"] += [] if self.time_s is None else [f"time_s={self.time_s}"]
        sections["solve"] += [] if self.seed is None else [f"seed={self.seed}"]
        if len(self.words) == 1 and self.words[0] not in TASKS:
            if self.mask is not None or self.at is not None:
                raise UsageError(
                    "--mask and --at are for a task and its pictures, and a problem file is given", "write them there"
                )
            found = _of_file(self.words[0])
        else:
            task, *files = self.words
            mask = None if self.mask is None else source(self.mask)
            at = None if self.at is None else _place(self.at)
            found = PictureProblem.of(task, *map(source, files), mask=mask, at=at)
        field = found.field
        if self.field is not None:
            field = parse(FieldConfig, self.field, "field")
        if sections["field"]:
            if field is None:
                raise UsageError("--set field.* needs a field", "--field hash_grid")
            field = override(field, sections["field"], "field")
        task_config = override(found.task, sections["task"], "task")
        return PictureProblem(task_config, found.inputs, override(found.settings, sections["solve"], "solve"), field)


def _by_section(assignments: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"solve": [], "task": [], "field": []}
    for text in assignments:
        section, sign, rest = text.partition(".")
        if not sign or section not in found:
            raise UsageError(f"--set is {text!r}, expected solve.KEY=VALUE, task.KEY=VALUE or field.KEY=VALUE")
        found[section].append(rest)
    return found


def _place(text: str) -> tuple[int, int]:
    parts = text.split(",")
    is_number = [part.strip().removeprefix("-").isdecimal() and len(part) < 10 for part in parts]
    if len(parts) != 2 or not all(is_number) or not text.isascii():
        raise UsageError(f"--at is {text!r}, expected X,Y in pixels of the target", "--at 120,80")
    return int(parts[0]), int(parts[1])


def _of_file(name: str) -> PictureProblem:
    from inr.solving.pictures import PictureProblem
    from inr.solving.tables import read_problem

    return PictureProblem.of_document(read_problem(name), Path(name).parent)


def solve_task(
    out: Output, given: Given, output: str | None, exports: Sequence[str], *, force: bool, is_shown: bool
) -> None:
    """Solve it, write the results and print one line. Raises as `Given.problem`."""
    from inr.signals.files.picture_writing import WRITTEN

    problem = given.problem()
    stem = f"{problem.inputs.sources[0].stem}_{problem.task.type_name}"
    target = OutputTarget.of(output, f"{stem}.png", force=force, suffixes=(*WRITTEN, _MODEL))
    others = [OutputTarget.of(name, "", force=force, suffixes=WRITTEN) for name in exports]
    wants_fit = target.suffix(".png") == _MODEL
    with held() as interruption:
        solution = problem.solve(
            wants_fit=wants_fit, on_progress=_progress(out) if is_shown else None, should_stop=interruption.is_set
        )
    if interruption.is_set():
        raise interruption.error()
    out.notes(solution.notes)
    size = None
    for each in [*([] if wants_fit else [target]), *others]:
        _write_picture(out, solution, each)
    if wants_fit:
        assert solution.fit is not None
        data = solution.fit.to_bytes()
        target.write(data, keep=True)
        size = len(data)
    names = [target.name, *(each.name for each in others)]
    out.result("solve", _document(solution, names, size), _text(solution, target.name, size), target.name)
    if not solution.is_reached:
        wanted = f"{problem.settings.target:g} of 255 parts of its range"
        out.note(
            f"target not reached: the field is farther from the direct solution than {wanted}; more --time or steps"
        )
        raise typer.Exit(1)


def _progress(out: Output) -> Callable[[int, float], None]:
    last = [time.monotonic()]

    def shown(step: int, loss: float) -> None:
        if time.monotonic() - last[0] > _SHOWN_EVERY_S:
            last[0] = time.monotonic()
            out.note(f"step {step}: loss {loss:.2e}")

    return shown


def _write_picture(out: Output, solution: PictureSolution, target: OutputTarget) -> None:
    from inr.signals.image import Image

    suffix = target.suffix(".png")
    values, notes = solution.shown_as(suffix)
    with target.opened() as file:
        notes += Image.write(values, solution.meta, file, suffix)
    out.notes(notes)


def _text(solution: PictureSolution, name: str, size: int | None) -> str:
    height, width, _ = solution.values.shape
    parts = [f"{solution.task}  {width}x{height} pixels, {solution.n_free:,} solved"]
    if solution.off is not None:
        parts.append(f"off {solution.off:.2g} {solution.unit} rms, {solution.off_max:.2g} at most, from the direct one")
    if solution.fit is not None:
        db = solution.fit.metrics.get("psnr_db")
        parts += [] if db is None else [f"{db:.1f} dB"]
        parts += [f"{solution.fit.field.n_params:,} parameters"]
    parts += [] if size is None else [human_bytes(size)]
    return f"{printable(name)}  {'  '.join([*parts, human_seconds(solution.seconds)])}"


def _document(solution: PictureSolution, names: list[str], size: int | None) -> dict[str, Any]:
    return {
        "output": names[0],
        "exports": names[1:],
        "bytes": size,
        "task": solution.task,
        "n_free": solution.n_free,
        "off": solution.off,
        "off_max": solution.off_max,
        "unit": solution.unit,
        "steps": solution.steps,
        "metrics": {} if solution.fit is None else dict(solution.fit.metrics),
        "notes": list(solution.notes),
        "seconds": solution.seconds,
    }


def is_picture_problem(words: Sequence[str]) -> bool:
    """Whether the words are a task with its files, or name a file with kind = "picture".

    Raises UsageError for other words.
    """
    from inr.solving.pictures import TASKS

    if not words:
        return False
    if words[0] in TASKS:
        return True
    if len(words) == 1 and Path(words[0]).suffix not in ("", ".toml"):
        raise UsageError(
            f"{words[0]!r} is neither a problem file (.toml) nor a task: {', '.join(TASKS)}",
            "inr solve inpaint photo.png --mask mask.png",
        )
    if len(words) == 1 and not Path(words[0]).exists() and did_you_mean(words[0], TASKS):
        raise UsageError(f"unknown picture task {words[0]!r}{did_you_mean(words[0], TASKS)}")
    if len(words) > 1:
        raise UsageError(
            f"{words[0]!r}{did_you_mean(words[0], TASKS)} and {len(words) - 1} more, expected one problem file or a "
            f"task: {', '.join(TASKS)}",
            "inr solve clone target.png source.png -o out.png",
        )
    from inr.solving.tables import kind_of, read_problem

    try:
        return bool(kind_of(read_problem(words[0])) == "picture")
    except UnreadableError:  # it is read again, after the options are checked
        return False
