"""Solids in the unit box: signed distances of triangle meshes, with a sign that is right despite holes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import torch
from torch import Generator

from inr.signals.solids.boundary import Boundary
from inr.signals.solids.edges import Edges
from inr.signals.solids.faces import Bools, Faces, Floats, area
from inr.signals.solids.winding import Winding

if TYPE_CHECKING:
    from inr.kernels.face_tree import FaceTree
    from inr.signals.solids.pseudonormals import Pseudonormals

Sign = Literal["auto", "pseudonormal", "winding"]

_PROBES = 4096
_CERTAIN = 1e-3
EXACT = 1e-5
"""The slack of solids whose points are on the surface except for rounding."""

_MARCH = 64


class Solid(Protocol):
    """Something with an inside, placed in the unit box.

    low, high: corners [3] of its bounding box. slack: twice the distance of most points of `surface` from it.
    """

    @property
    def low(self) -> Floats: ...

    @property
    def high(self) -> Floats: ...

    @property
    def slack(self) -> float: ...

    def distance(self, x: Floats) -> Floats:
        """Signed distances [N] at points [N, 3], negative inside, in unit-box lengths."""
        ...

    def depth(self, x: Floats) -> Floats:
        """The same distances without their sign; faster if points that are clearly outside do not matter."""
        ...

    def surface(self, n: int, generator: Generator) -> Floats:
        """Points [n, 3] on the surface, uniform by area."""
        ...


class MeshSolid:
    """The solid that a triangle mesh in the unit box bounds. surface: its boundary, see `bounding`.

    Distances are exact. Their sign comes from one of two methods; `auto` takes the first if it is reliable:
    pseudonormal: the angle-weighted normal at the closest point (Bærentzen, Aanæs 2005); needs a closed surface. Unless
    that is one part which does not touch itself, it is compared with the second on 4096 points. winding: generalised
    winding number > 1/2 (Jacobson et al. 2013, fast form by Barill et al. 2018) of the oriented faces; for open and
    crossing ones. libigl's own signed distance is not used with winding numbers: it multiplies distances by the
    unrounded number.
    """

    sign: Literal["pseudonormal", "winding"]
    slack: float = EXACT

    def __init__(self, boundary: Boundary, sign: Sign = "auto") -> None:
        self.vertices, self.faces = boundary.vertices, boundary.faces
        self._wound = boundary.wound_vertices, boundary.wound_faces
        self.low, self.high = self.vertices.min(axis=0), self.vertices.max(axis=0)
        self._edges = Edges.of(self.faces)
        self.is_closed = self._edges.is_closed
        if sign == "auto":
            self.sign = "pseudonormal"
            if not (self.is_closed and (boundary.is_simple or self._is_sound())):
                self.sign = "winding"
        else:
            self.sign = sign
        self._area_so_far = np.cumsum(area(self.vertices, self.faces))

    def _is_sound(self) -> bool:
        """Whether the two signs agree at random points that are not too close to the surface.

        In the box of the surface and in the whole unit cube: a fold turns the pseudonormal's sign of all places that
        are nearest to it, however far away.
        """
        rng = np.random.default_rng(0)
        here = self.low + (self.high - self.low) * rng.random((_PROBES, 3))
        probes = np.concatenate([here, rng.random((_PROBES, 3))])
        distance = self.distance(probes)
        certain = np.abs(distance) > _CERTAIN
        agrees = (distance < 0) == self._is_wound(probes)
        return bool(agrees[certain].all())

    def distance(self, x: Floats) -> Floats:
        at, squared, face, where = self._tree.nearest(x)
        unsigned: Floats = np.sqrt(squared)
        if self.sign == "pseudonormal":
            signed: Floats = unsigned * self._normals.signs(x, at, face, where)
            return signed
        return np.where(self._is_wound(x), -unsigned, unsigned)

    def depth(self, x: Floats) -> Floats:
        unsigned: Floats = np.sqrt(self._tree.nearest(x)[1])
        return unsigned

    @cached_property
    def _tree(self) -> FaceTree:
        from inr.kernels.face_tree import FaceTree

        return FaceTree(self.vertices, self.faces)

    @cached_property
    def _normals(self) -> Pseudonormals:
        from inr.signals.solids.pseudonormals import Pseudonormals

        return Pseudonormals(self.vertices, self.faces, self._edges)

    def _is_wound(self, x: Floats) -> Bools:
        """Whether points [N, 3] are inside by the winding number."""
        order = np.argsort(cells_of(x), kind="stable")  # neighbours visit the same part of the tree: half the time
        inside = np.empty(len(x), bool)
        inside[order] = self._winding.number(x[order]) > 0.5
        return inside

    @cached_property
    def _winding(self) -> Winding:
        return Winding(*self._wound)

    def surface(self, n: int, generator: Generator) -> Floats:
        return on_faces(self.vertices, self.faces, self._area_so_far, uniform(n, 3, generator))


def on_faces(vertices: Floats, faces: Faces, area_so_far: Floats, draws: Floats) -> Floats:
    """Points [N, 3] on faces, uniform by area, from uniform numbers [N, 3]; area_so_far: running sum of the areas."""
    face = np.searchsorted(area_so_far, draws[:, 0] * area_so_far[-1], side="right")
    corners = vertices[faces[np.minimum(face, len(faces) - 1)]]
    root = np.sqrt(draws[:, 1:2])
    weights = np.concatenate([1 - root, root * (1 - draws[:, 2:]), root * draws[:, 2:]], axis=1)
    points: Floats = np.einsum("nk,nkd->nd", weights, corners)
    return points


def across(solid: Solid, points: Floats) -> Floats:
    """How far it is from points [N, 3] on the surface straight through the solid to its other side, [N]."""
    nudge = solid.slack
    steps = nudge * np.concatenate([np.eye(3), -np.eye(3)])
    ends = solid.distance((points + steps[:, None]).reshape(-1, 3)).reshape(6, -1)
    slope = (ends[:3] - ends[3:]).T
    inward = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-300)
    way = np.full(len(points), nudge)
    going = np.flatnonzero(solid.distance(points + nudge * inward) < -nudge / 2)
    for _ in range(_MARCH):  # a step of the distance never leaves the solid
        depth = solid.depth(points[going] + way[going, None] * inward[going])
        way[going] += depth
        going = going[depth > nudge / 2]
        if not len(going):
            break
    return way


def uniform(n: int, d: int, generator: Generator) -> Floats:
    """Uniform numbers [n, d] in [0, 1), float64."""
    drawn: Floats = torch.rand(n, d, generator=generator, device=generator.device, dtype=torch.float64).cpu().numpy()
    return drawn


def normal(n: int, d: int, generator: Generator) -> Floats:
    """Standard normal numbers [n, d], float64."""
    drawn: Floats = torch.randn(n, d, generator=generator, device=generator.device, dtype=torch.float64).cpu().numpy()
    return drawn


def cells_of(x: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Z-order index of the 64^3 cell that each point lies in."""
    cell = np.clip(x * 64, 0, 63).astype(np.int64)
    code = np.zeros(len(x), np.int64)
    for bit in range(6):
        for d in range(3):
            code |= ((cell[:, d] >> bit) & 1) << (3 * bit + d)
    return code
