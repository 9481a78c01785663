"""A chain of dense layers in the layout of `tiled_matmul`, and passes over blocks of points.

Points are cut into slices by their number alone. A slice sums the gradients of its parameters by itself and the slices
are added in order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._cpu.tiled_matmul import REST_ROWS, TILE_ROWS
from inr.kernels._cpu.workspace import Lease
from inr.kernels.simd import VECTOR_BYTES, load, plus, store
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]

LANES = VECTOR_BYTES // 4
PANEL = 2 * LANES
BLOCK = 8 * TILE_ROWS  # points
MAX_SLICES = 16
LEAST_BLOCKS = 8  # per slice
SLACK = 2 * PANEL  # numbers past the end of an array that whole vectors may touch

# Columns of a plan, which has one row per activation, the input first: its features and the numbers from row to row;
# the numbers in a row of all hidden activations before it; and of the layer that makes it, where the operands of the
# way there, of the way back, the bias and the gradients by weight and bias begin.
# And the number of the activation (`inr.kernels._cpu.activations`); of the outputs there is none.
WIDTH, ROW, BEFORE, FORWARD, BACKWARD, BIAS, GRAD, BIAS_GRAD, KIND = range(9)


class DenseLayers:
    """Weights and biases of a chain of layers, packed. kinds: numbers for the plan's last column, of hidden layers."""

    def __init__(self, weights: Sequence[Tensor], biases: Sequence[Tensor | None], kinds: tuple[int, ...]) -> None:
        self.widths = (weights[0].shape[1], *(weight.shape[0] for weight in weights))
        self.plan, n_packed, self.n_gradients = _plan(self.widths, kinds)
        self._packed = Lease(n_packed + SLACK, np.float32)
        self._ways_back: list[tuple[Tensor, Tensor]] = []
        whole = torch.from_numpy(self.packed)
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
            forward, backward, at = (int(self.plan[i, column]) for column in (FORWARD, BACKWARD, BIAS))
            _pack(weight.detach().t(), whole[forward:backward])
            self._ways_back.append((weight.detach(), whole[backward:at]))
            room = whole[at : at + up(len(weight), PANEL)].zero_()
            if bias is not None:
                room[: len(weight)] = bias.detach()

    @property
    def packed(self) -> Array:
        """The operands of all products and the biases, where the plan says."""
        return self._packed.array

    @property
    def room(self) -> int:
        """Numbers of the largest activation of a block."""
        return BLOCK * int(self.plan[:, ROW].max()) + SLACK

    def pack_ways_back(self) -> None:
        """The operands that gradients need."""
        for weight, flat in self._ways_back:
            _pack(weight, flat)

    def lease_hidden(self, n_points: int) -> Lease:
        """Room for Z of all hidden layers."""
        return Lease(up(n_points, BLOCK) * int(self.plan[1:-1, ROW].sum()) + SLACK, np.float32)

    def gradients(self, sums: Array, is_wanted: Sequence[bool]) -> list[Tensor | None]:
        """By the weight and the bias of each layer; None where not wanted."""
        whole = torch.from_numpy(sums)
        found: list[Tensor | None] = []
        for i, (d_in, width) in enumerate(pairwise(self.widths), 1):
            at, bias_at = self.plan[i, GRAD:KIND].tolist()
            by_weight = whole[at:bias_at].view(-1, up(width, REST_ROWS), PANEL).transpose(0, 1).flatten(1)
            part = by_weight[:width, :d_in]
            found.append(part.clone(memory_format=torch.contiguous_format) if is_wanted[2 * i - 2] else None)
            found.append(whole[bias_at : bias_at + width].clone() if is_wanted[2 * i - 1] else None)
        return found


@lru_cache(maxsize=64)
def _plan(widths: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[Array, int, int]:
    """The plan, and the lengths of the packed operands and of the gradients.

    A row is an odd number of vectors, so that the rows of a column spread over all sets of the cache.
    """
    plan = np.zeros((len(widths), 9), np.int64)
    plan[:, WIDTH] = widths
    plan[1:-1, KIND] = kinds
    plan[:, ROW] = [up(width, PANEL) + LANES for width in widths]
    plan[2:, BEFORE] = np.cumsum(plan[1:-1, ROW])
    packed, gradient = 0, 0
    for i, (d_in, width) in enumerate(pairwise(widths), 1):
        plan[i, FORWARD:GRAD] = np.cumsum([packed, up(width, PANEL) * d_in, up(d_in, PANEL) * width])
        packed = plan[i, BIAS] + up(width, PANEL)
        plan[i, GRAD:KIND] = gradient, gradient + up(d_in, PANEL) * up(width, REST_ROWS)
        gradient = plan[i, BIAS_GRAD] + up(width, PANEL)
    return plan, int(packed), int(gradient)


def _pack(matrix: Tensor, flat: Tensor) -> None:
    """[rows, columns] into panels of PANEL columns, [panels, rows, PANEL], with zeros behind the last column."""
    rows, columns = matrix.shape
    panels = flat.view(-1, rows, PANEL)
    whole = columns // PANEL
    panels[:whole] = matrix[:, : whole * PANEL].reshape(rows, whole, PANEL).transpose(0, 1)
    if whole < len(panels):
        panels[whole].zero_()
        panels[whole][:, : columns - whole * PANEL] = matrix[:, whole * PANEL :]


def over_blocks(n_points: int, work: Callable[[int, int], None]) -> None:
    """Calls work(start, stop) for ranges of points that begin at blocks, side by side."""
    n_blocks = -(-n_points // BLOCK)

    def part_of(part: int, parts: int) -> None:
        work(*(min(n_points, BLOCK * (n_blocks * k // parts)) for k in (part, part + 1)))

    in_parts(part_of, n_blocks)


def sum_over_slices(n_points: int, n_sums: int, work: Callable[[int, int, Array], None]) -> Lease:
    """The sums of what work(start, stop, total) writes into total [n_sums, and more] for each slice of the points."""
    n_blocks = -(-n_points // BLOCK)
    n_slices = max(1, min(MAX_SLICES, n_blocks // LEAST_BLOCKS))
    size = up(n_sums, PANEL)
    totals = Lease(n_slices * size + SLACK, np.float32)

    def part_of(part: int, parts: int) -> None:
        for s in range(part, n_slices, parts):
            start, stop = (min(n_points, BLOCK * (n_blocks * k // n_slices)) for k in (s, s + 1))
            work(start, stop, totals.array[s * size : (s + 1) * size])

    def add_part(part: int, parts: int) -> None:
        _add_slices(totals.array, size, n_slices, *(up(size * k // parts, LANES) for k in (part, part + 1)))

    in_parts(part_of, n_slices)
    in_parts(add_part, size, 2**16)
    return totals


@compiled
def _add_slices(totals: Array, size: int, n_slices: int, start: int, stop: int) -> None:
    """The first slice becomes the sum of all, in their order, for elements start..stop."""
    for i in range(start, stop, LANES):
        value = load(totals, i)
        for s in range(1, n_slices):
            value = plus(value, load(totals, s * size + i))
        store(totals, i, value)


def up(number: int, step: int) -> int:
    """The next multiple of the step."""
    return -(-number // step) * step


def array_of(tensor: Tensor) -> Array:
    """The tensor's numbers, row by row."""
    array: Array = tensor.detach().contiguous().numpy()
    return array
