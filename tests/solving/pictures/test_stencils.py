"""Stencils: counts, crops and changes of the known part leave the equations as they are."""

from __future__ import annotations

import numpy as np

from inr.solving.pictures.direct import solve_direct
from inr.solving.pictures.stencils import Stencils, curl, differences


def picture(height: int = 9, width: int = 7, channels: int = 2) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, channels))


def masked() -> Stencils:
    values = picture()
    fixed = np.ones(values.shape[:2], np.bool_)
    fixed[3:6, 2:5] = False
    right, down = differences(picture()[::-1])
    return Stencils.of_edges(right, down, values, fixed)


def test_edges_between_known_pixels_drop_out() -> None:
    assert len(masked().nodes) == 12 + 4 * 3  # within the 3x3 hole, and to its border
    assert masked().n_free == 9


def test_a_picture_has_no_residual_against_its_own_differences() -> None:
    values = picture()
    assert np.abs(Stencils.of_edges(*differences(values), values).residuals(values)).max() < 1e-15


def test_a_crop_has_the_same_solution() -> None:
    whole = masked()
    part, here = whole.cropped()
    assert part.shape == (5, 5, 2)
    assert np.abs(solve_direct(whole)[here] - solve_direct(part)).max() < 1e-13


def test_equations_around_a_base_have_the_rest_as_solution() -> None:
    whole = masked()
    base = np.sin(picture())
    assert np.abs(base + solve_direct(whole.around(base)) - solve_direct(whole)).max() < 1e-13


def test_values_as_equations_are_met_by_known_pixels() -> None:
    stencils = masked().with_values()
    assert len(stencils.nodes) == len(masked().nodes) + 63 - 9
    found = solve_direct(masked())
    assert np.abs(stencils.residuals(found)[: len(masked().nodes)] - masked().residuals(found)).max() < 1e-14
    assert np.abs(stencils.residuals(stencils.values)[len(masked().nodes) :]).max() == 0


def test_the_curl_of_a_picture_is_zero_and_of_a_rotation_is_not() -> None:
    assert curl(*differences(picture())) < 1e-15
    y, x = np.mgrid[:8, :8].astype(float)
    assert curl(-y[:, :-1, None], x[:-1, :, None]) > 0.1
