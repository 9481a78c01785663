"""Planes and a network of sines: statements of the paper's code (triplane_processing)."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.encodings.planes import Planes
from inr.fields.triplane import Triplane
from tests.assertions import assert_near
from tests.published import Array, Normal, Parameters, PublishedFamily, Uniform, check, linear

SHAPE = Spec("shape", 3, 1)


def sampled(plane: Array, place: Array) -> Array:
    """Bilinear values [N, F] of a plane [n, m, F] at place [N, 2] in [-1, 1].

    As torch's `grid_sample` has it by default: entries are the centres of pixels that fill the square, and entries
    outside it are 0.
    """
    sides = np.array(plane.shape[:2])
    position = (place + 1) * sides / 2 - 0.5
    cell = np.floor(position).astype(int)
    total = np.zeros((len(place), plane.shape[2]))
    for corner in itertools.product((0, 1), repeat=2):
        at = cell + corner
        weight = (1 - np.abs(position - at)).prod(-1)
        is_inside = ((at >= 0) & (at < sides)).all(-1)
        i, j = np.where(is_inside[:, None], at, 0).T
        total += (weight * is_inside)[:, None] * plane[i, j]
    return total


def _forward(p: Parameters, x: Array) -> Array:
    """Three planes added, the coordinates and their 10 octaves without pi, then sin(30 (W h + b)) three times."""
    u = 2 * x - 1
    pairs = ((0, 1), (0, 2), (1, 2))
    planes = sum(sampled(p[f"body.encoding.plane_{i}{j}"], u[:, [i, j]]) for i, j in pairs)
    angle = (u[:, :, None] * 2.0 ** np.arange(10)).reshape(len(u), -1)
    h = np.concatenate([np.asarray(planes), u, np.sin(angle), np.cos(angle)], -1)
    for layer in range(3):
        h = np.sin(30 * linear(p, f"body.blocks.{layer}.linear", h))
    return linear(p, "body.last", h)


PUBLISHED = (
    PublishedFamily(
        config=Triplane(),
        source="CVLAB-Unibo/triplane_processing",
        spec=SHAPE,
        forward=_forward,
        initial={
            "body.encoding.plane_*": Normal(1e-3),
            # the network is a SIREN of a package that is not public; its initial values are taken to be SIREN's
            "body.blocks.0.linear.weight": Uniform(-1 / 79, 1 / 79),
            "body.blocks.0.linear.bias": Uniform(-1 / math.sqrt(79), 1 / math.sqrt(79)),
            "*.weight": Uniform(-math.sqrt(6 / 64) / 30, math.sqrt(6 / 64) / 30),
            "*.bias": Uniform(-1 / 8, 1 / 8),
        },
        settings={
            "field.width": 64,
            "field.depth": 3,
            "field.encoding.resolution": [32, 32, 32],
            "field.encoding.features": 16,
            "field.encoding.combine": "sum",
            "field.encoding.edge": "zero",
            "field.encoding.beside.octaves": 10,
            "field.encoding.beside.lowest": 1,
            "field.activation": "sine",
            "fit.optimizer": "adam",
            "fit.lr": 1e-4,
            "fit.schedule": "constant",
            "fit.batch": 50_000,
            "fit.steps": 600,
            "fit.loss": "binary_cross_entropy",
        },
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.subject)
def test_it_is_the_published_family(statement: PublishedFamily) -> None:
    check(statement)


def test_planes_are_torchs_grid_sample_and_fall_to_zero_at_the_edges(generator: torch.Generator) -> None:
    encoding = Planes(resolution=(5, 7), features=3, edge="zero").resolve(Spec("array", 2, 1, (9, 9)))
    built = encoding.build(2, generator)
    x = torch.rand(200, 2, generator=generator)
    plane = built.get_parameter("plane_01")
    place = (2 * x - 1).flip(-1)[None, None]
    expected = torch.nn.functional.grid_sample(plane.movedim(-1, 0)[None], place, align_corners=False)[0, :, 0].T
    assert_near(built(x), expected, 1e-5)
    assert_near(built(torch.zeros(1, 2)), plane[:1, 0] / 4, 1e-5)
