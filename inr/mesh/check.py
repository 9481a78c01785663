"""What slicers, booleans and physics engines need of a mesh: closed, manifold, without crossings."""

from __future__ import annotations

import dataclasses

import numpy as np

from inr.mesh._octree_grid import Ints, Reals
from inr.mesh.extract import Mesh
from inr.mesh.march import is_closed
from inr.mesh.measure import measure
from inr.signals.solids.crossings import crossings


@dataclasses.dataclass(frozen=True)
class MeshCheck:
    """Properties of a triangle mesh.

    is_closed: every edge has exactly two faces. is_edge_manifold: every edge has one or two faces, which pass it in
    opposite directions, so none is turned over. is_vertex_manifold: the faces around every vertex form one fan; an
    edge-manifold mesh need not have that. n_crossings: pairs of faces that cross or lie on each other, beyond the
    corners and edges that they share (exact predicates). n_components: connected surfaces. genus: handles of all of
    them, from the Euler characteristic V - E + F = 2 n_components - 2 genus; None unless the mesh is closed and
    manifold. volume: enclosed, negative if the faces point inwards. area: of all faces. min_angle_deg: the angle that
    1 % of the faces have less than, as their smallest.
    """

    is_closed: bool
    is_edge_manifold: bool
    is_vertex_manifold: bool
    n_crossings: int
    n_components: int
    genus: int | None
    volume: float
    area: float
    min_angle_deg: float

    @property
    def is_sound(self) -> bool:
        """Whether it bounds a volume: closed and manifold."""
        return self.is_closed and self.is_edge_manifold and self.is_vertex_manifold


def check_mesh(mesh: Mesh) -> MeshCheck:
    """Check a mesh that has at least one face. See `MeshCheck`."""
    import igl

    used, faces = np.unique(mesh.faces, return_inverse=True)
    vertices = np.ascontiguousarray(mesh.vertices[used])
    faces = np.ascontiguousarray(faces.reshape(-1, 3), np.int64)
    closed = is_closed(faces)
    sides = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    edge_manifold = len(np.unique(sides, axis=0)) == len(sides)
    vertex_manifold = bool(np.all(igl.is_vertex_manifold(faces)))
    first, _ = crossings(vertices, faces)
    measured = measure(vertices, faces)
    is_surface = closed and edge_manifold and vertex_manifold
    n_edges = len(faces) * 3 // 2
    euler = len(vertices) - n_edges + len(faces)
    area, angle = _area_and_angles(vertices, faces)
    return MeshCheck(
        is_closed=closed,
        is_edge_manifold=edge_manifold,
        is_vertex_manifold=vertex_manifold,
        n_crossings=len(first),
        n_components=measured.n_components,
        genus=measured.n_components - euler // 2 if is_surface else None,
        volume=measured.volume,
        area=area,
        min_angle_deg=float(np.quantile(angle, 0.01)),
    )


def _area_and_angles(vertices: Reals, faces: Ints) -> tuple[float, Reals]:
    """The area of all faces, and the smallest angle of each in degrees; 0 for a face without area."""
    corners = vertices[faces]
    angles = []
    for k in range(3):
        u, v = corners[:, (k + 1) % 3] - corners[:, k], corners[:, (k + 2) % 3] - corners[:, k]
        across = np.linalg.norm(np.cross(u, v), axis=1)
        angles.append(np.degrees(np.arctan2(across, np.einsum("nd,nd->n", u, v))))
    return float(across.sum() / 2), np.min(angles, axis=0)
