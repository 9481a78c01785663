"""Maestro: statements of the authors' layers and of their example command (MNIST); the paper is not about fields."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.fields.low_rank import LowRankMlp
from inr.layers.linear.dense import Dense
from inr.layers.linear.low_rank import LowRank, LowRankLinear
from tests.fields.formulas import octaves, relu, torch_default
from tests.published import AnyValues, Array, Parameters, Published, PublishedFamily, PublishedFormula, check, linear

PICTURE = Spec("image", 2, 3, (64, 64))


def _forward(p: Parameters, x: Array) -> Array:
    """relu(U V^T h + b) in hidden layers."""
    h = relu(linear(p, "body.blocks.0.linear", octaves(x, 4)))
    for layer in (1, 2):
        prefix = f"body.blocks.{layer}.linear"
        h = relu(h @ p[f"{prefix}.right"] @ p[f"{prefix}.left"].T + p[f"{prefix}.bias"])
    return linear(p, "body.last", h)


def _layer() -> LowRankLinear:
    """U [9, 7] and V [7, 7] whose columns fall by a factor of 8 each."""
    layer = LowRank().build(7, 9, has_bias=True, role="hidden", generator=torch.Generator().manual_seed(2))
    assert isinstance(layer, LowRankLinear)
    for factor in (layer.left, layer.right):
        factor.data *= 8.0 ** -torch.arange(7)
    return layer


def _tails() -> Iterator[Array]:
    """|U from column b on| and |V from column b on|, for every b."""
    layer = _layer()
    for factor in (layer.left, layer.right):
        u = factor.detach().double().numpy()
        yield np.array([np.linalg.norm(u[:, b:]) for b in range(7)])


def _lasso() -> Array:
    found = LowRank(lasso=1e-6).penalty([_layer()])
    assert found is not None
    return 1e6 * found.detach().numpy()


def _split() -> Array:
    """[U; V] from the singular value decomposition U' S V'^T of torch's default: U' S^(1/2) and V' S^(1/2)."""
    dense = Dense().build(7, 9, has_bias=True, role="hidden", generator=torch.Generator().manual_seed(2))
    u, s, vt = np.linalg.svd(dense.effective()[0].detach().double().numpy(), full_matrices=False)
    return np.asarray(np.abs(np.concatenate([u, vt.T]) * np.sqrt(s)))  # pairs of columns have no sign


def _factors() -> Array:
    layer = LowRank().build(7, 9, has_bias=True, role="hidden", generator=torch.Generator().manual_seed(2))
    assert isinstance(layer, LowRankLinear)
    return torch.cat([layer.left, layer.right]).detach().abs().numpy()


def _in_use() -> Array:
    """Columns in use in a training step, for several thresholds."""
    counts = []
    for threshold in (1e-9, 1e-5, 1e-3, 1e-1):
        layer = _layer()
        LowRank(is_ordered=False, cut_below=threshold).at_step([layer], 3)
        counts.append(layer.kept)
    return np.array(counts)


def _important() -> Array:
    u, v = _tails()
    return np.array([(u * v >= threshold).sum() for threshold in (1e-9, 1e-5, 1e-3, 1e-1)])


PUBLISHED = (
    PublishedFamily(
        config=LowRankMlp(),
        source="SamuelHorvath/Maestro-LoD, scripts/run_cifar_mnist.sh",
        spec=PICTURE,
        small=("width=16", "linear.rank=5"),
        forward=_forward,
        tolerance=1e-4,  # pi 2^k are float32
        initial={
            "*.left": AnyValues(),  # the formula below
            "*.right": AnyValues(),
            "body.blocks.0.linear.*": torch_default(18),
            "*": torch_default(256),
        },
        settings={
            "field.linear.rank": 256,
            "field.linear.is_ordered": True,
            "field.linear.has_full_pass": False,
            "field.linear.lasso": 1e-6,
            "field.linear.cut_below": 1e-5,
            "fit.optimizer": "sgd",
            "fit.lr": 1e-2,
            "fit.schedule": "constant",
            "fit.batch": 256,
            "fit.steps": 2 * 235,
        },
    ),
    PublishedFormula(
        name="low_rank, factors at the start",
        source="SamuelHorvath/Maestro-LoD, maestro/layers/linear.py",
        published=_split,
        here=_factors,
    ),
    PublishedFormula(
        name="low_rank, hierarchical lasso",
        source="SamuelHorvath/Maestro-LoD, maestro/layers/linear.py",
        published=lambda: np.sum(list(_tails())),
        here=_lasso,
        tolerance=1e-5,
    ),
    PublishedFormula(
        name="low_rank, columns in use",
        source="SamuelHorvath/Maestro-LoD, maestro/layers/utils.py",
        published=_important,
        here=_in_use,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_family(statement: Published) -> None:
    check(statement)
