"""The sine: accuracy against float64, and every backend against the reference in value and derivatives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inr.core.errors import UnavailableError, UsageError
from inr.kernels import Need, use_backend
from inr.kernels.sine import OP, sine
from tests.assertions import assert_near, assert_same_bytes
from tests.kernels.conftest import Packages

BACKENDS = [
    backend.name for backend in OP.backends if not backend.reasons_against(Need(device="cpu", dtype=torch.float32))
]
COMPILED = [name for name in BACKENDS if name != "reference"]
ABSOLUTE = 2e-6


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("largest", [1e-3, 1.0, 30.0, 1e3, 1e4, 3e4, 1e6])
def test_value_and_derivative_are_those_of_float64(backend: str, largest: float, generator: torch.Generator) -> None:
    x = (largest * (2 * torch.rand(30_011, generator=generator) - 1)).requires_grad_()
    with use_backend(backend):
        y = sine(x)
        (slope,) = torch.autograd.grad(y.sum(), x)
    exact = x.detach().double()
    assert (y.detach() - exact.sin()).abs().max() < ABSOLUTE
    assert (slope - exact.cos()).abs().max() < ABSOLUTE
    assert y.detach().abs().max() <= 1 + 1e-6


@pytest.mark.parametrize("backend", COMPILED)
def test_around_multiples_of_half_a_turn(backend: str) -> None:
    """Where k jumps, and where sine and cosine vanish."""
    x = torch.arange(-7000, 7001, dtype=torch.float64) * (math.pi / 4)
    x = torch.cat([torch.nextafter(x.float(), torch.tensor(math.inf)), x.float()])
    with use_backend(backend):
        assert (sine(x) - x.double().sin()).abs().max() < ABSOLUTE


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("shape", [(0,), (1,), (), (17,), (1023, 3), (5, 0, 2), (1025,)])
def test_values_and_gradients_equal_the_reference(
    backend: str, shape: tuple[int, ...], generator: torch.Generator
) -> None:
    z = torch.randn(shape, generator=generator).requires_grad_()
    g, h = torch.randn(shape, generator=generator).requires_grad_(), torch.randn(shape, generator=generator)
    results: dict[str, tuple[Tensor, ...]] = {}
    for name in ("reference", backend):
        with use_backend(name):
            y = sine(z, 30.0)
            (first,) = torch.autograd.grad(y, z, g, create_graph=True)
            results[name] = (y, first, *torch.autograd.grad(first, (z, g), h))
    for found, expected in zip(results[backend], results["reference"], strict=True):
        assert_near(found.detach(), expected.detach(), OP.tolerances[torch.float32])


@pytest.mark.parametrize("backend", COMPILED)
def test_third_and_fourth_derivatives(backend: str, generator: torch.Generator) -> None:
    z = torch.randn(100, generator=generator).requires_grad_()
    with use_backend(backend):
        value = sine(z, 2.0)
        for _ in range(4):
            (value,) = torch.autograd.grad(value.sum(), z, create_graph=True)
    assert_near(value.detach(), 16 * torch.sin(2 * z.detach()), 1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nonfinite_inputs_give_nan_in_their_place(backend: str, generator: torch.Generator) -> None:
    z = torch.randn(3000, generator=generator)
    spoilt = z.clone()
    spoilt[[1, 1500, 2999]] = torch.tensor([math.nan, math.inf, -math.inf])
    spoilt.requires_grad_()
    with use_backend(backend):
        y = sine(spoilt, 30.0)
        (slope,) = torch.autograd.grad(y.sum(), spoilt)
        kept = torch.ones(3000, dtype=torch.bool)
        kept[[1, 1500, 2999]] = False
        assert y[~kept].isnan().all()
        assert slope[~kept].isnan().all()
        assert_same_bytes(y.detach()[kept], sine(z, 30.0)[kept])


@pytest.mark.parametrize("backend", COMPILED)
def test_strided_inputs_and_any_number_of_threads(backend: str, generator: torch.Generator) -> None:
    z = torch.randn(300, 211, generator=generator)
    runs = []
    for n_threads, given in ((1, z), (2, z), (3, z), (1, z.t().contiguous().t())):
        torch.set_num_threads(n_threads)
        with use_backend(backend):
            source = given.detach().requires_grad_()
            y = sine(source, 30.0)
            runs.append((y, torch.autograd.grad(y, source, torch.ones(1).expand(300, 211))[0]))
    for run in runs[1:]:
        for found, expected in zip(run, runs[0], strict=True):
            assert_same_bytes(found, expected)


def test_functional_transforms_equal_autograd(generator: torch.Generator) -> None:
    z = torch.randn(6, generator=generator)
    with use_backend("reference"):
        expected = torch.diag(2 * torch.cos(2 * z))
    assert_near(torch.func.jacrev(lambda z: sine(z, 2.0))(z), expected, 1e-6)
    assert_near(torch.func.jacfwd(lambda z: sine(z, 2.0))(z), expected, 1e-6)
    assert_near(torch.func.vmap(lambda z: sine(z, 2.0))(z), torch.sin(2 * z), 1e-6)


@pytest.mark.parametrize("backend", COMPILED)
def test_many_cotangents_at_once(backend: str, generator: torch.Generator) -> None:
    z, g = torch.randn(40, generator=generator).requires_grad_(), torch.randn(5, 40, generator=generator)
    with use_backend(backend):
        y = sine(z, 2.0)
    (found,) = torch.autograd.grad(y, z, g, is_grads_batched=True)
    assert_near(found, g * 2 * torch.cos(2 * z.detach()), 1e-6)


def test_few_numbers_other_types_and_missing_numba_use_the_reference(packages: Packages) -> None:
    need = Need.of(torch.zeros(10), size=10)
    assert OP.choose(need).name == "reference"
    assert_near(sine(torch.ones(3, dtype=torch.float64)), torch.ones(3, dtype=torch.float64).sin(), 1e-15)
    with use_backend("cpu"), pytest.raises(UnavailableError, match="float64"):
        sine(torch.ones(3, dtype=torch.float64))
    with pytest.raises(UsageError, match="complex64"):
        sine(torch.ones(3, dtype=torch.complex64))
    packages.remove("numba", "triton", "tinycudann")
    assert_same_bytes(sine(torch.ones(2**19)), torch.ones(2**19).sin())
