"""Polyharmonic splines: statements of Duchon's form, and of scipy's interpolation and smoothing."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy.interpolate import RBFInterpolator

from inr.core.domain import Spec
from inr.fields.polyharmonic import Polyharmonic
from inr.signals.array import Array as Signal
from inr.workflows.fit import fit
from tests.published import AnyValues, Array, Parameters, Published, PublishedFamily, PublishedFormula, check, linear

SHAPES = {1: (14,), 2: (14, 11), 3: (6, 5, 4)}
SCIPYS = {"linear": "linear", "cubic": "cubic", "thin_plate": "thin_plate_spline"}


def _forward(p: Parameters, x: Array) -> Array:
    """sum_i w_i r^2 ln r + v.[1, x], r in [-1, 1]^2."""
    r = 2 * np.linalg.norm(x[:, None] - p["body.encoding.first.centres"], axis=-1)
    return linear(p, "body.last", np.concatenate([r**2 * np.log(r), 2 * x - 1], -1))


def _samples(d: int) -> tuple[Array, Array, Array]:
    """Places [N, D] with equal distances along all axes, values, and other places."""
    shape = SHAPES[d]
    generator = np.random.default_rng(d)
    places = np.stack(np.meshgrid(*((np.arange(n) + 0.5) / shape[0] for n in shape), indexing="ij"), -1).reshape(-1, d)
    return places, generator.random(shape), generator.random((40, d))


def _published(d: int, kernel: str, smoothing: float) -> Array:
    places, values, others = _samples(d)
    sides = np.array(SHAPES[d]) / SHAPES[d][0]
    spline = RBFInterpolator(2 * places, values.ravel(), kernel=SCIPYS[kernel], degree=1, smoothing=smoothing)
    return np.asarray(spline(2 * others * sides))


def _here(d: int, kernel: str, smoothing: float) -> Array:
    _, values, others = _samples(d)
    # scipy's sign: -r, r^3 and r^2 ln r are the conditionally positive ones, so that smoothing is added to these
    document = {
        "type": "polyharmonic",
        "encoding": {"first": {"kernel": kernel}},
        "smoothing": -smoothing if kernel == "linear" else smoothing,
    }
    done = fit(Signal.of_array(values.astype(np.float32)), document, {"dtype": "float32"})
    return done(torch.from_numpy(others).float())[:, 0].double().numpy()


def _formulas() -> Iterator[PublishedFormula]:
    cases = [(d, kernel, 0.0) for d in SHAPES for kernel in SCIPYS] + [(2, "thin_plate", 0.1), (1, "cubic", 0.1)]
    for d, kernel, smoothing in cases:
        yield PublishedFormula(
            name=f"polyharmonic, {kernel} in {d}-D" + (", smoothed" if smoothing else ""),
            source="scipy.interpolate.RBFInterpolator",
            published=functools.partial(_published, d, kernel, smoothing),
            here=functools.partial(_here, d, kernel, smoothing),
            tolerance=2e-5,
        )


PUBLISHED = (
    PublishedFamily(
        config=Polyharmonic(),
        source="Duchon 1977",
        spec=Spec("image", 2, 3, (16, 16)),
        forward=_forward,
        tolerance=1e-6,  # phi of float32 centres
        initial={"*": AnyValues()},  # weights follow from the signal
        settings={
            "field.depth": 0,
            "field.encoding.first.kernel": "thin_plate",
            "field.smoothing": 0,
            "fit.steps": 0,
        },
        seeds=1,
    ),
    *_formulas(),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_family(statement: Published) -> None:
    check(statement)
