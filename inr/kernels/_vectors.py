"""Vectors of a fixed number of lanes inside numba functions, for loops that must keep their sums in registers.

numba has no such type and LLVM does not tile loops over registers by itself. A vector is wider than the machine's
registers only where that costs nothing: LLVM splits it.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models, register_default
from numba.extending import intrinsic

VECTOR_BYTES = 64 if llvmlite.binding.get_host_cpu_features().get("avx512f") else 32


class Vector(types.Type):
    """As many numbers of a type as fill VECTOR_BYTES."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        super().__init__(name=f"Vector({dtype})")


@register_default(Vector)
class VectorModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Vector) -> None:
        element = manager.lookup(kind.dtype).get_value_type()
        super().__init__(manager, kind, ir.VectorType(element, VECTOR_BYTES * 8 // kind.dtype.bitwidth))


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return cgutils.gep_inbounds(builder, data, at)


def _splat(builder: Any, scalar: Any, vector_type: Any) -> Any:
    one = builder.insert_element(ir.Constant(vector_type, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector_type.count), None)
    return builder.shuffle_vector(one, ir.Constant(vector_type, ir.Undefined), zeros)


@intrinsic
def load(typing: Any, array: Any, at: Any) -> Any:
    """load(array, at): the vector that starts at element `at` of a contiguous array; no bounds are checked."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, array, *args)
        vector = builder.bitcast(pointer, context.get_value_type(signature.return_type).as_pointer())
        return builder.load(vector, align=array.dtype.bitwidth // 8)

    return Vector(array.dtype)(array, types.intp), build


@intrinsic
def load_each(typing: Any, array: Any, at: Any) -> Any:
    """load_each(array, at): element `at` in every lane."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        scalar = builder.load(_pointer(context, builder, array, *args))
        return _splat(builder, scalar, context.get_value_type(signature.return_type))

    return Vector(array.dtype)(array, types.intp), build


@intrinsic
def store(typing: Any, array: Any, at: Any, vector: Any) -> Any:
    """store(array, at, vector)."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, array, *args[:2])
        target = builder.bitcast(pointer, args[2].type.as_pointer())
        builder.store(args[2], target, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, vector), build


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once where the machine can."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(args[0], args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return a(a, b, c), build


@intrinsic
def zero_below(typing: Any, vector: Any, gate: Any) -> Any:
    """The vector with zeros in the lanes where the gate is at most zero; a gate that is not a number lets through."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = ir.Constant(args[0].type, None)
        return builder.select(builder.fcmp_ordered("<=", args[1], zero), zero, args[0])

    return vector(vector, gate), build


@intrinsic
def prefetch(typing: Any, array: Any, at: Any) -> Any:
    """prefetch(array, at): asks for the cache line of element `at` of a contiguous array, and does not wait for it."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        integer = ir.IntType(32)
        pointer = builder.bitcast(_pointer(context, builder, array, *args), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(function, [pointer, integer(1), integer(3), integer(1)])
        return context.get_dummy_value()

    return types.none(array, types.intp), build
