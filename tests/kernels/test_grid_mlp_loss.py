"""The error of a network over a grid as one operation: every backend against the reference, in value and gradients."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest
import torch
from torch import Tensor

from inr.core.errors import UnavailableError, UsageError
from inr.kernels import Need, use_backend
from inr.kernels.grid_mlp_loss import OP, Power, grid_mlp_loss
from inr.kernels.hash_grid import grid_geometry
from tests.assertions import assert_near, assert_same_bytes, assert_same_bytes_for_threads

COMPILED = [
    backend.name
    for backend in OP.backends
    if backend.name != "reference" and not backend.reasons_against(Need(device="cpu", dtype=torch.float32))
]
Weighting = Literal["none", "points", "channels"]


class Problem:
    """Points, also outside the box, targets, a table with collisions, and a network with a bias in the first layer."""

    def __init__(
        self,
        n: int,
        d_in: int,
        features: int,
        widths: tuple[int, ...],
        dtype: torch.dtype,
        generator: torch.Generator,
        power: Power = 2,
        weighting: Weighting = "none",
    ) -> None:
        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=dtype)

        self.geometry = grid_geometry(d_in, 3, 5, (3,) * d_in, (17,) * d_in)
        self.power: Power = power
        self.x = torch.rand(n, d_in, generator=generator, dtype=dtype) * 1.1 - 0.05
        self.y = normal(n, widths[-1])
        shape = {"none": None, "points": (n, 1), "channels": (n, widths[-1])}[weighting]
        self.weight = None if shape is None else torch.rand(*shape, generator=generator, dtype=dtype)
        self.table = normal(self.geometry.total_entries, features).requires_grad_()
        sizes = (3 * features, *widths)
        self.weights = [(normal(b, a) / a**0.5).requires_grad_() for a, b in pairwise(sizes)]
        self.biases = [normal(b).requires_grad_() if i == 0 else None for i, b in enumerate(sizes[1:])]

    @property
    def parameters(self) -> list[Tensor]:
        return [self.table, *self.weights, *(bias for bias in self.biases if bias is not None)]

    def loss(self) -> Tensor:
        return grid_mlp_loss(
            self.x, self.y, self.weight, self.power, self.table, self.geometry, "linear", self.weights, self.biases
        )

    def results(self) -> tuple[Tensor, ...]:
        loss = self.loss()
        return loss, *torch.autograd.grad(loss, self.parameters)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize(
    ("dtype", "n", "d_in", "features", "widths"),
    [  # every kind of grid is compiled separately, which takes long
        (torch.float32, 777, 2, 2, (32, 3)),
        (torch.float32, 1, 2, 2, (4, 1)),
        (torch.float64, 300, 3, 3, (17, 9, 2)),
        (torch.float64, 64, 2, 2, (8, 1)),
    ],
)
@pytest.mark.parametrize(("power", "weighting"), [(2, "none"), (2, "channels"), (1, "points")])
def test_value_and_gradients_equal_the_reference(
    backend: str,
    dtype: torch.dtype,
    n: int,
    d_in: int,
    features: int,
    widths: tuple[int, ...],
    power: Power,
    weighting: Weighting,
    generator: torch.Generator,
) -> None:
    problem = Problem(n, d_in, features, widths, dtype, generator, power, weighting)
    with use_backend("reference"):
        expected = problem.results()
    with use_backend(backend):
        found = problem.results()
    for a, b in zip(found, expected, strict=True):
        assert_near(a.detach(), b.detach(), OP.tolerances[dtype])


@pytest.mark.parametrize("backend", COMPILED)
def test_no_points_are_not_a_number_as_in_the_reference(backend: str, generator: torch.Generator) -> None:
    problem = Problem(0, 2, 2, (8, 3), torch.float32, generator)
    with use_backend(backend):
        loss, *grads = problem.results()
    assert loss.isnan()
    assert all(grad.shape == p.shape for grad, p in zip(grads, problem.parameters, strict=True))


@pytest.mark.parametrize("backend", COMPILED)
def test_a_factor_on_the_loss_and_a_value_without_gradients(backend: str, generator: torch.Generator) -> None:
    problem = Problem(200, 2, 2, (8, 3), torch.float64, generator)
    with use_backend(backend):
        loss, *grads = problem.results()
        scaled = torch.autograd.grad(3 * problem.loss(), problem.parameters)
        with torch.no_grad():
            assert_same_bytes(problem.loss(), loss.detach())
    for found, expected in zip(scaled, grads, strict=True):
        assert_near(found, 3 * expected, 1e-14)


@pytest.mark.parametrize("backend", COMPILED)
def test_derivatives_by_points_and_second_ones_come_from_the_reference(
    backend: str, generator: torch.Generator
) -> None:
    problem = Problem(50, 2, 2, (8, 3), torch.float64, generator)
    problem.x.requires_grad_()
    seconds = []
    for name in ("reference", backend):
        with use_backend(name):
            slope, by_table = torch.autograd.grad(problem.loss(), (problem.x, problem.table), create_graph=True)
            penalty = slope.square().sum() + by_table.square().sum()
            seconds.append((slope.detach(), *torch.autograd.grad(penalty, problem.weights)))
    for found, expected in zip(seconds[1], seconds[0], strict=True):
        assert_near(found, expected, 1e-11)


@pytest.mark.parametrize("backend", COMPILED)
def test_same_bytes_for_any_number_of_threads(backend: str, generator: torch.Generator) -> None:
    problem = Problem(10_000, 2, 2, (20, 3), torch.float32, generator)
    with use_backend(backend):
        assert_same_bytes_for_threads(problem.results)


@pytest.mark.parametrize("backend", COMPILED)
def test_gradients_are_handed_over_once(backend: str, generator: torch.Generator) -> None:
    problem = Problem(20, 2, 2, (8, 3), torch.float32, generator)
    with use_backend(backend):
        loss = problem.loss()
        torch.autograd.backward(loss, retain_graph=True)
        with pytest.raises(RuntimeError, match="used before"):
            torch.autograd.backward(loss)


def test_mismatched_arguments_are_refused(generator: torch.Generator) -> None:
    problem = Problem(5, 2, 2, (8, 3), torch.float32, generator)
    fields = ("y", "weight", "weights", "power")
    for name, bad in zip(fields, (problem.y[:, :2], problem.y[:, :2], problem.weights[1:], 3), strict=True):
        kept = getattr(problem, name)
        setattr(problem, name, bad)
        with pytest.raises(UsageError):
            problem.loss()
        setattr(problem, name, kept)
    problem = Problem(5, 2, 2, (8, 3), torch.float16, generator)
    with use_backend("cpu"), pytest.raises(UnavailableError, match="float16"):
        problem.loss()
