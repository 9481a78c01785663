"""Solutions that are known in closed form but are no formula of elementary functions: exact = "builtin:burgers".

A form is a class that is registered by its name; it is checked against the equation of the problem.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from inr.core.errors import UsageError, did_you_mean
from inr.core.formula import Node, name
from inr.solving.equation import TIME, Scope

PREFIX = "builtin:"
NODES = 100
"""Of the quadrature."""
TERMS = 60
"""Of the series."""
NEARLY = 1e-6
"""Of a residual that counts as zero."""


class ClosedForm(ABC):
    """title: its name. equation: what it solves, for messages. probe: the place of a check, by axis."""

    title: ClassVar[str]
    equation: ClassVar[str]
    probe: ClassVar[Mapping[str, float]]

    @classmethod
    @abstractmethod
    def of(cls, scope: Scope) -> Self | None:
        """The form for the parameters of a problem; None if it lacks one."""

    @abstractmethod
    def __call__(self, *args: Any) -> Any:
        """Its values in float64 at coordinates, in the order of `probe`."""

    def by(self, axis: int) -> ClosedForm:
        """Refused: there is no formula."""
        raise UsageError(f"{PREFIX}{self.title} has no derivative as a formula", "compare the solution itself")


class Burgers(ClosedForm):
    """u_t + u u_x = nu u_xx with u(x, 0) = -sin(pi x) and u = 0 at x = -1 and 1.

    With w = x - 2 sqrt(nu t) z and f(w) = exp(-cos(pi w) / (2 pi nu)) it is
    - int sin(pi w) f(w) exp(-z^2) dz / int f(w) exp(-z^2) dz, by Gauss-Hermite quadrature. Source: Cole 1951; Basdevant
    et al. 1986. Its probe is at the front, where all terms are large.
    """

    title = "burgers"
    equation = "u_t + u*u_x = nu*u_xx with a number nu above 0, u = -sin(pi*x) at the start, and u = 0 at x = -1 and 1"
    probe: ClassVar[Mapping[str, float]] = {"x": 0.01, TIME: 0.1}

    def __init__(self, nu: float) -> None:
        self._nu = nu
        nodes, weights = np.polynomial.hermite.hermgauss(NODES)
        self._z, self._log_weights = torch.from_numpy(nodes), torch.from_numpy(np.log(weights))

    @classmethod
    def of(cls, scope: Scope) -> Self | None:
        nu = scope.parameters.get("nu")
        return cls(nu.value) if nu is not None and nu.op == "number" and nu.value > 0 else None

    def __call__(self, x: Any, t: Any) -> Any:
        x, t = (torch.as_tensor(each, dtype=torch.float64) for each in (x, t))
        w = x[..., None] - 2 * (self._nu * t[..., None]).sqrt() * self._z
        share = (self._log_weights - torch.cos(math.pi * w) / (2 * math.pi * self._nu)).softmax(-1)
        return -(share * torch.sin(math.pi * w)).sum(-1)


class Torsion(ClosedForm):
    """lap(u) = -1 on the unit square with u = 0 on its boundary (Saint-Venant's torsion of a square bar).

    u = x (1 - x) / 2 - 4 / pi^3 sum over odd m of sin(m pi x) cosh(m pi (y - 1/2)) / (m^3 cosh(m pi / 2)).
    Source: Timoshenko and Goodier 1951, Theory of Elasticity, section 108.
    """

    title = "torsion"
    equation = "lap(u) = -1 on 0 <= x, y <= 1 with u = 0 on the boundary"
    probe: ClassVar[Mapping[str, float]] = {"x": 0.3, "y": 0.6}

    @classmethod
    def of(cls, scope: Scope) -> Self | None:
        return cls()

    def __call__(self, x: Any, y: Any) -> Any:
        x, y = (torch.as_tensor(each, dtype=torch.float64)[..., None] for each in (x, y))
        m = 2 * torch.arange(TERMS, dtype=torch.float64) + 1
        k = math.pi * m
        # cosh(k (y - 1/2)) / cosh(k / 2), without large numbers
        shape = (torch.exp(k * (y - 1)) + torch.exp(-k * y)) / (1 + torch.exp(-k))
        series = torch.sin(k * x) * shape / m**3
        return x[..., 0] * (1 - x[..., 0]) / 2 - 4 / math.pi**3 * series.sum(-1)


FORMS: Mapping[str, type[ClosedForm]] = {form.title: form for form in (Burgers, Torsion)}


def closed_form(text: str, scope: Scope) -> Node:
    """The node of "builtin:NAME". Raises UsageError for an unknown name, other axes or a missing parameter."""
    found = text.removeprefix(PREFIX).strip()
    if found not in FORMS:
        known = ", ".join(f"{PREFIX}{key}" for key in FORMS)
        raise UsageError(f"{text!r} is not a known solution{did_you_mean(found, FORMS)}", f"known: {known}")
    kind = FORMS[found]
    form = kind.of(scope) if {*scope.axes} == {*kind.probe} else None
    if form is None:
        raise UsageError(f"{text} needs the axes {' and '.join(kind.probe)}", f"it solves {kind.equation}")
    return Node("table", tuple(map(name, kind.probe)), table=form)


def check_closed_form(
    residual: Callable[[Callable[..., Tensor], Tensor], list[Tensor]], exact: Mapping[str, Node], axes: Sequence[str]
) -> None:
    """Refuse a closed form that does not solve the equation of the problem. residual: `Problem.residual`.

    Raises UsageError.
    """
    form = next((node.table for node in exact.values() if isinstance(node.table, ClosedForm)), None)
    if form is None:
        return
    point = torch.tensor([[form.probe[axis] for axis in axes]], dtype=torch.float64)

    def candidate(*columns: Tensor) -> Tensor:
        found: Tensor = form(*(columns[axes.index(axis)] for axis in form.probe))
        return found

    off = max(float(found.abs().max()) for found in residual(candidate, point))
    if not off < NEARLY:
        raise UsageError(
            f"{PREFIX}{form.title} is not a solution of the equation: its residual is {off:.2g}",
            f"it solves {form.equation}",
        )
