"""The expressions of `inr csg`, as a tree: `a + b - offset(sphere(0, 0, 0, 2), 0.1)`.

    expression = term {("+" | "-") term}          union, difference; from left to right
    term       = part {"&" part}                   intersection
    part       = name | call | "(" expression ")"
    call       = function "(" argument {"," argument} ")"

A name is a model's: letters, digits and _ . / :, or anything in quotes. Functions: union, intersection and difference
of two shapes, with the width of a blend as a third argument; offset(shape, distance), shell(shape, thickness),
move(shape, x, y, z), scale(shape, factor) or scale(shape, x, y, z), rotate(shape, x, y, z) in degrees, about the axes
through the origin, x first; sphere(x, y, z, radius), box(x, y, z, a, b, c), cylinder(x, y, z, radius, height),
torus(x, y, z, radius, radius), plane(nx, ny, nz, level).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from inr.core.errors import UsageError, did_you_mean

LONGEST, DEEPEST, MOST_NODES = 10_000, 60, 500
"""Characters, nesting and parts of an expression, at most."""

_LARGEST = 1e15


@dataclass(frozen=True)
class Name:
    """A model. column: of its first character, from 1."""

    text: str
    column: int


@dataclass(frozen=True)
class Call:
    """A function of shapes, then numbers."""

    function: str
    shapes: tuple[Name | Call, ...]
    numbers: tuple[float, ...]
    column: int


Node = Name | Call

SIGNATURES: dict[str, tuple[int, tuple[int, ...], str]] = {
    "union": (2, (0, 1), "two shapes, then the width of a blend"),
    "intersection": (2, (0, 1), "two shapes, then the width of a blend"),
    "difference": (2, (0, 1), "two shapes, then the width of a blend"),
    "offset": (1, (1,), "a shape and a distance"),
    "shell": (1, (1,), "a shape and a thickness"),
    "move": (1, (3,), "a shape and x, y, z"),
    "scale": (1, (1, 3), "a shape and one or three factors"),
    "rotate": (1, (3,), "a shape and three angles in degrees"),
    "sphere": (0, (4,), "x, y, z, radius"),
    "box": (0, (6,), "x, y, z and three sizes"),
    "cylinder": (0, (5,), "x, y, z, radius, height"),
    "torus": (0, (5,), "x, y, z and two radii"),
    "plane": (0, (4,), "nx, ny, nz, level"),
}
"""Function -> number of shapes, possible counts of numbers, and what it takes in words."""

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*')|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w./:]))"""
    r"""|(?P<name>[\w./:]+)|(?P<sign>[-+&(),]))"""
)
_OPERATORS = {"+": "union", "-": "difference", "&": "intersection"}


def parse_expression(text: str) -> Node:
    """The tree of an expression. Raises UsageError with the column for anything else."""
    if len(text) > LONGEST:
        raise UsageError(f"the expression has {len(text)} characters, expected at most {LONGEST}")
    parser = _Parser(text)
    found = parser.expression(0)
    parser.expect_end()
    return found


def at_column(column: int, message: str, hint: str | None = None) -> UsageError:
    """The error for a part of an expression."""
    return UsageError(f"column {column}: {message}", hint)


class _Parser:
    """tokens: (kind, text, column), the last of kind "end"."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str, int]] = []
        self._n_nodes = 0
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise at_column(
                    at + 1, f"{text[at]!r} is not part of an expression", "quote names with such characters"
                )
            kind = str(found.lastgroup)
            self._tokens.append((kind, found[kind], found.start(kind) + 1))
            at = found.end()
        self._tokens.append(("end", "the end", len(text) + 1))
        self._next = 0

    def expression(self, depth: int) -> Node:
        return self._chain(depth, "+-", self._term)

    def expect_end(self) -> None:
        kind, text, column = self._peek()
        if kind != "end":
            raise at_column(column, f"expected an operator (+ - &) or the end, found {text!r}")

    def _chain(self, depth: int, signs: str, take: Callable[[int], Node]) -> Node:
        found = take(depth)
        while self._peek()[1] in tuple(signs) and self._peek()[0] == "sign":
            _, sign, column = self._take()
            found = self._call(_OPERATORS[sign], (found, take(depth)), (), column)
        return found

    def _term(self, depth: int) -> Node:
        return self._chain(depth, "&", self._part)

    def _part(self, depth: int) -> Node:
        kind, text, column = self._take()
        if depth > DEEPEST:
            raise at_column(column, f"parts are nested more than {DEEPEST} deep")
        if kind == "quoted":
            return self._name(text[1:-1], column)
        if kind == "name":
            if self._peek()[1] == "(" and self._peek()[0] == "sign":
                return self._function(text, column, depth + 1)
            return self._name(text, column)
        if (kind, text) == ("sign", "("):
            found = self.expression(depth + 1)
            self._expect(")")
            return found
        raise at_column(column, f"expected a model, a function or (, found {_shown(kind, text)}")

    def _function(self, name: str, column: int, depth: int) -> Node:
        if name not in SIGNATURES:
            raise at_column(
                column, f"unknown function {name!r}{did_you_mean(name, SIGNATURES)}", f"known: {', '.join(SIGNATURES)}"
            )
        n_shapes, counts, words = SIGNATURES[name]
        self._take()
        shapes: list[Node] = []
        numbers: list[float] = []
        while self._peek()[1] != ")" or self._peek()[0] != "sign":
            if shapes or numbers:
                self._expect(",")
            if len(shapes) < n_shapes:
                shapes.append(self.expression(depth))
            else:
                numbers.append(self._number())
        self._take()
        if len(shapes) != n_shapes or len(numbers) not in counts:
            raise at_column(column, f"{name} takes {words}, found {len(shapes)} shapes and {len(numbers)} numbers")
        return self._call(name, tuple(shapes), tuple(numbers), column)

    def _number(self) -> float:
        kind, text, column = self._take()
        sign = 1.0
        if (kind, text) in (("sign", "-"), ("sign", "+")):
            sign = -1.0 if text == "-" else 1.0
            kind, text, column = self._take()
        if kind != "number" or not math.isfinite(float(text)) or float(text) > _LARGEST:
            raise at_column(column, f"expected a number of at most {_LARGEST:g}, found {_shown(kind, text)}")
        return sign * float(text)

    def _name(self, text: str, column: int) -> Name:
        if not text:
            raise at_column(column, "the name is empty, expected a model")
        self._count(column)
        return Name(text, column)

    def _call(self, function: str, shapes: tuple[Node, ...], numbers: tuple[float, ...], column: int) -> Call:
        self._count(column)
        return Call(function, shapes, numbers, column)

    def _count(self, column: int) -> None:
        self._n_nodes += 1
        if self._n_nodes > MOST_NODES:
            raise at_column(column, f"the expression has more than {MOST_NODES} parts")

    def _peek(self) -> tuple[str, str, int]:
        return self._tokens[self._next]

    def _take(self) -> tuple[str, str, int]:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _expect(self, sign: str) -> None:
        kind, text, column = self._take()
        if (kind, text) != ("sign", sign):
            raise at_column(column, f"expected {sign}, found {_shown(kind, text)}")


def _shown(kind: str, text: str) -> str:
    return text if kind == "end" else repr(text[:100])
