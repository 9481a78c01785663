"""Products of small matrices with a panel of points, whose sums stay in registers, for kernels that numba compiles.

A panel holds rows of numbers, one per point, that start anywhere in a flat array: `starts` lists where. So the channels
of a picture, their shifted copies under a 3 x 3 filter and the activations of a network are all the same.
Points come in multiples of STEP vectors.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inr.core.jit import Deferred, intrinsic
from inr.kernels.simd import VECTOR_BYTES, alternate, element_pointer, fma, lanes_of, load, part, plus, splat, store
from inr.kernels.threads import compiled

Array = NDArray[Any]

ir: Any = Deferred("llvmlite.ir")
types: Any = Deferred("numba.core.types")

LINE_BYTES = 64
STEP = 4
MOST = 14 if VECTOR_BYTES == 64 else 6  # rows of a tile of a product, so that its sums fit into the registers
FEW = 6 if VECTOR_BYTES == 64 else 2  # up to here with STEP vectors each, then with two
# The largest tile of `correlate`, and the broadest one of fewer rows.
TALL, BROAD, BROADEST = 4, 6 if VECTOR_BYTES == 64 else 3, 9 if VECTOR_BYTES == 64 else 4

# What is done to a product before it is stored.
PLAIN, RECTIFIED, GATED = range(3)
"""GATED: zeros where the previous value of the output is at most zero."""


class _Code:
    """Writes the code of one intrinsic on vectors of an array's type."""

    def __init__(self, context: Any, builder: Any, dtype: Any) -> None:
        self.builder = builder
        self.size = dtype.bitwidth // 8
        self.lanes = VECTOR_BYTES // self.size
        self.vector = ir.VectorType(context.get_value_type(dtype), self.lanes)

    def move(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [ir.Constant(ir.IntType(64), offset) if isinstance(offset, int) else offset])

    def load(self, pointer: Any) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.size)

    def store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, self.vector.as_pointer()), align=self.size)

    def each(self, pointer: Any) -> Any:
        return splat(self.builder, self.builder.load(pointer), self.vector)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.fadd(self.builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))

    def loop(self, count: Any, starts: list[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
        """The results for some start values of body(k, values) for k = 0, ..., count - 1."""
        builder = self.builder
        before = builder.block
        head, inside, after = (builder.append_basic_block(name) for name in ("head", "inside", "after"))
        builder.branch(head)
        builder.position_at_end(head)
        k = builder.phi(ir.IntType(64))
        held = [builder.phi(value.type) for value in starts]
        for phi, value in zip([k, *held], [ir.Constant(k.type, 0), *starts], strict=True):
            phi.add_incoming(value, before)
        builder.cbranch(builder.icmp_signed("<", k, count), inside, after)
        builder.position_at_end(inside)
        new = [builder.add(k, ir.Constant(k.type, 1)), *body(k, held)]
        for phi, value in zip([k, *held], new, strict=True):
            phi.add_incoming(value, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        return held

    def choose(self, number: Any, cases: Iterable[int], write: Callable[[int], None]) -> None:
        """Runs what `write` writes for the number, which must be one of the cases."""
        builder = self.builder
        end, nowhere = builder.append_basic_block("end"), builder.append_basic_block("nowhere")
        switch = builder.switch(number, nowhere)
        for value in cases:
            block = builder.append_basic_block(f"case.{value}")
            switch.add_case(ir.Constant(number.type, value), block)
            builder.position_at_end(block)
            write(value)
            builder.branch(end)
        builder.position_at_end(nowhere)
        builder.unreachable()
        builder.position_at_end(end)


@intrinsic
def _product(
    typing: Any, n_rows: Any, a: Any, a_at: Any, a_step: Any, bias: Any, bias_at: Any, b: Any, b_at: Any, starts: Any,
    first: Any, depth: Any, c: Any, c_at: Any, c_row: Any, mode: Any,
) -> Any:  # fmt: skip
    """One tile of `multiply`: n_rows up to MOST, STEP vectors up to FEW rows and otherwise two."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        n_rows_, a_, a_at_, a_step_, bias_, bias_at_, b_, b_at_, starts_, first_, depth_ = args[:11]
        c_, c_at_, c_row_, mode_ = args[11:]
        code = _Code(context, builder, c.dtype)
        left = element_pointer(context, builder, a, a_, a_at_)
        base = element_pointer(context, builder, bias, bias_, bias_at_)
        right = element_pointer(context, builder, b, b_, b_at_)
        index = element_pointer(context, builder, starts, starts_, first_)
        target = element_pointer(context, builder, c, c_, c_at_)

        def tile(rows: int) -> None:
            n = STEP if rows <= FEW else 2

            def step(k: Any, sums: list[Any]) -> list[Any]:
                here = code.move(right, builder.load(code.move(index, k)))
                factors = [code.load(code.move(here, v * code.lanes)) for v in range(n)]
                weights = code.move(left, builder.mul(k, a_step_))
                new = []
                for i in range(rows):
                    x = code.each(code.move(weights, i))
                    new += [code.fma(x, factor, sums[i * n + v]) for v, factor in enumerate(factors)]
                return new

            sums = [code.each(code.move(base, i)) for i in range(rows) for _ in range(n)]
            sums = code.loop(depth_, sums, step)
            lines = [code.move(target, builder.mul(c_row_, ir.Constant(c_row_.type, i))) for i in range(rows)]
            places = [code.move(line, v * code.lanes) for line in lines for v in range(n)]
            zero = ir.Constant(code.vector, None)

            def finish(how: int) -> None:
                for value, place in zip(sums, places, strict=True):
                    if how != PLAIN:
                        gate = value if how == RECTIFIED else code.load(place)
                        value = builder.select(builder.fcmp_ordered("<=", gate, zero), zero, value)
                    code.store(value, place)

            code.choose(mode_, (PLAIN, RECTIFIED, GATED), finish)

        code.choose(n_rows_, range(1, MOST + 1), tile)
        return context.get_dummy_value()

    n = types.intp
    return types.none(n, a, n, n, bias, n, b, n, starts, n, n, c, n, n, n), build


@compiled
def _share(count: int, most: int) -> int:
    """The next share of a count that is divided into about equal shares of at most `most`."""
    return count if count <= most else (count + 1) // 2 if count <= 2 * most else most


@compiled
def multiply(
    a: Array,
    a_at: int,
    bias: Array,
    bias_at: int,
    n_rows: int,
    b: Array,
    b_at: int,
    starts: Array,
    first: int,
    depth: int,
    c: Array,
    c_at: int,
    c_row: int,
    points: int,
    mode: int,
) -> None:
    """C = bias + A B for `points` columns of flat arrays, finished as the mode says.

    A [depth, n_rows] is stored by columns. Row k of B begins at b_at + starts[first + k]; those of C are c_row apart.
    Rows of C are not among those of B.
    """
    lanes = lanes_of(c)
    r = 0
    while r < n_rows:
        rows = _share(n_rows - r, MOST)
        width = (STEP if rows <= FEW else 2) * lanes
        for p in range(0, points, width):
            _product(
                rows, a, a_at + r, n_rows, bias, bias_at + r, b, b_at + p, starts, first, depth,
                c, c_at + r * c_row + p, c_row, mode,
            )  # fmt: skip
        r += rows


@intrinsic
def _outer(
    typing: Any, code_: Any, a: Any, a_at: Any, a_row: Any, b: Any, b_at: Any, starts: Any, first: Any, count: Any,
    total: Any, total_at: Any, total_row: Any,
) -> Any:  # fmt: skip
    """One tile of `correlate`: TALL * (columns - 1) + rows - 1 is its code; total_row counts numbers."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, a_, a_at_, a_row_, b_, b_at_, starts_, first_, count_, total_, total_at_, total_row_ = args
        code = _Code(context, builder, a.dtype)
        left = element_pointer(context, builder, a, a_, a_at_)
        right = element_pointer(context, builder, b, b_, b_at_)
        index = element_pointer(context, builder, starts, starts_, first_)
        target = element_pointer(context, builder, total, total_, total_at_)

        def tile(shape: int) -> None:
            rows, columns = shape % TALL + 1, shape // TALL + 1
            lines = [code.move(left, builder.mul(a_row_, ir.Constant(a_row_.type, i))) for i in range(rows)]
            factors = [code.move(right, builder.load(code.move(index, j))) for j in range(columns)]
            ends = [code.move(target, builder.mul(total_row_, ir.Constant(total_row_.type, i))) for i in range(rows)]
            places = [code.move(end, j * code.lanes) for end in ends for j in range(columns)]

            def step(k: Any, sums: list[Any]) -> list[Any]:
                offset = builder.mul(k, ir.Constant(k.type, code.lanes))
                xs = [code.load(code.move(line, offset)) for line in lines]
                ys = [code.load(code.move(factor, offset)) for factor in factors]
                return [code.fma(x, y, sums[i * columns + j]) for i, x in enumerate(xs) for j, y in enumerate(ys)]

            sums = code.loop(count_, [code.load(place) for place in places], step)
            for value, place in zip(sums, places, strict=True):
                code.store(value, place)

        shapes = [shape for shape in range(TALL * BROADEST) if shape < TALL * BROAD or shape % TALL + 1 < TALL]
        code.choose(number, shapes, tile)
        return context.get_dummy_value()

    n = types.intp
    return types.none(n, a, n, n, b, n, starts, n, n, total, n, n), build


@compiled
def correlate(
    a: Array,
    a_at: int,
    a_row: int,
    n_rows: int,
    b: Array,
    b_at: int,
    starts: Array,
    first: int,
    n_columns: int,
    points: int,
    total: Array,
    total_at: int,
) -> None:
    """total[r, c] += sum over points of A[r] B[c], each of them a vector of lanes that are to be summed at the end.

    Rows of A are a_row apart; row c of B begins at b_at + starts[first + c]. total: flat [n_rows, n_columns, lanes].
    """
    lanes = lanes_of(a)
    count, r = 0, 0
    for _ in range(0, points, lanes):
        count += 1
    while r < n_rows:
        rows, c = _share(n_rows - r, TALL), 0
        while c < n_columns:
            columns = _share(n_columns - c, BROAD if rows == TALL else BROADEST)
            _outer(
                TALL * (columns - 1) + rows - 1, a, a_at + r * a_row, a_row, b, b_at, starts, first + c,
                count, total, total_at + (r * n_columns + c) * lanes, n_columns * lanes,
            )  # fmt: skip
            c += columns
        r += rows


@compiled
def empty_lines(size: int, like: Array) -> Array:
    """Zeros of an array's type that begin at a cache line: vectors that cross lines cost twice as much."""
    room = np.zeros(size + LINE_BYTES // like.itemsize, like.dtype)
    start = -room.ctypes.data % LINE_BYTES // like.itemsize
    return room[start : start + size]


@compiled
def copy(source: Array, at: int, count: int, target: Array, to: int) -> None:
    """Whole vectors of a flat array."""
    for i in range(0, count, lanes_of(source)):
        store(target, to + i, load(source, at + i))


@compiled
def add(source: Array, at: int, count: int, target: Array, to: int) -> None:
    """As `copy`, added to the output."""
    for i in range(0, count, lanes_of(source)):
        store(target, to + i, plus(load(target, to + i), load(source, at + i)))


@compiled
def twice(source: Array, at: int, count: int, target: Array, to: int) -> None:
    """Every number twice in succession."""
    lanes = lanes_of(source)
    i = 0
    while i + lanes <= count:
        x = load(source, at + i)
        first, second = alternate(x, x)
        store(target, to + 2 * i, first)
        store(target, to + 2 * i + lanes, second)
        i += lanes
    for k in range(i, count):
        target[to + 2 * k] = source[at + k]
        target[to + 2 * k + 1] = source[at + k]


@compiled
def add_pairs(source: Array, at: int, count: int, is_added: bool, target: Array, to: int) -> None:
    """`count` sums of two neighbours; added to the output, or written over it."""
    lanes = lanes_of(source)
    i = 0
    while i + lanes <= count:
        first, second = part(load(source, at + 2 * i), load(source, at + 2 * i + lanes))
        total = plus(first, second)
        if is_added:
            total = plus(total, load(target, to + i))
        store(target, to + i, total)
        i += lanes
    for k in range(i, count):
        value = source[at + 2 * k] + source[at + 2 * k + 1]
        target[to + k] = value + target[to + k] if is_added else value


@compiled
def dot(a: Array, at: int, b: Array, to: int, count: int, total: Array) -> None:
    """total[0] += sum of a b, total[1] += sum of a; total: flat [2, lanes]."""
    lanes = lanes_of(a)
    products, sums = load(total, 0), load(total, lanes)
    i = 0
    while i + lanes <= count:
        x = load(a, at + i)
        products, sums = fma(x, load(b, to + i), products), plus(sums, x)
        i += lanes
    store(total, 0, products)
    store(total, lanes, sums)
    for k in range(i, count):
        total[k - i] += a[at + k] * b[to + k]
        total[lanes + k - i] += a[at + k]


@compiled
def sum_lanes(total: Array, out: Array) -> None:
    """out[k]: the sum of the lanes of total [K, lanes], flat."""
    lanes = len(total) // max(1, len(out))
    for k in range(len(out)):
        value = 0.0
        for i in range(k * lanes, (k + 1) * lanes):
            value += total[i]
        out[k] = value
