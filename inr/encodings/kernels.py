"""The values of all kernels at a point: the features of sums of radial basis functions."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.samples import DataDependentInit, Samples
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.encodings.centres import MAX_POINTS, detail, isotropic_sides, kmeans, spacing, spread
from inr.kernels.kernel_sum import kernel_sum
from inr.kernels.kernel_sum.reference import squares
from inr.kernels.knn import knn
from inr.kernels.radial import Kernel, radial, radial_of_square, smoothness

MOST_CENTRES, OF_DISTANCES = 1024, 2048
"""By default, of lattices and of distances; `armadillo.obj` gets IoU .94 with 1024."""


@ENCODINGS.register("kernels")
@dataclass(frozen=True, kw_only=True)
class Kernels(EncodingConfig):
    """e_i = phi(|p - c_i| / s_i) for all M centres, with p = sides * x and phi of `inr.kernels.radial`: e [*B, M].

    The centres are the samples if there are at most M, else their k-means. s_i is `overlap` times the mean distance to
    the nearest 2 D centres; without `overlap` it is 1/2 (phi then uses coordinates on [-1, 1]). With `is_normalised`, e
    is divided by its sum: a partition of unity. Centres and widths are fixed. M is at most 4096, because closed forms
    solve a dense system for the weights.
    """

    n_centres: int | None = param(None, "centres M; none: the samples, at most 1024; distances: 2048", ge=1, le=2**12)
    kernel: Kernel | None = param(None, "radial function; none: gauss")
    overlap: float | None = param(1.0, "width in distances between centres; none: 1/2 for all", gt=0)
    placement: Literal["detail", "even"] | None = param(
        None, "weights of k-means; none: by detail (NeuRBF) on lattices, uniform for distances"
    )
    is_normalised: bool = param(False, "divide by the sum over all kernels")
    iterations: int = param(10, "iterations of k-means", ge=0, le=1000)
    sides: tuple[float, ...] | None = param(None, "lengths of the box's sides; none: samples equally far apart", gt=0)

    def resolve(self, spec: Spec) -> Self:
        sides = self.sides or isotropic_sides(spec)
        if len(sides) != spec.d_in:
            raise ConfigError([f"sides has {len(sides)} numbers, expected one per axis ({spec.d_in})"])
        most = OF_DISTANCES if spec.has_distances else MOST_CENTRES
        n_samples = most if spec.shape is None else math.prod(spec.shape)
        return dataclasses.replace(
            self,
            n_centres=self.n_centres or min(most, n_samples),
            kernel=self.kernel or "gauss",
            placement=self.placement or ("even" if spec.shape is None else "detail"),
            sides=sides,
        )

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return KernelsEncoding(self, generator)


class KernelsEncoding(Encoding, DataDependentInit):
    boundary = "extend"
    pad_value = 0.0
    centres: Tensor  # [M, D], in the box of the sides
    widths: Tensor  # [M]
    sides: Tensor  # [D]

    def __init__(self, config: Kernels, generator: Generator) -> None:
        super().__init__()
        assert config.n_centres is not None
        assert config.sides is not None
        assert config.kernel is not None
        self.config, self.kernel, self.d_out = config, config.kernel, config.n_centres
        self.smoothness = smoothness(self.kernel)
        self.register_buffer("sides", torch.tensor(config.sides), persistent=False)
        self.register_buffer("centres", spread(config.n_centres, config.sides, generator))
        width = 0.5 if config.overlap is None else config.overlap * spacing(config.n_centres, config.sides)
        self.register_buffer("widths", torch.full((config.n_centres,), width))

    def forward(self, x: Tensor) -> Tensor:
        p = x * self.sides
        if self.kernel == "tent":
            e = radial((p.unsqueeze(-2) - self.centres) / self.widths[:, None], self.kernel)
        else:
            q = squares(p, self.centres)
            e = radial_of_square(q / self.widths.square(), self.kernel)
        return e / e.sum(-1, keepdim=True) if self.config.is_normalised else e

    def weighted(self, x: Tensor, weights: Tensor) -> Tensor:
        if self.kernel == "tent":
            return super().weighted(x, weights)
        ones = [torch.ones_like(weights[:, :1])] if self.config.is_normalised else []
        p, centres, widths = (tensor.to(weights) for tensor in (x * self.sides, self.centres, self.widths))
        total = kernel_sum(p, centres, widths, torch.cat([weights, *ones], -1), self.kernel)
        return total[:, :-1] / total[:, -1:] if self.config.is_normalised else total

    def initialise(self, samples: Samples, generator: Generator) -> None:
        """Set centres, and widths from their spacing; kernels in excess of the samples stay unchanged."""
        index = torch.arange(samples.size)
        if samples.size > MAX_POINTS:
            index = torch.randperm(samples.size, generator=generator)[:MAX_POINTS]
        points = samples.at(index)[0].double() * self.sides.double()
        n = min(self.d_out, len(points))
        if len(points) > n:
            weights = detail(samples, index) if self.config.placement == "detail" else torch.ones(len(points)).double()
            points = kmeans(points, weights, n, self.config.iterations, generator)
        self.centres[:n] = points.to(self.centres)
        if self.config.overlap is not None and len(self.centres) > 1:
            k = min(2 * points.shape[1], len(self.centres) - 1)
            near = self.centres[knn(self.centres, self.centres, k + 1)[:, 1:]]
            distance = (near - self.centres[:, None]).norm(dim=-1).mean(-1)
            least = 1e-3 * spacing(self.d_out, self.config.sides or ())  # width of coinciding centres
            self.widths.copy_(self.config.overlap * distance.clamp_min(least))
