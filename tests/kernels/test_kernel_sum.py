"""Sums of all kernels: every backend against the reference."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels import use_backend
from inr.kernels.kernel_sum import OP, kernel_sum
from inr.kernels.radial import SQUARE_KERNELS, Kernel
from inr.testing import kernels as agreement
from tests.assertions import assert_near

GAUSS: agreement.Call = partial(kernel_sum, kernel="gauss")
COMPILED = agreement.compiled_backends(OP)
# Every kernel once, both types, every dimension.
KERNELS = [(kernel, torch.float64, 1 + i % 3) for i, kernel in enumerate(SQUARE_KERNELS)] + [
    ("gauss", torch.float32, 2),
    ("thin_plate", torch.float32, 2),
]


def _problem(d: int, dtype: torch.dtype, n: int, m: int, c: int, generator: torch.Generator) -> list[Tensor]:
    shapes = ((n, d), (m, d), (m,), (m, c))
    p, centres, widths, weights = (torch.rand(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return [tensor.to(dtype) for tensor in (p, centres, 0.1 + widths, weights - 0.5)]


@pytest.mark.slow
@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize(("kernel", "dtype", "d"), KERNELS)
@pytest.mark.parametrize(("n", "m", "c"), [(150, 37, 3), (1, 1, 1)])
def test_values_and_gradients_equal_the_reference(
    backend: str, kernel: Kernel, dtype: torch.dtype, d: int, n: int, m: int, c: int, generator: torch.Generator
) -> None:
    problem = _problem(d, dtype, n, m, c, generator)
    agreement.assert_values_and_gradients_agree(OP, backend, partial(kernel_sum, kernel=kernel), problem)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize(("n", "m", "c"), [(0, 3, 2), (64, 0, 2), (65, 5, 0), (3000, 40, 2)])
def test_odd_sizes_equal_the_reference(backend: str, n: int, m: int, c: int, generator: torch.Generator) -> None:
    problem = _problem(2, torch.float32, n, m, c, generator)
    agreement.assert_values_and_gradients_agree(OP, backend, GAUSS, problem)


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("kernel", SQUARE_KERNELS)
def test_gradients_at_a_centre_and_far_away_equal_the_reference(
    backend: str, kernel: Kernel, generator: torch.Generator
) -> None:
    """0 where the distance is 0 under a root, and 0 where an exponential has reached its least value."""
    d = 1 + SQUARE_KERNELS.index(kernel) % 3
    p, centres, widths, weights = _problem(d, torch.float64, 6, 3, 2, generator)
    p[0] = centres[1]
    p[1] = 1e2 if kernel == "exp_sine" else 1e4  # far away the phase of a sine loses digits
    if kernel in ("inverse_linear", "inverse_cubic"):  # 1e10 and more at a centre would hide all other values
        p[0] = 2
    call = partial(kernel_sum, kernel=kernel)
    agreement.assert_values_and_gradients_agree(OP, backend, call, (p[:1], centres, widths, weights))
    agreement.assert_values_and_gradients_agree(OP, backend, call, (p[1:2], centres, widths, weights))


@pytest.mark.parametrize("backend", COMPILED)
def test_second_gradients_use_the_reference(backend: str, generator: torch.Generator) -> None:
    problem = _problem(2, torch.float64, 50, 20, 2, generator)
    agreement.assert_second_gradients_agree(OP, backend, GAUSS, problem)


def test_functional_transforms(generator: torch.Generator) -> None:
    agreement.assert_transforms_agree(GAUSS, _problem(2, torch.float64, 5, 4, 2, generator))


@pytest.mark.parametrize("backend", COMPILED)
def test_same_bytes_for_any_number_of_threads(backend: str, generator: torch.Generator) -> None:
    problem = _problem(2, torch.float32, 2000, 40, 2, generator)
    agreement.assert_same_bytes_for_any_number_of_threads(backend, GAUSS, problem)


@pytest.mark.parametrize("backend", COMPILED)
def test_strides_do_not_matter(backend: str, generator: torch.Generator) -> None:
    problem = _problem(2, torch.float32, 70, 5, 2, generator)
    agreement.assert_strides_do_not_matter(backend, GAUSS, problem)


@pytest.mark.parametrize("backend", ["reference", *COMPILED])
def test_a_nan_point_changes_only_its_own_value(backend: str, generator: torch.Generator) -> None:
    problem = _problem(2, torch.float32, 70, 5, 2, generator)
    with use_backend(backend):
        kept = GAUSS(*problem)
        problem[0][3, 1] = float("nan")
        found = GAUSS(*problem)
    assert found[3].isnan().all()
    others = torch.arange(70) != 3
    assert_near(found[others], kept[others], 1e-7)


def test_mismatched_arguments_are_refused(generator: torch.Generator) -> None:
    p, centres, widths, weights = _problem(2, torch.float32, 7, 5, 2, generator)
    for bad in (
        (p[:, :1], centres, widths, weights),
        (p, centres, widths[1:], weights),
        (p.double(), centres, widths, weights),
    ):
        with pytest.raises(UsageError):
            GAUSS(*bad)
    with pytest.raises(UsageError, match="tent"):
        kernel_sum(p, centres, widths, weights, "tent")
