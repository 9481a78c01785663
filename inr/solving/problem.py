"""A boundary-value problem: equations, axes, domain, conditions and data, read from TOML or given in Python."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from inr.core.config import parse, read_toml, to_toml
from inr.core.errors import InrError, UnreadableError, UsageError, did_you_mean
from inr.core.formula import (
    CONSTANTS,
    FUNCTIONS,
    ONE,
    ZERO,
    Node,
    call,
    divide,
    multiply,
    negate,
    number,
    parse_formula,
    substituted,
    subtract,
)
from inr.core.tensor_formula import tensor_of
from inr.solving.equation import (
    OPERATORS,
    SIDE_NORMALS,
    TIME,
    Number,
    Scope,
    absorbing,
    by_name,
    is_linear,
    streams_of,
)
from inr.solving.geometry import Box, Domain, Shape, is_number, shape_of, sides_of
from inr.solving.settings import SolveSettings
from inr.solving.solids import AXES, file_beside, solid_of

TABLES = {
    "problem": {"name", "equation", "equations", "periodic", "kind", "states", "eigenvalue", "absorb"},
    "axes": None,
    "fields": None,
    "geometry": None,
    "condition": {"on", "equation", "hard", "weight"},
    "parameters": None,
    "unknowns": None,
    "observed": {"file", "noise"},
    "reference": {"exact"},
    "solve": None,
}
KINDS = ("boundary", "eigen")
PART = "expr:"
"""What begins a part of the boundary that is given by a formula, such as `expr: z < 1`."""
MOST_STATES = 50
MOST_FILE = 2**20
MOST_OBSERVED = 200_000
AXIS_NAMES = "x, y, z, t and other single letters but e and i"


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


@dataclass(frozen=True)
class Observed:
    """Measured values of a channel: x [N, D], y [N]."""

    channel: str
    x: Tensor
    y: Tensor
    noise: float


@dataclass(frozen=True)
class Unknown:
    """A number to be found."""

    start: float
    low: float
    high: float

    @property
    def is_logarithmic(self) -> bool:
        return self.low > 0


@dataclass(frozen=True)
class Problem:
    """A boundary-value problem.

    scope: what names mean. residuals: formulas that are zero inside, one per equation and part of a complex one.
    exact: a known solution, formula by channel. text: TOML that gives an equal problem. states: how many eigenvalues
    are wanted, 0 in a boundary-value problem; eigenvalue: its name in the equation.
    """

    name: str
    scope: Scope
    domain: Domain
    residuals: tuple[Node, ...]
    conditions: tuple[Condition, ...]
    unknowns: Mapping[str, Unknown] = field(default_factory=dict)
    observed: tuple[Observed, ...] = ()
    exact: Mapping[str, Node] = field(default_factory=dict)
    settings: SolveSettings = field(default_factory=SolveSettings)
    text: str = ""
    states: int = 0
    eigenvalue: str = ""

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a problem file. Raises UnreadableError for a missing file, UsageError for what it states."""
        return cls.of_document(read_problem(path), folder=Path(path).parent)

    @classmethod
    def of(
        cls,
        equation: str | Sequence[str],
        axes: Mapping[str, Sequence[float]],
        conditions: Sequence[Mapping[str, Any]] = (),
        **tables: Any,
    ) -> Self:
        """A problem from its parts.

        Args:
            equation: one, or a list.
            axes: (low, high) by name.
            conditions: tables with `on` and `equation`.
            tables: the other tables of a problem file: `parameters`, `fields`, `geometry`, `reference`, `solve` ...

        Examples:
            >>> import inr
            >>> walls = {"on": "boundary", "equation": "u = 0"}
            >>> problem = inr.Problem.of("lap(u) = -1", {"x": (0, 1), "y": (0, 1)}, [walls])
            >>> problem.is_linear
            True
        """
        head = dict(tables.pop("problem", {}))
        head["equations" if not isinstance(equation, str) else "equation"] = equation
        spans = {key: [float(end) for end in span] for key, span in axes.items()}
        document = {"problem": head, "axes": spans, "condition": [dict(each) for each in conditions], **tables}
        return cls.of_document(document)

    @classmethod
    def of_document(cls, document: Mapping[str, Any], folder: Path | None = None) -> Self:
        """The problem that the tables of a file describe. folder: where its data files are; None: it may have none."""
        if kind_of(document) == "picture":
            raise UsageError(
                "this is a picture problem, expected one with an equation", "`inr.solving.pictures.PictureProblem`"
            )
        _check_tables(document)
        head = document.get("problem", {})
        states, eigenvalue = _eigen(head)
        solid = solid_of(document.get("geometry", {}), folder)
        axes = _axes(document.get("axes", {}), solid)
        parameters = {key: _parameter(key, value) for key, value in document.get("parameters", {}).items()}
        unknowns = {key: _unknown(key, value) for key, value in document.get("unknowns", {}).items()}
        equations = _equations(head)
        fields = _fields(document.get("fields"), equations, {*axes, *parameters, *unknowns, eigenvalue})
        _check_names([*axes], [*fields], [*parameters, *unknowns, *([eigenvalue] if states else [])])
        scope = Scope(tuple(axes), fields, parameters, (*unknowns, *([eigenvalue] if states else [])))
        scope = dataclasses.replace(scope, slopes=_absorb(head.get("absorb"), axes, scope, document))
        domain = _domain(axes, head.get("periodic", []), document.get("geometry", {}), scope, solid)
        residuals = tuple(part for at, text in enumerate(equations, 1) for part in _read(scope, text, f"equation {at}"))
        _check_number(residuals, scope, document)
        walls = _absorbed_walls(fields) if scope.slopes else []
        conditions = _conditions([*document.get("condition", []), *walls], scope, domain)
        problem = cls(
            name=str(head.get("name", "")),
            scope=scope,
            domain=domain,
            residuals=residuals,
            conditions=conditions,
            unknowns=unknowns,
            observed=tuple(o for table in document.get("observed", []) for o in _observed(table, scope, folder)),
            exact=_exact(document.get("reference", {}), scope),
            settings=parse(SolveSettings, document.get("solve", {}), "solve"),
            text=to_toml(document),
            states=states,
            eigenvalue=eigenvalue,
        )
        problem._check_data()
        if states:
            problem._check_states()
        problem._check_coverage()
        if not states:
            problem._check_source()
        return problem

    # -- properties

    @property
    def is_linear(self) -> bool:
        """Whether all equations and conditions are linear in the fields, and there are no unknown numbers."""
        every = [*self.residuals, *(r for condition in self.conditions for r in condition.residuals)]
        return not self.unknowns and all(is_linear(node) for node in every)

    @property
    def streams(self) -> set[tuple[str, str]]:
        """(channel, letters) of every derivative that occurs."""
        every = [*self.residuals, *(r for condition in self.conditions for r in condition.residuals)]
        return set().union(*(streams_of(node) for node in every))

    @property
    def floating(self) -> list[str]:
        """Channels that are determined up to a constant only: they occur as derivatives alone."""
        found = []
        for channel in self.scope.channels:
            values = {letters for key, letters in self.streams if key == channel}
            if "" not in values and not any(o.channel == channel for o in self.observed):
                found.append(channel)
        return found

    def order_of(self, axis: str) -> int:
        """The highest derivative along an axis in the equations."""
        streams = set().union(*(streams_of(node) for node in self.residuals))
        return max((letters.count(axis) for _, letters in streams), default=0)

    def residual_of(self, fields: Mapping[str, Node], points: Tensor) -> list[Tensor]:
        """The residuals [N] of formulas for the channels, at points [N, D]: the check of a candidate solution."""
        found = []
        for node in self.residuals:
            values = {axis: points[:, a] for a, axis in enumerate(self.scope.axes)}
            for channel, letters in streams_of(node):
                each = fields[channel]
                for axis in letters:
                    each = self.scope.by_axis(each, axis)
                values[f"{channel}|{letters}"] = tensor_of(each, values, points[:, 0])
            values |= {key: points.new_tensor(unknown.start) for key, unknown in self.unknowns.items()}
            found.append(tensor_of(node, values, points[:, 0]))
        return found

    def _check_data(self) -> None:
        """Refuse numbers to be found that occur nowhere, and measured values outside the box of the domain."""
        every = [*self.residuals, *(r for condition in self.conditions for r in condition.residuals)]
        unused = [key for key in self.unknowns if not any(key in node.names() for node in every)]
        if unused:
            raise UsageError(f"unknown {unused[0]} is in no equation and in no condition", "leave it out of [unknowns]")
        for data in self.observed:
            low, high = data.x.new_tensor(self.domain.low), data.x.new_tensor(self.domain.high)
            slack = 1e-9 * (high - low)
            outside = data.x[((data.x < low - slack) | (data.x > high + slack)).any(1)]
            if len(outside):
                place = ", ".join(f"{value:g}" for value in outside[0].tolist())
                raise UsageError(
                    f"observed {data.channel} has {len(outside)} values outside the axes, the first at ({place})",
                    f"expected {', '.join(self.scope.axes)} within [axes]",
                )

    def _check_states(self) -> None:
        """Refuse an eigenvalue problem of another form than one real field in space."""
        if len(self.scope.channels) != 1 or TIME in self.scope.axes or self.unknowns or self.observed:
            raise UsageError(
                "an eigenvalue problem has one equation for one real field, without time, unknowns and observed data",
                '-lap(u) + V*u = E*u',
            )  # fmt: skip
        if not any(self.eigenvalue in node.names() for node in self.residuals):
            raise UsageError(
                f'the equation has no eigenvalue "{self.eigenvalue}"', 'name it with eigenvalue = "..." in [problem]'
            )

    def _check_source(self) -> None:
        """Refuse a problem that zero solves."""
        every = [*self.residuals, *(r for condition in self.conditions for r in condition.residuals)]
        zeros = {f"{channel}|{letters}": ZERO for node in every for channel, letters in streams_of(node)}
        if not self.observed and all(substituted(node, zeros).is_zero for node in every):
            raise UsageError(
                "the zero solution fits. Is a source or a condition missing?", 'for eigenvalues, set kind = "eigen"'
            )

    def _check_coverage(self) -> None:
        """Refuse a side without a condition that the equation needs."""
        given = {side for condition in self.conditions if not condition.is_part for side in condition.sides}
        if isinstance(self.domain.shape, Box):
            for axis in self.domain.space:
                if axis in self.domain.periodic or not self.order_of(axis):
                    continue
                missing = [side for side in sides_of(axis) if side not in given]
                if len(missing) > (1 if self.order_of(axis) == 1 else 0) and not self.observed:
                    raise _uncovered(missing[0])
        else:
            missing = [side for side in self.domain.walls if side not in given]
            if missing and max(self.order_of(axis) for axis in self.domain.space) > 1 and not self.observed:
                raise _uncovered(missing[0])
        needs_start = self.domain.time is not None and self.order_of(TIME) and TIME not in self.domain.periodic
        if needs_start and not self.observed and not {"start", "end"} & given:
            raise _uncovered("start")


def read_problem(path: str | Path) -> dict[str, Any]:
    """The tables of a problem file. Raises UnreadableError for a missing file, or one that is not TOML."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadableError(f"{path.name!r} cannot be read: {error.strerror}") from error
    if len(data) > MOST_FILE:
        raise UnreadableError(f"{path.name!r} has {len(data)} bytes, expected a problem of at most {MOST_FILE}")
    return read_toml(data, path.name)


def kind_of(document: Mapping[str, Any]) -> Any:
    """What [problem] says that it is: "boundary" or "picture"."""
    head = document.get("problem", {})
    return head.get("kind", "boundary") if isinstance(head, Mapping) else "boundary"


def _uncovered(side: str) -> UsageError:
    return UsageError(
        f'no condition on side "{side}": the solution is not unique. Add [[condition]] on = "{side}", or periodic.'
    )


# -- tables


def _check_tables(document: Mapping[str, Any]) -> None:
    for table, content in document.items():
        if table == "data":
            raise UsageError(
                "coefficients from files ([data]) are not built", "write them as a formula in [parameters]"
            )
        if table not in TABLES:
            raise UsageError(f"unknown table [{table}]{did_you_mean(table, TABLES)}", f"known: {', '.join(TABLES)}")
        is_list = table in ("condition", "observed")
        if not isinstance(content, list if is_list else Mapping):
            shown = f"[[{table}]]" if is_list else f"[{table}]"
            raise UsageError(f"{table} is not a table: write {shown}")
        known = TABLES[table]
        for each in content if is_list else [content]:
            if not isinstance(each, Mapping):
                raise UsageError(f"[[{table}]] is a list of tables")
            for key in each:
                if known is not None and key not in known:
                    raise UsageError(
                        f"[{table}] has an unknown entry {key!r}{did_you_mean(key, known)}",
                        f"known: {', '.join(sorted(known))}",
                    )


def _absorb(
    table: Any, axes: Mapping[str, tuple[float, float]], scope: Scope, document: Mapping[str, Any]
) -> dict[str, Number]:
    """Factors of derivatives within the layers that `absorb` describes; none without it."""
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
    width, strength = table["width"], table.get("strength", 5)
    most = min(high - low for low, high in axes.values()) / 2
    if not is_number(width) or not 0 < width < most or not is_number(strength) or strength <= 0:
        raise UsageError(
            f"absorb has width = {width!r} and strength = {strength!r}, expected a width below half the box, {most:g}, "
            "and a strength above 0"
        )
    return {axis: absorbing(axis, low, high, width, strength) for axis, (low, high) in axes.items()}


def _absorbed_walls(fields: Mapping[str, bool]) -> list[dict[str, str]]:
    """Behind an absorbing layer nothing is left."""
    return [{"on": "boundary", "equation": f"{key} = 0"} for key in fields]


def _eigen(head: Mapping[str, Any]) -> tuple[int, str]:
    """How many eigenvalues are wanted, and the name of the eigenvalue; 0 and "" for a boundary-value problem."""
    kind = head.get("kind", "boundary")
    if kind not in KINDS:
        raise UsageError(f"kind is {kind!r}{did_you_mean(str(kind), KINDS)}", f"kinds are {', '.join(KINDS)}")
    if kind == "boundary":
        if {"states", "eigenvalue"} & set(head):
            raise UsageError("states and eigenvalue are for eigenvalue problems", 'set kind = "eigen"')
        return 0, ""
    states, eigenvalue = head.get("states", 1), head.get("eigenvalue", "E")
    if not isinstance(states, int) or isinstance(states, bool) or not 1 <= states <= MOST_STATES:
        raise UsageError(f"states is {states!r}, expected 1 to {MOST_STATES}")
    if not isinstance(eigenvalue, str) or not eigenvalue.isalnum() or not eigenvalue[0].isalpha():
        raise UsageError(f"eigenvalue is {eigenvalue!r}, expected a name of letters and digits")
    return states, eigenvalue


def _axes(table: Mapping[str, Any], solid: Shape | None) -> dict[str, tuple[float, float]]:
    axes: dict[str, tuple[float, float]] = {}
    if solid is not None:
        if set(table) - {TIME}:
            raise UsageError(
                f"axes {', '.join(table)} are given, and x, y, z and their ranges come from the shape",
                "leave out all but t",
            )
        axes = dict(zip(AXES, zip(solid.low, solid.high, strict=True), strict=True))
    for key, span in table.items():
        is_pair = isinstance(span, list | tuple) and len(span) == 2 and all(is_number(end) for end in span)
        if not is_pair or not span[0] < span[1]:
            raise UsageError(f"axis {key} is {span!r}, expected [low, high] with low < high")
        if len(key) != 1 or not key.isascii() or not key.isalpha() or key in ("e", "i"):
            raise UsageError(f"an axis is called {key!r}, expected {AXIS_NAMES}")
        axes[key] = (float(span[0]), float(span[1]))
    if not 1 <= len(axes) <= 4 or list(axes) == [TIME]:
        raise UsageError(f"{len(axes)} axes, expected 1 to 4 with at least one of space", "[axes] x = [0, 1]")
    return axes


def _parameter(key: str, value: Any) -> Node:
    if is_number(value):
        return number(value)
    if not isinstance(value, str):
        raise UsageError(f"parameter {key} is {value!r}, expected a number or a formula")
    with _Named(f"parameter {key}"):
        return parse_formula(value)


def _unknown(key: str, table: Any) -> Unknown:
    if not isinstance(table, Mapping) or set(table) - {"start", "low", "high"} or "start" not in table:
        raise UsageError(f"unknown {key} is {table!r}, expected {{ start = 1, low = 0.1, high = 10 }}")
    if not all(map(is_number, table.values())):
        raise UsageError(f"unknown {key} is {table!r}, expected numbers", "{ start = 1, low = 0.1, high = 10 }")
    start, low, high = (float(table.get(k, d)) for k, d in (("start", 0), ("low", -math.inf), ("high", math.inf)))
    if not low <= start <= high:
        raise UsageError(f"unknown {key} starts at {start:g}, expected {low:g} to {high:g}")
    return Unknown(start, low, high)


def _equations(head: Mapping[str, Any]) -> list[str]:
    if ("equation" in head) == ("equations" in head):
        raise UsageError("[problem] has no equation" if "equation" not in head else "both equation and equations",
                         'equation = "lap(u) = -1"')  # fmt: skip
    found = [head["equation"]] if "equation" in head else head["equations"]
    if not found or not isinstance(found, Sequence) or not all(isinstance(text, str) for text in found):
        raise UsageError(f"the equations are {found!r}, expected text")
    return list(found)


def _fields(table: Mapping[str, Any] | None, equations: Sequence[str], known: set[str]) -> dict[str, bool]:
    if table is not None:
        for key, value in table.items():
            is_table = isinstance(value, Mapping) and not set(value) - {"complex", "unknown"}
            if not is_table or not all(isinstance(each, bool) for each in value.values()):
                raise UsageError(
                    f"field {key} is {value!r}, expected {{}}, {{ complex = true }} or {{ unknown = true }}"
                )
        return {key: bool(value.get("complex", False)) for key, value in table.items()}
    names: set[str] = set()
    for at, text in enumerate(equations, 1):
        with _Named(f"equation {at}"):
            for side in text.split("="):
                tree = parse_formula(side, functions={**FUNCTIONS, **OPERATORS}) if side.strip() else number(0)
                names |= {key.partition("_")[0] for key in tree.names() if key not in known | {*SIDE_NORMALS}}
    return dict.fromkeys(sorted(names - known - set(CONSTANTS)), False)


def _check_names(axes: list[str], fields: list[str], others: list[str]) -> None:
    if not fields:
        raise UsageError("the equations have no unknown field", 'equation = "lap(u) = -1" has u')
    every = [*axes, *fields, *others]
    twice = {key for key in every if every.count(key) > 1} | ({*every} & {*FUNCTIONS, *OPERATORS, "pi", "i"})
    if twice:
        raise UsageError(f"names with two meanings: {', '.join(sorted(twice))}")
    for key in fields:
        if not key.isascii() or not key.isalnum() or not key[0].isalpha():
            raise UsageError(f"a field is called {key!r}, expected letters and digits without _")


def _domain(
    axes: Mapping[str, tuple[float, float]],
    periodic: Any,
    table: Mapping[str, Any],
    scope: Scope,
    solid: Shape | None,
) -> Domain:
    space = scope.space
    low, high = (tuple(axes[key][end] for key in space) for end in (0, 1))

    def formula(text: Any) -> Node:
        if not isinstance(text, str):
            raise UsageError(f"sdf_expression is {text!r}, expected a formula")
        with _Named("sdf_expression"):
            return scope.formula(text).re

    shape = solid or shape_of(table, space, low, high, formula)
    given = _names(periodic, "periodic")
    if set(given) - set(axes) or (given and not isinstance(shape, Box)):
        raise UsageError(f"periodic is {given}, expected axes of a box out of {', '.join(axes)}")
    return Domain(tuple(axes), shape, axes.get(TIME), tuple(given))


def _read(scope: Scope, text: str, where: str, *, has_fields: bool = True) -> list[Node]:
    with _Named(where):
        return scope.residuals(text, has_fields=has_fields)


class _Named:
    """Errors inside begin with the place that they are about."""

    def __init__(self, where: str) -> None:
        self.where = where

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if isinstance(error, InrError):
            raise type(error)(f"{self.where}, {error.message}", error.hint) from error


def _check_number(residuals: Sequence[Node], scope: Scope, document: Mapping[str, Any]) -> None:
    """Refuse equations without fields, and another number of them than of fields that data do not determine."""
    for at, node in enumerate(residuals, 1):
        if not streams_of(node):
            raise UsageError(f"equation {at} has no unknown field", "every equation has a field or its derivative")
    free = [key for key, value in (document.get("fields") or {}).items() if value.get("unknown")]
    n_wanted = len(scope.channels) - sum(1 + scope.fields[key] for key in free)
    if len(residuals) != n_wanted:
        raise UsageError(
            f"{len(residuals)} equations for {n_wanted} unknown fields ({', '.join(scope.channels)})",
            "give other names a value in [parameters], write one equation per field, or mark a coefficient that data "
            "determine: [fields] a = { unknown = true }; eigenvalues need a number of states",
        )
    if free and not document.get("observed"):
        raise UsageError(f"{', '.join(free)} has no equation, and there are no [[observed]] data to determine it")


def _conditions(tables: Sequence[Mapping[str, Any]], scope: Scope, domain: Domain) -> tuple[Condition, ...]:
    found: list[Condition] = []
    taken: dict[str, set[str]] = {}
    parts: list[tuple[set[str], Node]] = []
    for at, table in enumerate(tables, 1):
        where = f"condition {at}"
        for key in ("on", "equation"):
            if key not in table:
                raise UsageError(f"{where} has no entry {key!r}")
        asked = _names(table["on"], f"{where}, on")
        if not asked:
            raise UsageError(f"{where} is on an empty list", f"sides are {', '.join([*domain.sides, 'boundary'])}")
        with _Named(where):
            named = [_part(text, scope) for text in asked if text.startswith(PART)]
        if named and len(named) != len(asked):
            raise UsageError(f"{where} is on formulas and names of sides, expected one of them")
        sides = domain.walls if named else _sides(asked, domain, taken, where)
        residuals = tuple(_read(scope, str(table["equation"]), where))
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


def _names(value: Any, where: str) -> list[str]:
    """A text, or a list of texts, as a list."""
    found = [value] if isinstance(value, str) else value
    if not isinstance(found, list | tuple) or not all(isinstance(each, str) for each in found):
        raise UsageError(f"{where} is {value!r}, expected a text, or a list of texts")
    return list(found)


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


def _exact(table: Mapping[str, Any], scope: Scope) -> dict[str, Node]:
    if "exact" not in table:
        return {}
    given = table["exact"]
    if not isinstance(given, str | Mapping):
        raise UsageError(f"exact is {given!r}, expected a formula, or one per field", 'exact = { u = "x", v = "y" }')
    texts = {next(iter(scope.fields)): given} if isinstance(given, str) else given
    found: dict[str, Node] = {}
    for key, text in texts.items():
        if key not in scope.fields or not isinstance(text, str):
            raise UsageError(f"the exact solution of {key!r} is {text!r}, expected a formula of one of the fields")
        with _Named(f"exact solution of {key}"):
            value = scope.formula(text)
        if scope.fields[key]:
            found |= {f"{key}.re": value.re, f"{key}.im": value.im}
        else:
            found[key] = value.re
    return found


def _observed(table: Mapping[str, Any], scope: Scope, folder: Path | None) -> list[Observed]:
    file = table.get("file")
    if folder is None or not isinstance(file, str):
        raise UsageError("[[observed]] needs a file, next to a problem file")
    path = file_beside(file, folder)
    noise = table.get("noise", 0.01)
    if not is_number(noise) or noise <= 0:
        raise UsageError(f"noise is {noise!r}, expected a number above 0: the standard deviation of the values")
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.reader(lines))
    except (OSError, ValueError, csv.Error) as error:
        raise UnreadableError(f"{file!r} cannot be read as CSV: {error}") from error
    header, body = [name.strip() for name in rows[0]] if rows else [], rows[1:]
    ragged = next((at for at, row in enumerate(body, 2) if len(row) != len(header)), None)
    if ragged is not None:
        raise UnreadableError(f"{file!r} has {len(body[ragged - 2])} values in line {ragged}, expected {len(header)}")
    try:
        values = np.array([[float(each) for each in row] for row in body], np.float64)
    except ValueError as error:
        raise UnreadableError(f"{file!r} has a row that is not numbers: {error}") from error
    missing = [axis for axis in scope.axes if axis not in header]
    fields = [key for key in header if key not in scope.axes]
    if missing or not fields or values.ndim != 2 or not 1 <= len(values) <= MOST_OBSERVED:
        raise UnreadableError(f"{file!r} has columns {', '.join(header)}, expected {', '.join(scope.axes)} and a field")
    if not np.isfinite(values).all():
        raise UnreadableError(f"{file!r} has values that are not finite")
    x = torch.from_numpy(values[:, [header.index(axis) for axis in scope.axes]])
    wrong = [key for key in fields if key not in scope.channels]
    if wrong:
        raise UnreadableError(f"{file!r} has a column {wrong[0]!r}, which is neither an axis nor a field")
    return [Observed(key, x, torch.from_numpy(values[:, header.index(key)]), float(noise)) for key in fields]


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
