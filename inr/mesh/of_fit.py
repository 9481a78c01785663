"""The surface of a fitted distance field, in the units of the shape, and the colours of another fit on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
from torch import Tensor

from inr._errors import UsageError
from inr.fitting import Fit
from inr.mesh.extract import Mesh, MeshResult, extract_mesh

TIGHT = 2.0
"""Largest certified slope, in distances per length, with which a search for the surface is not wasteful."""


def mesh_of_fit(
    fit: Fit,
    resolution: int = 256,
    *,
    level: float = 0.0,
    dense: bool = False,
    on_progress: Callable[[str, int], None] | None = None,
) -> MeshResult:
    """See `inr.extract_mesh`."""
    if fit.spec.d_in != 3 or fit.spec.d_out != 1:
        raise UsageError(
            f"a mesh needs a field from 3 coordinates to 1 value, this one goes from {fit.spec.d_in} to "
            f"{fit.spec.d_out} ({fit.spec.kind})",
            "fit a shape (OBJ, PLY, STL, GLB, OFF) or a point cloud with normals",
        )
    field, side = fit.field, fit.frame.scale[0]
    device = next(field.parameters()).device

    def values(x: Tensor) -> Tensor:
        with torch.inference_mode():
            return field(x.to(device))

    def gradient(x: Tensor) -> Tensor:
        x = x.detach().to(device).requires_grad_()
        return torch.autograd.grad(field(x).sum(), x)[0]

    offset = fit.frame.offset[0]
    certified = field.lipschitz_bound()
    result = extract_mesh(
        values,
        resolution=resolution,
        level=(level - offset) / side,
        gradient=gradient if field.smoothness >= 1 else None,
        dense=dense,
        lipschitz=certified if certified is not None and certified <= TIGHT else None,
        on_progress=on_progress,
    )
    return result.in_units(fit.frame)


def coloured(mesh: Mesh, shape: Fit, colours: Fit) -> Mesh:
    """The mesh of `shape` with the values of another fit at its vertices as colours.

    Both fits are taken to fill the same box: a vertex has the colour of its place in the unit box. Values are clipped
    to [0, 1]; one channel is grey, a fourth is opacity. Raises UsageError for any other fit.
    """
    if colours.spec.d_in != 3 or colours.spec.d_out not in (1, 3, 4):
        raise UsageError(
            f"colours need a field from 3 coordinates to 1, 3 or 4 values, {colours.source or 'this one'!r} goes from "
            f"{colours.spec.d_in} to {colours.spec.d_out} ({colours.spec.kind})",
            "fit an array of shape [X, Y, Z, 3] with values from 0 to 1",
        )
    x = shape.frame.domain.to_unit(torch.from_numpy(mesh.vertices)).float()
    y = colours(x).clamp(0, 1)
    if y.shape[1] == 1:
        y = y.expand(-1, 3)
    return dataclasses.replace(mesh, colors=(255 * y).round().to(torch.uint8).numpy())
