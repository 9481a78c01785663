"""`inr evolve`: a fitted shape that moves, as frames, a film or a model."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import UsageError
from inr.core.text import printable

from . import _options as options
from ._io import PIPE, OutputTarget, source
from ._machine import machine
from ._output import Output, human_bytes
from ._progress import PartProgress

if TYPE_CHECKING:
    import torch

    from inr.fitting import Fit
    from inr.mesh import MeshResult

_FILMS = (".gif", ".mp4")
_MODEL = ".safetensors"
_MOST_FRAMES = 1000
_SIZE = 480


def evolve(
    model: options.SolidModel,
    output: options.OutputPath = None,
    smooth: Annotated[
        float | None,
        typer.Option(
            metavar="A",
            help="Mean curvature flow: inwards with speed A (k1 + k2); A > 0, in squared mesh units per time.",
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    flow: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help='A velocity: three formulas of x, y, z and t, "-y, x, 0", in mesh units per time.',
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    morph: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL2",
            help="The shape to become: another fitted shape or point cloud.",
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    train: Annotated[
        bool,
        typer.Option(
            "--train",
            help="Train one field of space and time on the equation of --smooth or --flow (NISE).",
            rich_help_panel=options.VIEW,
        ),
    ] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Steps of --train, at least 1; 3000 by default.",
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    until: Annotated[
        float, typer.Option(metavar="T", help="The time of the last frame.", rich_help_panel=options.VIEW)
    ] = 1.0,
    frames: Annotated[
        int, typer.Option(metavar="N", help="How many, from the start to T: 1 to 1000.", rich_help_panel=options.VIEW)
    ] = 24,
    resolution: Annotated[
        int,
        typer.Option(
            metavar="N", help="Lattice cells along each side of the box: 8 to 512.", rich_help_panel=options.VIEW
        ),
    ] = 96,
    rate: Annotated[
        float,
        typer.Option(metavar="FPS", help="Frames per second of a film: 0.1 to 120.", rich_help_panel=options.VIEW),
    ] = 12.0,
    form: options.Format = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    no_progress: options.NoProgress = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
) -> None:
    """Move a fitted shape: by a flow, into another shape, or by its curvature.

    Writes one mesh per frame into a folder, a film (.gif, .mp4), or the shape at time T as a model (.safetensors).
    Flows and morphs need no training: the model holds the shape and the formulas. With --train it is one network of
    space and time, taken at T, for shapes without fine detail. Lengths are in mesh units.

    \b
    inr evolve bunny.safetensors --smooth 0.02 --frames 24 -o frames/
    inr evolve part.safetensors --flow "-y, x, 0" --until 1.57 -o turned.safetensors
    inr evolve part.safetensors --flow "0, 0, 0.2*sin(3*x)" -o wave.gif
    inr evolve a.safetensors --morph b.safetensors -o morph.mp4
    inr evolve bunny.safetensors --smooth 0.02 --train -o smooth.safetensors
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == PIPE)
    if sum(each is not None for each in (smooth, flow, morph)) != 1:
        raise UsageError("expected one of --smooth, --flow and --morph", '--smooth 0.02, or --flow "-y, x, 0"')
    if not 1 <= frames <= _MOST_FRAMES:
        raise UsageError(f"--frames is {frames}, expected 1 to {_MOST_FRAMES}")
    if not 0 < until < 1e6:
        raise UsageError(f"--until is {until:g}, expected a time above 0 and below 1e6")
    if not 8 <= resolution <= 512:
        raise UsageError(f"--resolution is {resolution}, expected 8 to 512 cells")
    if not 0.1 <= rate <= 120:
        raise UsageError(f"--rate is {rate:g}, expected 0.1 to 120 frames per second")
    if smooth is not None and not 0 < smooth < 1e6:
        raise UsageError(f"--smooth is {smooth:g}, expected a speed above 0 and below 1e6")
    if train and morph is not None:
        raise UsageError("--train has no use with --morph, whose frames need no training", "leave out --train")
    if steps is not None and not train:
        raise UsageError("--steps is for --train", "add --train, or leave out --steps")
    if steps is not None and steps < 1:
        raise UsageError(f"--steps is {steps}, expected at least 1")
    with machine(device, threads) as chosen:
        import inr
        from inr.workflows.evolve import times_of, vanished_at

        given = source(model)
        target = _Target.of(output, form, given.stem, frames, force=force)
        fit = inr.load(given)
        second = None if morph is None else inr.load(source(morph))
        times = [until] if target.is_model else times_of(until, frames)
        rows: list[dict[str, Any]] = []
        shown: list[MeshResult | None] = []
        fits: list[Fit | None] = []
        n_bytes, noted = 0, False
        moving: Iterator[tuple[Fit | None, MeshResult]]
        if train:
            progress = PartProgress(is_shown=not (no_progress or is_quiet), name="training")
            moving = _trained(fit, smooth, flow, times, resolution, steps, progress, out)
        else:
            moving = _moved(fit, smooth, flow, second, times, resolution, out)
        for time, (own, mesh) in zip(times, moving, strict=True):
            rows.append(_row(time, mesh))
            filled = None if mesh.outcome == "empty" else mesh
            if mesh.notes and not noted:
                noted = True
                out.notes([f"at t = {time:.4g}: {note}" for note in mesh.notes])
            if target.film is not None:
                shown.append(filled)
            elif target.is_model:
                shown, fits = [filled], [own]
            elif filled is not None:
                n_bytes += target.write_frame(len(rows) - 1, filled)
        if target.film is not None:
            data, notes = _film(shown, rate, target.suffix)
            out.notes(notes)
            target.film.write(data)
            n_bytes = len(data)
        if target.model is not None:
            if shown[0] is None:
                if as_json:
                    out.result("evolve", {"output": None, "bytes": 0, "empty_from": until, "frames": rows}, "", "")
                out.note(f"the shape is empty at t = {until:g}: no model was written")
                raise typer.Exit(1)
            kept = fits[0] if fits[0] is not None else _baked(shown[0], fit, f"--smooth {smooth:g}", chosen, out)
            data = kept.to_bytes()
            target.model.write(data, keep=True)
            n_bytes = len(data)
    end = vanished_at(times, [row["outcome"] == "empty" for row in rows])
    if end is not None and (smooth is None or train):
        out.note(f"the shape is empty from t = {end:.3g} on")
    document = {"output": target.name, "bytes": n_bytes, "empty_from": end, "frames": rows}
    what = "1 model" if target.is_model else "1 frame" if len(rows) == 1 else f"{len(rows)} frames"
    out.result("evolve", document, f"{printable(target.name)}  {what}  {human_bytes(n_bytes)}", target.name)
    if not as_json and not is_quiet and len(rows) > 1:
        _table(out, rows)


@dataclasses.dataclass(frozen=True)
class _Target:
    """Where frames go: a folder (one target per frame), a film, or a model."""

    name: str
    suffix: str
    frames: tuple[OutputTarget, ...] = ()
    film: OutputTarget | None = None
    model: OutputTarget | None = None

    @property
    def is_model(self) -> bool:
        return self.model is not None

    @classmethod
    def of(cls, output: str | None, form: str | None, stem: str, frames: int, *, force: bool) -> _Target:
        from inr.mesh import FORMATS

        suffix = "" if output is None else Path(output).suffix.lower()
        if output == PIPE or suffix in (*_FILMS, _MODEL):
            if form is not None:
                raise UsageError("--format is of frames in a folder, and -o is a file", "give -o a folder")
            if output == PIPE:
                raise UsageError("output is -, expected a folder, .gif, .mp4 or .safetensors", "-o frames/")
            target = OutputTarget.of(output, "", force=force)
            return cls(target.name, suffix, (), *((None, target) if suffix == _MODEL else (target, None)))
        if suffix:
            raise UsageError(
                f"output {output!r} has suffix {suffix!r}, expected a folder, .gif, .mp4 or .safetensors",
                f"for meshes -o {Path(str(output)).stem}/ --format {suffix[1:]}" if suffix in FORMATS else None,
            )
        kind = ".ply" if form is None else "." + form.lstrip(".").lower()
        if kind not in FORMATS:
            raise UsageError(f"--format is {form!r}, expected one of {', '.join(each[1:] for each in FORMATS)}")
        folder = Path(output or f"{stem}.frames")
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"output {str(folder)!r} is a file, expected a folder", "choose another -o")
        is_new = not folder.exists()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            targets = [OutputTarget.of(str(folder / f"frame_{k:04d}{kind}"), "", force=force) for k in range(frames)]
        except OSError as error:
            raise UsageError(f"cannot create the folder {str(folder)!r}: {error.strerror}") from error
        finally:
            if is_new and folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
        return cls(str(folder), kind, tuple(targets))

    def write_frame(self, number: int, mesh: MeshResult) -> int:
        """Write the mesh of a frame; returns its bytes."""
        from inr.mesh import save_mesh

        file = io.BytesIO()
        save_mesh(mesh, file, self.suffix)
        path = self.frames[number].path
        assert path is not None
        path.parent.mkdir(parents=True, exist_ok=True)
        self.frames[number].write(file.getvalue())
        return file.tell()


def _moved(
    fit: Fit, smooth: float | None, flow: str | None, second: Fit | None, times: Sequence[float], n: int, out: Output
) -> Iterator[tuple[Fit | None, MeshResult]]:
    """The fit of each time, None for curvature, and its mesh."""
    import inr
    from inr.fields.flowed import formulas_of
    from inr.mesh.extract import extract_mesh
    from inr.workflows.evolve import CurvatureFlow, flowed, morphed, overlap

    if smooth is not None:
        moving = CurvatureFlow(fit, smooth, n)
        for time in times:
            moving.advance(time)
            yield None, extract_mesh(moving, resolution=n).in_units(fit.frame)
        if moving.vanished is not None:
            out.note(f"the shape vanishes at t = {moving.vanished:.3g}, frames after it are empty")
        return
    if flow is not None:
        start = inr.extract_mesh(fit, min(n, 48))
        fits = flowed(fit, formulas_of(flow), times, start.vertices) if len(start.vertices) else []
        if not fits:
            raise UsageError("the model has no surface: nothing can be moved", "fit longer")
    else:
        assert second is not None
        share = overlap(fit, second)
        if share < 0.05:
            out.note(f"the shapes overlap by {100 * share:.2g} % only: they vanish or part in between; move one first")
        last = max(times)
        fits = morphed(fit, second, [time / last for time in times])
    for each in fits:
        yield each, inr.extract_mesh(each, n)


def _trained(
    fit: Fit,
    smooth: float | None,
    flow: str | None,
    times: Sequence[float],
    n: int,
    steps: int | None,
    progress: PartProgress,
    out: Output,
) -> Iterator[tuple[Fit | None, MeshResult]]:
    """The fit of each time, from one trained field of space and time, and its mesh."""
    import inr
    from inr.fields.flowed import formulas_of
    from inr.workflows.trained_motion import STEPS, trained_flow, trained_smoothing

    vertices = inr.extract_mesh(fit, min(n, 48)).vertices
    if not len(vertices):
        raise UsageError("the model has no surface: nothing can be moved", "fit longer")
    more: dict[str, Any] = {"steps": STEPS if steps is None else steps}
    with progress:

        def on_step(done: int, steps: int) -> None:
            progress(done / steps, f"step {done} of {steps}")

        if smooth is not None:
            found = trained_smoothing(fit, smooth, max(times), vertices, on_step=on_step, **more)
        else:
            assert flow is not None
            found = trained_flow(fit, formulas_of(flow), times, vertices, on_step=on_step, **more)
    out.note(
        f"trained in {more['steps']} steps: the start is off by {found.start_error:.3g} on average, "
        f"and the equation by {100 * found.equation_error:.2g} % of the motion"
    )
    for each in found.at(times):
        yield each, inr.extract_mesh(each, n)


def _row(time: float, mesh: MeshResult) -> dict[str, Any]:
    import numpy as np

    from inr.signals.solids.faces import area

    size = float(np.sum(area(mesh.vertices, mesh.faces))) if len(mesh.faces) else 0.0
    return {
        "time": time,
        "outcome": mesh.outcome,
        "n_faces": len(mesh.faces),
        "n_components": mesh.n_components,
        "volume": mesh.volume,
        "area": size,
        "is_closed": mesh.is_closed,
        "is_clipped": mesh.is_clipped,
    }


def _table(out: Output, rows: Sequence[dict[str, Any]]) -> None:
    columns = ["time", "parts", "faces", "volume", "area"]
    out.table(
        columns,
        [
            [f"{r['time']:.4g}", str(r["n_components"]), f"{r['n_faces']:,}", f"{r['volume']:.5g}", f"{r['area']:.5g}"]
            for r in rows
        ],
        right=columns,
    )


def _film(meshes: Sequence[MeshResult | None], rate: float, suffix: str) -> tuple[bytes, tuple[str, ...]]:
    """Pictures of all meshes in one view; empty frames show the background."""
    import numpy as np

    from inr.mesh.picture import picture
    from inr.signals.files.videos import encode

    ends = [
        end for mesh in meshes if mesh is not None for end in (mesh.vertices.min(axis=0), mesh.vertices.max(axis=0))
    ]
    if not ends:
        raise UsageError("all frames are empty: there is nothing to draw")
    low, high = np.min(ends, axis=0), np.max(ends, axis=0)
    corners = np.stack(np.meshgrid(*zip(low, high, strict=True), indexing="ij"), axis=-1).reshape(-1, 3)
    drawn = [None if mesh is None else picture(mesh, _SIZE, within=corners) for mesh in meshes]
    first = next(each for each in drawn if each is not None)
    blank = np.broadcast_to(first[0, 0], first.shape)
    return encode(np.stack([blank if each is None else each for each in drawn]), rate, suffix)


def _baked(mesh: MeshResult, fit: Fit, how: str, device: torch.device, out: Output) -> Fit:
    """A field fitted to the exact distances of a mesh."""
    from inr.fitting.warm_start import origin
    from inr.signals.shape import Shape
    from inr.workflows.fit import FitPlan

    signal = Shape.of_mesh(mesh.vertices, mesh.faces, name=fit.source or "mesh")
    out.notes(signal.notes)
    fitted = FitPlan.of(signal, device=device).fit()
    return dataclasses.replace(
        fitted, source=fit.source, provenance={"evolved": {**origin(fit, fit.source), "by": how}}
    )
