"""Least squares in a tensor product of orthogonal polynomials (Mason and Handscomb 2003, chapters 2 and 4)."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor, nn

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.gradient_factors import Factor, HasGradientFactors, factor
from inr.core.samples import Samples
from inr.fields._field import FIELDS, Field, FieldConfig
from inr.fields._limits import Limits
from inr.kernels.polynomials import Basis, polynomials

MAX_DEGREE = 511
SCATTERED_TERMS = 2**12
"""Largest number of terms for scattered samples: their normal equations are dense (seconds to a minute)."""
SCATTERED_BUDGET = 12**3
SCATTERED_SAMPLES = 2**15
CHUNK = 2**11


@FIELDS.register("chebyshev")
@dataclass(frozen=True, kw_only=True)
class Chebyshev(FieldConfig):
    """Tensor product of Chebyshev or Legendre polynomials, fitted in closed form: no training.

    z(x) = sum_k c_k prod_d T_(k_d)(u_d), u = 2 x - 1 clamped to [-1, 1], k_d <= degree_d. On a lattice c is the
    least-squares solution, computed axis by axis (the pseudo-inverse of a product is the product of the
    pseudo-inverses), in float64; for scattered samples, by the normal equations of up to 2^15 of them. Singular values
    below `rcond` of the largest are dropped: equispaced samples do not determine a polynomial of degree n near the ends
    (Runge), and this prevents overshoot there (Adcock and Huybrechs 2019, arXiv:1612.04464). If none are dropped the
    solution is exact. For smooth signals; edges in pictures ring.

    Default degrees: half the samples of the axis, at most 511, reduced in equal proportion if the terms exceed
    `budget`; without a lattice the same for all axes. Point clouds have no values to solve for and are trained.
    """

    paper: ClassVar[str] = "Mason and Handscomb 2003; Adcock and Huybrechs 2019, arXiv:1612.04464"
    limits: ClassVar[Limits] = Limits(
        pictures=(
            "A picture of 256 x 256 pixels has degree 127 per axis, a quarter as many terms as pixels: fine texture "
            "has no terms, and edges ring."
        ),
        sound=(
            "A polynomial of degree n has at most n zeros, and the degree is at most 511; two seconds of music change "
            "sign thousands of times."
        ),
        shapes=(
            "Scattered samples are solved by dense normal equations, hence degree 11 per axis: thin parts and creases "
            "are smoothed."
        ),
        purpose="It is for smooth functions, which it fits without training.",
    )

    basis: Basis = param("chebyshev", "orthogonal polynomials")
    degree: tuple[int, ...] | None = param(None, "largest degree per axis (one number: all axes)", ge=0, le=MAX_DEGREE)
    budget: int | None = param(None, "terms per channel if degree is none; none: 2^16, scattered samples 12^3", ge=1)
    rcond: float = param(0.03, "singular values below this share of the largest are dropped", gt=0, lt=1)

    def resolve(self, spec: Spec) -> Self:
        budget = self.budget or (2**16 if spec.shape is not None else SCATTERED_BUDGET)
        degree = _degrees(spec, budget) if self.degree is None else self.degree
        if len(degree) == 1:
            degree = degree * spec.d_in
        if len(degree) != spec.d_in:
            raise ConfigError([f"degree has {len(degree)} numbers, expected one per axis ({spec.d_in})"])
        n_terms = math.prod(k + 1 for k in degree)
        if spec.shape is None and n_terms > SCATTERED_TERMS:
            raise ConfigError(
                [f"degree {degree} has {n_terms} terms, expected at most {SCATTERED_TERMS} for scattered samples"],
                "use a smaller `field.degree`",
            )
        return dataclasses.replace(self, degree=degree, budget=budget)

    def build(self, spec: Spec, generator: Generator) -> Field:
        return ChebyshevField(self, spec, generator)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """No steps: initialisation solves the problem. (More steps, or another loss, continue from there.)"""
        if spec.traits.is_surface_only:
            return {"lr": 1e-3, "steps": 1000, "batch": 4096}
        return {"steps": 0}


def _degrees(spec: Spec, budget: int) -> tuple[int, ...]:
    n_max = MAX_DEGREE + 1
    if spec.shape is None:
        terms = [min(n_max, int(budget ** (1 / spec.d_in) + 1e-9))] * spec.d_in
    else:
        wanted = [min(n_max, max(1, n // 2)) for n in spec.shape]
        share = min(1.0, (budget / math.prod(wanted)) ** (1 / spec.d_in))
        terms = [max(1, int(n * share)) for n in wanted]
    return tuple(n - 1 for n in terms)


class ChebyshevField(Field, HasGradientFactors):
    smoothness = math.inf
    boundary = "clamp"
    role = "last"

    def __init__(self, config: Chebyshev, spec: Spec, generator: Generator) -> None:
        super().__init__()
        assert config.degree is not None
        self.config: Chebyshev = config
        self.d_in, self.d_out = spec.d_in, spec.d_out
        n_terms = tuple(k + 1 for k in config.degree)
        drawn = torch.randn(*n_terms, spec.d_out, generator=generator)
        self.coefficients = nn.Parameter(drawn / math.sqrt(math.prod(n_terms)))  # until `initialise`

    def _bases(self, axes: Sequence[Tensor]) -> list[Tensor]:
        """Polynomials [n_d, degree_d + 1] at coordinates [n_d] of every axis, in float64."""
        return [
            polynomials(2.0 * x.to(torch.float64).clamp(0.0, 1.0) - 1.0, n - 1, self.config.basis)
            for x, n in zip(axes, self.coefficients.shape[:-1], strict=True)
        ]

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, self.d_in)
        first, *others = (b.to(self.coefficients.dtype) for b in self._bases(flat.unbind(-1)))
        value = first @ self.coefficients.flatten(1)
        for basis in others:
            n_terms = basis.shape[1]
            table = value.reshape(flat.shape[0], n_terms, value.shape[1] // n_terms)
            value = torch.einsum("nk,nkr->nr", basis, table)
        return value.reshape(*x.shape[:-1], self.d_out)

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """The product of the axes' polynomials: the field is linear in its coefficients."""
        bases = (b.to(self.coefficients.dtype) for b in self._bases(inputs[0].unbind(-1)))
        return [factor(*bases, cotangent=cotangent)]

    def on_grid(self, axes: Sequence[Tensor]) -> Tensor:
        return _along_axes([b.to(self.coefficients.dtype) for b in self._bases(axes)], self.coefficients)

    def initialise(self, samples: Samples, generator: Generator) -> None:
        """Solve for the coefficients. Does nothing for point clouds, whose values are all 0."""
        super().initialise(samples, generator)
        if samples.spec.traits.is_surface_only:
            return
        grid = samples.grid()
        solved = self._solve_scattered(samples, generator) if grid is None else self._solve_grid(grid)
        with torch.no_grad():
            self.coefficients.copy_(solved.reshape(self.coefficients.shape))

    def _solve_grid(self, grid: Tensor) -> Tensor:
        axes = [(torch.arange(n, dtype=torch.float64, device=grid.device) + 0.5) / n for n in grid.shape[:-1]]
        inverses = [torch.linalg.pinv(b, rtol=self.config.rcond) for b in self._bases(axes)]
        return _along_axes(inverses, grid.to(torch.float64))

    def _solve_scattered(self, samples: Samples, generator: Generator) -> Tensor:
        x, y = samples.subset(SCATTERED_SAMPLES, generator)
        n_terms = self.coefficients.shape[:-1].numel()
        gram = torch.zeros(n_terms, n_terms, dtype=torch.float64, device=x.device)
        moment = torch.zeros(n_terms, self.d_out, dtype=torch.float64, device=x.device)
        for x_part, y_part in zip(torch.split(x, CHUNK), torch.split(y, CHUNK), strict=True):
            first, *others = self._bases(x_part.unbind(-1))
            for basis in others:
                first = (first.unsqueeze(-1) * basis.unsqueeze(1)).flatten(1)
            gram += first.T @ first
            moment += first.T @ y_part.to(torch.float64)
        inverse: Tensor = torch.linalg.pinv(gram, rtol=self.config.rcond**2, hermitian=True)
        return inverse @ moment


def _along_axes(matrices: Sequence[Tensor], values: Tensor) -> Tensor:
    """Matrix d [m_d, n_d] applied along axis d of values [n_1, ..., n_D, C]: [m_1, ..., m_D, C]."""
    for d, matrix in enumerate(matrices):
        values = torch.tensordot(matrix, values, dims=([1], [d])).movedim(0, d)
    return values
