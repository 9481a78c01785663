"""Sum of Gaussian radial basis functions, solved in closed form.  Broomhead and Lowe 1988, Complex Systems 2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from torch import Generator

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.kernels import Kernels
from inr.fields._field import FIELDS, Deviation, Field
from inr.fields._limits import Limits
from inr.fields.kernel_sum import FEW_CENTRES, KernelSumField, refuse_points
from inr.fields.mlp import Mlp
from inr.layers import InitialiserConfig
from inr.layers.initialisers.least_squares import LeastSquares


@FIELDS.register("rbf")
@dataclass(frozen=True, kw_only=True)
class RbfSum(Mlp):
    """Sum of Gaussians: f(x) = b + sum_i w_i phi(|x - c_i| / s_i), weights by least squares, no training.

    One centre per sample up to 1024 (distances: 2048), beyond that k-means weighted by the signal's detail (for signed
    distances without weights, because samples already concentrate near the surface). Every centre contributes at every
    point.
    """

    paper: ClassVar[str] = "Broomhead and Lowe 1988, Complex Systems 2, 321-355"
    limits: ClassVar[Limits] = FEW_CENTRES

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.init.ridge",
            "0: the least-squares solution",
            "1e-10 of the mean square of a feature",
            "the weights of overlapping Gaussians would otherwise be too large for float32",
        ),
    )

    encoding: EncodingConfig = param(Kernels(), "kernels, their centres and widths")
    depth: int = param(0, "layers between kernels and the last linear map", ge=0, le=1024)
    init: InitialiserConfig = param(LeastSquares(), "initialiser that solves for the weights")

    def resolve(self, spec: Spec) -> Self:
        refuse_points(spec)
        return super().resolve(spec)

    def build(self, spec: Spec, generator: Generator) -> Field:
        return KernelSumField(self, spec, generator)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Nothing to train."""
        return {"steps": 0}
