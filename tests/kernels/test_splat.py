"""Sums of Gaussians with bounded support: a dense sum, and every backend against the reference."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from inr.core.errors import UnavailableError, UsageError
from inr.kernels import use_backend
from inr.kernels.splat import OP, splat
from inr.testing import kernels as agreement
from tests.assertions import assert_near

COMPILED = agreement.compiled_backends(OP)
BACKENDS = ["reference", *COMPILED]
CASES = [(1, 1, torch.float64), (2, 3, torch.float32), (2, 2, torch.float64), (3, 1, torch.float32)]
SIZE = (23.0, 17.0, 9.0)
REACH = 3.5


def _scene(d: int, f: int, dtype: torch.dtype, n: int, m: int, generator: torch.Generator) -> list[Tensor]:
    """Points, centres, factors and values; the points and centres lie in the box and around it, off every rim."""
    box = torch.tensor(SIZE[:d], dtype=torch.float64)
    centres = (torch.rand(m, d, generator=generator, dtype=torch.float64) * 1.2 - 0.1) * box
    factors = torch.randn(m, d, d, generator=generator, dtype=torch.float64).tril(-1)
    factors += torch.diag_embed(0.5 + 2 * torch.rand(m, d, generator=generator, dtype=torch.float64))
    values = torch.randn(m, f, generator=generator, dtype=torch.float64)
    p = (torch.rand(3 * n + 8, d, generator=generator, dtype=torch.float64) * 1.2 - 0.1) * box
    off_rims = (_squares(p, centres, factors) - REACH**2).abs().amin(1) > 1e-3 if m else torch.ones(len(p)).bool()
    assert off_rims.sum() >= n
    return [tensor.to(dtype) for tensor in (p[off_rims][:n], centres, factors, values)]


def _squares(p: Tensor, centres: Tensor, factors: Tensor) -> Tensor:
    offset = (p[:, None] - centres).unsqueeze(-1)
    y: Tensor = torch.linalg.solve_triangular(factors, offset, upper=False)
    return y.square().sum((-1, -2))


def _call(d: int) -> agreement.Call:
    return partial(splat, size=SIZE[:d], reach=REACH)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("d", "f", "dtype"), CASES)
def test_it_is_the_sum_over_all_pairs(
    backend: str, d: int, f: int, dtype: torch.dtype, generator: torch.Generator
) -> None:
    scene = _scene(d, f, dtype, 200, 90, generator)
    p, centres, factors, values = (tensor.double() for tensor in scene)
    q = _squares(p, centres, factors)
    expected = torch.where(q <= REACH**2, torch.exp(-q / 2), 0.0) @ values
    assert ((q <= REACH**2).sum(1) > 1).any()
    with use_backend(backend):
        assert_near(_call(d)(*scene).double(), expected, OP.tolerances[dtype])


@pytest.mark.slow
@pytest.mark.parametrize("backend", COMPILED)
@pytest.mark.parametrize(("d", "f", "dtype"), CASES)
@pytest.mark.parametrize(("n", "m"), [(0, 5), (5, 0), (1, 1), (7, 90), (2000, 300)])
def test_values_and_gradients_equal_the_reference(
    backend: str, d: int, f: int, dtype: torch.dtype, n: int, m: int, generator: torch.Generator
) -> None:
    scene = _scene(d, f, dtype, n, m, generator)
    agreement.assert_values_and_gradients_agree(OP, backend, _call(d), scene)


@pytest.mark.parametrize("backend", COMPILED)
def test_one_gaussian_over_all_and_one_between_points(backend: str, generator: torch.Generator) -> None:
    """Far more points in reach than one chunk holds, and none at all."""
    p, centres, factors, values = _scene(2, 2, torch.float64, 1000, 2, generator)
    factors = torch.stack([100 * torch.eye(2), 1e-6 * torch.eye(2)]).double()
    agreement.assert_values_and_gradients_agree(OP, backend, _call(2), (p, centres, factors, values))


@pytest.mark.parametrize("backend", COMPILED)
def test_second_gradients_use_the_reference(backend: str, generator: torch.Generator) -> None:
    agreement.assert_second_gradients_agree(OP, backend, _call(2), _scene(2, 2, torch.float64, 60, 40, generator))


def test_functional_transforms(generator: torch.Generator) -> None:
    agreement.assert_transforms_agree(_call(2), _scene(2, 2, torch.float64, 5, 7, generator))


@pytest.mark.parametrize("backend", COMPILED)
def test_same_bytes_for_any_number_of_threads(backend: str, generator: torch.Generator) -> None:
    scene = _scene(2, 3, torch.float32, 3000, 1000, generator)
    agreement.assert_same_bytes_for_any_number_of_threads(backend, _call(2), scene)


@pytest.mark.parametrize("backend", COMPILED)
def test_strides_do_not_matter(backend: str, generator: torch.Generator) -> None:
    agreement.assert_strides_do_not_matter(backend, _call(2), _scene(2, 3, torch.float32, 50, 40, generator))


@pytest.mark.parametrize("backend", BACKENDS)
def test_nan_points_are_beyond_every_gaussian(backend: str, generator: torch.Generator) -> None:
    p, centres, factors, values = _scene(2, 2, torch.float64, 50, 40, generator)
    with use_backend(backend):
        kept = torch.cat([splat(p[1:], centres[1:], factors[1:], values[1:], SIZE[:2], REACH)])
        p[0, 1], centres[0, 0] = float("nan"), float("nan")
        found = splat(p, centres, factors, values, SIZE[:2], REACH)
    assert torch.equal(found[0], torch.zeros(2).double())
    assert_near(found[1:], kept, 1e-12)


def test_mismatched_arguments_are_refused(generator: torch.Generator) -> None:
    p, centres, factors, values = _scene(2, 2, torch.float32, 5, 4, generator)
    for bad in (
        (p[:, :1], centres, factors, values),
        (p, centres[1:], factors, values),
        (p, centres, factors[..., 0], values),
        (p.double(), centres, factors, values),
    ):
        with pytest.raises(UsageError):
            _call(2)(*bad)
    half = [tensor.bfloat16() for tensor in (p, centres, factors, values)]
    with use_backend("cpu"), pytest.raises(UnavailableError, match="bfloat16"):
        _call(2)(*half)
