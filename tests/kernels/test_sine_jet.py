"""Jets of networks: the reference against nested autograd, and every backend against the reference."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from inr.core.errors import UnavailableError, UsageError
from inr.kernels import Need, use_backend
from inr.kernels.dense_mlp import dense_mlp
from inr.kernels.pointwise import Pointwise, sines
from inr.kernels.sine_jet import OP, JetPlan, identity_jets, sine_jet
from tests.assertions import assert_near, assert_same_bytes, assert_same_bytes_for_threads

PLANS = {
    "value": JetPlan(0),
    "gradient": JetPlan(2),
    "laplacian": JetPlan.laplacian(2),
    "hessian": JetPlan(2, (((0, 0, 1.0),), ((0, 1, 1.0),), ((1, 1, 1.0),))),
    "weighted": JetPlan(2, (((0, 0, 2.0), (0, 1, -0.5)), ((1, 1, 3.0),))),
    "one axis": JetPlan.laplacian(1, [2.0]),
    "one of two": JetPlan(2, (((1, 1, 3.0),),)),
    "wave": JetPlan(2, (((0, 0, 1.0),), ((1, 1, -4.0), (0, 0, 0.5)))),
    "three axes": JetPlan.laplacian(3, [1.0, -4.0, 0.5]),
    "slopes of three axes": JetPlan(3),
    "four axes": JetPlan.laplacian(4, [1.0, -4.0, 0.5, 2.0]),
}
WIDTHS = [(2, 1), (2, 5, 2), (2, 33, 1, 17), (2, 64, 64, 1), (2, *(9,) * 4, 3)]
COMPILED = [
    backend.name
    for backend in OP.backends
    if backend.name != "reference" and not backend.reasons_against(Need(device="cpu", dtype=torch.float64))
]


def tanhs(count: int) -> list[Pointwise]:
    return [Pointwise(torch.tanh, "tanh")] * count


class Problem:
    """Jets with numbers in every stream, parameters, and a cotangent; every second layer has a bias."""

    def __init__(
        self,
        widths: tuple[int, ...],
        n: int,
        plan: JetPlan,
        generator: torch.Generator,
        *,
        dtype: torch.dtype = torch.float64,
        is_tanh: bool = False,
    ) -> None:
        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

        count = len(widths) - 2
        self.plan = plan
        self.activations = tanhs(count) if is_tanh else sines(*[(6.0, 1.5)[min(i, 1)] for i in range(count)])
        weights = [normal(b, a) / (1.5 * a**0.5) for a, b in pairwise(widths)]
        biases = [normal(b) for b in widths[1::2]]
        self.n_layers = len(weights)
        self.inputs = [t.requires_grad_() for t in (normal(plan.n_streams, n, widths[0]), *weights, *biases)]
        self.g = normal(plan.n_streams, n, widths[-1])

    def call(self, jets: Tensor, *parameters: Tensor) -> Tensor:
        rest = iter(parameters[self.n_layers :])
        biases = [next(rest) if i % 2 == 0 else None for i in range(self.n_layers)]
        return sine_jet(jets, parameters[: self.n_layers], biases, self.activations, self.plan)

    def results(self) -> list[Tensor]:
        y = self.call(*self.inputs)
        return [y.detach(), *torch.autograd.grad(y, self.inputs, self.g)]


def nested(call: Any, x: Tensor, plan: JetPlan) -> Tensor:
    """The streams [S, N] of a scalar function by autograd within autograd."""
    x = x.detach().requires_grad_()
    y = call(x)
    first = torch.autograd.grad(y.sum(), x, create_graph=True)[0]
    hessian = [torch.autograd.grad(first[:, i].sum(), x, retain_graph=True)[0] for i in range(plan.n_first)]
    seconds = [torch.stack([c * hessian[i][:, j] for i, j, c in terms]).sum(0) for terms in plan.seconds]
    return torch.stack([y, *first.T[: plan.n_first], *seconds]).detach()


@pytest.mark.parametrize("name", [name for name, plan in PLANS.items() if plan.n_first == 2])
@pytest.mark.parametrize("is_tanh", [False, True])
def test_the_reference_equals_autograd_within_autograd(name: str, is_tanh: bool, generator: torch.Generator) -> None:
    plan = PLANS[name]
    problem = Problem((2, 16, 16, 16, 1), 20, plan, generator, is_tanh=is_tanh)
    weights, given = problem.inputs[1:5], iter(problem.inputs[5:])
    biases = [next(given) if i % 2 == 0 else None for i in range(4)]
    x = torch.randn(20, 2, generator=generator, dtype=torch.float64)

    def value(x: Tensor) -> Tensor:
        return dense_mlp(x, weights, biases, problem.activations, order=2)[:, 0]

    with use_backend("reference"):
        found = sine_jet(identity_jets(x, plan), weights, biases, problem.activations, plan)[..., 0]
        expected = nested(value, x, plan)
    for mine, wanted in zip(found.detach(), expected, strict=True):
        assert_near(mine, wanted, 1e-12)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 23, 500])
@pytest.mark.parametrize("is_tanh", [False, True])
def test_values_and_gradients_equal_the_reference(
    backend: str, dtype: torch.dtype, widths: tuple[int, ...], n: int, is_tanh: bool, generator: torch.Generator
) -> None:
    for plan in (PLANS["value"], PLANS["laplacian"], PLANS["weighted"]):
        problem = Problem(widths, n, plan, generator, dtype=dtype, is_tanh=is_tanh)
        with use_backend("reference"):
            expected = problem.results()
        with use_backend(backend):
            found = problem.results()
            with torch.no_grad():
                assert_same_bytes(problem.call(*problem.inputs), found[0])
        for stream, wanted in zip(found[0], expected[0], strict=True):
            assert_near(stream, wanted, OP.tolerances[dtype])
        for mine, wanted in zip(found[1:], expected[1:], strict=True):
            assert_near(mine, wanted, OP.tolerances[dtype])


@pytest.mark.parametrize("name", PLANS)
def test_every_plan_through_the_compiled_kernel(name: str, generator: torch.Generator) -> None:
    plan = PLANS[name]
    problem = Problem((max(2, plan.n_first), 20, 20, 2), 70, plan, generator)
    results = []
    for backend in ("reference", *COMPILED):
        with use_backend(backend):
            results.append(problem.results())
    assert len(results) > 1
    for found in results[1:]:
        for mine, wanted in zip(found, results[0], strict=True):
            assert_near(mine, wanted, 1e-12)


@pytest.mark.parametrize("backend", ["reference", *COMPILED])
def test_gradients_by_differences(backend: str, generator: torch.Generator) -> None:
    problem = Problem((2, 7, 6, 2), 5, PLANS["weighted"], generator)
    with use_backend(backend):
        assert torch.autograd.gradcheck(problem.call, tuple(problem.inputs))


@pytest.mark.parametrize("backend", COMPILED)
def test_gradients_of_gradients_use_the_reference(backend: str, generator: torch.Generator) -> None:
    problem = Problem((2, 12, 12, 1), 30, PLANS["laplacian"], generator)
    results = []
    for name in ("reference", backend):
        with use_backend(name):
            y = problem.call(*problem.inputs)
            firsts = torch.autograd.grad(y.square().sum(), problem.inputs, create_graph=True)
            total = torch.stack([first.square().sum() for first in firsts]).sum()
            results.append(torch.autograd.grad(total, problem.inputs))
    for found, expected in zip(results[1], results[0], strict=True):
        assert_near(found, expected, 1e-10)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_bytes_for_any_number_of_threads(backend: str, dtype: torch.dtype, generator: torch.Generator) -> None:
    problem = Problem((2, 40, 40, 1), 2000, PLANS["laplacian"], generator, dtype=dtype)
    with use_backend(backend):
        assert_same_bytes_for_threads(problem.results)


@pytest.mark.parametrize("backend", COMPILED)
def test_only_the_requested_gradients_and_strides(backend: str, generator: torch.Generator) -> None:
    problem = Problem((3, 20, 30, 4), 300, JetPlan.laplacian(2), generator)
    with use_backend(backend):
        _, *together = problem.results()
        for tensor, expected in zip(problem.inputs, together, strict=True):
            (alone,) = torch.autograd.grad(problem.call(*problem.inputs), tensor, problem.g)
            assert_same_bytes(alone, expected)
        problem.inputs = [t.detach().transpose(0, -1).contiguous().transpose(0, -1) for t in problem.inputs]
        problem.inputs = [t.requires_grad_() for t in problem.inputs]
        for found, expected in zip(problem.results()[1:], together, strict=True):
            assert_same_bytes(found, expected)


@pytest.mark.parametrize("backend", ["reference", *COMPILED])
def test_nan_stays_in_its_point(backend: str, generator: torch.Generator) -> None:
    problem = Problem((2, 20, 20, 2), 60, PLANS["laplacian"], generator)
    spoilt = problem.inputs[0].detach().clone()
    spoilt[0, 31, 1] = float("nan")
    with use_backend(backend):
        y = problem.call(spoilt, *problem.inputs[1:])
        whole = problem.call(*problem.inputs)
        (grad,) = torch.autograd.grad(y.sum(), problem.inputs[1])
    kept = torch.arange(60) != 31
    assert y[:, 31].isnan().all()
    assert grad.isnan().any()
    assert_same_bytes(y[:, kept].contiguous(), whole[:, kept].contiguous())


def test_what_does_not_fit_is_refused() -> None:
    plan = JetPlan.laplacian(2)
    w, v = torch.zeros(4, 2), torch.zeros(1, 4)
    relu = [Pointwise(torch.relu, "relu")]
    with pytest.raises(UsageError, match="4 streams"):
        sine_jet(torch.zeros(3, 5, 2), [w, v], [None, None], sines(1.0), plan)
    with pytest.raises(UsageError, match="relu"):
        sine_jet(torch.zeros(4, 5, 2), [w, v], [None, None], relu, plan)
    with pytest.raises(UsageError, match="first"):
        JetPlan(1, (((0, 1, 1.0),),))
    with use_backend("cpu"), pytest.raises(UnavailableError, match="float16"):
        sine_jet(torch.zeros(4, 5, 2).half(), [w.half(), v.half()], [None, None], sines(1.0), plan)


def test_small_calls_and_second_orders_are_the_references() -> None:
    assert OP.choose(Need(device="cpu", dtype=torch.float64, size=2**20)).name == "cpu"
    assert OP.choose(Need(device="cpu", dtype=torch.float64, size=2**8)).name == "reference"
    assert OP.choose(Need(device="cpu", dtype=torch.float64, size=2**20, order=2)).name == "reference"
