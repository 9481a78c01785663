"""Activations: closed forms, derivatives, and their initialisations."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from inr.core.config import parse
from inr.core.domain import Spec
from inr.layers import ACTIVATIONS, Activation, ActivationConfig
from inr.layers.activations.bspline_wavelet import BsplineWavelet
from inr.layers.activations.cauchy import Cauchy
from inr.layers.activations.finer import Finer
from inr.layers.activations.gabor import Gabor
from inr.layers.activations.gauss import Gauss
from inr.layers.activations.real_gabor import RealGabor
from inr.layers.activations.spder import Spder
from inr.layers.linear.dense import Dense
from tests.assertions import assert_near

Z = torch.linspace(-0.9, 0.9, 2401, dtype=torch.float64)[:, None]
PICTURE, POINTS, SOUND = Spec("image", 2, 3, (8, 8)), Spec("points", 3, 1), Spec("audio", 1, 1, (99,))


def build(config: ActivationConfig) -> Activation:
    return config.resolve(PICTURE).build("hidden", 1)


def first_derivative(activation: Activation, z: Tensor) -> Tensor:
    at = z.clone().requires_grad_()
    (g,) = torch.autograd.grad(activation(at).sum(), at, create_graph=True)
    assert isinstance(g, Tensor)
    return g


def test_closed_forms() -> None:
    relu = torch.relu
    c, z = 9.0, Z
    seven = (1 / 6, -8 / 6, 23 / 6, -16 / 3, 23 / 6, -8 / 6, 1 / 6)
    warped = torch.sin(3.0 * (z.abs() + 1) * z)
    expected: list[tuple[ActivationConfig, Tensor]] = [
        (Finer(omega=7.0), torch.sin(7.0 * (z.abs() + 1) * z)),
        (Gauss(scale=4.0), torch.exp(-16.0 * z**2)),
        (Gauss(scale=4.0, warp=3.0), torch.exp(-16.0 * warped**2)),
        (Spder(omega=5.0), torch.sin(5 * z) * torch.sqrt((5 * z).abs())),
        (Spder(omega=5.0, damping="arctan"), torch.sin(5 * z) * torch.atan(5 * z)),
        (BsplineWavelet(scale=c), sum((a * relu(c * z - k / 2) for k, a in enumerate(seven)), torch.zeros_like(z))),
        (Cauchy(l1=2.0, l2=-0.5, d=0.3), 2.0 * z / (z**2 + 0.09) - 0.5 / (z**2 + 0.09)),
    ]
    for config, values in expected:
        assert_near(build(config).double()(z), values, 1e-6 if isinstance(config, Cauchy) else 1e-12)
    two = torch.cat([Z, Z.flip(0)], dim=-1)
    assert_near(build(RealGabor(omega=3.0, scale=2.0))(two), torch.cos(3 * Z) * torch.exp(-4 * Z.flip(0) ** 2), 1e-12)


@pytest.mark.parametrize("name", sorted(set(ACTIVATIONS)))
def test_derivatives_are_those_of_the_values_in_eval_mode(name: str) -> None:
    """By central differences; second derivatives where they are declared. No point lies within a step of a kink."""
    activation = build(parse(ActivationConfig, name)).double().eval()
    z = (Z[::29] + 1.234e-4).repeat(1, activation.arity)
    if name == "gabor":
        z = torch.cat([z, 0.3 * z.flip(0)], dim=-1)
    h = 1e-6

    def numeric(f: Callable[[Tensor], Tensor]) -> Tensor:
        return ((f(z + h) - f(z - h)) / (2 * h)).detach()

    along = first_derivative(activation, z)
    found = along.detach() if activation.arity == 1 and name != "gabor" else along.detach().sum(-1)
    values = numeric(activation)
    assert_near(found.flatten(), values.sum(-1).flatten(), 1e-6)
    if activation.smoothness >= 2 and activation.arity == 1 and name not in ("gabor", "identity"):
        at = z.clone().requires_grad_()
        (slope,) = torch.autograd.grad(activation(at).sum(), at, create_graph=True)
        (second,) = torch.autograd.grad(slope.sum(), at)
        assert_near(second, numeric(lambda p: first_derivative(activation, p)), 1e-5)


def test_finer_trains_with_or_without_the_gradient_of_its_factor() -> None:
    z, omega = Z, 30.0
    wave = torch.cos(omega * (z.abs() + 1) * z)
    detached, exact = omega * (z.abs() + 1) * wave, omega * (2 * z.abs() + 1) * wave
    default, reported = build(Finer()), build(Finer(has_scale_gradient=True))
    assert_near(first_derivative(default, z).detach(), detached, 1e-9)
    assert_near(first_derivative(reported, z).detach(), exact, 1e-9)
    assert_near(first_derivative(default.eval(), z).detach(), exact, 1e-9)
    assert (default.smoothness, reported.smoothness) == (0, 2)
    assert Finer().resolve(POINTS).has_scale_gradient
    assert Gauss(warp=3.0).resolve(POINTS).build("hidden", 1).smoothness == 2


def test_finers_first_biases_have_the_given_range(generator: torch.Generator) -> None:
    for config in (Finer(first_bias=20.0), Gauss(first_bias=20.0)):
        for role, bound in (("first", 20.0), ("hidden", 1 / 16)):
            linear = Dense().build(256, 999, has_bias=True, role=role, generator=generator)  # type: ignore[arg-type]
            config.init_linear(linear, generator)
            bias = linear.effective()[1]
            assert bias is not None
            assert 0.95 * bound < float(bias.detach().abs().max()) <= bound


def test_sines_of_a_kind_start_with_sirens_weights(generator: torch.Generator) -> None:
    for config in (Finer(omega=10.0), Spder(omega=10.0)):
        for role, bound in (("first", 1 / 64), ("hidden", math.sqrt(6 / 64) / 10), ("last", math.sqrt(6 / 64) / 10)):
            linear = Dense().build(64, 500, has_bias=True, role=role, generator=generator)  # type: ignore[arg-type]
            config.init_linear(linear, generator)
            assert 0.99 * bound < float(linear.effective()[0].detach().abs().max()) <= bound


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_spder_is_finite_to_second_order_at_and_around_zero(dtype: torch.dtype) -> None:
    tiny = torch.finfo(dtype).tiny
    z = torch.tensor([0.0, -0.0, tiny, -tiny, tiny / 8, 1e-20, 1e-15, 1e-9, -1e-7], dtype=dtype).requires_grad_()
    activation = build(Spder())
    y = activation(z)
    (g,) = torch.autograd.grad(y.sum(), z, create_graph=True)
    (second,) = torch.autograd.grad(g.sum(), z)
    for values in (y, g, second):
        assert torch.isfinite(values).all()
    assert g[0] == second[0] == 0
    # cos u sqrt u + sin u / (2 sqrt u) tends to 3/2 sqrt u
    assert abs(float(g.detach()[7]) / (30 * 1.5 * math.sqrt(30e-9)) - 1) < 1e-4
    jacobian = torch.func.vmap(torch.func.grad(lambda p: activation(p[None])[0]))(z.detach())
    assert_near(jacobian, g.detach(), 1e-6)


def test_spder_damps_sound_by_the_arctan() -> None:
    assert Spder().resolve(SOUND).damping == "arctan"
    assert Spder().resolve(PICTURE).damping == "sqrt"


def test_the_spline_wavelet_is_zero_outside_its_support_and_has_two_vanishing_moments() -> None:
    activation = build(BsplineWavelet(scale=3.0))
    t = torch.cat([torch.linspace(-50, 0, 500), torch.linspace(1.0001, 50, 500)])
    assert activation(t).abs().max() == 0
    knots = torch.arange(7, dtype=torch.float64) / 6
    expected = torch.tensor([0, 1 / 12, -1 / 2, 5 / 6, -1 / 2, 1 / 12, 0], dtype=torch.float64)
    torch.testing.assert_close(activation(knots), expected, atol=1e-12, rtol=0)
    z = torch.linspace(0, 1, 6001, dtype=torch.float64)
    for power in (0, 1):
        assert abs(float(torch.trapezoid(z**power * activation(z), z))) < 1e-7


def test_gabor_is_the_complex_formula(generator: torch.Generator) -> None:
    z = 0.3 * torch.randn(50, 6, generator=generator, dtype=torch.complex128)
    features = torch.cat([z.real, z.imag], dim=-1)
    found = build(Gabor(omega=5.0, scale=2.0))(features)
    expected = torch.exp(5j * z - (2.0 * z).abs().square())
    assert_near(found, torch.cat([expected.real, expected.imag], dim=-1), 1e-12)
    found = build(Gabor(omega=5.0, scale=2.0, branches=2))(features)
    expected = torch.exp(5j * z[:, :3] - 4.0 * (z[:, :3].abs().square() + z[:, 3:].abs().square()))
    assert_near(found, torch.cat([expected.real, expected.imag], dim=-1), 1e-12)
    found = build(Gabor(omega=5.0, scale=2.0, warp=3.0))(features)
    w = torch.complex((z.real.abs() + 1) * z.real, (z.imag.abs() + 1) * z.imag)
    w = torch.sin(3.0 * w)
    expected = torch.exp(5j * w - (2.0 * w).abs().square())
    assert_near(found, torch.cat([expected.real, expected.imag], dim=-1), 1e-12)


def test_far_out_wavelets_of_variable_period_are_zero_and_not_nan() -> None:
    z = torch.tensor([[50.0, 50.0], [0.0, 50.0], [-50.0, 1e4]], requires_grad=True)
    y = build(Gabor(warp=5.0))(z)
    y.sum().backward()  # type: ignore[no-untyped-call]
    assert y.abs().max() == 0
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()


def test_complex_units_keep_the_number_of_parameters() -> None:
    assert Gabor().features(256) == 2 * 181
    assert Gabor(branches=2).features(256) == 2 * 128
    assert Gauss().features(256) == 256


def test_cauchys_three_parameters_are_trained_and_counted_apart(generator: torch.Generator) -> None:
    activation = Cauchy().build("hidden", 8)
    activation(torch.randn(30, 8, generator=generator)).square().sum().backward()  # type: ignore[no-untyped-call]
    grads = {name: p.grad for name, p in activation.named_parameters()}
    assert sorted(grads) == ["d", "l1", "l2"]
    assert all(g is not None and g.shape == () and g != 0 for g in grads.values())
    assert activation.role == "activation"
