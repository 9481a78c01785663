"""Linear interpolation along an axis, as a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def places_of(n: int, scale: float) -> Array:
    """Where the n samples of an axis lie, counted in vertices of a level with this scale [n]."""
    return np.asarray((np.arange(n) + 0.5) / n * scale + 0.5)


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
