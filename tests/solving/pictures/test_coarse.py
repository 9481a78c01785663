"""The coarse start: exact where the solution is coarse, never worse than the first guess."""

from __future__ import annotations

import numpy as np

from inr.solving.pictures.coarse import coarse_start
from inr.solving.pictures.direct import solve_direct
from inr.solving.pictures.stencils import Stencils, differences


def test_a_plane_that_is_missing_from_the_guess_is_found() -> None:
    y, x = np.mgrid[:30, :40].astype(float)
    detail = np.random.default_rng(0).random((30, 40, 1))
    wanted = detail + (0.1 * x - 0.2 * y)[..., None]
    stencils = Stencils.of_edges(*differences(wanted), detail, mean=wanted.mean((0, 1)))
    assert np.abs(coarse_start(stencils, 4) - wanted).max() < 1e-6


def test_it_lowers_the_sum_of_squares_and_keeps_known_pixels() -> None:
    rng = np.random.default_rng(2)
    values, fixed = rng.random((25, 25, 2)), np.ones((25, 25), np.bool_)
    fixed[4:20, 6:22] = False
    stencils = Stencils.of_edges(rng.random((25, 24, 2)), rng.random((24, 25, 2)), values, fixed)
    start = coarse_start(stencils, 5)
    energies = [np.square(stencils.residuals(each)).sum() for each in (values, start, solve_direct(stencils))]
    assert energies[0] > energies[1] > energies[2]
    assert (start[fixed] == values[fixed]).all()
