"""Factor fields: statements of the authors' code, for its pictures of 1024 x 1024 and for its distances."""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.encodings.dictionary import Dictionary, cosine_atoms
from inr.fields.dictionary import DictionaryField
from tests.published import (
    AnyValues,
    Array,
    Constant,
    Parameters,
    PublishedFamily,
    PublishedFormula,
    Uniform,
    check,
    linear,
)

PICTURE = Spec("image", 2, 3, (1024, 1024))
SHAPE = Spec("shape", 3, 1)
SIDES = np.array([32, 51, 70, 89, 108, 128])


def looked_up(table: Array, position: Array, *, is_nearest: bool) -> Array:
    """Values [N, F] of a table [*n, F] at positions [N, D] in vertices, clamped: nearest, or multilinear."""
    sides = np.array(table.shape[:-1])
    position = np.clip(position, 0, sides - 1)
    if is_nearest:
        return np.asarray(table[tuple(np.rint(position).astype(int).T)])
    cell = np.minimum(np.floor(position).astype(int), sides - 2)
    total = np.zeros((len(position), table.shape[-1]))
    for corner in itertools.product((0, 1), repeat=len(sides)):
        at = cell + corner
        total += (1 - np.abs(position - at)).prod(-1)[:, None] * table[tuple(at.T)]
    return total


def features(p: Parameters, x: Array, frequencies: Array, *, is_nearest: bool) -> Array:
    """Coefficients as `grid_sample` has them without aligned corners, times bases with them, under x mod (1 / f)."""
    coefficients = p["body.encoding.coefficients"]
    place = x * np.array(coefficients.shape[:-1]) - 0.5
    bases = []
    for level, f in enumerate(frequencies):
        basis = p[f"body.encoding.basis_{level}"]
        local = x % (1 / f) * f  # in [0, 1) within a period
        bases.append(looked_up(basis, local * (np.array(basis.shape[:-1]) - 1), is_nearest=is_nearest))
    return np.asarray(looked_up(coefficients, place, is_nearest=is_nearest) * np.concatenate(bases, -1))


def _picture(p: Parameters, x: Array) -> Array:
    """Bases of `SIDES` pixels a period, nearest lookups, 64 ReLU units, and a map without bias."""
    e = features(p, x, 1024 / SIDES, is_nearest=True)
    h = np.maximum(linear(p, "body.blocks.0.linear", e), 0)
    return np.asarray(h @ p["body.last.weight"].T)


def _distance(p: Parameters, x: Array) -> Array:
    """Half of 2 to 8 periods, linear lookups, and a map without bias."""
    e = features(p, x, np.array([2, 3.2, 4.4, 5.6, 6.8, 8]) / 2, is_nearest=False)
    return np.asarray(e @ p["body.last.weight"].T)


def _atoms(count: int, side: int, d: int) -> Array:
    """The authors' dictionary: cosines along each axis, their Kronecker product, some of its rows, of norm 1."""
    p = int(count ** (1 / d) + 1)
    line = np.array([np.cos(np.arange(side) * k * math.pi / p) for k in range(p)])
    line[1:] -= line[1:].mean(1, keepdims=True)
    rows = line
    for _ in range(d - 1):
        rows = np.kron(rows, line)
    rows = rows[[part[0] for part in np.array_split(np.arange(len(rows)), count)]]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.T.reshape(*[side] * d, count)


def _our_atoms(count: int, side: int, d: int) -> Array:
    return cosine_atoms(count, (side,) * d).numpy()


PUBLISHED = (
    PublishedFamily(
        config=DictionaryField(),
        source="autonomousvision/factor-fields, configs/image.yaml",
        spec=PICTURE,
        forward=_picture,
        seeds=1,
        initial={
            "body.encoding.coefficients": Constant(1e-3),
            "body.encoding.basis_*": AnyValues(),  # the formula below
            "body.blocks.0.linear.weight": Uniform(-1 / 12, 1 / 12),
            "body.blocks.0.linear.bias": Uniform(-1 / 12, 1 / 12),
            "body.last.weight": Uniform(-1 / 8, 1 / 8),
        },
        settings={
            "field.width": 64,
            "field.depth": 1,
            "field.has_last_bias": False,
            "field.encoding.features": [32, 32, 32, 16, 16, 16],
            "field.encoding.vertices": SIDES.tolist(),
            "field.encoding.frequencies": (1024 / SIDES).tolist(),
            "field.encoding.coefficients": [63, 63],
            "field.encoding.lookup": "nearest",
            "field.encoding.wrap": "sawtooth",
            "fit.optimizer.beta1": 0.9,
            "fit.optimizer.beta2": 0.99,
            "fit.lr": 2e-3,
            "fit.lr_encoding": None,
            "fit.loss": "mse",
            "fit.batch": 102_400,
            "fit.steps": 10_000,
        },
    ),
    PublishedFamily(
        config=DictionaryField(),
        name="dictionary (distances)",
        source="autonomousvision/factor-fields, configs/sdf.yaml",
        spec=SHAPE,
        forward=_distance,
        seeds=4,
        initial={
            "body.encoding.coefficients": Constant(0.05),
            "body.encoding.basis_*": AnyValues(),
            "body.last.weight": Uniform(-1 / math.sqrt(18), 1 / math.sqrt(18)),
        },
        settings={
            "field.depth": 0,
            "field.encoding.features": [4, 4, 4, 2, 2, 2],
            "field.encoding.finest": [640, 640, 640],
            "field.encoding.frequencies": [1, 1.6, 2.2, 2.8, 3.4, 4],
            "field.encoding.coefficients": [54, 54, 54],
            "field.encoding.lookup": "linear",
            "fit.lr": 2e-3,
            "fit.lr_encoding": 2e-2,
            "fit.loss": "mse",
            "fit.batch": 40_960,
            "fit.steps": 10_000,
        },
    ),
    *(
        PublishedFormula(
            name=f"dictionary's atoms, {count} of side {side} in {d}-D",
            source="autonomousvision/factor-fields, dct_dict",
            published=functools.partial(_atoms, count, side, d),
            here=functools.partial(_our_atoms, count, side, d),
        )
        for count, side, d in ((32, 32, 2), (16, 89, 2), (4, 20, 3), (2, 56, 3))
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: getattr(s, "subject", None) or s.name)
def test_it_is_the_published_family(statement: PublishedFamily | PublishedFormula) -> None:
    check(statement)


def test_the_published_numbers_of_parameters() -> None:
    """1 426 063 numbers are asked for; rounding the sides of the grids leaves these, and the network adds its own."""
    count = 144 * 63**2 + int((SIDES**2 * np.array([32, 32, 32, 16, 16, 16])).sum()) + 144 * 64 + 64 + 64 * 3
    field = DictionaryField().resolve(PICTURE)
    assert field.build(PICTURE, torch.Generator()).n_params == count
    sides = Dictionary().resolve(SHAPE).build(3, torch.Generator())
    assert [len(sides.get_parameter(f"basis_{level}")) for level in range(6)] == [20, 32, 44, 56, 68, 80]
