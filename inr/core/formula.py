"""Formulas as text: parsed by a small grammar, differentiated as trees, evaluated by any array library.

    expr  := sum (("<" | ">" | "<=" | ">=") sum)?      sum := product (("+" | "-") product)*
    product := unary (("*" | "/") unary)*              unary := "-" unary | power
    power := atom ("**" unary)?                        atom := number | name | call | "(" expr ")"
    call := name "(" expr ("," expr)* ")"

Text may come from a stranger. Nothing is ever executed as Python: a formula can hold numbers, names and the operations
above, and the caller decides what the names and functions are. Numbers are floats from the start.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Protocol

from inr.core.errors import UsageError, did_you_mean

MOST_CHARACTERS = 2000
MOST_NODES = 1000
MOST_DEPTH = 64

FUNCTIONS = {
    **dict.fromkeys(("sin", "cos", "tan", "exp", "log", "sqrt", "abs", "tanh", "sinh", "cosh", "sign"), 1),
    **{"heaviside": 1, "erf": 1, "atan2": 2, "min": 2, "max": 2, "where": 3},
}
"""Functions of numbers, and how many arguments they have."""
SMOOTH = frozenset({"+", "-", "*", "neg", "sin", "cos", "exp", "tanh", "sinh", "cosh", "erf", "number", "name"})
"""Operations with derivatives of every order everywhere."""
CONSTANTS = {"pi": math.pi, "e": math.e}
_OPERATORS = ("+", "-", "*", "/", "**", "<", ">", "<=", ">=")
_TOKEN = re.compile(
    r"(?P<space>[ \t\r\n]+)|(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*)|(?P<sign>\*\*|<=|>=|[-+*/(),<>=])"
)


class Table(Protocol):
    """A function of coordinates that is given by samples."""

    def __call__(self, *args: Any) -> Any:
        """Its values at numbers, or at arrays of the library that evaluates the formula."""

    def by(self, axis: int) -> Table:
        """Its derivative by an argument. Raises UsageError if it has none."""


@dataclass(frozen=True)
class Node:
    """One operation of a formula.

    op: "number", "name", one of + - * / ** < > <= >=, "neg", a function's name, or "table", of its arguments. at: its
    column in the text, from 1; 0 where it comes from no text.
    """

    op: str
    args: tuple[Node, ...] = ()
    value: float = 0.0
    name: str = ""
    at: int = field(default=0, compare=False)
    table: Table | None = None

    @property
    def is_zero(self) -> bool:
        return self.op == "number" and self.value == 0

    def walk(self) -> Iterator[Node]:
        """Every node once, this one first."""
        seen: set[int] = set()
        waiting = [self]
        while waiting:
            node = waiting.pop()
            if id(node) not in seen:
                seen.add(id(node))
                yield node
                waiting.extend(node.args)

    def names(self) -> set[str]:
        """The names in the formula."""
        return {node.name for node in self.walk() if node.op == "name"}

    def functions(self) -> set[str]:
        """The operations in the formula; a power with a whole exponent >= 0 counts as a product."""
        return {"*" if _is_whole_power(node) else node.op for node in self.walk()}


def _is_whole_power(node: Node) -> bool:
    return node.op == "**" and node.args[1].op == "number" and node.args[1].value in range(17)


ZERO, ONE = Node("number"), Node("number", value=1.0)


def number(value: float) -> Node:
    return Node("number", value=float(value))


def name(text: str, at: int = 0) -> Node:
    return Node("name", name=text, at=at)


def refused(at: int, reason: str, hint: str | None = None) -> UsageError:
    """The error for a place in a formula."""
    return UsageError(f"column {at}: {reason}", hint)


def parse_formula(
    text: str,
    *,
    functions: Mapping[str, int] = FUNCTIONS,
    most_characters: int = MOST_CHARACTERS,
    most_nodes: int = MOST_NODES,
    most_depth: int = MOST_DEPTH,
    first_column: int = 1,
) -> Node:
    """The tree of a formula.

    functions: the names that may be called, with their number of arguments; 0: one or more. first_column: of the text.

    Raises UsageError with the column for anything outside the grammar, and for text that is too long or too deep.
    """
    if len(text) > most_characters:
        raise refused(first_column, f"a formula of {len(text)} characters, expected at most {most_characters}")
    parser = _Parser(list(_tokens(text, first_column)), functions, most_nodes, most_depth, first_column + len(text))
    return parser.whole()


def _tokens(text: str, first: int) -> Iterator[tuple[str, str, int]]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            shown = text[at] if text[at].isprintable() else text[at].encode("unicode_escape").decode()
            raise refused(
                first + at,
                f"{shown!r} is not allowed in an equation",
                "a power is written **" if shown == "^" else None,
            )
        kind = str(found.lastgroup)
        if kind != "space":
            yield kind, found.group(), first + at
        at = found.end()


class _Parser:
    def __init__(
        self, tokens: list[tuple[str, str, int]], functions: Mapping[str, int], nodes: int, depth: int, end: int
    ) -> None:
        self.tokens, self.functions, self.nodes, self.depth, self.end = tokens, functions, nodes, depth, end
        self.next = 0

    def whole(self) -> Node:
        node = self.comparison(0)
        if self.next < len(self.tokens):
            _, text, at = self.tokens[self.next]
            raise refused(at, f"{text!r} is not expected here")
        return node

    def peek(self) -> str:
        kind, text, _ = self.tokens[self.next] if self.next < len(self.tokens) else ("end", "", 0)
        return text if kind == "sign" else ""

    def take(self) -> tuple[str, str, int]:
        if self.next == len(self.tokens):
            raise refused(self.end, "the formula ends too early")
        self.next += 1
        return self.tokens[self.next - 1]

    def made(self, op: str, args: Sequence[Node], at: int, **more: Any) -> Node:
        self.nodes -= 1
        if self.nodes < 0:
            raise refused(at, "the formula has too many operations")
        return Node(op, tuple(args), at=at, **more)

    def comparison(self, depth: int) -> Node:
        left = self.sum(depth)
        if self.peek() in ("<", ">", "<=", ">="):
            _, op, at = self.take()
            left = self.made(op, (left, self.sum(depth)), at)
        return left

    def sum(self, depth: int) -> Node:
        left = self.product(depth)
        while self.peek() in ("+", "-"):
            _, op, at = self.take()
            left = self.made(op, (left, self.product(depth)), at)
        return left

    def product(self, depth: int) -> Node:
        left = self.unary(depth)
        while self.peek() in ("*", "/"):
            _, op, at = self.take()
            left = self.made(op, (left, self.unary(depth)), at)
        return left

    def unary(self, depth: int) -> Node:
        if self.peek() == "-":
            at = self.take()[2]
            return self.made("neg", (self.unary(self.deeper(depth, at)),), at)
        return self.power(depth)

    def power(self, depth: int) -> Node:
        base = self.atom(depth)
        if self.peek() == "**":
            _, op, at = self.take()
            return self.made(op, (base, self.unary(self.deeper(depth, at))), at)
        return base

    def atom(self, depth: int) -> Node:
        kind, text, at = self.take()
        if kind == "number":
            value = float(text)
            if not math.isfinite(value):
                raise refused(at, f"the number {text} is too large")
            return self.made("number", (), at, value=value)
        if kind == "name":
            if self.peek() != "(":
                return self.made("name", (), at, name=text)
            return self.call(text, at, self.deeper(depth, at))
        if text != "(":
            raise refused(at, f"{text!r} is not expected here")
        inner = self.comparison(self.deeper(depth, at))
        self.close(at)
        return inner

    def call(self, function: str, at: int, depth: int) -> Node:
        if function not in self.functions:
            near = did_you_mean(function, self.functions)
            raise refused(at, f"no function {function!r}{near}", f"known: {', '.join(sorted(self.functions))}")
        self.take()
        args = [self.comparison(depth)]
        while self.peek() == ",":
            self.take()
            args.append(self.comparison(depth))
        self.close(at)
        count = self.functions[function]
        if count and len(args) != count:
            raise refused(at, f"{function} has {len(args)} arguments, expected {count}")
        return self.made(function, args, at)

    def close(self, opened: int) -> None:
        if self.peek() != ")":
            at = self.tokens[self.next][2] if self.next < len(self.tokens) else self.end
            raise refused(at, f"expected ) for the one opened in column {opened}")
        self.take()

    def deeper(self, depth: int, at: int) -> int:
        if depth >= self.depth:
            raise refused(at, f"the formula is nested more than {self.depth} levels deep")
        return depth + 1


# -- trees


def add(a: Node, b: Node) -> Node:
    return b if a.is_zero else a if b.is_zero else _folded("+", a, b)


def subtract(a: Node, b: Node) -> Node:
    return a if b.is_zero else negate(b) if a.is_zero else _folded("-", a, b)


def negate(a: Node) -> Node:
    if a.op == "number":
        return number(-a.value)
    return a.args[0] if a.op == "neg" else Node("neg", (a,), at=a.at)


def multiply(a: Node, b: Node) -> Node:
    if a.is_zero or b.is_zero:
        return ZERO
    return b if a == ONE else a if b == ONE else _folded("*", a, b)


def divide(a: Node, b: Node) -> Node:
    return ZERO if a.is_zero and not b.is_zero else a if b == ONE else _folded("/", a, b)


def power(a: Node, b: Node) -> Node:
    return ONE if b.is_zero else a if b == ONE else _folded("**", a, b)


def call(function: str, *args: Node) -> Node:
    return _folded(function, *args)


def _folded(op: str, *args: Node) -> Node:
    """The operation, or its value where all arguments are numbers. Raises UsageError for one that has no value."""
    at = max((arg.at for arg in args), default=0)
    if all(arg.op == "number" for arg in args):
        try:
            value = float(_PYTHON[op](*(arg.value for arg in args)))
        except (ArithmeticError, ValueError, TypeError) as error:
            raise refused(at, f"{op} of these numbers has no finite value") from error
        if not math.isfinite(value):
            raise refused(at, f"{op} of these numbers has no finite value")
        return Node("number", value=value, at=at)
    return Node(op, args, at=at)


def _where(condition: float, a: float, b: float) -> float:
    return a if condition else b


_PYTHON: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
    "neg": lambda a: -a,
    "sign": lambda a: (a > 0) - (a < 0),
    "heaviside": lambda a: 1.0 if a > 0 else 0.5 if a == 0 else 0.0,
    "abs": abs,
    "min": min,
    "max": max,
    "where": _where,
    **{key: getattr(math, key) for key in ("sin", "cos", "tan", "exp", "log", "sqrt", "tanh", "sinh", "cosh")},
    **{"erf": math.erf, "atan2": math.atan2},
}


def substituted(node: Node, values: Mapping[str, Node]) -> Node:
    """The formula with names replaced, and constants folded."""
    return _mapped(node, lambda leaf: values.get(leaf.name, leaf), {})


def _mapped(node: Node, of_name: Callable[[Node], Node], memo: dict[int, Node]) -> Node:
    if id(node) not in memo:
        if node.op == "name":
            memo[id(node)] = of_name(node)
        elif node.op == "number":
            memo[id(node)] = node
        elif node.op == "table":
            memo[id(node)] = replace(node, args=tuple(_mapped(arg, of_name, memo) for arg in node.args))
        else:
            memo[id(node)] = combined(node.op, [_mapped(arg, of_name, memo) for arg in node.args])
    return memo[id(node)]


def combined(op: str, args: Sequence[Node]) -> Node:
    """An operation of its arguments, simplified."""
    simple: dict[str, Callable[..., Node]] = {"+": add, "-": subtract, "*": multiply, "/": divide}
    simple |= {"**": power, "neg": negate}
    return simple[op](*args) if op in simple else call(op, *args)


def derivative(node: Node, of_name: Callable[[str], Node]) -> Node:
    """The formula of the derivative; of_name: that of each name."""
    return _derivative(node, of_name, {})


def _derivative(node: Node, of_name: Callable[[str], Node], memo: dict[int, Node]) -> Node:
    if id(node) in memo:
        return memo[id(node)]
    if node.op == "number" or node.op in ("<", ">", "<=", ">=", "sign", "heaviside"):
        found = ZERO
    elif node.op == "name":
        found = of_name(node.name)
    else:
        found = _chain(node, [_derivative(arg, of_name, memo) for arg in node.args])
    memo[id(node)] = found
    return found


def _chain(node: Node, by: list[Node]) -> Node:
    if all(each.is_zero for each in by):
        return ZERO
    op, args = node.op, node.args
    if op in ("+", "-"):
        return combined(op, by)
    if op == "neg":
        return negate(by[0])
    if op == "*":
        return add(multiply(by[0], args[1]), multiply(args[0], by[1]))
    if op == "/":
        return subtract(divide(by[0], args[1]), multiply(divide(node, args[1]), by[1]))
    if op == "**":
        inner = multiply(multiply(args[1], power(args[0], subtract(args[1], ONE))), by[0])
        return inner if by[1].is_zero else add(inner, multiply(multiply(node, call("log", args[0])), by[1]))
    if op in ("min", "max"):
        return call("where", call("<" if op == "min" else ">", *args), by[0], by[1])
    if op == "where":
        return call("where", args[0], by[1], by[2])
    if node.table is not None:
        terms = [multiply(replace(node, table=node.table.by(i)), each) for i, each in enumerate(by) if not each.is_zero]
        return reduce(add, terms)
    if op == "atan2":
        square = add(multiply(args[0], args[0]), multiply(args[1], args[1]))
        return divide(subtract(multiply(args[1], by[0]), multiply(args[0], by[1])), square)
    (a,) = args
    slopes: dict[str, Callable[[], Node]] = {
        "sin": lambda: call("cos", a),
        "cos": lambda: negate(call("sin", a)),
        "tan": lambda: add(ONE, multiply(node, node)),
        "exp": lambda: node,
        "log": lambda: divide(ONE, a),
        "sqrt": lambda: divide(number(0.5), node),
        "abs": lambda: call("sign", a),
        "tanh": lambda: subtract(ONE, multiply(node, node)),
        "sinh": lambda: call("cosh", a),
        "cosh": lambda: call("sinh", a),
        "erf": lambda: multiply(number(2 / math.sqrt(math.pi)), call("exp", negate(multiply(a, a)))),
    }
    return multiply(slopes[op](), by[0])


def evaluated(node: Node, values: Mapping[str, Any], library: Mapping[str, Callable[..., Any]]) -> Any:
    """The value: a float, or an array of the library. library: functions that are not operators, by name."""
    memo: dict[int, Any] = {}

    def value(node: Node) -> Any:
        if id(node) not in memo:
            if node.op == "number":
                memo[id(node)] = node.value
            elif node.op == "name":
                memo[id(node)] = values[node.name]
            elif node.table is not None:
                memo[id(node)] = node.table(*(value(arg) for arg in node.args))
            else:
                args = [value(arg) for arg in node.args]
                is_plain = all(isinstance(arg, float | bool) for arg in args)
                own = _PYTHON[node.op] if node.op in _OPERATORS or node.op == "neg" or is_plain else library[node.op]
                memo[id(node)] = own(*args)
        return memo[id(node)]

    return value(node)


def constant(text: str) -> float:
    """The value of a formula of numbers, pi and e. Raises UsageError for other names, and if it is not finite."""
    node = parse_formula(text)
    try:
        value = float(evaluated(node, CONSTANTS, {}))
    except KeyError as error:
        raise UsageError(f"{text!r} has the name {error.args[0]}, expected numbers, pi and e") from error
    except (ArithmeticError, ValueError) as error:
        raise UsageError(f"{text!r} has no value: {error}") from error
    if not math.isfinite(value):
        raise UsageError(f"{text!r} is {value}, expected a finite number")
    return value


_LEVEL = {"<": 0, ">": 0, "<=": 0, ">=": 0, "+": 1, "-": 1, "*": 2, "/": 2, "neg": 3, "**": 4}


def text_of(node: Node) -> str:
    """Text that `parse_formula` turns into an equal formula."""
    if node.op == "number":
        return repr(node.value) if node.value >= 0 else f"(-{-node.value!r})"
    if node.op == "name":
        return node.name
    if node.op not in _LEVEL:
        return f"{node.op}({', '.join(map(text_of, node.args))})"
    level = _LEVEL[node.op]
    if node.op == "neg":
        return f"-{_inside(node.args[0], level)}"
    left, right = node.args
    is_right = node.op == "**"
    return f"{_inside(left, level + is_right)} {node.op} {_inside(right, level + (not is_right))}"


def _inside(node: Node, least: int) -> str:
    text = text_of(node)
    return text if _LEVEL.get(node.op, 9) >= least else f"({text})"
