"""Multiplicative filter networks: statements of the authors' code."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inr.core.domain import Spec
from inr.fields import FieldConfig
from inr.fields.mfn_fourier import MfnFourier
from inr.fields.mfn_gabor import MfnGabor
from tests.fields.formulas import symmetric, torch_default
from tests.published import Array, Distribution, Moments, Parameters, PublishedFamily, Uniform, check, linear

LARGEST = 256 / math.sqrt(4) / math.sqrt(2)
"""Of the frequencies: torch's bound for two coordinates, times 256, over the root of the number of filters."""


def _filter(p: Parameters, prefix: str, u: Array) -> Array:
    """sin(Omega u + phi), times exp(-gamma |u - mu|^2 / 2) for Gabor filters."""
    wave = np.sin(u @ p[f"{prefix}.omega"].T + p[f"{prefix}.phase"])
    if f"{prefix}.centre" not in p:
        return np.asarray(wave)
    square = np.square(u[:, None] - p[f"{prefix}.centre"]).sum(-1)
    return np.asarray(wave * np.exp(-p[f"{prefix}.sharpness"] * square / 2))


def _forward(p: Parameters, x: Array) -> Array:
    """z_1 = g_1(u), z_{i+1} = g_{i+1}(u) (W_i z_i + b_i), y = W z + b."""
    u = 2 * x - 1
    z = _filter(p, "body.blocks.0.filter", u)
    for layer in range(1, 4):
        z = _filter(p, f"body.blocks.{layer}.filter", u) * linear(p, f"body.blocks.{layer}.linear", z)
    return linear(p, "body.last", z)


def _statement(config: FieldConfig, filters: dict[str, Distribution]) -> PublishedFamily:
    return PublishedFamily(
        config=config,
        source="boschresearch/multiplicative-filter-networks mfn.py, image_rep.py",
        spec=Spec("image", 2, 1, (256, 256)),
        small=("width=16",),
        forward=_forward,
        initial={**filters, "*.phase": symmetric(math.pi), "*": torch_default(256)},
        settings={
            "field.width": 256,
            "field.depth": 4,
            "field.encoding.low": -1,
            "field.encoding.high": 1,
            "field.activation": "identity",
            "field.block.input_scale": 256,
            "field.block.weight_scale": 1,
            "field.block.alpha": 6,
            "field.block.beta": 1,
            "fit.optimizer": "adam",
            "fit.lr": 1e-2,
            "fit.schedule": "constant",
            "fit.batch": 256 * 256,
            "fit.steps": 10000,
        },
    )


SHAPE = 6 / 4
"""Of gamma's distribution, whose rate is 1: mean and variance are the shape."""

PUBLISHED = (
    _statement(MfnFourier(), {"*.omega": symmetric(LARGEST)}),
    _statement(
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
