"""Steps of the level-set equation of mean curvature on a lattice; compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.kernels.threads import compiled

Array = NDArray[Any]


@compiled
def curvature_step(f: Array, out: Array, step: float, flat: float) -> None:
    """out = f + step |grad f| div(grad f / |grad f|) by central differences of spacing 1; f, out: [I, J, K], float64.

    At the walls values continue without a slope. Stable for step <= 1/6. Around squares of the gradient of `flat` and
    below, 2/3 of the Laplacian takes over, which is the limit in the middle of a ball.
    Source: Osher and Sethian 1988, doi:10.1016/0021-9991(88)90002-2.
    """
    ni, nj, nk = f.shape
    for i in range(ni):
        a, b = max(i - 1, 0), min(i + 1, ni - 1)
        for j in range(nj):
            c, d = max(j - 1, 0), min(j + 1, nj - 1)
            for k in range(nk):
                e, g = max(k - 1, 0), min(k + 1, nk - 1)
                here = f[i, j, k]
                x, y, z = (f[b, j, k] - f[a, j, k]) / 2, (f[i, d, k] - f[i, c, k]) / 2, (f[i, j, g] - f[i, j, e]) / 2
                xx = f[b, j, k] + f[a, j, k] - 2 * here
                yy = f[i, d, k] + f[i, c, k] - 2 * here
                zz = f[i, j, g] + f[i, j, e] - 2 * here
                xy = (f[b, d, k] - f[b, c, k] - f[a, d, k] + f[a, c, k]) / 4
                xz = (f[b, j, g] - f[b, j, e] - f[a, j, g] + f[a, j, e]) / 4
                yz = (f[i, d, g] - f[i, d, e] - f[i, c, g] + f[i, c, e]) / 4
                square = x * x + y * y + z * z
                turn = x * x * (yy + zz) + y * y * (xx + zz) + z * z * (xx + yy)
                turn -= 2 * (x * y * xy + x * z * xz + y * z * yz)
                out[i, j, k] = here + step * (turn + flat * (xx + yy + zz) * 2 / 3) / (square + flat)


def steps_of(time: float, most: float = 1 / 6) -> tuple[int, float]:
    """(number of equal steps, size of each) that reach a time, none longer than `most`."""
    n = max(1, int(np.ceil(time / most))) if time > 0 else 0
    return n, time / n if n else 0.0
