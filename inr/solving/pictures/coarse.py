"""A picture to start from: the first guess, corrected by a smooth picture on a coarse lattice (Galerkin's method)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.solving.pictures.direct import normal_equations
from inr.solving.pictures.stencils import Stencils

Array = NDArray[Any]
MOST_VERTICES = 64
"""Of the coarse lattice along the longer side."""
RIDGE = 1e-9
"""Part of the mean diagonal: vertices that no free pixel sees stay at 0."""


def coarse_start(stencils: Stencils, most: int = MOST_VERTICES) -> Array:
    """values + P c [H, W, C], bilinear in c on at most `most` vertices per side, of the least sum of squares."""
    from scipy.sparse import eye_array
    from scipy.sparse.linalg import splu

    height, width, _ = stencils.shape
    step = max(1.0, max(height, width) / (most - 1))
    prolongation = _bilinear(height, width, step)[np.flatnonzero(~stencils.fixed)]
    matrix, right = normal_equations(stencils)
    guess = stencils.values[~stencils.fixed]
    small = (prolongation.T @ matrix @ prolongation).tocsc()
    ridge = RIDGE * float(small.diagonal().mean() or 1.0)
    factors = splu((small + ridge * eye_array(small.shape[0])).tocsc())
    found = stencils.values.copy()
    found[~stencils.fixed] = guess + prolongation @ factors.solve(prolongation.T @ (right - matrix @ guess))
    return stencils.completed(found)


def _bilinear(height: int, width: int, step: float) -> Any:
    """Interpolation [H W, V] from a lattice whose vertices are `step` pixels apart, sparse."""
    from scipy.sparse import csr_array, kron

    def line(n: int) -> Any:
        vertices = max(2, int(np.ceil(n / step)) + 1)
        place = (np.arange(n) + 0.5) / n * (vertices - 1)
        low = np.minimum(place.astype(np.int64), vertices - 2)
        part = place - low
        rows = np.repeat(np.arange(n), 2)
        weights = np.stack([1 - part, part], -1).ravel()
        return csr_array((weights, (rows, np.stack([low, low + 1], -1).ravel())), shape=(n, vertices))

    return kron(line(height), line(width)).tocsr()
