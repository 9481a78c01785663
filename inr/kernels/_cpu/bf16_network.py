"""Fully connected networks on the CPU with bf16 products: factors are rounded, sums are in float32.

Points pass through all layers, forth and back, in blocks that stay in the cache; nothing of the hidden layers is kept
between the two passes of autograd, which makes a block again. Weights are rounded once per call. These stay in float32:
a first layer with few inputs, whose frequencies need exact coordinates, activations and their slopes, the weights that
are trained, and the sums of their gradients over points. A fit is finished in float32 (`Run`).

Points are cut into slices by their number alone, which sum the gradients of their weights by themselves and are added
in order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels import precision
from inr.kernels._cpu import activations as activation
from inr.kernels._cpu.bf16_tiles import (
    HAS_AMX,
    SIDE,
    TILE,
    begin,
    end,
    multiply,
    store_column_pairs,
    store_row_pairs,
    store_transposed,
    tile_shapes,
)
from inr.kernels._cpu.workspace import Lease, aligned
from inr.kernels.pointwise import NAMES, Pointwise
from inr.kernels.simd import VECTOR_BYTES, load, plus, scaled, store, zeros
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]

LANES = VECTOR_BYTES // 4
BLOCK = 4 * TILE  # points
MAX_SLICES = 8
LEAST_BLOCKS = 4  # per slice
SPARE = 2 * TILE
"""Numbers past the end of an array that whole vectors may touch; it keeps arrays at lines of the cache."""
MOST_EXACT = 8
"""Inputs of a first layer that stays in float32."""

# Columns of a plan, which has one row per activation, the input first: its features; these rounded up to whole tiles;
# the number of its activation (`activations`); where its pre-activations, its slopes and its words of pairs of points
# begin in a block. And of the layer that makes it, where the operands of the way there, of the way back and the bias
# begin, and the sums of gradients by weight and bias.
WIDTH, SPAN, KIND, NUMBERS, SLOPES, WORDS, FORWARD, BACKWARD, BIAS, GRAD, BIAS_GRAD = range(11)

VALUES, COTANGENTS, ERRORS = range(3)
"""What a call is for: values, gradients from cotangents, or the gradients of a mean error."""


Room = tuple[Array, Array, Array, Array, Array, Array, Array, Array]
"""Of a block: pre-activations, slopes, gradients by z and by h, three rows; words of pairs of points, of a left factor,
and of a transposed one."""


@compiled
def _first_layer(
    x: Array, first: int, count: int, d_in: int, weight: Array, span: int, bias: int, parameters: Array, z: Array
) -> None:
    """z = W x + b in float32. weight: columns of W one after another; parameters[bias:]: b."""
    for n in range(count):
        for u in range(0, span, LANES):
            total = load(parameters, bias + u)
            for k in range(d_in):
                total = plus(total, scaled(load(weight, k * span + u), x[first + n, k]))
            store(z, n * span + u, total)


@compiled
def _add_bias(z: Array, at: int, span: int, count: int, parameters: Array, bias: int) -> None:
    for n in range(count):
        for u in range(0, span, LANES):
            here = at + n * span + u
            store(z, here, plus(load(z, here), load(parameters, bias + u)))


@compiled
def _activate(
    kind: int, a: Any, b: Any, z: Array, z_at: int, width: int, span: int, count: int,
    slopes: Array, slopes_at: int, words: Array, words_at: int, next_left: Array, lines: Array, is_trained: bool,
) -> None:  # fmt: skip
    """The values of a block, as words of pairs of features, and for training words of pairs of points and slopes."""
    for n in range(0, count, 2):
        for m in range(2):
            here, line = (n + m) * span, m * span
            activation.values(kind, a, b, z, z_at + here, width, lines, line, slopes, slopes_at + here)
            for k in range(width, span):
                lines[line + k] = 0
            if n + m >= count:  # a block has whole tiles of points
                for k in range(span):
                    lines[line + k] = 0
            for k in range(0, span, 2 * SIDE):
                store_column_pairs(next_left, (here + k) // 2, lines, line + k)
        if is_trained:
            for k in range(0, span, SIDE):
                store_row_pairs(words, words_at + n // 2 * span + k, lines, k, lines, span + k)


@compiled
def network(
    purpose: int, power: int, x: Array, y: Array, weight: Array, plan: Array, scales: Array, exact: Array,
    packed: Array, parameters: Array, has_amx: bool, shapes: Array, start: int, stop: int, room: Room, out: Array,
    total: Array,
) -> float:  # fmt: skip
    """Points start..stop. VALUES: out = the network's values. COTANGENTS: total = sums of gradients, from cotangents y.
    ERRORS: the same for the sum of weight |value - y|^power, which is returned.

    exact: columns of a first layer in float32, or empty. out: gradients by x, or empty, if these are not values.
    """
    numbers, slopes, z_grad, h_grad, lines, words, left, turned = room
    n_layers = len(plan) - 1
    is_trained = purpose != VALUES
    is_exact = len(exact) > 0
    loss = 0.0
    if is_trained:
        total[:] = 0
    begin(has_amx, shapes)
    for first in range(start, stop, BLOCK):
        count = min(BLOCK, stop - first)
        rows = -(-count // TILE) * TILE
        if not is_exact:
            span = plan[0, SPAN]
            for n in range(0, rows, 2):
                for m in range(2):
                    for k in range(span):
                        inside = k < plan[0, WIDTH] and n + m < count
                        lines[m * span + k] = x[first + n + m, k] if inside else np.float32(0)
                    for k in range(0, span, 2 * SIDE):
                        store_column_pairs(left, ((n + m) * span + k) // 2, lines, m * span + k)
                if is_trained:
                    for k in range(0, span, SIDE):
                        store_row_pairs(words, n // 2 * span + k, lines, k, lines, span + k)
        for i in range(1, n_layers + 1):
            span, span_in, z_at = plan[i, SPAN], plan[i - 1, SPAN], plan[i, NUMBERS]
            if i == 1 and is_exact:
                _first_layer(x, first, count, plan[0, WIDTH], exact, span, plan[1, BIAS], parameters, numbers[z_at:])
            else:
                pairs = span_in // 2
                multiply(
                    has_amx, left, (0, pairs), packed, (plan[i, FORWARD], pairs * SIDE, SIDE), numbers, (z_at, span),
                    (rows, pairs, span), False,
                )  # fmt: skip
                _add_bias(numbers, z_at, span, count, parameters, plan[i, BIAS])
            if i < n_layers:
                slopes_at = plan[i, SLOPES] if is_trained else 0
                _activate(
                    plan[i, KIND], scales[i, 0], scales[i, 1], numbers, z_at, plan[i, WIDTH], span, count, slopes,
                    slopes_at, words, plan[i, WORDS], left, lines, is_trained,
                )  # fmt: skip
        z_at, span, width = plan[n_layers, NUMBERS], plan[n_layers, SPAN], plan[n_layers, WIDTH]
        if not is_trained:
            for n in range(count):
                for k in range(width):
                    out[first + n, k] = numbers[z_at + n * span + k]
            continue
        for k in range(0, rows * span, LANES):
            store(z_grad, k, zeros(z_grad))
        for n in range(count):
            for k in range(width):
                slope = y[first + n, k]
                if purpose == ERRORS:
                    error = numbers[z_at + n * span + k] - slope
                    factor = weight[first + n, min(k, weight.shape[1] - 1)] if len(weight) > 0 else np.float32(1)
                    loss += factor * (error * error if power == 2 else abs(error))
                    slope = factor * (np.float32(2) * error if power == 2 else np.float32(np.sign(error)))
                total[plan[n_layers, BIAS_GRAD] + k] += slope
                z_grad[n * span + k] = slope
        for i in range(n_layers, 0, -1):
            span, span_in = plan[i, SPAN], plan[i - 1, SPAN]
            if i == 1 and is_exact:
                for n in range(count):
                    for k in range(plan[0, WIDTH]):
                        at = plan[1, GRAD] + k * span
                        for u in range(0, span, LANES):
                            product = scaled(load(z_grad, n * span + u), x[first + n, k])
                            store(total, at + u, plus(load(total, at + u), product))
                if len(out) > 0:
                    for n in range(count):
                        for k in range(plan[0, WIDTH]):
                            by_x = np.float32(0)
                            for u in range(plan[1, WIDTH]):
                                by_x += z_grad[n * span + u] * exact[k * span + u]
                            out[first + n, k] = by_x
                continue
            for u in range(0, span, SIDE):
                for q in range(0, rows // 2, SIDE):
                    store_transposed(turned, u * (BLOCK // 2) + q, BLOCK // 2, z_grad, 2 * q * span + u, span)
            multiply(
                has_amx, turned, (0, BLOCK // 2), words, (plan[i - 1, WORDS], SIDE, span_in),
                total, (plan[i, GRAD], span_in), (span, rows // 2, span_in), True,
            )  # fmt: skip
            if i == 1 and len(out) == 0:
                continue
            pairs = span // 2
            for k in range(0, rows * span, 2 * SIDE):
                store_column_pairs(left, k // 2, z_grad, k)
            multiply(
                has_amx, left, (0, pairs), packed, (plan[i, BACKWARD], pairs * SIDE, SIDE), h_grad, (0, span_in),
                (rows, pairs, span_in), False,
            )  # fmt: skip
            if i == 1:
                for n in range(count):
                    for k in range(plan[0, WIDTH]):
                        out[first + n, k] = h_grad[n * span_in + k]
                continue
            at, before = plan[i - 1, BIAS_GRAD], plan[i - 1, NUMBERS]
            for n in range(rows):
                here = n * span_in
                if n < count:
                    activation.through(
                        plan[i - 1, KIND], scales[i - 1, 0], scales[i - 1, 1], numbers, before + here,
                        plan[i - 1, WIDTH], slopes, plan[i - 1, SLOPES] + here, h_grad, here, z_grad,
                    )  # fmt: skip
                    for k in range(plan[i - 1, WIDTH], span_in):
                        z_grad[here + k] = 0
                    for k in range(0, span_in, LANES):
                        store(total, at + k, plus(load(total, at + k), load(z_grad, here + k)))
                else:
                    z_grad[here : here + span_in] = 0
    end(has_amx)
    return loss


@compiled
def _add_slices(totals: Array, size: int, n_slices: int, factor: Any, start: int, stop: int, sums: Array) -> None:
    """sums = factor times the sum of all slices, in their order, for elements start..stop."""
    for i in range(start, stop, LANES):
        value = load(totals, i)
        for s in range(1, n_slices):
            value = plus(value, load(totals, s * size + i))
        store(sums, i, scaled(value, factor))


@compiled
def _pack(bits: Array, span: int, span_in: int, words: Array, forward: int, backward: int) -> None:
    """The words of a matrix as the right factor of both ways. bits: of its float32 numbers [width, d_in].

    Forward, pairs of inputs in panels of units: [span / SIDE, span_in / 2, SIDE]; backward, pairs of units in panels of
    inputs: [span_in / SIDE, span / 2, SIDE]. Zeros fill up the spans.
    """
    width, d_in = bits.shape
    words[forward : forward + span * span_in] = 0  # both, one behind the other
    half = np.uint32(0xFFFF)
    for u in range(width):
        for k in range(d_in):
            number = bits[u, k]
            rounded = np.uint32(
                np.uint32(number + np.uint32(0x7FFF) + ((number >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
            )
            at = forward + (u // SIDE * (span_in // 2) + k // 2) * SIDE + u % SIDE
            words[at] |= np.int32((rounded & half) << np.uint32(16 * (k % 2)))
            at = backward + (k // SIDE * (span // 2) + u // 2) * SIDE + k % SIDE
            words[at] |= np.int32((rounded & half) << np.uint32(16 * (u % 2)))


def _up(number: int, step: int = TILE) -> int:
    return -(-number // step) * step


@lru_cache(maxsize=64)
def _plan(widths: tuple[int, ...], kinds: tuple[int, ...]) -> tuple[Array, int, int, int]:
    """The plan, and the lengths of the packed operands, of the biases, and of the gradients."""
    plan = np.zeros((len(widths), 11), np.int64)
    plan[:, WIDTH] = widths
    plan[:, SPAN] = [_up(width) for width in widths]
    plan[1:-1, KIND] = kinds
    packed = biases = gradients = slopes = words = 0
    for i, (d_in, width) in enumerate(pairwise(plan[:, SPAN].tolist()), 1):
        plan[i, FORWARD : GRAD + 2] = [
            packed, packed + d_in * width // 2, biases, gradients, gradients + d_in * width,
        ]  # fmt: skip
        packed, biases, gradients = packed + d_in * width, biases + width, gradients + d_in * width + width
    numbers = BLOCK * int(plan[:, SPAN].max())  # shared by layers whose pre-activations are used once
    for i, span in enumerate(plan[:, SPAN].tolist()):
        is_hidden = 0 < i < len(widths) - 1
        is_needed_again = is_hidden and plan[i, KIND] == activation.GABOR
        plan[i, NUMBERS : WORDS + 1] = numbers if is_needed_again else 0, slopes, words
        numbers += BLOCK * span if is_needed_again else 0
        slopes += BLOCK * span if is_hidden else 0
        words += BLOCK // 2 * span if i < len(widths) - 1 else 0
    plan[-1, NUMBERS] = numbers
    return plan, packed, biases, gradients


class Bf16Network:
    """A network's shape and parameters in the kernel's layout."""

    def __init__(
        self, weights: Sequence[Tensor], biases: Sequence[Tensor | None], activations: Sequence[Pointwise]
    ) -> None:
        self.widths = (weights[0].shape[1], *(len(weight) for weight in weights))
        kinds = tuple(NAMES.index(p.name) for p in activations)
        self.plan, n_packed, n_biases, self.n_gradients = _plan(self.widths, kinds)
        self.scales = np.zeros((len(self.widths), 2), np.float32)
        self.scales[1:-1] = [(p.a, p.b) for p in activations] or np.zeros((0, 2))
        self.packed, self.biases = Lease(n_packed, np.int32), Lease(n_biases + LANES, np.float32)
        added = torch.from_numpy(self.biases.array)
        self.exact = np.zeros(0, np.float32)
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
            forward, backward, at = (int(self.plan[i, column]) for column in (FORWARD, BACKWARD, BIAS))
            span, span_in = (int(self.plan[k, SPAN]) for k in (i, i - 1))
            if i == 1 and self.is_exact:
                self.exact = aligned(self.widths[0] * span, np.float32)
                columns = torch.from_numpy(self.exact).view(-1, span).zero_()
                columns[:, : len(weight)] = weight.detach().t()
            else:
                _pack(_array(weight).view(np.uint32), span, span_in, self.packed.array, forward, backward)
            added[at : at + span] = 0
            if bias is not None:
                added[at : at + len(bias)] = bias.detach()

    @property
    def is_exact(self) -> bool:
        """Whether the first layer is in float32; a network of one layer has tiles."""
        return self.widths[0] <= MOST_EXACT and len(self.widths) > 2

    def values(self, x: Tensor, *, is_kept: bool = False) -> Tensor:
        """[N, K] -> [N, C]. is_kept changes nothing: `gradients` makes each block again."""
        out = torch.empty((len(x), self.widths[-1]), dtype=x.dtype)
        nothing = np.zeros((0, 1), np.float32)
        n_blocks = -(-len(x) // BLOCK)

        def work(part: int, parts: int) -> None:
            start, stop = (min(len(x), BLOCK * (n_blocks * k // parts)) for k in (part, part + 1))
            self._run(VALUES, 2, _array(x), nothing, nothing, start, stop, out.numpy(), np.zeros(0, np.float32))

        in_parts(work, n_blocks)
        return out

    def gradients(self, x: Tensor, g: Tensor, is_wanted: Sequence[bool]) -> list[Tensor | None]:
        """From the cotangents g [N, C]: by x, then by the weight and the bias of each layer; None where not wanted."""
        _, by_x, found = self._gradients(COTANGENTS, 2, x, g, None, is_wanted[0], 1.0)
        return [by if wanted else None for by, wanted in zip((by_x, *found), is_wanted, strict=True)]

    def errors(
        self, x: Tensor, y: Tensor, weight: Tensor | None, power: int, *, has_x: bool
    ) -> tuple[float, Tensor | None, list[Tensor]]:
        """The mean over points and channels of weight |value - y|^power, and its gradients.

        These are by x if it is wanted, and by the weight and the bias of each layer.
        """
        factor = 1 / max(1, y.numel())
        total, by_x, found = self._gradients(ERRORS, power, x, y, weight, has_x, factor)
        return factor * total, None if by_x is None else by_x.mul_(factor), found

    def _gradients(
        self, purpose: int, power: int, x: Tensor, y: Tensor, weight: Tensor | None, has_x: bool, factor: float
    ) -> tuple[float, Tensor | None, list[Tensor]]:
        """factor: of the gradients by the parameters."""
        n_blocks = -(-len(x) // BLOCK)
        n_slices = max(1, min(MAX_SLICES, n_blocks // LEAST_BLOCKS))
        size = _up(self.n_gradients)
        totals = Lease(n_slices * size + LANES, np.float32)
        by_x = torch.empty(x.shape if has_x else (0, x.shape[1]), dtype=x.dtype)
        points, targets = _array(x), _array(y)
        factors = np.zeros((0, 1), np.float32) if weight is None else _array(weight)
        losses = [0.0] * n_slices

        def work(part: int, parts: int) -> None:
            for s in range(part, n_slices, parts):
                start, stop = (min(len(x), BLOCK * (n_blocks * k // n_slices)) for k in (s, s + 1))
                total = totals.array[s * size : (s + 1) * size]
                losses[s] = self._run(purpose, power, points, targets, factors, start, stop, by_x.numpy(), total)

        sums = torch.empty(size, dtype=x.dtype)
        target, scale = sums.numpy(), np.float32(factor)

        def add_part(part: int, parts: int) -> None:
            start, stop = (_up(size * k // parts) for k in (part, part + 1))
            _add_slices(totals.array, size, n_slices, scale, start, stop, target)

        in_parts(work, n_slices)
        in_parts(add_part, size, 2**16)
        found = []
        for i, (d_in, width) in enumerate(pairwise(self.widths), 1):
            at, bias_at = self.plan[i, GRAD:].tolist()
            span, span_in = (int(self.plan[k, SPAN]) for k in (i, i - 1))
            if i == 1 and self.is_exact:
                by_weight = sums[at : at + d_in * span].view(d_in, span).t()
            else:
                by_weight = sums[at:bias_at].view(span, span_in)
            found += [by_weight[:width, :d_in].contiguous(), sums[bias_at : bias_at + width]]
        return sum(losses), by_x if has_x else None, found

    def _run(
        self,
        purpose: int,
        power: int,
        x: Array,
        y: Array,
        weight: Array,
        start: int,
        stop: int,
        out: Array,
        total: Array,
    ) -> float:
        parts, sizes = [], self._room_sizes(is_trained=purpose != VALUES)
        leases = Lease(sum(sizes[:5]), np.float32), Lease(sum(sizes[5:]), np.int32)
        for lease, part in zip(leases, (sizes[:5], sizes[5:]), strict=True):
            lease.array[:] = 0  # rows and columns that fill up tiles
            for stop_at, size in zip(np.cumsum(part), part, strict=True):
                parts.append(lease.array[stop_at - size : stop_at])
        room: Any = tuple(parts)
        result: float = network(
            purpose, power, x, y, weight, self.plan, self.scales, self.exact, self.packed.array, self.biases.array,
            HAS_AMX and precision.has_amx(), _SHAPES, start, stop, room, out, total,
        )  # fmt: skip
        return result

    def _room_sizes(self, *, is_trained: bool) -> list[int]:
        """The lengths of the arrays in a `Room`."""
        widest, last = int(self.plan[:, SPAN].max()), self.plan[-1]
        activation = BLOCK * widest
        slopes = int(last[SLOPES]) if is_trained else activation
        floats = [int(last[NUMBERS]) + BLOCK * int(last[SPAN]), slopes, activation, activation, 3 * widest]
        words = [int(last[WORDS]) if is_trained else 0, activation // 2, activation // 2]
        return [size + SPARE for size in floats] + [size + SPARE for size in words]


_SHAPES = tile_shapes()


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array
