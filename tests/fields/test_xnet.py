"""XNet: its activation. We found no code; sizes, initial values and training are ours, as its page says."""

from __future__ import annotations

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.xnet import Xnet
from tests.published import AnyValues, Array, Parameters, PublishedFamily, check, linear


def _forward(p: Parameters, x: Array) -> Array:
    """(l1 z + l2) / (z^2 + d^2), with three numbers per layer."""
    h = 2 * x - 1
    for layer in range(4):
        z = linear(p, f"body.blocks.{layer}.linear", h)
        l1, l2, d = (p[f"body.blocks.{layer}.activation.{name}"] for name in ("l1", "l2", "d"))
        h = (l1 * z + l2) / (np.square(z) + d**2)
    return linear(p, "body.last", h)


PUBLISHED = (
    PublishedFamily(
        config=Xnet(),
        source="Li, Xia and Zhang 2024",
        spec=Spec("image", 2, 3, (64, 64)),
        small=("width=16",),
        forward=_forward,
        initial={"*": AnyValues()},
        settings={},
        seeds=1,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
