"""The least squares of stencils by linear algebra: what fields are compared with.

Without known pixels and weights the discrete cosine transform solves edges and Laplacians; else sparse factors, and for
many pixels conjugate gradients, preconditioned by that transform.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.core.errors import UnavailableError
from inr.solving.pictures.stencils import Stencils

Array = NDArray[Any]
MOST_FACTORED = 300_000
"""Free pixels up to which sparse factors are computed; they take about 1 kB each."""
SCATTERED = 0.2
"""Part of known pixels from which factors of Laplacians fill little, and conjugate gradients converge slowly."""
TOLERANCE = 1e-10
MOST_STEPS = 2000


def solve_direct(stencils: Stencils) -> Array:
    """The solution [H, W, C], known pixels as they are. Raises UnavailableError if no solver converges."""
    part, right = equations(stencils)
    n_free, is_floating, is_square = part.shape[1], stencils.mean is not None, part.shape[0] == part.shape[1]
    if not n_free or not len(right):  # nothing to find, or one pixel without a neighbour
        return stencils.completed(stencils.values.copy())
    if is_square and not is_floating and n_free <= MOST_FACTORED:
        found = _by_factors(part, right, is_floating=False)
    else:
        matrix, right = normal_equations(stencils)
        if is_floating and _is_plain(stencils):
            found = _by_cosines(stencils, right)
        elif n_free <= MOST_FACTORED / (1 if stencils.nodes.shape[1] == 2 or stencils.fixed.mean() > SCATTERED else 3):
            found = _by_factors(matrix, right, is_floating=is_floating)
        else:
            found = _by_conjugate_gradients(stencils, matrix, right)
    values = stencils.values.copy()
    values[~stencils.fixed] = found
    return stencils.completed(values)


def equations(stencils: Stencils) -> tuple[Any, Array]:
    """A [R, N], sparse, of the N free pixels in row-major order, and b [R, C]; without weights."""
    from scipy import sparse

    rows, k = stencils.nodes.shape
    height, width, channels = stencils.shape
    free = ~stencils.fixed.ravel()
    place = np.repeat(np.arange(rows), k)
    entries = (stencils.factors.ravel(), (place, stencils.nodes.ravel()))
    whole = sparse.csr_array(entries, shape=(rows, height * width)).tocsc()
    known = np.where(free[:, None], 0.0, stencils.values.reshape(-1, channels))
    return whole[:, np.flatnonzero(free)].tocsr(), stencils.wanted - whole @ known


def normal_equations(stencils: Stencils) -> tuple[Any, Array]:
    """A^T W A [N, N], sparse, and A^T W b [N, C]."""
    part, right = equations(stencils)
    weighted = (part * stencils.weight[:, None]).T.tocsr()
    return (weighted @ part).tocsc(), weighted @ right


def _is_plain(stencils: Stencils) -> bool:
    height, width, _ = stencils.shape
    n_edges = height * (width - 1) + (height - 1) * width
    is_whole = stencils.nodes.shape in ((n_edges, 2), (height * width, 5)) and not stencils.fixed.any()
    return bool(is_whole and (stencils.weight == stencils.weight[0]).all() and (stencils.factors[:, 1:] >= 0).all())


def _divisor(stencils: Stencils) -> Array:
    height, width, _ = stencils.shape
    divisor = cosine_divisor(height, width)
    return divisor if stencils.nodes.shape[1] == 2 else np.square(divisor)


def cosine_divisor(height: int, width: int) -> Array:
    """Eigenvalues [H, W] of A^T A for edges of weight 1: sum_a (2 - 2 cos(pi k_a / n_a))."""
    lines = [2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in (height, width)]
    divisor: Array = np.add.outer(*lines)
    return divisor


def _by_cosines(stencils: Stencils, right: Array) -> Array:
    from scipy.fft import dctn, idctn

    divisor = _divisor(stencils) * stencils.weight[0]
    divisor[0, 0] = 1.0
    spectrum = dctn(right.reshape(stencils.shape), axes=(0, 1)) / divisor[..., None]
    spectrum[0, 0] = 0.0
    found: Array = idctn(spectrum, axes=(0, 1)).reshape(right.shape)
    return found


def _by_factors(matrix: Any, right: Array, *, is_floating: bool) -> Array:
    from scipy.sparse import csc_array
    from scipy.sparse.linalg import splu

    if is_floating:  # the first value is 0; the mean is set later
        first = csc_array(([1.0], ([0], [0])), shape=matrix.shape)
        matrix = matrix + first
    factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    found: Array = factors.solve(right)
    return found


def _by_conjugate_gradients(stencils: Stencils, matrix: Any, right: Array) -> Array:
    from scipy.fft import dctn, idctn
    from scipy.sparse.linalg import LinearOperator, cg

    free = ~stencils.fixed
    divisor = _divisor(stencils)
    divisor[0, 0] = divisor.ravel()[1:].min()

    def precondition(residual: Array) -> Array:
        spread = np.zeros(free.shape)
        spread[free] = residual.ravel()
        found: Array = idctn(dctn(spread) / divisor)[free]
        return found

    operator = LinearOperator(matrix.shape, matvec=precondition, dtype=np.float64)
    columns = []
    for channel in range(right.shape[1]):
        found, failure = cg(matrix, right[:, channel], rtol=TOLERANCE, maxiter=MOST_STEPS, M=operator)
        if failure:
            raise UnavailableError(f"conjugate gradients did not converge in {MOST_STEPS} steps", "use a smaller mask")
        columns.append(found)
    return np.stack(columns, -1)
