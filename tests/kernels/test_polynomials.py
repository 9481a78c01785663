"""Orthogonal polynomials: closed forms, and the compiled recurrence against the reference."""

from __future__ import annotations

import pytest
import torch

from inr.core.errors import UnavailableError, UsageError
from inr.kernels import Need, use_backend
from inr.kernels.polynomials import OP, Basis, polynomials
from tests.assertions import assert_near, assert_same_bytes

NEED = Need(device="cpu", dtype=torch.float64)
BACKENDS = [backend.name for backend in OP.backends if not backend.reasons_against(NEED)]
COMPILED = [name for name in BACKENDS if name != "reference"]
TOLERANCE = OP.tolerances[torch.float64]


def _points(shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    return 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("degree", [1, 2, 37, 511])
def test_chebyshev_is_the_cosine_of_multiples_and_its_slope_their_sine(
    backend: str, degree: int, generator: torch.Generator
) -> None:
    angle = 0.05 + 3.0 * torch.rand(101, generator=generator, dtype=torch.float64)
    u = angle.cos().requires_grad_()
    k = torch.arange(degree + 1)
    with use_backend(backend):
        values = polynomials(u, degree, "chebyshev")
        (slope,) = torch.autograd.grad(values[:, -1].sum(), u)
    assert_near(values.detach(), (k * angle[:, None]).cos(), TOLERANCE)
    assert_near(slope, degree * (degree * angle).sin() / angle.sin(), 1e-8)


@pytest.mark.parametrize("backend", BACKENDS)
def test_legendre_at_the_ends(backend: str) -> None:
    """P_k(1) = 1 and P_k'(1) = k (k + 1) / 2."""
    k = torch.arange(9, dtype=torch.float64)
    u = torch.ones(1, dtype=torch.float64, requires_grad=True)
    with use_backend(backend):
        values = polynomials(u, 8, "legendre")
        slopes = torch.stack([torch.autograd.grad(values[0, i], u, retain_graph=True)[0][0] for i in range(9)])
    assert_near(values[0].detach(), (2 * k + 1).sqrt(), 1e-13)
    assert_near(slopes, (2 * k + 1).sqrt() * k * (k + 1) / 2, 1e-12)


@pytest.mark.parametrize("basis", ["chebyshev", "legendre"])
@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("shape", [(0,), (1,), (), (17,), (33, 5)])
@pytest.mark.parametrize("degree", [1, 2, 5, 64])
def test_values_and_derivatives_equal_the_reference(
    backend: str, shape: tuple[int, ...], degree: int, basis: Basis, generator: torch.Generator
) -> None:
    u = _points(shape, generator).requires_grad_()
    g = torch.randn(*shape, degree + 1, generator=generator, dtype=torch.float64)
    found = {}
    for name in ("reference", backend):
        with use_backend(name):
            values = polynomials(u, degree, basis)
            (plain,) = torch.autograd.grad(values, u, g)
            (first,) = torch.autograd.grad(polynomials(u, degree, basis).pow(3).sum(), u, create_graph=True)
            (second,) = torch.autograd.grad(first.sum(), u)
            found[name] = [tensor.detach() for tensor in (values, plain, first, second)]
    for one, other in zip(found[backend], found["reference"], strict=True):
        assert_near(one, other, TOLERANCE)


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_degree_0_there_is_one(backend: str, generator: torch.Generator) -> None:
    with use_backend(backend):
        assert_same_bytes(polynomials(_points((5,), generator), 0, "legendre"), torch.ones(5, 1, dtype=torch.float64))


@pytest.mark.parametrize("backend", COMPILED)
def test_the_same_bytes_for_any_number_of_threads_and_any_layout(backend: str, generator: torch.Generator) -> None:
    u = _points((700, 3), generator)
    runs = []
    for n_threads, given in ((1, u), (2, u), (3, u), (1, u.t().contiguous().t())):
        torch.set_num_threads(n_threads)
        source = given.detach().requires_grad_()
        with use_backend(backend):
            values = polynomials(source, 40, "legendre")
            (slope,) = torch.autograd.grad(values, source, torch.ones(1, dtype=torch.float64).expand(values.shape))
        runs.append((values.detach(), slope))
    for run in runs[1:]:
        for found, expected in zip(run, runs[0], strict=True):
            assert_same_bytes(found, expected)


def test_transforms_and_other_types_use_the_reference(generator: torch.Generator) -> None:
    u = _points((6,), generator)
    k = torch.arange(4)
    slope = torch.func.vmap(torch.func.jacfwd(lambda x: polynomials(x, 3, "chebyshev")))(u)
    expected = torch.stack([torch.zeros_like(u), torch.ones_like(u), 4 * u, 12 * u**2 - 3], dim=-1)
    assert_near(slope, expected, 1e-12)
    assert_near(polynomials(u.float().double().float(), 3, "chebyshev").double(), (k * u.acos()[:, None]).cos(), 1e-6)
    with use_backend("cpu"), pytest.raises(UnavailableError, match="float32"):
        polynomials(u.float(), 3, "chebyshev")


def test_bad_calls_are_refused() -> None:
    with pytest.raises(UsageError, match="degree -1"):
        polynomials(torch.zeros(3), -1, "chebyshev")
    with pytest.raises(UsageError, match="int64"):
        polynomials(torch.zeros(3, dtype=torch.int64), 2, "chebyshev")
