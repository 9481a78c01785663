"""napari opens `.inrz` files: pictures, videos and arrays as layers of images, sounds as lines, shapes as surfaces.

napari finds it by the entry point `napari.manifest` and the file `napari.yaml` beside this one; nothing is imported
before a file is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inr.codec import decompress
from inr.core.kind import KINDS

SUFFIX = ".inrz"
CELLS = 96
"""Cells along an axis of the lattice on which the surface of a shape is extracted."""

LayerData = tuple[Any, dict[str, Any], str]
Paths = str | Path | Sequence[str | Path]


def get_reader(path: Paths) -> Callable[[Paths], list[LayerData]] | None:
    """The reader for a path or a list of paths; None for other files."""
    paths = [path] if isinstance(path, str | Path) else list(path)
    return read if paths and all(str(each).lower().endswith(SUFFIX) for each in paths) else None


def read(path: Paths) -> list[LayerData]:
    """A layer per file. Raises FormatError for a damaged file."""
    paths = [path] if isinstance(path, str | Path) else list(path)
    return [_layer(Path(each)) for each in paths]


def _layer(path: Path) -> LayerData:
    decoded = decompress(path)
    header, kind = decoded.header, decoded.header.codec_kind
    about: dict[str, Any] = {"name": path.stem, "metadata": {"kind": header.kind}}
    if not header.is_lattice:
        from inr.mesh import mesh_of_fit

        mesh = mesh_of_fit(decoded.fit(), CELLS)
        return (mesh.vertices, mesh.faces, np.ones(len(mesh.vertices))), about, "surface"
    values = decoded.values()
    if KINDS[header.kind].is_waveform:
        seconds = np.arange(len(values)) / float(decoded.header.meta["rate_hz"])
        path_ = np.stack([-values[:, 0] * seconds[-1] / 4, seconds], -1)  # rows grow downwards
        return [path_], about | {"shape_type": "path", "edge_width": seconds[-1] / 2000}, "shapes"
    has_pixels = kind.is_picture or kind.has_frames
    is_colour = has_pixels and values.shape[-1] >= 3
    if has_pixels:
        values = np.clip(values, 0, 1) if decoded.header.meta.get("dtype") != "float32" else values
    if is_colour:
        return values, about | {"rgb": True}, "image"
    if values.shape[-1] == 1:
        return values[..., 0], about, "image"
    return values, about | {"channel_axis": values.ndim - 1, "name": None}, "image"
