"""The picture of a pyramid and its error: closed forms, and every backend against the reference."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from inr.kernels import use_backend
from inr.kernels.pyramid import Pyramid
from inr.kernels.pyramid_error import OP, pyramid_error, reference
from inr.kernels.row_share import ALL
from inr.testing.kernels import (
    assert_same_bytes_for_any_number_of_threads,
    assert_second_gradients_agree,
    assert_strides_do_not_matter,
    assert_values_and_gradients_agree,
    compiled_backends,
)
from tests.assertions import assert_near, assert_same_bytes
from tests.kernels.pyramids import check_fixed_network, check_row_shares

COMPILED = compiled_backends(OP)


class Problem:
    """A pyramid of some size; `inputs` are all of its tensors, `of` is the op as a function of them."""

    def __init__(
        self,
        shape: tuple[int, int],
        n_grids: int,
        hidden: int,
        channels: int,
        n_filters: int,
        dtype: torch.dtype,
        generator: torch.Generator,
    ) -> None:
        def normal(scale: float, *size: int) -> Tensor:
            return scale * torch.randn(*size, generator=generator, dtype=dtype)

        shapes = [shape]
        for _ in range(n_grids - 1):
            shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
        self.n_grids, self.n_layers, self.share = n_grids, 2 + n_filters, ALL
        grids = [normal(1.0, *size) for size in shapes]
        self.target = normal(1.0, channels, *shape)
        kernels = [torch.tensor([-0.02, -0.05, 0.15, 0.42], dtype=dtype) + normal(0.05, 4) for _ in shapes[1:]]
        weights = [normal(0.5, hidden, n_grids), normal(0.3, channels, hidden)]
        weights += [normal(0.2, channels, channels, 3, 3) for _ in range(n_filters)]
        biases = [normal(0.3, hidden), *(normal(0.3, channels) for _ in range(n_filters + 1))]
        self.inputs = [*grids, *kernels, *weights, *biases, normal(0.3, channels, n_grids)]

    def parts(self, inputs: Sequence[Tensor]) -> Any:
        n, m = self.n_grids, self.n_layers
        ends = [0, n, 2 * n - 1, 2 * n - 1 + m, 2 * n - 1 + 2 * m]
        return [inputs[begin:end] for begin, end in itertools.pairwise(ends)]

    def of(self, *inputs: Tensor) -> Tensor:
        grids, kernels, weights, biases = self.parts(inputs)
        return pyramid_error(grids, kernels, weights, biases, inputs[-1], self.target, self.share)

    def compiled_picture(self) -> Tensor:
        grids, kernels, weights, biases = ([tensor.numpy() for tensor in part] for part in self.parts(self.inputs))
        pyramid = Pyramid(grids, kernels, weights, biases, self.inputs[-1].numpy())
        return torch.from_numpy(pyramid.picture())


SIZES = [
    ((5, 7), 3, 5, 3, 2),
    ((1, 19), 2, 3, 1, 1),
    ((19, 1), 1, 4, 4, 0),
    ((1, 1), 2, 4, 3, 2),
    ((65, 33), 4, 16, 3, 2),
    ((24, 130), 7, 18, 4, 1),
]
sizes = pytest.mark.parametrize(("shape", "n_grids", "hidden", "channels", "n_filters"), SIZES)
Shape = tuple[int, int]


def test_doubling_is_the_filter_of_its_name() -> None:
    """A kernel of halves in the middle is linear interpolation at quarters; constants stay constants."""
    line = torch.tensor([[0.0, 4.0, 8.0, 8.0]], dtype=torch.float64)
    kernel = torch.tensor([0.0, 0.0, 0.25, 0.75], dtype=torch.float64)
    _, found = reference.enlarged([torch.zeros(2, 8, dtype=torch.float64), line], [kernel])
    expected = torch.tensor([0.0, 1.0, 3.0, 5.0, 7.0, 8.0, 8.0, 8.0], dtype=torch.float64)
    assert_near(found, expected.expand(2, 8), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("backend", COMPILED)
@sizes
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_value_and_gradients_equal_the_reference(
    backend: str,
    shape: Shape,
    n_grids: int,
    hidden: int,
    channels: int,
    n_filters: int,
    dtype: torch.dtype,
    generator: torch.Generator,
) -> None:
    problem = Problem(shape, n_grids, hidden, channels, n_filters, dtype, generator)
    assert_values_and_gradients_agree(OP, backend, problem.of, problem.inputs)


@sizes
def test_the_picture_is_that_of_the_reference(
    shape: Shape, n_grids: int, hidden: int, channels: int, n_filters: int, generator: torch.Generator
) -> None:
    problem = Problem(shape, n_grids, hidden, channels, n_filters, torch.float64, generator)
    grids, kernels, weights, biases = problem.parts(problem.inputs)
    expected = reference.picture(grids, kernels, weights, biases, problem.inputs[-1])
    assert_near(problem.compiled_picture(), expected, OP.tolerances[torch.float64])


@sizes
def test_strips_are_the_picture(
    shape: Shape, n_grids: int, hidden: int, channels: int, n_filters: int, monkeypatch: pytest.MonkeyPatch,
    generator: torch.Generator,
) -> None:  # fmt: skip
    problem = Problem(shape, n_grids, hidden, channels, n_filters, torch.float32, generator)
    whole = problem.compiled_picture()
    monkeypatch.setattr("inr.kernels.pyramid.STRIP", 1)
    monkeypatch.setattr("inr.kernels.pyramid.LEAST_STRIP", 5)
    assert_same_bytes(problem.compiled_picture(), whole)


@pytest.mark.parametrize("backend", COMPILED)
def test_a_fixed_network_does_not_change_the_gradients_of_grids(backend: str, generator: torch.Generator) -> None:
    check_fixed_network(backend, Problem((40, 33), 3, 5, 3, 2, torch.float32, generator), 3)


def test_a_share_of_the_rows_gives_the_reference_and_all_shares_their_mean(generator: torch.Generator) -> None:
    check_row_shares(OP, "cpu", Problem((131, 127), 3, 4, 3, 2, torch.float64, generator), 5, 1e-5)


def test_the_picture_needs_no_torch() -> None:
    script = "import sys, inr.kernels.pyramid; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("backend", COMPILED)
def test_a_value_without_gradients_second_ones_and_strides(backend: str, generator: torch.Generator) -> None:
    problem = Problem((12, 13), 3, 4, 3, 2, torch.float64, generator)
    leaves = [tensor.clone().requires_grad_() for tensor in problem.inputs]
    with use_backend(backend):
        expected = problem.of(*leaves)
        with torch.no_grad():
            assert_same_bytes(problem.of(*leaves), expected.detach())
    assert_strides_do_not_matter(backend, problem.of, problem.inputs)
    assert_second_gradients_agree(OP, backend, problem.of, problem.inputs)


@pytest.mark.parametrize("backend", COMPILED)
def test_the_gradient_by_the_target_comes_from_the_reference(backend: str, generator: torch.Generator) -> None:
    problem = Problem((6, 5), 2, 4, 3, 1, torch.float64, generator)
    problem.target.requires_grad_()
    found = []
    for name in ("reference", backend):
        with use_backend(name):
            value = problem.of(*problem.inputs)
            found.append(torch.autograd.grad(value, problem.target)[0])
    assert_near(found[1], found[0], 1e-12)


@pytest.mark.parametrize("backend", COMPILED)
def test_same_bytes_for_any_number_of_threads(backend: str, generator: torch.Generator) -> None:
    problem = Problem((100, 130), 4, 16, 3, 2, torch.float32, generator)
    assert_same_bytes_for_any_number_of_threads(backend, problem.of, problem.inputs)
