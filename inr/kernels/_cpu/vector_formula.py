"""Formulas on SIMD vectors, written with Python's operators, as functions for code that numba compiles.

LLVM turns loops of scalars into vectors of half the machine's width on many processors, and cannot do so around a
branch. A formula gets vectors of VECTOR_BYTES bytes.
"""

# mypy: disable-error-code=untyped-decorator

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir

from inr.core.jit import Deferred, intrinsic
from inr.kernels.simd import element_pointer, splat
from inr.kernels.sine.polynomial import sine_cosine_of

types: Any = Deferred("numba.core.types")
cgutils: Any = Deferred("numba.core.cgutils")
vector_type: Any = Deferred("inr.kernels._cpu.vector_type")

INTEGER = ir.IntType(32)
LN2 = (0.693359375, -2.12194440e-4)  # the first part has 9 bits, so that whole numbers times it are exact
ROUND = 1.5 * 2**23  # added and taken away again it rounds to whole numbers
LEAST, MOST = -87.0, 88.0  # e^x is normal and finite between these


class Lanes:
    """A vector of float32 while code for it is written. Operators take vectors and Python's numbers."""

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    def _like(self, other: Lanes | float) -> Any:
        return (
            other.value if isinstance(other, Lanes) else ir.Constant(self.value.type, [other] * self.value.type.count)
        )

    def _new(self, value: Any) -> Lanes:
        return Lanes(self.builder, value)

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._new(self.builder.fadd(self.value, self._like(other), flags=("contract",)))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._new(self.builder.fsub(self.value, self._like(other), flags=("contract",)))

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._new(self.builder.fmul(self.value, self._like(other), flags=("contract",)))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._new(self.builder.fdiv(self.value, self._like(other)))

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: float) -> Lanes:
        return self._new(self.builder.fsub(self._like(other), self.value, flags=("contract",)))

    def __rtruediv__(self, other: float) -> Lanes:
        return self._new(self.builder.fdiv(self._like(other), self.value))

    def __neg__(self) -> Lanes:
        return self._new(self.builder.fneg(self.value))

    def __abs__(self) -> Lanes:
        return self._new(self.builder.bitcast(self.builder.and_(self.bits, self._whole(0x7FFFFFFF)), self.value.type))

    def __lt__(self, other: Lanes | float) -> Any:
        """A mask for `choose`; false where either is NaN."""
        return self.builder.fcmp_ordered("<", self.value, self._like(other))

    @property
    def bits(self) -> Any:
        return self.builder.bitcast(self.value, ir.VectorType(INTEGER, self.value.type.count))

    def _whole(self, number: int) -> Any:
        return ir.Constant(ir.VectorType(INTEGER, self.value.type.count), [number] * self.value.type.count)

    def from_bits(self, bits: Any) -> Lanes:
        return self._new(self.builder.bitcast(bits, self.value.type))


def choose(mask: Any, a: Lanes | float, b: Lanes | float) -> Lanes:
    """a where the mask is true, else b; one of them is a vector."""
    like = a if isinstance(a, Lanes) else b
    assert isinstance(like, Lanes)
    return like._new(like.builder.select(mask, like._like(a), like._like(b)))


def sign_of(x: Lanes) -> Lanes:
    """1 or -1."""
    one = ir.Constant(x.value.type, [1.0] * x.value.type.count)
    sign = x.builder.and_(x.bits, x._whole(0x80000000))
    return x.from_bits(x.builder.or_(Lanes(x.builder, one).bits, sign))


def root(x: Lanes) -> Lanes:
    """The square root."""
    kind = x.value.type
    signature = ir.FunctionType(kind, [kind])
    function = cgutils.get_or_insert_function(x.builder.module, signature, f"llvm.sqrt.v{kind.count}f32")
    return x._new(x.builder.call(function, [x.value]))


def sine_cosine(x: Lanes) -> tuple[Lanes, Lanes]:
    """(sin x, cos x), as `inr.kernels.sine.polynomial.sine_cosine`: for |x| up to its LIMIT."""
    sine, cosine = sine_cosine_of(x.builder, x.value)
    return x._new(sine), x._new(cosine)


def exp(x: Lanes) -> Lanes:
    """e^x within 3 eps for x from -87 to 88, and that of the nearest of these bounds beyond; NaN stays NaN."""
    x = choose(x < LEAST, LEAST, x)
    x = choose(Lanes(x.builder, x._like(MOST)) < x, MOST, x)
    shifted = x * (1 / math.log(2)) + ROUND
    n = shifted - ROUND
    r = x - n * LN2[0] - n * LN2[1]
    p = r * (1 / math.factorial(7)) + 1 / math.factorial(6)
    for k in range(5, -1, -1):
        p = p * r + 1 / math.factorial(k)
    power = x.builder.shl(x.builder.add(shifted.bits, x._whole(127)), x._whole(23))
    return p * x.from_bits(power)


def log_1_plus(x: Lanes) -> Lanes:
    """ln(1 + x) for x in [0, 1], within 3e-7: 2 artanh(x / (2 + x))."""
    s = x / (x + 2.0)
    z = s * s
    p = z * (2 / 15) + 2 / 13
    for k in range(11, 0, -2):
        p = p * z + 2 / k
    return p * s


Formula = Callable[..., Sequence[Lanes]]


def row_function(formula: Formula) -> Any:
    """f(a, b, width, z, z_at, h, h_at, c, c_at), for compiled code: (h, c) = formula(z, a, b) for a row of numbers.

    a, b: numbers, in every lane of the formula's. Arrays are flat; whole vectors past the width are read and written.
    """

    def row(
        typing: Any, a: Any, b: Any, width: Any, z: Any, z_at: Any, h: Any, h_at: Any, c: Any, c_at: Any
    ) -> Any:  # fmt: skip
        def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            a_, b_, width_, z_, z_at_, h_, h_at_, c_, c_at_ = args
            vector = context.get_value_type(vector_type.Vector(types.float32))
            numbers = [Lanes(builder, splat(builder, number, vector)) for number in (a_, b_)]
            source, *targets = (
                element_pointer(context, builder, kind, array, at)
                for kind, array, at in ((z, z_, z_at_), (h, h_, h_at_), (c, c_, c_at_))
            )

            def place(pointer: Any, k: Any) -> Any:
                return builder.bitcast(builder.gep(pointer, [k]), vector.as_pointer())

            with cgutils.for_range_slice(
                builder, width_.type(0), width_, width_.type(vector.count), width_.type, inc=True
            ) as (k, _):
                x = Lanes(builder, builder.load(place(source, k), align=4))
                for target, result in zip(targets, formula(x, *numbers), strict=True):
                    builder.store(result.value, place(target, k), align=4)
            return context.get_dummy_value()

        n = types.intp
        return types.none(types.float32, types.float32, n, z, n, h, n, c, n), build

    return intrinsic(row)


def vector_function(formula: Formula, n_vectors: int) -> Any:
    """A function for compiled code: 2 or 6 vectors and two numbers (a, b) to a pair of vectors."""

    def build(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = args[0].type
        lanes = [Lanes(builder, arg) for arg in args[:n_vectors]]
        numbers = [Lanes(builder, splat(builder, arg, kind)) for arg in args[n_vectors:]]
        return context.make_tuple(builder, signature.return_type, [x.value for x in formula(*lanes, *numbers)])

    def signature() -> Any:
        vector = vector_type.Vector(types.float32)
        return types.UniTuple(vector, 2)(*[vector] * n_vectors, types.float32, types.float32)

    if n_vectors == 2:
        return intrinsic(lambda typing, x, y, a, b: (signature(), build))
    return intrinsic(lambda typing, x, y, v, w, g, k, a, b: (signature(), build))
