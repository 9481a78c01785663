"""Arithmetic on vectors, lane by lane, inside numba functions; see `_vectors`."""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core.types import containers
from numba.extending import intrinsic

from inr.kernels._vectors import Vector, _splat


@intrinsic
def zeros(typing: Any, array: Any) -> Any:
    """zeros(array): a vector of zeros of the array's type."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(signature.return_type), None)

    return Vector(array.dtype)(array), build


@intrinsic
def scaled(typing: Any, vector: Any, factor: Any) -> Any:
    """scaled(x, a): a x, for a number a of the vector's type."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(args[0], _splat(builder, args[1], args[0].type))

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
    """An intrinsic of two vectors that gives two: for n lanes picks(n) lists, of those of both, what each one has."""

    def shuffle(typing: Any, a: Any, b: Any) -> Any:
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            integer = ir.IntType(32)
            lanes = args[0].type.count
            masks = [ir.Constant(ir.VectorType(integer, lanes), [integer(at) for at in pick]) for pick in picks(lanes)]
            return context.make_tuple(
                builder, signature.return_type, [builder.shuffle_vector(*args, mask) for mask in masks]
            )

        return containers.UniTuple(a, 2)(a, b), build

    return intrinsic(shuffle)


def _alternate(n: int) -> list[list[int]]:
    both = [at for k in range(n) for at in (k, n + k)]
    return [both[:n], both[n:]]


alternate = _shuffle(_alternate)
"""alternate(a, b): a_0, b_0, a_1, b_1, ..., in two vectors."""
part = _shuffle(lambda n: [list(range(0, 2 * n, 2)), list(range(1, 2 * n, 2))])
"""part(x, y): every other number of x and y, from the first one and from the second one; undoes `alternate`."""
