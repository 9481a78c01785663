"""Solutions that are known in closed form but are no formula of elementary functions: exact = "builtin:burgers"."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from inr.core.errors import UsageError, did_you_mean
from inr.core.formula import Node, name
from inr.solving.equation import TIME, Scope

PREFIX = "builtin:"
NODES = 100
"""Of the quadrature."""
NEARLY = 1e-6
"""Of a residual that counts as zero."""


class Burgers:
    """u_t + u u_x = nu u_xx with u(x, 0) = -sin(pi x) and u = 0 at x = -1 and 1.

    With w = x - 2 sqrt(nu t) z and f(w) = exp(-cos(pi w) / (2 pi nu)) it is
    - int sin(pi w) f(w) exp(-z^2) dz / int f(w) exp(-z^2) dz, by Gauss-Hermite quadrature. Source: Cole 1951; Basdevant
    et al. 1986.
    """

    equation = "u_t + u*u_x = nu*u_xx, u = -sin(pi*x) at the start, and u = 0 at x = -1 and 1"

    def __init__(self, nu: float) -> None:
        self._nu = nu
        nodes, weights = np.polynomial.hermite.hermgauss(NODES)
        self._z, self._log_weights = torch.from_numpy(nodes), torch.from_numpy(np.log(weights))

    def __call__(self, x: Any, t: Any) -> Any:
        x, t = (torch.as_tensor(each, dtype=torch.float64) for each in (x, t))
        w = x[..., None] - 2 * (self._nu * t[..., None]).sqrt() * self._z
        share = (self._log_weights - torch.cos(math.pi * w) / (2 * math.pi * self._nu)).softmax(-1)
        return -(share * torch.sin(math.pi * w)).sum(-1)

    def by(self, axis: int) -> Burgers:
        raise UsageError("builtin:burgers has no derivative as a formula", "compare the solution itself")


def closed_form(text: str, scope: Scope) -> Node:
    """The node of "builtin:NAME". Raises UsageError for an unknown name, other axes or a missing parameter."""
    found = text.removeprefix(PREFIX).strip()
    if found != "burgers":
        raise UsageError(
            f"{text!r} is not a known solution{did_you_mean(found, ['burgers'])}", "known: builtin:burgers"
        )
    nu = scope.parameters.get("nu")
    is_number = nu is not None and nu.op == "number" and nu.value > 0
    if set(scope.axes) != {"x", TIME} or not is_number:
        raise UsageError(
            f"{text} needs the axes x and t, and a number nu above 0 in [parameters]", f"it solves {Burgers.equation}"
        )
    assert nu is not None
    return Node("table", (name("x"), name(TIME)), table=Burgers(nu.value))


def check_closed_form(
    residual: Callable[[Callable[..., Tensor], Tensor], list[Tensor]], exact: Mapping[str, Node], axes: Sequence[str]
) -> None:
    """Refuse a closed form that does not solve the equation of the problem. residual: `Problem.residual`.

    It is checked at the front, x = 0.01 and t = 0.1, where all terms are large. Raises UsageError.
    """
    form = next((node.table for node in exact.values() if isinstance(node.table, Burgers)), None)
    if form is None:
        return
    at = {"x": 0.01, TIME: 0.1}
    point = torch.tensor([[at[axis] for axis in axes]], dtype=torch.float64)

    def candidate(*columns: Tensor) -> Tensor:
        found: Tensor = form(*(columns[axes.index(axis)] for axis in ("x", TIME)))
        return found

    off = max(float(found.abs().max()) for found in residual(candidate, point))
    if not off < NEARLY:
        raise UsageError(
            f"builtin:burgers is not a solution of the equation: its residual is {off:.2g}",
            f"it solves {Burgers.equation}",
        )
