"""Building an op list with arithmetic expressions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from torch import Tensor

from inr.exporters.ops import (
    AffineOp,
    Array,
    CastOp,
    ChosenOp,
    ClampOp,
    ConcatOp,
    DenseOp,
    Function,
    InputOp,
    JoinOp,
    MapOp,
    Operation,
    Pairing,
    Program,
    SelectOp,
    SumOp,
    dead_code_removed,
)

Numbers = float | Sequence[float] | Tensor | Array


def array(values: Any) -> Array:
    """A copy of a tensor or of numbers as an array; Python numbers become float32."""
    if isinstance(values, Tensor):
        return np.array(values.detach().cpu().numpy())
    return np.array(values) if isinstance(values, np.ndarray) else np.array(values, np.float32)


class Builder:
    """An op list under construction."""

    def __init__(self, d_in: int, precision: Literal["float32", "float64"] = "float32") -> None:
        self.ops: list[Operation] = []
        self.input = self.add(InputOp(inputs=(), width=d_in, dtype=precision))

    def add(self, op: Operation) -> Value:
        self.ops.append(op)
        return Value(self, len(self.ops) - 1, op.width)

    def program(self, result: Value) -> Program:
        """The ops needed for `result`, which becomes the last op."""
        return dead_code_removed(self.ops[: result.place + 1])


@dataclass(frozen=True)
class Value:
    """The result [N, width] of an op, for use in expressions; each operation adds an op."""

    builder: Builder
    place: int
    width: int

    def affine(self, scale: Numbers, shift: Numbers = 0.0) -> Value:
        both = (np.broadcast_to(array(v), (self.width,)).copy() for v in (scale, shift))
        scale, shift = both
        return self.builder.add(AffineOp(inputs=(self.place,), width=self.width, scale=scale, shift=shift))

    def dense(self, weight: Tensor | Array, bias: Tensor | Array | None = None) -> Value:
        w = array(weight)
        b = np.zeros(len(w), w.dtype) if bias is None else array(bias)
        assert w.shape[1] == self.width, f"{w.shape} does not fit {self.width} columns"
        return self.builder.add(DenseOp(inputs=(self.place,), width=len(w), weight=w, bias=b))

    def chosen(self, k: Value, weight: Tensor | Array, bias: Tensor | Array) -> Value:
        """Dense layer k of several: weight [K, d_out, d_in], bias [K, d_out]."""
        w, b = array(weight), array(bias)
        return self.builder.add(ChosenOp(inputs=(self.place, k.place), width=w.shape[1], weight=w, bias=b))

    def map(self, function: Function) -> Value:
        return self.builder.add(MapOp(inputs=(self.place,), width=self.width, function=function))

    def clamp(self, low: float | None, high: float | None) -> Value:
        return self.builder.add(ClampOp(inputs=(self.place,), width=self.width, low=low, high=high))

    def join(self, function: Pairing, other: Value) -> Value:
        assert other.width in (1, self.width), f"{self.width} and {other.width} columns do not join"
        return self.builder.add(JoinOp(inputs=(self.place, other.place), width=self.width, function=function))

    def select(self, index: Sequence[int]) -> Value:
        return self.builder.add(SelectOp(inputs=(self.place,), width=len(index), index=np.array(index, np.int64)))

    def columns(self, start: int, stop: int) -> Value:
        return self.select(range(start, stop))

    def halves(self) -> tuple[Value, Value]:
        half = self.width // 2
        return self.columns(0, half), self.columns(half, self.width)

    def sum(self, parts: int | None = None) -> Value:
        """Sum over `parts` blocks of columns; by default over all columns."""
        parts = parts or self.width
        return self.builder.add(SumOp(inputs=(self.place,), width=self.width // parts, parts=parts))

    def cast(self, dtype: Any) -> Value:
        return self.builder.add(CastOp(inputs=(self.place,), width=self.width, dtype=dtype))

    def __add__(self, other: Value | Numbers) -> Value:
        return self.join("add", other) if isinstance(other, Value) else self.affine(1.0, other)

    def __sub__(self, other: Value) -> Value:
        return self.join("subtract", other)

    def __mul__(self, other: Value | Numbers) -> Value:
        return self.join("multiply", other) if isinstance(other, Value) else self.affine(other)

    def __truediv__(self, other: Value) -> Value:
        return self.join("divide", other)

    def __neg__(self) -> Value:
        return self.affine(-1.0)


def concat(parts: Sequence[Value]) -> Value:
    if len(parts) == 1:
        return parts[0]
    width = sum(part.width for part in parts)
    return parts[0].builder.add(ConcatOp(inputs=tuple(part.place for part in parts), width=width))
