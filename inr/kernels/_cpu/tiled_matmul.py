"""Tiles of matrix products whose sums stay in registers, for kernels that numba compiles."""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numpy.typing import NDArray

from inr.core.jit import Deferred, intrinsic
from inr.kernels.simd import VECTOR_BYTES, element_pointer, lanes_of, splat
from inr.kernels.threads import compiled

types: Any = Deferred("numba.core.types")

Array = NDArray[Any]

TILE_ROWS = 12 if VECTOR_BYTES == 64 else 6  # two vectors of sums per row, out of 32 or 16 registers
REST_ROWS = TILE_ROWS // 3


def _tile(n_rows: int, n_vectors: int) -> Any:
    def tile(
        typing: Any, a: Any, a_at: Any, a_row: Any, a_step: Any, b: Any, b_at: Any, b_step: Any,
        start: Any, start_at: Any, start_row: Any, c: Any, c_at: Any, c_row: Any, depth: Any,
    ) -> Any:  # fmt: skip
        n = types.intp

        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a_, a_at_, a_row_, a_step_, b_, b_at_, b_step_, s_, s_at_, s_row_, c_, c_at_, c_row_, depth_ = args
            element = context.get_value_type(c.dtype)
            lanes = VECTOR_BYTES * 8 // c.dtype.bitwidth
            vector = ir.VectorType(element, lanes)
            size = c.dtype.bitwidth // 8

            def constant(value: int) -> Any:
                return ir.Constant(a_at_.type, value)

            def rows(kind: Any, array: Any, at: Any, row: Any) -> list[Any]:
                base = element_pointer(context, builder, kind, array, at)
                offsets = [builder.mul(row, constant(i)) for i in range(n_rows)]
                return [builder.gep(base, [offset]) for offset in offsets]

            def each(pointer: Any, v: int) -> Any:
                return builder.bitcast(builder.gep(pointer, [constant(v * lanes)]), vector.as_pointer())

            sums = [
                builder.load(each(pointer, v), align=size)
                for pointer in rows(start, s_, s_at_, s_row_)
                for v in range(n_vectors)
            ]
            left = rows(a, a_, a_at_, a_row_)
            right = element_pointer(context, builder, b, b_, b_at_)
            before = builder.block
            head, body, after = (builder.append_basic_block(f"tile.{name}") for name in ("head", "body", "after"))
            builder.branch(head)
            builder.position_at_end(head)
            k = builder.phi(a_at_.type)
            a_off, b_off = builder.phi(a_at_.type), builder.phi(a_at_.type)
            held = [builder.phi(vector) for _ in sums]
            for phi, value in zip([k, a_off, b_off, *held], [*[constant(0)] * 3, *sums], strict=True):
                phi.add_incoming(value, before)
            builder.cbranch(builder.icmp_signed("<", k, depth_), body, after)
            builder.position_at_end(body)
            here = builder.gep(right, [b_off])
            factors = [builder.load(each(here, v), align=size) for v in range(n_vectors)]
            new = []
            for i, pointer in enumerate(left):
                x = splat(builder, builder.load(builder.gep(pointer, [a_off])), vector)
                for v, factor in enumerate(factors):
                    product = builder.fmul(x, factor, flags=("contract",))
                    new.append(builder.fadd(product, held[i * n_vectors + v], flags=("contract",)))
            following = [builder.add(k, constant(1)), builder.add(a_off, a_step_), builder.add(b_off, b_step_), *new]
            for phi, value in zip([k, a_off, b_off, *held], following, strict=True):
                phi.add_incoming(value, body)
            builder.branch(head)
            builder.position_at_end(after)
            for i, pointer in enumerate(rows(c, c_, c_at_, c_row_)):
                for v in range(n_vectors):
                    builder.store(held[i * n_vectors + v], each(pointer, v), align=size)
            return context.get_dummy_value()

        return types.none(a, n, n, n, b, n, n, start, n, n, c, n, n, n), build

    return intrinsic(tile)


_wide, _narrow = _tile(TILE_ROWS, 2), _tile(TILE_ROWS, 1)
_wide_rest, _narrow_rest = _tile(REST_ROWS, 2), _tile(REST_ROWS, 1)


@compiled
def multiply(
    a: Array,
    left: tuple[int, int, int],
    b: Array,
    right: tuple[int, int, int],
    start: Array,
    base: tuple[int, int, int],
    c: Array,
    total: tuple[int, int, int],
    size: tuple[int, int, int],
) -> None:
    """C = start + A B in flat arrays, for size = rows of A, columns of A, columns of B.

    left: where A begins, and how far its rows and its columns are apart.
    right: where B begins, and how far its panels of 2 LANES columns and its rows are apart.
    base, total: likewise panels and rows of `start` and C.

    Rows are rounded up to REST_ROWS, columns to LANES: the arrays must have room for them, and the values written there
    have no meaning. Each number is a sum in the order of A's columns, whatever tile it is in.
    """
    lanes = lanes_of(c)
    a_at, a_row, a_step = left
    b_at, b_panel, b_step = right
    s_at, s_panel, s_row = base
    c_at, c_panel, c_row = total
    rows, depth, columns = size
    panel = 0
    while 2 * lanes * panel < columns:
        is_wide = columns - 2 * lanes * panel > lanes
        b_here, s_here, c_here = b_at + panel * b_panel, s_at + panel * s_panel, c_at + panel * c_panel
        i = 0
        while i < rows:
            a_i, s_i, c_i = a_at + i * a_row, s_here + i * s_row, c_here + i * c_row
            if i + 2 * REST_ROWS < rows:
                if is_wide:
                    _wide(a, a_i, a_row, a_step, b, b_here, b_step, start, s_i, s_row, c, c_i, c_row, depth)
                else:
                    _narrow(a, a_i, a_row, a_step, b, b_here, b_step, start, s_i, s_row, c, c_i, c_row, depth)
                i += TILE_ROWS
            else:
                if is_wide:
                    _wide_rest(a, a_i, a_row, a_step, b, b_here, b_step, start, s_i, s_row, c, c_i, c_row, depth)
                else:
                    _narrow_rest(a, a_i, a_row, a_step, b, b_here, b_step, start, s_i, s_row, c, c_i, c_row, depth)
                i += REST_ROWS
        panel += 1
