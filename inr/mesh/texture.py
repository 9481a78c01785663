"""Texture coordinates for a mesh, and an image of values on its surface."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from inr.core.errors import UsageError
from inr.core.jit import compiled
from inr.core.optional import need
from inr.mesh._octree_grid import Reals
from inr.mesh.extract import Colors, Mesh

SIZE = 2048
"""Texels along a side."""


def textured(mesh: Mesh, colour_at: Callable[[Reals], Colors], size: int = SIZE) -> Mesh:
    """The mesh with texture coordinates and an image of [size, size] colours.

    colour_at: positions [N, 3] in the units of the mesh -> colours [N, 3 or 4]. It is called with the place on the
    surface of every texel that a triangle covers; other texels have the colour of the nearest of these, so that no
    seam shows. Vertices are doubled along seams (xatlas, by Jonathan Young; charts of little distortion). Coordinates
    are (u, v) in [0, 1], v upwards; row 0 of the image is v = 1. Raises UnavailableError without the package xatlas,
    UsageError for a size outside 16..16384.
    """
    if not 16 <= size <= 16384:
        raise UsageError(f"a texture of {size} texels a side is out of range, expected 16 to 16384")
    xatlas: Any = need("xatlas", "a texture")
    source, faces, uv = xatlas.parametrize(mesh.vertices.astype(np.float32), mesh.faces.astype(np.uint32))
    source, faces, uv = source.astype(np.int64), faces.astype(np.int64), uv.astype(np.float64)
    places, is_covered = _places(mesh.vertices[source], faces, uv, size)
    shades = colour_at(places[is_covered])
    image = np.zeros((size, size, shades.shape[1]), np.uint8)
    image[is_covered] = shades
    normals = None if mesh.normals is None else mesh.normals[source]
    return dataclasses.replace(
        Mesh(mesh.vertices[source], faces, normals), uv=uv, texture=_filled(image, is_covered)[::-1].copy()
    )


def _places(vertices: Reals, faces: Any, uv: Reals, size: int) -> tuple[Reals, Any]:
    """The place on the surface of each texel [size, size, 3], rows by v upwards, and whether a triangle covers it."""
    places = np.zeros((size, size, 3))
    is_covered = np.zeros((size, size), dtype=np.bool_)
    _rasterise(vertices, faces, uv * size - 0.5, places, is_covered)
    return places, is_covered


def _filled(image: Any, is_covered: Any) -> Any:
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(~is_covered, return_distances=False, return_indices=True)
    return image[rows, columns]


@compiled
def _rasterise(vertices: Any, faces: Any, at: Any, places: Any, is_covered: Any) -> None:
    """at [V, 2]: the texel (column, row) of each vertex. Half a texel beside a triangle is covered too."""
    size = len(places)
    for f in range(len(faces)):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay = at[a, 0], at[a, 1]
        bx, by, cx, cy = at[b, 0] - ax, at[b, 1] - ay, at[c, 0] - ax, at[c, 1] - ay
        area = bx * cy - by * cx
        if area == 0:
            continue
        longest = np.sqrt(max(bx * bx + by * by, cx * cx + cy * cy, (bx - cx) ** 2 + (by - cy) ** 2))
        slack = 0.5 * longest / abs(area)  # half a texel, in heights of the triangle
        left = max(0, int(np.floor(ax + min(0.0, bx, cx) - 0.5)))
        right = min(size - 1, int(np.ceil(ax + max(0.0, bx, cx) + 0.5)))
        low = max(0, int(np.floor(ay + min(0.0, by, cy) - 0.5)))
        high = min(size - 1, int(np.ceil(ay + max(0.0, by, cy) + 0.5)))
        for row in range(low, high + 1):
            for column in range(left, right + 1):
                x, y = column - ax, row - ay
                v = (x * cy - y * cx) / area
                w = (bx * y - by * x) / area
                u = 1 - v - w
                if min(u, v, w) < -slack or (is_covered[row, column] and min(u, v, w) < 0):
                    continue
                u, v, w = max(u, 0.0), max(v, 0.0), max(w, 0.0)
                total = u + v + w
                for d in range(3):
                    places[row, column, d] = (u * vertices[a, d] + v * vertices[b, d] + w * vertices[c, d]) / total
                is_covered[row, column] = True
