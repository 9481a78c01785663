"""Scaled initial weights: statements of the authors' code."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.ws_siren import WsSiren
from tests.fields.formulas import dense_network, symmetric, torch_default
from tests.published import Array, Parameters, PublishedFamily, check


def _forward(p: Parameters, x: Array) -> Array:
    return dense_network(p, 2 * x - 1, lambda z: np.sin(30 * z))


PUBLISHED = (
    PublishedFamily(
        config=WsSiren(),
        source="effl-lab/Fast-Neural-Fields ICLR2025/weight_scaling.py",
        spec=Spec("image", 2, 1, (512, 512)),
        small=("width=16",),
        forward=_forward,
        initial={
            "body.blocks.0.linear.weight": symmetric(2.5 / 2),
            "body.blocks.0.linear.bias": torch_default(2),
            "body.last.weight": symmetric(math.sqrt(6 / 512) / 30),
            "*.weight": symmetric(2.5 * math.sqrt(6 / 512) / 30),
            "*.bias": torch_default(512),
        },
        settings={
            "field.width": 512,
            "field.depth": 4,
            "field.activation.omega": 30,
            "field.activation.omega_first": 30,
            "field.init.alpha": 2.5,
            "fit.optimizer": "adam",
            "fit.lr": 1e-4,
            "fit.schedule": "constant",
            "fit.batch": 512 * 512,
            "fit.steps": 150,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
