"""Fourier reparameterisation: statements of the authors' code."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.encodings.identity import Identity
from inr.fields import FieldConfig
from inr.fields.fourier_reparam import FourierReparamSiren
from inr.fields.mlp import Mlp
from inr.layers.linear.fourier_reparam import FourierReparam
from tests.fields.formulas import relu, symmetric, torch_default
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

PICTURE = Spec("image", 2, 3, (512, 768))
SMALL = ("width=16", "linear.n_low=4", "linear.n_high=3", "linear.phases=5")


def _basis(n_low: int, n_high: int, phases: int, d_in: int, alpha: float) -> Array:
    """alpha cos(f t + 2 pi p / P) over a period of the lowest frequency, 1 / n_low."""
    t = np.linspace(-np.pi * n_low, np.pi * n_low, d_in)
    frequencies = [i / n_low for i in range(1, n_low + 1)] + list(range(1, n_high + 1))
    rows = [np.cos(f * t + 2 * np.pi * p / phases) for f in frequencies for p in range(phases)]
    return alpha * np.array(rows)


def _network(activation: Callable[[Array], Array], alpha: float) -> Callable[[Parameters, Array], Array]:
    """sigma(W h + b), with W = Lambda B in the hidden layers."""

    def forward(p: Parameters, x: Array) -> Array:
        basis = _basis(4, 3, 5, 16, alpha)
        h = activation(linear(p, "body.blocks.0.linear", 2 * x - 1))
        for layer in range(1, 4):
            prefix = f"body.blocks.{layer}.linear"
            h = activation(h @ (p[f"{prefix}.coefficients"] @ basis).T + p[f"{prefix}.bias"])
        return linear(p, "body.last", h)

    return forward


def _statement(
    config: FieldConfig, name: str, activation: Callable[[Array], Array], alpha: float, first: Uniform, last: float
) -> PublishedFamily:
    run = {
        "fit.optimizer": "adam",
        "fit.lr": 1e-4,
        "fit.schedule": "step",
        "fit.schedule.at": [0.3],
        "fit.schedule.decay": 0.1,
        "fit.batch": 512 * 768,
        "fit.steps": 10000,
    }
    return PublishedFamily(
        name=name,
        config=config,
        source="LabShuHangGU/FR-INR 2d_image_fitting.py",
        spec=PICTURE,
        small=SMALL,
        forward=_network(activation, alpha),
        tolerance=1e-5,  # the basis is float32
        initial={
            "body.blocks.0.linear.weight": first,
            "body.blocks.0.linear.bias": torch_default(2),
            "*.coefficients": AnyValues(),  # their range differs from column to column; see below
            "body.last.weight": symmetric(last),
            "body.last.bias": torch_default(256),
            "*.bias": Constant(0),
        },
        settings={
            "field.width": 256,
            "field.depth": 4,
            "field.linear.n_low": 128,
            "field.linear.n_high": 128,
            "field.linear.phases": 32,
            "field.linear.alpha": alpha,
            **(run if config.type_name == "fourier_reparam" else {}),
        },
    )


def _ranges(omega: float | None) -> Array:
    """Largest coefficients of each column, over the published range sqrt(6 / M) / |B_j|, divided by omega."""
    config = FourierReparam(n_low=4, n_high=3, phases=5, alpha=0.05)
    layer = config.build(64, 4096, has_bias=True, role="hidden", generator=torch.Generator().manual_seed(0))
    if omega is not None:  # as the activation's initialiser does
        bound = math.sqrt(6 / 64) / omega
        layer.assign(torch.empty(4096, 64).uniform_(-bound, bound, generator=torch.Generator().manual_seed(1)))
    basis = _basis(4, 3, 5, 64, 0.05)
    published = math.sqrt(6 / len(basis)) / np.linalg.norm(basis, axis=1) / (omega or 1)
    return np.asarray(layer.state_dict()["coefficients"].abs().amax(0).numpy() / published)


PUBLISHED: tuple[PublishedFamily | PublishedFormula, ...] = (
    _statement(
        FourierReparamSiren(),
        "fourier_reparam",
        lambda z: np.sin(30 * z),
        0.01,
        symmetric(1 / 2),
        math.sqrt(6 / 256) / 30,
    ),
    _statement(
        Mlp(encoding=Identity(), depth=4, linear=FourierReparam()),
        "fourier_reparam in a ReLU network",
        relu,
        0.05,
        torch_default(2),
        math.sqrt(6 / 256),
    ),
    *(
        PublishedFormula(
            name=f"fourier_reparam, range of Lambda {where}",
            source="LabShuHangGU/FR-INR",
            published=lambda: np.ones(35),
            here=lambda omega=omega: _ranges(omega),  # type: ignore[misc]  # a default binds the loop's value
            tolerance=0.02,  # the largest of 4096 draws, and our rescaling to the drawn mean square
        )
        for where, omega in (("before ReLU", None), ("before sines", 30.0))
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: getattr(s, "subject", "") or s.name)
def test_it_is_the_published_family(statement: PublishedFamily | PublishedFormula) -> None:
    check(statement)
