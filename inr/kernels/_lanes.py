"""Arithmetic on vectors, lane by lane, inside numba functions; see `_vectors`."""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

from typing import Any

from llvmlite import ir
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
