"""Axes, shape and absorbing layers of a problem, from their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inr.core.errors import UsageError
from inr.core.formula import (
    FUNCTIONS,
    ONE,
    Node,
    add,
    call,
    constant,
    divide,
    multiply,
    name,
    number,
    parse_formula,
    subtract,
)
from inr.solving.equation import OPERATORS, TIME, Number, Scope, absorbing
from inr.solving.geometry import Box, Domain, Shape, is_number, shape_of
from inr.solving.solids import AXES
from inr.solving.tables import About, names_in

MOST_SPOTS = 8
SPOT = "spots = [{ at = [0, 0], size = 0.01 }]"
AXIS_NAMES = "x, y, z, t and other single letters but e and i"


def axes_of(table: Mapping[str, Any], solid: Shape | None) -> dict[str, tuple[float, float]]:
    axes: dict[str, tuple[float, float]] = {}
    if solid is not None:
        if set(table) - {TIME}:
            raise UsageError(
                f"axes {', '.join(table)} are given, and x, y, z and their ranges come from the shape",
                "leave out all but t",
            )
        axes = dict(zip(AXES, zip(solid.low, solid.high, strict=True), strict=True))
    for key, given in table.items():
        with About(f"axis {key}"):
            span = [constant(end) if isinstance(end, str) else end for end in given] if _is_pair(given) else []
        if not span or not span[0] < span[1]:
            raise UsageError(f"axis {key} is {given!r}, expected [low, high] with low < high")
        if len(key) != 1 or not key.isascii() or not key.isalpha() or key in ("e", "i"):
            raise UsageError(f"an axis is called {key!r}, expected {AXIS_NAMES}")
        axes[key] = (float(span[0]), float(span[1]))
    if list(axes) == [TIME]:
        raise UsageError("the only axis is t, which is time beside others", "call it x: [axes] x = [0, 1], and u_x")
    if not 1 <= len(axes) <= 4:
        raise UsageError(f"{len(axes)} axes, expected 1 to 4 with at least one of space", "[axes] x = [0, 1]")
    return axes


def _is_pair(given: Any) -> bool:
    return (
        isinstance(given, list | tuple) and len(given) == 2 and all(is_number(e) or isinstance(e, str) for e in given)
    )


def domain_of(
    axes: Mapping[str, tuple[float, float]],
    periodic: Any,
    table: Mapping[str, Any],
    scope: Scope,
    solid: Shape | None,
    surfaces: Mapping[str, Shape],
) -> Domain:
    space = scope.space
    low, high = (tuple(axes[key][end] for key in space) for end in (0, 1))

    def formula(text: Any) -> Node:
        if not isinstance(text, str):
            raise UsageError(f"sdf_expression is {text!r}, expected a formula")
        with About("sdf_expression"):
            return scope.formula(text).re

    shape = solid or shape_of(table, space, low, high, formula)
    for axis, a, b, first, last in zip(space, low, high, shape.low, shape.high, strict=True):
        if last <= a or first >= b:
            raise UsageError(
                f"the shape in [geometry] reaches from {first:g} to {last:g} along {axis}, and the axis from {a:g} "
                f"to {b:g}",
                "expected a shape within the axes",
            )
    given = names_in(periodic, "periodic")
    if set(given) - set(axes) or (given and not isinstance(shape, Box)):
        raise UsageError(f"periodic is {given}, expected axes of a box out of {', '.join(axes)}")
    return Domain(tuple(axes), shape, axes.get(TIME), tuple(given), surfaces)


def layers_of(
    table: Any,
    axes: Mapping[str, tuple[float, float]],
    scope: Scope,
    document: Mapping[str, Any],
    texts: Sequence[str],
) -> dict[str, Number]:
    """Factors of derivatives within the layers that `absorb` describes; none without it. texts: the equations.

    Raises UsageError for derivatives that are written otherwise than as lap(E), which the layers do not act on.
    """
    if table is None:
        return {}
    if not isinstance(table, Mapping) or set(table) - {"width", "strength"} or "width" not in table:
        raise UsageError(f"absorb is {table!r}, expected {{ width = 0.25, strength = 5 }}")
    is_plain = TIME not in axes and not document.get("geometry") and not document["problem"].get("periodic")
    if not is_plain or not all(scope.fields.values()):
        raise UsageError(
            "absorbing layers are for complex fields on a box, without time and periodic axes",
            "[fields] with E = { complex = true }",
        )
    for text in texts:
        _check_stretched(text, scope)
    width, strength = table["width"], table.get("strength", 5)
    most = min(high - low for low, high in axes.values()) / 2
    if not is_number(width) or not 0 < width < most or not is_number(strength) or strength <= 0:
        raise UsageError(
            f"absorb has width = {width!r} and strength = {strength!r}, expected a width below half the box, {most:g}, "
            "and a strength above 0"
        )
    return {axis: absorbing(axis, low, high, width, strength) for axis, (low, high) in axes.items()}


def _check_stretched(text: str, scope: Scope) -> None:
    for side in filter(str.strip, text.split("=")):
        tree = parse_formula(side, functions={**FUNCTIONS, **OPERATORS})
        nodes = sorted(tree.walk(), key=lambda node: node.at)
        names = [node.name for node in nodes if "_" in node.name and node.name.partition("_")[0] in scope.fields]
        found = names + [node.op for node in nodes if node.op in ("grad", "div", "dn")]
        if found:
            raise UsageError(
                f"absorb acts on lap(...), and the equation has {found[0]}: waves would not be absorbed",
                "write the second derivatives as lap(E)",
            )


def absorbed_walls(fields: Mapping[str, bool]) -> list[dict[str, str]]:
    """Behind an absorbing layer nothing is left."""
    return [{"on": "boundary", "equation": f"{key} = 0"} for key in fields]


@dataclass(frozen=True)
class Spot:
    """Where a source is concentrated: its place in space, and about how large it is."""

    at: tuple[float, ...]
    size: float

    def input_of(self, space: Sequence[str]) -> Node:
        """log(r^2 / size^2 + 1) / 5, which solutions near the spot are smooth functions of."""
        total = ONE
        for axis, place in zip(space, self.at, strict=True):
            away = divide(subtract(name(axis), number(place)), number(self.size))
            total = add(total, multiply(away, away))
        return divide(call("log", total), number(5))


def spots_of(tables: Any, space: Sequence[str]) -> tuple[Spot, ...]:
    """The spots that `spots` lists."""
    if not isinstance(tables, list | tuple) or len(tables) > MOST_SPOTS:
        raise UsageError(f"spots is {tables!r}, expected a list of at most {MOST_SPOTS} tables", SPOT)
    found = []
    for table in tables:
        is_table = isinstance(table, Mapping) and set(table) == {"at", "size"} and isinstance(table["at"], list | tuple)
        if not is_table or len(table["at"]) != len(space) or not all(map(is_number, [*table["at"], table["size"]])):
            raise UsageError(f"a spot is {table!r}, expected a place of {len(space)} numbers, and a size", SPOT)
        if table["size"] <= 0:
            raise UsageError(f"a spot has size = {table['size']}, expected a number above 0")
        found.append(Spot(tuple(map(float, table["at"])), float(table["size"])))
    return tuple(found)
