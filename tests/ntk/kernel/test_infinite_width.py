"""Kernels of infinite width: closed forms against quadrature, and wide networks against both."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Generator, Tensor

from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.encodings.random_fourier import RandomFourier
from inr.fields.mlp import Mlp
from inr.layers import ActivationConfig
from inr.layers.activations.elementwise import Tanh
from inr.layers.activations.gauss import Gauss
from inr.layers.activations.relu import Relu
from inr.layers.activations.sine import Sine
from inr.ntk import WideLayer, infinite_width, tangent_kernel, wide_kernels
from inr.ntk.kernel.infinite_width import Dual, GaussDual, QuadratureDual, ReluDual, SineDual
from tests.assertions import assert_near
from tests.conformance.small import make


def moments(generator: Generator, scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    j = scale * torch.randn(30, 2, 2, generator=generator, dtype=torch.float64)
    k = j @ j.mT
    return k[:, 0, 0], k[:, 1, 1], k[:, 0, 1]


@pytest.mark.parametrize(
    ("closed", "function", "tolerance"),
    [
        (SineDual(1.3, 0.8, 0.4), lambda z: 1.3 * torch.sin(0.8 * z + 0.4), 1e-9),
        (SineDual(), torch.sin, 1e-9),
        (GaussDual(0.3), lambda z: torch.exp(-((0.3 * z) ** 2)), 1e-4),
        (ReluDual(), torch.relu, 0.08),
    ],
    ids=["sine", "plain-sine", "gauss", "relu"],
)
def test_closed_forms_are_what_quadrature_finds(
    closed: Dual, function: Callable[[Tensor], Tensor], tolerance: float, generator: Generator
) -> None:
    a, b, c = moments(generator)
    for found, expected in zip(closed(a, b, c), QuadratureDual(function)(a, b, c), strict=True):
        assert_near(found, expected, tolerance)


def test_relu_on_one_point_halves_the_variance(generator: Generator) -> None:
    a, _, _ = moments(generator)
    value, slope = ReluDual()(a, a, a)
    assert_near(value, a / 2, 1e-7)
    assert_near(slope, torch.full_like(a, 0.5), 1e-7)


def test_two_layers_by_hand(generator: Generator) -> None:
    """Arc-cosine kernels of orders 0 and 1, NTK parameterisation without biases, on the circle."""
    angle = torch.linspace(0, math.pi, 9, dtype=torch.float64)
    x = math.sqrt(2) * torch.stack([angle.cos(), angle.sin()], dim=1)
    layers = [WideLayer(1.0, has_bias=False), WideLayer(2.0, has_bias=False)]
    found = wide_kernels(x[:1], x, layers, [ReluDual()])
    order_0 = 1 - angle / math.pi
    order_1 = (angle.sin() + (math.pi - angle) * angle.cos()) / math.pi
    assert_near(found.covariance[0], order_1, 1e-7)
    assert_near(found.tangent[0], order_1 + angle.cos() * order_0, 1e-7)
    with pytest.raises(UsageError, match="need 1 activations"):
        wide_kernels(x, x, layers, [])


@pytest.mark.parametrize(
    "activation", [Relu(), Sine(omega=3.0), Gauss(scale=1.0), Tanh()], ids=lambda activation: activation.type_name
)
def test_wide_networks_approach_the_analytic_kernel(activation: ActivationConfig, generator: Generator) -> None:
    spec = Spec("array", 2, 1, (16, 16))
    x = torch.rand(6, 2, generator=generator)
    encoding = RandomFourier(n_frequencies=64, sigma=0.5)
    config = Mlp(width=4096, depth=1, activation=activation, encoding=encoding).resolve(spec)
    ratios = []
    for seed in range(5):
        field = config.build(spec, Generator().manual_seed(seed))
        expected = infinite_width(field, x).tangent
        ratios.append((tangent_kernel(field, x).matrix - expected) / torch.linalg.matrix_norm(expected))
    assert float(torch.linalg.matrix_norm(torch.stack(ratios).mean(0))) < 0.03


def test_deeper_and_narrower_networks_scatter_around_it(generator: Generator) -> None:
    spec = Spec("array", 2, 1, (16, 16))
    x = torch.rand(5, 2, generator=generator)
    config = Mlp(width=256, depth=3, encoding=RandomFourier(n_frequencies=64, sigma=0.5)).resolve(spec)
    fields = [config.build(spec, Generator().manual_seed(seed)) for seed in range(24)]
    found = torch.stack([tangent_kernel(f, x).matrix / infinite_width(f, x).tangent for f in fields])
    assert float((found.mean(0) - 1).abs().max()) < 0.1
    assert float((found[0] - 1).abs().max()) > float((found.mean(0) - 1).abs().max())


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"type": "chebyshev", "degree": [3]}, "no single body of layers"),
        ({"type": "f_inr", "width": 32, "assembly": {"type": "cp", "rank": 8}}, "no single body of layers"),
        ({"type": "low_rank", "width": 16, "depth": 2}, "LowRankLinear"),
        ({"type": "mfn_fourier", "width": 16, "depth": 2}, "FilterBlock"),
        ({"type": "xnet", "width": 16, "depth": 2}, None),
        ({"type": "wire", "width": 16, "depth": 2}, "ComplexLinear"),
    ],
    ids=lambda d: d["type"] if isinstance(d, dict) else "",
)
def test_fields_without_an_infinite_width_are_refused(document: dict[str, object], message: str | None) -> None:
    field = make(document)
    if message is None:
        assert bool(torch.isfinite(infinite_width(field, torch.rand(4, 2)).tangent).all())
        return
    with pytest.raises(UsageError, match=message):
        infinite_width(field, torch.rand(4, 2))
