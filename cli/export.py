"""`inr export`: a fitted field in a format that other programs read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inr.core.errors import UsageError
from inr.core.text import printable

from . import _options as options
from ._io import PIPE, OutputTarget, source
from ._machine import machine
from ._output import Output, human_bytes

if TYPE_CHECKING:
    from inr.exporters import Exported, Exporter
    from inr.fitting import Fit
    from inr.signals import Source


def export(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A file written by inr fit, or a tiny-cuda-nn JSON with its parameters beside it; - reads stdin.",
        ),
    ],
    output: options.OutputPath = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="onnx, pt2, numpy, glsl, wgsl, tcnn, safetensors, ply, obj, glb, stl, html, nvdb, npy, vti, usda, "
            "mjcf, image3d (3MF). Default: by the suffix of -o, else onnx, and html for a compressed picture.",
            show_default=False,
            autocompletion=options.complete_format,
            rich_help_panel=options.OUTPUT,
        ),
    ] = None,
    settings: Annotated[list[str] | None, options.assignments("Setting of the format", options.OUTPUT)] = None,
    colors: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Meshes: colour the vertices by this model's values, in the same box.",
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    voxel: Annotated[
        float | None,
        typer.Option(
            metavar="H",
            help="Grids of distances, usda, mjcf: size of a voxel, in mesh units.",
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    band: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Grids of distances: keep those within N voxels of the surface. Default: 3 for nvdb, else all.",
            show_default=False,
            rich_help_panel=options.VIEW,
        ),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Grids of distances: 16 bits per value.", rich_help_panel=options.OUTPUT)
    ] = False,
    force: options.Force = False,
    as_json: options.Json = False,
    is_quiet: options.Quiet = False,
    verbosity: options.Verbose = 0,
    threads: options.Threads = None,
) -> None:
    """Write a fitted field in a format that other programs read.

    \b
    inr export photo.safetensors -o photo.onnx       any ONNX runtime
    inr export photo.safetensors -o photo.py         a script that needs only NumPy
    inr export bunny.safetensors -o bunny.glsl       a function for shaders; also .wgsl
    inr export bunny.safetensors -o bunny.glb        its surface
    inr export bunny.safetensors -o bunny.nvdb --voxel 0.5   its distances, for engines
    inr export photo.safetensors -o photo.json       tiny-cuda-nn; and back:
    inr export photo.json -o photo.safetensors
    inr export photo.inrz -o photo.html              the compressed picture with its decoder
    inr export photo.safetensors --format glsl --set limit=0 -o -
    """
    out = Output(as_json, is_quiet, verbosity, is_stdout_taken=output == PIPE)
    with machine("cpu", threads):
        from inr.core.config import override
        from inr.exporters import exporter_for

        named = form or (Path(str(output)).suffix or str(output) if output not in (None, PIPE) else _usual(model))
        kind, suffix = exporter_for(named)
        exporter = kind()
        given = [*(settings or []), *_own(exporter, colors=colors, voxel=voxel, band=band, half=half or None)]
        if given:
            exporter = override(exporter, given, exporter.type_name)
        if output not in (None, PIPE) and Path(str(output)).suffix.lower() in kind.suffixes:
            suffix = Path(str(output)).suffix.lower()
        stem = Path(model).stem if model != PIPE else "stdin"
        target = OutputTarget.of(output, stem + suffix, force=force)
        made = _encoded(exporter, source(model), suffix)
        if target.path is None:
            if len(made.files) > 1:
                raise UsageError(
                    f"{exporter.type_name} writes {len(made.files)} files ({', '.join(made.files)}), and -o is -",
                    "give -o a file name",
                )
            target.write(made.main)
            paths = [target.name]
        else:
            paths = [str(path) for path in made.save(target.path, force=force)]
    out.notes(made.notes)
    sizes = [len(data) for data in made.files.values()]
    files = [{"path": path, "bytes": size} for path, size in zip(paths, sizes, strict=True)]
    text = "  ".join(f"{printable(path)}  {human_bytes(size)}" for path, size in zip(paths, sizes, strict=True))
    document = {"output": paths[0], "format": exporter.type_name, "settings": exporter.to_json(), "files": files}
    out.result("export", document, text, paths[0])


_FORMATS_OF = {
    "colors": ".ply, .obj and .glb",
    "voxel": ".nvdb, .npy, .vti, .usda, .xml and --format image3d",
    "band": ".nvdb, .npy, .vti and --format image3d",
    "half": ".nvdb and .npy",
}
"""What the options of single formats are for."""


def _own(exporter: Exporter, **given: Any) -> list[str]:
    """Options of single formats as settings. Raises UsageError for one that the exporter does not have."""
    found = []
    for name, value in given.items():
        if value is None:
            continue
        if not hasattr(exporter, name):
            raise UsageError(f"--{name} does not apply to {exporter.type_name}", f"it is for {_FORMATS_OF[name]}")
        found.append(f"{name}={json.dumps(value) if isinstance(value, bool) else value}")
    return found


def _usual(name: str) -> str:
    """The format where none is given. Only pages can be made of a compressed picture without a field."""
    from inr.codec.decode import read
    from inr.exporters.file_page import has_page
    from inr.signals import Source

    if not (Source(name).is_compressed and Path(name).is_file()):
        return "onnx"
    return "html" if has_page(read(name)) else "onnx"


def _encoded(exporter: Exporter, given: Source, suffix: str) -> Exported:
    """The files of a model, or of a compressed file, which some formats hold as it is."""
    if given.is_compressed:
        from inr.codec.decode import read

        made = exporter.encode_file(read(given), given.name, suffix)
        if made is not None:
            return made
    return exporter.encode(_load(given), suffix)


def _load(given: Source) -> Fit:
    """A model file, or one of the other formats that a fit can be read from."""
    import inr

    if given.suffix == ".json":
        from inr.exporters.tcnn import load_fit

        return load_fit(given)
    return inr.load(given)
