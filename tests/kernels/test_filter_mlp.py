"""Multiplicative filters as one operation: every backend against the reference, in values and gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from inr.assemblies import Body
from inr.core.domain import Spec
from inr.core.errors import UnavailableError, UsageError
from inr.fields.mfn_fourier import MfnFourier
from inr.fields.mfn_gabor import MfnGabor
from inr.fields.mlp import Mlp, MlpField
from inr.kernels import Need, use_backend
from inr.kernels.filter_mlp import OP, filter_mlp
from inr.kernels.filter_mlp.shape import MOST_INPUTS, FilterShape
from tests.assertions import assert_near, assert_same_bytes, assert_same_bytes_for_threads

BACKENDS = [
    backend.name for backend in OP.backends if not backend.reasons_against(Need(device="cpu", dtype=torch.float32))
]
COMPILED = [name for name in BACKENDS if name != "reference"]
TOLERANCE = OP.tolerances[torch.float32]
# Inputs, filters, outputs: around the widths of vectors and tiles; with one filter and with many.
WIDTHS = [(2, 64, 3), (1, 1, 1), (3, 33, 1, 17), (MOST_INPUTS, 130, 130, 70), (2, *(9,) * 5, 2), (4, 40, 40, 40, 1)]


class Problem:
    """Inputs in [-1, 1], filters of up to some twenty radians, and a cotangent; every second matrix has a bias."""

    def __init__(
        self, widths: tuple[int, ...], n: int, generator: torch.Generator, *, has_windows: bool, dtype: Any = None
    ) -> None:
        def uniform(bound: float, *shape: int) -> Tensor:
            numbers = torch.rand(*shape, generator=generator, dtype=dtype or torch.float32)
            return (bound * (2 * numbers - 1)).requires_grad_()

        d_in, *hidden, d_out = widths
        self.e = uniform(1.0, n, d_in)
        self.waves = [(uniform(20.0 / d_in, h, d_in), uniform(math.pi, h)) for h in hidden]
        self.envelopes = [(uniform(1.0, h, d_in + 1), uniform(1.0, h)) for h in hidden] if has_windows else []
        self.weights = [uniform(h**-0.5, after, h) for h, after in zip(hidden, [*hidden[1:], d_out], strict=True)]
        self.biases = [uniform(1.0, len(w)) if i % 2 == 0 else None for i, w in enumerate(self.weights)]
        self.g = torch.randn(n, d_out, generator=generator, dtype=dtype or torch.float32)

    @property
    def inputs(self) -> list[Tensor]:
        filters = [tensor for layer in (*self.waves, *self.envelopes) for tensor in layer]
        return [self.e, *filters, *self.weights, *(bias for bias in self.biases if bias is not None)]

    def value(self) -> Tensor:
        return filter_mlp(self.e, self.waves, self.envelopes, self.weights, self.biases)

    def results(self) -> list[Tensor]:
        y = self.value()
        return [y.detach(), *torch.autograd.grad(y, self.inputs, self.g)]


@pytest.mark.parametrize("backend", BACKENDS)
def test_it_is_the_formula_written_out(backend: str, generator: torch.Generator) -> None:
    problem = Problem((2, 8, 8, 1), 5, generator, has_windows=True)
    with use_backend(backend):
        found = problem.value().detach()
    for n, e in enumerate(problem.e.detach().double()):
        point = torch.cat([e, (e @ e)[None]])
        g1, g2 = (
            torch.sin(omega.detach().double() @ e + phi.detach()) * torch.exp(v.detach().double() @ point + c.detach())
            for (omega, phi), (v, c) in zip(problem.waves, problem.envelopes, strict=True)
        )
        first, last = (weight.detach().double() for weight in problem.weights)
        assert problem.biases[0] is not None
        z = g2 * (first @ g1 + problem.biases[0].detach())
        assert_near(found[n].double(), last @ z, 1e-5)


@pytest.mark.parametrize("has_windows", [False, True])
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 7, 1000])
@pytest.mark.parametrize("backend", COMPILED)
def test_values_and_gradients_agree_with_the_reference(
    backend: str, n: int, widths: tuple[int, ...], has_windows: bool, generator: torch.Generator
) -> None:
    problem = Problem(widths, n, generator, has_windows=has_windows)
    with use_backend("reference"):
        expected = problem.results()
    with use_backend(backend):
        found = problem.results()
        with torch.no_grad():
            assert_same_bytes(problem.value(), found[0])
    for a, b in zip(found, expected, strict=True):
        assert_near(a, b, TOLERANCE)


@pytest.mark.parametrize("backend", COMPILED)
def test_each_gradient_alone_has_the_same_bytes(backend: str, generator: torch.Generator) -> None:
    problem = Problem((3, 20, 30, 4), 500, generator, has_windows=True)
    with use_backend(backend):
        _, *together = problem.results()
        for tensor, expected in zip(problem.inputs, together, strict=True):
            (alone,) = torch.autograd.grad(problem.value(), tensor, problem.g)
            assert_same_bytes(alone, expected)


@pytest.mark.parametrize("backend", COMPILED)
def test_derivatives_beyond_the_first_are_those_of_the_reference(backend: str, generator: torch.Generator) -> None:
    problem = Problem((3, 32, 32, 1), 200, generator, has_windows=True)
    results = []
    for name in ("reference", backend):
        with use_backend(name):
            (normal,) = torch.autograd.grad(problem.value().sum(), problem.e, create_graph=True)
            results.append(torch.autograd.grad((normal.norm(dim=-1) - 1).square().mean(), problem.weights[:1]))
    assert_near(results[1][0], results[0][0], TOLERANCE)


@pytest.mark.parametrize("has_windows", [False, True])
@pytest.mark.parametrize("backend", COMPILED)
def test_any_number_of_threads_gives_the_same_bytes(
    backend: str, has_windows: bool, generator: torch.Generator
) -> None:
    problem = Problem((2, 47, 33, 3), 7001, generator, has_windows=has_windows)
    with use_backend(backend):
        assert_same_bytes_for_threads(problem.results)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_point_that_is_not_finite_leaves_the_others_alone(backend: str, generator: torch.Generator) -> None:
    problem = Problem((2, 20, 20, 3), 130, generator, has_windows=True)
    spoilt = problem.e.detach().clone()
    spoilt[61, 1] = math.inf
    kept = torch.arange(130) != 61
    with use_backend(backend):
        expected = problem.value().detach()[kept]
        problem.e = spoilt.requires_grad_()
        y, by_e, *by_parameters = problem.results()
    assert y[61].isnan().all()
    assert_same_bytes(y[kept].contiguous(), expected.contiguous())
    assert by_e[kept].isfinite().all()
    assert all(grad.isnan().any() for grad in by_parameters[:-1])


def _pair(config: Mlp) -> tuple[MlpField, Tensor]:
    spec = Spec("image", 2, 3, (64, 64))
    field = config.resolve(spec).build(spec, torch.Generator().manual_seed(0))
    assert isinstance(field, MlpField)
    return field, torch.rand(3000, 2, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("config", [MfnFourier(), MfnGabor()], ids=["fourier", "gabor"])
def test_the_families_run_on_it_unless_a_hook_watches_a_layer(config: Mlp) -> None:
    field, x = _pair(config)
    with torch.no_grad():
        fused = field(x)
    with torch.no_grad(), use_backend("bf16"), pytest.raises(UnavailableError, match="filter_mlp has no backend"):
        field(x)
    assert isinstance(field.body, Body)
    for block in field.body.blocks:
        handle = block.get_submodule("filter").register_forward_hook(lambda *_: None)
        with torch.no_grad(), use_backend("bf16"):  # which no op of these layers has
            assert_near(fused, field(x), TOLERANCE)
        handle.remove()


def test_calls_that_do_not_fit_are_refused(generator: torch.Generator) -> None:
    problem = Problem((2, 5, 5, 3), 4, generator, has_windows=True)
    e, waves, envelopes, weights, biases = (
        problem.e, problem.waves, problem.envelopes, problem.weights, problem.biases
    )  # fmt: skip
    calls: list[Any] = [
        (e, [], [], [], []),
        (e, waves[:1], [], weights, biases),
        (e, waves, envelopes[:1], weights, biases),
        (e, waves, waves, weights, biases),
        (e, envelopes, [], weights, biases),
        (e[0], waves, [], weights, biases),
        (e.double(), waves, [], weights, biases),
        (e, waves, [], weights[::-1], biases),
    ]
    for bad in calls:
        with pytest.raises(UsageError):
            filter_mlp(*bad)


def test_what_the_compiled_backend_leaves_to_the_reference(generator: torch.Generator) -> None:
    def chosen(d_in: int, size: int, order: int = 1) -> str:
        return OP.choose(Need.of(torch.zeros(1), size=size, order=order, shape=FilterShape(d_in, False))).name

    assert (chosen(2, 2**22), chosen(2, 10), chosen(2, 2**22, 2)) == ("cpu", "reference", "reference")
    assert chosen(MOST_INPUTS + 1, 2**22) == "reference"
    wide = Problem((MOST_INPUTS + 1, 5, 3), 4, generator, has_windows=False)
    with use_backend("cpu"), pytest.raises(UnavailableError, match="up to 16 inputs, and these have 17"):
        wide.value()
    double = Problem((2, 5, 3), 4, generator, has_windows=True, dtype=torch.float64)
    expected = double.value().detach()
    mapped = torch.func.vmap(
        lambda e: filter_mlp(e[None], double.waves, double.envelopes, double.weights, double.biases)[0]
    )(double.e)
    assert_near(mapped.detach(), expected, 1e-12)
