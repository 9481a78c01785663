"""Predicted training against training."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from inr.core.domain import Spec
from inr.encodings.random_fourier import RandomFourier
from inr.fields import Field
from inr.fields.mlp import Mlp
from inr.layers.activations.relu import Relu
from inr.ntk import (
    Spectrum,
    adam_weights,
    alignment,
    octaves,
    predicted_loss_of_modes,
    predicted_losses,
    predicted_residual,
    rates,
    sharpness,
    spectrum,
    tangent_kernel,
    time_constants,
)
from tests.assertions import assert_near
from tests.conformance.small import make


def descend(
    field: Field, x: Tensor, y: Tensor, lr: float, steps: int, weights: dict[str, Tensor] | None = None
) -> list[Tensor]:
    """Residuals before each step and after the last one, with full-batch gradient descent on the mean square."""
    seen = []
    parameters = dict(field.named_parameters())
    for _ in range(steps):
        residual = field(x) - y
        seen.append(residual.detach().clone())
        grads = torch.autograd.grad(residual.square().mean(), list(parameters.values()))
        with torch.no_grad():
            for (name, p), g in zip(parameters.items(), grads, strict=True):
                p.sub_(lr * (g if weights is None else weights[name] * g))
    return [*seen, (field(x) - y).detach()]


def stable_rate(spec: Spectrum, share: float) -> float:
    return share * len(spec.values) / float(spec.values[0])


@pytest.mark.parametrize("channels", [1, 3])
def test_linear_models_train_as_predicted_to_rounding(channels: int, generator: Generator) -> None:
    field = make({"type": "chebyshev", "degree": [5]}, d_out=channels).double()
    x = torch.rand(30, 2, generator=generator, dtype=torch.float64)
    y = torch.randn(30, channels, generator=generator, dtype=torch.float64)
    basis = tangent_kernel(make({"type": "chebyshev", "degree": [5]}, d_out=1).double(), x).matrix
    kernel = tangent_kernel(field, x)
    assert_near(kernel.matrix, torch.kron(basis, torch.eye(channels, dtype=torch.float64)), 1e-12)
    spec = spectrum(kernel)
    one = torch.linalg.eigvalsh(basis).flip(0).clamp_min(0)
    assert_near(spec.values, one.repeat_interleave(channels), 1e-12)
    lr = stable_rate(spec, 0.7)
    with torch.no_grad():
        found = alignment(spec, field(x) - y)
    residuals = descend(field, x, y, lr, 100)
    actual = torch.stack([r.square().mean() for r in residuals])
    assert_near(predicted_losses(found, spec, lr, torch.arange(101)), actual, 1e-10)
    assert_near(predicted_residual(found, spec, lr, 100), residuals[-1].reshape(-1), 1e-10)
    groups = octaves(spec.values)
    by_group = predicted_loss_of_modes(found, spec, lr, torch.arange(101), groups)
    assert_near(by_group.sum(1), actual, 1e-10)
    modes = (spec.vectors.T @ residuals[40].reshape(-1)).square() / len(spec.values)
    expected = torch.zeros(int(groups.max()) + 1, dtype=torch.float64).index_add(0, groups, modes)
    assert_near(by_group[40], expected, 1e-10)


def test_a_preconditioned_linear_model_trains_as_its_kernel_predicts(generator: Generator) -> None:
    field = make({"type": "chebyshev", "degree": [4]}, d_out=2).double()
    x = torch.rand(20, 2, generator=generator, dtype=torch.float64)
    y = torch.randn(20, 2, generator=generator, dtype=torch.float64)
    moments = {name: torch.rand(p.shape, generator=generator).double() for name, p in field.named_parameters()}
    weights = adam_weights(moments, step=10)
    assert_near(weights["coefficients"], 1 / ((moments["coefficients"] / (1 - 0.999**10)).sqrt() + 1e-8), 1e-12)
    spec = spectrum(tangent_kernel(field, x, method="contraction", weights=weights))
    lr = stable_rate(spec, 0.5)
    with torch.no_grad():
        found = alignment(spec, field(x) - y)
    residuals = descend(field, x, y, lr, 50, weights)
    assert_near(predicted_residual(found, spec, lr, 50), residuals[-1].reshape(-1), 1e-9)


def test_a_wide_network_trains_as_predicted_within_two_percent(generator: Generator) -> None:
    spec_1 = Spec("array", 1, 1, (24,))
    config = Mlp(width=2048, depth=1, activation=Relu(), encoding=RandomFourier(n_frequencies=16, sigma=1.0))
    field = config.resolve(spec_1).build(spec_1, generator).double()
    x = ((torch.arange(24, dtype=torch.float64) + 0.5) / 24).unsqueeze(1)
    y = torch.sin(2 * math.pi * x) + 0.3 * torch.cos(6 * math.pi * x)
    spec = spectrum(tangent_kernel(field, x))
    lr = stable_rate(spec, 0.2)
    with torch.no_grad():
        start = field(x) - y
    found = alignment(spec, start)
    residuals = descend(field, x, y, lr, 200)
    for t in (10, 50, 200):
        difference = predicted_residual(found, spec, lr, t) - residuals[t].reshape(-1)
        assert float(difference.norm() / start.norm()) < 0.02
    assert float(residuals[200].norm() / start.norm()) < 0.7


def test_rates_time_constants_and_stability() -> None:
    values = torch.tensor([4.0, 1.0, 0.0])
    assert rates(values, 8, 0.5).tolist() == pytest.approx([0.5, 0.875, 1.0])
    assert time_constants(values, 8, 0.5).tolist() == pytest.approx([2.0, 8.0, math.inf])
    at = sharpness(4.0, 8, 2.0)
    assert (at.value, at.limit, at.ratio) == pytest.approx((1.0, 1.0, 1.0))
    assert at.is_at_edge
    assert float(rates(values, 8, 2.0)[0]) == pytest.approx(-1.0)  # the top mode neither falls nor grows
    assert not sharpness(4.0, 8, 0.5).is_at_edge
    assert octaves(torch.tensor([8.0, 7.9, 4.0, 3.0, 1.0, 0.0])).tolist() == [0, 0, 1, 1, 3, 63]


def test_eigenvalues_over_n_are_those_of_the_integral_operator(generator: Generator) -> None:
    field = make({"type": "mlp", "width": 32, "depth": 2}, d_out=1)
    few, many = (spectrum(tangent_kernel(field, torch.rand(n, 2, generator=generator))).values / n for n in (400, 1200))
    assert_near(few[:4], many[:4], 0.1)
