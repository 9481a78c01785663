"""`inr batch`: fit or compress many signals into a folder, and resume where an earlier call ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import InrError, unknown_name
from inr.core.text import printable

from . import _options as options
from ._interrupts import Interrupted
from ._io import read_settings
from ._machine import codec_backend, machine
from ._output import Output, human_bytes, human_metric, human_seconds, say, say_exactly
from ._parameters import as_flags

if TYPE_CHECKING:
    from inr.batch import BatchRow, BatchRun, Failure, Result


def batch(
    inputs: Annotated[
        list[str], typer.Argument(metavar="IN", help="Files, folders (with those within), or patterns in quotes.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder for results and their manifest.",
            rich_help_panel=options.OUTPUT,
        ),
    ],
    kind: options.Kind = None,
    job: Annotated[
        str,
        typer.Option(
            "--job",
            metavar="NAME",
            help="What to do with each: fit, or compress (to .inrz files).",
            autocompletion=options.complete_job,
            rich_help_panel=options.MODEL,
        ),
    ] = "fit",
    field: Annotated[
        str | None,
        options.family("Field family; see inr fields. Default: that of --init, or the kind's, as for inr fit."),
    ] = None,
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
            help="Stop each at this PSNR, or write the smallest files that reach it; exit code 1 if one does not.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    lr: options.Rate = None,
    samples: options.BatchSize = None,
    seed: options.Seed = None,
    track_ntk: options.TrackNtk = False,
    bpp: options.Bpp = None,
    size: options.Size = None,
    quality: options.Quality = None,
    effort: options.Effort = None,
    profile: options.Profile = None,
    no_verify: options.NoVerify = False,
    workers: Annotated[
        int | None,
        typer.Option(
            "-j",
            "--jobs",
            metavar="N",
            help="Signals at a time. Default: 1; with ray: the cluster's CPUs.",
            show_default=False,
            rich_help_panel=options.MACHINE,
        ),
    ] = None,
    executor: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Where jobs run: local processes, or ray (RAY_ADDRESS, a cluster of this machine, or a new one).",
            rich_help_panel=options.MACHINE,
        ),
    ] = "local",
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Validate the settings and print what is left to do.", rich_help_panel=options.OUTPUT
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "-f", "--force", help="Redo everything, and replace files that exist.", rich_help_panel=options.OUTPUT
        ),
    ] = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Fit or compress many signals into a folder, and resume where an earlier call ended.

    DIR/manifest.jsonl records what is done, also when a call is killed. The same call again does the rest: inputs that
    are new, have changed, or failed. Failures are listed at the end; the exit code is the worst of them.

    \b
    inr batch photos -o models --steps 1000
    inr batch "sounds/**/*.wav" -o models -j 4 --field siren
    inr batch photos -o models --executor ray -j 64
    inr batch photos -o small --job compress --bpp 0.5 --effort 3
    """
    out = Output(as_json, is_quiet, verbosity)
    options.check_count("-j", workers)
    options.check_count("--steps", steps)
    codec_flags = {
        "bpp": bpp,
        "size_bytes": None if size is None else options.size_bytes(size, "--size"),
        "quality": quality,
        "effort": effort,
        "profile": profile,
        "verify": False if no_verify else None,
    }
    flags = options.fit_flags(steps, time, target_psnr, lr, samples, seed, track_ntk=track_ntk)
    flags |= {key: value for key, value in codec_flags.items() if value is not None}
    given = {"kind": kind, "field": field, "set": list(settings or []), "fresh": fresh, "flags": flags}
    given["recipe"] = "" if recipe == "best" else options.recipe(recipe)
    with machine(device, threads, backend) as chosen:
        import torch

        from inr.batch import EXECUTORS, JOBS, BatchRun, Manifest, check_settings, collect, digest_of
        from inr.fitting import Fit

        for what, name, known in (("job", job, JOBS), ("executor", executor, EXECUTORS)):
            if name not in known:
                raise unknown_name(what, name, known)
        if init is not None:
            Fit.load(init)
            given |= {"init": str(Path(init).resolve()), "init_sha256": digest_of(Path(init))}
        given["config"] = None if config is None else read_settings(config)
        document = {key: value for key, value in given.items() if value}
        items = collect(inputs, kind, output)
        check_settings(items, job, document)  # before the folder is made
        place = EXECUTORS[executor](workers, on_gpu=chosen.type == "cuda")
        place.check()
        if dry_run:
            plan = BatchRun(Manifest.read(output), items, job, document, force=force)
            plan.rehearse(chosen)
            _say_plan(out, plan, output)
            _exit(row.failure.exit_code for row in plan.rows.values() if row.failure is not None)
            return
        n_workers = min(workers or 1, len(items))
        share = max(1, (threads or torch.get_num_threads()) // (n_workers if executor == "local" else 1))
        work = Work(job, document, device, share if executor == "local" or threads else 1, backend)
        with Manifest.opened(output) as manifest:
            run = BatchRun(manifest, items, job, document, force=force)
            out.notes(run.notes)
            n_kept = sum(row.state == "kept" for row in run.rows.values())
            if n_kept:
                out.note(f"{n_kept} of {len(items)} were done before")
            log = _Log(out, len(run.pending), is_shown=not (no_progress or is_quiet))
            interrupted = None
            try:
                run.run(place, work, log)
            except (Interrupted, KeyboardInterrupt) as error:
                interrupted = error if isinstance(error, Interrupted) else Interrupted()
    _report(out, run, output)
    if interrupted is not None:
        say("interrupted; the same command continues", err=True)
        raise typer.Exit(interrupted.exit_code)
    _exit(_code(row) for row in run.rows.values())


@dataclasses.dataclass(frozen=True)
class Work:
    """A job with the machine options of the command line; it is sent to every worker."""

    job: str
    settings: Mapping[str, Any]
    device: str
    threads: int
    backend: str | None

    def __call__(self, path: Path) -> Result:
        with machine(self.device, self.threads, self.backend) as chosen, codec_backend(self.backend):
            from inr.batch import JobWork

            return JobWork(self.job, self.settings, str(chosen))(path)


class _Log:
    """A line on stderr for every job that ends: `[3/24] kodim03.png  31.20 dB PSNR  4.1 s`."""

    def __init__(self, out: Output, total: int, *, is_shown: bool) -> None:
        self._out, self._total, self._is_shown, self._n = out, total, is_shown, 0

    def __call__(self, row: BatchRow) -> None:
        self._n += 1
        if self._is_shown:
            said = "failed" if row.failure is not None else _said(row)
            self._out.note(f"[{self._n}/{self._total}] {printable(row.name)}  {said}")


def _said(row: BatchRow) -> str:
    found = row.summary
    seconds = "" if "seconds" not in found else f"  {human_seconds(found['seconds'])}"
    return f"{_quality(row)}{seconds}" + ("" if _outcome(row) == "done" else f"  {_outcome(row)}")


def _quality(row: BatchRow) -> str:
    name = row.summary.get("headline")
    return "" if name is None else human_metric(name, row.summary["metrics"].get(name))


def _outcome(row: BatchRow) -> str:
    if row.state in ("failed", "waiting"):
        return row.state
    return str(row.summary.get("outcome", "done")).replace("_", " ")


def _exit(codes: Iterable[int]) -> None:
    """End the program with the worst of the exit codes, if that is not 0."""
    code = max(codes, default=0)
    if code:
        raise typer.Exit(code)


def _code(row: BatchRow) -> int:
    if row.failure is not None:
        return row.failure.exit_code
    return 0 if _outcome(row) == "done" else 1


def _report(out: Output, run: BatchRun, folder: Path) -> None:
    """The table, or the document; and a line for every failure."""
    rows = [run.rows[item.name] for item in run.items]
    counts = {state: sum(row.state == state for row in rows) for state in ("done", "kept", "failed", "waiting")}
    if out.as_json:
        jobs = [
            {
                "input": row.name,
                "output": row.output,
                "state": row.state,
                "failure": None if row.failure is None else _failure(row.failure),
                **row.summary,
            }
            for row in rows
        ]
        out.result("batch", {"output": str(folder), **counts, "jobs": jobs}, "", "")
    elif out.is_quiet:
        for row in rows:
            if row.state in ("done", "kept"):
                say_exactly(str(folder / row.output))
    else:
        own = [name for name, (key, _) in COLUMNS.items() if any(row.summary.get(key) is not None for row in rows)]
        out.table(
            ("input", "outcome", *own, "quality", "bytes", "time"),
            [_cells(row, folder, own) for row in rows],
            right=("parameters", "bits per sample", "bytes", "time"),
        )
        parts = [f"{counts['done']} done"]
        parts += [f"{counts['kept']} done before"] * (counts["kept"] > 0)
        parts += [f"{counts[state]} {state}" for state in ("failed", "waiting") if counts[state]]
        say(f"{printable(str(folder))}: {', '.join(parts)}")
    _say_failures(out, rows)


def _say_failures(out: Output, rows: Sequence[BatchRow]) -> None:
    for row in rows:
        if row.failure is None:
            continue
        problem = InrError(f"{row.name}: {row.failure.message}", row.failure.hint)
        problem.exit_code = row.failure.exit_code
        out.error(problem)


def _failure(failure: Failure) -> dict[str, Any]:
    hint = None if failure.hint is None else as_flags(failure.hint)
    return {"message": as_flags(failure.message), "hint": hint, "exit_code": failure.exit_code}


COLUMNS = {
    "field": ("field", "{}"),
    "parameters": ("n_params", "{:,}"),
    "profile": ("profile", "{}"),
    "bits per sample": ("bits_per_sample", "{:.3f}"),
}
"""The value that only this kind of job reports: its key in a summary, and how it is printed."""


def _cells(row: BatchRow, folder: Path, own: Sequence[str]) -> tuple[str, ...]:
    found, path = row.summary, folder / row.output
    is_there = row.state in ("done", "kept") and path.exists()
    return (
        printable(row.name),
        _outcome(row),
        *("" if found.get(key) is None else form.format(found[key]) for key, form in (COLUMNS[name] for name in own)),
        _quality(row),
        human_bytes(path.stat().st_size) if is_there else "",
        human_seconds(found["seconds"]) if "seconds" in found else "",
    )


def _say_plan(out: Output, run: BatchRun, folder: Path) -> None:
    out.notes(run.notes)
    pending = [item.name for item in run.pending]
    states = {name: row.state for name, row in run.rows.items()}
    text = "\n".join(f"{printable(name)}  {printable(run.rows[name].output)}" for name in pending)
    said = f"would do {len(pending)} of {len(states)} in {printable(str(folder))}"
    out.result("batch-plan", {"output": str(folder), "jobs": states}, f"{text}\n{said}".strip(), str(len(pending)))
    _say_failures(out, list(run.rows.values()))
