"""Direct solutions against transforms and closed forms. Each oracle here is written from its formula."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.fft import dctn, dstn, idctn, idstn

from inr.solving.pictures import direct
from inr.solving.pictures.direct import solve_direct
from inr.solving.pictures.stencils import Stencils, curl, differences


def rough(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape)


def test_differences_of_a_picture_give_it_back() -> None:
    values = rough(17, 23, 3)
    stencils = Stencils.of_edges(*differences(values), np.zeros_like(values), mean=values.mean((0, 1)))
    assert np.abs(solve_direct(stencils) - values).max() < 1e-10


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (5, 1)])
def test_a_picture_of_one_row_or_pixel_comes_back(size: tuple[int, int]) -> None:
    values = rough(*size, 2)
    stencils = Stencils.of_edges(*differences(values), np.zeros_like(values), mean=values.mean((0, 1)))
    assert solve_direct(stencils) == pytest.approx(values)
    assert curl(*differences(values)) == 0


def test_cosine_transform_sparse_factors_and_conjugate_gradients_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    right, down, zero = rough(12, 15, 1), rough(11, 16, 1), np.zeros((12, 16, 1))
    plain = Stencils.of_edges(right, down, zero, mean=np.array([2.0]))
    by_cosines = solve_direct(plain)
    weight = np.ones(len(plain.nodes))
    weight[0] = 1 + 1e-13
    weighted = dataclasses.replace(plain, weight=weight)
    by_factors = solve_direct(weighted)
    monkeypatch.setattr(direct, "MOST_FACTORED", 0)
    by_gradients = solve_direct(weighted)
    assert np.abs(by_factors - by_cosines).max() < 1e-10
    assert np.abs(by_gradients - by_cosines).max() < 1e-7
    assert float(by_cosines.mean()) == pytest.approx(2)


def test_constant_differences_have_the_solution_of_the_cosine_transform() -> None:
    """Test E of the method: the transform is written here anew."""
    n, m = 10, 13
    v, w = 0.3, -0.7
    divergence = np.zeros((n, m))
    divergence[:, :-1] += v
    divergence[:, 1:] -= v
    divergence[:-1] += w
    divergence[1:] -= w
    k = [2 * np.cos(np.pi * np.arange(size) / size) - 2 for size in (n, m)]
    eigenvalues = np.add.outer(*k)
    eigenvalues[0, 0] = 1
    spectrum = dctn(divergence) / eigenvalues
    spectrum[0, 0] = 0
    found = solve_direct(
        Stencils.of_edges(np.full((n, m - 1, 1), v), np.full((n - 1, m, 1), w), np.zeros((n, m, 1)), mean=np.zeros(1))
    )
    assert np.abs(found[..., 0] - idctn(spectrum)).max() < 1e-12


def test_known_values_all_around_have_the_solution_of_the_sine_transform() -> None:
    n, m = 9, 12
    wanted = rough(n + 2, m + 2, 1)
    fixed = np.ones((n + 2, m + 2), np.bool_)
    fixed[1:-1, 1:-1] = False
    stencils = Stencils.of_laplacian(wanted, np.zeros((n + 2, m + 2, 1)), fixed, is_at_free_only=True)
    k = [2 * np.cos(np.pi * np.arange(1, size + 1) / (size + 1)) - 2 for size in (n, m)]
    oracle = idstn(dstn(wanted[1:-1, 1:-1, 0], type=1) / np.add.outer(*k), type=1)
    assert np.abs(solve_direct(stencils)[1:-1, 1:-1, 0] - oracle).max() < 1e-12


def test_a_hole_in_a_ramp_is_filled_exactly() -> None:
    """Test D: harmonic filling continues a ramp, biharmonic filling x^2 - y^2 and x^3."""
    y, x = np.mgrid[:20, :24].astype(float)
    fixed = np.ones((20, 24), np.bool_)
    fixed[5:14, 6:17] = False
    ramp = (2 * x - y)[..., None]
    hidden = np.where(fixed[..., None], ramp, 0.0)
    zero = np.zeros((20, 23, 1)), np.zeros((19, 24, 1))
    assert np.abs(solve_direct(Stencils.of_edges(*zero, hidden, fixed)) - ramp).max() < 1e-10
    for shape in (x**2 - y**2, x**3):
        hidden = np.where(fixed, shape, 0.0)[..., None]
        found = solve_direct(Stencils.of_laplacian(np.zeros((20, 24, 1)), hidden, fixed))
        assert np.abs(found[..., 0] - shape).max() < 1e-8 * np.abs(shape).max()


def test_weights_choose_between_contradictions() -> None:
    """Three pixels in a row, both ends known: the middle divides what is missing by the weights."""
    values = np.array([[[0.0], [0.0], [1.0]]])
    fixed = np.array([[True, False, True]])
    weights = np.array([[3.0, 1.0]]), np.zeros((0, 3))
    stencils = Stencils.of_edges(np.zeros((1, 2, 1)), np.zeros((0, 3, 1)), values, fixed, weights=weights)
    assert solve_direct(stencils)[0, 1, 0] == pytest.approx(0.25)
