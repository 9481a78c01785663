"""Coefficients that jump where an equation differentiates them, which its strong form cannot say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.formula import Node
from inr.core.tensor_formula import tensor_of
from inr.solving.equation import Scope
from inr.solving.geometry import Domain

POINTS, HALVINGS = 1000, 45
LEAST = 1e-3
"""Of a jump, as a part of the range of values."""


def check_jumps(equations: Sequence[str], scope: Scope, domain: Domain) -> None:
    """Refuse `div(k*grad(u)) = f` with a k that jumps inside the domain.

    Where k jumps, k u_n is continuous, and u_n is not. The expanded equation k lap(u) + grad(k) . grad(u) = f holds on
    both sides and says nothing about k u_n in between, so a solver would find the solution of another problem.
    """
    for text in equations:
        for formula in scope.differentiated_steps(text):
            found = _jump(formula, scope, domain)
            if found is not None:
                raise UsageError(
                    f"a coefficient jumps from {found[0]:.3g} to {found[1]:.3g} inside the domain, and the equation "
                    "has its derivative, which is not defined there",
                    "use a steep smooth step, such as (1 + tanh(x/0.05))/2",
                )


def _jump(formula: Node, scope: Scope, domain: Domain) -> tuple[float, float] | None:
    """The values on both sides of the largest jump between random points; None if there is none."""
    if formula.names() - set(domain.axes):
        return None
    x = domain.inside(POINTS, Generator().manual_seed(0)).x

    def value(points: Tensor) -> Tensor:
        return tensor_of(formula, {axis: points[:, a] for a, axis in enumerate(domain.axes)}, points[:, 0])

    a, b = x[:-1], x[1:]
    size = float(value(x).max() - value(x).min())
    for _ in range(HALVINGS):
        middle = (a + b) / 2
        is_first = (value(middle) - value(a)).abs() >= (value(b) - value(middle)).abs()
        a, b = torch.where(is_first[:, None], a, middle), torch.where(is_first[:, None], middle, b)
    change = (value(b) - value(a)).abs()
    at = int(change.argmax())
    if not float(change[at]) > LEAST * size:
        return None
    return float(value(a)[at]), float(value(b)[at])
