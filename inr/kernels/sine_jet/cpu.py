"""Jets of networks on the CPU, compiled by numba for float32 and float64: values and first gradients.

Points pass through all layers in blocks with all of their streams as rows of one matrix, so that a layer is one
product. Of the forward pass only the streams of Z are kept; the backward pass computes the activations again. With the
cotangents g of a layer's outputs

    Z_grad   = f' g + f'' sum_i g_i z_i + sum_q g_q (f'' z_q + f''' sum c z_i z_j)
    Z_i_grad = f' g_i + sum_q g_q f'' sum c z_j        Z_q_grad = f' g_q

Points are cut into slices by their number alone, and the sums of slices are added in order, so the result does not
depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inr.kernels._cpu.plans import widest
from inr.kernels._cpu.tiled_matmul import REST_ROWS, multiply
from inr.kernels._cpu.workspace import Lease
from inr.kernels._network import Parameters, network_value
from inr.kernels.elementary import exp, sine_cosine
from inr.kernels.jet_plan import JetPlan
from inr.kernels.pointwise import Pointwise
from inr.kernels.simd import VECTOR_BYTES, lanes_of
from inr.kernels.sine_jet import reference
from inr.kernels.threads import compiled, in_parts

Array = NDArray[Any]

BLOCK = 24  # points; a multiple of the rows of every tile
LEAST_BLOCKS = 4  # per slice
MAX_SLICES = 16
SINE, TANH = 0, 1

# Columns of the table of layers, the input first: features and numbers per row; numbers per point of all Z before it;
# where the matrices of both ways, the bias, and the gradients by weight and bias begin; and the activation.
WIDTH, ROW, BEFORE, FORWARD, BACKWARD, BIAS, GRAD, BIAS_GRAD, KIND = range(9)


@compiled
def _lines(kind: int, omega: Any, numbers: Array, z: Array, lines: Array) -> None:
    """lines [4, :]: f and its first three derivatives at a row of z. numbers: 1, 2 and 6 in the type of z."""
    one, two, six = numbers[0], numbers[1], numbers[2]
    value, slope, bend, third = lines[0], lines[1], lines[2], lines[3]
    if kind == SINE:
        square = omega * omega
        for k in range(len(z)):
            s, c = sine_cosine(omega * z[k])
            value[k] = s
            slope[k] = omega * c
            bend[k] = -square * s
            third[k] = -square * omega * c
    else:
        for k in range(len(z)):
            x = z[k]
            e = exp(-two * abs(x))
            size = (one - e) / (one + e)
            t = -size if x < 0 else size
            inner = one - t * t
            value[k] = t
            slope[k] = inner
            bend[k] = -two * t * inner
            third[k] = inner * (six * t * t - two)


# Rows are cut out as views before loops over them: an index that is a sum might be negative for all the compiler knows,
# and its check would keep the loop from being vectorised.


@compiled
def _curve(
    terms: Array, factors: Array, first: int, last: int, z: Array, at: int, step: int, width: int, curve: Array
) -> None:
    """curve = sum of c z_i z_j over terms first..last; `step` numbers lie between the streams of a point."""
    for k in range(width):
        curve[k] = 0
    for p in range(first, last):
        i, j, c = at + (1 + terms[p, 0]) * step, at + (1 + terms[p, 1]) * step, factors[p]
        left, right = z[i : i + width], z[j : j + width]
        for k in range(width):
            curve[k] += c * left[k] * right[k]


@compiled
def _activate(
    kind: int, omega: Any, numbers: Array, terms: Array, factors: Array, ends: Array, n_first: int,
    z: Array, at: int, row: int, width: int, lines: Array, h: Array,
) -> None:  # fmt: skip
    """h = jets of f(z), for the streams of a block; ends: where the terms of each second stream end."""
    step = BLOCK * row
    value, slope, bend, curve = lines[0], lines[1], lines[2], lines[4]
    for n in range(BLOCK):
        here, to = at + n * row, n * row
        _lines(kind, omega, numbers, z[here : here + width], lines)
        target = h[to : to + width]
        for k in range(width):
            target[k] = value[k]
        for s in range(1, 1 + n_first):
            inner, target = z[here + s * step : here + s * step + width], h[to + s * step : to + s * step + width]
            for k in range(width):
                target[k] = slope[k] * inner[k]
        first = 0
        for q in range(len(ends)):
            s = 1 + n_first + q
            _curve(terms, factors, first, ends[q], z, here, step, width, curve)
            inner, target = z[here + s * step : here + s * step + width], h[to + s * step : to + s * step + width]
            for k in range(width):
                target[k] = slope[k] * inner[k] + bend[k] * curve[k]
            first = ends[q]


@compiled
def _through(
    kind: int, omega: Any, numbers: Array, terms: Array, factors: Array, ends: Array, n_first: int,
    z: Array, at: int, row: int, width: int, lines: Array, g: Array, out: Array,
) -> None:  # fmt: skip
    """out = the cotangents of z from those of h, which are g."""
    step = BLOCK * row
    slope, bend, third, curve = lines[1], lines[2], lines[3], lines[4]
    for n in range(BLOCK):
        here, to = at + n * row, n * row
        _lines(kind, omega, numbers, z[here : here + width], lines)
        by, total = g[to : to + width], out[to : to + width]
        for k in range(width):
            total[k] = slope[k] * by[k]
        for s in range(1, 1 + n_first):
            inner, by = z[here + s * step : here + s * step + width], g[to + s * step : to + s * step + width]
            target = out[to + s * step : to + s * step + width]
            for k in range(width):
                total[k] += bend[k] * by[k] * inner[k]
                target[k] = slope[k] * by[k]
        first = 0
        for q in range(len(ends)):
            s = 1 + n_first + q
            _curve(terms, factors, first, ends[q], z, here, step, width, curve)
            inner, by = z[here + s * step : here + s * step + width], g[to + s * step : to + s * step + width]
            target = out[to + s * step : to + s * step + width]
            for k in range(width):
                total[k] += by[k] * (bend[k] * inner[k] + third[k] * curve[k])
                target[k] = slope[k] * by[k]
            for p in range(first, ends[q]):
                i, j, c = (1 + terms[p, 0]) * step, (1 + terms[p, 1]) * step, factors[p]
                left, right = z[here + i : here + i + width], z[here + j : here + j + width]
                of_left, of_right = out[to + i : to + i + width], out[to + j : to + j + width]
                for k in range(width):
                    of_left[k] += c * bend[k] * by[k] * right[k]
                for k in range(width):
                    of_right[k] += c * bend[k] * by[k] * left[k]
            first = ends[q]


@compiled
def values(
    x: Array, table: Array, omegas: Array, numbers: Array, terms: Array, factors: Array, ends: Array, n_first: int,
    packed: Array, hidden: Array, is_kept: bool, room: Array, start: int, stop: int, out: Array,
) -> None:  # fmt: skip
    """out[:, n] = network's jets of x[:, n] for the points of blocks start..stop.

    hidden: takes Z of all hidden layers of all blocks, or of one block. room: for two activations of a block.
    """
    n_streams, n_points, n_layers = x.shape[0], x.shape[1], len(table) - 1
    rows = n_streams * BLOCK
    panel = 2 * lanes_of(x)
    per_point = table[n_layers, BEFORE]
    h, last = room[: len(room) // 2], room[len(room) // 2 :]
    lines = np.empty((5, widest(table, ROW)), x.dtype)
    nothing = np.zeros(panel, x.dtype)
    for block in range(start, stop):
        first = block * BLOCK
        count = min(BLOCK, n_points - first)
        for s in range(n_streams):
            for n in range(BLOCK):
                for k in range(table[0, WIDTH]):
                    h[(s * BLOCK + n) * table[0, ROW] + k] = x[s, first + n, k] if n < count else 0
        base = block * rows * per_point if is_kept else 0
        for i in range(1, n_layers + 1):
            width, row, d_in, row_in = table[i, WIDTH], table[i, ROW], table[i - 1, WIDTH], table[i - 1, ROW]
            z, at = (hidden, base + rows * table[i, BEFORE]) if i < n_layers else (last, 0)
            right = (table[i, FORWARD], panel, -(-width // panel) * panel)
            bias = (table[i, BIAS], panel, 0)
            multiply(h, (0, row_in, 1), packed, right, packed, bias, z, (at, panel, row), (BLOCK, d_in, width))
            if n_streams > 1:
                left, total = (BLOCK * row_in, row_in, 1), (at + BLOCK * row, panel, row)
                multiply(h, left, packed, right, nothing, (0, 0, 0), z, total, (rows - BLOCK, d_in, width))
            if i < n_layers:
                _activate(
                    table[i, KIND], omegas[i], numbers, terms, factors, ends, n_first, z, at, row, width, lines, h
                )
        for s in range(n_streams):
            for n in range(count):
                for k in range(table[n_layers, WIDTH]):
                    out[s, first + n, k] = last[(s * BLOCK + n) * table[n_layers, ROW] + k]


@compiled
def gradients(
    x: Array, g: Array, table: Array, omegas: Array, numbers: Array, terms: Array, factors: Array, ends: Array,
    n_first: int, packed: Array, hidden: Array, is_wanted: Array, room: Array, start: int, stop: int,
    x_grad: Array, total: Array,
) -> None:  # fmt: skip
    """Gradients for the points of blocks start..stop: rows of x_grad, and in `total` sums of the others."""
    n_streams, n_points, n_layers = x.shape[0], x.shape[1], len(table) - 1
    rows = n_streams * BLOCK
    panel = 2 * lanes_of(x)
    per_point = table[n_layers, BEFORE]
    part = len(room) // 3
    z_grad, h_grad, h = room[:part], room[part : 2 * part], room[2 * part :]
    lines = np.empty((5, widest(table, ROW)), x.dtype)
    nothing = np.zeros(panel, x.dtype)
    for k in range(len(total)):
        total[k] = 0
    for block in range(start, stop):
        first = block * BLOCK
        count = min(BLOCK, n_points - first)
        for s in range(n_streams):
            for n in range(BLOCK):
                for k in range(table[n_layers, WIDTH]):
                    z_grad[(s * BLOCK + n) * table[n_layers, ROW] + k] = g[s, first + n, k] if n < count else 0
        base = block * rows * per_point
        for i in range(n_layers, 0, -1):
            width, row, d_in, row_in = table[i, WIDTH], table[i, ROW], table[i - 1, WIDTH], table[i - 1, ROW]
            kind, omega = table[i - 1, KIND], omegas[i - 1]
            at = base + rows * table[i - 1, BEFORE]
            if i > 1:
                _activate(
                    kind, omega, numbers, terms, factors, ends, n_first, hidden, at, row_in, d_in, lines, h
                )  # fmt: skip
            else:
                for s in range(n_streams):
                    for n in range(BLOCK):
                        for k in range(d_in):
                            h[(s * BLOCK + n) * row_in + k] = x[s, first + n, k] if n < count else 0
            by_bias = total[table[i, BIAS_GRAD] : table[i, BIAS_GRAD] + width]
            for n in range(BLOCK):
                line = z_grad[n * row : n * row + width]
                for k in range(width):
                    by_bias[k] += line[k]
            sums = (table[i, GRAD], panel, -(-d_in // panel) * panel)
            multiply(z_grad, (0, 1, row), h, (0, panel, row_in), total, sums, total, sums, (width, rows, d_in))
            if i > 1 or is_wanted[0]:
                right = (table[i, BACKWARD], panel, -(-d_in // panel) * panel)
                multiply(
                    z_grad, (0, row, 1), packed, right, nothing, (0, 0, 0), h_grad, (0, panel, row_in),
                    (rows, width, d_in),
                )  # fmt: skip
                if i > 1:
                    _through(
                        kind, omega, numbers, terms, factors, ends, n_first, hidden, at, row_in, d_in, lines, h_grad,
                        z_grad,
                    )  # fmt: skip
        if is_wanted[0]:
            for s in range(n_streams):
                for n in range(count):
                    for k in range(table[0, WIDTH]):
                        x_grad[s, first + n, k] = h_grad[(s * BLOCK + n) * table[0, ROW] + k]


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


class _Network:
    """A network's shape and parameters in the kernels' layout, and the plan of its streams.

    parameters: the weight and the bias of each layer; an absent bias is None.
    """

    def __init__(self, parameters: Parameters, activations: Sequence[Pointwise], plan: JetPlan) -> None:
        weights = [weight for weight in parameters[::2] if weight is not None]
        biases = parameters[1::2]
        self.plan = plan
        self.widths = (weights[0].shape[1], *(weight.shape[0] for weight in weights))
        self.dtype = np.dtype(np.float32 if weights[0].dtype == torch.float32 else np.float64)
        lanes = VECTOR_BYTES // self.dtype.itemsize
        self.panel = 2 * lanes
        self.table = table = np.zeros((len(self.widths), 9), np.int64)
        table[:, WIDTH] = self.widths
        table[:, ROW] = [_up(width, self.panel) + lanes for width in self.widths]
        table[2:, BEFORE] = np.cumsum(table[1:-1, ROW])
        table[1:-1, KIND] = [SINE if a.name == "sine" else TANH for a in activations]
        packed, gradient = 0, 0
        for i, (d_in, width) in enumerate(pairwise(self.widths), 1):
            sizes = [packed, d_in * _up(width, self.panel), width * _up(d_in, self.panel)]
            table[i, FORWARD:GRAD] = np.cumsum(sizes)
            packed = table[i, BIAS] + _up(width, self.panel)
            table[i, GRAD:KIND] = gradient, gradient + _up(width, REST_ROWS) * _up(d_in, self.panel)
            gradient = table[i, BIAS_GRAD] + _up(width, self.panel)
        self.n_gradients = int(gradient)
        self.omegas = np.array([0.0, *(a.a for a in activations), 0.0], self.dtype)
        terms = [term for stream in plan.seconds for term in stream]
        self.terms = np.array([term[:2] for term in terms], np.int64).reshape(-1, 2)
        self.factors = np.array([term[2] for term in terms], self.dtype)
        self.ends = np.cumsum([len(stream) for stream in plan.seconds], dtype=np.int64)
        self.numbers = np.array([1, 2, 6], self.dtype)
        self.packed = Lease(int(packed) + self.slack, self.dtype)
        whole = torch.from_numpy(self.packed.array)
        whole.zero_()
        for i, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
            forward, backward, at = (int(table[i, column]) for column in (FORWARD, BACKWARD, BIAS))
            whole[forward:backward].view(weight.shape[1], -1)[:, : len(weight)] = weight.detach().t()
            whole[backward:at].view(len(weight), -1)[:, : weight.shape[1]] = weight.detach()
            if bias is not None:
                whole[at : at + len(bias)] = bias.detach()

    @property
    def slack(self) -> int:
        """Numbers past the end of an array that whole vectors may touch."""
        return 2 * self.panel

    @property
    def room(self) -> int:
        """Numbers of the largest activation of a block."""
        return self.plan.n_streams * BLOCK * int(self.table[:, ROW].max()) + self.slack

    @property
    def _streams(self) -> tuple[Any, ...]:
        return (
            self.table, self.omegas, self.numbers, self.terms, self.factors, self.ends, self.plan.n_first,
            self.packed.array,
        )  # fmt: skip

    def values(self, jets: Tensor, *, is_kept: bool) -> Tensor:
        """The result; what `gradients` needs is kept if asked."""
        n_streams, n_points = jets.shape[:2]
        out = torch.empty((n_streams, n_points, self.widths[-1]), dtype=jets.dtype)
        n_blocks = -(-n_points // BLOCK)
        per_block = n_streams * BLOCK * int(self.table[-1, BEFORE])
        hidden = self.hidden = Lease((n_blocks * per_block if is_kept else 0) + self.slack, self.dtype)
        points, result = _array(jets), out.numpy()
        kernel: Any = values

        def work(part: int, parts: int) -> None:
            room = Lease(2 * self.room, self.dtype)
            own = hidden if is_kept else Lease(per_block + self.slack, self.dtype)
            start, stop = (n_blocks * k // parts for k in (part, part + 1))
            kernel(points, *self._streams, own.array, is_kept, room.array[: 2 * self.room], start, stop, result)

        in_parts(work, n_blocks)
        return out

    def gradients(self, jets: Tensor, g: Tensor, is_wanted: Sequence[bool]) -> list[Tensor | None]:
        """By the jets, then by the weight and the bias of each layer; None where not wanted."""
        n_blocks = -(-jets.shape[1] // BLOCK)
        n_slices = max(1, min(MAX_SLICES, n_blocks // LEAST_BLOCKS))
        x_grad = torch.empty(jets.shape if is_wanted[0] else (0, 0, 0), dtype=jets.dtype)
        size = _up(self.n_gradients, self.panel) + self.slack
        totals = Lease(n_slices * size, self.dtype)
        kernel: Any = gradients
        points, cotangent, by_x, flags = _array(jets), _array(g), x_grad.numpy(), np.array(is_wanted, np.bool_)

        def work(part: int, parts: int) -> None:
            room = Lease(3 * self.room, self.dtype)
            for s in range(part, n_slices, parts):
                start, stop = (n_blocks * k // n_slices for k in (s, s + 1))
                total = totals.array[s * size : (s + 1) * size]
                kernel(
                    points, cotangent, *self._streams, self.hidden.array, flags, room.array[: 3 * self.room],
                    start, stop, by_x, total,
                )  # fmt: skip

        in_parts(work, n_slices)
        every = torch.from_numpy(totals.array[: n_slices * size]).view(n_slices, size)
        sums = every[0].clone()
        for slice_ in every[1:]:
            sums += slice_
        found: list[Tensor | None] = [x_grad if is_wanted[0] else None]
        for i, (d_in, width) in enumerate(pairwise(self.widths), 1):
            at, bias_at = self.table[i, GRAD:KIND].tolist()
            by_weight = sums[at:bias_at].view(-1, _up(d_in, self.panel))[:width, :d_in]
            found.append(by_weight.clone(memory_format=torch.contiguous_format) if is_wanted[2 * i - 1] else None)
            found.append(sums[bias_at : bias_at + width].clone() if is_wanted[2 * i] else None)
        return found


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().contiguous().numpy()
    return array


def sine_jet(
    jets: Tensor,
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activations: Sequence[Pointwise],
    plan: JetPlan,
) -> Tensor:
    """See `inr.kernels.sine_jet.sine_jet`."""

    def plain(jets: Tensor, layers: Sequence[Any]) -> Tensor:
        return reference.sine_jet(jets, layers[::2], layers[1::2], activations, plan)

    layers = [tensor for pair in zip(weights, biases, strict=True) for tensor in pair]
    return network_value(lambda layers: _Network(layers, activations, plan), plain, jets, layers)
