"""`inr compress`: a signal or a model as a small file, decoded the same everywhere."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inr._errors import ConfigError

from . import _options as options
from ._batch import Document, Failure, check_jobs, conclude, each, folder_for
from ._io import PIPE, Target, source
from ._machine import machine
from ._output import Output, human_bytes, human_metric, human_seconds
from ._progress import PartProgress

if TYPE_CHECKING:
    from inr.codec.encode import Request

SUFFIX = ".inrz"


def compress(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help="Files, or models written by inr fit; - reads stdin.", show_default=False),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="A file, or a folder for several; - is stdout. Default: the input's name with .inrz, here.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="As few bytes as reach this PSNR (sounds: SNR) of what is decoded; exit code 1 if they do not.",
            rich_help_panel=options.AIM,
        ),
    ] = None,
    bpp: options.Bpp = None,
    size: options.Size = None,
    quality: options.Quality = None,
    effort: options.Effort = None,
    profile: options.Profile = None,
    kind: options.Kind = None,
    field: Annotated[
        str | None, options.family("Field family, for profile weights or grids. Default: the profile's own.")
    ] = None,
    settings: Annotated[list[str] | None, options.assignments("Any setting: field.* or signal.*")] = None,
    seed: options.Seed = None,
    jobs: options.Jobs = 1,
    no_verify: options.NoVerify = False,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "cpu",
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Compress pictures, sounds, shapes and arrays, or models of them, to .inrz files.

    The file is decoded by a fresh process before it is let out, and the quality that is said is of what that wrote.
    With --device cuda a pyramid is trained there; everything else is done on the CPU.

    \b
    inr compress photo.png -o photo.inrz --bpp 0.5
    inr compress photo.png --target-psnr 36 --effort 8
    inr compress *.png -o small/ -j 4
    inr compress cello.wav --size 60k
    inr compress photo.safetensors -o photo.inrz     a model that inr fit wrote
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == PIPE)
    check_jobs(jobs)
    from inr.codec.encode import Request
    from inr.codec.profile import DEFAULT_EFFORT, Aim

    aim = Aim(target_psnr, bpp, None if size is None else options.size_bytes(size, "--size"), quality)
    field_settings, signal_options = _settings(settings or [])
    if effort is None:
        effort = DEFAULT_EFFORT
    request = Request(aim, effort, profile, field, field_settings, seed or 0, not no_verify, device)
    folder = folder_for(inputs, output)
    is_single = folder is None
    if threads is None and jobs > 1 and not is_single:
        threads = max(1, (os.cpu_count() or 1) // jobs)
    is_shown = not (no_progress or is_quiet)
    tasks = [
        Task(name, _target_name(name, output, folder), request, kind, signal_options, force, threads, backend,
             is_shown and (is_single or jobs == 1))
        for name in inputs
    ]  # fmt: skip
    results: list[Document | Failure] = []
    for result in each(tasks, run, lambda task: task.name, jobs):
        results.append(result)
        if isinstance(result, Failure):
            continue
        out.notes(result.pop("notes"))
        if not is_single and not as_json:
            typer.echo(result["output"] if is_quiet else _line(result))
    conclude(out, "compress", results, _line, is_single)


@dataclasses.dataclass(frozen=True)
class Task:
    """One input, and all that a process of its own needs to know."""

    name: str
    target: str | None
    request: Request
    kind: str | None
    signal_options: dict[str, str]
    force: bool
    threads: int | None
    backend: str | None
    is_shown: bool


def run(task: Task) -> Document:
    """Compress one input; the document of what came out."""
    with machine(task.request.device, task.threads, task.backend) as device, codec_backend(task.backend):
        from inr.codec.encode import compress_subject, load

        given = source(task.name)
        target = Target.of(task.target, f"{given.stem}{SUFFIX}", force=task.force, suffixes=(SUFFIX,))
        subject = load(given, task.kind, task.signal_options)
        with PartProgress(is_shown=task.is_shown, name=Path(given.name).name) as progress:
            request = dataclasses.replace(task.request, device=str(device))
            made = compress_subject(subject, target.path, request, progress)
        if target.is_stdout:
            target.write(made.data)
    return {"input": task.name, "output": target.name, **made.summary()}


def _line(document: Document) -> str:
    """`photo.inrz  33.51 dB PSNR  25.2 kB  0.512 bpp  pyramid  verified  42.1 s`."""
    rate = document["bits_per_sample"]
    unit = "bpp" if document["kind"] == "image" else "bits/sample"
    parts = [
        document["output"],
        human_metric(document["headline"], document["metrics"].get(document["headline"])),
        human_bytes(document["bytes"]),
        "" if rate is None else f"{rate:.3f} {unit}",
        document["profile"],
        "verified" if document["is_verified"] else "not verified",
        human_seconds(document["seconds"] + document["verify_seconds"]),
        "" if document["outcome"] == "done" else "target not reached",
    ]
    return "  ".join(part for part in parts if part)


def _target_name(name: str, output: str | None, folder: Path | None) -> str | None:
    return output if folder is None else str(folder / f"{Path(name.removeprefix('analytic:')).stem}{SUFFIX}")


def _settings(texts: list[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    from inr.fitting.request import by_section

    problems: list[str] = []
    sections = by_section(texts, problems, ("field", "signal"))
    if problems:
        raise ConfigError(problems, "for example --set field.width=64")
    return tuple(sections["field"]), dict(text.split("=", 1) for text in sections["signal"])


@contextlib.contextmanager
def codec_backend(name: str | None) -> Iterator[None]:
    """The entropy coder looks at INR_BACKEND, as does the fresh process that verifies."""
    if name is None:
        yield
        return
    before = os.environ.get("INR_BACKEND")
    os.environ["INR_BACKEND"] = name
    try:
        yield
    finally:
        if before is None:
            del os.environ["INR_BACKEND"]
        else:
            os.environ["INR_BACKEND"] = before
