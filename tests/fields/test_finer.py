"""FINER: statements of the authors' code."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.finer import Finer
from tests.fields.formulas import dense_network, symmetric, torch_default
from tests.published import Array, Parameters, PublishedFamily, check


def _forward(p: Parameters, x: Array) -> Array:
    return dense_network(p, 2 * x - 1, lambda z: np.sin(30 * (np.abs(z) + 1) * z))


PUBLISHED = (
    PublishedFamily(
        config=Finer(),
        source="liuzhen0212/FINER models.py, run_finer.sh",
        spec=Spec("image", 2, 3, (512, 512)),
        small=("width=16",),
        forward=_forward,
        initial={
            "body.blocks.0.linear.weight": symmetric(1 / 2),
            "body.blocks.0.linear.bias": torch_default(2),
            "*.weight": symmetric(math.sqrt(6 / 256) / 30),
            "*.bias": torch_default(256),
        },
        settings={
            "field.width": 256,
            "field.depth": 4,
            "field.activation.omega": 30,
            "field.activation.omega_first": 30,
            "field.activation.first_bias": None,
            "field.activation.has_scale_gradient": False,
            "fit.optimizer": "adam",
            "fit.lr": 5e-4,
            "fit.schedule": "exponential",
            "fit.schedule.end": 0.1,
            "fit.batch": 512 * 512,
            "fit.steps": 5000,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
