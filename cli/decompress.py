"""`inr decompress`: an .inrz file back to a picture, sound, mesh, array or model."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inr.core.errors import UnreadableError, UsageError, unknown_name
from inr.core.text import printable

from . import _options as options
from ._batch import Document, check_jobs, folder_for, run_all
from ._io import PIPE, OutputTarget
from ._machine import check_threads, codec_backend, machine, without_linear_algebra
from ._output import Output, human_bytes, human_seconds

if TYPE_CHECKING:
    from inr.codec import Decoded, Limits

MODEL = ".safetensors"
MESHES = (".ply", ".obj", ".stl", ".glb")
LARGE = 2**6
"""The factor of `--allow-large` on the limits."""


def decompress(
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="IN...", help="Files written by inr compress; - reads stdin.", show_default=False),
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="A file, whose suffix sets the format, or a folder; - is stdout. Default: the input's name, here.",
            callback=options.output_name,
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="NAME",
            help="png, wav, npy, ply ..., or model. Default: from the suffix of -o, or the kind of signal.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Cells of a mesh along each side of the box. Default: 256, more for thin shapes.",
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,W,H",
            help="Write a part of a picture, in pixels: left, top, width, height.",
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    allow_large: Annotated[
        bool,
        typer.Option(
            "--allow-large",
            help="Raise the limits that guard against hostile files to 64 times their size.",
            rich_help_panel=options.INPUT,
        ),
    ] = False,
    jobs: options.Jobs = 1,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Decompress .inrz files to pictures, sounds, meshes, arrays, or models that inr render and inr mesh take.

    \b
    inr decompress photo.inrz -o photo.png
    inr decompress *.inrz -o out/ -j 4
    inr decompress large.inrz -o detail.png --crop 4000,2000,800,600
    inr decompress bunny.inrz -o bunny.ply --resolution 512
    inr decompress photo.inrz --to model -o photo.safetensors
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == PIPE)
    check_jobs(jobs, inputs)
    options.check_count("--resolution", resolution)
    folder = folder_for(inputs, output)
    box = None if crop is None else _box(crop)
    tasks = [
        DecompressTask(name, output, folder, to, resolution, box, allow_large, force, threads, backend)
        for name in inputs
    ]
    run_all(out, "decompress", tasks, run, lambda task: task.name, _line, jobs, is_single=folder is None)


@dataclasses.dataclass(frozen=True)
class DecompressTask:
    """One input with its settings, for a separate process."""

    name: str
    output: str | None
    folder: Path | None
    to: str | None
    resolution: int | None
    crop: tuple[int, int, int, int] | None
    allow_large: bool
    force: bool
    threads: int | None
    backend: str | None


def _box(text: str) -> tuple[int, int, int, int]:
    form = "whole numbers such as 100,50,64,64"
    values = options.whole_numbers(text, "--crop", form)
    if len(values) != 4:
        raise UsageError(f"--crop is {text!r}, expected {form}")
    return values[0], values[1], values[2], values[3]


def run(task: DecompressTask) -> Document:
    """Decompress one input and return the JSON document of the result."""
    import threading
    import time

    without_linear_algebra()
    from inr.codec import decode
    from inr.codec.decoded import check_crop, formats_of
    from inr.codec.guards import naming

    limits = _limits(task.allow_large)
    data = _bytes(task.name, limits)
    with naming(task.name):
        header = decode.inspect(data, limits=limits).header
    suffixes = (*formats_of(header), *(MESHES if not header.is_lattice else ()), MODEL)
    default = MESHES[0] if not header.is_lattice else suffixes[0]
    target, suffix = _target(task, suffixes, default)
    if task.crop is not None:
        check_crop(header, task.crop)
        if suffix in (MODEL, *MESHES):
            raise UsageError(f"--crop is given, but {suffix} holds no pixels", "leave it out, or write .png")
    with _machine(task.threads, task.backend, needs_torch=suffix in (MODEL, *MESHES) or header.codec_kind.needs_torch):
        started = time.perf_counter()
        # Compiled loops leave the interpreter to another thread.
        importing = threading.Thread(target=header.codec_kind.import_writer, args=(suffix,), daemon=True)
        importing.start()
        with naming(task.name):
            decoded = decode.decompress(data, limits=limits)
        importing.join()
        n_bytes, notes = _write(decoded, suffix, task, target)
        seconds = time.perf_counter() - started
    return {
        "input": task.name,
        "output": target.name if n_bytes else None,
        "outcome": "done" if n_bytes else "empty",
        "bytes": n_bytes,
        "kind": header.kind,
        "profile": decoded.profile,
        "shape": list(header.shape if task.crop is None else task.crop[2:]) or None,
        "channels": header.channels,
        "format": suffix[1:],
        "symbols_sha256": decoded.symbols_sha256.hex(),
        "seconds": seconds,
        "notes": list(notes),
    }


def _write(decoded: Decoded, suffix: str, task: DecompressTask, target: OutputTarget) -> tuple[int, tuple[str, ...]]:
    """Write the output; returns its size, 0 for an empty mesh, which is not written, and notes."""
    if suffix == MODEL:
        data = decoded.fit().to_bytes()
        target.write(data)
        return len(data), ()
    if suffix in MESHES:
        import inr
        from inr.mesh import save_mesh

        mesh = inr.extract_mesh(decoded.fit(), task.resolution)
        if mesh.outcome == "empty":
            low, high = mesh.value_range
            return 0, (f"empty mesh: the field never crosses 0; its values range from {low:.4g} to {high:.4g}",)
        with target.opened() as file:
            notes = tuple(save_mesh(mesh, file, suffix))
            return file.seek(0, io.SEEK_END), (*notes, *mesh.notes)
    from inr.codec.decoded import write

    with target.opened() as file:
        notes = write(decoded, file, suffix, task.crop)
        return file.seek(0, io.SEEK_END), notes


def _target(task: DecompressTask, suffixes: tuple[str, ...], default: str) -> tuple[OutputTarget, str]:
    """The output and its format."""
    chosen = None if task.to is None else "." + task.to.lstrip(".").lower()
    chosen = {".model": MODEL, ".mesh": MESHES[0]}.get(chosen or "", chosen)
    if chosen is not None and chosen not in suffixes:
        raise unknown_name("format", str(task.to), [suffix[1:] for suffix in suffixes[:-1]] + ["model"])
    stem = Path(task.name).stem if task.name != PIPE else "stdin"
    name = task.output if task.folder is None else str(task.folder / (stem + (chosen or default)))
    target = OutputTarget.of(name, stem + (chosen or default), force=task.force, suffixes=() if chosen else suffixes)
    if chosen is None:
        chosen = target.suffix(default)
    return target, chosen


def _bytes(name: str, limits: Limits) -> bytes:
    if name != PIPE:
        from inr.codec.decode import read

        return read(name, limits)
    if sys.stdin is None:
        raise UsageError("input is -, but stdin is closed, expected a pipe", "inr decompress - < FILE")
    if sys.stdin.isatty():
        raise UsageError("input is -, but stdin is a terminal, expected a pipe", "inr decompress - < FILE")
    data = sys.stdin.buffer.read()
    if not data:
        raise UnreadableError("stdin is empty")
    return data


def _limits(is_large: bool) -> Limits:
    from inr.codec import Limits

    standard = Limits()
    if not is_large:
        return standard
    counts = ("samples", "parameters", "symbols", "table", "expansion_bytes", "work")
    return dataclasses.replace(standard, **{name: LARGE * getattr(standard, name) for name in counts})


@contextlib.contextmanager
def _machine(threads: int | None, backend: str | None, *, needs_torch: bool) -> Iterator[None]:
    """Set threads and backend; import torch only if the result needs it."""
    if not needs_torch and backend in (None, "reference"):
        from inr.core.jit import skip_scipy_blas_import

        skip_scipy_blas_import()
        check_threads(threads)
        if threads is not None:
            from inr.kernels.threads import use_threads

            use_threads(threads)
        with codec_backend(backend):
            yield
        return
    with machine("cpu", threads, backend), codec_backend(backend):
        yield


def _line(document: Document) -> str:
    """`photo.png  768x512  812.3 kB  0.6 s`."""
    if document["outcome"] == "empty":
        return f"{printable(document['input'])}  nothing written"
    shape = "x".join(map(str, document["shape"])) if document["shape"] else document["kind"]
    return "  ".join(
        (printable(document["output"]), shape, human_bytes(document["bytes"]), human_seconds(document["seconds"]))
    )
