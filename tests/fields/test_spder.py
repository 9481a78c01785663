"""SPDER: statements of the authors' code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields.spder import Spder
from tests.fields.formulas import dense_network, symmetric, torch_default
from tests.published import AnyValues, Array, Parameters, PublishedFamily, check

PICTURE, SOUND = Spec("image", 2, 3, (256, 256)), Spec("audio", 1, 1, (308_200,))


def _network(reach: float, damping: Callable[[Array], Array]) -> Callable[[Parameters, Array], Array]:
    """sin(u) delta(u), u = 30 (W h + b), from coordinates in [-reach, reach]."""
    return lambda p, x: dense_network(p, reach * (2 * x - 1), lambda z: np.sin(30 * z) * damping(30 * z), depth=6)


def _statement(
    spec: Spec, reach: float, delta: str, damping: Callable[[Array], Array], lr: float, steps: int
) -> PublishedFamily:
    assert spec.shape is not None
    return PublishedFamily(
        name=f"spder, {spec.kind}",
        config=Spder(),
        source="katop1234/SPDER",
        spec=spec,
        small=("width=16",),
        forward=_network(reach, damping),
        tolerance=1e-7,  # sines of up to 1e4 radians
        initial={
            "body.blocks.0.linear.weight": symmetric(1 / spec.d_in),
            "body.blocks.0.linear.bias": torch_default(spec.d_in),
            "*.weight": symmetric(math.sqrt(6 / 256) / 30),
            "*.bias": torch_default(256),
        },
        settings={
            "field.width": 256,
            "field.depth": 6,
            "field.encoding.low": -reach,
            "field.encoding.high": reach,
            "field.activation.omega": 30,
            "field.activation.omega_first": 30,
            "field.activation.damping": delta,
            "fit.optimizer": "adam",
            "fit.lr": lr,
            "fit.schedule": "constant",
            "fit.batch": math.prod(spec.shape),
            "fit.steps": steps,
        },
    )


PUBLISHED = (
    _statement(PICTURE, 1, "sqrt", lambda u: np.sqrt(np.abs(u)), 1e-4, 500),
    _statement(SOUND, 100, "arctan", np.arctan, 5e-5, 5001),
    PublishedFamily(
        name="spder, shape",
        config=Spder(),
        source="katop1234/SPDER",
        spec=Spec("shape", 3, 1),
        small=("width=16", "activation.omega=30", "activation.omega_first=30"),
        forward=_network(1, lambda u: np.sqrt(np.abs(u))),
        tolerance=1e-7,
        initial={"*.weight": AnyValues(), "*.bias": AnyValues()},
        settings={"field.activation.omega": 30},
        seeds=1,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)
