"""Learned Lipschitz bounds: statements of the PyTorch port, models/lipmlp.py and 2D_interpolation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.fields.lipmlp import LipMlp
from inr.layers.linear.lipschitz import Lipschitz, LipschitzLinear
from tests.fields.formulas import octaves, relu, torch_default
from tests.published import AnyValues, Array, Parameters, Published, PublishedFamily, PublishedFormula, check

PICTURE = Spec("image", 2, 3, (64, 64))


def _linear(p: Parameters, prefix: str, h: Array) -> Array:
    """Rows scaled by min(1, softplus(c) / sum_j |W_ij|)."""
    rows = p[f"{prefix}.rows"]
    scale = np.minimum(1, np.log1p(np.exp(p[f"{prefix}.c"])) / np.abs(rows).sum(1, keepdims=True))
    return np.asarray(h @ (rows * scale).T + p[f"{prefix}.bias"])


def _forward(p: Parameters, x: Array) -> Array:
    h = octaves(x, 4)
    for layer in range(3):
        h = relu(_linear(p, f"body.blocks.{layer}.linear", h))
    return _linear(p, "body.last", h)


def _lower_bounds(module: torch.nn.Module) -> None:
    """Bounds below most row sums, in the network whose outputs are compared."""
    for name, parameter in module.named_parameters():
        if name.endswith(".c") and parameter.dtype == torch.float64:
            parameter.data *= 0.8


def _layers() -> list[LipschitzLinear]:
    generator = torch.Generator().manual_seed(3)
    made = [Lipschitz().build(n, 7, has_bias=True, role="hidden", generator=generator) for n in (5, 7, 9)]
    return [layer for layer in made if isinstance(layer, LipschitzLinear)]


def _penalty() -> Array:
    found = Lipschitz(weight=1e-5).penalty(_layers())
    assert found is not None
    return found.detach().numpy()


PUBLISHED = (
    PublishedFamily(
        config=LipMlp(),
        source="whitneychiu/lipmlp_pytorch",
        spec=PICTURE,
        small=("width=16",),
        forward=_forward,
        prepare=_lower_bounds,
        tolerance=1e-4,  # pi 2^k are float32
        initial={
            "*.c": AnyValues(),  # the formula below
            "body.blocks.0.linear.*": torch_default(18),
            "*": torch_default(256),
        },
        settings={
            "field.width": 64,
            "field.depth": 4,
            "field.encoding": "identity",
            "field.activation": "relu",
            "field.linear.weight": 1e-5,
            "fit.optimizer": "adam",
            "fit.lr": 1e-4,
            "fit.schedule": "constant",
            "fit.loss": "mse",
            "fit.batch": 64 * 64,
            "fit.steps": 200_000,
        },
    ),
    PublishedFormula(
        name="lipmlp, c at the start",
        source="whitneychiu/lipmlp_pytorch",
        published=lambda: np.array([np.abs(layer.rows.detach().numpy()).sum(1).max() for layer in _layers()]),
        here=lambda: np.array([layer.c.detach().numpy() for layer in _layers()]),
    ),
    PublishedFormula(
        name="lipmlp, the term of the loss",
        source="whitneychiu/lipmlp_pytorch",
        published=lambda: 1e-5 * np.prod([np.log1p(np.exp(layer.c.detach().numpy())) for layer in _layers()]),
        here=_penalty,
        tolerance=1e-9,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_family(statement: Published) -> None:
    check(statement)
