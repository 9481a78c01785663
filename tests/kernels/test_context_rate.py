"""The bits of a pyramid of grids: closed forms, the extent of a context, and every backend against the reference."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inr.kernels import use_backend
from inr.kernels.context_rate import OP, context_rate
from inr.kernels.context_rate.reference import LEAST, bits
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
NEAR = [(0, -1), (-1, 0), (-1, -1), (-1, 1), (0, -2), (-2, 0), (-1, -2), (-1, 2), (-2, -1), (-2, 1), (0, -3), (-3, 0)]


class Problem:
    """Grids and a network of some size; `inputs` are all of its tensors, `of` is the op as a function of them."""

    def __init__(
        self,
        shape: tuple[int, int],
        n_grids: int,
        n_near: int,
        n_mixes: int,
        n_hidden: int,
        dtype: torch.dtype,
        generator: torch.Generator,
    ) -> None:
        def normal(scale: float, *size: int) -> Tensor:
            return scale * torch.randn(*size, generator=generator, dtype=dtype)

        shapes = [shape]
        for _ in range(n_grids - 1):
            shapes.append((-(-shapes[-1][0] // 2), -(-shapes[-1][1] // 2)))
        k = n_near + n_mixes
        self.n_grids, self.n_layers, self.offsets, self.share = n_grids, n_hidden + 1, NEAR[:n_near], ALL
        grids = [normal(2.0, *size) for size in shapes]
        mixes = [normal(0.3, n_mixes, n_grids - level) for level in range(n_grids)]
        weights = [*(normal(0.5 / k**0.5, k, k) for _ in range(n_hidden)), normal(0.2, 2, k)]
        biases = [*(normal(0.3, k) for _ in range(n_hidden)), torch.tensor([0.0, 4.0], dtype=dtype)]
        self.inputs = [*grids, *mixes, *weights, *biases, normal(0.2, 2, k)]

    def of(self, *inputs: Tensor) -> Tensor:
        n, m = self.n_grids, self.n_layers
        weights, biases = inputs[2 * n : 2 * n + m], inputs[2 * n + m : -1]
        return context_rate(inputs[:n], inputs[n : 2 * n], weights, biases, inputs[-1], self.offsets, self.share)


@pytest.mark.parametrize("backend", COMPILED)
def test_a_fixed_network_does_not_change_the_gradients_of_grids(backend: str, generator: torch.Generator) -> None:
    check_fixed_network(backend, Problem((40, 33), 3, 6, 2, 1, torch.float32, generator), 3)


def test_a_share_of_the_rows_gives_the_reference_and_all_shares_their_mean(generator: torch.Generator) -> None:
    check_row_shares(OP, "cpu", Problem((131, 127), 3, 4, 2, 1, torch.float64, generator), 6, 1e-3)


def test_bits_of_a_laplace_distribution() -> None:
    zero, four = torch.zeros(1, dtype=torch.float64), torch.full((1,), 4.0, dtype=torch.float64)
    assert_near(bits(zero, zero, four), torch.tensor([-math.log2(1 - math.exp(-0.5))], dtype=torch.float64), 1e-12)
    assert_near(bits(zero + 3, zero, four), -torch.log2(torch.exp(-3 * four / 4) * math.sinh(0.5)), 1e-12)
    assert_near(bits(zero + 100, zero, four), -torch.log2(torch.tensor([LEAST], dtype=torch.float64)), 1e-12)
    numbers = torch.arange(-400, 401, dtype=torch.float64)
    for log_scale in (2.0, 4.0, 6.0):
        probability = 2 ** -bits(numbers, zero + 0.3, zero + log_scale)
        assert_near(probability[probability > 2 * LEAST].sum(), torch.tensor(1.0, dtype=torch.float64), 2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["reference", *COMPILED])
def test_a_number_is_predicted_from_those_before_it(backend: str, generator: torch.Generator) -> None:
    """A change of one number changes its own bits and those of later ones: a grid cut after it costs the same."""
    problem = Problem((6, 9), 1, 12, 1, 1, torch.float64, generator)
    grid, *others = problem.inputs
    changed = grid.clone()
    changed[4:] += 1.0
    with use_backend(backend):
        parts = [problem.of(grid[:4].contiguous(), *others), problem.of(changed[:4].contiguous(), *others)]
        assert_same_bytes(parts[0], parts[1])
        assert problem.of(changed, *others) != problem.of(grid, *others)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize(
    ("shape", "n_grids", "n_near", "n_mixes", "n_hidden"),
    [
        ((5, 7), 3, 3, 2, 2),
        ((1, 19), 2, 4, 1, 1),
        ((19, 1), 1, 2, 2, 0),
        ((65, 33), 4, 8, 4, 2),
        ((24, 70), 7, 12, 6, 3),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_value_and_gradients_equal_the_reference(
    backend: str,
    shape: tuple[int, int],
    n_grids: int,
    n_near: int,
    n_mixes: int,
    n_hidden: int,
    dtype: torch.dtype,
    generator: torch.Generator,
) -> None:
    problem = Problem(shape, n_grids, n_near, n_mixes, n_hidden, dtype, generator)
    assert_values_and_gradients_agree(OP, backend, problem.of, problem.inputs)


@pytest.mark.parametrize("backend", COMPILED)
def test_certain_and_impossible_numbers_have_the_gradients_of_the_reference(
    backend: str, generator: torch.Generator
) -> None:
    """Scales at both ends of their range, and probabilities at the least one."""
    for log_scale in (-9.0, 0.0, 13.0):
        problem = Problem((16, 16), 1, 3, 1, 1, torch.float64, generator)
        problem.inputs[-2] = torch.tensor([0.0, log_scale], dtype=torch.float64)
        problem.inputs[0] = problem.inputs[0] * 8
        assert_values_and_gradients_agree(OP, backend, problem.of, problem.inputs)


@pytest.mark.parametrize("backend", COMPILED)
def test_a_value_without_gradients_second_ones_and_strides(backend: str, generator: torch.Generator) -> None:
    problem = Problem((12, 13), 3, 4, 2, 2, torch.float64, generator)
    leaves = [tensor.clone().requires_grad_() for tensor in problem.inputs]
    with use_backend(backend):
        expected = problem.of(*leaves)
        with torch.no_grad():
            assert_same_bytes(problem.of(*leaves), expected.detach())
    assert_strides_do_not_matter(backend, problem.of, problem.inputs)
    assert_second_gradients_agree(OP, backend, problem.of, problem.inputs)


@pytest.mark.parametrize("backend", COMPILED)
def test_same_bytes_for_any_number_of_threads(backend: str, generator: torch.Generator) -> None:
    problem = Problem((200, 190), 4, 8, 4, 2, torch.float32, generator)
    assert_same_bytes_for_any_number_of_threads(backend, problem.of, problem.inputs)


@pytest.mark.parametrize("backend", COMPILED)
def test_gradients_are_handed_over_once(backend: str, generator: torch.Generator) -> None:
    problem = Problem((5, 7), 3, 3, 2, 2, torch.float32, generator)
    leaves = [tensor.clone().requires_grad_() for tensor in problem.inputs]
    with use_backend(backend):
        value = problem.of(*leaves)
        torch.autograd.backward(value, retain_graph=True)
        with pytest.raises(RuntimeError, match="used before"):
            torch.autograd.backward(value)
