"""Panels of shapes: shaded surfaces, their distance from the target's surface, and a cross-section of the distance."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from inr.fitting import Fit
from inr.mesh import Mesh, MeshResult, extract_mesh, mesh_of_fit, picture
from inr.report._panel import Bytes, Floats, Panel, PanelRow, image, number, rows_of
from inr.report.style import heat, top_of
from inr.signals import Signal, View, paint_distances
from inr.signals import metrics as measures
from inr.signals.shape import Shape
from inr.signals.solids.solid_signal import SolidSignal
from inr.signals.unsigned import Unsigned

RESOLUTION = 96
VIEW, SECTION = 420, 360
FRONT, BACK = 30.0, 210.0
SURFACE_POINTS = 2**14


def shape_rows(
    target: Signal | None, fits: Sequence[Fit], names: Sequence[str]
) -> tuple[list[PanelRow], list[dict[str, float]]]:
    """The rows, and for each fit the metrics of its surface: chamfer_l1, in mesh units."""
    meshes = [mesh_of_fit(fit, RESOLUTION) for fit in fits]
    true = target if isinstance(target, SolidSignal | Unsigned) else None
    own = None if true is None else _mesh_of(true)
    away = [None if true is None else _away(true, mesh) for mesh in meshes]
    rows: list[PanelRow] = []
    for title, azimuth in (("", FRONT), ("From the other side", BACK)):
        rows += _surfaces(own, meshes, away, names, title, azimuth)
    rows += _sections(true, fits, names)
    measured = [
        {} if true is None or own is None or mesh.outcome == "empty" else {"chamfer_l1": _chamfer(true, own, mesh)}
        for mesh in meshes
    ]
    return rows, measured


def _surfaces(
    own: Mesh | None, meshes: Sequence[MeshResult], away: Sequence[Floats | None], names: Sequence[str], title: str,
    azimuth: float,
) -> list[PanelRow]:  # fmt: skip
    shown = None if own is None else Panel("target", image(_view(own, azimuth), "target"))
    of, off = [], []
    top = top_of([d for d in away if d is not None and len(d)])
    for mesh, distance, name in zip(meshes, away, names, strict=True):
        caption = (
            f"{len(mesh.faces):,} triangles on {RESOLUTION} cells a side" if mesh.outcome == "ok" else "no surface"
        )
        of.append(Panel(name, image(_view(mesh, azimuth), f"surface of {name}"), caption))
        if distance is None:
            continue
        if not len(distance):
            off.append(Panel("error", "", "no surface, so no distances"))
            continue
        coloured = dataclasses.replace(mesh, colors=heat(distance[:, None], top)[:, 0])
        caption = f"distance to the target's surface: mean {number(float(distance.mean()))}; black is 0, "
        caption += f"light yellow {number(top)} or more"
        off.append(Panel("error", image(_view(coloured, azimuth), f"error of {name}"), caption))
    return rows_of(shown, of, off, title)


def _sections(true: SolidSignal | Unsigned | None, fits: Sequence[Fit], names: Sequence[str]) -> list[PanelRow]:
    domain = fits[0].frame.domain
    axis, place = domain.axes[2], (domain.low[2] + domain.high[2]) / 2
    fitted = []
    for fit in fits:
        grid, _ = fit.kind.grid(fit.spec, fit.frame, fit.meta, View(size=(SECTION, SECTION), slices={axis: place}))
        x = grid.points(torch.arange(grid.size))
        fitted.append(fit(x).numpy().reshape(SECTION, SECTION).T[::-1])
    side = fits[0].frame.scale[0]
    is_unsigned = fits[0].spec.traits.is_unsigned
    lines = "white is the surface" if is_unsigned else "blue is inside, white the surface"
    of = [
        Panel(name, image(paint_distances(d, side), f"section of {name}"), lines)
        for d, name in zip(fitted, names, strict=True)
    ]
    title = f"Cross-section at {axis} = {number(place)}"
    if true is None:
        return rows_of(None, of, [], title)
    exact = true.distance(x).numpy().reshape(SECTION, SECTION).T[::-1]
    errors = [np.abs(d - exact) for d in fitted]
    top = top_of(errors)
    off = [
        Panel(
            "error",
            image(heat(error, top), f"error of the distance of {name}"),
            f"of the distance: mean {number(float(error.mean()))}; light yellow {number(top)} or more",
        )
        for error, name in zip(errors, names, strict=True)
    ]
    shown = Panel("target", image(paint_distances(exact, side), "section of the target"), lines)
    return rows_of(shown, of, off, title)


def _view(mesh: Mesh, azimuth: float) -> Bytes:
    return picture(mesh, VIEW, azimuth_deg=azimuth)


def _mesh_of(shape: SolidSignal | Unsigned) -> Mesh:
    if isinstance(shape, Unsigned) or (isinstance(shape, Shape) and shape.meta["sign"] != "formula"):
        return Mesh(*shape.mesh)
    side = float(shape.meta["side"])
    slope = 1.0 if isinstance(shape, Shape) else None
    found = extract_mesh(lambda x: shape.distance(x) / side, resolution=RESOLUTION, lipschitz=slope)
    return found.in_units(shape.frame)


def _away(shape: SolidSignal | Unsigned, mesh: Mesh) -> Floats:
    """Distances [V] of a mesh's vertices from the shape's surface."""
    if not len(mesh.vertices):
        return np.zeros(0)
    return np.abs(_true(shape, mesh.vertices))


def _true(shape: SolidSignal | Unsigned, points: Floats) -> Floats:
    x = shape.frame.domain.to_unit(torch.from_numpy(np.ascontiguousarray(points)))
    distances: Floats = shape.distance(x).numpy()[:, 0]
    return distances


def _chamfer(shape: SolidSignal | Unsigned, own: Mesh, mesh: Mesh) -> float:
    """The mean of the two mean distances from random points on one surface to the other, in mesh units.

    Exact except for the sampling (2^14 points on each) and the triangles of a mesh of `RESOLUTION` cells a side.
    """
    there = np.abs(_true(shape, _drawn(mesh))).mean()
    back = measures.point_to_mesh(_drawn(own), mesh.vertices, mesh.faces).mean()
    return 0.5 * float(there + back)


def _drawn(mesh: Mesh) -> Floats:
    import trimesh

    surface: Any = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    points: Floats = np.asarray(trimesh.sample.sample_surface(surface, SURFACE_POINTS, seed=0)[0])
    return points
