"""The smoothest function between bounds: a triharmonic spline whose values at given points lie in given intervals."""

from __future__ import annotations

import numpy as np
import torch

from inr.kernels.kernel_sum import kernel_sum
from inr.signals.solids.faces import Floats

_STEPS = 400
_STIFFNESS = 1e-2
"""Of the copies of the values that the intervals hold, in mean kernels. It decides how fast the steps converge, not to
what."""
_ENOUGH = 2e-5
_RELAXATION = 1.7
_CHUNK = 2**14


class BoundedSpline:
    """f(x) = sum_i c_i |x - x_i|^3 + a + b . x in space, with low_i <= f(x_i) <= high_i.

    Of all functions that satisfy the bounds it has the least energy of third derivatives (Duchon 1977; with
    inequalities it remains a spline of the same form). weights: c [N], a, b. A convex quadratic problem, solved by ADMM
    (Boyd et al. 2011, section 5): the matrix is inverted once, each step is a product with it.
    """

    def __init__(self, points: Floats, low: Floats, high: Floats) -> None:
        """points: [N, 3], in the unit box, distinct. low <= high: [N]."""
        n = len(points)
        self.points = points
        kernel = np.linalg.norm(points[:, None] - points[None], axis=-1) ** 3
        plane = np.concatenate([np.ones((n, 1)), points], axis=1)
        system = np.zeros((n + 4, n + 4))
        system[:n, :n] = kernel
        system[:n, n:], system[n:, :n] = plane, plane.T
        system[np.arange(n), np.arange(n)] += _STIFFNESS * float(kernel.mean())
        inverse = np.linalg.inv(system)[:, :n]
        smooth = kernel @ inverse[:n] + plane @ inverse[n:]
        held, excess = (low + high) / 2, np.zeros(n)
        for _ in range(_STEPS):
            values = smooth @ (held - excess)
            mixed = _RELAXATION * values + (1 - _RELAXATION) * held
            before, held = held, np.clip(mixed + excess, low, high)
            excess += mixed - held
            if max(np.abs(values - held).max(), np.abs(held - before).max()) < _ENOUGH:
                break
        self.weights = inverse @ (held - excess)

    def __call__(self, x: Floats) -> Floats:
        """Values [N] at points [N, 3]."""
        n = len(self.points)
        centres, ones = torch.from_numpy(self.points), torch.ones(n, dtype=torch.float64)
        weights = torch.from_numpy(self.weights[:n, None])
        p = torch.from_numpy(np.ascontiguousarray(x, np.float64))
        parts = [kernel_sum(part, centres, ones, weights, "cubic")[:, 0] for part in torch.split(p, _CHUNK)]
        found: Floats = torch.cat(parts).numpy() + self.weights[n] + x @ self.weights[n + 1 :]
        return found
