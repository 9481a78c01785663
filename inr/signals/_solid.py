"""Solids in the unit box: signed distances of triangle meshes, by libigl, with a sign that holes do not spoil."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Generator

Floats = np.ndarray[Any, np.dtype[np.float64]]
Faces = np.ndarray[Any, np.dtype[np.int64]]
Sign = Literal["auto", "pseudonormal", "winding"]

_PROBES = 4096
_CERTAIN = 1e-3


class Solid(Protocol):
    """Something with an inside, placed in the unit box. low, high: corners [3] of its own bounding box."""

    low: Floats
    high: Floats

    def distance(self, x: Floats) -> Floats:
        """Signed distances [N] at points [N, 3], negative inside, in unit-box lengths."""
        ...

    def surface(self, n: int, generator: Generator) -> Floats:
        """Points [n, 3] on the surface, uniform by area."""
        ...


@dataclasses.dataclass(frozen=True)
class Cleaned:
    """A mesh with equal vertices merged, and without zero-area and repeated faces; the counts say what was removed."""

    vertices: Floats
    faces: Faces
    n_degenerate: int
    n_duplicate: int


def clean(vertices: Floats, faces: Faces) -> Cleaned:
    """Merge exactly equal vertices, drop faces of zero area, and keep one of faces repeated with one orientation."""
    vertices, inverse = np.unique(vertices, axis=0, return_inverse=True)
    faces = inverse.reshape(-1)[faces]
    corners = vertices[faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    whole = faces[area > 0]
    first = whole.argmin(axis=1)[:, None]
    turned = np.take_along_axis(whole, (first + np.arange(3)) % 3, axis=1)
    kept = np.sort(np.unique(turned, axis=0, return_index=True)[1])
    used, renumbered = np.unique(whole[kept], return_inverse=True)
    return Cleaned(
        np.ascontiguousarray(vertices[used]),
        np.ascontiguousarray(renumbered.reshape(-1, 3), dtype=np.int64),
        len(faces) - len(whole),
        len(whole) - len(kept),
    )


def is_closed(faces: Faces) -> bool:
    """Whether every edge is used exactly once in each direction: watertight, and consistently wound."""
    n = int(faces.max()) + 1
    there = (faces[:, [0, 1, 2]] * n + faces[:, [1, 2, 0]]).ravel()
    back = (faces[:, [1, 2, 0]] * n + faces[:, [0, 1, 2]]).ravel()
    there.sort()
    back.sort()
    return bool((there[1:] != there[:-1]).all() and (there == back).all())


class MeshSolid:
    """A triangle mesh in the unit box. vertices [V, 3] float64, faces [F, 3] int64.

    Distances are exact. Their sign comes from one of two methods; `auto` takes the first where it is sound:
    pseudonormal: the angle-weighted normal at the closest point (Bærentzen, Aanæs 2005); needs a closed mesh that
    does not cross or nest with itself, which is tried on 4096 points. winding: |generalised winding number| > 1/2
    (Jacobson et al. 2013, fast form by Barill et al. 2018); for holes, overlaps and mixed orientation. libigl's own
    signed distance is not used with winding numbers: it multiplies distances by the unrounded number.
    A mesh whose normals point inwards is turned over (`is_flipped`).
    """

    sign: Literal["pseudonormal", "winding"]

    def __init__(self, vertices: Floats, faces: Faces, sign: Sign = "auto") -> None:
        self.vertices, self.faces = vertices, faces
        self.low, self.high = vertices.min(axis=0), vertices.max(axis=0)
        self.is_closed = is_closed(faces)
        probes = self.low + (self.high - self.low) * np.random.default_rng(0).random((_PROBES, 3))
        winding = self._winding(probes)
        self.is_flipped = np.count_nonzero(winding < -0.5) > np.count_nonzero(winding > 0.5)
        if self.is_flipped:
            self.faces = np.ascontiguousarray(faces[:, ::-1])
        if sign == "auto":
            self.sign = "pseudonormal"
            distance = self.distance(probes)
            certain = np.abs(distance) > _CERTAIN
            agrees = (distance < 0) == (np.abs(winding) > 0.5)
            if not (self.is_closed and agrees[certain].all()):
                self.sign = "winding"
        else:
            self.sign = sign
        corners = vertices[self.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        self._area_so_far = np.cumsum(np.linalg.norm(normals, axis=1) / 2)

    def distance(self, x: Floats) -> Floats:
        import igl

        order = np.argsort(_cells(x), kind="stable")  # neighbours visit the same part of the tree: half the time
        x = np.ascontiguousarray(x[order], dtype=np.float64)
        if self.sign == "pseudonormal":
            signed = igl.signed_distance(x, self.vertices, self.faces, igl.SIGNED_DISTANCE_TYPE_PSEUDONORMAL)[0]
        else:
            unsigned = np.sqrt(np.maximum(igl.point_mesh_squared_distance(x, self.vertices, self.faces)[0], 0.0))
            signed = np.where(np.abs(self._winding(x)) > 0.5, -unsigned, unsigned)
        result: Floats = np.empty_like(signed)
        result[order] = signed
        return result

    def surface(self, n: int, generator: Generator) -> Floats:
        draws = uniform(n, 3, generator)
        face = np.searchsorted(self._area_so_far, draws[:, 0] * self._area_so_far[-1], side="right")
        corners = self.vertices[self.faces[np.minimum(face, len(self.faces) - 1)]]
        root = np.sqrt(draws[:, 1:2])
        weights = np.concatenate([1 - root, root * (1 - draws[:, 2:]), root * draws[:, 2:]], axis=1)
        points: Floats = np.einsum("nk,nkd->nd", weights, corners)
        return points

    def _winding(self, x: Floats) -> Floats:
        import igl

        number: Floats = igl.fast_winding_number(self.vertices, self.faces, x)
        return number


def uniform(n: int, d: int, generator: Generator) -> Floats:
    """Uniform numbers [n, d] in [0, 1), float64."""
    drawn: Floats = torch.rand(n, d, generator=generator, device=generator.device, dtype=torch.float64).cpu().numpy()
    return drawn


def normal(n: int, d: int, generator: Generator) -> Floats:
    """Standard normal numbers [n, d], float64."""
    drawn: Floats = torch.randn(n, d, generator=generator, device=generator.device, dtype=torch.float64).cpu().numpy()
    return drawn


def _cells(x: Floats) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Z-order index of the 64^3 cell that each point lies in."""
    cell = np.clip(x * 64, 0, 63).astype(np.int64)
    code = np.zeros(len(x), np.int64)
    for bit in range(6):
        for d in range(3):
            code |= ((cell[:, d] >> bit) & 1) << (3 * bit + d)
    return code
