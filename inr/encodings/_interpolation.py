"""Linear interpolation along an axis, as a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


RIDGE = 1e-12
"""Added to the normal equations, in units of their largest diagonal entry: vertices without samples have none."""


def places_of(n: int, scale: float, start: int = 0, stop: int | None = None) -> Array:
    """Where samples start ... stop of the n on an axis lie, counted in vertices of a level with this scale."""
    return np.asarray((np.arange(start, n if stop is None else stop) + 0.5) / n * scale + 0.5)


def interpolation_matrix(places: Array, n_vertices: int, *, is_smooth: bool = False) -> Any:
    """The weights [n, n_vertices] with which samples at `places` read the vertices, as a sparse matrix."""
    from scipy.sparse import csr_array

    cell = np.floor(places).astype(np.int64)
    t = (places - cell).astype(np.float32)
    if is_smooth:
        t = t * t * (3 - 2 * t)
    rows = np.concatenate([np.arange(len(places))] * 2)
    columns = np.concatenate([cell, cell + 1])
    return csr_array((np.concatenate([1 - t, t]), (rows, columns)), shape=(len(places), n_vertices))


def best_vertices(matrix: Any, values: Array) -> Array:
    """The values of vertices [m, ...] that are read by `matrix` [n, m] as close as possible to values [n, ...].

    The normal equations are tridiagonal, since every sample is read from two neighbouring vertices.
    """
    from scipy.linalg import solveh_banded

    matrix = matrix.astype(np.float64)
    normal = matrix.T @ matrix
    diagonal = normal.diagonal()
    bands = np.stack([np.append(0.0, normal.diagonal(1)), diagonal + RIDGE * diagonal.max()])
    found = solveh_banded(bands, matrix.T @ values.reshape(len(values), -1))
    return np.asarray(found).reshape(-1, *values.shape[1:])
