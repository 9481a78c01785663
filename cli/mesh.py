"""`inr mesh`: the surface of a fitted shape as a triangle mesh."""

from __future__ import annotations

import dataclasses
import io
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.text import count_of, printable

from . import _options as options
from ._io import formatted_target, source
from ._machine import machine
from ._output import Output, human_bytes

if TYPE_CHECKING:
    from inr.mesh import LargeMesh, MeshCheck, MeshResult

    from ._io import OutputTarget


def mesh(
    model: options.SolidModel,
    output: options.OutputPath = None,
    resolution: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Lattice cells along each side of what is meshed: the box of the model, or a larger one where "
            "--offset or --shell reach beyond it. Default: 256, more for thin shapes.",
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    level: Annotated[
        float,
        typer.Option(
            "--level",
            "--offset",
            metavar="D",
            help="Distance of the surface, in mesh units; negative is inside. Default: 0.",
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = 0.0,
    method: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="cubes: marching cubes. dual: keeps sharp edges and corners. nets: evenly shaped triangles.",
            rich_help_panel=options.VIEW,
        ),
    ] = "cubes",
    shell: Annotated[
        float,
        typer.Option(
            metavar="T",
            help="A closed shell of this thickness around the surface, in mesh units.",
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = 0.0,
    dense: Annotated[
        bool,
        typer.Option(
            "--dense", help="Evaluate every lattice point, not only near the surface.", rich_help_panel=options.VIEW
        ),
    ] = False,
    keep_specks: Annotated[
        bool,
        typer.Option(
            "--keep-specks",
            help="Keep separate parts of 3 cells or less, which are left out if they have under 1 % of the area.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    simplify: Annotated[
        float | None,
        typer.Option(
            metavar="TOL",
            help="Fewer triangles, at most this far from the surface extracted, in mesh units.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    colour: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Colours of the vertices from this model: 3 coordinates to 1, 3 or 4 values in [0, 1], same box.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    uv: Annotated[
        bool,
        typer.Option(
            "--uv",
            help="With --colour: texture coordinates and an image instead of vertex colours (.glb; needs xatlas).",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Print whether it is closed, manifold and free of crossings; exit code 1 if not closed or manifold.",
            rich_help_panel=options.OUTPUT,
        ),
    ] = False,
    form: options.Format = None,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    device: options.Device = "auto",
    threads: options.Threads = None,
    backend: options.Backend = None,
) -> None:
    """Extract the surface of a fitted shape as a mesh, in its units.

    The mesh of an open surface is open, too.

    \b
    inr mesh bunny.safetensors -o bunny.ply
    inr mesh bunny.safetensors --resolution 512 -o bunny.glb
    inr mesh bunny.safetensors -o bunny.png     a shaded picture
    inr mesh bunny.safetensors -o bunny.stl --simplify 0.01 --check
    inr mesh part.safetensors -o part.stl --method dual     sharp edges
    inr mesh shape.safetensors -o shape.glb --colour colours.safetensors --uv
    inr mesh shirt.safetensors -o shirt.stl --shell 1.5    a printable sheet
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == "-")
    with machine(device, threads, backend) as chosen:
        import inr
        from inr.core.errors import UsageError
        from inr.mesh import (
            FORMATS,
            LARGE_FORMATS,
            LEAST_LARGE,
            MAX_RESOLUTION,
            Mesh,
            check_mesh,
            colour_at,
            large_mesh_of_fit,
            leaves_box,
            save_mesh,
            textured,
        )
        from inr.mesh import simplify as simplified

        given = source(model)
        fit = inr.load(given)
        fit.field.to(chosen)
        target, suffix = formatted_target(output, form, f"{given.stem}.mesh", FORMATS, FORMATS[0], force=force)
        if uv and (colour is None or suffix != ".glb"):
            missing = "a model for --colour" if colour is None else f"an output in .glb, not {suffix}"
            raise UsageError(f"--uv writes a texture of colours and needs {missing}", "see `inr mesh --help`")
        shades = None if colour is None else colour_at(fit, inr.load(source(colour)))
        is_plain = method == "cubes" and not (dense or check or shell or simplify is not None or colour is not None)
        is_signed = fit.spec.quantity == "distances" and not fit.spec.traits.is_unsigned
        is_large = resolution is not None and LEAST_LARGE < resolution <= MAX_RESOLUTION and suffix in LARGE_FORMATS
        may_be_large = is_plain and is_signed and is_large
        if may_be_large and resolution is not None and not (level > 0 and leaves_box(fit, level)):
            _write_large(large_mesh_of_fit(fit, resolution, level=level), target, suffix, level, out)
            return
        result = inr.extract_mesh(
            fit, resolution, level=level, shell=shell, method=method, dense=dense, keep_specks=keep_specks
        )
    document = _document(result)
    if result.outcome == "empty":
        if result.open is None:
            _say_empty(result, level, out)
        else:
            if as_json:
                out.result("mesh", {"output": None, **document}, "", "")
            coarser = max(4, result.resolution // 2)
            spacing = max(fit.frame.domain.extent) / result.resolution
            low, _ = result.value_range
            out.note(f"no surface: the smallest value is {low:.3g}, where lattice points are {spacing:.3g} apart")
            out.note(f"hint: fit longer, or use --resolution {coarser}")
        raise typer.Exit(1)
    checked = None
    if simplify is not None:
        n_before = len(result.faces)
        result, deviation = simplified(result, simplify)
        document = {**_document(result), "n_faces_before": n_before, "deviation": deviation}
        out.note(f"simplified from {n_before:,} to {len(result.faces):,} faces, {deviation:.3g} from them at most")
    if check:
        checked = check_mesh(result)
        document["check"] = dataclasses.asdict(checked)
        out.note("check: " + _words(checked))
    mesh_out: Mesh = result
    if shades is not None:
        mesh_out = textured(result, shades) if uv else dataclasses.replace(result, colors=shades(result.vertices))
    file = io.BytesIO()
    out.notes(save_mesh(mesh_out, file, suffix))
    target.write(file.getvalue())
    out.notes(result.notes)
    text = (
        f"{printable(target.name)}  {len(result.vertices):,} vertices  {len(result.faces):,} faces  "
        f"{_kind_of(result)}  {human_bytes(file.tell())}"
    )
    out.result("mesh", {"output": target.name, "bytes": file.tell(), **document}, text, target.name)
    if checked is not None and not checked.is_sound:
        raise typer.Exit(1)


def _write_large(result: LargeMesh, target: OutputTarget, suffix: str, level: float, out: Output) -> None:
    """Write a mesh a part at a time, and print what was found."""
    from inr.mesh import save_large

    if result.outcome == "empty":
        _say_empty(result, level, out)
        raise typer.Exit(1)
    with target.opened() as file:
        out.notes(save_large(result, file, suffix))
        n = file.tell()
    out.notes(result.notes)
    text = (
        f"{printable(target.name)}  {len(result.vertices):,} vertices  {len(result.faces):,} faces  "
        f"{_kind_of(result)}  {human_bytes(n)}"
    )
    out.result("mesh", {"output": target.name, "bytes": n, **_document(result)}, text, target.name)


def _say_empty(result: MeshResult | LargeMesh, level: float, out: Output) -> None:
    low, high = result.value_range
    if out.as_json:
        out.result("mesh", {"output": None, **_document(result)}, "", "")
    out.note(f"empty mesh: the field never crosses {level:g}; its values range from {low:.4g} to {high:.4g}")
    out.notes(result.notes)
    out.note("hint: give a --level in that range, or fit longer")


def _words(checked: MeshCheck) -> str:
    """`closed, manifold, no faces cross, 1 component, genus 1, area 13.8, ...`."""
    if checked.is_edge_manifold:
        manifold = "manifold" if checked.is_vertex_manifold else "faces meet in single vertices only"
    else:
        manifold = "not manifold"
    n = checked.n_crossings
    parts = [
        "closed" if checked.is_closed else "open",
        manifold,
        "no faces cross" if n == 0 else f"{n} pair{'' if n == 1 else 's'} of faces cross",
        f"{checked.n_components} component{'' if checked.n_components == 1 else 's'}",
        *([] if checked.genus is None else [f"genus {checked.genus}"]),
        f"area {checked.area:.5g}",
        f"1 % of the faces have angles below {checked.min_angle_deg:.2g} degrees",
    ]
    return ", ".join(parts)


def _kind_of(result: MeshResult | LargeMesh) -> str:
    """`closed  1 part  volume 4.2`, or `open  1 part  2 boundaries  area 3.1`."""
    closed = "closed" if result.is_closed else "open"
    if result.open is None or result.is_closed:
        return f"{closed}  {_parts(result)}  volume {result.volume:.5g}"
    n = result.open.n_loops
    return f"open  {_parts(result)}  {n} {'boundary' if n == 1 else 'boundaries'}  area {result.open.area:.5g}"


def _parts(result: MeshResult | LargeMesh) -> str:
    """`1 part`, `2 parts, 1 cavity`."""
    n, holes = result.n_components - result.n_cavities, result.n_cavities
    parts = count_of(n, "part")
    return f"{parts}, {holes} {'cavity' if holes == 1 else 'cavities'}" if holes else parts


def _document(result: MeshResult | LargeMesh) -> dict[str, Any]:
    return {
        "outcome": result.outcome,
        "n_vertices": len(result.vertices),
        "n_faces": len(result.faces),
        "is_closed": result.is_closed,
        "is_clipped": result.is_clipped,
        "n_components": result.n_components,
        "n_cavities": result.n_cavities,
        "n_specks": result.n_specks,
        "n_left_out": result.n_left_out,
        "volume": result.volume,
        "resolution": result.resolution,
        "value_range": result.value_range,
        "n_evaluated": result.n_evaluated,
        "fraction_evaluated": result.fraction,
        "open": None if result.open is None else dataclasses.asdict(result.open),
    }
