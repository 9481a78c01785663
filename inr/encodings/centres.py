"""Centres and widths of kernels: evenly spread before the signal is known, weighted k-means afterwards."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Generator, Tensor

from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.kernels.knn import knn

Shape = Literal["scalar", "diagonal", "full"]
MAX_POINTS = 2**20
"""Largest number of samples for k-means; larger signals are subsampled."""


def isotropic_sides(spec: Spec) -> tuple[float, ...]:
    """Side lengths of the box that give samples the same spacing on every axis; the longest is 1."""
    if spec.shape is None:
        return (1.0,) * spec.d_in
    return tuple(n / max(spec.shape) for n in spec.shape)


def spread(n: int, sides: tuple[float, ...], generator: Generator) -> Tensor:
    """n points [n, D], evenly spread over a box with these sides: an additive recurrence with a random offset.

    Point i is (offset + i a) mod 1 with a_d = g^-d, for the root g of g^(D+1) = g + 1 (Roberts 2018).
    """
    d = len(sides)
    g = 2.0
    for _ in range(64):
        g = (1 + g) ** (1 / (d + 1))
    step = torch.tensor([g ** -(axis + 1) for axis in range(d)], dtype=torch.float64)
    offset = torch.empty(d, dtype=torch.float64).uniform_(generator=generator)
    points = (offset + torch.arange(n, dtype=torch.float64)[:, None] * step) % 1.0
    return (points * torch.tensor(sides, dtype=torch.float64)).float()


def spacing(n: int, sides: tuple[float, ...]) -> float:
    """Side of a cube with 1/n of the box's volume."""
    return float((math.prod(sides) / n) ** (1 / len(sides)))


def detail(samples: Samples, index: Tensor) -> Tensor:
    """Importance [len(index)] of samples (NeuRBF, sections 3.2 and 3.3), with mean 1.

    On a lattice the norm of the Sobel gradient over axes and channels; elsewhere 1 / (|y| + 1e-9), which is large near
    the surface.
    """
    grid = samples.grid()
    if grid is None:
        weights = 1 / (samples.at(index)[1].double().norm(dim=-1) + 1e-9)
    else:
        assert samples.order is not None
        inverse = sorted(range(len(samples.order)), key=samples.order.__getitem__)
        weights = _sobel(grid.double()).permute(*inverse).flatten()[index]
    mean = weights.mean()
    return weights / mean if mean > 0 else torch.ones_like(weights)


def _sobel(grid: Tensor) -> Tensor:
    """Root of the sum over axes and channels of squared Sobel responses: [*shape, C] -> [*shape]."""
    from scipy import ndimage

    values = grid.numpy()
    total = torch.zeros(grid.shape[:-1], dtype=torch.float64)
    for channel in range(values.shape[-1]):
        for axis in range(values.ndim - 1):
            total += torch.from_numpy(ndimage.sobel(values[..., channel], axis, mode="nearest")).square()
    return total.sqrt()


def kmeans(
    points: Tensor,  # [N, D] float64
    weights: Tensor,  # [N]
    n: int,
    iterations: int,
    generator: Generator,
) -> Tensor:  # [n, D]
    """Weighted k-means: starts at n <= N points drawn by weight without replacement, then runs Lloyd's iterations.

    Each iteration moves a centre to the weighted mean of its nearest points; a centre without weight stays.
    """
    noise = torch.empty(len(points), dtype=torch.float64).exponential_(generator=generator)
    drawn = (weights.log() - noise.log()).topk(n).indices  # the n first arrivals of exponential clocks (Gumbel top-k)
    centres = points[drawn]
    for _ in range(iterations):
        label = knn(points, centres, 1)[:, 0]
        mass = torch.zeros(n, dtype=torch.float64).index_add_(0, label, weights)
        total = torch.zeros_like(centres).index_add_(0, label, weights[:, None] * points)
        centres = torch.where(mass[:, None] > 0, total / mass[:, None].clamp_min(1e-300), centres)
    return centres


def covariances(
    points: Tensor,  # [N, D] float64
    weights: Tensor,  # [N]
    centres: Tensor,  # [M, D]
    shape: Shape,
) -> Tensor:  # [M, D, D]
    """Twice the weighted second moment of every cluster about its centre; empty clusters have 1e-10 on the diagonal.

    "diagonal" keeps the diagonal; "scalar" puts its sum on every axis.
    """
    d = points.shape[1]
    label = knn(points, centres, 1)[:, 0]
    offset = points - centres[label]
    moment = (weights[:, None, None] * offset[:, :, None] * offset[:, None, :]).flatten(1)
    mass = torch.zeros(len(centres), dtype=torch.float64).index_add_(0, label, weights)
    total = torch.zeros(len(centres), d * d, dtype=torch.float64).index_add_(0, label, moment)
    mean = (total / mass[:, None].clamp_min(1e-300)).reshape(-1, d, d)
    diagonal = mean.diagonal(dim1=-2, dim2=-1)
    if shape == "diagonal":
        mean = torch.diag_embed(diagonal)
    elif shape == "scalar":
        mean = torch.diag_embed(diagonal.sum(-1, keepdim=True).expand(-1, d))
    empty = 1e-10 * torch.eye(d, dtype=torch.float64)
    return torch.where((mass > 0)[:, None, None], 2 * mean, empty)


def inverse_roots(
    covariance: Tensor,  # [M, D, D] float64
    shape: Shape,
    factor: float,
    low: Tensor,  # [D]
    high: Tensor,  # [D]
) -> Tensor:  # [M], [M, D] or [M, D, D]
    """R with R^T R = S^-1, where S is factor times the covariance, with clipped entries.

    Variances are clipped to [low^2, high^2], then correlations to +-0.999. "full" takes
    R = diag(l)^(-1/2) V^T of S = V diag(l) V^T, so that the rows of R are the kernel's own axes.
    """
    scaled = factor * covariance
    variance = scaled.diagonal(dim1=-2, dim2=-1).clamp(low.square(), high.square())
    if shape == "scalar":
        return variance.amax(-1).rsqrt()
    if shape == "diagonal":
        return variance.rsqrt()
    limit = 0.999 * (variance[:, :, None] * variance[:, None, :]).sqrt()
    clipped = scaled.clamp(-limit, limit)
    clipped = clipped - torch.diag_embed(clipped.diagonal(dim1=-2, dim2=-1)) + torch.diag_embed(variance)
    values, vectors = torch.linalg.eigh(clipped)
    values = values.clamp_min(1e-6 * values[:, -1:])  # in 3-D, clipped correlations may make S indefinite
    roots: Tensor = values.rsqrt()[:, :, None] * vectors.mT
    return roots
