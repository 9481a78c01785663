"""Conditions on sides of a domain, and parts of sides that formulas give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from inr.core.errors import UsageError, did_you_mean
from inr.core.formula import ONE, ZERO, Node, call, divide, multiply, negate, substituted, subtract
from inr.solving.equation import SIDE_NORMALS, Scope, by_name, streams_of
from inr.solving.geometry import Domain, is_number
from inr.solving.names import residuals_of
from inr.solving.tables import About, names_in

PART = "expr:"
"""What begins a part of the boundary that is given by a formula, such as `expr: z < 1`."""


@dataclass(frozen=True)
class Condition:
    """sides: where; residuals: what is zero there. is_hard: None lets the solver choose.

    within: 1 on the part of the sides that is meant and 0 elsewhere; None: all of them. is_part: whether a formula of
    the problem says so, rather than what earlier conditions leave.
    """

    sides: tuple[str, ...]
    residuals: tuple[Node, ...]
    text: str
    is_hard: bool | None = None
    weight: float | None = None
    within: Node | None = None
    is_part: bool = False


def conditions_of(tables: Sequence[Mapping[str, Any]], scope: Scope, domain: Domain) -> tuple[Condition, ...]:
    found: list[Condition] = []
    taken: dict[str, set[str]] = {}
    parts: list[tuple[set[str], Node]] = []
    for at, table in enumerate(tables, 1):
        where = f"condition {at}"
        for key in ("on", "equation"):
            if key not in table:
                raise UsageError(f"{where} has no entry {key!r}")
        asked = names_in(table["on"], f"{where}, on")
        if not asked:
            raise UsageError(f"{where} is on an empty list", f"sides are {', '.join([*domain.sides, 'boundary'])}")
        with About(where):
            named = [_part(text, scope) for text in asked if text.startswith(PART)]
        if named and len(named) != len(asked):
            raise UsageError(f"{where} is on formulas and names of sides, expected one of them")
        sides = domain.walls if named else _sides(asked, domain, taken, where)
        residuals = tuple(residuals_of(scope, str(table["equation"]), where))
        if {*sides} & {"start", "end"} and any(node.names() & {*SIDE_NORMALS} for node in residuals):
            raise UsageError(
                f"{where} has the normal of the boundary, which the {' and '.join(sides)} of the time lacks",
                "write the derivative by the time as u_t",
            )
        if any(not streams_of(node) for node in residuals):
            raise UsageError(f"{where}, {table['equation']!r} has no unknown field")
        hard, weight = table.get("hard", "auto"), table.get("weight")
        if hard not in ("auto", True, False) or not (weight is None or (is_number(weight) and weight > 0)):
            raise UsageError(
                f'{where} has hard = {hard!r} and weight = {weight!r}, expected true, false or "auto", > 0'
            )
        is_hard = None if hard == "auto" else bool(hard)
        channels = {channel for node in residuals for channel, _ in streams_of(node)}
        is_wall = bool(set(sides) & set(domain.walls))
        earlier = [subtract(ONE, node) for others, node in parts if is_wall and channels & others]
        within = _all([*named, *earlier])
        found.append(Condition(sides, residuals, str(table["equation"]), is_hard, weight, within, bool(named)))
        if named:
            parts.append((channels, _all(named) or ONE))
        else:
            for side in sides:
                taken.setdefault(side, set()).update(channels)
    return tuple(found)


def _part(text: str, scope: Scope) -> Node:
    """1 where the formula after "expr:" holds, 0 elsewhere."""
    found = scope.formula(text.removeprefix(PART))
    return call("where", found.re, ONE, ZERO)


def _all(parts: Sequence[Node]) -> Node | None:
    """1 where every part is 1; None without parts."""
    return reduce(multiply, parts) if parts else None


def _sides(asked: Sequence[str], domain: Domain, taken: Mapping[str, set[str]], where: str) -> tuple[str, ...]:
    sides: list[str] = []
    for each in asked:
        if each == "boundary":  # the walls that no earlier condition names
            left = [side for side in domain.walls if side not in taken]
            sides += left or list(domain.walls)
        elif each in domain.sides:
            sides.append(each)
        else:
            raise UsageError(
                f"{where} is on {each!r}{did_you_mean(each, domain.sides)}",
                f"sides are {', '.join([*domain.sides, 'boundary'])}",
            )
    return tuple(dict.fromkeys(sides))


def value_given(node: Node, channel: str) -> Node | None:
    """The formula g where a condition says channel = g; None for any other condition."""
    if streams_of(node) != {(channel, "")}:
        return None
    return given(node, channel, "")


def given(node: Node, channel: str, letters: str) -> Node | None:
    """The formula g where a residual is c (derivative - g) with a number c."""
    slope = by_name(node, f"{channel}|{letters}")
    if slope.op != "number" or slope.is_zero or streams_of(node) != {(channel, letters)}:
        return None
    return divide(negate(substituted(node, {f"{channel}|{letters}": ZERO})), slope)
