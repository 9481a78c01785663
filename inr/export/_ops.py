"""The op list: what a fitted field calculates, said in fourteen kinds of step, from which every exporter starts.

`inr.export._evaluator` runs a list in NumPy and is the definition of each op.
"""

from __future__ import annotations

import dataclasses
import re
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
class Op:
    """One step: from earlier values [N, k], the places of which are `inputs`, to a new value [N, width]."""

    inputs: tuple[int, ...]
    width: int

    @property
    def name(self) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()


@dataclass(frozen=True, eq=False, kw_only=True)
class Input(Op):
    """The coordinates."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Affine(Op):
    """h scale + shift, column by column; scale and shift [width]."""

    scale: Array
    shift: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Dense(Op):
    """h W^T + b; weight [width, k], bias [width]."""

    weight: Array
    bias: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Map(Op):
    """An elementwise function."""

    function: Function


@dataclass(frozen=True, eq=False, kw_only=True)
class Clamp(Op):
    """min(max(h, low), high); None: no bound."""

    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Join(Op):
    """Two values, element by element; the second may have one column for all."""

    function: Pairing


@dataclass(frozen=True, eq=False, kw_only=True)
class Concat(Op):
    """Values side by side."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Select(Op):
    """Column index[j] of h as column j."""

    index: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Sum(Op):
    """The sum of `parts` blocks of columns that stand behind each other."""

    parts: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Grid(Op):
    """Features of L levels of vertices, interpolated at x: [N, L F].

    p = x scale_l + start; c = floor(p), at most last_l where there is a `last`; t = p - c, or t^2 (3 - 2 t) where
    `is_smooth`. The row of vertex v = c + m, m in {0, 1}^D, is offset_l + (sum_d v_d stride_ld) mod entries_l, or where
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
class Radial(Op):
    """phi(R_m (x - c_m)) for M kernels: [N, M]; 0 where |R_m (x - c_m)| > reach, if there is a reach.

    centres [M, D], roots [M, D, D]; kernel: a name of `inr.kernels.radial`.
    """

    centres: Array
    roots: Array
    kernel: str
    reach: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class Nearest(Op):
    """sum_k weight_k * sin(phi_k factors) (without factors: weight_k phi_k) over the K kernels nearest to x: [N, F].

    phi as in `Radial`, divided by its sum over k (plus 1e-8) where `is_normalised`. weight [M, F], factors [F].
    """

    centres: Array
    roots: Array
    weight: Array
    factors: Array | None
    kernel: str
    neighbours: int
    is_normalised: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Polynomials(Op):
    """P_0 ... P_n of one column u: P_0 = 1, P_1 = u, P_(k+1) = a_k u P_k - b_k P_(k-1), then times scale: [N, n + 1].

    a, b [n], of which the first pair is not used; scale [n + 1].
    """

    a: Array
    b: Array
    scale: Array


@dataclass(frozen=True, eq=False, kw_only=True)
class Cast(Op):
    """To float32 or float64; all else is calculated in the precision of what comes in."""

    dtype: Literal["float32", "float64"]


@dataclass(frozen=True, eq=False)
class Program:
    """Ops in the order in which they are calculated; the first is the input, the last the result."""

    ops: tuple[Op, ...]

    @property
    def d_in(self) -> int:
        return self.ops[0].width

    @property
    def d_out(self) -> int:
        return self.ops[-1].width

    @property
    def n_numbers(self) -> int:
        """Numbers in all arrays; what several ops read counts once."""
        return sum({id(array): array.size for op in self.ops for _, array in arrays_of(op)}.values())

    def find(self, *kinds: type[Op]) -> Iterator[Op]:
        return (op for op in self.ops if isinstance(op, kinds))

    def document(self) -> tuple[list[dict[str, Any]], dict[str, Array]]:
        """A JSON document of the ops, and the arrays that it names; one that several ops read has one name."""
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


def arrays_of(op: Op) -> Iterator[tuple[str, Array]]:
    """Names and arrays of an op's fields."""
    for f in dataclasses.fields(op):
        value = getattr(op, f.name)
        if isinstance(value, np.ndarray):
            yield f.name, value


def without_unused(ops: Sequence[Op]) -> Program:
    """The program of those ops that the last one needs."""
    needed = {0, len(ops) - 1}
    for place in range(len(ops) - 1, -1, -1):
        if place in needed:
            needed.update(ops[place].inputs)
    kept = sorted(needed)
    new = {old: place for place, old in enumerate(kept)}
    return Program(tuple(dataclasses.replace(ops[i], inputs=tuple(new[j] for j in ops[i].inputs)) for i in kept))
