"""The distances of a fit in a box larger than its own, for offsets and shells that reach beyond the fit's box."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from inr.core.domain import Domain, Frame
from inr.fitting import Fit
from inr.mesh._octree_grid import Reals

if TYPE_CHECKING:
    from inr.kernels.face_tree import FaceTree
    from inr.mesh.extract import Mesh, MeshResult
    from inr.mesh.fit_distance import FitDistance

_FREE = 0.02  # space around what is meshed, in sides of the fit's box
_WALL = 64  # cells along a wall, at whose corners the fit is evaluated
_COARSER = (4, 2)  # the surface may have cells as many times as large
_CLOSE = 0.02  # how far it may then be from the fine one, in cells of the larger box


class ContinuedDistance:
    """Distances to the surface of a fit, and their slope, at points x [N, 3] of a larger box, all in lengths of it.

    In the fit's box they are the fit's values; beyond it, which is outside, they are exact distances to a mesh of its
    surface, or without one a lower bound. surface: the mesh, in the units of the fit. frame: the larger box. step: of
    the differences that give the slope, unless it is the direction from the nearest place of the mesh.
    """

    def __init__(self, distance: FitDistance, frame: Frame, surface: Mesh | None, step: float) -> None:
        self._distance, self._frame, self._step = distance, frame, step
        self._tree: FaceTree | None = None
        if surface is not None:
            vertices = frame.domain.to_unit(torch.from_numpy(surface.vertices)).numpy()
            self._tree = _tree(vertices, surface)

    def __call__(self, x: Tensor) -> Tensor:
        """float64 [N]."""
        p = x.double()
        found = torch.empty(len(p), dtype=torch.float64)
        beyond = self._is_far(p)
        if self._tree is not None:
            found[beyond] = torch.from_numpy(np.sqrt(self._tree.nearest(p[beyond].numpy())[1]))
        inside = self._distance(self._frame.domain.from_unit(p[~beyond]).numpy()).astype(np.float64)
        found[~beyond] = torch.from_numpy(inside) / self._frame.scale[0]
        return found

    def slope(self, x: Tensor) -> Tensor:
        """float64 [N, 3]."""
        p = x.double()
        found = torch.empty(p.shape, dtype=torch.float64)
        beyond = self._is_far(p)
        if self._tree is not None:
            away = p[beyond] - torch.from_numpy(self._tree.nearest(p[beyond].numpy())[0])
            found[beyond] = torch.nn.functional.normalize(away, dim=1)
        for axis in range(3):
            step = torch.zeros(3, dtype=torch.float64)
            step[axis] = self._step
            at = p[~beyond]
            found[~beyond, axis] = (self(at + step) - self(at - step)) / (2 * self._step)
        return found

    def _is_far(self, p: Tensor) -> Tensor:
        """Whether points are those whose distances are taken to the mesh."""
        if self._tree is None:
            return torch.zeros(len(p), dtype=torch.bool)
        places = self._frame.domain.from_unit(p)
        low, high = torch.from_numpy(self._distance.low), torch.from_numpy(self._distance.high)
        return ((places < low) | (places > high)).any(dim=1)


def larger_box(fit: Fit, distance: FitDistance, by: float) -> Frame:
    """A cube around the fit's box with this space and a little more on each side; values are in lengths of the cube."""
    grown = by + _FREE * max(fit.frame.domain.extent)
    low, side = distance.low - grown, distance.side + 2 * grown
    domain = Domain(tuple(low.tolist()), tuple((low + side).tolist()), fit.frame.domain.axes, fit.frame.domain.unit)
    return Frame(domain, (0.0,), (side,))


def leaves_box(fit: Fit, level: float) -> bool:
    """Whether the fit is below this level somewhere on the walls of its box, at the points of a lattice there."""
    device = next(fit.field.parameters()).device
    axis = torch.linspace(0, 1, _WALL + 1)
    wall = torch.cartesian_prod(axis, axis)
    for at in range(3):
        for end in (0.0, 1.0):
            x = torch.cat([wall[:, :at], torch.full((len(wall), 1), end), wall[:, at:]], dim=1)
            with torch.inference_mode():
                values = fit.frame.from_field(fit.field(x.to(device)).cpu())
            if float(values.min()) < level:
                return True
    return False


def support(fine: MeshResult, coarser: Callable[[int], Mesh], cell: float) -> Mesh:
    """The surface to which distances are taken beyond the box: a coarser one, which is searched in less time, if it is
    as good for a lattice of this `cell`, or else the fine one.

    coarser: the surface by a resolution. A surface is as good if no vertex of either is further than a small part of
    the cell from the other, so no thin part is missing.
    """
    for times in _COARSER:
        if fine.resolution < 16 * times:
            continue
        found = coarser(fine.resolution // times)
        if len(found.faces) and max(_farthest(fine, found), _farthest(found, fine)) <= _CLOSE * cell:
            return found
    return fine


def _farthest(mesh: Mesh, other: Mesh) -> float:
    """The largest distance of a vertex of a mesh from another mesh."""
    middle = other.vertices.mean(axis=0)  # so that single precision is enough far from the origin
    squared: Reals = _tree(other.vertices - middle, other).nearest(mesh.vertices - middle)[1]
    return float(np.sqrt(squared.max()))


def _tree(vertices: Reals, mesh: Mesh) -> FaceTree:
    from inr.kernels.face_tree import FaceTree

    return FaceTree(np.ascontiguousarray(vertices, np.float64), np.ascontiguousarray(mesh.faces, np.int64))
