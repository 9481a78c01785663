"""Products of bf16 matrices with float32 sums, by the processor's units for them, for code that numba compiles.

A *word* is a pair of bf16 numbers in 32 bits, the first one in the low half. Factors are arrays of words: A has a word
per row and pair of its columns, B a word per pair of its rows and column,

    C[i, j] = sum over p of  A[i, p].low B[p, j].low + A[i, p].high B[p, j].high.

AMX multiplies tiles of 16 x 16 words, AVX512-BF16 vectors of 16. Without either the same sums are made in float32, by
slower code: for tests.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numpy.typing import NDArray

from inr.core.jit import Deferred, intrinsic
from inr.kernels.simd import element_pointer, splat
from inr.kernels.threads import compiled

types: Any = Deferred("numba.core.types")
cgutils: Any = Deferred("numba.core.cgutils")

Array = NDArray[Any]

TILE = 32
"""Rows and columns of C that are made at once; arrays have room for whole tiles."""
SIDE = 16  # of a unit's tile, in words

_FEATURES = llvmlite.binding.get_host_cpu_features()
HAS_AMX = bool(_FEATURES.get("amx-bf16")) and bool(_FEATURES.get("amx-tile"))
HAS_VECTORS = bool(_FEATURES.get("avx512bf16"))

_BYTE, _WORD, _INDEX = ir.IntType(8), ir.IntType(32), ir.IntType(64)
_POINTER = _BYTE.as_pointer()
_FLOATS, _WORDS = ir.VectorType(ir.FloatType(), SIDE), ir.VectorType(_WORD, SIDE)


class _Bf16(ir.Type):  # type: ignore[misc]  # llvmlite has no types, and no name for this one
    """LLVM's bfloat."""

    def _to_string(self) -> str:
        return "bfloat"


_HALVES = ir.VectorType(_Bf16(), 2 * SIDE)


def tile_shapes() -> Array:
    """The 64 bytes that tell AMX the shape of its eight tiles: 16 rows of 64 bytes each."""
    shapes = np.zeros(64, np.uint8)
    shapes[0] = 1  # the only layout there is
    shapes[16:32:2] = 64
    shapes[48:56] = SIDE
    return shapes


def _call(builder: Any, name: str, *args: Any) -> None:
    kind = ir.FunctionType(ir.VoidType(), [arg.type for arg in args])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)


def _number(value: int) -> Any:
    return ir.Constant(_INDEX, value)


@intrinsic
def _configure_amx(typing: Any, shapes: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = element_pointer(context, builder, shapes, args[0], _number(0))
        _call(builder, "llvm.x86.ldtilecfg", builder.bitcast(at, _POINTER))
        return context.get_dummy_value()

    return types.none(shapes), build


@intrinsic
def _release_amx(typing: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _call(builder, "llvm.x86.tilerelease")
        return context.get_dummy_value()

    return types.none(), build


def _signature(a: Any, b: Any, c: Any) -> Any:
    n = types.intp
    return types.none(a, n, n, b, n, n, n, c, n, n, n, types.boolean)


def _loop(builder: Any, count: Any, carried: list[Any], body: Any) -> list[Any]:
    """Code of `for k in range(count): carried = body(k, carried)`; the final values."""
    before = builder.block
    head, inside, after = (builder.append_basic_block(name) for name in ("head", "inside", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(_INDEX)
    held = [builder.phi(value.type) for value in carried]
    k.add_incoming(_number(0), before)
    for phi, value in zip(held, carried, strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", k, count), inside, after)
    builder.position_at_end(inside)
    new = body(k, held)
    end = builder.block
    k.add_incoming(builder.add(k, _number(1)), end)
    for phi, value in zip(held, new, strict=True):
        phi.add_incoming(value, end)
    builder.branch(head)
    builder.position_at_end(after)
    return held


@intrinsic
def _amx_tile(
    typing: Any, a: Any, a_at: Any, a_row: Any, b: Any, b_at: Any, b_panel: Any, b_row: Any, c: Any, c_at: Any,
    c_row: Any, steps: Any, is_added: Any,
) -> Any:  # fmt: skip
    """TILE x TILE of C, over `steps` times SIDE pairs; see `multiply`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a_, a_at_, a_row_, b_, b_at_, b_panel_, b_row_, c_, c_at_, c_row_, steps_, is_added_ = args

        def tile(number: int) -> Any:
            return ir.Constant(_BYTE, number)

        def bytes_of(words: Any) -> Any:
            return builder.mul(words, _number(4))

        def start(kind: Any, array: Any, at: Any) -> Any:
            return builder.bitcast(element_pointer(context, builder, kind, array, at), _POINTER)

        left, right, result = start(a, a_, a_at_), start(b, b_, b_at_), start(c, c_, c_at_)
        a_bytes, b_bytes, c_bytes, panel_bytes = (bytes_of(x) for x in (a_row_, b_row_, c_row_, b_panel_))
        lower = builder.gep(result, [builder.mul(c_bytes, _number(SIDE))])
        parts = [result, builder.gep(result, [_number(64)]), lower, builder.gep(lower, [_number(64)])]
        with builder.if_else(is_added_) as (added, fresh):
            with added:
                for number, at in enumerate(parts):
                    _call(builder, "llvm.x86.tileloadd64", tile(number), at, c_bytes)
            with fresh:
                for number in range(4):
                    _call(builder, "llvm.x86.tilezero", tile(number))

        def body(k: Any, held: list[Any]) -> list[Any]:
            a_here = builder.gep(left, [builder.mul(k, _number(64))])
            b_here = builder.gep(right, [builder.mul(k, builder.mul(b_bytes, _number(SIDE)))])
            operands = [
                (4, a_here, a_bytes),
                (6, b_here, b_bytes),
                (7, builder.gep(b_here, [panel_bytes]), b_bytes),
                (5, builder.gep(a_here, [builder.mul(a_bytes, _number(SIDE))]), a_bytes),
            ]
            for number, at, stride in operands:
                _call(builder, "llvm.x86.tileloadd64", tile(number), at, stride)
            for number in range(4):
                _call(builder, "llvm.x86.tdpbf16ps", tile(number), tile(4 + number // 2), tile(6 + number % 2))
            return held

        _loop(builder, steps_, [], body)
        for number, at in enumerate(parts):
            _call(builder, "llvm.x86.tilestored64", tile(number), at, c_bytes)
        return context.get_dummy_value()

    return _signature(a, b, c), build


def _add_products(builder: Any, total: Any, left: Any, right: Any) -> Any:
    """total + left.low right.low + left.high right.high, of vectors of words."""
    if HAS_VECTORS:
        kind = ir.FunctionType(_FLOATS, [_FLOATS, _HALVES, _HALVES])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512bf16.dpbf16ps.512")
        return builder.call(function, [total, builder.bitcast(left, _HALVES), builder.bitcast(right, _HALVES)])

    def halves(words: Any) -> list[Any]:
        low = builder.shl(words, ir.Constant(_WORDS, [16] * SIDE))
        high = builder.and_(words, ir.Constant(_WORDS, [0xFFFF0000] * SIDE))
        return [builder.bitcast(half, _FLOATS) for half in (low, high)]

    for x, y in zip(halves(left), halves(right), strict=True):
        total = builder.fadd(total, builder.fmul(x, y, flags=("contract",)), flags=("contract",))
    return total


ROWS = 8  # whose sums stay in registers, two vectors each


@intrinsic
def _vector_tile(
    typing: Any, a: Any, a_at: Any, a_row: Any, b: Any, b_at: Any, b_panel: Any, b_row: Any, c: Any, c_at: Any,
    c_row: Any, steps: Any, is_added: Any,
) -> Any:  # fmt: skip
    """ROWS x TILE of C, as `_amx_tile`."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a_, a_at_, a_row_, b_, b_at_, b_panel_, b_row_, c_, c_at_, c_row_, steps_, is_added_ = args
        left = element_pointer(context, builder, a, a_, a_at_)
        right = element_pointer(context, builder, b, b_, b_at_)
        result = element_pointer(context, builder, c, c_, c_at_)

        def vector(pointer: Any, at: Any, kind: Any) -> Any:
            return builder.bitcast(builder.gep(pointer, [at]), kind.as_pointer())

        places = [
            vector(result, builder.add(builder.mul(c_row_, _number(i)), _number(SIDE * v)), _FLOATS)
            for i in range(ROWS)
            for v in range(2)
        ]
        none = ir.Constant(_FLOATS, None)
        sums = [builder.select(is_added_, builder.load(place, align=4), none) for place in places]

        def body(p: Any, held: list[Any]) -> list[Any]:
            row = builder.mul(p, b_row_)
            factors = [builder.load(vector(right, at, _WORDS), align=4) for at in (row, builder.add(row, b_panel_))]
            new = []
            for i in range(ROWS):
                word = builder.load(builder.gep(left, [builder.add(builder.mul(a_row_, _number(i)), p)]))
                x = splat(builder, word, _WORDS)
                new += [_add_products(builder, held[2 * i + v], x, factors[v]) for v in range(2)]
            return new

        sums = _loop(builder, builder.mul(steps_, _number(SIDE)), sums, body)
        for total, place in zip(sums, places, strict=True):
            builder.store(total, place, align=4)
        return context.get_dummy_value()

    return _signature(a, b, c), build


_large_tile = _amx_tile if HAS_AMX else _vector_tile


@compiled
def begin(has_amx: bool, shapes: Array) -> None:
    """Before calls of `multiply` with AMX, on each thread. shapes: `tile_shapes`."""
    if HAS_AMX and has_amx:
        _configure_amx(shapes)


@compiled
def end(has_amx: bool) -> None:
    """After calls of `multiply` with AMX, on each thread."""
    if HAS_AMX and has_amx:
        _release_amx()


@compiled
def multiply(
    has_amx: bool, a: Array, left: tuple[int, int], b: Array, right: tuple[int, int, int], c: Array,
    result: tuple[int, int], size: tuple[int, int, int], is_added: bool,
) -> None:  # fmt: skip
    """C = A B, or C += A B, in flat arrays, for size = rows of A, pairs of its columns, columns of B.

    left: where A begins, and the words from row to row. right: where B begins, and the words from one panel of SIDE
    columns to the next and from row to row. result: where C begins, and the numbers from row to row.
    Rows and columns are rounded up to TILE, pairs to SIDE: words past the end of the pairs must be 0, and the numbers
    written past the end of C have no meaning. has_amx: HAS_AMX and `inr.kernels.precision.has_amx`, after `begin`.
    """
    rows, pairs, columns = size
    steps = (pairs + SIDE - 1) // SIDE
    for j in range(0, columns, TILE):
        b_at, c_at = right[0] + j // SIDE * right[1], result[0] + j
        if has_amx:
            for i in range(0, rows, TILE):
                _large_tile(
                    a, left[0] + i * left[1], left[1], b, b_at, right[1], right[2], c, c_at + i * result[1], result[1],
                    steps, is_added,
                )  # fmt: skip
        else:
            for i in range(0, rows, ROWS):
                _vector_tile(
                    a, left[0] + i * left[1], left[1], b, b_at, right[1], right[2], c, c_at + i * result[1], result[1],
                    steps, is_added,
                )  # fmt: skip


# -- rounding to words


def _rounded(builder: Any, x: Any) -> Any:
    """The bits of float32 numbers, rounded to bf16, to even at ties; the low half has no meaning."""
    bits = builder.bitcast(x, _WORDS)
    odd = builder.and_(builder.lshr(bits, ir.Constant(_WORDS, [16] * SIDE)), ir.Constant(_WORDS, [1] * SIDE))
    return builder.add(builder.add(bits, ir.Constant(_WORDS, [0x7FFF] * SIDE)), odd)


def _joined(builder: Any, low: Any, high: Any) -> Any:
    """The words of two vectors of float32."""
    lower = builder.lshr(_rounded(builder, low), ir.Constant(_WORDS, [16] * SIDE))
    return builder.or_(lower, builder.and_(_rounded(builder, high), ir.Constant(_WORDS, [0xFFFF0000] * SIDE)))


def _load_floats(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    pointer = element_pointer(context, builder, kind, array, at)
    return builder.load(builder.bitcast(pointer, _FLOATS.as_pointer()), align=4)


@intrinsic
def store_row_pairs(typing: Any, words: Any, at: Any, x: Any, x_at: Any, y: Any, y_at: Any) -> Any:
    """words[at + k] = (x[x_at + k], y[y_at + k]) for k < SIDE: pairs of rows."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        low = _load_floats(context, builder, x, args[2], args[3])
        high = _load_floats(context, builder, y, args[4], args[5])
        place = builder.bitcast(element_pointer(context, builder, words, *args[:2]), _WORDS.as_pointer())
        builder.store(_joined(builder, low, high), place, align=4)
        return context.get_dummy_value()

    return types.none(words, types.intp, x, types.intp, y, types.intp), build


@intrinsic
def store_column_pairs(typing: Any, words: Any, at: Any, x: Any, x_at: Any) -> Any:
    """words[at + k] = (x[x_at + 2 k], x[x_at + 2 k + 1]) for k < SIDE: pairs within a row."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        first = _load_floats(context, builder, x, args[2], args[3])
        second = _load_floats(context, builder, x, args[2], builder.add(args[3], _number(SIDE)))
        even, odd = (
            builder.shuffle_vector(first, second, ir.Constant(_WORDS, list(range(offset, 2 * SIDE, 2))))
            for offset in (0, 1)
        )
        place = builder.bitcast(element_pointer(context, builder, words, *args[:2]), _WORDS.as_pointer())
        builder.store(_joined(builder, even, odd), place, align=4)
        return context.get_dummy_value()

    return types.none(words, types.intp, x, types.intp), build


@intrinsic
def store_transposed(typing: Any, words: Any, at: Any, row: Any, x: Any, x_at: Any, x_row: Any) -> Any:
    """words[at + u row + q] = (x[x_at + 2 q x_row + u], x[x_at + (2 q + 1) x_row + u]) for u, q < SIDE.

    The words of pairs of rows, transposed, by four rounds of exchanges between vectors.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words_, at_, row_, x_, x_at_, x_row_ = args

        def line(n: int) -> Any:
            return _load_floats(context, builder, x, x_, builder.add(x_at_, builder.mul(x_row_, _number(n))))

        vectors = [_joined(builder, line(2 * q), line(2 * q + 1)) for q in range(SIDE)]
        distance = SIDE // 2
        while distance:
            for q in range(SIDE):
                if q & distance:
                    continue
                low, high = vectors[q], vectors[q + distance]
                firsts = [k if not k & distance else SIDE + k - distance for k in range(SIDE)]
                seconds = [k + distance if not k & distance else SIDE + k for k in range(SIDE)]
                vectors[q], vectors[q + distance] = (
                    builder.shuffle_vector(low, high, ir.Constant(_WORDS, picks)) for picks in (firsts, seconds)
                )
            distance //= 2
        for u, vector in enumerate(vectors):
            target = element_pointer(context, builder, words, words_, builder.add(at_, builder.mul(row_, _number(u))))
            builder.store(vector, builder.bitcast(target, _WORDS.as_pointer()), align=4)
        return context.get_dummy_value()

    return types.none(words, types.intp, types.intp, x, types.intp, types.intp), build
