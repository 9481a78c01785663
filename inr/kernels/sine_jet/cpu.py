"""Jets of networks on the CPU, compiled by numba for float32 and float64: values and first gradients.

Points pass through all layers in blocks with all of their streams as rows of one matrix, so that a layer is one
product. Of the forward pass f(z), f'(z) and the other streams of Z are kept, from which the backward pass makes the
activations again. With the cotangents g of a layer's outputs

    Z_grad   = f' g + f'' sum_i g_i z_i + sum_q g_q (f'' z_q + f''' sum c z_i z_j)
    Z_i_grad = f' g_i + sum_q g_q f'' sum c z_j        Z_q_grad = f' g_q

Points are cut into slices by their number alone, and the sums of slices are added in order, so the result does not
depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numpy.typing import NDArray
from torch import Tensor

from inr.core.jit import Deferred, intrinsic
from inr.kernels._cpu.tiled_matmul import REST_ROWS, multiply
from inr.kernels._cpu.workspace import Lease
from inr.kernels._network import Parameters, network_value
from inr.kernels.elementary import exp, sine_cosine
from inr.kernels.jet_plan import JetPlan
from inr.kernels.pointwise import Pointwise
from inr.kernels.simd import (
    VECTOR_BYTES,
    element_pointer,
    fma,
    lanes_of,
    load,
    plus,
    scaled,
    splat,
    store,
    times,
    zeros,
)
from inr.kernels.sine_jet import reference
from inr.kernels.threads import compiled, in_parts

types: Any = Deferred("numba.core.types")
cgutils: Any = Deferred("numba.core.cgutils")

Array = NDArray[Any]

BLOCK = 24  # points; a multiple of the rows of every tile
LEAST_BLOCKS = 4  # per slice
MAX_SLICES = 16
SINE, TANH = 0, 1

# Columns of the table of layers, the input first: features and numbers per row; numbers per point of all Z before it;
# where the matrices of both ways, the bias, and the gradients by weight and bias begin; and the activation.
WIDTH, ROW, BEFORE, FORWARD, BACKWARD, BIAS, GRAD, BIAS_GRAD, KIND = range(9)


@compiled
def _wave(kind: int, omega: Any, numbers: Array, z: Array, slope: Array, h: Array) -> None:
    """h = f(z), slope = f'(z) and z = h, for one row. numbers: 1 and 2 in the type of z."""
    one, two = numbers[0], numbers[1]
    if kind == SINE:
        for k in range(len(z)):
            s, c = sine_cosine(omega * z[k])
            z[k] = s
            h[k] = s
            slope[k] = omega * c
    else:
        for k in range(len(z)):
            x = z[k]
            e = exp(-two * abs(x))
            size = (one - e) / (one + e)
            t = -size if x < 0 else size
            z[k] = t
            h[k] = t
            slope[k] = one - t * t


# A layer's `bends` p, r, e, s give the second and third derivatives of f, f (p + r f') and f' (e + s f^2), from f and
# f': p = e = -omega^2 for sines and r = e = -2, s = 6 for tanh; the others are 0.


PLANS = ((2, 1), (2, 2), (1, 1), (3, 1), (3, 0), (2, 0))
"""First and second streams of plans without mixed terms for which a pass is compiled."""


def _shape(n_first: int, n_second: int) -> int:
    """The number that kernels know a plan by; 0 is that of plans with mixed terms."""
    return 10 * n_first + n_second


def _passes(*, is_back: bool) -> Any:
    """A pass over a row of a block with all streams of a point in registers, compiled for each of `PLANS`.

    pass(shape, z, at, last, step, width, bends, squares, g, out, h, to) is whether the plan of this shape has one, and
    then h = the jets of f(z), and for the way back also out = the cotangents of z from g, those of h. z: as `_activate`
    leaves it, with f' `last` numbers behind f; streams are `step` numbers apart. squares: of second stream q and first
    stream i, the factor of z_i^2, at q n_first + i.
    """

    def row(
        typing: Any, shape: Any, z: Any, at: Any, last: Any, step: Any, width: Any, bends: Any, squares: Any,
        g: Any, out: Any, h: Any, to: Any,
    ) -> Any:  # fmt: skip
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            is_made = cgutils.alloca_once_value(builder, context.get_constant(types.boolean, False))
            after = builder.append_basic_block("after")
            choice = builder.switch(args[0], after)
            for n_first, n_second in PLANS:
                block = builder.append_basic_block(f"plan{_shape(n_first, n_second)}")
                choice.add_case(ir.Constant(args[0].type, _shape(n_first, n_second)), block)
                builder.position_at_end(block)
                _build_pass(context, builder, (z, bends, squares, g, out, h), args[1:], n_first, n_second, is_back)
                builder.store(context.get_constant(types.boolean, True), is_made)
                builder.branch(after)
            builder.position_at_end(after)
            return builder.load(is_made)

        size = types.intp
        return types.boolean(size, z, size, size, size, size, bends, squares, g, out, h, size), build

    return intrinsic(row)


def _build_pass(
    context: Any, builder: Any, kinds: Sequence[Any], args: Sequence[Any], n_first: int, n_second: int, is_back: bool
) -> None:
    """The instructions of `_passes` for one plan. kinds: numba's types of the arrays."""
    z, bends, squares, g, out, h = kinds
    z_, at_, last_, step_, width_, bends_, squares_, g_, out_, h_, to_ = args
    size = z.dtype.bitwidth // 8
    vector = ir.VectorType(context.get_value_type(z.dtype), VECTOR_BYTES // size)

    def n(k: int) -> Any:
        return ir.Constant(at_.type, k)

    def number(kind: Any, array: Any, k: int) -> Any:
        return splat(builder, builder.load(element_pointer(context, builder, kind, array, n(k))), vector)

    def streams(kind: Any, array: Any, begin: Any) -> list[Any]:
        first = element_pointer(context, builder, kind, array, begin)
        return [builder.gep(first, [builder.mul(step_, n(s))]) for s in range(1 + n_first + n_second)]

    def times(a: Any, b: Any) -> Any:
        return builder.fmul(a, b, flags=("contract",))

    def fma(a: Any, b: Any, c: Any) -> Any:
        return builder.fadd(times(a, b), c, flags=("contract",))

    p, r, e, cubic = (number(bends, bends_, k) for k in range(4))
    factors = [number(squares, squares_, k) for k in range(n_first * n_second)]
    sources = streams(z, z_, at_)
    slopes = builder.gep(sources[0], [last_])
    jets, seeds, results = streams(h, h_, to_), streams(g, g_, to_), streams(out, out_, to_)
    with cgutils.for_range_slice(builder, n(0), width_, n(vector.count), at_.type, inc=True) as (k, _):

        def place(pointer: Any) -> Any:
            return builder.bitcast(builder.gep(pointer, [k]), vector.as_pointer())

        def read(pointer: Any) -> Any:
            return builder.load(place(pointer), align=size)

        def write(value: Any, pointer: Any) -> None:
            builder.store(value, place(pointer), align=size)

        value, slope = read(sources[0]), read(slopes)
        inner = [read(source) for source in sources[1:]]
        first, second = inner[:n_first], inner[n_first:]
        bend = times(value, fma(r, slope, p))
        curves = []
        for q in range(n_second):
            scaled = [times(z_i, c) for z_i, c in zip(first, factors[q * n_first :], strict=False)]
            curve = times(scaled[0], first[0])
            for left, right in zip(scaled[1:], first[1:], strict=True):
                curve = fma(left, right, curve)
            curves.append((curve, scaled))
        made = [times(slope, stream) for stream in inner]
        for q, (curve, _) in enumerate(curves, n_first):
            made[q] = fma(bend, curve, made[q])
        if is_back:
            third = times(slope, fma(times(cubic, value), value, e))
            by = [read(seed) for seed in seeds]
            total = times(slope, by[0])
            back = [times(slope, seed) for seed in by[1:]]
            for z_i, seed in zip(first, by[1:], strict=False):
                total = fma(times(bend, seed), z_i, total)
            for (curve, scaled), z_q, seed in zip(curves, second, by[1 + n_first :], strict=True):
                total = fma(seed, fma(third, curve, times(bend, z_q)), total)
                pull = times(bend, seed)
                pull = builder.fadd(pull, pull)
                for i, factor in enumerate(scaled):
                    back[i] = fma(pull, factor, back[i])
            for result, pointer in zip([total, *back], results, strict=True):
                write(result, pointer)
            write(value, jets[0])
        for result, pointer in zip(made, jets[1:], strict=True):
            write(result, pointer)


_forth, _back = _passes(is_back=False), _passes(is_back=True)


@compiled
def _activate(
    kind: int, omega: Any, numbers: Array, bends: Array, terms: Array, factors: Array, ends: Array, squares: Array,
    shape: int, n_first: int, z: Array, at: int, row: int, width: int, h: Array,
) -> None:  # fmt: skip
    """h = jets of f(z), for the streams of a block; f(z) takes the place of z, and f'(z) that behind the last stream.

    ends: where the terms of each second stream end. shape: see `_shape`.
    """
    lanes, step = lanes_of(z), BLOCK * row
    last = (1 + n_first + len(ends)) * step
    for n in range(BLOCK):
        here, to = at + n * row, n * row
        lines = z[here : here + width], z[here + last : here + last + width]
        _wave(kind, omega, numbers, lines[0], lines[1], h[to : to + width])
        if not _forth(shape, z, here, last, step, width, bends, squares, h, h, h, to):
            for k in range(0, width, lanes):
                i, o = here + k, to + k
                value, slope = load(z, i), load(z, i + last)
                bend = fma(scaled(value, bends[1]), slope, scaled(value, bends[0]))
                for s in range(step, (1 + n_first) * step, step):
                    store(h, o + s, times(slope, load(z, i + s)))
                first = 0
                for q in range(len(ends)):
                    curve = zeros(z)
                    for p in range(first, ends[q]):
                        left, right = load(z, i + (1 + terms[p, 0]) * step), load(z, i + (1 + terms[p, 1]) * step)
                        curve = fma(scaled(left, factors[p]), right, curve)
                    s = (1 + n_first + q) * step
                    store(h, o + s, fma(bend, curve, times(slope, load(z, i + s))))
                    first = ends[q]


@compiled
def _through(
    bends: Array, terms: Array, factors: Array, ends: Array, squares: Array, shape: int, n_first: int,
    z: Array, at: int, row: int, width: int, g: Array, out: Array, h: Array,
) -> None:  # fmt: skip
    """out = the cotangents of z from those of h, which are g; and h again. z: as `_activate` leaves it."""
    lanes, step = lanes_of(z), BLOCK * row
    last = (1 + n_first + len(ends)) * step
    for n in range(BLOCK):
        here, to = at + n * row, n * row
        if not _back(shape, z, here, last, step, width, bends, squares, g, out, h, to):
            for k in range(0, width, lanes):
                i, o = here + k, to + k
                value, slope = load(z, i), load(z, i + last)
                bend = fma(scaled(value, bends[1]), slope, scaled(value, bends[0]))
                third = fma(times(scaled(value, bends[3]), value), slope, scaled(slope, bends[2]))
                store(h, o, value)
                total = times(slope, load(g, o))
                for s in range(step, (1 + n_first) * step, step):
                    inner, by = load(z, i + s), load(g, o + s)
                    store(h, o + s, times(slope, inner))
                    store(out, o + s, times(slope, by))
                    total = fma(times(bend, by), inner, total)
                first = 0
                for q in range(len(ends)):
                    s = (1 + n_first + q) * step
                    inner, by = load(z, i + s), load(g, o + s)
                    pull = times(bend, by)
                    curve = zeros(z)
                    for p in range(first, ends[q]):
                        to_left, to_right = (1 + terms[p, 0]) * step, (1 + terms[p, 1]) * step
                        left = scaled(load(z, i + to_left), factors[p])
                        right = scaled(load(z, i + to_right), factors[p])
                        curve = fma(left, load(z, i + to_right), curve)
                        store(out, o + to_left, fma(pull, right, load(out, o + to_left)))
                        store(out, o + to_right, fma(pull, left, load(out, o + to_right)))
                    store(h, o + s, fma(bend, curve, times(slope, inner)))
                    store(out, o + s, times(slope, by))
                    total = fma(by, fma(third, curve, times(bend, inner)), total)
                    first = ends[q]
                store(out, o, total)


@compiled
def values(
    x: Array, table: Array, omegas: Array, numbers: Array, bends: Array, terms: Array, factors: Array, ends: Array,
    squares: Array, shape: int, n_first: int, packed: Array, hidden: Array, is_kept: bool, room: Array,
    start: int, stop: int, out: Array,
) -> None:  # fmt: skip
    """out[:, n] = network's jets of x[:, n] for the points of blocks start..stop.

    hidden: takes what `_activate` leaves of all hidden layers of all blocks, or of one block. room: for two activations
    of a block.
    """
    n_streams, n_points, n_layers = x.shape[0], x.shape[1], len(table) - 1
    rows = n_streams * BLOCK
    panel = 2 * lanes_of(x)
    per_point = table[n_layers, BEFORE]
    h, last = room[: len(room) // 2], room[len(room) // 2 :]
    nothing = np.zeros(panel, x.dtype)
    for block in range(start, stop):
        first = block * BLOCK
        count = min(BLOCK, n_points - first)
        for s in range(n_streams):
            for n in range(BLOCK):
                for k in range(table[0, WIDTH]):
                    h[(s * BLOCK + n) * table[0, ROW] + k] = x[s, first + n, k] if n < count else 0
        base = block * (rows + BLOCK) * per_point if is_kept else 0
        for i in range(1, n_layers + 1):
            width, row, d_in, row_in = table[i, WIDTH], table[i, ROW], table[i - 1, WIDTH], table[i - 1, ROW]
            z, at = (hidden, base + (rows + BLOCK) * table[i, BEFORE]) if i < n_layers else (last, 0)
            right = (table[i, FORWARD], panel, -(-width // panel) * panel)
            bias = (table[i, BIAS], panel, 0)
            multiply(h, (0, row_in, 1), packed, right, packed, bias, z, (at, panel, row), (BLOCK, d_in, width))
            if n_streams > 1:
                left, total = (BLOCK * row_in, row_in, 1), (at + BLOCK * row, panel, row)
                multiply(h, left, packed, right, nothing, (0, 0, 0), z, total, (rows - BLOCK, d_in, width))
            if i < n_layers:
                _activate(
                    table[i, KIND], omegas[i], numbers, bends[i], terms, factors, ends, squares, shape, n_first,
                    z, at, row, width, h,
                )  # fmt: skip
        for s in range(n_streams):
            for n in range(count):
                for k in range(table[n_layers, WIDTH]):
                    out[s, first + n, k] = last[(s * BLOCK + n) * table[n_layers, ROW] + k]


@compiled
def gradients(
    x: Array, g: Array, table: Array, omegas: Array, numbers: Array, bends: Array, terms: Array, factors: Array,
    ends: Array, squares: Array, shape: int, n_first: int, packed: Array, hidden: Array, is_wanted: Array, room: Array,
    start: int, stop: int, x_grad: Array, total: Array,
) -> None:  # fmt: skip
    """Gradients for the points of blocks start..stop: rows of x_grad, and in `total` sums of the others."""
    n_streams, n_points, n_layers = x.shape[0], x.shape[1], len(table) - 1
    rows = n_streams * BLOCK
    panel = 2 * lanes_of(x)
    per_point = table[n_layers, BEFORE]
    part = len(room) // 4
    z_grad, h_grad, h, following = room[:part], room[part : 2 * part], room[2 * part : 3 * part], room[3 * part :]
    lanes = lanes_of(x)
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
        base = block * (rows + BLOCK) * per_point
        for i in range(n_layers, 0, -1):
            width, row, d_in, row_in = table[i, WIDTH], table[i, ROW], table[i - 1, WIDTH], table[i - 1, ROW]
            for k in range(0, width, lanes):
                by_bias = load(total, table[i, BIAS_GRAD] + k)
                for n in range(BLOCK):
                    by_bias = plus(by_bias, load(z_grad, n * row + k))
                store(total, table[i, BIAS_GRAD] + k, by_bias)
            if i > 1 or is_wanted[0]:
                right = (table[i, BACKWARD], panel, -(-d_in // panel) * panel)
                multiply(
                    z_grad, (0, row, 1), packed, right, nothing, (0, 0, 0), h_grad, (0, panel, row_in),
                    (rows, width, d_in),
                )  # fmt: skip
            if i > 1:
                _through(
                    bends[i - 1], terms, factors, ends, squares, shape, n_first, hidden,
                    base + (rows + BLOCK) * table[i - 1, BEFORE], row_in, d_in, h_grad, following, h,
                )  # fmt: skip
            else:
                for s in range(n_streams):
                    for n in range(BLOCK):
                        for k in range(d_in):
                            h[(s * BLOCK + n) * row_in + k] = x[s, first + n, k] if n < count else 0
            sums = (table[i, GRAD], panel, -(-d_in // panel) * panel)
            multiply(z_grad, (0, 1, row), h, (0, panel, row_in), total, sums, total, sums, (width, rows, d_in))
            z_grad, following = following, z_grad
        if is_wanted[0]:
            for s in range(n_streams):
                for n in range(count):
                    for k in range(table[0, WIDTH]):
                        x_grad[s, first + n, k] = h_grad[(s * BLOCK + n) * table[0, ROW] + k]


def _up(number: int, step: int) -> int:
    return -(-number // step) * step


class _Layout:
    """Where everything of networks of one shape is, and what their streams are: see `table` above and `values`."""

    def __init__(
        self, widths: tuple[int, ...], dtype: Any, waves: tuple[tuple[str, float], ...], plan: JetPlan
    ) -> None:
        self.dtype = np.dtype(dtype)
        lanes = VECTOR_BYTES // self.dtype.itemsize
        self.panel = 2 * lanes
        self.slack = 2 * self.panel  # numbers past the end of an array that whole vectors may touch
        self.table = table = np.zeros((len(widths), 9), np.int64)
        table[:, WIDTH] = widths
        table[:, ROW] = [_up(width, self.panel) + lanes for width in widths]
        table[2:, BEFORE] = np.cumsum(table[1:-1, ROW])
        table[1:-1, KIND] = [SINE if name == "sine" else TANH for name, _ in waves]
        packed, gradient = 0, 0
        for i, (d_in, width) in enumerate(pairwise(widths), 1):
            sizes = [packed, d_in * _up(width, self.panel), width * _up(d_in, self.panel)]
            table[i, FORWARD:GRAD] = np.cumsum(sizes)
            packed = table[i, BIAS] + _up(width, self.panel)
            table[i, GRAD:KIND] = gradient, gradient + _up(width, REST_ROWS) * _up(d_in, self.panel)
            gradient = table[i, BIAS_GRAD] + _up(width, self.panel)
        self.places = [tuple(int(row[column]) for column in (FORWARD, BACKWARD, BIAS)) for row in table]
        self.n_packed, self.n_gradients = int(packed), int(gradient)
        self.room = plan.n_streams * BLOCK * int(table[:, ROW].max()) + self.slack  # of a block's largest activation
        terms = [term for stream in plan.seconds for term in stream]
        bends = np.zeros((len(widths), 4), self.dtype)
        squares = np.zeros(len(plan.seconds) * plan.n_first, self.dtype)
        for i, (name, a) in enumerate(waves, 1):
            bends[i] = (-a * a, 0, -a * a, 0) if name == "sine" else (0, -2, -2, 6)
        for q, stream in enumerate(plan.seconds):
            for i, _, c in stream:
                squares[q * plan.n_first + i] += c
        is_mixed = any(i != j for i, j, _ in terms) or max(plan.n_first, len(plan.seconds)) > 9
        self.streams = (
            table,
            np.array([0.0, *(a for _, a in waves), 0.0], self.dtype),
            np.array([1, 2], self.dtype),
            bends,
            np.array([term[:2] for term in terms], np.int64).reshape(-1, 2),
            np.array([term[2] for term in terms], self.dtype),
            np.cumsum([len(stream) for stream in plan.seconds], dtype=np.int64),
            squares,
            0 if is_mixed else _shape(plan.n_first, len(plan.seconds)),
            plan.n_first,
        )


_layout = lru_cache(maxsize=64)(_Layout)


class _Network:
    """A network's shape and parameters in the kernels' layout, and the plan of its streams.

    parameters: the weight and the bias of each layer; an absent bias is None.
    """

    def __init__(self, parameters: Parameters, activations: Sequence[Pointwise], plan: JetPlan) -> None:
        weights = [weight.detach() for weight in parameters[::2] if weight is not None]
        self.plan = plan
        self.widths = (weights[0].shape[1], *(weight.shape[0] for weight in weights))
        dtype = np.float32 if weights[0].dtype == torch.float32 else np.float64
        waves = tuple((activation.name, float(activation.a)) for activation in activations)
        self.layout = layout = _layout(self.widths, dtype, waves, plan)
        self.dtype, self.panel, self.table, self.slack, self.room = (
            layout.dtype, layout.panel, layout.table, layout.slack, layout.room
        )  # fmt: skip
        self.packed = Lease(layout.n_packed + self.slack, self.dtype)
        whole = torch.from_numpy(self.packed.array)
        whole.zero_()
        pairs = zip(weights, parameters[1::2], layout.places[1:], strict=True)
        for weight, bias, (forward, backward, at) in pairs:
            width, d_in = weight.shape
            whole[forward:backward].view(d_in, -1)[:, :width] = weight.t()
            whole[backward:at].view(width, -1)[:, :d_in] = weight
            if bias is not None:
                whole[at : at + width] = bias.detach()

    @property
    def _streams(self) -> tuple[Any, ...]:
        return (*self.layout.streams, self.packed.array)

    def values(self, jets: Tensor, *, is_kept: bool) -> Tensor:
        """The result; what `gradients` needs is kept if asked."""
        n_streams, n_points = jets.shape[:2]
        out = torch.empty((n_streams, n_points, self.widths[-1]), dtype=jets.dtype)
        n_blocks = -(-n_points // BLOCK)
        per_block = (n_streams + 1) * BLOCK * int(self.table[-1, BEFORE])
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
        size = _up(self.layout.n_gradients, self.panel) + self.slack
        totals = Lease(n_slices * size, self.dtype)
        kernel: Any = gradients
        points, cotangent, by_x, flags = _array(jets), _array(g), x_grad.numpy(), np.array(is_wanted, np.bool_)

        def work(part: int, parts: int) -> None:
            room = Lease(4 * self.room, self.dtype)
            for s in range(part, n_slices, parts):
                start, stop = (n_blocks * k // n_slices for k in (s, s + 1))
                total = totals.array[s * size : (s + 1) * size]
                kernel(
                    points, cotangent, *self._streams, self.hidden.array, flags, room.array[: 4 * self.room],
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
