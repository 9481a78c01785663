"""Radial kernels, and their centres and widths from the signal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from torch import Tensor

from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.encodings.centres import covariances, detail, inverse_roots, kmeans, spread
from inr.encodings.kernels import Kernels
from inr.kernels.knn import knn
from inr.kernels.radial import HALF_WIDTH, Kernel, radial, smoothness
from tests.assertions import assert_near

CLOSED: dict[str, Callable[[float], float]] = {
    "inverse_quadric": lambda r: 1 / (1 + r * r),
    "inverse_multiquadric": lambda r: 1 / math.sqrt(1 + r * r),
    "inverse_linear": lambda r: 1 / r,
    "inverse_cubic": lambda r: 1 / r**3,
    "gauss": lambda r: math.exp(-r * r / 2),
    "gauss_squared": lambda r: math.exp(-((r * r / 2) ** 2)),
    "markov": lambda r: math.exp(-r),
    "exp_sine": lambda r: math.exp(-math.sin(r)),
    "quadric": lambda r: 1 + r * r,
    "multiquadric": lambda r: math.sqrt(1 + r * r),
    "linear": lambda r: r,
    "cubic": lambda r: r**3,
    "thin_plate": lambda r: r * r * math.log(r),
}


@pytest.mark.parametrize("kernel", CLOSED)
def test_kernels_are_their_closed_forms_of_the_distance(kernel: Kernel, generator: torch.Generator) -> None:
    y = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    expected = torch.tensor([CLOSED[kernel](float(r)) for r in y.norm(dim=-1)], dtype=torch.float64)
    assert_near(radial(y, kernel), expected, 1e-9)


def test_the_tent_is_a_product_over_axes() -> None:
    y = torch.tensor([[0.25, -0.5], [0.0, 0.0], [1.5, 0.1]])
    assert radial(y, "tent").tolist() == [0.375, 1.0, 0.0]
    assert set(get_args(Kernel)) == {*CLOSED, "tent"}


@pytest.mark.parametrize("kernel", get_args(Kernel))
def test_a_centre_has_a_value_and_gradient(kernel: Kernel) -> None:
    y = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    value = radial(y, kernel)
    (g,) = torch.autograd.grad(value.sum(), y)
    assert torch.isfinite(value).all()
    assert torch.isfinite(g).all()


@pytest.mark.parametrize("kernel", [k for k in get_args(Kernel) if smoothness(k) >= 2])
def test_kernels_declared_with_two_derivatives_have_them(kernel: Kernel, generator: torch.Generator) -> None:
    y = torch.randn(5, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda at: radial(at, kernel), (y,))


def test_widths_make_kernels_one_half_at_the_same_distance() -> None:
    for kernel in ("inverse_quadric", "inverse_multiquadric", "tent"):
        variance = torch.tensor([[[0.09]]], dtype=torch.float64)
        wide = torch.tensor([9.0], dtype=torch.float64)
        root = inverse_roots(variance, "scalar", HALF_WIDTH.get(kernel, 1.0), 0 * wide, wide)
        assert_near(radial(root[:, None] * 0.3, kernel), torch.tensor([0.5], dtype=torch.float64), 1e-12)


# -- k-means


def _cloud(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    points = torch.rand(600, 2, generator=generator, dtype=torch.float64)
    return points, points[:, 0] ** 4 + 1e-3


def _objective(points: Tensor, weights: Tensor, centres: Tensor) -> float:
    nearest = centres[knn(points, centres, 1)[:, 0]]
    return float((weights * (points - nearest).square().sum(-1)).sum())


def test_every_iteration_lowers_the_weighted_objective(generator: torch.Generator) -> None:
    points, weights = _cloud(generator)
    values = [
        _objective(points, weights, kmeans(points, weights, 12, i, torch.Generator().manual_seed(3))) for i in range(8)
    ]
    assert all(b <= a for a, b in itertools.pairwise(values))
    assert values[-1] < 0.8 * values[0]


def test_centres_are_weighted_means_and_depend_on_the_seed_alone(generator: torch.Generator) -> None:
    points, weights = _cloud(generator)
    one, two, other = (kmeans(points, weights, 9, 60, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    label = knn(points, one, 1)[:, 0]
    for i in range(9):
        own = label == i
        assert_near(one[i], (weights[own, None] * points[own]).sum(0) / weights[own].sum(), 1e-9)


def test_heavy_points_are_drawn_first_and_centres_without_weight_stay(generator: torch.Generator) -> None:
    points = torch.tensor([[0.0], [0.1], [0.9], [1.0]], dtype=torch.float64)
    weights = torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=torch.float64)
    assert kmeans(points, weights, 1, 0, generator).item() == 0.1
    assert sorted(kmeans(points, weights, 4, 5, generator).flatten().tolist()) == [0.0, 0.1, 0.9, 1.0]


def test_covariances_are_twice_the_weighted_moments_of_a_cluster(generator: torch.Generator) -> None:
    points, weights = _cloud(generator)
    centres = torch.tensor([[0.5, 0.5], [9.0, 9.0]], dtype=torch.float64)
    offset = points - centres[0]
    moment = (offset.T * weights) @ offset / weights.sum()
    full, diagonal, scalar = (covariances(points, weights, centres, s) for s in ("full", "diagonal", "scalar"))
    assert_near(full[0], 2 * moment, 1e-12)
    assert_near(diagonal[0], torch.diag(2 * moment.diagonal()), 1e-12)
    assert_near(scalar[0], 2 * moment.trace() * torch.eye(2, dtype=torch.float64), 1e-12)
    assert torch.equal(full[1], 1e-10 * torch.eye(2, dtype=torch.float64))


def test_shapes_are_scaled_then_clipped_then_inverted() -> None:
    """A variance below the floor is raised to it after the kernel's factor, and only then the matrix is inverted."""
    covariance = torch.tensor([[[4.0, 3.0], [3.0, 0.25]]], dtype=torch.float64)
    low, high = torch.tensor([0.1, 1.0], dtype=torch.float64), torch.tensor([3.0, 9.0], dtype=torch.float64)
    root = inverse_roots(covariance, "full", 4.0, low, high)[0]
    off = 0.999 * math.sqrt(9.0 * 1.0)  # 16 -> 9 and 1 -> 1; the off-diagonal 12 would make it indefinite
    expected = torch.tensor([[9.0, off], [off, 1.0]], dtype=torch.float64)
    assert_near(torch.linalg.inv(root.T @ root), expected, 1e-6)
    assert_near(root @ expected @ root.T, torch.eye(2, dtype=torch.float64), 1e-6)
    assert_near(inverse_roots(covariance, "diagonal", 4.0, low, high)[0], torch.tensor([1 / 3, 1.0]).double(), 1e-6)


# -- detail of the signal


def _ramp(order: tuple[int, ...], values: Tensor) -> Samples:
    shape = tuple(values.shape[order[d]] for d in range(values.ndim))
    flat = values.reshape(-1, 1)
    return Samples(Spec("array", values.ndim, 1, shape), len(flat), lambda i: (torch.zeros(len(i), 2), flat[i]), order)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_detail_is_the_sobel_gradient_in_the_order_of_the_samples(order: tuple[int, ...]) -> None:
    values = torch.zeros(6, 9)
    values[2:, :] = 1.0
    found = detail(_ramp(order, values), torch.arange(54)).reshape(6, 9)
    assert_near(found.mean(), torch.tensor(1.0).double(), 1e-12)
    assert (found[1:3] > 0).all()
    assert found[0].abs().max() == found[3:].abs().max() == 0
    flat = detail(_ramp(order, torch.ones(6, 9)), torch.arange(54))
    assert torch.equal(flat, torch.ones(54).double())


def test_without_a_lattice_detail_is_the_nearness_of_the_surface() -> None:
    y = torch.tensor([[0.5], [-0.25], [1.0]])
    samples = Samples(Spec("shape", 3, 1), 3, lambda i: (torch.zeros(len(i), 3), y[i]))
    assert_near(detail(samples, torch.arange(3)), torch.tensor([2.0, 4.0, 1.0]).double() * 3 / 7, 1e-6)


def test_points_are_spread_over_the_box(generator: torch.Generator) -> None:
    points = spread(400, (1.0, 0.5), generator)
    counts = torch.bincount((points[:, 0] * 5).long() * 5 + (points[:, 1] * 10).long(), minlength=25)
    assert points.min() >= 0
    assert counts.min() >= 13  # 16 in each of 25 cells
    assert counts.max() <= 19


def test_normalised_kernels_are_a_partition_of_unity(generator: torch.Generator) -> None:
    spec = Spec("array", 2, 1, (12, 8))
    encoding = Kernels(is_normalised=True, n_centres=20).resolve(spec).build(2, generator)
    e = encoding(torch.rand(50, 2, generator=generator))
    assert e.shape == (50, 20)
    assert (e >= 0).all()
    assert_near(e.sum(-1), torch.ones(50), 1e-5)
