"""Domains in space that come from files: the solid that a mesh bounds, and where a fitted shape is negative."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.signals import load_signal
from inr.signals.shape import Shape as MeshSignal
from inr.signals.solids.orient import n_open_edges
from inr.solving.geometry import Box, LevelSet, Points, Shape, Within, collected, spread

AXES = ("x", "y", "z")
KINDS = ("mesh", "sdf")
SURFACE = "surface:"
"""What begins the name of a surface in a condition."""
CLOSED = 'close it in a mesh editor, or fit it (inr fit decides inside by winding numbers) and write sdf = "FIT"'
STEP = 0.02
"""Of differences of a fitted shape's distance, as a part of its box: smaller ones see the cells of a grid."""


def solid_of(table: Mapping[str, Any], folder: Path | None) -> Shape | None:
    """The domain of a [geometry] table with `mesh` or `sdf`; None for other tables. folder: of the problem's file.

    Raises UnreadableError for files that are missing, damaged or enclose nothing; UsageError for other values.
    """
    kind = next((key for key in KINDS if key in table), None)
    if kind is None:
        return None
    if set(table) != {kind} or not isinstance(table[kind], str):
        raise UsageError(f"[geometry] has {', '.join(map(str, table))}, expected {kind} = a file, and nothing else")
    return _solid(kind, file_beside(table[kind], folder))


def surfaces_of(tables: Mapping[str, Any], axes: Sequence[str], folder: Path | None) -> dict[str, Shape]:
    """The solids of [surfaces], by `surface:NAME`, on whose surfaces there are conditions. axes: of space.

    Raises as `solid_of`, and UsageError for a problem in other axes than x, y, z.
    """
    found: dict[str, Shape] = {}
    for key, table in tables.items():
        kind = next((each for each in KINDS if isinstance(table, Mapping) and set(table) == {each}), None)
        if kind is None or not isinstance(table[kind], str) or not key.isascii() or not key.isalnum():
            raise UsageError(
                f"surface {key!r} is {table!r}, expected a name of letters and digits, and a file",
                '[surfaces] with hole = { mesh = "hole.stl" } or { sdf = "hole.safetensors" }',
            )
        if tuple(axes) != AXES:
            raise UsageError(f"surface {key} is in x, y, z, and the axes of the problem are {', '.join(axes)}")
        found[SURFACE + key] = _solid(kind, file_beside(table[kind], folder))
    return found


def _solid(kind: str, path: Path) -> Shape:
    if kind == "sdf":
        fit = Fit.load(path)
        if not fit.spec.has_distances or fit.spec.d_in != len(AXES):
            raise UsageError(f"{path.name!r} is not a fit of a shape", "fit one from a mesh: inr fit part.stl")
        return FitSolid(fit)
    try:
        signal = load_signal(path, "shape")
    except UsageError as error:  # more of it is open than closed
        raise UsageError(error.message, CLOSED) from error
    if not isinstance(signal, MeshSignal):
        raise UsageError(f"{path.name!r} is not a mesh, expected triangles that enclose a solid")
    if not signal.meta["is_watertight"]:
        n_open = n_open_edges(signal.mesh[1])
        where = f"{n_open} edges have one face" if n_open else "its faces do not close a volume"
        raise UsageError(f"{path.name!r} is not watertight ({where}), and conditions need a closed surface", CLOSED)
    return MeshSolid(signal)


def file_beside(name: str, folder: Path | None) -> Path:
    """A file that a problem names: in the folder of the problem or below it, or anywhere for one made in Python.

    Raises UsageError for a file of a problem that is outside its folder.
    """
    if folder is None:
        return Path(name)
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UsageError(f"file {name!r} is outside the folder of the problem")
    return folder / name


class MeshSolid(Within):
    """The solid that a mesh bounds, in the mesh's units. triangles: vertices [V, 3] and faces [F, 3]."""

    def __init__(self, signal: MeshSignal) -> None:
        self._signal = signal
        vertices, faces = signal.mesh
        self.triangles = vertices, faces
        self._box = Box(AXES, tuple(vertices.min(0).tolist()), tuple(vertices.max(0).tolist()))
        corners = torch.from_numpy(vertices[faces]).double()
        self._corner, self._edges = corners[:, 0], corners[:, 1:] - corners[:, :1]
        across = torch.linalg.cross(self._edges[:, 0], self._edges[:, 1])
        area = across.norm(dim=-1)
        self._normals = across / area[:, None].clamp_min(1e-300)
        self._share = area.cumsum(0) / area.sum()

    @property
    def box(self) -> Box:
        return self._box

    def contains(self, x: Tensor) -> Tensor:
        box = self._signal.frame.domain
        low, extent = x.new_tensor(box.low), x.new_tensor(box.extent)
        return self._signal.distance((x - low) / extent).reshape(-1).to(x.device) <= 0

    def inside(self, n: int, generator: Generator) -> Tensor:
        return collected(self.box, n, generator, lambda x: x[self.contains(x)])

    def on(self, side: str, n: int, generator: Generator) -> Points:
        draws = spread(n, 3, generator)
        face = torch.searchsorted(self._share, draws[:, 0].contiguous(), right=True).clamp_max(len(self._share) - 1)
        root = draws[:, 1:2].sqrt()
        edges = self._edges[face]
        x = self._corner[face] + root * (1 - draws[:, 2:]) * edges[:, 0] + root * draws[:, 2:] * edges[:, 1]
        return Points(x, self._normals[face])


@dataclass(frozen=True)
class FitSolid(LevelSet):
    """Where the distance of a fitted shape is negative, in the shape's units."""

    fit: Fit

    exactness = 1e-4

    @property
    def box(self) -> Box:
        domain = self.fit.frame.domain
        return Box(AXES, domain.low, domain.high)

    def value(self, x: Tensor) -> Tensor:
        low, high = x.new_tensor(self.low), x.new_tensor(self.high)
        return self.fit(((x - low) / (high - low)).float()).reshape(-1).to(x)

    def gradient(self, x: Tensor) -> Tensor:
        """Central differences."""
        step = STEP * max(high - low for low, high in zip(self.low, self.high, strict=True))
        ways = step * torch.eye(len(AXES), dtype=x.dtype)
        return torch.stack([(self.value(x + way) - self.value(x - way)) / (2 * step) for way in ways], -1)
