"""Validation rules for JSON documents.

A rule is a function from a value and its path in the document to a list of problems, one line each. Tables accept
unknown keys, because later versions may write more.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Rule = Callable[[Any, str], Iterator[str]]
"""(value, its path, such as "spec.shape") to one sentence per problem."""

LARGEST_INT = 2**63 - 1
LARGEST_FLOAT = 3.4e38
"""Largest finite float32, the type of values and coordinates."""

_SHOWN = 40


def text(most: int = 2**16) -> Rule:
    """A string of at most this many characters."""
    return _of(f"a text of at most {most} characters", lambda v: isinstance(v, str) and len(v) <= most)


def text_of_bytes() -> Rule:
    """Bytes in Base64."""

    def problems(value: Any, where: str) -> Iterator[str]:
        try:
            base64.b64decode(value, validate=True)
        except (ValueError, TypeError):
            yield f"{where} is {shown(value)}, expected bytes in Base64"

    return problems


def one_of(*words: str) -> Rule:
    """One of these strings."""
    return _of(f"one of {', '.join(words)}", lambda v: isinstance(v, str) and v in words)


def whole(least: int = 0, most: int = LARGEST_INT) -> Rule:
    """A whole number, not written as a float or a boolean."""
    return _of(f"a whole number from {least} to {most}", lambda v: _is_int(v) and least <= v <= most)


def number(least: float = -LARGEST_FLOAT, most: float = LARGEST_FLOAT) -> Rule:
    """A number within bounds."""
    return _of(f"a number from {least:g} to {most:g}", lambda v: _is_number(v) and least <= v <= most)


def positive(least: float = 1e-45, most: float = LARGEST_FLOAT) -> Rule:
    """A number above 0 that float32 does not round to 0."""
    return number(least, most)


def finite() -> Rule:
    """Any number that float64 can hold."""
    return _of("a finite number", _is_number)


def or_none(rule: Rule) -> Rule:
    """A value that satisfies the rule, or null."""

    def problems(value: Any, where: str) -> Iterator[str]:
        if value is not None:
            yield from rule(value, where)

    return problems


def either(first: Rule, second: Rule) -> Rule:
    """A value that satisfies one of two rules; otherwise reports the problems of the first."""

    def problems(value: Any, where: str) -> Iterator[str]:
        found = list(first(value, where))
        if found and any(second(value, where)):
            yield from found

    return problems


def items(rule: Rule, least: int = 0, most: int = 2**20) -> Rule:
    """A list of values that satisfy the rule."""
    count = f"{least}" if least == most else f"{least} to {most}"

    def problems(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, list) or not least <= len(value) <= most:
            n = f" of {len(value)}" if isinstance(value, list) else ""
            yield f"{where} is {shown(value)}{n}, expected a list of {count} values"
            return
        for i, each in enumerate(value):
            yield from rule(each, f"{where}[{i}]")

    return problems


def table(
    required: Mapping[str, Rule] | None = None,
    optional: Mapping[str, Rule] | None = None,
    others: Rule | None = None,
) -> Rule:
    """An object with these keys. others: rule for all other values; None: no rule."""
    required, optional = required or {}, optional or {}
    rules = {**required, **optional}

    def problems(value: Any, where: str) -> Iterator[str]:
        if not isinstance(value, Mapping):
            yield f"{where or 'it'} is {shown(value)}, expected a table"
            return
        inner = f"{where}." if where else ""
        for key in required:
            if key not in value:
                yield f"{inner}{key} is missing"
        for key, each in value.items():
            rule = rules.get(key, others)
            if rule is not None:
                yield from rule(each, f"{inner}{key[:_SHOWN]}")

    return problems


def depth_of(value: Any, most: int) -> int:
    """Nesting depth of lists and tables, counted up to `most` + 1."""
    level: Sequence[Any] = [value]
    depth = 0
    while depth <= most:
        level = [v for v in level if isinstance(v, dict | list)]
        if not level:
            return depth
        depth += 1
        level = [inner for v in level for inner in (v.values() if isinstance(v, dict) else v)]
    return depth


def shown(value: Any) -> str:
    """A value as one short line for messages."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    if _is_int(value) and abs(value) > LARGEST_INT:
        return "an integer of more than 64 bits"
    line = repr(value)
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."


def _of(expected: str, admits: Callable[[Any], bool]) -> Rule:
    def problems(value: Any, where: str) -> Iterator[str]:
        if not admits(value):
            yield f"{where} is {shown(value)}, expected {expected}"

    return problems


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= LARGEST_INT if isinstance(value, int) else math.isfinite(value)
