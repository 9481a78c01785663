"""Signal-adaptive radial basis functions.  Chen et al. 2023 (NeuRBF), arXiv:2309.15426."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Self

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.core.gradient_factors import Factor, HasGradientFactors, SparseRows, factor
from inr.core.samples import DataDependentInit, Samples
from inr.encodings._encoding import ENCODINGS, Encoding, EncodingConfig
from inr.encodings.centres import (
    MAX_POINTS,
    Shape,
    covariances,
    detail,
    inverse_roots,
    isotropic_sides,
    kmeans,
    spacing,
    spread,
)
from inr.kernels.knn import knn
from inr.kernels.neighbour_sum import neighbour_sum
from inr.kernels.radial import HALF_WIDTH, Kernel, radial_of_axes

SAMPLES_PER_KERNEL = 24


@ENCODINGS.register("rbf")
@dataclass(frozen=True, kw_only=True)
class Rbf(EncodingConfig):
    """Features of the K nearest kernels, modulated by sines of the kernels' values: e [*B, F].

    With p = sides * x, the K centres c_k nearest to p, roots R_k and the kernel phi of `inr.kernels.radial`:

        phi_k = phi(R_k (p - c_k)),  divided by their sum over k
        e = sum_k w_k * sin(phi_k m),   m log-spaced over the F features from `low` to `high`
        e = sum_k w_k * phi_k           without sines

    w_k [F] are trained. Centres and roots are fixed: before the first step, 10 iterations of k-means weighted by detail
    set the centres, and the clusters' covariances set the roots. e jumps where the K-th neighbour changes. The authors
    stop the gradient through the sum over k; with fixed kernels that changes no training step, and here coordinate
    gradients are those of e.

    Defaults, from the paper: on lattices K = 4 and F = 32 with full inverse quadrics and m from 1/8 to 4096; for signed
    distances K = 8 and F = 16 with scalar tents and m from 1 to 8. `n_kernels`: one per 24 samples, 2^14 for distances.
    """

    n_kernels: int | None = param(None, "kernels M", ge=1, le=2**24)
    neighbours: int | None = param(None, "nearest kernels K per point", ge=1, le=64)
    features: int | None = param(None, "features F per kernel", ge=1, le=1024)
    kernel: Kernel | None = param(None, "radial function")
    shape: Shape | None = param(None, "shape of a kernel: one width, one width per axis, or a full covariance")
    is_normalised: bool = param(True, "divide by the sum over the neighbours")
    has_sines: bool = param(True, "weight by sines of the kernels' values instead of the values")
    low: float | None = param(None, "first factor m in the sines", gt=0)
    high: float | None = param(None, "last factor m in the sines", gt=0)
    iterations: int = param(10, "iterations of k-means", ge=0, le=1000)
    init_range: float = param(1e-4, "initial weights are uniform in +- this", gt=0)
    sides: tuple[float, ...] | None = param(None, "lengths of the box's sides; none: samples equally far apart", gt=0)

    def resolve(self, spec: Spec) -> Self:
        is_lattice = spec.shape is not None
        sides = self.sides or isotropic_sides(spec)
        if len(sides) != spec.d_in:
            raise ConfigError([f"sides has {len(sides)} numbers, expected one per axis ({spec.d_in})"])
        n_default = 2**14 if spec.shape is None else max(8, math.prod(spec.shape) // SAMPLES_PER_KERNEL)
        n_kernels = self.n_kernels or n_default
        neighbours = self.neighbours or min(n_kernels, 4 if is_lattice else 8)
        if neighbours > n_kernels:
            raise ConfigError([f"neighbours is {neighbours}, expected at most the number of kernels ({n_kernels})"])
        return dataclasses.replace(
            self,
            n_kernels=n_kernels,
            neighbours=neighbours,
            features=self.features or (32 if is_lattice else 16),
            kernel=self.kernel or ("inverse_quadric" if is_lattice else "tent"),
            shape=self.shape or ("full" if is_lattice else "scalar"),
            low=self.low or (2.0**-3 if is_lattice else 1.0),
            high=self.high or (2.0**12 if is_lattice else 8.0),
            sides=sides,
        )

    def build(self, d_in: int, generator: Generator) -> Encoding:
        return RbfEncoding(self, generator)


class RbfEncoding(Encoding, DataDependentInit, HasGradientFactors):
    smoothness = 0.0
    boundary = "extend"
    pad_value = 0.0
    centres: Tensor  # [M, D], in the box of the sides
    roots: Tensor  # [M], [M, D] or [M, D, D]
    sides: Tensor  # [D]
    factors: Tensor  # [F]

    def __init__(self, config: Rbf, generator: Generator) -> None:
        super().__init__()
        assert config.n_kernels is not None
        assert config.neighbours is not None
        assert config.features is not None
        assert config.kernel is not None
        assert config.shape is not None
        assert config.low is not None
        assert config.high is not None
        assert config.sides is not None
        self.config, self.kernel, self.shape = config, config.kernel, config.shape
        self.neighbours, self.d_out, d_in = config.neighbours, config.features, len(config.sides)
        self.register_buffer("sides", torch.tensor(config.sides), persistent=False)
        self.register_buffer("centres", spread(config.n_kernels, config.sides, generator))
        root = torch.full((config.n_kernels,), 1 / spacing(config.n_kernels, config.sides))
        if self.shape != "scalar":
            root = root[:, None].repeat(1, d_in)
        self.register_buffer("roots", torch.diag_embed(root) if self.shape == "full" else root)
        span = torch.linspace(math.log2(config.low), math.log2(config.high), self.d_out)
        self.register_buffer("factors", torch.exp2(span), persistent=False)
        weight = torch.empty(config.n_kernels, self.d_out)
        self.weight = nn.Parameter(weight.uniform_(-config.init_range, config.init_range, generator=generator))

    def tangent(self, inputs: Sequence[Tensor], cotangent: Tensor) -> list[Factor]:
        """Gradient of the weights: their multipliers at the nearest kernels, per feature if those differ."""
        index, mix = self._mix(inputs[0])
        m = len(self.weight)
        if not self.config.has_sines:
            return [factor(SparseRows(index, mix[..., 0], m), cotangent=cotangent)]
        slopes = torch.split(cotangent, 1, -1)
        return [factor(SparseRows(index, mix[..., f], m), cotangent=slope) for f, slope in enumerate(slopes)]

    def _mix(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The nearest kernels [N, K] of points [N, D], and the multipliers of their weights [N, K, F or 1]."""
        p = x * self.sides
        index = knn(p.detach(), self.centres, self.neighbours)
        phi = self.values(p, index).unsqueeze(-1)
        return index, torch.sin(phi * self.factors) if self.config.has_sines else phi

    def forward(self, x: Tensor) -> Tensor:
        p = x.reshape(-1, x.shape[-1]) * self.sides
        index = knn(p.detach(), self.centres, self.neighbours)
        e = neighbour_sum(self.values(p, index), index, self.weight, self.factors if self.config.has_sines else None)
        return e.reshape(*x.shape[:-1], self.d_out)

    def values(self, p: Tensor, index: Tensor) -> Tensor:
        """phi_k [N, K] of kernels index [N, K] at points p [N, D] in the scaled box."""
        d_in = p.shape[-1]
        centres = functional.embedding(index, self.centres)
        roots = functional.embedding(index, self.roots.reshape(len(self.roots), -1))
        offset = [p[:, d : d + 1] - centres[..., d] for d in range(d_in)]
        if self.shape == "full":
            products = [[roots[..., row * d_in + d] * offset[d] for d in range(d_in)] for row in range(d_in)]
            y = [reduce(torch.add, row) for row in products]
        else:
            y = [roots[..., min(d, roots.shape[-1] - 1)] * offset[d] for d in range(d_in)]
        phi = radial_of_axes(y, self.kernel)
        return phi / (phi.sum(-1, keepdim=True) + 1e-8) if self.config.is_normalised else phi

    def initialise(self, samples: Samples, generator: Generator) -> None:
        """Set centres by weighted k-means, and roots from the clusters; kernels beyond the samples stay unchanged.

        Variances are clipped to the range from (range / samples per axis / 200)^2 to (range / 10)^2.
        """
        index = torch.arange(samples.size)
        if samples.size > MAX_POINTS:
            index = torch.randperm(samples.size, generator=generator)[:MAX_POINTS]
        sides = self.sides.double()
        points = samples.at(index)[0].double() * sides
        weights = detail(samples, index)
        n = min(len(self.centres), len(points))
        centres = kmeans(points, weights, n, self.config.iterations, generator)
        n_per_axis = samples.spec.shape or (samples.size ** (1 / len(sides)),) * len(sides)
        roots = inverse_roots(
            covariances(points, weights, centres, self.shape),
            self.shape,
            HALF_WIDTH.get(self.kernel, 1.0),
            sides / torch.tensor(n_per_axis, dtype=torch.float64) / 200,
            sides / 10,
        )
        self.centres[:n] = centres.to(self.centres)
        self.roots[:n] = roots.to(self.roots)
