"""Least squares in orthogonal polynomials: closed forms and the dense solution."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.samples import Samples
from inr.fields.chebyshev import Chebyshev
from inr.kernels.polynomials import Basis, polynomials
from inr.signals.array import Array
from inr.workflows.fit import fit
from tests.assertions import assert_near
from tests.published import AnyValues, Parameters, Published, PublishedFamily, PublishedFormula, check
from tests.published import Array as Numbers

BOTH: tuple[Basis, ...] = ("chebyshev", "legendre")
VALUES = np.random.default_rng(4).random((30, 20, 2)).astype(np.float32)


def _forward(p: Parameters, x: Numbers) -> Numbers:
    """sum_jk c_jk T_j(u) T_k(v)."""
    u, v = (2 * x - 1).T
    return np.asarray(np.polynomial.chebyshev.chebval2d(u, v, p["coefficients"]).T)


def _nodes(n: int) -> Numbers:
    return (2 * np.arange(n) + 1) / n - 1


def _fitted(values: Numbers, degree: tuple[int, ...], basis: Basis = "chebyshev") -> Numbers:
    """Coefficients; the rank is full, so that a small `rcond` drops nothing, as numpy's default."""
    spec = Spec("array", values.ndim - 1, values.shape[-1], values.shape[:-1])
    axes = torch.meshgrid(*((torch.arange(n) + 0.5) / n for n in values.shape[:-1]), indexing="ij")
    x, y = torch.stack(axes, -1).flatten(0, -2), torch.from_numpy(values).flatten(0, -2)
    samples = Samples(spec, len(x), lambda index: (x[index], y[index]), tuple(range(spec.d_in)))
    config = Chebyshev(basis=basis, degree=degree, rcond=1e-6).resolve(spec)
    field = config.build(spec, torch.Generator()).double()
    field.initialise(samples, torch.Generator())
    return np.asarray(field.state_dict()["coefficients"].numpy())


def _two_axes() -> Numbers:
    vander = np.polynomial.chebyshev.chebvander2d(*np.meshgrid(_nodes(30), _nodes(20), indexing="ij"), [6, 5])
    design = vander.reshape(600, 42)
    return np.asarray(np.linalg.lstsq(design, VALUES.reshape(600, 2).astype(float))[0].reshape(7, 6, 2))


PUBLISHED = (
    PublishedFamily(
        config=Chebyshev(),
        source="Mason and Handscomb 2003",
        spec=Spec("image", 2, 3, (24, 16)),
        forward=_forward,
        initial={"*": AnyValues()},  # of the signal
        settings={"field.basis": "chebyshev", "fit.steps": 0},
        seeds=1,
    ),
    PublishedFormula(
        name="chebyshev, coefficients",
        source="numpy.polynomial.chebyshev.chebfit",
        published=lambda: np.polynomial.chebyshev.chebfit(_nodes(30), VALUES[:, 0].astype(float), 9),
        here=lambda: _fitted(VALUES[:, 0], (9,)),
    ),
    PublishedFormula(
        name="chebyshev, two axes",
        source="numpy.polynomial.chebyshev.chebvander2d",
        published=_two_axes,
        here=lambda: _fitted(VALUES, (6, 5)),
    ),
    PublishedFormula(
        name="chebyshev, basis of Legendre",
        source="numpy.polynomial.legendre.legfit",
        published=lambda: (
            np.polynomial.legendre.legfit(_nodes(30), VALUES[:, 0].astype(float), 9)
            / np.sqrt(2 * np.arange(10) + 1)[:, None]  # these are orthonormal in the mean
        ),
        here=lambda: _fitted(VALUES[:, 0], (9,), "legendre"),
    ),
)


@pytest.mark.parametrize("statement", PUBLISHED, ids=lambda s: s.name)
def test_it_is_the_published_family(statement: Published) -> None:
    check(statement)


def test_chebyshev_is_the_cosine_of_multiples_of_the_angle() -> None:
    angle = torch.linspace(0, torch.pi, 301, dtype=torch.float64)
    expected = torch.cos(angle.unsqueeze(-1) * torch.arange(512))
    assert_near(polynomials(angle.cos(), 511, "chebyshev"), expected, 1e-9)


def test_legendre_is_orthonormal_in_the_mean() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(64)
    basis = polynomials(torch.from_numpy(nodes), 60, "legendre")
    gram = basis.T @ (torch.from_numpy(weights / 2).unsqueeze(-1) * basis)
    assert_near(gram, torch.eye(61, dtype=torch.float64), 1e-11)


@pytest.mark.parametrize("basis", BOTH)
def test_a_polynomial_is_fitted_exactly_on_a_lattice(basis: Basis) -> None:
    x, y = np.meshgrid((np.arange(20) + 0.5) / 20, (np.arange(30) + 0.5) / 30, indexing="ij")
    values = (1 - 2 * x + 3 * x**3 * y**2 - y**4).astype(np.float32)
    done = fit(Array.of_array(values), {"type": "chebyshev", "basis": basis, "degree": [3, 4]})
    assert done.steps == 0
    assert done.metrics["max_error"] < 1e-5


def scattered(n: int, generator: torch.Generator) -> Samples:
    x = torch.rand(n, 2, generator=generator)
    y = (x[:, :1] ** 2 - x[:, 1:] * x[:, :1]).cos()
    return Samples(Spec("shape", 2, 1, None), n, lambda index: (x[index], y[index]))


@pytest.mark.parametrize("basis", BOTH)
def test_both_solutions_are_dense_least_squares(basis: Basis, generator: torch.Generator) -> None:
    values = torch.randn(18, 15, 2, generator=generator)
    x = torch.stack(torch.meshgrid((torch.arange(18) + 0.5) / 18, (torch.arange(15) + 0.5) / 15, indexing="ij"), -1)
    flat_x, flat_y = x.reshape(-1, 2), values.reshape(-1, 2)
    spec = Spec("array", 2, 2, (18, 15))
    for order, kind in (((0, 1), "array"), (None, "shape")):
        own = Spec(kind, 2, 2, (18, 15) if order else None)
        samples = Samples(own, len(flat_x), lambda index: (flat_x[index], flat_y[index]), order)
        field = Chebyshev(basis=basis, degree=(4, 3), rcond=1e-6).resolve(spec).build(spec, generator).double()
        field.initialise(samples, generator)
        p, q = (polynomials(2 * flat_x[:, d].double() - 1, k, basis) for d, k in ((0, 4), (1, 3)))
        design = (p[:, :, None] * q[:, None, :]).flatten(1)
        expected = torch.linalg.lstsq(design, flat_y.double()).solution.reshape(5, 4, 2)
        assert_near(field.state_dict()["coefficients"], expected, 1e-6)


def test_scattered_samples_of_a_smooth_function_are_met(generator: torch.Generator) -> None:
    samples = scattered(2000, generator)
    # The default `rcond` may drop a direction that a corner needs, for some draws of the samples.
    field = Chebyshev(degree=(8,), rcond=1e-6).resolve(samples.spec).build(samples.spec, generator)
    field.initialise(samples, generator)
    x, y = samples.at(torch.arange(2000))
    assert (field(x) - y).abs().max() < 1e-4


def test_degrees_follow_the_samples_and_the_budget() -> None:
    assert Chebyshev().resolve(Spec("array", 2, 1, (64, 32))).degree == (31, 15)
    wide = Chebyshev(budget=128).resolve(Spec("array", 2, 1, (64, 32))).degree
    assert wide == (15, 7)
    assert Chebyshev().resolve(Spec("shape", 3, 1, None)).degree == (11, 11, 11)
    with pytest.raises(ConfigError, match="terms, expected at most"):
        Chebyshev(degree=(40,)).resolve(Spec("shape", 3, 1, None))
    with pytest.raises(ConfigError, match="degree has 3 numbers"):
        Chebyshev(degree=(4, 4, 4)).resolve(Spec("array", 2, 1, (64, 32)))
