"""What samplers share: lattices, error maps, edges, shares of the samples."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.samples import Samples

Growth = Literal["constant", "linear", "step", "cosine"]


def share_at(share: float, growth: Growth, progress: float) -> float:
    """A share that stays, or grows to 1 over the run: linearly, in ten equal steps, or as a half cosine."""
    if growth == "constant":
        return share
    if growth == "step":
        done = math.floor(10 * progress) / 10
    else:
        done = progress if growth == "linear" else 0.5 * (1 - math.cos(math.pi * progress))
    return share + (1 - share) * min(1.0, done)


def count_at(share: float | None, size: int, batch: int) -> int:
    """Samples per step: a share of all samples (None: of no meaning), at least 1 and at most the batch."""
    wanted = batch if share is None else round(share * size)
    return max(1, min(wanted, batch, size))


def lattice_of(samples: Samples, sampler: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(samples per coordinate, array axis per coordinate). Raises UsageError where the samples are not a lattice."""
    if samples.spec.shape is None or samples.order is None:
        raise UsageError(
            f"sampler {sampler!r} needs samples on a lattice, but this signal is of kind {samples.spec.kind!r}",
            "use `fit.sampler=shuffled`",
        )
    return samples.spec.shape, samples.order


def strides_of(shape: tuple[int, ...], order: tuple[int, ...]) -> tuple[int, ...]:
    """Steps of the flat index per coordinate."""
    strides, stride = [0] * len(shape), 1
    for axis in reversed(range(len(shape))):
        d = order.index(axis)
        strides[d], stride = stride, stride * shape[d]
    return tuple(strides)


def array_shape(shape: tuple[int, ...], order: tuple[int, ...]) -> tuple[int, ...]:
    """Samples per array axis, over which flat indices are row-major."""
    return tuple(shape[order.index(axis)] for axis in range(len(shape)))


GREY = (0.2989, 0.587, 0.114)
"""Weights of red, green and blue in the luminance that the published samplers look at."""


def grey(values: Tensor) -> Tensor:
    """Luminance [*B, 1] of three channels; any other number of channels [*B, C] unchanged."""
    return (values @ values.new_tensor(GREY))[..., None] if values.shape[-1] == 3 else values


def laplacian(values: Tensor) -> Tensor:
    """Sum of neighbours minus 2 D times the middle, over the leading axes of [*shape, C]; 0 outside."""
    total = -2 * (values.ndim - 1) * values
    for axis in range(values.ndim - 1):
        n = values.shape[axis]
        total.narrow(axis, 0, n - 1).add_(values.narrow(axis, 1, n - 1))
        total.narrow(axis, 1, n - 1).add_(values.narrow(axis, 0, n - 1))
    return total


def edge_strength(samples: Samples, shape: tuple[int, ...]) -> Tensor:
    """Length of the Sobel gradient of the luminance, by flat index. shape: per array axis."""
    from scipy import ndimage

    y = grey(samples.at(torch.arange(samples.size))[1]).mean(-1).reshape(shape).numpy()
    return torch.from_numpy(np.ascontiguousarray(ndimage.generic_gradient_magnitude(y, ndimage.sobel))).flatten()


def cumulated(weights: Tensor) -> Tensor:
    """Cumulated probabilities [N] (float64) proportional to non-negative weights; uniform where all are 0."""
    total = weights.double().cumsum(0)
    if float(total[-1]) > 0:
        return total / total[-1]
    return torch.arange(1, len(weights) + 1, dtype=torch.float64) / len(weights)


def drawn_from(cumulative: Tensor, n: int, generator: Generator) -> Tensor:
    """n indices, with replacement."""
    uniform = torch.rand(n, generator=generator, dtype=torch.float64)
    return torch.searchsorted(cumulative, uniform, right=True).clamp(max=len(cumulative) - 1)


def in_order(index: Tensor) -> Tensor:
    """Sorted, for which the pool and grid encodings thank with fewer cache misses."""
    if index.device.type != "cpu":
        return index.sort().values
    return torch.from_numpy(np.sort(index.numpy()))  # several times quicker than torch.sort


def some_of(pool: Tensor, n: int, generator: Generator) -> Tensor:
    """n entries without replacement, or all of them."""
    return pool if n >= len(pool) else pool[torch.randperm(len(pool), generator=generator)[:n]]


def without(size: int, taken: Tensor) -> Tensor:
    """The indices below `size` that are not in `taken`."""
    is_left = torch.ones(size, dtype=torch.bool)
    is_left[taken] = False
    return is_left.nonzero().flatten()
