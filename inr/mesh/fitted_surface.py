"""The surface of a fitted distance field, in the units of the shape, and the colours of another fit on it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.fitting import Fit
from inr.mesh._crossed_edges import ROUGH
from inr.mesh._octree_grid import Reals
from inr.mesh.continued_distance import leaves_box
from inr.mesh.extract import MAX_RESOLUTION, Colors, Mesh, MeshResult, extract_mesh
from inr.mesh.large import LargeMesh, extract_large
from inr.mesh.measure import notes_on_specks
from inr.mesh.methods import METHODS
from inr.mesh.offset import offset_of_fit
from inr.mesh.open_surface import extract_open
from inr.mesh.shell import CLIPPED, check_level, shell_of_fit

DEFAULT_RESOLUTION = 256
CELLS_ACROSS = 8
"""Cells that twice the volume over the area of a shape must be, or else the default resolution is raised: a round rod
of 3 cells in radius loses 1.9 % of its volume to its flat faces, one of 5 loses 0.7 %, and edges are rounded off."""

FINEST, MOST_FACES = 2048, 400_000
"""Upper limits of the automatic resolution."""

ENLARGED = "the offset reaches beyond the box of the model, so a larger one was taken, in which distances are continued"

_LEAST_SUPPORT = 128  # cells a side of the surface from which distances beyond the box are taken

_BLOCK = 1 << 18  # places whose colours are found at a time

MANY_LOOPS = 16
"""Boundaries of an open surface above which a note says that they may be holes of a rough fit."""

TIGHT = 2.0
"""Largest certified slope, in distances per length, with which a search for the surface is not wasteful."""


def mesh_of_fit(
    fit: Fit,
    resolution: int | None = None,
    *,
    level: float = 0.0,
    shell: float = 0.0,
    method: str = "cubes",
    dense: bool = False,
    keep_specks: bool = False,
    on_progress: Callable[[str, int], None] | None = None,
) -> MeshResult:
    """See `inr.extract_mesh`."""
    if fit.spec.d_in != 3 or fit.spec.d_out != 1:
        raise UsageError(
            f"a mesh needs a field from 3 coordinates to 1 value, this one maps {fit.spec.d_in} to "
            f"{fit.spec.d_out} ({fit.spec.kind})",
            "fit a shape (OBJ, PLY, STL, GLB, OFF) or a point cloud with normals",
        )
    check_level(fit, level)
    is_open = fit.spec.traits.is_unsigned and level == 0
    if METHODS[method] is not METHODS["cubes"] and (shell or is_open):
        what = "a shell" if shell else "an open surface"
        raise UsageError(f"`method` is {method}, but {what} has no choice of methods", "leave it out")
    n = DEFAULT_RESOLUTION if resolution is None else resolution
    if is_open and not shell:
        if keep_specks:
            raise UsageError("`keep_specks` has no effect on an open surface, whose parts below 20 faces are left out")
        return _open_surface(fit, n, on_progress)
    options: dict[str, Any] = {"dense": dense, "keep_specks": keep_specks, "on_progress": on_progress}

    def surface() -> MeshResult:
        """That of level 0, to which distances are taken beyond the box."""
        least = None if resolution is None else max(resolution, _LEAST_SUPPORT)
        if fit.spec.traits.is_unsigned:
            return _open_surface(fit, least or n, on_progress)
        return _in_box(fit, 0.0, least, method=method, **options)

    def coarse(n: int) -> MeshResult:
        return _in_box(fit, 0.0, n, method="dual", **options)

    coarser = None if fit.spec.traits.is_unsigned else coarse
    if shell:
        is_given = resolution is not None
        return shell_of_fit(
            fit, shell, n, surface, level=level, coarser=coarser, is_resolution_given=is_given, **options
        )
    if not (level > 0 and leaves_box(fit, level)):
        result = _in_box(fit, level, resolution, method=method, **options)
        if not (level > 0 and result.is_clipped):
            return dataclasses.replace(result, notes=_notes(result, fit))
    given = surface()
    if given.outcome == "empty":
        result = _in_box(fit, level, resolution, method=method, **options)
        return dataclasses.replace(result, notes=_notes(result, fit))
    result = offset_of_fit(fit, level, given, n, coarser=coarser, method=method, **options)
    return dataclasses.replace(result, notes=(ENLARGED, *_notes(result, fit, given)))


def _in_box(fit: Fit, level: float, resolution: int | None, **options: Any) -> MeshResult:
    """The surface of a level within the fit's box. resolution None: enough for the thickness of the shape. options: of
    `extract_mesh`."""

    def gradient(x: Tensor) -> Tensor:
        x = x.detach().to(next(fit.field.parameters()).device).requires_grad_()
        return torch.autograd.grad(fit.field(x).sum(), x)[0]

    def extracted(n: int) -> MeshResult:
        return extract_mesh(
            _values(fit),
            resolution=n,
            level=fit.frame.to_field(torch.tensor([level], dtype=torch.float64)).item(),
            gradient=gradient if fit.field.smoothness >= 1 else None,
            lipschitz=_slope(fit),
            **options,
        ).in_units(fit.frame)

    result = extracted(DEFAULT_RESOLUTION if resolution is None else resolution)
    while resolution is None and (finer := _finer(result, max(fit.frame.domain.extent))) is not None:
        result = extracted(finer)
    return result


def _values(fit: Fit) -> Callable[[Tensor], Tensor]:
    """Points x [N, 3] of the unit box -> the field's values, without gradients."""
    device = next(fit.field.parameters()).device

    def values(x: Tensor) -> Tensor:
        with torch.inference_mode():
            return fit.field(x.to(device))

    return values


def _open_surface(fit: Fit, resolution: int, on_progress: Callable[[str, int], None] | None) -> MeshResult:
    """Where distances without a sign are 0, as a mesh that may be open."""
    frame, values = fit.frame, _values(fit)

    def distances(x: Tensor) -> Tensor:
        return frame.from_field(values(x)) / frame.scale[0]

    result = extract_open(distances, resolution=resolution, on_progress=on_progress)
    result = result.in_units(dataclasses.replace(frame, softening=0.0))
    assert result.open is not None
    notes = []
    if not result.open.is_orientable:
        notes.append("the surface is not orientable: no choice of a front holds everywhere")
    rough = f"the fit is rough at {resolution} cells; fit longer, or use a lower --resolution"
    n = result.open.n_nonmanifold_edges
    if result.open.error >= ROUGH:
        notes.append(f"the surface is uncertain by {ROUGH:g} cells or more: {rough}")
    else:
        if n:
            notes.append(f"{n} {'edge has' if n == 1 else 'edges have'} more than two faces, as where surfaces meet")
        if result.open.n_loops > MANY_LOOPS:
            notes.append(f"{result.open.n_loops} boundaries: unless the surface has as many, {rough}")
    return dataclasses.replace(result, notes=tuple(notes))


def large_mesh_of_fit(fit: Fit, resolution: int, *, level: float = 0.0) -> LargeMesh:
    """As `mesh_of_fit` of a fit with signed distances, by `extract_large`: 1024 to 4096 cells in little memory."""
    at = (level - fit.frame.offset[0]) / fit.frame.scale[0]
    result = extract_large(_values(fit), fit.frame, resolution=resolution, level=at, lipschitz=_slope(fit))
    low, high = fit.frame.from_field(torch.tensor([[v] for v in result.value_range]).double())
    notes = (CLIPPED,) * result.is_clipped + result.notes
    return dataclasses.replace(result, value_range=(low.item(), high.item()), notes=notes)


def _slope(fit: Fit) -> float | None:
    """The certified bound on the slope of the field in the unit box, if one is known and at most `TIGHT`."""
    bound = fit.field.lipschitz_bound()
    return bound if bound is not None and bound <= TIGHT else None


def _finer(result: MeshResult, side: float) -> int | None:
    """A resolution with enough cells across a thin shape, at most twice that of the mesh; None if the mesh has enough
    cells, or the resolution would be too large."""
    if not 0 < result.thickness < CELLS_ACROSS * side / result.resolution:
        return None
    wanted = CELLS_ACROSS * side / result.thickness
    allowed = result.resolution * math.sqrt(MOST_FACES / len(result.faces))
    finer = round(min(2 * result.resolution, wanted, allowed, FINEST))
    return finer if finer > 1.1 * result.resolution else None


def _notes(result: MeshResult, fit: Fit, surface: MeshResult | None = None) -> tuple[str, ...]:
    """surface: that of the fit, if the result is an offset of it in a larger box."""
    notes = []
    side = max(fit.frame.domain.extent)
    at_zero = result if surface is None else surface
    cell = side / at_zero.resolution
    if result.is_clipped:
        notes.append(CLIPPED)
    if not result.is_closed:
        notes.append("the mesh is not closed")
    notes += notes_on_specks(result.n_left_out)
    if result.n_specks:
        notes.append(
            f"{result.n_specks} of its {result.n_components} surfaces are specks of 3 cells or less: the field is "
            "rough, or the shape thinner than a cell; fit longer, or use a higher `resolution`"
        )
    across = float(fit.meta.get("thickness") or (at_zero.thickness if at_zero.outcome == "ok" else cell))
    if 0 < across < cell:
        needed = math.ceil(2 * side / across * (1 - 1e-9))
        notes.append(
            f"the shape is about {across:.3g} thick in places, less than a cell of {cell:.3g}: parts can be missing; "
            + (f"use `resolution={needed}`" if needed <= MAX_RESOLUTION else "no resolution is high enough")
        )
    return tuple(notes)


def coloured(mesh: Mesh, shape: Fit, colours: Fit) -> Mesh:
    """The mesh of `shape` with the values of another fit at its vertices as colours, see `colour_at`."""
    return dataclasses.replace(mesh, colors=colour_at(shape, colours)(mesh.vertices))


def colour_at(shape: Fit, colours: Fit) -> Callable[[Reals], Colors]:
    """Positions [N, 3] in the units of `shape` -> the values of another fit there as colours [N, 3 or 4].

    Assumes that both fits cover the same box: a place has the colour at its position in the unit box. Values are
    clipped to [0, 1]; one channel is grey, a fourth is opacity. Raises UsageError for other fits.
    """
    if colours.spec.d_in != 3 or colours.spec.d_out not in (1, 3, 4):
        raise UsageError(
            f"colours need a field from 3 coordinates to 1, 3 or 4 values, {colours.source or 'this one'!r} goes from "
            f"{colours.spec.d_in} to {colours.spec.d_out} ({colours.spec.kind})",
            "fit an array of shape [X, Y, Z, 3], values from 0 to 1, with `signal.channels=last`",
        )

    def at(places: Reals) -> Colors:
        x = shape.frame.domain.to_unit(torch.from_numpy(places)).float()
        y = torch.cat([colours(block).clamp(0, 1) for block in torch.split(x, _BLOCK)])
        if y.shape[1] == 1:
            y = y.expand(-1, 3)
        found: Colors = (255 * y).round().to(torch.uint8).numpy()
        return found

    return at
