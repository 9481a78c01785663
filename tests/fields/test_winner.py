"""WINNER: statements of the authors' code."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from inr.core.domain import Grid, Spec
from inr.core.samples import Samples
from inr.fields.winner import Winner
from inr.layers.initialisers.winner import Winner as WinnerInit
from tests.fields.formulas import dense_network, symmetric, torch_default
from tests.published import Array, Parameters, PublishedFamily, PublishedFormula, check

PICTURE, SOUND = Spec("image", 2, 3, (512, 512)), Spec("audio", 1, 1, (400_000,))
SMALL_PICTURE, STEREO = Spec("image", 2, 3, (40, 24)), Spec("audio", 1, 2, (500,))


def _forward(p: Parameters, x: Array) -> Array:
    return dense_network(p, 2 * x - 1, lambda z: np.sin(30 * z), depth=5)


def _values(spec: Spec) -> Array:
    """Steps of an uneven walk along the axis of the spectrum, [y, x, C] or [t, C]."""
    assert spec.shape is not None
    shape = (*reversed(spec.shape), spec.d_out)
    draw = np.random.default_rng(0).normal(size=shape)
    return np.asarray(np.cumsum(draw * np.linspace(0.2, 1, spec.d_out), axis=len(spec.shape) - 1))


def _published_scales(spec: Spec) -> Array:
    """(s0, s1) of the authors' `spectral_centroid` and `set_noise_scales`, which both divide by the channels."""
    values = _values(spec)
    n = values.shape[-2]
    size = np.abs(np.fft.rfft(values, axis=-2))
    centroids = (np.fft.rfftfreq(n)[:, None] * size).sum(-2) / size.sum(-2)
    z = centroids.mean() * 2 / spec.d_out / spec.d_out
    top, rate, slope = (3500, 7, 3) if spec.kind == "audio" else (50, 5, 0.4)
    return np.array([top * (1 - math.exp(-rate * z)), slope * z])


def _scales(spec: Spec) -> Array:
    values = torch.from_numpy(_values(spec)).reshape(-1, spec.d_out)
    assert spec.shape is not None
    order = tuple(reversed(range(len(spec.shape))))
    points = Grid.whole(tuple(reversed(spec.shape)), order).points
    return np.array(WinnerInit().scales(Samples(spec, len(values), lambda i: (points(i), values[i]), order)))


def _statement(spec: Spec, width: int, decay: float, batch: int) -> PublishedFamily:
    return PublishedFamily(
        name=f"winner, {spec.kind}",
        config=Winner(),
        source="the authors' networks.py and scripts",
        spec=spec,
        small=("width=16",),
        forward=_forward,
        initial={  # before the noise
            "body.blocks.0.linear.weight": symmetric(1 / spec.d_in),
            "body.blocks.0.linear.bias": torch_default(spec.d_in),
            "*.weight": symmetric(math.sqrt(6 / width) / 30),
            "*.bias": torch_default(width),
        },
        settings={
            "field.width": width,
            "field.depth": 5,
            "field.encoding.low": -1,
            "field.encoding.high": 1,
            "field.activation.omega": 30,
            "field.activation.omega_first": 30,
            "fit.optimizer": "adam",
            "fit.lr": 1e-4,
            "fit.schedule": "step",
            "fit.schedule.at": [20 * i / 1000 for i in range(1, 50)],
            "fit.schedule.decay": decay,
            "fit.batch": batch,
            "fit.steps": 1000,
        },
    )


PUBLISHED: tuple[PublishedFamily | PublishedFormula, ...] = (
    _statement(PICTURE, 256, 0.998, 512 * 512),
    _statement(SOUND, 222, 0.99, 150_000),
    *(
        PublishedFormula(
            name=f"winner, noise of {spec.d_out} channels of {spec.kind}",
            source="the authors' spectral_centroid, set_noise_scales",
            published=lambda spec=spec: _published_scales(spec),  # type: ignore[misc]  # a default binds the loop's value
            here=lambda spec=spec: _scales(spec),  # type: ignore[misc]  # as above
            tolerance=1e-2 if spec is STEREO else 1e-4,  # of float32 values: s0 is about 1000 for sound
        )
        for spec in (SMALL_PICTURE, STEREO)
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: getattr(s, "subject", s.name))
def test_it_is_the_published_family(statement: PublishedFamily | PublishedFormula) -> None:
    check(statement)
