"""Multiplicative filter networks: what the statements of both have in common."""

from __future__ import annotations

import math

import numpy as np

from inr.core.domain import Spec
from inr.fields import FieldConfig
from tests.fields.formulas import symmetric, torch_default
from tests.published import Array, Distribution, Parameters, PublishedFamily, linear

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


def filter_network(config: FieldConfig, filters: dict[str, Distribution]) -> PublishedFamily:
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
