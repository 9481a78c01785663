"""Signals that are signed distances (meshes, point clouds): their cube, pools of points, and views of distances."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch
from torch import Tensor

from inr.core.domain import Domain, Frame, Grid, Spec
from inr.core.errors import UnreadableError, UsageError
from inr.core.rules import positive
from inr.signals._described import Described
from inr.signals._lattice import CHUNK, view_grid
from inr.signals._signal import Batch, Evaluate, Signal, Values, View
from inr.signals.files.bands import Bands
from inr.signals.files.npy import write_npy
from inr.signals.files.picture_writing import save
from inr.signals.solids.faces import Floats

_MARGIN = 1.1


class DistanceSignal(Signal):
    """A signal whose values are signed distances in a cube. Views are volumes and slices of them."""

    is_distance: ClassVar[bool] = True
    formats: ClassVar[tuple[str, ...]] = (".npy", ".png")
    described: ClassVar[Described] = Described(
        d_in=(3, 3), d_out=(1, 1), is_lattice=False, meta={"side": positive(1e-30)}
    )

    @classmethod
    def grid(cls, spec: Spec, frame: Frame, meta: Mapping[str, Any], view: View) -> tuple[Grid, dict[str, Any]]:
        """A distance volume of 128 samples per axis, or with slices 512, unless size or scale say otherwise."""
        view.refuse(spec.kind, "scale", "size", "crop", "slices")
        n = 512 if view.slices else 128
        if view.size is not None and len(view.size) == 1:
            view = View(size=view.size * 3, crop=view.crop, slices=view.slices)
        grid, sliced = view_grid(spec.kind, frame.domain, (n,) * 3, view)
        return grid, {**meta, "sliced": sliced}

    @classmethod
    def write_bands(cls, bands: Bands, meta: Mapping[str, Any], file: BinaryIO, suffix: str) -> tuple[str, ...]:
        """.npy: float32 distances in mesh units, axes x, y, z; .png: one slice, drawn by `paint_distances`."""
        distances = bands.each(lambda part: part[..., 0], bands.shape[:-1])
        if suffix == ".npy":
            write_npy(distances, "float32", file)
            return ()
        if len(distances.shape) != 2:
            raise UsageError(
                f"distances with {len(distances.shape)} axes cannot be drawn as .png, expected 2",
                "use `slices`, such as z=0",
            )
        upright = Bands.of(distances.whole().T[::-1])
        side = float(meta["side"])
        pixel = side / max(upright.shape)
        painted = upright.each(lambda part: paint_distances(part, side, pixel), (*upright.shape, 3))
        save(painted, "uint8", file, ".png")
        return ("blue is inside, orange outside, lines are 1/40 of the cube's side apart",)


class PointPool:
    """A pool that holds all its samples; kept once per device."""

    def __init__(self, samples: Batch) -> None:
        self._samples = samples
        self._on = {samples.x.device: samples}

    @property
    def order(self) -> None:
        return None

    @property
    def size(self) -> int:
        return len(self._samples.x)

    def batch(self, index: Tensor) -> Batch:
        if index.device not in self._on:
            s = self._samples
            normals = None if s.normals is None else s.normals.to(index.device)
            self._on[index.device] = Batch(s.x.to(index.device), s.y.to(index.device), normals=normals)
        s = self._on[index.device]
        normals = None if s.normals is None else s.normals.index_select(0, index)
        return Batch(s.x.index_select(0, index), s.y.index_select(0, index), normals=normals)


def evaluate_points(evaluate: Evaluate, x: Tensor) -> Floats:
    """A scalar field's values [N], float64, at unit-box points [N, D], in chunks of 2^18."""
    with torch.no_grad():
        parts = [evaluate(part)[:, 0].to("cpu", torch.float64) for part in torch.split(x, CHUNK)]
    values: Floats = torch.cat(parts).numpy()
    return values


def check_span(points: Floats, what: str) -> None:
    """Refuse points [N, 3] whose bounding box has no size, or one that single precision cannot work with."""
    largest = float((points.max(axis=0) / 2 - points.min(axis=0) / 2).max()) * 2
    if not 1e-15 < largest < 1e15:
        raise UnreadableError(f"{what} spans {largest:g} units, expected more than 1e-15 and less than 1e15")


def cube_frame(vertices: Floats) -> Frame:
    """The cube of a shape: around the centre of the bounding box, its side 1.1 times the largest extent."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    side = _MARGIN * float((high - low).max())
    corner = (low + high) / 2 - side / 2
    domain = Domain(tuple(corner.tolist()), tuple((corner + side).tolist()), ("x", "y", "z"), "mesh units")
    return Frame(domain, (0.0,), (side,))


def paint_distances(distance: Values, side: float, pixel: float | None = None) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Distances [rows, columns] as an RGB picture: blue inside, orange outside, iso-lines, the surface in white.

    side: of the cube. pixel: width of a pixel, in the same units; None: the longer side of the picture is the cube's.
    """
    pixel = side / max(distance.shape) if pixel is None else pixel
    shade = 1 - 0.75 * np.exp(-12 * np.abs(distance) / side)
    lines = 0.85 + 0.15 * np.cos(2 * np.pi * 40 * distance / side)
    colour = np.where(distance[..., None] < 0, (0.35, 0.65, 1.0), (1.0, 0.65, 0.3)) * (shade * lines)[..., None]
    surface = np.clip(1.5 - np.abs(distance) / pixel, 0, 1)[..., None]
    painted: np.ndarray[Any, np.dtype[np.uint8]] = np.rint(255 * (colour * (1 - surface) + surface)).astype(np.uint8)
    return painted
