"""Conditions that the formula of a solution meets by itself: u = lift + factor * network.

On a box the lift is built axis by axis: it is corrected on each pair of ends by what is missing there, linearly in
between (Coons patches). Conditions must agree where sides meet.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inr.core.formula import ONE, SMOOTH, ZERO, Node, add, divide, multiply, name, number, substituted, subtract
from inr.core.tensor_formula import tensor_of
from inr.fields.solution import by_axis
from inr.solving.conditions import given, value_given
from inr.solving.equation import TIME
from inr.solving.geometry import Box, Domain, Ring, sides_of
from inr.solving.problem import Problem

AGREEMENT = 1e-9
PERIODIC = 1e-8
INSIDE = 4000
"""Points of a domain at which lifts are evaluated."""
MOST_GROWTH = 10.0
"""Of a lift within the domain, over its largest value on the boundary: Coons patches of smooth values stay below 4."""


@dataclass
class Hard:
    """lift, factor: formulas by channel. met: (condition, side, part) that hold by themselves; parts are residuals."""

    lift: dict[str, Node]
    factor: dict[str, Node]
    met: set[tuple[int, str, int]] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Given:
    """A value on a side: which condition says it, and what it is."""

    condition: int
    part: int
    value: Node


def hard_conditions(problem: Problem) -> Hard:
    """Build in the values that the conditions give, as far as the domain and the formulas allow it.

    A field of a chosen family has none.
    """
    found = Hard(dict.fromkeys(problem.scope.channels, ZERO), dict.fromkeys(problem.scope.channels, ONE))
    if problem.settings.field is not None:
        return found
    for channel in problem.scope.channels:
        values = {letters: dict(_values(problem, channel, letters)) for letters in ("", TIME)}
        if not values[""]:
            continue
        if isinstance(problem.domain.shape, Box):
            _on_box(problem.domain, channel, values[""], values[TIME], found)
        elif isinstance(problem.domain.shape, Ring):
            _on_ring(problem.domain, problem.domain.shape, channel, values[""], found)
    return found


def _values(problem: Problem, channel: str, letters: str) -> Iterator[tuple[str, _Given]]:
    """What conditions give for a channel by side: its value, or its slope in time at the start."""
    for at, condition in enumerate(problem.conditions):
        if condition.is_hard is False or condition.within is not None:
            continue
        for part, node in enumerate(condition.residuals):
            value = value_given(node, channel) if not letters else given(node, channel, letters)
            smooth = value is not None and value.functions() <= SMOOTH | {"/"}
            is_stored = value is not None and "table" not in value.functions()  # model files hold formulas
            if value is None or not is_stored or not (smooth or condition.is_hard):
                continue
            if value.names() - set(problem.scope.axes):
                continue
            for side in condition.sides:
                if not letters or side == "start":
                    yield side, _Given(at, part, value)


def _on_box(
    domain: Domain, channel: str, values: Mapping[str, _Given], slopes: Mapping[str, _Given], found: Hard
) -> None:
    lift, factor = ZERO, ONE
    built: dict[str, _Given] = {}
    axes = sorted(domain.axes, key=lambda axis: axis == TIME)
    for axis in axes:
        if axis in domain.periodic:
            continue
        at = domain.axes.index(axis)
        ends = {end: side for end, side in enumerate(sides_of(axis)) if side in values and side in domain.sides}
        if not ends:
            continue
        low, high = domain.low[at], domain.high[at]
        part = divide(subtract(name(axis), number(low)), number(high - low))
        missing = {
            end: subtract(_at(values[side].value, axis, (low, high)[end]), _at(lift, axis, (low, high)[end]))
            for end, side in ends.items()
        }
        if axis == TIME and "start" in slopes and "start" in values and "end" not in values:
            late = subtract(name(axis), number(low))
            rate = subtract(_at(slopes["start"].value, axis, low), _at(by_axis(lift, axis), axis, low))
            lift = add(lift, add(missing[0], multiply(late, rate)))
            factor = multiply(factor, multiply(part, part))
            found.met.add((slopes["start"].condition, "start", slopes["start"].part))
        elif len(ends) == 2:
            lift = add(lift, add(multiply(subtract(ONE, part), missing[0]), multiply(part, missing[1])))
            factor = multiply(factor, multiply(number(4), multiply(part, subtract(ONE, part))))
        else:
            (end,) = ends
            lift = add(lift, missing[end])
            factor = multiply(factor, part if end == 0 else subtract(ONE, part))
        built |= {side: values[side] for side in ends.values()}
    _accept(domain, channel, lift, factor, built, found)


def _on_ring(domain: Domain, ring: Ring, channel: str, values: Mapping[str, _Given], found: Hard) -> None:
    x, y = (subtract(name(axis), number(c)) for axis, c in zip(domain.space, ring.center, strict=True))
    square = add(multiply(x, x), multiply(y, y))
    to_outer = divide(subtract(number(ring.outer**2), square), number(2 * ring.outer))
    to_inner = divide(subtract(square, number(ring.inner**2)), number(2 * ring.inner)) if ring.inner else ONE
    ends = {side: values[side] for side in ring.sides if side in values}
    if len(ends) == 2:
        parts = multiply(ends["inner"].value, to_outer), multiply(ends["outer"].value, to_inner)
        lift, factor = divide(add(*parts), add(to_outer, to_inner)), multiply(to_outer, to_inner)
    else:
        lift = next(iter(ends.values())).value if ends else ZERO
        factor = to_inner if "inner" in ends else to_outer if ends else ONE
    if domain.time is not None and "start" in values:
        late = subtract(name(TIME), number(domain.time[0]))
        start = values["start"].value
        lift = add(lift, subtract(_at(start, TIME, domain.time[0]), _at(lift, TIME, domain.time[0])))
        factor = multiply(factor, divide(late, number(domain.time[1] - domain.time[0])))
        ends["start"] = values["start"]
    _accept(domain, channel, lift, factor, ends, found)


def _at(node: Node, axis: str, value: float) -> Node:
    return substituted(node, {axis: number(value)})


def _accept(domain: Domain, channel: str, lift: Node, factor: Node, built: Mapping[str, _Given], found: Hard) -> None:
    """Take the lift, if it has the given values on every side, repeats along periodic axes and is regular inside."""
    notes = list(_objections(domain, channel, lift, built))
    if notes:
        found.met -= {entry for entry in found.met if _is_slope(entry, built)}
        found.notes += filter(None, notes[:1])
        return
    found.lift[channel], found.factor[channel] = lift, factor
    found.met |= {(value.condition, side, value.part) for side, value in built.items()}


def _objections(domain: Domain, channel: str, lift: Node, built: Mapping[str, _Given]) -> Iterator[str]:
    """Why a lift cannot be taken, as notes; an empty one where nothing need be said."""
    for axis in domain.periodic:
        if not _repeats(domain, lift, axis):
            yield (
                f"the values that are given for {channel}, or their slopes, do not repeat along {axis}, which is "
                f"periodic: they are not built in, and have a jump or kink where {axis} begins again."
            )
    if _is_singular(domain, lift):
        yield ""
    sides = {}
    for side, value in built.items():
        x = _probes(domain, side)
        values = {key: x[:, a] for a, key in enumerate(domain.axes)}
        mine, wanted = (tensor_of(node, values, x[:, 0]) for node in (lift, value.value))
        sides[side] = x, (mine - wanted).abs().nan_to_num(torch.inf), wanted
    size = max((float(wanted.abs().max()) for _, _, wanted in sides.values()), default=0.0)
    for side, (x, off, wanted) in sides.items():
        worst = int(off.argmax())
        if not float(off[worst]) <= AGREEMENT * size:
            place = ", ".join(f"{v:.3g}" for v in x[worst].tolist())
            other = _other_side(domain, side, x[worst], built)
            yield (
                f'conditions disagree at ({place}): {float(wanted[worst]):.4g} from "{side}"{other}. '
                "Hard conditions are off there; expect errors near it."
            )


def _is_singular(domain: Domain, lift: Node) -> bool:
    """Whether a lift grows far beyond its values on the boundary.

    x/(x^2 + y^2) on a circle satisfies lap(u) = 0 at every point but the middle, and is not the solution.
    """
    divisors = [node.args[1] for node in lift.walk() if node.op == "/"]
    if not any(divisor.names() for divisor in divisors):
        return False
    largest = 0.0
    for side in set(domain.sides) - set(domain.surfaces):
        x = _probes(domain, side)
        values = tensor_of(lift, {key: x[:, a] for a, key in enumerate(domain.axes)}, x[:, 0])
        largest = max(largest, float(values.abs().nan_to_num(torch.inf).max()))
    x = domain.inside(INSIDE, torch.Generator().manual_seed(3)).x
    inner = tensor_of(lift, {key: x[:, a] for a, key in enumerate(domain.axes)}, x[:, 0]).abs()
    return not float(inner.nan_to_num(torch.inf).max()) <= MOST_GROWTH * largest


def _repeats(domain: Domain, node: Node, axis: str) -> bool:
    """Whether a formula and its slope along a periodic axis are the same at both ends."""
    at = domain.axes.index(axis)
    x = domain.inside(200, torch.Generator().manual_seed(2)).x
    inside = {key: x[:, a] for a, key in enumerate(domain.axes)}
    for formula in (node, by_axis(node, axis)):
        size = float(tensor_of(formula, inside, x[:, 0]).abs().max())
        low, high = (
            tensor_of(formula, inside | {axis: torch.full_like(x[:, at], end)}, x[:, 0])
            for end in (domain.low[at], domain.high[at])
        )
        if not float((low - high).abs().max()) <= PERIODIC * size:
            return False
    return True


def _is_slope(entry: tuple[int, str, int], built: Mapping[str, _Given]) -> bool:
    return entry[1] == "start" and all(entry[0] != value.condition for value in built.values())


def _other_side(domain: Domain, side: str, x: Tensor, built: Mapping[str, _Given]) -> str:
    for other, value in built.items():
        points = _probes(domain, other)
        if other != side and float((points - x).norm(dim=-1).min()) < 1e-9:
            values = {key: x[None, a] for a, key in enumerate(domain.axes)}
            return f', {float(tensor_of(value.value, values, x[None, 0])):.4g} from "{other}"'
    return ""


def _probes(domain: Domain, side: str) -> Tensor:
    """Points on a side, with its corners."""
    generator = torch.Generator().manual_seed(1)
    x = domain.on(side, 200, generator).x
    if not isinstance(domain.shape, Box):
        return x
    corners = torch.tensor(list(itertools.product(*zip(domain.low, domain.high, strict=True))), dtype=torch.float64)
    axis, end = next((a, e) for a, key in enumerate(domain.axes) for e in (0, 1) if sides_of(key)[e] == side)
    return torch.cat([corners[corners[:, axis] == (domain.low, domain.high)[end][axis]], x])
