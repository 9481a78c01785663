"""The mean error of a fully connected network, with its gradients, and the activations inside."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels import use_backend, use_precision
from inr.kernels.dense_mlp import OP, dense_mlp
from inr.kernels.dense_mlp_loss import dense_mlp_loss
from inr.kernels.pointwise import NAMES, Pointwise, sines
from inr.layers.activations.elementwise import Silu, Softplus, Tanh
from inr.layers.activations.finer import FinerActivation
from inr.layers.activations.gabor import Gabor
from inr.layers.activations.gauss import Gauss
from inr.layers.activations.relu import ReluActivation
from inr.layers.activations.sine import SineActivation
from inr.layers.activations.spder import SpderActivation
from tests.assertions import assert_near, assert_same_bytes_for_threads

ACTIVATIONS = {
    "sine": SineActivation(5.0),
    "finer": FinerActivation(5.0, False),
    "finer_exact": FinerActivation(5.0, True),
    "gauss": Gauss(scale=2.0).build("hidden", 40),
    "gauss_warped": Gauss(scale=1.5, warp=2.0, has_scale_gradient=False).build("hidden", 40),
    "spder": SpderActivation(5.0, "sqrt"),
    "gabor": Gabor(omega=2.0, scale=1.0).build("hidden", 40),
    "relu": ReluActivation(),
    "silu": Silu().build("hidden", 40),
    "softplus": Softplus(beta=3.0).build("hidden", 40),
    "tanh": Tanh().build("hidden", 40),
}


def assert_close(found: Tensor, expected: Tensor, *, has_jumps: bool) -> None:
    """Equal, in the 2-norm, but for bf16 factors, whose relative error is up to 2^-9 each.

    has_jumps: of the slope, where rounding may change a gradient by all of itself.
    """
    assert found.shape == expected.shape
    assert float((found - expected).norm()) <= (0.2 if has_jumps else 0.04) * float(expected.norm())


@pytest.fixture
def _units(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate a processor that has units for bf16: without, the same sums are made by slower code."""
    monkeypatch.setattr("inr.kernels.precision.has_bf16_units", lambda: True)


class Problem:
    """A network with one activation, points, targets and their weights."""

    def __init__(self, activation: Pointwise, widths: tuple[int, ...], n: int, generator: torch.Generator) -> None:
        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        self.activations = [activation] * (len(widths) - 2)
        self.x = normal(n, widths[0]).div_(2).requires_grad_()
        self.weights = [(normal(b, a) / (2 * a**0.5)).requires_grad_() for a, b in pairwise(widths)]
        self.biases = [normal(b).div_(4).requires_grad_() if i % 2 == 0 else None for i, b in enumerate(widths[1:])]
        self.y, self.weight = normal(n, widths[-1]), torch.rand(n, 1, generator=generator)

    @property
    def inputs(self) -> list[Tensor]:
        return [self.x, *self.weights, *(bias for bias in self.biases if bias is not None)]

    def values(self) -> list[Tensor]:
        y = dense_mlp(self.x, self.weights, self.biases, self.activations)
        return [y.detach(), *torch.autograd.grad(y, self.inputs, self.y)]

    def losses(self, power: int = 2, *, is_weighted: bool = True) -> list[Tensor]:
        weight = self.weight if is_weighted else None
        loss = dense_mlp_loss(self.x, self.y, weight, power, self.weights, self.biases, self.activations)  # type: ignore[arg-type]  # parametrised
        return [loss.detach(), *torch.autograd.grad(loss, self.inputs)]


def test_every_known_activation_is_tested_and_named_by_its_layer() -> None:
    assert tuple(ACTIVATIONS) == NAMES
    found = [activation.train().pointwise() for activation in ACTIVATIONS.values()]
    assert [None if pointwise is None else pointwise.name for pointwise in found] == list(NAMES)


@pytest.mark.usefixtures("_units")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("widths", [(2, 70, 70, 3), (11, 34, 5)])
def test_values_and_gradients_equal_the_reference(
    name: str, widths: tuple[int, ...], generator: torch.Generator
) -> None:
    pointwise = ACTIVATIONS[name].train().pointwise()
    assert pointwise is not None
    problem = Problem(pointwise, widths, 300, generator)
    with use_backend("reference"):
        expected, error = problem.values(), problem.losses()
    with use_backend("cpu"):
        for found, wanted in zip(problem.values(), expected, strict=True):
            assert_near(found, wanted, OP.tolerances[torch.float32])
    with use_precision("bfloat16"):
        for found, wanted in zip([*problem.values(), *problem.losses()], [*expected, *error], strict=True):
            assert (found != wanted).any()
            assert_close(found, wanted, has_jumps=name == "relu")


@pytest.mark.usefixtures("_units")
@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize("is_weighted", [True, False])
@pytest.mark.parametrize(
    ("widths", "n"), [((2, 33, 1), 1), ((3, 64, 64, 64, 4), 129), ((5, 7), 40), ((2, 40, 40, 2), 0)]
)
def test_losses_equal_the_reference(
    power: int, is_weighted: bool, widths: tuple[int, ...], n: int, generator: torch.Generator
) -> None:
    problem = Problem(sines(4.0)[0], widths, n, generator)
    with use_backend("reference"):
        expected = problem.losses(power, is_weighted=is_weighted)
    with use_precision("bfloat16"):
        found = problem.losses(power, is_weighted=is_weighted)
    for mine, wanted in zip(found, expected, strict=True):
        if n > 0:  # the mean of nothing is not a number in torch
            assert_close(mine, wanted, has_jumps=power == 1)


@pytest.mark.usefixtures("_units")
def test_units_for_matrices_and_for_vectors_make_the_same_sums(
    generator: torch.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With AMX where it is, and with AVX512-BF16, or float32 in its place; the order of additions differs."""
    problem = Problem(sines(4.0)[0], (2, 90, 90, 3), 500, generator)
    results = []
    for has_amx in (True, False):
        if not has_amx:
            monkeypatch.setattr("inr.kernels.precision.has_amx", lambda: False)
        with use_precision("bfloat16"):
            results.append(problem.losses())
    for found, expected in zip(*results, strict=True):
        assert_near(found, expected, 2e-3)  # a sum on the edge between two bf16 numbers may round to the other one


@pytest.mark.usefixtures("_units")
@pytest.mark.parametrize("n", [100, 3000])
def test_same_bytes_twice_and_for_any_number_of_threads(n: int, generator: torch.Generator) -> None:
    problem = Problem(sines(4.0)[0], (2, 47, 33, 3), n, generator)
    with use_precision("bfloat16"):
        assert_same_bytes_for_threads(lambda: [*problem.values(), *problem.losses()])


@pytest.mark.usefixtures("_units")
def test_second_derivatives_use_the_reference(generator: torch.Generator) -> None:
    problem = Problem(sines(4.0)[0], (3, 40, 1), 50, generator)
    results = []
    for precision in ("float32", "bfloat16"):
        with use_precision(precision):
            loss = dense_mlp_loss(problem.x, problem.y, None, 2, problem.weights, problem.biases, problem.activations)
            (by_x,) = torch.autograd.grad(loss, problem.x, create_graph=True)
            results.append(torch.autograd.grad(by_x.square().sum(), problem.weights))
    for found, expected in zip(*results, strict=True):
        assert_near(found, expected, 1e-5)


def test_targets_that_do_not_fit_are_refused(generator: torch.Generator) -> None:
    problem = Problem(sines(4.0)[0], (2, 8, 3), 10, generator)
    layers = problem.weights, problem.biases, problem.activations
    with pytest.raises(UsageError, match="do not fit predictions"):
        dense_mlp_loss(problem.x, problem.y[:, :2], None, 2, *layers)
    with pytest.raises(UsageError, match="do not fit predictions"):
        dense_mlp_loss(problem.x, problem.y, problem.weight[:5], 2, *layers)
    with pytest.raises(UsageError, match="expected 1 or 2"):
        dense_mlp_loss(problem.x, problem.y, None, 3, *layers)  # type: ignore[arg-type]  # what is tested


@pytest.mark.usefixtures("_units")
def test_the_value_without_gradients_is_the_same(generator: torch.Generator) -> None:
    problem = Problem(sines(4.0)[0], (3, 40, 2), 90, generator)
    layers = problem.weights, problem.biases, problem.activations
    with use_precision("bfloat16"):
        with torch.no_grad():
            plain = dense_mlp_loss(problem.x, problem.y, problem.weight, 2, *layers)
        assert_near(plain, problem.losses()[0], 1e-5)
