"""Complex linear maps: against torch's own complex arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.fields.wire import Wire, Wire2d
from inr.layers import Linear, Role
from inr.layers.activations.gabor import Gabor
from inr.layers.linear.complex import Complex, ComplexLinear
from tests.assertions import assert_near, assert_same_bytes

PICTURE = Spec("image", 2, 3, (64, 64))


def make(d_in: int, d_out: int, role: Role, generator: torch.Generator) -> ComplexLinear:
    linear = Complex().build(d_in, d_out, has_bias=True, role=role, generator=generator).double()
    assert isinstance(linear, ComplexLinear)
    return linear


def matrix(linear: Linear) -> Tensor:
    assert isinstance(linear, ComplexLinear)
    imag = torch.zeros_like(linear.real) if linear.imag is None else linear.imag
    return torch.complex(linear.real, imag)


def shift(linear: Linear) -> Tensor:
    assert isinstance(linear, ComplexLinear)
    assert linear.bias_real is not None
    imag = torch.zeros_like(linear.bias_real) if linear.bias_imag is None else linear.bias_imag
    return torch.complex(linear.bias_real, imag)


@pytest.mark.parametrize(
    "config",
    [Wire(width=20, depth=3, activation=Gabor(omega=20.0, scale=30.0)), Wire2d(width=20, depth=3)],
    ids=["wire", "wire2d"],
)
def test_wire_is_the_network_that_torch_makes_of_complex_numbers(config: Wire, generator: torch.Generator) -> None:
    field = config.resolve(PICTURE).build(PICTURE, generator).double()
    x = torch.rand(40, 2, generator=generator, dtype=torch.float64)
    first, *others = [m for m in field.modules() if isinstance(m, Linear)]
    units = 10 if isinstance(config, Wire2d) else 14
    assert [len(matrix(m)) for m in (first, *others)] == [units * (2 if units == 10 else 1)] * 3 + [3]
    h = torch.complex(2 * x - 1, torch.zeros_like(x))
    for linear in (first, *others[:-1]):
        z = nn.functional.linear(h, matrix(linear), shift(linear))
        wave = z[:, :units]
        omega, scale = (10.0, 10.0) if units == 10 else (20.0, 30.0)
        h = torch.exp(1j * omega * wave - scale**2 * z.abs().square().reshape(len(x), -1, units).sum(1))
    expected = nn.functional.linear(h, matrix(others[-1]), shift(others[-1])).real
    assert_near(field(x), expected, 1e-12)


def test_wire_has_about_the_parameters_of_a_real_network() -> None:
    expected = 181 * 3 + 2 * (2 * 181 * 182) + 2 * 181 * 3 + 3  # first real, hidden complex, last bias without Im
    assert Wire().resolve(PICTURE).build(PICTURE, torch.Generator()).n_params == expected
    assert abs(expected / (256 * 3 + 2 * 256 * 257 + 257 * 3) - 1) < 0.02


@pytest.mark.parametrize(("role", "d_in", "d_out"), [("first", 3, 8), ("hidden", 6, 8), ("last", 6, 3)])
def test_starts_as_torchs_complex_layers_do_and_keeps_what_is_assigned(
    role: Role, d_in: int, d_out: int, generator: torch.Generator
) -> None:
    linear, other = make(d_in, d_out, role, generator), make(d_in, d_out, role, generator)
    weight, bias = linear.effective()
    assert bias is not None
    other.assign(weight)
    other.assign_bias(bias)
    for a, b in zip(linear.parameters(), other.parameters(), strict=True):
        assert_same_bytes(a, b)
    wide = make(d_in * 100, d_out * 100, role, generator)
    bound = 1 / math.sqrt(d_in * 100 / (1 if role == "first" else 2))
    for p in wide.parameters():
        assert 0.9 * bound < float(p.detach().abs().max()) <= bound
        assert abs(float(p.detach().var()) / (bound**2 / 3) - 1) < 0.2


def test_the_default_of_torch_for_complex_layers_is_as_assumed() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch_layer = nn.Linear(300, 400, dtype=torch.cfloat)
    for part in (torch_layer.weight.real, torch_layer.weight.imag):
        assert 0.99 / math.sqrt(300) < float(part.detach().abs().max()) <= 1 / math.sqrt(300) + 1e-7


def test_assign_takes_the_nearest_complex_matrix(generator: torch.Generator) -> None:
    linear = make(4, 6, "hidden", generator)
    target = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    linear.assign(target)
    rest = target - linear.effective()[0]
    for p in (linear.real, linear.imag):
        assert p is not None
        (g,) = torch.autograd.grad((rest * (target - linear.effective()[0])).sum(), p)
        assert g.abs().max() < 1e-12


def test_features_that_do_not_pair_are_refused(generator: torch.Generator) -> None:
    with pytest.raises(ConfigError, match="7 input features, expected an even number"):
        make(7, 8, "hidden", generator)
    with pytest.raises(ConfigError, match="5 output features, expected an even number"):
        make(2, 5, "first", generator)
