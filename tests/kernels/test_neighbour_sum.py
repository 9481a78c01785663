"""Sums over a point's nearest kernels: every backend against the reference."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels.neighbour_sum import OP, neighbour_sum
from inr.testing import kernels as agreement
from tests.assertions import assert_near

COMPILED = agreement.compiled_backends(OP)
CASES = [(4, 32, torch.float32), (1, 1, torch.float64), (3, 5, torch.float64), (8, 16, torch.float32)]


def _problem(
    k: int, f: int, dtype: torch.dtype, n: int, generator: torch.Generator, *, has_sines: bool = True
) -> tuple[agreement.Call, list[Tensor]]:
    index = torch.randint(0, 20, (n, k), generator=generator)
    factors = torch.logspace(-3, 12, f, 2, dtype=dtype) if has_sines else None
    phi = torch.rand(n, k, generator=generator, dtype=torch.float64).to(dtype)
    weight = torch.randn(20, f, generator=generator, dtype=torch.float64).to(dtype)
    return lambda phi, weight: neighbour_sum(phi, index, weight, factors), [phi, weight]


def test_two_points_by_hand() -> None:
    weight, index = torch.tensor([[1.0], [10.0], [100.0]]), torch.tensor([[0, 2], [1, 1]])
    phi = torch.tensor([[0.5, 0.25], [1.0, 2.0]])
    assert neighbour_sum(phi, index, weight).tolist() == [[25.5], [30.0]]
    sine = torch.tensor([2 * 0.5, 2 * 0.25, 2 * 1.0, 2 * 2.0]).sin()
    expected = torch.stack([sine[0] + 100 * sine[1], 10 * sine[2] + 10 * sine[3]])[:, None]
    assert_near(neighbour_sum(phi, index, weight, torch.tensor([2.0])), expected, 1e-6)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("has_sines", [True, False])
@pytest.mark.parametrize(("k", "f", "dtype"), CASES)
@pytest.mark.parametrize("n", [0, 1, 7, 1000])
def test_values_and_gradients_equal_the_reference(
    backend: str, has_sines: bool, k: int, f: int, dtype: torch.dtype, n: int, generator: torch.Generator
) -> None:
    agreement.assert_values_and_gradients_agree(OP, backend, *_problem(k, f, dtype, n, generator, has_sines=has_sines))


@pytest.mark.parametrize("backend", COMPILED)
def test_large_arguments_equal_the_reference(backend: str, generator: torch.Generator) -> None:
    """Points beyond the range of the polynomial, among points inside it."""
    call, (phi, weight) = _problem(3, 5, torch.float64, 40, generator)
    phi[11] *= 1e6
    agreement.assert_values_and_gradients_agree(OP, backend, call, [phi, weight])


@pytest.mark.parametrize("backend", COMPILED)
def test_second_gradients_use_the_reference(backend: str, generator: torch.Generator) -> None:
    agreement.assert_second_gradients_agree(OP, backend, *_problem(3, 5, torch.float64, 60, generator))


def test_functional_transforms(generator: torch.Generator) -> None:
    agreement.assert_transforms_agree(*_problem(3, 5, torch.float64, 4, generator))


@pytest.mark.parametrize("backend", COMPILED)
def test_same_bytes_for_any_number_of_threads(backend: str, generator: torch.Generator) -> None:
    problem = _problem(4, 32, torch.float32, 1000, generator)
    agreement.assert_same_bytes_for_any_number_of_threads(backend, *problem)


@pytest.mark.parametrize("backend", COMPILED)
def test_strides_do_not_matter(backend: str, generator: torch.Generator) -> None:
    agreement.assert_strides_do_not_matter(backend, *_problem(4, 32, torch.float32, 50, generator))


def test_mismatched_arguments_are_refused() -> None:
    phi, index, weight = torch.rand(4, 2), torch.zeros(4, 2, dtype=torch.int64), torch.rand(3, 5)
    with pytest.raises(UsageError):
        neighbour_sum(phi, index[1:], weight)
    with pytest.raises(UsageError):
        neighbour_sum(phi, index.int(), weight)
    with pytest.raises(UsageError, match="one per feature"):
        neighbour_sum(phi, index, weight, torch.ones(4))
    with pytest.raises(UsageError, match="differ"):
        neighbour_sum(phi, index, weight.double())
