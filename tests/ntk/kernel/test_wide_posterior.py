"""Posteriors of wide networks against conditioning of a normal distribution, and closed forms of kernels."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Generator, Tensor

from inr.core.config import parse
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields import Field, FieldConfig
from inr.ntk import infinite_width, wide_posterior
from inr.ntk.kernel.infinite_width import QuadratureDual, SineDual, WideLayer, wide_kernels
from inr.ntk.kernel.wide_posterior import wide_answers

SPEC = Spec(kind="image", d_in=2, d_out=2, shape=(8, 8))


@pytest.fixture
def field() -> Field:
    config = parse(FieldConfig, {"type": "mlp", "width": 16, "depth": 2, "encoding": "identity"}, "field")
    return config.resolve(SPEC).build(SPEC, Generator().manual_seed(0))


def points(n: int, seed: int) -> Tensor:
    return torch.rand(n, 2, generator=Generator().manual_seed(seed), dtype=torch.float64)


def test_the_nngp_is_a_normal_distribution_conditioned_on_the_samples(field: Field) -> None:
    """mean and variance from the joint precision matrix: P = S^-1, mean = -P_zz^-1 P_zx y, variance = diag P_zz^-1."""
    x, z, y = points(7, 1), points(4, 2), points(7, 3)
    found = wide_posterior(field, x, y, z, noise=0.01)
    joint = infinite_width(field, torch.cat([x, z])).covariance
    joint[:7, :7] += 0.01 * joint[:7, :7].diagonal().mean() * torch.eye(7)
    precision = torch.linalg.inv(joint)
    covariance = torch.linalg.inv(precision[7:, 7:])
    assert torch.allclose(found.mean, -covariance @ precision[7:, :7] @ y, atol=1e-6)
    assert torch.allclose(found.variance, covariance.diagonal(), atol=1e-6 * float(joint.diagonal().max()))


@pytest.mark.parametrize("trained", ["last", "all"])
def test_at_its_samples_it_has_their_values_and_no_doubt(field: Field, trained: str) -> None:
    x, y = points(6, 1), points(6, 3)
    found = wide_posterior(field, x, y, x, noise=1e-9, trained=trained)  # type: ignore[arg-type]  # the parameter's names
    prior = infinite_width(field, x).covariance.diagonal()
    assert torch.allclose(found.mean, y, atol=1e-4)
    assert float((found.variance / prior).max()) < 1e-6


def test_gradient_descent_of_the_linearised_kernel_ends_there(field: Field) -> None:
    """f <- f - rate Theta (f - y) from f = 0, on samples and new points together, to its end."""
    x, z, y = points(5, 1), points(3, 2), points(5, 3)
    theta = infinite_width(field, torch.cat([x, z])).tangent
    known, values = theta[:, :5], torch.zeros(8, 2, dtype=torch.float64)
    inverse = torch.linalg.eigh(known[:5])
    for _ in range(60):  # each step halves every mode of the residual
        residual = values[:5] - y
        values = values - 0.5 * known @ (
            inverse.eigenvectors @ ((inverse.eigenvectors.T @ residual) / inverse.eigenvalues[:, None])
        )
    found = wide_posterior(field, x, y, z, noise=1e-10, trained="all")
    assert torch.allclose(found.mean, values[5:], atol=1e-4)


def test_answers_between_the_samples(field: Field) -> None:
    """The first half of the samples answers the second; the field is as far from the NNGP as its values say."""
    x, y = points(40, 1), points(40, 3)
    found = wide_answers(field, field, x, y)
    middle = y[:20].mean(0)
    mean = wide_posterior(field, x[:20], y[:20] - middle, x[20:]).mean + middle
    energy = (y[20:] - y[20:].mean(0)).square().sum()
    assert found.nngp_left == pytest.approx(float((mean - y[20:]).square().sum() / energy))
    values = field(x[20:].float()).double().detach()
    assert found.gap == pytest.approx(float((mean - values).square().sum() / energy), rel=1e-4)
    assert math.isnan(wide_answers(field, field, x[:6], y[:6]).nngp_left)


def test_the_arc_cosine_kernel_of_one_hidden_layer() -> None:
    """Cho and Saul 2009, degree 1: |x| |z| (sin t + (pi - t) cos t) / (2 pi), t the angle between x and z."""
    from inr.ntk.kernel.infinite_width import ReluDual

    x, z = points(6, 1) - 0.5, points(5, 2) - 0.5
    layers = (WideLayer(2.0, has_bias=False), WideLayer(1.0, has_bias=False))  # weight / d = 1 per input
    found = wide_kernels(x, z, layers, [ReluDual()])
    lengths = x.norm(dim=1)[:, None] * z.norm(dim=1)
    angle = torch.acos((x @ z.T / lengths).clamp(-1, 1))
    expected = lengths * (torch.sin(angle) + (math.pi - angle) * torch.cos(angle)) / (2 * math.pi)
    slope = (math.pi - angle) / (2 * math.pi)
    assert torch.allclose(found.covariance, expected, atol=1e-12)
    assert torch.allclose(found.tangent, expected + (x @ z.T) * slope, atol=1e-12)


def test_the_kernel_of_erf() -> None:
    """Williams 1997: E erf(u) erf(v) = (2 / pi) asin(2 c / sqrt((1 + 2 a)(1 + 2 b))); its derivative by c is T'."""
    a, b = torch.tensor([0.3, 1.0, 0.7], dtype=torch.float64), torch.tensor([0.5, 1.0, 0.2], dtype=torch.float64)
    c = torch.tensor([0.1, -0.6, 0.3], dtype=torch.float64)
    value, slope = QuadratureDual(torch.erf, nodes=60)(a, b, c)
    product = (1 + 2 * a) * (1 + 2 * b)
    assert torch.allclose(value, 2 / math.pi * torch.asin(2 * c / product.sqrt()), atol=1e-8)
    assert torch.allclose(slope, 4 / math.pi / (product - 4 * c * c).sqrt(), atol=1e-8)


def test_the_kernel_of_sine_is_that_of_quadrature() -> None:
    a, b = torch.tensor([0.3, 1.0], dtype=torch.float64), torch.tensor([0.5, 0.8], dtype=torch.float64)
    c = torch.tensor([0.1, -0.6], dtype=torch.float64)
    exact, found = SineDual(1.0, 1.3, 0.4)(a, b, c), QuadratureDual(lambda t: torch.sin(1.3 * t + 0.4))(a, b, c)
    assert all(torch.allclose(p, q, atol=1e-10) for p, q in zip(exact, found, strict=True))


def test_refused(field: Field) -> None:
    with pytest.raises(UsageError, match=r"targets of shape \(3, 2\)"):
        wide_posterior(field, points(4, 0), points(3, 0), points(2, 0))
    with pytest.raises(UsageError, match="`trained` is 'first'"):
        wide_posterior(field, points(4, 0), points(4, 0), points(2, 0), trained="first")  # type: ignore[arg-type]  # wrong


def test_kernels_with_negative_eigenvalues_of_quadrature_have_a_posterior() -> None:
    config = parse(FieldConfig, {"type": "finer", "width": 32}, "field")
    field = config.resolve(SPEC).build(SPEC, Generator().manual_seed(0))
    x, z = points(160, 1), points(4, 2)
    kernel = infinite_width(field, x).covariance
    assert float(torch.linalg.eigvalsh(kernel)[0]) < -1e-6 * float(kernel.diagonal().mean())
    found = wide_posterior(field, x, points(160, 3), z)
    assert bool(found.mean.isfinite().all())
    assert bool((found.variance >= 0).all())
