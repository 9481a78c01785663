"""SIMD vectors inside numba functions, for loops that must keep their sums in registers.

Numba has no vector type, and LLVM does not tile loops over registers by itself. A vector may be wider than the
machine's registers: LLVM then splits it at no cost.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

from inr.core.jit import Deferred, intrinsic
from inr.core.processor import has_avx512

ir: Any = Deferred("llvmlite.ir")
types: Any = Deferred("numba.core.types")
cgutils: Any = Deferred("numba.core.cgutils")
vector_type: Any = Deferred("inr.kernels._cpu.vector_type")

VECTOR_BYTES = 64 if has_avx512() else 32


def element_pointer(context: Any, builder: Any, array_type: Any, array: Any, at: Any) -> Any:
    """The address of element `at` of an array, for code of an intrinsic."""
    data = context.make_array(array_type)(context, builder, array).data
    return cgutils.gep_inbounds(builder, data, at)


def splat(builder: Any, scalar: Any, vector_type: Any) -> Any:
    """A number in every lane, for code of an intrinsic."""
    one = builder.insert_element(ir.Constant(vector_type, ir.Undefined), scalar, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector_type.count), None)
    return builder.shuffle_vector(one, ir.Constant(vector_type, ir.Undefined), zeros)


@intrinsic
def lanes_of(typing: Any, array: Any) -> Any:
    """lanes_of(array): elements of a vector of the array's type, as a constant of the machine code.

    `array.itemsize` is read from memory, and a division by it may take longer than the loop around it.
    """

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, VECTOR_BYTES // (array.dtype.bitwidth // 8))

    return types.intp(array), build


@intrinsic
def load(typing: Any, array: Any, at: Any) -> Any:
    """load(array, at): the vector that starts at element `at` of a contiguous array, without a bounds check."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = element_pointer(context, builder, array, *args)
        vector = builder.bitcast(pointer, context.get_value_type(signature.return_type).as_pointer())
        return builder.load(vector, align=array.dtype.bitwidth // 8)

    return vector_type.Vector(array.dtype)(array, types.intp), build


@intrinsic
def load_each(typing: Any, array: Any, at: Any) -> Any:
    """load_each(array, at): element `at` in every lane."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        scalar = builder.load(element_pointer(context, builder, array, *args))
        return splat(builder, scalar, context.get_value_type(signature.return_type))

    return vector_type.Vector(array.dtype)(array, types.intp), build


@intrinsic
def store(typing: Any, array: Any, at: Any, vector: Any) -> Any:
    """store(array, at, vector)."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = element_pointer(context, builder, array, *args[:2])
        target = builder.bitcast(pointer, args[2].type.as_pointer())
        builder.store(args[2], target, align=array.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(array, types.intp, vector), build


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a b + c, rounded once if the machine has the instruction."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(args[0], args[1], flags=("contract",))
        return builder.fadd(product, args[2], flags=("contract",))

    return a(a, b, c), build


@intrinsic
def zero_below(typing: Any, vector: Any, gate: Any) -> Any:
    """The vector with zeros in the lanes whose gate is <= 0. Lanes with a NaN gate keep their value."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zero = ir.Constant(args[0].type, None)
        return builder.select(builder.fcmp_ordered("<=", args[1], zero), zero, args[0])

    return vector(vector, gate), build


@intrinsic
def prefetch(typing: Any, array: Any, at: Any) -> Any:
    """prefetch(array, at): starts loading the cache line of element `at` of a contiguous array."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        integer = ir.IntType(32)
        pointer = builder.bitcast(element_pointer(context, builder, array, *args), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(function, [pointer, integer(1), integer(3), integer(1)])
        return context.get_dummy_value()

    return types.none(array, types.intp), build


# -- arithmetic, lane by lane


@intrinsic
def zeros(typing: Any, array: Any) -> Any:
    """zeros(array): a vector of zeros of the array's type."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return vector_type.Vector(array.dtype)(array), build


@intrinsic
def scaled(typing: Any, vector: Any, factor: Any) -> Any:
    """scaled(x, a): a x, for a number a of the vector's type."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(args[0], splat(builder, args[1], args[0].type))

    return vector(vector, vector.dtype), build


@intrinsic
def times(typing: Any, a: Any, b: Any) -> Any:
    """times(a, b): a b."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(*args)

    return a(a, b), build


@intrinsic
def plus(typing: Any, a: Any, b: Any) -> Any:
    """plus(a, b): a + b."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fadd(*args)

    return a(a, b), build


def _shuffle(picks: Any) -> Any:
    """An intrinsic from two vectors to two: for n lanes, picks(n) lists the input lanes of each output vector."""

    def shuffle(typing: Any, a: Any, b: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            integer = ir.IntType(32)
            lanes = args[0].type.count
            masks = [ir.Constant(ir.VectorType(integer, lanes), [integer(at) for at in pick]) for pick in picks(lanes)]
            return context.make_tuple(
                builder, signature.return_type, [builder.shuffle_vector(*args, mask) for mask in masks]
            )

        return types.UniTuple(a, 2)(a, b), build

    return intrinsic(shuffle)


def _alternate(n: int) -> list[list[int]]:
    both = [at for k in range(n) for at in (k, n + k)]
    return [both[:n], both[n:]]


alternate = _shuffle(_alternate)
"""alternate(a, b): a_0, b_0, a_1, b_1, ..., in two vectors."""
part = _shuffle(lambda n: [list(range(0, 2 * n, 2)), list(range(1, 2 * n, 2))])
"""part(x, y): the even and the odd elements of x and y together, in two vectors; undoes `alternate`."""


# -- sums of products of 32-bit integers, in vectors of 64-bit integers

INTEGER_LANES = VECTOR_BYTES // 8


def _narrow(builder: Any, context: Any, array_type: Any, array: Any, at: Any) -> Any:
    vector = ir.VectorType(ir.IntType(32), INTEGER_LANES).as_pointer()
    return builder.bitcast(element_pointer(context, builder, array_type, array, at), vector)


@intrinsic
def add_product(typing: Any, total: Any, factor: Any, array: Any, at: Any) -> Any:
    """add_product(s, a, array, at): s + a x, exactly, for 32-bit a and the vector x at element `at` of int32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = args[0].type
        row = builder.sext(builder.load(_narrow(builder, context, array, *args[2:]), align=4), wide)
        one = splat(builder, builder.sext(args[1], wide.element), wide)
        return builder.add(args[0], builder.mul(one, row))

    return total(total, types.int32, array, types.intp), build


@intrinsic
def store_rectified(typing: Any, array: Any, at: Any, total: Any, shift: Any, largest: Any) -> Any:
    """array[at + i] = min(max(s_i, 0) >> shift, largest), as int32."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = args[2].type
        zero = ir.Constant(wide, None)
        positive = builder.select(builder.icmp_signed("<", args[2], zero), zero, args[2])
        shifted = builder.ashr(positive, splat(builder, args[3], wide))
        most = splat(builder, args[4], wide)
        bounded = builder.select(builder.icmp_signed("<", shifted, most), shifted, most)
        narrow = builder.trunc(bounded, ir.VectorType(ir.IntType(32), wide.count))
        builder.store(narrow, _narrow(builder, context, array, *args[:2]), align=4)
        return context.get_dummy_value()

    return types.none(array, types.intp, total, types.int64, types.int64), build
