"""Gauss-Newton on all parameters of a small network, in float64.

Mueller and Zeinhofer 2023, arXiv:2302.13163 (energy natural gradient); the linear algebra and the damping are those of
`inr.fitting.optimizers.gauss_newton`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from inr.fitting.optimizers.gauss_newton import GaussNewton
from inr.kernels.jet_rows import jet_rows
from inr.solving.nested import NestedField
from inr.solving.rows import Group
from inr.solving.state import State

KEPT = 5
"""Steps with the same points."""
MOST_STALLED = 3


class Rows:
    """The weighted residuals of all groups, as `Residuals` of a least-squares optimizer."""

    def __init__(self, state: State, groups: Sequence[Group]) -> None:
        self.state, self.groups = state, groups

    def _net(self, group: Group) -> Tensor:
        return self.state.field.network(group.jets, group.streams.plan)

    def value(self) -> Tensor:
        with torch.no_grad():
            numbers = self.state.numbers
            parts = [g.weighted(g.residuals(self._net(g), numbers)[:, None]) for g in self.groups]
        return torch.cat(parts)

    def linearised(self, params: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """r [R, 1] and -dr/dw [R, 1, P], for the parameters of `parameters_of`."""
        field, rights, blocks = self.state.network, [], []
        with torch.no_grad():
            for group in self.groups:
                r, seeds, by_number, _ = group.linearised(self._net(group), self.state.numbers)
                weights, biases = [*field.weights], [*field.biases]
                rows = jet_rows(group.jets, weights, biases, field.activations, group.streams.plan, seeds)
                blocks.append(group.weighted(torch.cat([rows, by_number * self.state.slopes()], 1)))
                rights.append(group.weighted(r[:, None]))
        return torch.cat(rights), -torch.cat(blocks)[:, None]


def parameters_of(state: State) -> list[torch.nn.Parameter]:
    """Weight and bias of each layer, or those of a field of any family; then the unknown numbers."""
    numbers = [state.raw] if state.raw.numel() else []
    if isinstance(state.field, NestedField):
        return [*state.field.trained, *numbers]
    pairs = zip(state.field.weights, state.field.biases, strict=True)
    return [*(p for pair in pairs for p in pair), *numbers]


def gauss_newton(
    state: State,
    groups: Callable[[int], Sequence[Group]],
    until: float,
    is_enough: Callable[[], bool],
) -> tuple[int, bool]:
    """Steps until the clock `time.perf_counter` shows `until`, or `is_enough`; their number, and whether they stalled.

    groups: the rows of a round, which is KEPT steps.
    """
    params = parameters_of(state)
    optimizer: Any = GaussNewton(damping=1e-3, factor=10.0, tries=8, halvings=11).build({"other": params}, {})
    steps = stalled = 0
    damping = 0.0
    while time.perf_counter() < until and stalled < MOST_STALLED:
        rows = Rows(state, groups(steps // KEPT))
        for _ in range(KEPT):
            before = float(rows.value().square().sum())
            optimizer.step(rows)
            steps += 1
            after = float(rows.value().square().sum())
            damping = optimizer.param_groups[0]["damping"]
            stalled = stalled + 1 if not after < before and damping > 1 else 0
            if time.perf_counter() >= until or stalled >= MOST_STALLED:
                break
        if is_enough():
            break
    return steps, stalled >= MOST_STALLED
