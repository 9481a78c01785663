"""Multiplicative Gabor filters: statements of the authors' code."""

from __future__ import annotations

import math

import pytest

from inr.fields.mfn_gabor import MfnGabor
from tests.fields.filters import LARGEST, filter_network
from tests.published import Moments, PublishedFamily, Uniform, check

SHAPE = 6 / 4
"""Of gamma's distribution, whose rate is 1: mean and variance are the shape."""

PUBLISHED = (
    filter_network(
        MfnGabor(),
        {
            "*.centre": Uniform(-1, 1),
            "*.sharpness": Moments(SHAPE, math.sqrt(SHAPE), 3 + 6 / SHAPE),
            # a uniform number times the root of gamma
            "*.omega": Moments(0, LARGEST * math.sqrt(SHAPE / 3), 1.8 * (1 + 1 / SHAPE)),
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
