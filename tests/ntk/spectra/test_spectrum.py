"""Ranks, condition numbers, alignments, and relations that every kernel satisfies."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.ntk import (
    alignment,
    band_kernel_of,
    cka,
    condition,
    debiased_cka,
    drift,
    fourier_diagonal,
    kernel_target_alignment,
    label_gradient_alignment,
    lattice,
    log_bands,
    modes_for,
    ranks,
    spectrum,
    tangent_kernel,
    target_alignment,
    violations,
)
from tests.assertions import assert_near
from tests.conformance.small import make
from tests.published import Array, Published, PublishedFormula, PublishedMethod, check


def random_kernel(n: int, generator: Generator, p: int = 40) -> Tensor:
    j = torch.randn(n, p, generator=generator, dtype=torch.float64)
    return j @ j.T


@pytest.mark.parametrize("name", ["siren", "mlp", "hash_grid", "wire", "pi_ccp", "weight_norm"])
@pytest.mark.parametrize("channels", ["mean", "full"])
def test_all_relations_hold(name: str, channels: str, generator: Generator) -> None:
    document = {"type": "mlp", "linear": "weight_norm"} if name == "weight_norm" else {"type": name}
    field = make({**document, "width": 32, "depth": 2}, d_out=2)
    shape = (8, 6)
    kernel = tangent_kernel(field, lattice(shape), channels="mean" if channels == "mean" else "full")
    target = torch.randn(len(kernel.matrix), generator=generator)
    spec = spectrum(kernel)
    found = band_kernel_of(kernel.matrix, log_bands(shape, 6)) if channels == "mean" else None
    assert violations(kernel, spec, target, found) == ()
    assert float(spec.values.sum()) == pytest.approx(kernel.trace, rel=1e-8)
    if found is not None:
        diagonal = fourier_diagonal(kernel.matrix, shape)
        assert float(diagonal.sum()) == pytest.approx(kernel.trace, rel=1e-8)
        assert float(diagonal.max()) <= float(spec.values[0]) * (1 + 1e-12)


def test_violations_are_named(generator: Generator) -> None:
    kernel = tangent_kernel(make({"type": "siren", "width": 8, "depth": 1}, d_out=1), lattice((6, 4)))
    spec, y = spectrum(kernel), torch.ones(24)
    shifted = dataclasses.replace(kernel, matrix=kernel.matrix - 0.5 * spec.values[0] * torch.eye(24))
    assert len(violations(shifted, spectrum(shifted), y)) >= 2
    wrong_trace = dataclasses.replace(kernel, traces={"field": 2 * kernel.trace})
    assert any("sum to" in sentence for sentence in violations(wrong_trace, spec, y))


def test_effective_ranks_of_known_spectra() -> None:
    flat = ranks(spectrum(torch.eye(12, dtype=torch.float64)))
    assert (flat.stable, flat.participation, flat.numerical) == pytest.approx((12, 12, 12))
    assert flat.entropy == pytest.approx(12)
    one = ranks(spectrum(torch.ones(12, 12, dtype=torch.float64)))
    assert (one.stable, one.participation, one.entropy, one.numerical) == pytest.approx((1, 1, 1, 1))
    two = ranks(spectrum(torch.diag(torch.tensor([3.0, 1.0], dtype=torch.float64))))
    assert (two.stable, two.participation) == pytest.approx((4 / 3, 16 / 10))
    assert two.entropy == pytest.approx(math.exp(0.75 * math.log(4 / 3) + 0.25 * math.log(4)))
    assert ranks(spectrum(torch.zeros(3, 3))).numerical == 0


def test_noise_floor_is_that_of_the_precision() -> None:
    values = torch.tensor([1.0, 0.5, 1e-9], dtype=torch.float64)
    assert spectrum(torch.diag(values)).n_above == 3
    rough = spectrum(torch.diag(values), dtype=torch.float32)
    assert rough.n_above == 2
    assert rough.floor == pytest.approx(3 * torch.finfo(torch.float32).eps)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_rank_deficient_kernel_is_flagged(dtype: torch.dtype, generator: Generator) -> None:
    field = make({"type": "chebyshev", "degree": [2]}, d_out=1)
    spec = spectrum(tangent_kernel(field, torch.rand(50, 2, generator=generator), dtype=dtype))
    assert spec.n_above == 9
    assert ranks(spec).numerical == 9


def test_condition_numbers_leave_the_noise_out() -> None:
    spec = spectrum(torch.diag(torch.tensor([8.0, 1.5, 0.4, 0.1], dtype=torch.float64)))
    assert modes_for(0.99, spec.values) == 3
    assert condition(spec) == pytest.approx(20)
    assert condition(spec, torch.tensor([0.0, 1.0, 0.0, 0.0])) == pytest.approx(8 / 1.5)
    assert condition(spec, torch.tensor([0.0, 0.0, 0.0, 1.0])) == pytest.approx(80)
    assert condition(spectrum(torch.ones(3, 3, dtype=torch.float64)), torch.ones(3)) == math.inf
    assert modes_for(0.9, torch.zeros(4)) == 0
    with pytest.raises(UsageError, match="expected a square matrix"):
        spectrum(torch.ones(3, 2))


def test_energy_and_alignment_of_eigenvectors(generator: Generator) -> None:
    k = random_kernel(10, generator)
    spec = spectrum(k)
    found = alignment(spec, spec.vectors[:, 3] * 2)
    assert_near(found.coefficients.abs(), 2 * torch.eye(10, dtype=torch.float64)[3], 1e-12)
    assert_near(found.energy, (torch.arange(10) >= 3).double(), 1e-12)
    y = torch.randn(10, generator=generator, dtype=torch.float64)
    assert float(alignment(spec, y).energy[-1]) == pytest.approx(1)
    quadratic = float((alignment(spec, y).coefficients.square() * spec.values).sum())
    assert quadratic == pytest.approx(float(y @ k @ y))
    assert 0 <= target_alignment(k, y) <= 1
    assert target_alignment(k, y) == pytest.approx(kernel_target_alignment(quadratic, float(k.norm()), y))
    assert float(alignment(spec, torch.zeros(10)).energy.max()) == 0


def _kernel_and_target() -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    features, y = rng.standard_normal((30, 5)), rng.standard_normal(30)
    return features @ features.T + 0.5 * np.outer(y, y), y


def _published_label_gradient_alignment() -> Array:
    kernel, y = _kernel_and_target()
    return np.array(np.corrcoef(kernel.ravel(), np.outer(y, y).ravel())[0, 1])


PUBLISHED: tuple[Published, ...] = (
    PublishedFormula(
        name="ntk: label-gradient alignment",
        source="Mok et al. 2022, after another public implementation",
        published=_published_label_gradient_alignment,
        here=lambda: np.array(label_gradient_alignment(*map(torch.from_numpy, _kernel_and_target()))),
        tolerance=1e-12,
    ),
    PublishedMethod(
        name="ntk: label-gradient alignment",
        source="Mok et al. 2022, after another public implementation",
        here={},
        settings={},
        told={"labels": "The paper: L is 1 for samples of one class and -1 for others"},
        documented=label_gradient_alignment,
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: type(s).__name__)
def test_it_is_the_published_number(statement: Published) -> None:
    check(statement)


def test_alignments_are_one_for_the_target_s_own_kernel(generator: Generator) -> None:
    y = torch.randn(20, generator=generator, dtype=torch.float64)
    own = torch.outer(y, y)
    assert target_alignment(own, y) == pytest.approx(1)
    assert target_alignment(own, y, is_centred=True) == pytest.approx(1)
    assert label_gradient_alignment(own, y) == pytest.approx(1)
    assert label_gradient_alignment(-own, y) == pytest.approx(-1)


def test_cka_is_blind_to_scale_and_rotation_of_features(generator: Generator) -> None:
    a, b = random_kernel(30, generator), random_kernel(30, generator)
    assert cka(a, 3 * a) == pytest.approx(1)
    assert cka(a, b) == pytest.approx(cka(b, a))
    assert 0 <= cka(a, b) <= 1
    assert debiased_cka(a, 5 * a) == pytest.approx(1)
    assert abs(debiased_cka(a, b)) < 0.15 < cka(a, b)  # independent kernels: the plain measure is high for them
    ones = torch.ones(30, 30, dtype=torch.float64)
    assert cka(a + 7 * ones, b) == pytest.approx(cka(a, b))


def test_drift_of_nothing_of_scale_and_of_everything(generator: Generator) -> None:
    a = random_kernel(16, generator, p=16)
    same, larger = drift(a, a), drift(a, 2 * a)
    assert (same.relative, same.rotation, same.trace_ratio, same.overlap) == pytest.approx((0, 0, 1, 1), abs=1e-10)
    assert (larger.relative, larger.rotation, larger.trace_ratio) == pytest.approx((1, 0, 2), abs=1e-10)
    other = drift(a, random_kernel(16, generator), k=3)
    assert other.rotation > 0.1
    assert 0 <= other.overlap < 1
