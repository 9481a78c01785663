"""Residuals of equations for given functions, by automatic differentiation; and formulas of a solved field."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.core.formula import Node
from inr.core.tensor_formula import tensor_of
from inr.solving.equation import Scope, streams_of

Function = Callable[..., Tensor]
"""Of the coordinates, one tensor [N] each, in the order of the axes; its result [N] is real, or complex."""


def residuals_by_autograd(
    scope: Scope, residuals: Sequence[Node], candidate: Function | Mapping[str, Function], points: Tensor,
    numbers: Mapping[str, float],
) -> list[Tensor]:  # fmt: skip
    """The residuals [N] of equations at points [N, D], for a function, or one by field.

    numbers: values of unknown numbers. Derivatives are those of autograd, so the functions are written with torch.
    Raises UsageError for a field without a function.
    """
    functions = candidate if isinstance(candidate, Mapping) else {next(iter(scope.fields)): candidate}
    missing = [key for key in scope.fields if key not in functions]
    if missing or set(functions) - set(scope.fields):
        raise UsageError(f"functions are given for {', '.join(functions)}, expected {', '.join(scope.fields)}")
    columns = [column.detach().double().clone().requires_grad_() for column in points.T]
    values: dict[str, Tensor] = {}
    for key, is_complex in scope.fields.items():
        found = functions[key](*columns) + torch.zeros_like(columns[0])
        parts = {f"{key}.re": found.real, f"{key}.im": _imaginary(found)} if is_complex else {key: found.real}
        values |= parts
    known = {axis: column.detach() for axis, column in zip(scope.axes, columns, strict=True)}
    known |= {key: torch.full_like(columns[0], value, requires_grad=False) for key, value in numbers.items()}
    for channel, letters in sorted(set().union(*map(streams_of, residuals))):
        derivative = values[channel]
        for axis in letters:
            derivative = _slope(derivative, columns[scope.axes.index(axis)])
        known[f"{channel}|{letters}"] = derivative.detach()
    return [tensor_of(node, known, known[scope.axes[0]]) for node in residuals]


def _imaginary(value: Tensor) -> Tensor:
    return value.imag if value.is_complex() else torch.zeros_like(value)


def _slope(values: Tensor, column: Tensor) -> Tensor:
    if not values.requires_grad:
        return torch.zeros_like(column)
    (slope,) = torch.autograd.grad(values.sum(), column, create_graph=True, materialize_grads=True)
    return slope


def parts_of(text: str) -> list[str]:
    """A text cut at its commas outside of parentheses."""
    found, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return [part.strip() for part in found]
