"""`inr batch`: fit or compress many signals, in a folder that remembers what is done."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr._errors import InrError, UsageError, unknown_name

from . import _options as options
from ._app import INTERRUPTED
from ._io import read_settings
from ._machine import machine
from ._output import Output, human_bytes, human_metric, human_seconds
from .compress import codec_backend
from .fit import TRACK_SHARE

if TYPE_CHECKING:
    from inr.batch import Batch, Result, Row


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
            help="What is done to each: fit, or compress (to .inrz files).",
            autocompletion=options.complete_job,
            rich_help_panel=options.MODEL,
        ),
    ] = "fit",
    field: Annotated[
        str | None,
        options.family("Field family; see inr fields. Default: that of --init, or the kind's, as for inr fit."),
    ] = None,
    settings: options.Settings = None,
    config: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Settings as TOML; options and --set win over it.", rich_help_panel=options.MODEL
        ),
    ] = None,
    init: options.Init = None,
    fresh: Annotated[
        str | None,
        typer.Option(
            metavar="WHAT",
            help="Choose a frequency setting by each signal's spectrum: auto, or activation.omega=30,60,90.",
            rich_help_panel=options.MODEL,
        ),
    ] = None,
    steps: options.Steps = None,
    time: options.Time = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="Stop each at this PSNR, or make each file as small as reaches it; exit code 1 if one does not.",
            rich_help_panel=options.TRAINING,
        ),
    ] = None,
    lr: options.Rate = None,
    samples: options.BatchSize = None,
    seed: options.Seed = None,
    track_ntk: Annotated[
        bool,
        typer.Option(
            "--track-ntk",
            help="Follow the tangent kernels, within 10 % of the time; the model files hold what was seen.",
            rich_help_panel=options.TRAINING,
        ),
    ] = False,
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
        typer.Option("--dry-run", help="Check everything, say what is left to do.", rich_help_panel=options.OUTPUT),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "-f", "--force", help="Do all again, and replace files that exist.", rich_help_panel=options.OUTPUT
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
    """Fit or compress many signals, in a folder that remembers what is done.

    DIR/manifest.jsonl says what is done, however a call ended. The same call again does what is left: inputs that are
    new, have changed, or failed. Failures are listed at the end; the exit code is the worst of them.

    \b
    inr batch photos -o models --steps 1000
    inr batch "sounds/**/*.wav" -o models -j 4 --field siren
    inr batch photos -o models --executor ray -j 64
    inr batch photos -o small --job compress --bpp 0.5 --effort 3
    """
    out = Output(as_json, is_quiet, verbosity)
    if workers is not None and workers < 1:
        raise UsageError(f"-j is {workers}, expected a whole number >= 1")
    if steps is not None and steps < 1:
        raise UsageError(f"--steps is {steps}, expected a whole number >= 1")
    flags = {
        "steps": steps,
        "time_s": None if time is None else options.seconds(time, "--time"),
        "target_psnr_db": target_psnr,
        "lr": lr,
        "batch": samples,
        "seed": seed,
        "track_ntk": TRACK_SHARE if track_ntk else None,
        "bpp": bpp,
        "size_bytes": None if size is None else options.size_bytes(size, "--size"),
        "quality": quality,
        "effort": effort,
        "profile": profile,
        "verify": False if no_verify else None,
    }
    flags = {key: value for key, value in flags.items() if value is not None}
    given = {"kind": kind, "field": field, "set": list(settings or []), "fresh": fresh, "flags": flags}
    with machine(device, threads, backend) as chosen:
        import torch

        from inr.batch import EXECUTORS, JOBS, Batch, Manifest, check_settings, collect
        from inr.batch._inputs import digest_of
        from inr.signals import Source

        for what, name, known in (("job", job, JOBS), ("executor", executor, EXECUTORS)):
            if name not in known:
                raise unknown_name(what, name, known)
        if init is not None:
            Source.of(init)
            given |= {"init": str(Path(init).resolve()), "init_sha256": digest_of(Path(init))}
        given["config"] = None if config is None else read_settings(config)
        document = {key: value for key, value in given.items() if value}
        items = collect(inputs, kind, output)
        check_settings(items, job, document)  # before the folder is made
        if dry_run:
            _say_plan(out, Batch(Manifest.seen(output), items, job, document, force=force), output)
            return
        n_workers = min(workers or 1, len(items))
        share = max(1, (threads or torch.get_num_threads()) // (n_workers if executor == "local" else 1))
        work = Work(job, document, device, share if executor == "local" or threads else 1, backend)
        with Manifest.opened(output) as manifest:
            run = Batch(manifest, items, job, document, force=force)
            out.notes(run.notes)
            n_kept = sum(row.state == "kept" for row in run.rows.values())
            if n_kept:
                out.note(f"{n_kept} of {len(items)} were done before")
            log = _Log(out, len(run.todo), is_shown=not (no_progress or is_quiet))
            is_interrupted = False
            try:
                run.run(EXECUTORS[executor](workers, on_gpu=chosen.type == "cuda"), work, log)
            except KeyboardInterrupt:
                is_interrupted = True
    _report(out, run, output)
    if is_interrupted:
        out.note("interrupted; the same command goes on")
        raise typer.Exit(INTERRUPTED)
    code = max(_code(row) for row in run.rows.values())
    if code:
        raise typer.Exit(code)


@dataclasses.dataclass(frozen=True)
class Work:
    """A job with what the command line says of the machine; goes to every worker."""

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

    def __call__(self, row: Row) -> None:
        self._n += 1
        if self._is_shown:
            said = "failed" if row.failure is not None else _said(row)
            self._out.note(f"[{self._n}/{self._total}] {row.name}  {said}")


def _said(row: Row) -> str:
    found = row.summary
    seconds = "" if "seconds" not in found else f"  {human_seconds(found['seconds'])}"
    return f"{_quality(row)}{seconds}" + ("" if _outcome(row) == "done" else f"  {_outcome(row)}")


def _quality(row: Row) -> str:
    name = row.summary.get("headline")
    return "" if name is None else human_metric(name, row.summary["metrics"].get(name))


def _outcome(row: Row) -> str:
    if row.state in ("failed", "waiting"):
        return row.state
    return str(row.summary.get("outcome", "done")).replace("_", " ")


def _code(row: Row) -> int:
    if row.failure is not None:
        return row.failure.exit_code
    return 0 if _outcome(row) == "done" else 1


def _report(out: Output, run: Batch, folder: Path) -> None:
    """The table, or the document; and a line for every failure."""
    rows = [run.rows[item.name] for item in run.items]
    failures = [row for row in rows if row.failure is not None]
    counts = {state: sum(row.state == state for row in rows) for state in ("done", "kept", "failed", "waiting")}
    if out.as_json:
        jobs = [
            {
                "input": row.name,
                "output": row.output,
                "state": row.state,
                "failure": None if row.failure is None else dataclasses.asdict(row.failure),
                **row.summary,
            }
            for row in rows
        ]
        out.result("batch", {"output": str(folder), **counts, "jobs": jobs}, "", "")
    elif out.is_quiet:
        for row in rows:
            if row.state in ("done", "kept"):
                typer.echo(str(folder / row.output))
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
        typer.echo(f"{folder}: {', '.join(parts)}")
    for row in failures:
        assert row.failure is not None
        problem = InrError(f"{row.name}: {row.failure.message}", None)
        problem.exit_code = row.failure.exit_code
        out.error(problem)


COLUMNS = {
    "field": ("field", "{}"),
    "parameters": ("n_params", "{:,}"),
    "profile": ("profile", "{}"),
    "bits per sample": ("bits_per_sample", "{:.3f}"),
}
"""What a kind of job says of its own: the key in a summary, and how it is written."""


def _cells(row: Row, folder: Path, own: Sequence[str]) -> tuple[str, ...]:
    found, path = row.summary, folder / row.output
    is_there = row.state in ("done", "kept") and path.exists()
    return (
        row.name,
        _outcome(row),
        *("" if found.get(key) is None else form.format(found[key]) for key, form in (COLUMNS[name] for name in own)),
        _quality(row),
        human_bytes(path.stat().st_size) if is_there else "",
        human_seconds(found["seconds"]) if "seconds" in found else "",
    )


def _say_plan(out: Output, run: Batch, folder: Path) -> None:
    out.notes(run.notes)
    todo = [item.name for item in run.todo]
    states = {name: row.state for name, row in run.rows.items()}
    text = "\n".join(f"{name}  {run.rows[name].output}" for name in todo)
    said = f"would do {len(todo)} of {len(states)} in {folder}"
    out.result("batch-plan", {"output": str(folder), "jobs": states}, f"{text}\n{said}".strip(), str(len(todo)))
