"""ReLU on octaves: statements of the baseline in SIREN's code."""

from __future__ import annotations

import math

import pytest

from inr.core.domain import Spec
from inr.fields.relu_pe import ReluPe
from tests.fields.formulas import dense_network, octaves, relu, torch_default
from tests.published import AnyValues, Array, Normal, Parameters, PublishedFamily, check

N_OCTAVES = int(math.log2(512 / 4))


def _forward(p: Parameters, x: Array) -> Array:
    """SIREN's code has the same features in another order."""
    return dense_network(p, octaves(x, N_OCTAVES), relu)


PUBLISHED = (
    PublishedFamily(
        config=ReluPe(),
        source="vsitzmann/siren PosEncodingNeRF, init_weights_normal",
        spec=Spec("image", 2, 3, (512, 768)),
        small=("width=16",),
        forward=_forward,
        tolerance=1e-4,  # pi 2^k are float32
        initial={
            "body.blocks.0.linear.weight": Normal(math.sqrt(2 / (2 + 4 * N_OCTAVES))),
            "body.blocks.0.linear.bias": torch_default(2 + 4 * N_OCTAVES),
            "*.weight": Normal(math.sqrt(2 / 256)),
            "*.bias": torch_default(256),
        },
        settings={
            "field.encoding": "frequency",
            "field.encoding.octaves": N_OCTAVES,
            "field.encoding.has_raw": True,
            "field.width": 256,
            "field.depth": 4,
            "field.activation": "relu",
            "fit.optimizer": "adam",
            "fit.lr": 1e-4,
            "fit.schedule": "constant",
            "fit.batch": 512 * 768,
            "fit.steps": 10000,
        },
    ),
    PublishedFamily(
        name="relu_pe, shape",
        config=ReluPe(),
        source="vsitzmann/siren PosEncodingNeRF",
        spec=Spec("shape", 3, 1),
        small=("width=16", "encoding.octaves=10"),
        forward=lambda p, x: dense_network(p, octaves(x, 10), relu),
        tolerance=1e-4,  # pi 2^k are float32
        initial={"*.bias": AnyValues(), "*.0.linear.weight": AnyValues(), "*.weight": Normal(math.sqrt(2 / 256))},
        settings={"field.encoding.octaves": 10},
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def test_a_frequency_per_octave_below_nyquist() -> None:
    for n, expected in ((64, 4), (256, 6), (1000, 7)):
        config = ReluPe().resolve(Spec("image", 2, 3, (n, n + 10)))
        assert config.to_json()["encoding"]["octaves"] == math.floor(math.log2(n / 4)) == expected
