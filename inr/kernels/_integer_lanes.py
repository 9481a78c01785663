"""Sums of products of 32-bit integers in vectors of 64-bit ones, inside numba functions; see `_vectors`."""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from inr.kernels._vectors import VECTOR_BYTES, _pointer, _splat

LANES = VECTOR_BYTES // 8


def _narrow(builder: Any, context: Any, array_type: Any, array: Any, at: Any) -> Any:
    vector = ir.VectorType(ir.IntType(32), LANES).as_pointer()
    return builder.bitcast(_pointer(context, builder, array_type, array, at), vector)


@intrinsic
def add_product(typing: Any, total: Any, factor: Any, array: Any, at: Any) -> Any:
    """add_product(s, a, array, at): s + a x, exactly, for 32-bit a and the vector x at element `at` of int32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = args[0].type
        row = builder.sext(builder.load(_narrow(builder, context, array, *args[2:]), align=4), wide)
        one = _splat(builder, builder.sext(args[1], wide.element), wide)
        return builder.add(args[0], builder.mul(one, row))

    return total(total, types.int32, array, types.intp), build


@intrinsic
def store_rectified(typing: Any, array: Any, at: Any, total: Any, shift: Any, largest: Any) -> Any:
    """array[at + i] = min(max(s_i, 0) >> shift, largest), as int32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = args[2].type
        zero = ir.Constant(wide, None)
        positive = builder.select(builder.icmp_signed("<", args[2], zero), zero, args[2])
        shifted = builder.ashr(positive, _splat(builder, args[3], wide))
        most = _splat(builder, args[4], wide)
        bounded = builder.select(builder.icmp_signed("<", shifted, most), shifted, most)
        narrow = builder.trunc(bounded, ir.VectorType(ir.IntType(32), wide.count))
        builder.store(narrow, _narrow(builder, context, array, *args[:2]), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, total, types.int64, types.int64), build
