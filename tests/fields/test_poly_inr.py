"""Poly-INR: statements of the authors' generator, for given affine maps."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.poly_inr import PolyInr
from tests.published import AnyValues, Array, Constant, Parameters, PublishedFamily, Uniform, check, linear

PICTURE = Spec("image", 2, 3, (32, 32))


def _leaky(z: Array) -> Array:
    return np.where(z > 0, z, 0.2 * z)


def _forward(p: Parameters, x: Array) -> Array:
    """Level 0: clamp(leaky(W A g)), g = M x. Level k: g <- M g, h <- clamp(leaky(W (h leaky(A g)))). Then colours."""
    g, h = x, np.empty(0)
    for level in range(10):
        block = f"body.blocks.{level}"
        g = linear(p, f"{block}.move", g)
        a = linear(p, f"{block}.branch", g)
        h = np.clip(_leaky(linear(p, f"{block}.linear", a if level == 0 else h * _leaky(a))), -256, 256)
    return linear(p, "body.last", h)


PUBLISHED = (
    PublishedFamily(
        config=PolyInr(),
        source="Rajhans0/Poly_INR, training/networks_gmgan.py",
        spec=PICTURE,
        small=("width=16",),
        forward=_forward,
        seeds=1,
        initial={
            "*.move.weight": AnyValues(),  # of a latent vector, as the next ones
            "*.move.bias": Constant(0),
            "*.branch.*": AnyValues(),
            "*.linear.weight": Uniform(-1 / 32, 1 / 32),
            "*.linear.bias": Uniform(-1 / 16, 1 / 16),
            "body.last.*": Uniform(-1 / math.sqrt(256), 1 / math.sqrt(256)),
        },
        settings={
            "field.width": 1024,
            "field.depth": 10,
            "field.block.limit": 256,
            "field.block.has_chain": True,
            "field.activation.slope": 0.2,
            "field.encoding.low": 0,
            "field.encoding.high": 1,
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
