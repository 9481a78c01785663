"""The composed network as it is by default: NeRF's encoding, and torch's initialisation."""

from __future__ import annotations

import pytest

from inr.core.domain import Spec
from inr.fields.mlp import Mlp
from tests.fields.formulas import dense_network, octaves, relu, torch_default
from tests.published import Array, Parameters, PublishedFamily, check


def _forward(p: Parameters, x: Array) -> Array:
    return dense_network(p, octaves(x, 4), relu, depth=3)


PUBLISHED = (
    PublishedFamily(
        config=Mlp(),
        source="Mildenhall et al. 2020; number of octaves of vsitzmann/siren",
        spec=Spec("image", 2, 3, (64, 64)),
        small=("width=16",),
        forward=_forward,
        tolerance=1e-4,  # pi 2^k are float32
        initial={"body.blocks.0.linear.*": torch_default(18), "*": torch_default(256)},
        settings={"field.encoding": "frequency", "field.activation": "relu"},
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
