"""Conditions on sides of a domain, and parts of sides that formulas give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import Any

from inr.core.errors import UsageError, did_you_mean
from inr.core.formula import ONE, ZERO, Node, call, divide, multiply, negate, substituted, subtract
from inr.solving.equation import SIDE_NORMALS, Scope, by_name, streams_of, trees_of
from inr.solving.geometry import Domain, is_number
from inr.solving.means import check_mean, has_mean
from inr.solving.names import residuals_of
from inr.solving.places import SUFFIXES, Places, places_of
from inr.solving.tables import About, names_in

PART = "expr:"
"""What begins a part of the boundary that is given by a formula, such as `expr: z < 1`."""
DOMAIN = "domain"
"""What a mean is over, if no side is named."""
TYPES = ("dirichlet", "neumann", "robin", "initial", "mean")


@dataclass(frozen=True)
class Condition:
    """sides: where; residuals: what is zero there. is_hard: None lets the solver choose.

    A mean and points of a file have no sides. mean: the side, or `DOMAIN`, over which the mean of the residuals is
    zero; "": they are zero at each point. places: of a file. is_inside: whether they are zero in all of the
    domain. within: 1 on the part of the sides that is meant and 0
    elsewhere; None: all of them. is_part: whether a formula of the problem says so, rather than what earlier conditions
    leave.
    """

    sides: tuple[str, ...]
    residuals: tuple[Node, ...]
    text: str
    is_hard: bool | None = None
    weight: float | None = None
    within: Node | None = None
    is_part: bool = False
    mean: str = ""
    places: Places | None = None
    is_inside: bool = False


def conditions_of(
    tables: Sequence[Mapping[str, Any]], scope: Scope, domain: Domain, folder: Path | None = None
) -> tuple[Condition, ...]:
    """The conditions of [[condition]] tables. folder: where their files are; None: as for `file_beside`."""
    found: list[Condition] = []
    taken: dict[str, set[str]] = {}
    parts: list[tuple[set[str], Node]] = []
    for at, table in enumerate(tables, 1):
        where = f"condition {at}"
        if "equation" not in table:
            raise UsageError(f"{where} has no entry 'equation'")
        with About(where):
            trees = trees_of(str(table["equation"]))
        if has_mean(trees):
            with About(where):
                check_mean(trees, scope)
            found.append(_checked(_mean(table, scope, domain, where), table, where))
            continue
        if "on" not in table:
            raise UsageError(f"{where} has no entry 'on'", f"sides are {', '.join([*domain.sides, 'boundary'])}")
        asked = names_in(table["on"], f"{where}, on")
        if not asked:
            raise UsageError(f"{where} is on an empty list", f"sides are {', '.join([*domain.sides, 'boundary'])}")
        if asked[0].endswith(SUFFIXES) and len(asked) == 1:
            found.append(_checked(_at_places(asked[0], table, scope, domain, folder, where), table, where))
            continue
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
        channels = {channel for node in residuals for channel, _ in streams_of(node)}
        is_wall = bool(set(sides) & set(domain.walls))
        earlier = [subtract(ONE, node) for others, node in parts if is_wall and channels & others]
        within = _all([*named, *earlier])
        given = Condition(sides, residuals, str(table["equation"]), within=within, is_part=bool(named))
        found.append(_checked(given, table, where))
        if named:
            parts.append((channels, _all(named) or ONE))
        else:
            for side in sides:
                taken.setdefault(side, set()).update(channels)
    return tuple(found)


def constancy(axes: Mapping[str, Sequence[str]], scope: Scope) -> list[Condition]:
    """u_t = 0 for fields that do not vary along some axes. axes: those by field."""
    texts = [f"{key}_{axis} = 0" for key, found in axes.items() for axis in found]
    return [Condition((), tuple(scope.residuals(text)), text, is_inside=True) for text in texts]


def _checked(condition: Condition, table: Mapping[str, Any], where: str) -> Condition:
    """A condition with `hard` and `weight` of its table. Raises UsageError for these, and for another `type`."""
    if any(not streams_of(node) for node in condition.residuals):
        raise UsageError(f"{where}, {condition.text!r} has no unknown field")
    hard, weight = table.get("hard", "auto"), table.get("weight")
    if hard not in ("auto", True, False) or not (weight is None or (is_number(weight) and weight > 0)):
        raise UsageError(f'{where} has hard = {hard!r} and weight = {weight!r}, expected true, false or "auto", > 0')
    if hard is True and not condition.sides:
        raise UsageError(
            f"{where} has hard = true, and conditions on means and at points of files are not built in",
            "leave it out, or give weight",
        )
    given = table.get("type")
    if given is not None:
        if given not in TYPES:
            raise UsageError(
                f"{where}, type is {given!r}{did_you_mean(str(given), TYPES)}", f"types are {', '.join(TYPES)}"
            )
        implied = _types(condition)
        if given not in implied:
            raise UsageError(
                f"{where} has type = {given!r}, and {condition.text!r} is {' and '.join(implied) or 'none of these'}",
                "the equation says what a condition is: leave out type",
            )
    return replace(condition, is_hard=None if hard == "auto" else bool(hard), weight=weight)


def _types(condition: Condition) -> list[str]:
    """What a condition is called: by its derivatives, and by where it holds."""
    if condition.mean:
        return ["mean"]
    orders = {len(letters) for node in condition.residuals for _, letters in streams_of(node)}
    names = {(0,): ["dirichlet"], (1,): ["neumann"], (0, 1): ["robin"]}
    found = names.get(tuple(sorted(orders)), [])
    return ["initial", *found] if {*condition.sides} == {"start"} else found


def _mean(table: Mapping[str, Any], scope: Scope, domain: Domain, where: str) -> Condition:
    sides = names_in(table.get("on", [DOMAIN]), f"{where}, on")
    if len(sides) != 1 or sides[0] not in (DOMAIN, *domain.sides):
        raise UsageError(
            f"{where} is a mean on {', '.join(sides) or 'an empty list'}, expected one side",
            f"leave out on for the mean over the domain; sides are {', '.join(domain.sides)}",
        )
    with About(where):
        residuals = tuple(scope.residuals(str(table["equation"]), has_means=True))
    return Condition((), residuals, str(table["equation"]), mean=sides[0])


def _at_places(
    file: str, table: Mapping[str, Any], scope: Scope, domain: Domain, folder: Path | None, where: str
) -> Condition:
    with About(where):
        places = places_of(file, scope, domain, folder)
        known = replace(scope, unknowns=(*scope.unknowns, *places.values))
        residuals = tuple(known.residuals(str(table["equation"])))
    if places.normals is None and any(node.names() & {*SIDE_NORMALS} for node in residuals):
        columns = ", ".join(f"n_{axis}" for axis in scope.space)
        raise UsageError(f"{where} has a normal, and {file!r} has no columns {columns}")
    return Condition((), residuals, str(table["equation"]), places=places)


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
