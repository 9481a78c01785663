"""Vertices onto the level set by Newton steps, and normals from the field's gradient."""

from __future__ import annotations

import numpy as np

from inr.mesh._octree_grid import Ints, PointEvaluator, Reals
from inr.mesh.march import Soup

# Steps below this share of the lattice spacing are not worth an evaluation; a vertex that moved further than this
# share has its gradient taken again for its normal (the gradient of a distance is constant along a Newton step).
_STILL = 1e-3
_MOVED = 0.05


def project(soup: Soup, sample: PointEvaluator, *, spacing: float, steps: int) -> tuple[Reals, Reals]:
    """Vertices [V, 3] on the level set, and unit normals [V, 3] that point to larger values (outward).

    Each step is v <- v - g grad g / |grad g|^2 with g = f - level, grad g taken at the start (chord Newton); the way
    from the start is at most spacing / 2, and a step that makes |g| larger is undone, so that a field with a rough
    gradient cannot scatter vertices. Vertices on a wall of the box stay on it; those that cap the shape
    there do not move, and have the wall's normal. Where the gradient vanishes, the normal is that of the faces.
    """
    vertices = soup.vertices.copy()
    normals = np.zeros_like(vertices)
    normals[~soup.capped] = sample.gradient(vertices[~soup.capped], spacing / 2)
    on_wall = (vertices <= 0) | (vertices >= 1)
    slide = np.where(on_wall, 0.0, normals)
    squared = (slide**2).sum(axis=1)
    moving = np.flatnonzero(~soup.capped & (squared > 0))
    direction = slide[moving] / squared[moving, None]
    start = vertices[moving]
    value = sample(start, "projection").astype(np.float64) if steps else np.empty(0)
    for _ in range(steps):
        target = vertices[moving] - value[:, None] * direction
        way = target - start
        length = np.linalg.norm(way, axis=1, keepdims=True)
        way *= np.minimum(1, 0.5 * spacing / np.maximum(length, 1e-300))
        target = np.clip(start + way, 0, 1)
        worth = np.linalg.norm(target - vertices[moving], axis=1) > _STILL * spacing
        moving, start, direction, target, value = (a[worth] for a in (moving, start, direction, target, value))
        if not len(moving):
            break
        there = sample(target, "projection").astype(np.float64)
        better = np.abs(there) < np.abs(value)
        moving, start, direction, value = moving[better], start[better], direction[better], there[better]
        vertices[moving] = target[better]
    moved = np.flatnonzero(np.linalg.norm(vertices - soup.vertices, axis=1) > _MOVED * spacing)
    normals[moved] = sample.gradient(vertices[moved], spacing / 2)
    normals[soup.capped] = np.where(on_wall, 2 * vertices - 1, 0.0)[soup.capped]
    flat = (np.abs(normals) <= 1e-12).all(axis=1)
    if flat.any():
        normals[flat] = face_normals(vertices, soup.faces)[flat]
    return vertices, unit(normals)


def unit(vectors: Reals) -> Reals:
    """Vectors [N, 3] at length 1; a zero vector stays zero."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-300))


def face_normals(vertices: Reals, faces: Ints) -> Reals:
    """Sum of the area vectors of the faces around each vertex, [V, 3], not of unit length."""
    a, b, c = (vertices[faces[:, m]] for m in range(3))
    area = np.cross(b - a, c - a)
    flat = faces.ravel()
    return np.stack(
        [np.bincount(flat, weights=np.repeat(area[:, axis], 3), minlength=len(vertices)) for axis in range(3)], axis=1
    )
