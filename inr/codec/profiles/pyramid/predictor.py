"""The context model of the latents, in integers, so that it predicts the same on every machine.

Numbers have FRACTION bits after the point. Weights are integers times 2^-weight_bits, biases times 2^-bias_bits.
Sums are exact in 64 bits: activations are kept within +-2^30, weights within +-2^17, and no layer has more than 64
inputs, so a sum stays below 2^54.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from inr.codec.entropy.laplace import MU_LIMIT
from inr.codec.profiles.pyramid.architecture import Architecture, Array
from inr.codec.profiles.pyramid.groups import ContextIntegers
from inr.core.jit import compiled
from inr.kernels.simd import INTEGER_LANES as VECTOR
from inr.kernels.simd import add_product, load, store, store_rectified
from inr.kernels.threads import in_parts

FRACTION = 12
LARGEST = 1 << 30
REACH = 4
"""Width of the zero margin around a grid: the largest offset of a neighbour."""
MEAN_BITS = 8
"""Means are in units of 1/256."""
OCTAVE = 23637
"""1024 * 16 / ln 2: sixteenths of an octave in a unit of log-scale."""
UNIT = 96
"""The scale index of b = 1."""
SHIFT = 4
"""Subtracted from the log-scale."""


@dataclass(frozen=True)
class Context:
    """The integers of the model, laid out for `predict`; K is rounded up to LANES."""

    mixes: tuple[Array, ...]  # [F, L - l] each, int64
    weights: Array  # [n_hidden, K, K] int32, inputs first
    biases: Array  # [n_hidden, K] int64
    last: Array  # [K, LANES] int32, of mean and scale
    skip: Array  # [K, LANES] int32
    offset: Array  # [LANES] int64
    weight_bits: int


_LEAST = 64
"""Rows of mixtures that a thread computes, at least."""

LANES = 8
"""K is rounded up to a multiple of this, so that rows are whole vectors on every machine."""


def context_of(architecture: Architecture, integers: ContextIntegers) -> Context:
    """The model laid out for `predict`."""
    symbols, weight_bits = integers.tensors, integers.weight_bits
    k = architecture.n_neighbours + architecture.n_mixtures
    room = -(-k // LANES) * LANES
    n = architecture.n_hidden
    weights, biases = np.zeros((n, room, room), np.int32), np.zeros((n, room), np.int64)
    up = FRACTION + weight_bits - integers.bias_bits
    for i in range(n):
        weights[i, :k, :k] = symbols[f"context{i}.weight"].T.astype(np.int64) + (
            np.eye(k, dtype=np.int64) << weight_bits
        )
        biases[i, :k] = _shifted(symbols[f"context{i}.bias"], up)
    last, skip, offset = np.zeros((room, LANES), np.int32), np.zeros((room, LANES), np.int32), np.zeros(LANES, np.int64)
    last[:k, :2], skip[:k, :2] = symbols[f"context{n}.weight"].T, symbols["context.skip"].T
    offset[:2] = _shifted(symbols[f"context{n}.bias"], up)
    mixes = tuple(symbols[f"mix{level}"].astype(np.int64) for level in range(architecture.n_grids))
    return Context(mixes, weights, biases, last, skip, offset, weight_bits)


def _shifted(values: Array, up: int) -> Array:
    return values.astype(np.int64) << up if up >= 0 else values.astype(np.int64) >> -up


def mixtures(context: Context, grids: list[Array], level: int) -> Array:
    """The mixtures [F, h, w] that a grid gets, at the resolution of the next coarser grid ([F, 1, 1] for the last)."""
    mix = context.mixes[level]
    shape = grids[level + 1].shape if level + 1 < len(grids) else (1, 1)
    total = np.empty((len(mix), *shape), np.int64)
    total[:] = mix[:, -1, None, None]
    for k, grid in enumerate(grids[level + 1 :]):
        in_parts(partial(_add_upsampled, total, grid, mix[:, k].copy(), k), shape[0], _LEAST)
    in_parts(partial(_shift_and_clip, total, context.weight_bits), shape[0], _LEAST)
    return total


@compiled
def _add_upsampled(total: Array, grid: Array, weights: Array, doublings: int, part: int, parts: int) -> None:
    """Add the grid, every number of it 2^doublings times along each axis and times the weight of the plane."""
    n_planes, height, width = total.shape
    for y in range(part * height // parts, (part + 1) * height // parts):
        for f in range(n_planes):
            for x in range(width):
                total[f, y, x] += weights[f] * grid[y >> doublings, x >> doublings]


@compiled
def _shift_and_clip(total: Array, weight_bits: int, part: int, parts: int) -> None:
    n_planes, height, width = total.shape
    for f in range(n_planes):
        for y in range(part * height // parts, (part + 1) * height // parts):
            for x in range(width):
                total[f, y, x] = min(max((total[f, y, x] << FRACTION) >> weight_bits, -LARGEST), LARGEST)


@compiled
def predict(
    near: Array, mixed: Array, weights: Array, biases: Array, last: Array, skip: Array, offset: Array, weight_bits: int,
    places: Array, at: int, above: int, inputs: Array, hidden: Array, outputs: Array,
) -> tuple[int, int]:  # fmt: skip
    """The mean (in 1/256) and the scale index of the number at flat place `at` of the padded grid `near`.

    mixed: [F, n] flat mixtures, `above` the number's place in them. inputs, hidden, outputs: room for K, 2 K and LANES
    numbers.
    """
    n_near, n_mixed, room = len(places), len(mixed), len(hidden) // 2
    for k in range(n_near):
        inputs[k] = near[at + places[k]] << FRACTION
    for f in range(n_mixed):
        inputs[n_near + f] = mixed[f, above]
    hidden[:room] = inputs
    here, there = 0, room
    n_inputs = n_near + n_mixed
    for layer in range(len(weights)):
        weight, bias = weights[layer], biases[layer]
        j = 0
        while j + 4 * VECTOR <= room:  # each factor is loaded once for four vectors
            a, b, c, d = load(bias, j), load(bias, j + VECTOR), load(bias, j + 2 * VECTOR), load(bias, j + 3 * VECTOR)
            for i in range(n_inputs):
                factor, at_weight = hidden[here + i], i * room + j
                a = add_product(a, factor, weight, at_weight)
                b = add_product(b, factor, weight, at_weight + VECTOR)
                c = add_product(c, factor, weight, at_weight + 2 * VECTOR)
                d = add_product(d, factor, weight, at_weight + 3 * VECTOR)
            store_rectified(hidden, there + j, a, weight_bits, LARGEST)
            store_rectified(hidden, there + j + VECTOR, b, weight_bits, LARGEST)
            store_rectified(hidden, there + j + 2 * VECTOR, c, weight_bits, LARGEST)
            store_rectified(hidden, there + j + 3 * VECTOR, d, weight_bits, LARGEST)
            j += 4 * VECTOR
        while j + 2 * VECTOR <= room:
            a, b = load(bias, j), load(bias, j + VECTOR)
            for i in range(n_inputs):
                a = add_product(a, hidden[here + i], weight, i * room + j)
                b = add_product(b, hidden[here + i], weight, i * room + j + VECTOR)
            store_rectified(hidden, there + j, a, weight_bits, LARGEST)
            store_rectified(hidden, there + j + VECTOR, b, weight_bits, LARGEST)
            j += 2 * VECTOR
        while j < room:
            total = load(bias, j)
            for i in range(n_inputs):
                total = add_product(total, hidden[here + i], weight, i * room + j)
            store_rectified(hidden, there + j, total, weight_bits, LARGEST)
            j += VECTOR
        here, there = there, here
    total = load(offset, 0)
    for i in range(n_inputs):
        total = add_product(total, hidden[here + i], last, i * LANES)
        total = add_product(total, inputs[i], skip, i * LANES)
    store(outputs, 0, total)
    mean, scale = outputs[0], outputs[1]
    mean = min(max(mean >> (weight_bits + FRACTION - MEAN_BITS), -MU_LIMIT), MU_LIMIT)
    scale = min(max(scale >> weight_bits, -LARGEST), LARGEST) - (SHIFT << FRACTION)
    index = ((scale * OCTAVE) >> (FRACTION + 10)) + UNIT
    return mean, min(max(index, 0), 255)
