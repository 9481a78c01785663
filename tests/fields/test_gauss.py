"""Gaussian activations: statements of FINER's code, from which its settings are."""

from __future__ import annotations

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.gauss import Gauss
from tests.fields.formulas import dense_network, torch_default
from tests.published import Array, Parameters, PublishedFamily, check


def _forward(p: Parameters, x: Array) -> Array:
    return dense_network(p, 2 * x - 1, lambda z: np.exp(-((30 * z) ** 2)))


PUBLISHED = (
    PublishedFamily(
        config=Gauss(),
        source="liuzhen0212/FINER models.py, run_gauss.sh",
        spec=Spec("image", 2, 3, (512, 512)),
        small=("width=16", "activation.scale=30"),
        forward=_forward,
        initial={"body.blocks.0.linear.*": torch_default(2), "*": torch_default(256)},
        settings={
            "field.width": 256,
            "field.depth": 4,
            "field.activation.scale": 30,
            "fit.optimizer": "adam",
            "fit.lr": 5e-3,
            "fit.schedule": "exponential",
            "fit.schedule.end": 0.1,
            "fit.batch": 512 * 512,
            "fit.steps": 5000,
        },
    ),
    PublishedFamily(
        name="gauss, shape",
        config=Gauss(),
        source="liuzhen0212/FINER models.py",
        spec=Spec("shape", 3, 1),
        small=("width=16", "activation.scale=30"),
        forward=_forward,
        initial={"body.blocks.0.linear.*": torch_default(3), "*": torch_default(256)},
        settings={"field.activation.scale": 30},
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
