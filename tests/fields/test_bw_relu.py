"""B-spline wavelets of ReLUs: statements of the authors' code."""

from __future__ import annotations

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.bw_relu import BwRelu
from tests.fields.formulas import dense_network, relu, torch_default
from tests.published import Array, Parameters, PublishedFamily, check

SUMMANDS = {0: 1, 1: -8, 2: 23, 3: -32, 4: 23, 5: -8, 6: 1}
"""Sixths of ReLU(9 z - i / 2), by i."""


def _wavelet(z: Array) -> Array:
    return np.asarray(sum(sixths * relu(9 * z - i / 2) for i, sixths in SUMMANDS.items()) / 6)


def _forward(p: Parameters, x: Array) -> Array:
    return dense_network(p, 2 * x - 1, _wavelet, depth=3)


PUBLISHED = (
    PublishedFamily(
        config=BwRelu(),
        source="joeshenouda/relu-inrs bspline_w.py, exp_signal_representation.py and its command in the README",
        spec=Spec("image", 2, 1, (256, 256)),
        small=("width=16",),
        forward=_forward,
        initial={"body.blocks.0.linear.*": torch_default(2), "*": torch_default(300)},
        settings={
            "field.width": 300,
            "field.depth": 3,
            "field.activation.scale": 9,
            "fit.optimizer": "adam",
            "fit.lr": 3e-3,
            "fit.schedule": "exponential",
            "fit.schedule.end": 0.1,
            "fit.batch": 256 * 256,
            "fit.steps": 1000,
        },
    ),
    PublishedFamily(
        name="bw_relu, shape",
        config=BwRelu(),
        source="joeshenouda/relu-inrs bspline_w.py",
        spec=Spec("shape", 3, 1),
        small=("width=16", "activation.scale=9"),
        forward=_forward,
        initial={"body.blocks.0.linear.*": torch_default(3), "*": torch_default(300)},
        settings={"field.activation.scale": 9},
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
