"""Sine and cosine of whole vectors, for kernels that numba compiles.

    k = round(x / pi)      r = x - k pi, with pi in three parts      sin x = (-1)^k sin r      cos x = (-1)^k cos r

sin r and cos r are minimax polynomials on |r| <= pi / 2, of degree 9 and 8; they are off by at most 5e-9 and 1e-7, less
than what rounding adds. Both together cost about twenty instructions per vector.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir

from inr.core.jit import Deferred, intrinsic

types: Any = Deferred("numba.core.types")

LIMIT = 32768.0
"""The largest |x| for which the polynomials hold; see `is_beyond`."""

# The first two parts have 8 and 11 bits, so that k times them is exact in float32 up to the limit, fused or not.
PI = (3.140625, 9.67502593994140625e-4, 1.509957990978376432e-7)
SINE = (-0.16666656732559204, 0.008333015255630016, -0.00019806479394901544, 2.5997517241194146e-06)  # r^3, r^5, ...
COSINE = (0.04166543111205101, -0.0013865138171240687, 2.3376618628390133e-05)  # r^4, r^6, r^8
SHIFT = 1.5 * 2**23  # added and taken away again it rounds to whole numbers, whose last bit is then the sum's


def _constant(kind: Any, value: float) -> Any:
    return ir.Constant(kind, [value] * kind.count)


def sine_cosine_of(builder: Any, x: Any) -> tuple[Any, Any]:
    """The code of `sine_cosine` for a vector, for code of an intrinsic."""
    kind = x.type
    bits = ir.VectorType(ir.IntType(32), kind.count)

    def fma(a: Any, b: Any, c: Any) -> Any:
        return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))

    def polynomial(s: Any, coefficients: tuple[float, ...]) -> Any:
        value = _constant(kind, coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value = fma(value, s, _constant(kind, coefficient))
        return value

    shifted = fma(x, _constant(kind, 1 / math.pi), _constant(kind, SHIFT))
    k = builder.fsub(shifted, _constant(kind, SHIFT))
    r = x
    for part in PI:
        r = fma(k, _constant(kind, -part), r)
    s = builder.fmul(r, r)
    sine = fma(builder.fmul(s, r), polynomial(s, SINE), r)
    cosine = fma(s, fma(s, polynomial(s, COSINE), _constant(kind, -0.5)), _constant(kind, 1.0))
    sign = builder.shl(builder.bitcast(shifted, bits), ir.Constant(bits, [31] * kind.count))

    def signed(value: Any) -> Any:
        return builder.bitcast(builder.xor(builder.bitcast(value, bits), sign), kind)

    return signed(sine), signed(cosine)


@intrinsic
def sine_cosine(typing: Any, vector: Any) -> Any:
    """sine_cosine(x) -> (sin x, cos x) for a vector of float32 within LIMIT, each off by less than 5e-7."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.make_tuple(builder, signature.return_type, sine_cosine_of(builder, args[0]))

    return types.UniTuple(vector, 2)(vector), build


def _magnitude(builder: Any, x: Any) -> Any:
    """|x| as whole numbers in the same order as the magnitudes, with infinity and NaN above all."""
    bits = ir.VectorType(ir.IntType(32), x.type.count)
    return builder.and_(builder.bitcast(x, bits), ir.Constant(bits, [0x7FFFFFFF] * x.type.count))


@intrinsic
def larger(typing: Any, a: Any, b: Any) -> Any:
    """larger(a, b): in each lane the larger magnitude; NaN counts as the largest."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        left, right = (_magnitude(builder, x) for x in args)
        chosen = builder.select(builder.icmp_unsigned(">", left, right), left, right)
        return builder.bitcast(chosen, args[0].type)

    return a(a, b), build


@intrinsic
def is_beyond(typing: Any, vector: Any) -> Any:
    """is_beyond(x): whether any |x| is above LIMIT or not a number, so that `sine_cosine` does not hold."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (x,) = args
        limit = _constant(x.type, LIMIT)
        mask = builder.icmp_unsigned(">", _magnitude(builder, x), builder.bitcast(limit, _magnitude(builder, x).type))
        number = builder.bitcast(mask, ir.IntType(x.type.count))
        return builder.icmp_unsigned("!=", number, ir.Constant(number.type, 0))

    return types.boolean(vector), build
