"""The sine network as one operation: every backend against the reference, in values and gradients."""

from __future__ import annotations

import gc
import threading
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from inr.core.errors import UnavailableError, UsageError
from inr.kernels import Need, use_backend
from inr.kernels.dense_mlp import OP, dense_mlp, work_size
from inr.kernels.pointwise import sines
from tests.assertions import assert_near, assert_same_bytes, assert_same_bytes_for_threads
from tests.kernels.conftest import Packages

BACKENDS = [
    backend.name for backend in OP.backends if not backend.reasons_against(Need(device="cpu", dtype=torch.float32))
]
COMPILED = [name for name in BACKENDS if name != "reference"]
# Widths around those of vectors and tiles, without, with one and with many hidden layers.
WIDTHS = [(3, 2), (1, 1, 1), (2, 64, 3), (65, 26, 64, 1), (2, 33, 1, 17), (2, 130, 130, 70), (4, *(9,) * 5, 2)]
OMEGA = 5.0


class Problem:
    """Points, parameters as SIREN's, and a cotangent; every second layer has no bias if there are any biases."""

    def __init__(
        self,
        widths: tuple[int, ...],
        n: int,
        generator: torch.Generator,
        *,
        has_bias: bool = True,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        def uniform(bound: float, *shape: int) -> Tensor:
            return bound * (2 * torch.rand(*shape, generator=generator, dtype=dtype) - 1)

        self.activations = sines(*[(30.0, OMEGA)[min(i, 1)] for i in range(len(widths) - 2)])
        self.x = uniform(1.0, n, widths[0]).requires_grad_()
        self.weights = [
            uniform(1 / a if i == 0 else (6 / a) ** 0.5 / OMEGA, b, a).requires_grad_()
            for i, (a, b) in enumerate(pairwise(widths))
        ]
        self.biases = [
            uniform(a**-0.5, b).requires_grad_() if has_bias and i % 2 == 0 else None
            for i, (a, b) in enumerate(pairwise(widths))
        ]
        self.g = torch.randn(n, widths[-1], generator=generator, dtype=dtype)

    @property
    def inputs(self) -> list[Tensor]:
        return [self.x, *self.weights, *(bias for bias in self.biases if bias is not None)]

    def value(self) -> Tensor:
        return dense_mlp(self.x, self.weights, self.biases, self.activations)

    def results(self) -> tuple[Tensor, ...]:
        y = self.value()
        return y, *torch.autograd.grad(y, self.inputs, self.g)

    def call(self, *inputs: Tensor) -> Tensor:
        """The value as a function of `inputs`."""
        rest = iter(inputs[1 + len(self.weights) :])
        biases = [None if bias is None else next(rest) for bias in self.biases]
        return dense_mlp(inputs[0], inputs[1 : 1 + len(self.weights)], biases, self.activations)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 7, 1000])
@pytest.mark.parametrize("has_bias", [True, False])
def test_values_and_gradients_equal_the_reference(
    backend: str, widths: tuple[int, ...], n: int, has_bias: bool, generator: torch.Generator
) -> None:
    problem = Problem(widths, n, generator, has_bias=has_bias)
    with use_backend("reference"):
        expected = problem.results()
    with use_backend(backend):
        found = problem.results()
        with torch.no_grad():
            assert_same_bytes(problem.value(), found[0])
    for a, b in zip(found, expected, strict=True):
        assert_near(a.detach(), b.detach(), OP.tolerances[torch.float32])


@pytest.mark.parametrize("backend", COMPILED)
def test_it_is_as_near_to_float64_as_the_reference(backend: str, generator: torch.Generator) -> None:
    problem = Problem((2, 256, 256, 256, 3), 3000, generator)
    errors = []
    doubled = [t.detach().double().requires_grad_() for t in problem.inputs]
    y = problem.call(*doubled)
    expected = (y, *torch.autograd.grad(y, doubled, problem.g.double()))
    for name in ("reference", backend):
        with use_backend(name):
            results = zip(problem.results(), expected, strict=True)
            errors.append([float((a - b).detach().norm() / b.detach().norm()) for a, b in results])
    assert all(mine < 3 * torchs for torchs, mine in zip(*errors, strict=True))


@pytest.mark.parametrize("backend", COMPILED)
def test_only_the_requested_gradients_are_computed(backend: str, generator: torch.Generator) -> None:
    """Each gradient alone has the same bytes as together with all the others."""
    problem = Problem((5, 20, 30, 4), 500, generator)
    with use_backend(backend):
        _, *together = problem.results()
        for tensor, expected in zip(problem.inputs, together, strict=True):
            (alone,) = torch.autograd.grad(problem.value(), tensor, problem.g)
            assert_same_bytes(alone, expected)
        for tensor in problem.inputs[1:]:
            tensor.requires_grad_(False)
        torch.autograd.backward(problem.value(), problem.g)
    assert problem.x.grad is not None
    assert_same_bytes(problem.x.grad, together[0])
    assert all(tensor.grad is None for tensor in problem.inputs[1:])


@pytest.mark.parametrize("backend", COMPILED)
def test_second_derivatives_use_the_reference(backend: str, generator: torch.Generator) -> None:
    problem = Problem((3, 32, 32, 1), 200, generator)
    results = []
    for name in ("reference", backend):
        with use_backend(name):
            (normal,) = torch.autograd.grad(problem.value().sum(), problem.x, create_graph=True)
            loss = (normal.norm(dim=-1) - 1).square().mean()
            results.append(torch.autograd.grad(loss, problem.weights))
    for found, expected in zip(results[1], results[0], strict=True):
        assert_near(found, expected, OP.tolerances[torch.float32])


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("n", [100, 3000, 7001])
def test_same_bytes_twice_and_for_any_number_of_threads(backend: str, n: int, generator: torch.Generator) -> None:
    problem = Problem((6, 47, 33, 3), n, generator)
    with use_backend(backend):
        assert_same_bytes_for_threads(problem.results)


@pytest.mark.parametrize("backend", COMPILED)
def test_calls_may_nest_repeat_and_run_side_by_side(backend: str, generator: torch.Generator) -> None:
    """Reused memory never belongs to a call whose backward pass is still pending."""
    problems = [Problem((2, 40, 40, 3), 900 + i, generator) for i in range(4)]
    with use_backend(backend):
        expected = [problem.results() for problem in problems]
        values = [problem.value() for problem in problems]
        for problem, y, wanted in zip(problems, values, expected, strict=True):
            for _ in range(2):
                grads = torch.autograd.grad(y, problem.inputs, problem.g, retain_graph=True)
                for found, one in zip((y, *grads), wanted, strict=True):
                    assert_same_bytes(found, one)
    del values
    gc.collect()
    found_by: dict[int, list[tuple[Tensor, ...]]] = {}

    def work(i: int) -> None:
        with use_backend(backend):
            found_by[i] = [problems[i].results() for _ in range(5)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, runs in found_by.items():
        for run in runs:
            for found, one in zip(run, expected[i], strict=True):
                assert_same_bytes(found, one)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nonfinite_values_stay_in_their_point(backend: str, value: float, generator: torch.Generator) -> None:
    problem = Problem((4, 20, 20, 3), 130, generator)
    spoilt = problem.x.detach().clone()
    spoilt[61, 2] = value
    with use_backend(backend):
        y = dense_mlp(spoilt, problem.weights, problem.biases, problem.activations)
        assert y[61].isnan().all()
        kept = torch.arange(130) != 61
        assert_same_bytes(y[kept].contiguous(), problem.value()[kept].contiguous())
        grads = torch.autograd.grad(y.sum(), problem.weights)
        assert all(grad.isnan().any() for grad in grads)


@pytest.mark.parametrize("backend", COMPILED)
def test_large_arguments_of_the_sine(backend: str, generator: torch.Generator) -> None:
    """Beyond the range of the polynomials libm is used; a unit at 1e5 is as smooth as the others."""
    problem = Problem((1, 24, 3), 300, generator, has_bias=False)
    problem.weights[0].data.mul_(4000.0)
    exact = [w.detach().double() for w in problem.weights]
    z = problem.x.detach().double() @ exact[0].t()
    assert (30 * z).abs().max() > 1e5
    with use_backend(backend):
        found = problem.value().detach()
    # The product is rounded to 24 bits, so the sine's argument is off by up to 1e5 eps.
    assert_near(found.double(), torch.sin(30 * z) @ exact[1].t(), 0.02)


@pytest.mark.parametrize("backend", COMPILED)
def test_strided_inputs(backend: str, generator: torch.Generator) -> None:
    problem = Problem((6, 17, 3), 64, generator)
    with use_backend(backend):
        expected = problem.results()
        problem.x = problem.x.detach().t().contiguous().t().requires_grad_()
        problem.weights = [w.detach().t().contiguous().t().requires_grad_() for w in problem.weights]
        problem.g = problem.g.t().contiguous().t()
        assert not problem.x.is_contiguous()
        found = problem.results()
    for a, b in zip(found, expected, strict=True):
        assert_same_bytes(a, b)


def test_functional_transforms_equal_autograd(generator: torch.Generator) -> None:
    problem = Problem((2, 5, 3), 4, generator, dtype=torch.float64)
    x, weights = problem.x.detach(), [w.detach() for w in problem.weights]

    def call(x: Tensor) -> Tensor:
        return dense_mlp(x, weights, [None, None], problem.activations)

    expected = torch.autograd.functional.jacobian(call, x)  # type: ignore[no-untyped-call]
    assert_near(torch.func.jacrev(call)(x), expected, 1e-12)
    assert_near(torch.func.jacfwd(call)(x), expected, 1e-12)
    assert_near(torch.func.vmap(lambda point: call(point[None])[0])(x), call(x), 1e-12)
    batched = torch.autograd.functional.jacobian(call, x, vectorize=True)  # type: ignore[no-untyped-call]
    assert_near(batched, expected, 1e-12)


def test_shapes_that_do_not_fit_are_refused() -> None:
    x, w, v = torch.zeros(5, 3), torch.zeros(4, 3), torch.zeros(2, 4)
    calls: list[Any] = [
        (x, [], [], []),
        (x, [w, v], [None, None], []),
        (x, [w, v], [None], sines(1.0)),
        (x[:, :2], [w], [None], []),
        (x, [w, w], [None, None], sines(1.0)),
        (x, [w], [x], []),
        (x, [w.double()], [None], []),
        (x[0], [w], [None], []),
    ]
    for bad in calls:
        with pytest.raises(UsageError):
            dense_mlp(*bad)


def test_backends_that_gain_nothing_are_not_chosen() -> None:
    narrow, wide = ([torch.zeros(h, 2), torch.zeros(3, h)] for h in (8, 256))
    chosen = {
        (n, len(weights[0])): OP.choose(Need.of(*weights, size=work_size(n, weights))).name
        for n in (64, 1024, 2**14)
        for weights in (narrow, wide)
    }
    assert {case for case, name in chosen.items() if name == "cpu"} == {(2**14, 256)}
    assert OP.choose(Need.of(*wide, size=2**20, order=2)).name == "reference"
    with use_backend("cpu"):
        assert OP.choose(Need.of(*narrow, size=1)).name == "cpu"


def test_other_types_and_missing_numba_use_the_reference(packages: Packages) -> None:
    x, weights = torch.ones(8000, 3), [torch.ones(50, 3), torch.ones(2, 50)]
    with use_backend("cpu"), pytest.raises(UnavailableError, match="float64"):
        dense_mlp(x.double(), [w.double() for w in weights], [None, None], sines(1.0))
    expected = torch.full((8000, 2), 50 * float(torch.tensor(3.0).sin()))
    assert_near(dense_mlp(x, weights, [None, None], sines(1.0)), expected, 1e-5)
    packages.remove("numba", "triton", "tinycudann")
    assert_near(dense_mlp(x, weights, [None, None], sines(1.0)), expected, 1e-5)
