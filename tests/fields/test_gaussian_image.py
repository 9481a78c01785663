"""GaussianImage: statements of the authors' code."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.gaussian_image import GaussianImage
from tests.published import AnyValues, Array, Parameters, PublishedFamily, Uniform, check

PICTURE = Spec("image", 2, 3, (768, 512))


def _forward(p: Parameters, x: Array) -> Array:
    """sum_i v_i exp(-d^T (L L^T)^-1 d / 2) where that is at least 1/255, L = (l1 + 1/2, 0; l2, l3 + 1/2), in pixels.

    The authors' values are in [0, 1], which are -1 and 1 here: black is -1.
    """
    size = np.array([768, 512])
    l1, l2, l3 = p["body.encoding.factor"].T
    offset = (x * size)[:, None] - size * (np.tanh(p["body.encoding.position"]) + 1) / 2
    a = offset[..., 0] / (l1 + 0.5)
    b = (offset[..., 1] - l2 * a) / (l3 + 0.5)
    alpha = np.exp(-(a**2 + b**2) / 2)
    return np.asarray(np.where(alpha >= 1 / 255, alpha, 0) @ p["body.encoding.values.weight"] - 1)


PUBLISHED = (
    PublishedFamily(
        config=GaussianImage(),
        source="Xinjie-Q/GaussianImage, gaussianimage_cholesky.py",
        spec=PICTURE,
        forward=_forward,
        tolerance=1e-6,
        seeds=1,
        initial={
            "*.factor": Uniform(0, 1),
            "*.values.weight": Uniform(0, 2),
            "*.position": AnyValues(),  # the next test
        },
        settings={
            "field.encoding.n_gaussians": 50_000,
            "field.encoding.reach": math.sqrt(2 * math.log(255)),
            "fit.optimizer": "adan",
            "fit.lr": 1e-3,
            "fit.batch": 768 * 512,
            "fit.steps": 50_000,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
