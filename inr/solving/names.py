"""Equations, and what their names mean: fields, parameters, an eigenvalue and the exact solution."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from inr.core.errors import UsageError, did_you_mean
from inr.core.formula import CONSTANTS, FUNCTIONS, Node, number, parse_formula
from inr.solving.closed_forms import PREFIX, closed_form
from inr.solving.equation import OPERATORS, SIDE_NORMALS, Scope, streams_of
from inr.solving.geometry import is_number
from inr.solving.tables import About

KINDS = ("boundary", "eigen")
MOST_STATES = 50


def equations_of(head: Mapping[str, Any]) -> list[str]:
    if ("equation" in head) == ("equations" in head):
        raise UsageError("[problem] has no equation" if "equation" not in head else "both equation and equations",
                         'equation = "lap(u) = -1"')  # fmt: skip
    found = [head["equation"]] if "equation" in head else head["equations"]
    if not found or not isinstance(found, Sequence) or not all(isinstance(text, str) for text in found):
        raise UsageError(f"the equations are {found!r}, expected text")
    return list(found)


def residuals_of(scope: Scope, text: str, where: str, *, has_fields: bool = True) -> list[Node]:
    with About(where):
        return scope.residuals(text, has_fields=has_fields)


def fields_of(table: Mapping[str, Any] | None, equations: Sequence[str], known: set[str]) -> dict[str, bool]:
    if table is not None:
        for key, value in table.items():
            is_table = isinstance(value, Mapping) and not set(value) - {"complex", "unknown", "of"}
            if not is_table or not all(isinstance(each, bool) for name_, each in value.items() if name_ != "of"):
                raise UsageError(
                    f"field {key} is {value!r}, expected {{}}, {{ complex = true }}, {{ unknown = true }} or "
                    '{ of = ["x"] }'
                )
        return {key: bool(value.get("complex", False)) for key, value in table.items()}
    names: set[str] = set()
    for at, text in enumerate(equations, 1):
        with About(f"equation {at}"):
            for side in text.split("="):
                tree = parse_formula(side, functions={**FUNCTIONS, **OPERATORS}) if side.strip() else number(0)
                names |= {key.partition("_")[0] for key in tree.names() if key not in known | {*SIDE_NORMALS}}
    return dict.fromkeys(sorted(names - known - set(CONSTANTS)), False)


def constant_along(table: Mapping[str, Any] | None, axes: Sequence[str]) -> dict[str, list[str]]:
    """By field that has `of`, the axes along which it does not vary. Raises UsageError for other axes."""
    found = {}
    for key, value in (table or {}).items():
        own = value.get("of", [*axes])
        if not isinstance(own, list) or not own or len({*map(str, own)}) != len(own) or {*map(str, own)} - {*axes}:
            raise UsageError(f"field {key}, of is {own!r}, expected axes out of {', '.join(axes)}")
        found[key] = [axis for axis in axes if axis not in own]
    return found


def parameter_of(key: str, value: Any) -> Node:
    if is_number(value):
        return number(value)
    if not isinstance(value, str):
        raise UsageError(f"parameter {key} is {value!r}, expected a number or a formula")
    with About(f"parameter {key}"):
        return parse_formula(value)


def states_of(head: Mapping[str, Any]) -> tuple[int, str]:
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


def exact_of(table: Mapping[str, Any], scope: Scope) -> dict[str, Node]:
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
        with About(f"exact solution of {key}"):
            if text.startswith(PREFIX):
                found[key] = closed_form(text, scope)
                continue
            value = scope.formula(text)
        if scope.fields[key]:
            found |= {f"{key}.re": value.re, f"{key}.im": value.im}
        else:
            found[key] = value.re
    return found


def cells_of(table: Mapping[str, Any]) -> int:
    """The cells per axis of the finite differences that [reference] names; 0: none."""
    if not {"solver", "n"} & set(table):
        return 0
    solver, n = table.get("solver", "fd"), table.get("n", 64)
    if solver != "fd":
        raise UsageError(f'solver of the reference is {solver!r}, expected "fd"', "fd: finite differences")
    if not isinstance(n, int) or isinstance(n, bool):
        raise UsageError(f"n of the reference is {n!r}, expected a number of cells per axis", "n = 64")
    return n


def outputs_of(table: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of files that [output] lists by their suffix. A problem from a stranger writes into no other folder."""
    for suffix, file in table.items():
        if not isinstance(file, str) or not re.fullmatch(r"[\w][\w. -]*", file) or not file.endswith(f".{suffix}"):
            raise UsageError(
                f"output {suffix} is {file!r}, expected the name of a file without a folder, with suffix .{suffix}",
                f'{suffix} = "solution.{suffix}"',
            )
    return tuple(table.values())


def check_names(axes: list[str], fields: list[str], others: list[str]) -> None:
    if not fields:
        raise UsageError("the equations have no unknown field", 'equation = "lap(u) = -1" has u')
    every = [*axes, *fields, *others]
    twice = {key for key in every if every.count(key) > 1} | ({*every} & {*FUNCTIONS, *OPERATORS, "pi", "i"})
    if twice:
        raise UsageError(f"names with two meanings: {', '.join(sorted(twice))}")
    for key in fields:
        if not key.isascii() or not key.isalnum() or not key[0].isalpha():
            raise UsageError(f"a field is called {key!r}, expected letters and digits without _")


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def check_number(residuals: Sequence[Node], scope: Scope, document: Mapping[str, Any]) -> None:
    """Refuse equations without fields, and another number of them than of fields that data do not determine."""
    for at, node in enumerate(residuals, 1):
        if not streams_of(node):
            raise UsageError(f"equation {at} has no unknown field", "every equation has a field or its derivative")
    free = [key for key, value in (document.get("fields") or {}).items() if value.get("unknown")]
    n_wanted = len(scope.channels) - sum(1 + scope.fields[key] for key in free)
    if len(residuals) != n_wanted:
        if any(re.fullmatch("d[0-9]?[a-z]?[0-9]?", channel) for channel in scope.channels):
            raise UsageError(
                f"the equations have the names {', '.join(scope.channels)}, and some look like derivatives",
                "derivatives are written u_x, u_xx, u_xy, or lap(u), grad(u), div(...), dn(u)",
            )
        given, wanted = _count(len(residuals), "equation"), _count(n_wanted, "unknown field")
        raise UsageError(
            f"{given} for {wanted} ({', '.join(scope.channels)})",
            "give other names a value in [parameters], write one equation per field, or mark a coefficient that data "
            "determine: [fields] a = { unknown = true }; eigenvalues need a number of states",
        )
    if free and not document.get("observed"):
        raise UsageError(f"{', '.join(free)} has no equation, and there are no [[observed]] data to determine it")
