"""Equations as text become residuals: formulas of the coordinates and of the derivatives of the unknown fields.

Operators (`lap`, `div(k*grad(u))`) are expanded by the rules of differentiation. A derivative is then a name such as
"u|xy", which no text can contain, and a complex field is two channels, "E.re" and "E.im".
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from inr.core.errors import UsageError, did_you_mean
from inr.core.formula import (
    CONSTANTS,
    FUNCTIONS,
    ONE,
    ZERO,
    Node,
    add,
    call,
    combined,
    derivative,
    divide,
    multiply,
    name,
    negate,
    number,
    parse_formula,
    refused,
    subtract,
)
from inr.fields.solution import TIME as TIME

OPERATORS = {
    **dict.fromkeys(("lap", "bilap", "grad", "div", "norm", "dn", "re", "im", "conj", "mean"), 1),
    "dot": 2,
}
MOST_ORDER = 2
SIDE_NORMALS = ("n_x", "n_y", "n_z")
STEPS = frozenset({"heaviside", "sign", "where"})
"""Functions that jump."""


@dataclass(frozen=True)
class Number:
    """A formula with a real and an imaginary part."""

    re: Node
    im: Node = ZERO

    @property
    def is_real(self) -> bool:
        return self.im.is_zero


Vector = list[Number]
"""One number, or one per axis of space."""


@dataclass(frozen=True)
class Scope:
    """What names mean. axes: coordinates; "t" is time. fields: name -> whether it is complex. parameters: name ->
    formula; unknowns: numbers to be found. slopes: by axis, what a derivative in `lap` is multiplied by (absorbing
    layers)."""

    axes: tuple[str, ...]
    fields: Mapping[str, bool]
    parameters: Mapping[str, Node]
    unknowns: tuple[str, ...] = ()
    slopes: Mapping[str, Number] = dataclasses.field(default_factory=dict)

    @property
    def space(self) -> tuple[str, ...]:
        return tuple(axis for axis in self.axes if axis != TIME)

    @property
    def channels(self) -> list[str]:
        """One per real field, two per complex one."""
        found: list[str] = []
        for key, is_complex in self.fields.items():
            found += [f"{key}.re", f"{key}.im"] if is_complex else [key]
        return found

    def residuals(self, text: str, *, has_fields: bool = True, has_means: bool = False) -> list[Node]:
        """The formulas that an equation says are zero: one, or two for complex numbers.

        has_fields: whether the unknown fields may occur. has_means: whether `mean` may, which is left out
        then. Raises UsageError with the column.
        """
        sides = trees_of(text)
        difference = self._expanded(sides[0], has_fields, has_means)
        if len(sides) > 1:
            column = _sides(text)[2]
            other = self._expanded(sides[1], has_fields, has_means)
            if len(other) != len(difference):
                raise refused(column, "one side is a vector and the other is a number")
            difference = [_minus(a, b) for a, b in zip(difference, other, strict=True)]
        if len(difference) != 1:
            raise refused(1, "an equation between vectors", "write one equation per component")
        (only,) = difference
        return [only.re] if only.is_real else [only.re, only.im]

    def formula(self, text: str) -> Number:
        """A formula of coordinates and parameters. Raises UsageError with the column."""
        found = self._expanded(parse_formula(text), has_fields=False)
        if len(found) != 1:
            raise refused(1, "a vector, where a number is expected")
        return found[0]

    def differentiated_steps(self, text: str) -> list[Node]:
        """Expanded formulas of coordinates with steps (`heaviside`, `where` ...) that an equation differentiates."""
        left, right, _ = _sides(text)
        found: list[Node] = []
        for side in (left, right):
            if side is not None and side.strip():
                self._collect_steps(parse_formula(side, functions={**FUNCTIONS, **OPERATORS}), False, found)
        return found

    def _collect_steps(self, node: Node, is_inside: bool, found: list[Node]) -> None:
        if is_inside and (node.op in STEPS or node.name in self.parameters):
            try:
                expanded = self._expanded(node, has_fields=False)
            except UsageError:  # fields in it
                return
            found += [each.re for each in expanded if each.re.functions() & STEPS]
            return
        for arg in node.args:
            self._collect_steps(arg, is_inside or node.op in OPERATORS, found)

    # -- names

    def _expanded(self, node: Node, has_fields: bool, has_means: bool = False) -> Vector:
        return _Expansion(self, has_fields, has_means).of(node)

    def by_axis(self, node: Node, axis: str) -> Node:
        """The derivative of an expanded formula by a coordinate."""
        return derivative(node, lambda key: self._slope(key, axis))

    def _slope(self, key: str, axis: str) -> Node:
        if key == axis:
            return ONE
        channel, sign, letters = key.partition("|")
        if not sign:
            return ZERO
        return stream(channel, "".join(sorted(letters + axis, key=self.axes.index)))


def stream(channel: str, letters: str = "") -> Node:
    """The name of a derivative of a channel. Raises UsageError for orders that networks do not carry."""
    if len(letters) > MOST_ORDER:
        shown = channel.partition(".")[0]
        raise UsageError(
            f"derivatives of order {len(letters)} ({shown}_{letters}) are not built, only those up to {MOST_ORDER}",
            "write the equation as two of second order with one more field",
        )
    return name(f"{channel}|{letters}")


def streams_of(node: Node) -> set[tuple[str, str]]:
    """(channel, letters) of every derivative in an expanded formula."""
    pairs = (key.partition("|") for key in node.names())
    return {(channel, letters) for channel, sign, letters in pairs if sign}


def by_name(node: Node, key: str) -> Node:
    """The derivative of an expanded formula by one of its names."""
    return derivative(node, lambda other: ONE if other == key else ZERO)


def is_linear(node: Node) -> bool:
    """Whether an expanded formula is linear in all derivatives together."""
    return all(not streams_of(by_name(node, f"{channel}|{letters}")) for channel, letters in streams_of(node))


def trees_of(text: str) -> list[Node]:
    """The sides of an equation, one or two, before names mean anything. Raises UsageError with the column."""
    left, right, column = _sides(text)
    known = {**FUNCTIONS, **OPERATORS}
    found = [parse_formula(left, functions=known)]
    return found if right is None else [*found, parse_formula(right, functions=known, first_column=column)]


def _sides(text: str) -> tuple[str, str | None, int]:
    signs = [found.start() for found in re.finditer(r"(?<![<>=])=(?!=)", text)]
    if not signs:
        return text, None, 0
    if len(signs) > 1:
        raise refused(signs[1] + 1, "a second '=' in one equation")
    return text[: signs[0]], text[signs[0] + 1 :], signs[0] + 2


# -- arithmetic of numbers with an imaginary part


def _plus(a: Number, b: Number) -> Number:
    return Number(add(a.re, b.re), add(a.im, b.im))


def _minus(a: Number, b: Number) -> Number:
    return Number(subtract(a.re, b.re), subtract(a.im, b.im))


def _times(a: Number, b: Number) -> Number:
    re = subtract(multiply(a.re, b.re), multiply(a.im, b.im))
    return Number(re, add(multiply(a.re, b.im), multiply(a.im, b.re)))


def _over(a: Number, b: Number) -> Number:
    if b.is_real:
        return Number(divide(a.re, b.re), divide(a.im, b.re))
    square = add(multiply(b.re, b.re), multiply(b.im, b.im))
    product = _times(a, Number(b.re, negate(b.im)))
    return Number(divide(product.re, square), divide(product.im, square))


def absorbing(axis: str, low: float, high: float, width: float, strength: float) -> Number:
    """1 / (1 + i strength (d / width)^2) at depth d in the layers at both ends of an axis; 1 between them.

    Berenger 1994, doi:10.1006/jcph.1994.1159; Chew and Weedon 1994, doi:10.1002/mop.4650071304, as complex coordinates.
    Waves exp(i k x - i w t) that go out decay by exp(-k strength width / 3).
    """
    middle, half = (low + high) / 2, (high - low) / 2
    off = call("abs", subtract(name(axis), number(middle)))
    depth = divide(call("max", subtract(off, number(half - width)), ZERO), number(width))
    return _over(Number(ONE), Number(ONE, multiply(number(strength), multiply(depth, depth))))


class _Expansion:
    """The walk over one side of an equation."""

    def __init__(self, scope: Scope, has_fields: bool, has_means: bool) -> None:
        self.scope, self.has_fields, self.has_means = scope, has_fields, has_means

    def of(self, node: Node) -> Vector:
        if node.op == "number":
            return [Number(Node("number", value=node.value))]
        if node.op == "name":
            return [self.name(node)]
        if node.op == "table":
            return [Number(node)]
        if node.op in OPERATORS:
            return self.operator(node)
        args = [self.of(arg) for arg in node.args]
        if node.op == "neg":
            return [Number(negate(each.re), negate(each.im)) for each in args[0]]
        if node.op in ("+", "-"):
            if len(args[0]) != len(args[1]):
                raise refused(node.at, f"'{node.op}' between a vector and a number")
            step = _plus if node.op == "+" else _minus
            return [step(a, b) for a, b in zip(*args, strict=True)]
        if node.op in ("*", "/"):
            return self.product(node, *args)
        scalars = [self.scalar(arg, node) for arg in args]
        return [self.function(node, scalars)]

    def product(self, node: Node, a: Vector, b: Vector) -> Vector:
        if node.op == "/":
            divisor = self.scalar(b, node)
            return [_over(each, divisor) for each in a]
        if len(a) > 1 and len(b) > 1:
            raise refused(node.at, "a product of two vectors", "write dot(a, b)")
        single, many = (a[0], b) if len(a) == 1 else (b[0], a)
        return [_times(single, each) for each in many]

    def scalar(self, vector: Vector, node: Node) -> Number:
        if len(vector) != 1:
            raise refused(node.at, f"{node.op} of a vector, where a number is expected")
        return vector[0]

    def function(self, node: Node, args: list[Number]) -> Number:
        if all(arg.is_real for arg in args):
            return Number(combined(node.op, [arg.re for arg in args]))
        if node.op == "exp":
            size = call("exp", args[0].re)
            return Number(multiply(size, call("cos", args[0].im)), multiply(size, call("sin", args[0].im)))
        if node.op == "abs":
            return Number(call("sqrt", add(multiply(args[0].re, args[0].re), multiply(args[0].im, args[0].im))))
        if node.op == "**" and args[1].re.op == "number" and args[1].re.value in range(1, 9):
            result = args[0]
            for _ in range(int(args[1].re.value) - 1):
                result = _times(result, args[0])
            return result
        raise refused(node.at, f"{node.op} of a complex number is not built")

    def name(self, node: Node) -> Number:
        key, scope = node.name, self.scope
        if key in scope.axes or key in scope.unknowns:
            return Number(name(key, node.at))
        if key in scope.parameters:
            found = self.of(scope.parameters[key])
            return self.scalar(found, node)
        if key in SIDE_NORMALS and key[2:] in scope.space:
            return Number(name(key, node.at))
        if key in CONSTANTS:
            return Number(number(CONSTANTS[key]))
        if key == "i" and any(scope.fields.values()):
            return Number(ZERO, ONE)
        field, sign, letters = key.partition("_")
        if field in scope.fields and (letters or not sign):
            return self.field(node, field, letters)
        known = [*scope.axes, *scope.fields, *scope.parameters, *scope.unknowns, *CONSTANTS]
        raise refused(
            node.at,
            f"unknown name {key!r}{did_you_mean(key, known)}",
            f"fields are {', '.join(scope.fields)}; axes are {', '.join(scope.axes)}; "
            f"others are {', '.join([*scope.parameters, *scope.unknowns, *CONSTANTS])}",
        )

    def field(self, node: Node, field: str, letters: str) -> Number:
        scope = self.scope
        if not self.has_fields:
            raise refused(node.at, f"{node.name!r} is an unknown field, and a formula of the coordinates is expected")
        for letter in letters:
            if letter not in scope.axes:
                raise refused(
                    node.at,
                    f"{node.name!r}: no axis {letter}. Axes are {', '.join(scope.axes)}.",
                    f"the derivative along the outward normal is dn({field})" if letter == "n" else None,
                )
        ordered = "".join(sorted(letters, key=scope.axes.index))
        if scope.fields[field]:
            return Number(stream(f"{field}.re", ordered), stream(f"{field}.im", ordered))
        return Number(stream(field, ordered))

    def operator(self, node: Node) -> Vector:
        args = [self.of(arg) for arg in node.args]
        space = self.scope.space
        if node.op == "mean":
            if not self.has_means:
                raise refused(node.at, "a mean, which is for conditions", '[[condition]] equation = "mean(u) = 0"')
            return [self.scalar(args[0], node)]
        if node.op == "div":
            if len(args[0]) != len(space):
                raise refused(node.at, "div of a number, where a vector is expected")
            return [_sum([self.slope(each, axis) for each, axis in zip(args[0], space, strict=True)])]
        if node.op in ("dot", "norm"):
            left, right = args[0], args[-1]
            if len(left) != len(right):
                raise refused(node.at, f"{node.op} of a vector and a number")
            total = _sum([_times(a, b) for a, b in zip(left, right, strict=True)])
            return [total if node.op == "dot" else self.function(Node("sqrt", at=node.at), [total])]
        value = self.scalar(args[0], node)
        if node.op == "grad":
            return [self.slope(value, axis) for axis in space]
        if node.op == "dn":
            normals = [Number(name(f"n_{axis}")) for axis in space]
            return [_sum([_times(n, self.slope(value, axis)) for n, axis in zip(normals, space, strict=True)])]
        if node.op in ("lap", "bilap"):
            for _ in range(2 if node.op == "bilap" else 1):
                value = _sum([self.stretched(self.stretched(value, axis), axis) for axis in space])
            return [value]
        parts: dict[str, Callable[[], Number]] = {
            "re": lambda: Number(value.re),
            "im": lambda: Number(value.im),
            "conj": lambda: Number(value.re, negate(value.im)),
        }
        return [parts[node.op]()]

    def stretched(self, value: Number, axis: str) -> Number:
        """The derivative by a coordinate that is complex within an absorbing layer."""
        slope = self.slope(value, axis)
        return _times(self.scope.slopes[axis], slope) if axis in self.scope.slopes else slope

    def slope(self, value: Number, axis: str) -> Number:
        return Number(self.scope.by_axis(value.re, axis), self.scope.by_axis(value.im, axis))


def _sum(numbers: Sequence[Number]) -> Number:
    total = Number(ZERO)
    for each in numbers:
        total = _plus(total, each)
    return total
