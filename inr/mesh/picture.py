"""A small shaded picture of a triangle mesh, without a graphics library."""

from __future__ import annotations

from typing import Any

import numpy as np

from inr.core.errors import UsageError
from inr.mesh._octree_grid import Ints, Reals
from inr.mesh.extract import Mesh
from inr.mesh.project import unit

Pixels = np.ndarray[Any, np.dtype[np.uint8]]

_OVERSAMPLING = 2
_BACKGROUND = np.array([250.0, 250.0, 248.0])
_COLOUR = np.array([196.0, 205.0, 214.0])
_NOTHING = np.iinfo(np.int64).max


def picture(
    mesh: Mesh, size: int = 512, *, azimuth_deg: float = 30.0, elevation_deg: float = 25.0, within: Reals | None = None
) -> Pixels:
    """Shaded picture of a mesh, uint8 [size, size, 3]: orthographic, from azimuth and elevation, y up (as in glTF).

    A depth buffer over twice the size, then the normals of the vertices, interpolated (of the faces, if the mesh has no
    normals), lit from the upper left, behind the viewer. Both sides of a face are lit. A mesh with colours is
    drawn in them, one colour per face. within: points [N, 3] that the view shows too, so that several meshes
    can have one view.
    Raises UsageError for a size outside 8..4096.
    """
    if not 8 <= size <= 4096:
        raise UsageError(f"picture size {size} is out of range, expected 8 to 4096 pixels")
    side = size * _OVERSAMPLING
    image = np.broadcast_to(_BACKGROUND, (side * side, 3)).copy()
    if len(mesh.faces):
        view = _view(azimuth_deg, elevation_deg)
        seen = mesh.vertices @ view.T
        triangles = _screen(seen, side, seen if within is None else within @ view.T)[mesh.faces]
        planes = _planes(triangles)
        face = _depth_buffer(triangles, planes, side)
        hit = np.flatnonzero(face >= 0)
        face = face[hit]
        a, b, c = (seen[mesh.faces[face, m]] for m in range(3))
        normals = np.cross(b - a, c - a)
        back = normals[:, 2] > 0
        if mesh.normals is not None:
            pixel = (hit % side)[:, None], (hit // side)[:, None]
            second, third = (_at(planes[face, m, :, None], *pixel) for m in range(2))
            corners = (mesh.normals @ view.T)[mesh.faces[face]]
            normals = corners[:, 0] * (1 - second - third) + corners[:, 1] * second + corners[:, 2] * third
        image[hit] = _shade(np.where(back[:, None], -normals, normals), _colour(mesh, face))
    small = image.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 3).mean(axis=(1, 3))
    return np.asarray(np.clip(np.rint(small), 0, 255), dtype=np.uint8)


def _view(azimuth_deg: float, elevation_deg: float) -> Reals:
    """Rows: the directions of right, down and away from the viewer."""
    a, e = np.radians(azimuth_deg), np.radians(elevation_deg)
    away = -np.array([np.cos(e) * np.sin(a), np.sin(e), np.cos(e) * np.cos(a)])
    right = np.array([np.cos(a), 0.0, -np.sin(a)])
    return np.stack([right, np.cross(away, right), away])


def _screen(vertices: Reals, side: int, shown: Reals) -> Reals:
    """Vertices in the view's axes -> pixels across, pixels down, and depth in 0..1; a margin of 6 % around `shown`."""
    low, high = np.minimum(shown.min(axis=0), vertices.min(axis=0)), np.maximum(shown.max(axis=0), vertices.max(axis=0))
    span = max(float((high - low)[:2].max()), 1e-300)
    across = (vertices[:, :2] - (low + high)[:2] / 2) * (0.88 * side / span) + side / 2
    depth = (vertices[:, 2:] - low[2]) / max(float(high[2] - low[2]), 1e-300)
    return np.concatenate([across, depth], axis=1)


def _planes(triangles: Reals) -> Reals:
    """Triangles [F, 3, 3] on the screen -> [F, 3, 3]: the second and third barycentric coordinate and the depth, each
    as p + q column + r row at pixel centres. The coordinates are -1 everywhere in a triangle without area."""
    a, u, v = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    area = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    thin = np.abs(area) < 1e-12
    area[thin] = 1.0
    slopes = np.stack([np.stack([v[:, 1], -v[:, 0]], axis=1), np.stack([-u[:, 1], u[:, 0]], axis=1)], axis=1)
    slopes /= area[:, None, None]
    depth = slopes[:, :1] * u[:, 2, None, None] + slopes[:, 1:] * v[:, 2, None, None]
    slopes = np.concatenate([slopes, depth], axis=1)
    slopes[thin] = 0.0
    start = np.stack([np.where(thin, -1.0, 0.0), np.where(thin, -1.0, 0.0), a[:, 2]], axis=1)
    start += (slopes * (0.5 - a[:, None, :2])).sum(axis=2)
    return np.concatenate([start[:, :, None], slopes], axis=2)


def _at(plane: Reals, column: Ints, row: Ints) -> Reals:
    """One quantity of `_planes`, [F, 3, 1], at pixels [F, K] of each face."""
    return plane[:, 0] + plane[:, 1] * column + plane[:, 2] * row


def _depth_buffer(triangles: Reals, planes: Reals, side: int) -> Ints:
    """Number of the nearest face at each pixel centre, [side * side]; -1 if there is none.

    Faces are taken in groups whose bounding boxes fit the same power-of-two block of pixels, each group as one array
    of candidate pixels. Depth (31 bits) and face number (32 bits) share one integer, so that a plain minimum picks
    the nearest face.
    """
    buffer = np.full(side * side, _NOTHING, dtype=np.int64)
    first = np.ceil(triangles[:, :, :2].min(axis=1) - 0.5).astype(np.int64)
    last = np.floor(triangles[:, :, :2].max(axis=1) - 0.5).astype(np.int64)
    seen = np.flatnonzero((last >= first).all(axis=1))
    reach = np.ceil(np.log2((last - first + 1)[seen])).astype(np.int64)
    for across, down in np.unique(reach, axis=0):
        group = seen[(reach == (across, down)).all(axis=1)]
        rows, columns = np.divmod(np.arange(1 << (across + down)), 1 << across)
        step = max(1, (1 << 20) // len(rows))
        for start in range(0, len(group), step):
            part = group[start : start + step]
            column, row = first[part, 0, None] + columns, first[part, 1, None] + rows
            second, third, depth = (_at(planes[part, m, :, None], column, row) for m in range(3))
            inside = (second >= 0) & (third >= 0) & (second + third <= 1)
            number = np.broadcast_to(part[:, None], inside.shape)[inside]
            near = (np.clip(depth[inside], 0, 1) * (2**31 - 1)).astype(np.int64)
            np.minimum.at(buffer, row[inside] * side + column[inside], near << 32 | number)
    return np.where(buffer == _NOTHING, -1, buffer & (2**32 - 1))


def _colour(mesh: Mesh, face: Ints) -> Reals:
    """Unlit colours of faces [N]: the mean of their vertices' [N, 3], or the default colour [3]."""
    if mesh.colors is None:
        return _COLOUR
    return np.asarray(mesh.colors[mesh.faces[face], :3].mean(axis=1))


def _shade(normals: Reals, colour: Reals) -> Reals:
    """Normals in the view's axes [N, 3], towards the viewer, and unlit colours [N or 1, 3] -> colours [N, 3]."""
    normals = unit(normals)
    key = np.array([-0.45, -0.65, -0.61])
    light = 0.28 + 0.62 * np.clip(normals @ key, 0, 1) + 0.16 * np.clip(-normals[:, 2], 0, 1)
    return np.asarray(colour * light[:, None])
