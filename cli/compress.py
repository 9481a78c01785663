"""`inr compress`: a signal or a model as a small file, decoded the same everywhere."""

from __future__ import annotations

import dataclasses
import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inr.core.errors import ConfigError, UsageError
from inr.core.text import printable

from . import _options as options
from ._batch import Document, check_jobs, folder_for, run_all
from ._encoding import StoppableEncoding, Stopping
from ._interrupts import nothing_to_lose
from ._io import PIPE, OutputTarget, source
from ._machine import codec_backend, machine
from ._output import Output, human_bytes, human_metric, human_seconds
from ._progress import PartProgress
from ._torch_library import load_ahead
from ._watch import AskedPage, watching_encoding

if TYPE_CHECKING:
    from inr.codec.compression_settings import CompressionSettings
    from inr.watch import EncodingWatch

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
            callback=options.output_name,
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="Smallest file that reaches this PSNR (sounds: SNR) when decoded; exit code 1 if none does.",
            rich_help_panel=options.RATE,
        ),
    ] = None,
    bpp: options.Bpp = None,
    size: options.Size = None,
    quality: options.Quality = None,
    effort: options.Effort = None,
    tune: options.Tune = "psnr",
    profile: options.Profile = None,
    kind: options.Kind = None,
    field: Annotated[
        str | None, options.family("Field family, for profile weights or grids. Default: the profile's own.")
    ] = None,
    settings: Annotated[list[str] | None, options.assignments("Any setting: field.* or signal.*")] = None,
    seed: options.Seed = None,
    is_kept: Annotated[
        bool,
        typer.Option(
            "--keep",
            help="If a signal stops it (Ctrl-C, SIGTERM): write the best so far. Pictures only.",
            rich_help_panel=options.TRAINING,
        ),
    ] = False,
    checkpoint: options.CheckpointFolder = None,
    save_every: options.SaveEvery = None,
    resume: options.Resume = None,
    jobs: options.Jobs = 1,
    no_verify: options.NoVerify = False,
    watch: options.Watch = None,
    is_opened: options.OpenPage = False,
    linger: options.Linger = None,
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

    Each file is verified by decoding it in a separate process, and the reported quality is that of the decoded signal.
    --device cuda trains pyramids on the GPU; all other work runs on the CPU. Ctrl-C leaves a checkpoint of a picture,
    from which --resume continues to the same bytes.

    \b
    inr compress photo.png -o photo.inrz --bpp 0.5
    inr compress photo.png --target-psnr 36 --effort 8
    inr compress *.png -o small/ -j 4
    inr compress cello.wav --size 60k
    inr compress photo.png --effort 9 --keep
    inr compress photo.png --resume photo.checkpoint -o photo.inrz
    inr compress photo.png --watch --open
    inr compress photo.safetensors -o photo.inrz     a model from inr fit
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == PIPE)
    check_jobs(jobs, inputs)
    asked = AskedPage.of(watch, is_opened, linger)
    if asked is not None and len(inputs) > 1:
        raise UsageError(f"--watch shows one encoding, but {len(inputs)} inputs are given")
    options.check_count("--save-every", save_every)
    stopping = Stopping(out, is_kept, checkpoint, resume, save_every)
    with nothing_to_lose():
        load_ahead()
        from inr.codec.compression_settings import DEFAULT_EFFORT, CompressionSettings
        from inr.codec.rate_target import RateTarget

    target = RateTarget(target_psnr, bpp, None if size is None else options.size_bytes(size, "--size"), quality)
    field_settings, signal_options = _settings(settings or [])
    if resume is not None:
        rates = {"--target-psnr": target_psnr, "--bpp": bpp, "--size": size, "--quality": quality, "--effort": effort}
        others = {"--profile": profile, "--field": field, "--set": field_settings or None, "--seed": seed}
        others["--tune"] = None if tune == "psnr" else tune
        _check_resume([name for name, value in (rates | others).items() if value is not None])
    if effort is None:
        effort = DEFAULT_EFFORT
    arguments = CompressionSettings(
        target, effort, profile, field, field_settings, seed or 0, not no_verify, device, tune
    )
    if len(inputs) > 1:
        _check_single(stopping, f"{len(inputs)} inputs are given")
    folder = folder_for(inputs, output)
    is_single = folder is None
    if not is_single:
        _check_single(stopping, f"-o {output} is a folder")
    if threads is None and jobs > 1 and not is_single:
        threads = max(1, (os.cpu_count() or 1) // jobs)
    is_shown = not (no_progress or is_quiet)
    tasks = [
        CompressTask(name, _target_name(name, output, folder), arguments, kind, signal_options, force, threads, backend,
             is_shown and (is_single or jobs == 1))
        for name in inputs
    ]  # fmt: skip
    with watching_encoding(asked, printable(Path(inputs[0]).name), out) as page:
        work = functools.partial(run, page=page, stopping=stopping if is_single else None)
        run_all(out, "compress", tasks, work, lambda task: task.name, _line, jobs, is_single=is_single)


@dataclasses.dataclass(frozen=True)
class CompressTask:
    """One input with its settings, for a separate process."""

    name: str
    target: str | None
    settings: CompressionSettings
    kind: str | None
    signal_options: dict[str, str]
    force: bool
    threads: int | None
    backend: str | None
    is_shown: bool


def run(task: CompressTask, page: EncodingWatch | None = None, stopping: Stopping | None = None) -> Document:
    """Compress one input and return the JSON document of the result.

    page: shows it, of a single input. stopping: None in a process for one of several inputs, which just ends.
    """
    from inr.codec.verification import Verifier
    from inr.core.memory import keep_freed_memory

    keep_freed_memory()
    with (
        Verifier.for_run(task.settings) as verifier,  # its process starts while torch is imported
        machine(task.settings.device, task.threads, task.backend) as device,
        codec_backend(task.backend),
    ):
        from inr.codec.compression_input import load_input
        from inr.codec.encode import compress_input

        given = source(task.name)
        target = OutputTarget.of(task.target, f"{given.stem}{SUFFIX}", force=task.force, suffixes=(SUFFIX,))
        loaded = load_input(given, task.kind, task.signal_options)
        encoding = None if stopping is None else StoppableEncoding(stopping, loaded, target, given.stem, _words(task))
        with PartProgress(is_shown=task.is_shown, name=printable(Path(given.name).name)) as progress:
            arguments = task.settings if encoding is None else encoding.settings_of(task.settings)
            arguments = dataclasses.replace(arguments, device=str(device))
            if page is not None:
                page.begin(loaded.signal, progress)
            if encoding is not None:
                made = encoding.run(arguments, page or progress, verifier)
            else:
                made = compress_input(loaded, arguments, page or progress, verifier=verifier)
                target.write(made.data, keep=True)
        if page is not None:
            page.end(made)
    found: Document = {"input": task.name, "output": target.name, **made.summary()}
    if encoding is not None and made.outcome == "interrupted":
        found["checkpoint"] = str(encoding.folder)
    return found


def _words(task: CompressTask) -> list[str | Path]:
    """The command that compresses this input, but for its settings and output."""
    words: list[str | Path] = ["inr", "compress", PIPE if task.name == PIPE else Path(task.name)]
    words += ["--kind", task.kind] if task.kind is not None else []
    for key, value in task.signal_options.items():
        words += ["--set", f"signal.{key}={value}"]
    return words


def _check_resume(given: list[str]) -> None:
    if given:
        raise UsageError(
            f"--resume takes its settings from the checkpoint, not from {' and '.join(given)}",
            "leave such options out, or start over without --resume",
        )


def _check_single(stopping: Stopping, given: str) -> None:
    """UsageError for options of one input and one output file, where something else is given."""
    for name, value in {
        "--keep": stopping.is_kept or None,
        "--checkpoint": stopping.checkpoint,
        "--resume": stopping.resume,
        "--save-every": stopping.save_every,
    }.items():
        if value is not None:
            raise UsageError(
                f"{name} works with one input and one output file, but {given}", "give one input, and a file as -o"
            )


def _line(document: Document) -> str:
    """`photo.inrz  33.51 dB PSNR  25.2 kB  0.512 bpp  pyramid  verified  42.1 s`."""
    from inr.codec.kind import CODEC_KINDS

    rate = document["bits_per_sample"]
    unit = CODEC_KINDS[document["kind"]].rate_unit
    parts = [
        printable(document["output"]),
        human_metric(document["headline"], document["metrics"].get(document["headline"])),
        f"{document['metrics']['ms_ssim']:.4f} MS-SSIM" if "ms_ssim" in document["metrics"] else "",
        human_bytes(document["bytes"]),
        "" if rate is None else f"{rate:.3f} {unit}",
        document["profile"],
        "verified" if document["is_verified"] else "not verified",
        human_seconds(document["seconds"] + document["verify_seconds"]),
        {"done": "", "interrupted": "interrupted"}.get(document["outcome"], "target not reached"),
    ]
    return "  ".join(part for part in parts if part)


def _target_name(name: str, output: str | None, folder: Path | None) -> str | None:
    return output if folder is None else str(folder / f"{Path(name.removeprefix('analytic:')).stem}{SUFFIX}")


def _settings(texts: list[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    from inr.core.sections import by_section

    problems: list[str] = []
    sections = by_section(texts, problems, ("field", "signal"))
    if problems:
        raise ConfigError(problems, "for example --set field.width=64")
    return tuple(sections["field"]), dict(text.split("=", 1) for text in sections["signal"])
