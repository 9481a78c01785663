"""F-INR: statements of the authors' demonstration, for pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.f_inr import FInr
from tests.published import Array, Constant, Parameters, PublishedFamily, Uniform, check, linear

PICTURE = Spec("image", 2, 3, (64, 48))
BOUND = math.sqrt(6 / 256) / 100


def _axis(p: Parameters, axis: int, x: Array) -> Array:
    h = 2 * x - 1
    for layer, omega in enumerate((100, 30, 30)):
        h = np.sin(omega * linear(p, f"body.bodies.{axis}.blocks.{layer}.linear", h))
    return linear(p, f"body.bodies.{axis}.last", h)


def _forward(p: Parameters, x: Array) -> Array:
    """y_c = sum_r of products over the axes of phi_{r, c}."""
    product = _axis(p, 0, x[:, :1]) * _axis(p, 1, x[:, 1:])
    return np.asarray(product.reshape(len(x), -1, 3).sum(1))


PUBLISHED = (
    PublishedFamily(
        config=FInr(),
        source="f-inr/F-iNR-2D-HuggingFace-Demo, model.py",
        spec=PICTURE,
        small=("width=16", "assembly.rank=4"),
        forward=_forward,
        initial={
            "*.blocks.0.linear.weight": Uniform(-1, 1),
            "*.bias": Constant(0),
            "*.linear.weight": Uniform(-BOUND, BOUND),
            "*.last.weight": Uniform(-BOUND, BOUND),
        },
        settings={
            "field.width": 256,
            "field.depth": 3,
            "field.activation.omega": 30,
            "field.activation.omega_first": 100,
            "field.assembly.rank": 128,
            "fit.optimizer": "adam",
            "fit.lr": 1e-3,
            "fit.batch": 64 * 48,
            "fit.sampler": "grid",
            "fit.steps": 15_000,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
