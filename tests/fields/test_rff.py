"""Random Fourier features: statements of the authors' code."""

from __future__ import annotations

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.rff import Rff
from tests.fields.formulas import dense_network, fourier_features, glorot_normal, relu
from tests.published import AnyValues, Array, Normal, Parameters, PublishedFamily, check


def _forward(p: Parameters, x: Array) -> Array:
    """The sigmoid in [0, 1], on our [-1, 1]."""
    y = dense_network(p, fourier_features(p, x), relu, depth=3)
    return np.asarray(2 / (1 + np.exp(-y)) - 1)


PUBLISHED = (
    PublishedFamily(
        config=Rff(),
        source="tancik/fourier-feature-networks, 2d_image_regression; stax.Dense of google/jax",
        spec=Spec("image", 2, 3, (256, 256)),
        small=("width=16", "encoding.n_frequencies=8", "encoding.sigma=1"),
        forward=_forward,
        initial={
            "body.encoding.frequencies": Normal(10),
            "body.blocks.0.linear.weight": glorot_normal(512, 256),
            "body.blocks.*.weight": glorot_normal(256, 256),
            "body.last.weight": glorot_normal(256, 3),
            "*.bias": Normal(0.01),
        },
        settings={
            "field.encoding": "random_fourier",
            "field.encoding.n_frequencies": 256,
            "field.width": 256,
            "field.depth": 3,
            "field.activation": "relu",
            "field.head": "sigmoid",
            "fit.optimizer": "adam",
            "fit.lr": 1e-3,
            "fit.schedule": "constant",
            "fit.batch": 256 * 256,
            "fit.steps": 2000,
        },
    ),
    PublishedFamily(
        name="rff, shape",
        config=Rff(),
        source="tancik/fourier-feature-networks, 2d_image_regression",
        spec=Spec("shape", 3, 1),
        small=("width=16", "encoding.n_frequencies=8"),
        forward=_forward,
        initial={"body.encoding.frequencies": Normal(1), "*": AnyValues()},
        settings={"field.encoding.sigma": 10},
        seeds=1,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
