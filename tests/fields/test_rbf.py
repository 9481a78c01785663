"""Sums of Gaussians: statements of Broomhead and Lowe, and of the interpolation that numpy and scipy calculate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from inr.core.domain import Spec
from inr.encodings.kernels import Kernels
from inr.fields.rbf import RbfSum
from inr.layers.initialisers.least_squares import LeastSquares
from inr.signals.array import Array as Signal
from inr.workflows.fit import fit
from tests.published import AnyValues, Array, Parameters, Published, PublishedFamily, PublishedFormula, check, linear

VALUES = np.random.default_rng(1).uniform(-1, 1, (14, 11))
VALUES[0, :2] = -1, 1  # the range of training values: fields are fitted to these without a shift
PLACES = np.stack(np.meshgrid((np.arange(14) + 0.5) / 14, (np.arange(11) + 0.5) / 14, indexing="ij"), -1).reshape(-1, 2)
ANYWHERE = np.random.default_rng(2).random((60, 2))


def _gaussians(p: Array, centres: Array, widths: Array) -> Array:
    distance = np.linalg.norm(p[:, None] - centres, axis=-1)
    return np.asarray(np.exp(-np.square(distance / widths) / 2))


def _forward(p: Parameters, x: Array) -> Array:
    """b + sum_i w_i phi(|x - c_i|)."""
    phi = _gaussians(x, p["body.encoding.centres"], p["body.encoding.widths"])
    return linear(p, "body.last", phi)


def _interpolated() -> Array:
    """A w = y, A_ij = phi(|x_i - x_j| / s_j), s_j the mean distance of x_j to its nearest 4 samples."""
    widths = cKDTree(PLACES).query(PLACES, 5)[0][:, 1:].mean(1)
    weights = np.linalg.solve(_gaussians(PLACES, PLACES, widths), VALUES.ravel())
    return np.asarray(_gaussians(ANYWHERE * [1, 11 / 14], PLACES, widths) @ weights)


def _found() -> Array:
    config = RbfSum(encoding=Kernels(n_centres=154), has_bias=False, init=LeastSquares(ridge=1e-15))
    done = fit(Signal.of_array(VALUES.astype(np.float32)), config.to_json(), {"dtype": "float32"})
    assert done.steps == 0
    return done(torch.from_numpy(ANYWHERE).float())[:, 0].double().numpy()


PUBLISHED = (
    PublishedFamily(
        config=RbfSum(),
        source="Broomhead and Lowe 1988",
        spec=Spec("image", 2, 3, (16, 16)),
        forward=_forward,
        initial={"*": AnyValues()},  # centres and weights follow from the signal
        settings={"field.depth": 0, "field.encoding.kernel": "gauss", "field.init.ridge": 0, "fit.steps": 0},
        seeds=1,
    ),
    PublishedFormula(
        name="rbf, interpolation", source="numpy.linalg.solve", published=_interpolated, here=_found, tolerance=1e-4
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_family(statement: Published) -> None:
    check(statement)
