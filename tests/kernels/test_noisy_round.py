"""Soft rounding with noise: closed forms, the noise's distribution, and every backend against the reference."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels import use_backend
from inr.kernels.noisy_round import OP, noisy_round
from inr.kernels.noisy_round.reference import noise, staircase
from inr.testing.kernels import (
    assert_same_bytes_for_any_number_of_threads,
    assert_second_gradients_agree,
    assert_strides_do_not_matter,
    assert_transforms_agree,
    assert_values_and_gradients_agree,
    compiled_backends,
)
from tests.assertions import assert_near, assert_same_bytes

COMPILED = compiled_backends(OP)
CPU = torch.device("cpu")


def test_the_staircase_keeps_whole_and_half_numbers_and_ends_as_rounding(generator: torch.Generator) -> None:
    x = torch.randint(-20, 20, (50,), generator=generator) / 2.0
    for temperature in (0.05, 0.3, 2.0):
        assert_near(staircase(x.double(), temperature), x.double(), 1e-12)
    x = torch.rand(50, generator=generator, dtype=torch.float64) * 0.8 + 3.6
    assert_near(staircase(x, 0.005), x.round(), 1e-8)
    assert_near(staircase(x, 50.0), x, 1e-4)


def test_the_noise_is_normal_and_independent() -> None:
    n = noise(1 << 18, 5, 7, 0, CPU)
    size = math.sqrt(len(n))
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs(n.pow(power).mean() - moment) < 4 * math.sqrt(variance) / size
    inside = (n.abs() < 0.6744897501960817).double().mean()
    assert abs(inside - 0.5) < 4 * 0.5 / size
    others = (noise(1 << 18, 5, 8, 0, CPU), noise(1 << 18, 6, 7, 0, CPU), n.roll(1), n.roll(16), n.roll(32))
    for other in others:
        assert abs((n * other).mean()) < 4 / size
    assert_same_bytes(noise(100, 5, 7, 37, CPU), n[37:137])


@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("shape", "first"), [((7, 9), 0), ((3,), 31), ((40, 33), 17), ((0,), 3)])
def test_value_and_gradients_equal_the_reference(
    backend: str, dtype: torch.dtype, shape: tuple[int, ...], first: int, generator: torch.Generator
) -> None:
    x = 3 * torch.randn(*shape, generator=generator, dtype=dtype)
    for temperature, deviation in ((0.35, 0.22), (0.1, 0.15), (0.3, 0.0)):

        def call(x: Tensor, temperature: float = temperature, deviation: float = deviation) -> Tensor:
            return noisy_round(x, temperature, deviation, 3, 1000, first)

        assert_values_and_gradients_agree(OP, backend, call, [x])


@pytest.mark.parametrize("backend", COMPILED)
def test_second_gradients_transforms_strides_and_threads(backend: str, generator: torch.Generator) -> None:
    def call(x: Tensor) -> Tensor:
        return noisy_round(x, 0.3, 0.2, 1, 2)

    small = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    assert_second_gradients_agree(OP, backend, call, [small])
    assert_transforms_agree(call, [small])
    assert_strides_do_not_matter(backend, call, [small])
    large = torch.randn(70_001, generator=generator)
    assert_same_bytes_for_any_number_of_threads(backend, call, [large])


@pytest.mark.parametrize("backend", ["reference", *COMPILED])
def test_parts_have_the_noise_of_the_whole(backend: str, generator: torch.Generator) -> None:
    x = torch.randn(100, generator=generator, dtype=torch.float64)
    with use_backend(backend):
        whole = noisy_round(x, 0.3, 0.2, 1, 2, 5)
        parts = [noisy_round(x[:33], 0.3, 0.2, 1, 2, 5), noisy_round(x[33:], 0.3, 0.2, 1, 2, 38)]
    assert_near(torch.cat(parts), whole, 1e-14)


def test_mismatched_arguments_are_refused() -> None:
    with pytest.raises(UsageError):
        noisy_round(torch.zeros(3), 0.0, 0.1, 0, 0)
    with pytest.raises(UsageError):
        noisy_round(torch.zeros(3), 0.1, -0.1, 0, 0)
