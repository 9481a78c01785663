"""Steps of mean curvature against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from inr.kernels.curvature_step import curvature_step, steps_of
from inr.signals.solids.faces import Floats

FLAT = 1e-9


def stepped(f: Floats, step: float = 0.1, flat: float = FLAT) -> Floats:
    out = np.empty_like(f)
    curvature_step(f, out, step, flat)
    return out


def lattice(n: int = 21) -> list[Floats]:
    return list(np.meshgrid(*[np.arange(n) - n // 2 + 0.0] * 3, indexing="ij"))


def test_a_plane_stays() -> None:
    x, y, z = lattice()
    f = 0.3 * x - 0.5 * y + 0.1 * z
    np.testing.assert_allclose(stepped(f)[1:-1, 1:-1, 1:-1], f[1:-1, 1:-1, 1:-1], atol=1e-12)


@pytest.mark.parametrize(("axes", "curvatures"), [(2, 1), (3, 2)])
def test_squares_of_distances(axes: int, curvatures: int) -> None:
    """f = r^2 / 2 has |grad f| k = r (d - 1) / r = d - 1 everywhere, exactly by central differences."""
    f = np.sum([each**2 for each in lattice()[:axes]], axis=0) / 2
    change = (stepped(f) - f)[3:-3, 3:-3, 3:-3] / 0.1
    far = f[3:-3, 3:-3, 3:-3] > 1
    np.testing.assert_allclose(change[far], curvatures, atol=1e-6)


def test_the_middle_of_a_ball_has_the_limit() -> None:
    f = np.sum([each**2 for each in lattice()], axis=0) / 2
    middle = f.shape[0] // 2
    assert stepped(f)[middle, middle, middle] - f[middle, middle, middle] == pytest.approx(0.2)


def test_steps_are_stable() -> None:
    assert steps_of(0.0) == (0, 0.0)
    n, step = steps_of(1.0)
    assert n * step == pytest.approx(1.0)
    assert step <= 1 / 6
