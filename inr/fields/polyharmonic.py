"""Polyharmonic splines.  Duchon 1977, doi:10.1007/BFb0086566; Wendland 2004, Scattered Data Approximation."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.samples import Samples
from inr.encodings import EncodingConfig
from inr.encodings.concat import Concat, ConcatEncoding
from inr.encodings.identity import Identity
from inr.encodings.kernels import Kernels, KernelsEncoding
from inr.fields._field import FIELDS, Field
from inr.fields._limits import Limits
from inr.fields.kernel_sum import FEW_CENTRES, KernelSumField, refuse_points
from inr.fields.mlp import Mlp
from inr.kernels.radial import Kernel
from inr.layers.initialisers.least_squares import NormalEquations
from inr.layers.linear.dense import DenseLinear

MAX_SAMPLES = 2**15
_ROWS = 2**9
SPLINES = ("linear", "cubic", "thin_plate")
_LEAST_BENDING: Mapping[int, Kernel] = {1: "cubic", 2: "thin_plate", 3: "linear"}


@FIELDS.register("polyharmonic")
@dataclass(frozen=True, kw_only=True)
class Polyharmonic(Mlp):
    """Polyharmonic spline: f(x) = sum_i w_i phi(|x - c_i|) + v.[1, x], solved in closed form, no training.

    phi = r ("linear"), r^3 ("cubic") or r^2 ln r ("thin_plate"), with sum_i w_i [1, c_i] = 0. If the samples are the
    centres (up to 1024 by default, of distances 2048), the spline interpolates them:

        [[A + smoothing I, P], [P^T, 0]] [w; v] = [y; 0],   A_ij = phi(|c_i - c_j|), P = [1, c]

    Otherwise w and v are the least-squares fit to at most 2^15 samples under the same side condition. Solution and
    evaluation use float64, because the terms cancel. Default phi: r^3, r^2 ln r and r in 1, 2 and 3 dimensions, the
    splines of least bending energy (r in 4 dimensions).
    """

    paper: ClassVar[str] = "Duchon 1977, doi:10.1007/BFb0086566"
    limits: ClassVar[Limits] = FEW_CENTRES

    encoding: EncodingConfig = param(
        Concat(first=Kernels(overlap=None), second=Identity()), "kernels beside coordinates"
    )
    depth: int = param(0, "no layers: the sum is the output", ge=0, le=0)
    smoothing: float = param(0.0, "added to the diagonal of A; 0 interpolates", ge=0)

    def resolve(self, spec: Spec) -> Self:
        refuse_points(spec)
        kernels = self.encoding.first if isinstance(self.encoding, Concat) else None
        if not isinstance(kernels, Kernels) or kernels.kernel not in (None, *SPLINES):
            raise ConfigError(
                ["field.encoding is expected to be concat of kernels (linear, cubic or thin_plate) and identity"]
            )
        kernel = kernels.kernel or _LEAST_BENDING.get(spec.d_in, "linear")
        assert isinstance(self.encoding, Concat)
        encoding = dataclasses.replace(self.encoding, first=dataclasses.replace(kernels, kernel=kernel))
        return super(Polyharmonic, dataclasses.replace(self, encoding=encoding)).resolve(spec)

    def build(self, spec: Spec, generator: Generator) -> Field:
        return PolyharmonicField(self, spec, generator)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Nothing to train."""
        return {"steps": 0}


class PolyharmonicField(KernelSumField):
    """Last linear map: [w, v] on [phi, 2 x - 1] and a bias, stored in float64."""

    def __init__(self, config: Polyharmonic, spec: Spec, generator: Generator) -> None:
        super().__init__(config, spec, generator)
        self.smoothing = config.smoothing
        self.body.last.double()

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.double()).to(x.dtype)

    def initialise(self, samples: Samples, generator: Generator) -> None:
        super().initialise(samples, generator)
        encoding, last = self.body.encoding, self.body.last
        assert isinstance(encoding, ConcatEncoding)
        assert isinstance(encoding.first, KernelsEncoding)
        assert isinstance(last, DenseLinear)
        assert last.bias is not None
        n_centres = len(encoding.first.centres)
        with torch.no_grad():
            centres = encoding.first.centres.double() / encoding.first.sides.double()
            polynomial = _features(encoding, centres)[:, n_centres:]
            if samples.size <= n_centres:
                x, y = samples.at(torch.arange(samples.size))
                solution = _interpolate(_features(encoding, x), y.double(), polynomial, self.smoothing)
            else:
                x, y = samples.subset(MAX_SAMPLES, generator)
                solution = _approximate(encoding, x, y, polynomial, self.smoothing)
            last.weight.copy_(solution[:-1].T)
            last.bias.copy_(solution[-1])


def _features(encoding: ConcatEncoding, x: Tensor) -> Tensor:
    """[phi, 2 x - 1, 1] at points [N, D]: [N, M + D + 1], float64."""
    e = encoding(x.double())
    return torch.cat([e, torch.ones_like(e[:, :1])], dim=-1)


def _interpolate(features: Tensor, y: Tensor, polynomial: Tensor, smoothing: float) -> Tensor:
    """[w; v]: from the saddle-point system on the first N centres, which are the samples; the others get weight 0."""
    n, q = len(y), polynomial.shape[1]
    phi, p = features[:, :n], features[:, -q:]
    system = torch.cat(
        [
            torch.cat([phi + smoothing * torch.eye(n, dtype=phi.dtype), p], dim=1),
            torch.cat([p.T, p.new_zeros(q, q)], dim=1),
        ]
    )
    right = torch.cat([y, y.new_zeros(q, y.shape[1])])
    found = _solve(system, right)
    weights = found.new_zeros(len(polynomial), y.shape[1])
    weights[:n] = found[:n]
    return torch.cat([weights, found[n:]])


def _approximate(encoding: ConcatEncoding, x: Tensor, y: Tensor, polynomial: Tensor, smoothing: float) -> Tensor:
    """[w; v] = argmin |Phi w + P v - y|^2 + smoothing |w|^2 with polynomial^T w = 0: w = Z z, Z its null space."""
    m, q = polynomial.shape
    reflectors, scale = torch.geqrf(polynomial)  # of a complete Q, of which Z is all but the first q columns
    equations = NormalEquations(m, y.shape[1])
    for part, values in zip(torch.split(x, _ROWS), torch.split(y.double(), _ROWS), strict=True):
        features = _features(encoding, part)
        rotated = torch.ormqr(reflectors, scale, features[:, :m].contiguous(), left=False)
        equations.add(torch.cat([rotated[:, q:], features[:, m:]], dim=1), values)
    found = equations.solve(1e-14, m - q, smoothing)
    z = torch.cat([found.new_zeros(q, y.shape[1]), found[: m - q]])
    return torch.cat([torch.ormqr(reflectors, scale, z), found[m - q :]])


def _solve(system: Tensor, right: Tensor) -> Tensor:
    """LU with one refinement step; for a singular system (coinciding samples), the minimum-norm solution."""
    factors, pivots, fails = torch.linalg.lu_factor_ex(system)
    steps = factors.diagonal().abs()
    if fails or not steps.min() > len(system) * torch.finfo(system.dtype).eps * steps.max():
        least: Tensor = torch.linalg.lstsq(system, right, driver="gelsy").solution
        return least
    found: Tensor = torch.linalg.lu_solve(factors, pivots, right)
    correction: Tensor = torch.linalg.lu_solve(factors, pivots, right - system @ found)
    return found + correction
