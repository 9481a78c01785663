"""Dense grids: statements of Instant-NGP's baseline, with the levels of tiny-cuda-nn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.dense_grid import DenseGrid
from tests.fields.formulas import symmetric
from tests.fields.hash_levels import hash_levels, scales
from tests.published import Array, Parameters, PublishedFamily, check

PICTURE = Spec("image", 2, 3, (128, 128))


def _forward(p: Parameters, x: Array) -> Array:
    """4 levels from 8 to 64 vertices, an entry per vertex; then ReLU units without biases."""
    h = hash_levels(p["body.encoding.table"], x, scales(8, 2, 4), 30)
    h = np.maximum(h @ p["body.blocks.0.linear.weight"].T, 0)
    return np.asarray(h @ p["body.last.weight"].T)


PUBLISHED = (
    PublishedFamily(
        config=DenseGrid(),
        source="Mueller et al. 2022, section 3; NVlabs/tiny-cuda-nn",
        spec=PICTURE,
        forward=_forward,
        tolerance=1e-7,  # tables are looked up in float32
        initial={
            "*.table": symmetric(1e-4),
            "body.blocks.0.linear.weight": symmetric(math.sqrt(6 / (16 + 32))),
            "body.last.weight": symmetric(math.sqrt(6 / (32 + 16))),  # 3 outputs, padded to 16
        },
        settings={
            "field.width": 64,
            "field.depth": 2,
            "field.has_bias": False,
            "field.encoding.levels": 8,
            "field.encoding.features": 2,
            "field.encoding.growth": (173 / 16) ** (1 / 7),
            "fit.optimizer.beta2": 0.99,
            "fit.optimizer.eps": 1e-15,
            "fit.optimizer.l2": 1e-6,
            "fit.lr": 1e-2,
            "fit.schedule": "step",
            "fit.batch": 2**18,
            "fit.steps": 35_000,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
