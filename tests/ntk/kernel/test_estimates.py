"""Lanczos, quadrature and trace estimates against dense matrices."""

from __future__ import annotations

import pytest
import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.ntk import density, hutch_pp, hutchinson, lanczos, squared_frobenius
from tests.assertions import assert_near


def matrix_with(values: Tensor, generator: Generator) -> Tensor:
    n = len(values)
    q = torch.linalg.qr(torch.randn(n, n, generator=generator, dtype=torch.float64)).Q
    made: Tensor = (q * values.double()) @ q.T
    return made


def test_lanczos_finds_the_leading_pairs(generator: Generator) -> None:
    values = 0.8 ** torch.arange(120)
    k = matrix_with(values, generator)
    found = lanczos(lambda v: k @ v, 120, 10, generator, tolerance=1e-8)
    assert found.has_converged
    assert found.steps < 120
    assert_near(found.values, values[:10].double(), 1e-10)
    residuals = (k @ found.vectors - found.vectors * found.values).norm(dim=0)
    assert float(residuals.max()) <= 1e-7
    assert_near(found.vectors.T @ found.vectors, torch.eye(10, dtype=torch.float64), 1e-12)


def test_lanczos_to_the_end_is_the_whole_spectrum(generator: Generator) -> None:
    values = torch.linspace(5, 0, 30)
    k = matrix_with(values, generator)
    found = lanczos(lambda v: k @ v, 30, 30, generator)
    assert_near(found.values, values.double(), 1e-10)


def test_lanczos_stops_in_an_invariant_space(generator: Generator) -> None:
    values = torch.cat([torch.tensor([3.0, 2.0]), torch.zeros(18)])
    k = matrix_with(values, generator)
    found = lanczos(lambda v: k @ v, 20, 2, generator)
    assert found.steps <= 4
    assert_near(found.values, torch.tensor([3.0, 2.0], dtype=torch.float64), 1e-10)


def test_too_few_steps_are_reported(generator: Generator) -> None:
    k = matrix_with(torch.linspace(1, 0.9, 100), generator)
    assert not lanczos(lambda v: k @ v, 100, 5, generator, tolerance=1e-10, steps=8).has_converged
    with pytest.raises(UsageError, match="k is 101"):
        lanczos(lambda v: k @ v, 100, 101, generator)


def test_density_integrates_the_spectrum(generator: Generator) -> None:
    values = torch.linspace(0.1, 2, 200)
    k = matrix_with(values, generator)
    found = density(lambda v: k @ v, 200, generator, probes=40, steps=40)
    assert float(found.weights.sum()) == pytest.approx(1)
    for g in (torch.sqrt, torch.log, torch.square):
        assert float((found.weights * g(found.nodes)).sum()) == pytest.approx(float(g(values).mean()), abs=0.12)


def test_traces_and_norms(generator: Generator) -> None:
    values = 1.0 / (1 + torch.arange(150)) ** 1.5
    k = matrix_with(values, generator)
    trace = float(values.sum())
    plain = hutchinson(lambda v: k @ v, 150, 60, generator)
    better = hutch_pp(lambda v: k @ v, 150, 60, generator)
    assert abs(plain.value - trace) < 4 * plain.error
    assert abs(better.value - trace) < 0.03 * trace
    norm = squared_frobenius(lambda v: k @ v, 150, 200, generator)
    assert norm.value == pytest.approx(float(values.square().sum()), rel=0.3)
    assert abs(norm.value - float(values.square().sum())) < 4 * norm.error
    with pytest.raises(UsageError, match="at least 3"):
        hutch_pp(lambda v: k @ v, 150, 2, generator)


def test_hutch_pp_is_exact_where_the_sketch_holds_everything(generator: Generator) -> None:
    k = matrix_with(torch.cat([torch.tensor([4.0, 2.0, 1.0]), torch.zeros(47)]), generator)
    assert hutch_pp(lambda v: k @ v, 50, 15, generator).value == pytest.approx(7, rel=1e-10)
