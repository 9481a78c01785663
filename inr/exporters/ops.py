"""The op list: an intermediate representation of fitted fields with fifteen kinds of ops, the input of exporters.

`inr.exporters.evaluator` evaluates a list in NumPy and defines each op.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Literal[
    "sin", "cos", "exp", "log", "sqrt", "square", "abs", "floor", "reciprocal", "relu", "tanh", "sinh", "cosh", "atan",
    "erf", "sigmoid", "softplus", "elu",
]  # fmt: skip
Pairing = Literal["add", "subtract", "multiply", "divide", "maximum"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Operation:
    """One step: from earlier values [N, k], whose positions are `inputs`, to a new value [N, width]."""

    inputs: tuple[int, ...]
    width: int

    @property
    def name(self) -> str:
        """The operation's name in files."""
        return type(self).__name__.removesuffix("Op").lower()


@dataclass(frozen=True, eq=False, kw_only=True)
class InputOp(Operation):
    """The coordinates, in this precision."""

    dtype: Literal["float32", "float64"] = "float32"


@dataclass(frozen=True, eq=False, kw_only=True)
class AffineOp(Operation):
    """h scale + shift, column by column; scale and shift [width]."""

    scale: Array
    shift: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class DenseOp(Operation):
    """h W^T + b; weight [width, k], bias [width]."""

    weight: Array
    bias: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class ChosenOp(Operation):
    """h W_k^T + b_k, where k is the whole number in the one column of the second input.

    weight [K, width, columns of h], bias [K, width].
    """

    weight: Array
    bias: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class MapOp(Operation):
    """An elementwise function."""

    function: Function


@dataclass(frozen=True, eq=False, kw_only=True)
class ClampOp(Operation):
    """min(max(h, low), high); None: no bound."""

    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class JoinOp(Operation):
    """Two values, element by element; the second may have one column for all."""

    function: Pairing


@dataclass(frozen=True, eq=False, kw_only=True)
class ConcatOp(Operation):
    """Values side by side."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SelectOp(Operation):
    """Column index[j] of h as column j."""

    index: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class SumOp(Operation):
    """The sum of `parts` consecutive blocks of columns."""

    parts: int


@dataclass(frozen=True, eq=False, kw_only=True)
class GridOp(Operation):
    """Features of L levels of vertices, interpolated at x: [N, L F].

    p = x scale_l + start; c = floor(p), at most last_l if there is a `last`; t = p - c, or t^2 (3 - 2 t) where
    `is_smooth`. The row of vertex v = c + m, m in {0, 1}^D, is offset_l + (sum_d v_d stride_ld) mod entries_l, or if
    level l is hashed offset_l + (xor_d v_d factor_d mod 2^32) mod entries_l, entries_l a power of two.

    table [T, F]; scale, last, stride [L, D]; entries, offset, is_hashed [L]; factor [D] uint32.
    """

    table: Array
    scale: Array
    start: float
    last: Array | None
    stride: Array
    factor: Array
    entries: Array
    offset: Array
    is_hashed: Array
    is_smooth: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class RadialOp(Operation):
    """phi(R_m (x - c_m)) for M kernels: [N, M]; 0 where |R_m (x - c_m)| > reach, if there is a reach.

    centres [M, D], roots [M, D, D]; kernel: a name of `inr.kernels.radial`.
    """

    centres: Array
    roots: Array
    kernel: str
    reach: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class NearestOp(Operation):
    """sum_k weight_k * sin(phi_k factors) (without factors: weight_k phi_k) over the K kernels nearest to x: [N, F].

    phi as in `RadialOp`, divided by its sum over k (plus 1e-8) if `is_normalised`. weight [M, F], factors [F].
    """

    centres: Array
    roots: Array
    weight: Array
    factors: Array | None
    kernel: str
    neighbours: int
    is_normalised: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class PolynomialsOp(Operation):
    """P_0 ... P_n of one column u: P_0 = 1, P_1 = u, P_(k+1) = a_k u P_k - b_k P_(k-1), then times scale: [N, n + 1].

    a, b [n], of which the first pair is not used; scale [n + 1].
    """

    a: Array
    b: Array
    scale: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class CastOp(Operation):
    """Conversion to float32 or float64; all other ops keep the precision of their inputs."""

    dtype: Literal["float32", "float64"]


@dataclass(frozen=True, eq=False)
class Program:
    """Ops in order of evaluation; the first is the input, the last the result."""

    ops: tuple[Operation, ...]

    @property
    def d_in(self) -> int:
        return self.ops[0].width

    @property
    def precision(self) -> str:
        """Precision of the input points: "float32" or "float64"."""
        first = self.ops[0]
        assert isinstance(first, InputOp)
        return first.dtype

    @property
    def d_out(self) -> int:
        return self.ops[-1].width

    @property
    def n_numbers(self) -> int:
        """Total size of all arrays; shared arrays count once."""
        return sum({id(array): array.size for op in self.ops for _, array in arrays_of(op)}.values())

    def find(self, *kinds: type[Operation]) -> Iterator[Operation]:
        return (op for op in self.ops if isinstance(op, kinds))

    def document(self) -> tuple[list[dict[str, Any]], dict[str, Array]]:
        """A JSON document of the ops, and its arrays by name; a shared array has one name."""
        rows: list[dict[str, Any]] = []
        arrays: dict[str, Array] = {}
        names: dict[int, str] = {}
        for place, op in enumerate(self.ops):
            row: dict[str, Any] = {"op": op.name}
            for f in dataclasses.fields(op):
                value = getattr(op, f.name)
                if isinstance(value, np.ndarray):
                    name = names.setdefault(id(value), f"{place}.{f.name}")
                    arrays[name] = value
                    value = name
                row[f.name] = value
            row["inputs"] = list(op.inputs)
            rows.append(row)
        return rows, arrays


def arrays_of(op: Operation) -> Iterator[tuple[str, Array]]:
    """Names and arrays of an op's fields."""
    for f in dataclasses.fields(op):
        value = getattr(op, f.name)
        if isinstance(value, np.ndarray):
            yield f.name, value


def dead_code_removed(ops: Sequence[Operation]) -> Program:
    """The program without ops that the last one does not need."""
    needed = {0, len(ops) - 1}
    for place in range(len(ops) - 1, -1, -1):
        if place in needed:
            needed.update(ops[place].inputs)
    kept = sorted(needed)
    new = {old: place for place, old in enumerate(kept)}
    return Program(tuple(dataclasses.replace(ops[i], inputs=tuple(new[j] for j in ops[i].inputs)) for i in kept))
