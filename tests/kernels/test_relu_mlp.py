"""The ReLU network as one operation: every backend against the reference, in values and gradients."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from inr.core.errors import UnavailableError, UsageError
from inr.kernels import Need, use_backend
from inr.kernels.relu_mlp import OP, relu_mlp
from tests.assertions import assert_near, assert_same_bytes, assert_same_bytes_for_threads
from tests.kernels.conftest import Packages

BACKENDS = [
    backend.name for backend in OP.backends if not backend.reasons_against(Need(device="cpu", dtype=torch.float32))
]
COMPILED = [name for name in BACKENDS if name != "reference"]
DTYPES = [torch.float32, torch.float64]
# Widths around those of vectors and tiles, without, with one and with many hidden layers.
WIDTHS = [(3, 2), (1, 1, 1), (26, 64, 3), (65, 26, 64, 1), (2, 65, 1, 7), (256, 130, 5), (4, *(9,) * 8, 2)]


class Problem:
    """Points, parameters and a cotangent; every second layer has no bias if there are biases at all."""

    def __init__(
        self,
        widths: tuple[int, ...],
        n: int,
        dtype: torch.dtype,
        generator: torch.Generator,
        has_bias: bool = True,
    ) -> None:
        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=dtype)

        self.x = normal(n, widths[0]).requires_grad_()
        self.weights = [(normal(b, a) / a**0.5).requires_grad_() for a, b in pairwise(widths)]
        self.biases = [
            normal(b).requires_grad_() if has_bias and i % 2 == 0 else None for i, b in enumerate(widths[1:])
        ]
        self.g = normal(n, widths[-1])

    @property
    def inputs(self) -> list[Tensor]:
        return [self.x, *self.weights, *(bias for bias in self.biases if bias is not None)]

    def value(self) -> Tensor:
        return relu_mlp(self.x, self.weights, self.biases)

    def results(self) -> tuple[Tensor, ...]:
        y = self.value()
        return y, *torch.autograd.grad(y, self.inputs, self.g)

    def call(self, *inputs: Tensor) -> Tensor:
        """The value as a function of `inputs`."""
        rest = iter(inputs[1 + len(self.weights) :])
        biases = [None if bias is None else next(rest) for bias in self.biases]
        return relu_mlp(inputs[0], inputs[1 : 1 + len(self.weights)], biases)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("widths", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 7, 1000])
@pytest.mark.parametrize("has_bias", [True, False])
def test_values_and_gradients_equal_the_reference(
    backend: str, dtype: torch.dtype, widths: tuple[int, ...], n: int, has_bias: bool, generator: torch.Generator
) -> None:
    problem = Problem(widths, n, dtype, generator, has_bias)
    with use_backend("reference"):
        expected = problem.results()
    with use_backend(backend):
        found = problem.results()
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == dtype
        assert_near(a.detach(), b.detach(), OP.tolerances[dtype])


@pytest.mark.parametrize("backend", COMPILED)
def test_only_the_requested_gradients_are_computed(backend: str, generator: torch.Generator) -> None:
    """Each gradient alone has the same bytes as together with all the others."""
    problem = Problem((5, 20, 30, 4), 500, torch.float32, generator)
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


@pytest.mark.parametrize("backend", BACKENDS)
def test_finite_differences_of_values_and_gradients(backend: str, generator: torch.Generator) -> None:
    problem = Problem((2, 5, 4, 2), 3, torch.float64, generator)
    with use_backend(backend):
        assert torch.autograd.gradcheck(problem.call, tuple(problem.inputs))
        assert torch.autograd.gradgradcheck(problem.call, tuple(problem.inputs))


@pytest.mark.parametrize("backend", COMPILED)
def test_an_eikonal_gradient_equals_the_reference(backend: str, generator: torch.Generator) -> None:
    problem = Problem((3, 32, 32, 1), 200, torch.float64, generator)
    results = []
    for name in ("reference", backend):
        with use_backend(name):
            (normal,) = torch.autograd.grad(problem.value().sum(), problem.x, create_graph=True)
            loss = (normal.norm(dim=-1) - 1).square().mean()
            results.append(torch.autograd.grad(loss, problem.weights))
    for found, expected in zip(results[1], results[0], strict=True):
        assert_near(found, expected, 1e-10)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("n", [100, 3000, 40_000])
def test_same_bytes_twice_and_for_any_number_of_threads(backend: str, n: int, generator: torch.Generator) -> None:
    problem = Problem((6, 17, 3), n, torch.float32, generator)
    with use_backend(backend):
        assert_same_bytes_for_threads(problem.results)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nonfinite_values_stay_in_their_point(backend: str, value: float, generator: torch.Generator) -> None:
    problem = Problem((4, 20, 20, 3), 130, torch.float32, generator)
    spoilt = problem.x.detach().clone()
    spoilt[61, 2] = value
    with use_backend(backend):
        y = relu_mlp(spoilt, problem.weights, problem.biases)
        assert not y[61].isfinite().any()
        kept = torch.arange(130) != 61
        assert y[kept].isfinite().all()
        assert_same_bytes(y[kept].contiguous(), problem.value()[kept].contiguous())
        grads = torch.autograd.grad(y.sum(), problem.weights)
        assert all(grad.isnan().any() for grad in grads) or value == float("inf")


@pytest.mark.parametrize("backend", COMPILED)
def test_strided_inputs(backend: str, generator: torch.Generator) -> None:
    problem = Problem((6, 17, 3), 64, torch.float32, generator)
    with use_backend(backend):
        expected = problem.results()
        problem.x = problem.x.detach().t().contiguous().t().requires_grad_()
        problem.weights = [w.detach().t().contiguous().t().requires_grad_() for w in problem.weights]
        problem.g = problem.g[:1].expand(64, 3)
        assert not problem.x.is_contiguous()
        found = problem.results()
    assert_same_bytes(found[0], expected[0])
    with use_backend("reference"):
        for a, b in zip(found, problem.results(), strict=True):
            assert_near(a.detach(), b.detach(), OP.tolerances[torch.float32])


def test_functional_transforms_equal_autograd(generator: torch.Generator) -> None:
    problem = Problem((2, 5, 3), 4, torch.float64, generator)
    x, weights, biases = problem.x.detach(), [w.detach() for w in problem.weights], [None, None]

    def call(x: Tensor) -> Tensor:
        return relu_mlp(x, weights, biases)

    expected = torch.autograd.functional.jacobian(call, x)  # type: ignore[no-untyped-call]
    assert_near(torch.func.jacrev(call)(x), expected, 1e-12)
    assert_near(torch.func.jacfwd(call)(x), expected, 1e-12)
    assert_near(torch.func.grad(lambda x: call(x).sum())(x), expected.sum((0, 1)), 1e-12)
    assert_near(torch.func.vmap(lambda point: call(point[None])[0])(x), call(x), 1e-12)
    batched = torch.autograd.functional.jacobian(call, x, vectorize=True)  # type: ignore[no-untyped-call]
    assert_near(batched, expected, 1e-12)


def test_shapes_that_do_not_fit_are_refused() -> None:
    x, w, v = torch.zeros(5, 3), torch.zeros(4, 3), torch.zeros(2, 4)
    for bad in (
        (x, [], []),
        (x, [w, v], [None]),
        (x[:, :2], [w], [None]),
        (x, [w, w], [None, None]),
        (x, [w], [x]),
        (x, [w.double()], [None]),
        (x[0], [w], [None]),
    ):
        with pytest.raises(UsageError):
            relu_mlp(*bad)


def test_half_precision_and_missing_numba_use_the_reference(packages: Packages) -> None:
    x, weights = torch.ones(4, 3), [torch.ones(5, 3), torch.ones(2, 5)]
    halves = [w.bfloat16() for w in weights]
    assert_near(relu_mlp(x.bfloat16(), halves, [None, None]).float(), torch.full((4, 2), 15.0), 0.02)
    with use_backend("cpu"), pytest.raises(UnavailableError, match="bfloat16"):
        relu_mlp(x.bfloat16(), halves, [None, None])
    packages.remove("numba", "triton", "tinycudann")
    assert_near(relu_mlp(x, weights, [None, None]), torch.full((4, 2), 15.0), 1e-6)
    with use_backend("cpu"), pytest.raises(UnavailableError, match="no numba"):
        relu_mlp(x, weights, [None, None])
