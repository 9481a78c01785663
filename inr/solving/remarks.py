"""What is refused before any work, and what is said about a solution that missed its target: fronts, time that was not
reached, steps that take long."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.tensor_formula import tensor_of
from inr.kernels.jet_plan import JetPlan
from inr.solving.equation import TIME, by_name
from inr.solving.hard import Hard
from inr.solving.nested import NestedField
from inr.solving.points import residual_of
from inr.solving.problem import Problem
from inr.solving.rows import Group, groups_of
from inr.solving.state import State

INSEPARABLE = 1e-8
"""Ratio of singular values below which numbers cannot be told apart."""
FEW_STEPS = 5
TRIED = 64
"""Values of the fields at which formulas are evaluated, of either sign."""
FLOOR = 3.0
"""Times what rounding does to a residual, up to which it is at that floor."""
REACHED = 0.5
"""Causal weight from which on an equation counts as seen."""


def check_unknowns(problem: Problem) -> None:
    """Refuse unknown numbers that occur in one combination only, such as a product.

    The derivatives of all formulas by the logarithms of the numbers are evaluated at random values of the fields: where
    their singular values have a ratio below 1e-8, a change of several numbers together changes no formula.
    """
    keys = [*problem.unknowns]
    if len(keys) < 2:
        return
    generator = Generator().manual_seed(0)
    x = problem.domain.inside(64, generator).x
    known = {axis: x[:, a] for a, axis in enumerate(problem.scope.axes)}
    known |= {key: x.new_full((len(x),), unknown.start) for key, unknown in problem.unknowns.items()}
    rows = []
    for node in [*problem.residuals, *(r for condition in problem.conditions for r in condition.residuals)]:
        others = sorted(node.names() - known.keys())
        values = known | {key: torch.randn(len(x), generator=generator, dtype=x.dtype) for key in others}
        slopes = [tensor_of(by_name(node, key), values, x[:, 0]) * (values[key].abs() + 1e-300) for key in keys]
        rows.append(torch.stack(slopes, -1))
    size = torch.cat(rows).norm(dim=0)
    if not bool((size > 0).all()):
        return
    _, singular, ways = torch.linalg.svd(torch.cat(rows) / size)
    ratio = float(singular[-1] / singular[0])
    if ratio < INSEPARABLE:
        names = [key for key, part in zip(keys, ways[-1].abs().tolist(), strict=True) if part > 0.1]
        raise UsageError(
            f"{' and '.join(names)} occur in one combination only (ratio of singular values {ratio:.1g}): no data can "
            "tell them apart",
            f"give one of them a value: [parameters] {names[0]} = {problem.unknowns[names[0]].start:g}",
        )


def check_values(problem: Problem, hard: Hard) -> None:
    """Refuse equations and conditions that have no finite value at some points, whatever the fields are there, such as
    lap(u) = sqrt(x - 0.5) where x < 0.5."""
    generator = Generator().manual_seed(0)
    for group in groups_of(problem, hard, 2000, 200, generator):
        starts = {key: unknown.start for key, unknown in problem.unknowns.items()}
        known = group.fixed | {key: group.x.new_tensor(starts.get(key, 1.0)) for key in group.unknowns}
        wrong = torch.ones(len(group.x), dtype=torch.bool)
        for _ in range(TRIED):
            numbers = torch.randn(len(group.partials), generator=generator, dtype=group.x.dtype)
            fields = {f"{ch}|{letters}": numbers[k] for k, (ch, letters) in enumerate(group.partials)}
            wrong &= ~tensor_of(group.residual, known | fields, group.x[:, 0]).isfinite()
            if not wrong.any():
                break
        else:
            place = ", ".join(f"{value:.3g}" for value in group.x[int(wrong.int().argmax())].tolist())
            what = f'the condition on "{group.title}"' if group.kind == "condition" else f"the {group.title}"
            raise UsageError(
                f"{what} has no finite value at ({place}), whatever {', '.join(problem.scope.fields)} is",
                "log and sqrt need numbers above 0, and a divisor is not 0",
            )


@torch.no_grad()
def front_in(problem: Problem, state: State, n_trained: int) -> str | None:
    """A note about a change that is narrower than the distance of the points of training."""
    d = len(problem.scope.axes)
    x = problem.domain.inside(4000, Generator().manual_seed(3)).x
    jets = state.field.jets(x, JetPlan(d))
    low, high = x.new_tensor(problem.domain.low), x.new_tensor(problem.domain.high)
    slope = (jets[1:].movedim(0, -1) * (high - low)).norm(dim=-1)  # [N, C], per length of the box
    size = (jets[0].max(0).values - jets[0].min(0).values).clamp_min(1e-300)
    steepest = (slope / size).max(0).values
    spacing = n_trained ** (-1 / d)
    if not bool((steepest * spacing > 1).any()):
        return None
    at = int(steepest.argmax())
    place = ", ".join(f"{value:.3g}" for value in x[int(slope[:, at].argmax())].tolist())
    width = float(1 / steepest[at])
    advice = "" if problem.settings.sampler == "rad" else 'set solve.sampler to "rad", or '
    return (
        f"{problem.scope.channels[at]} has a front near ({place}), about {100 * width:.2g} % of the box wide, and the "
        f"points are {100 * spacing:.2g} % apart: {advice}take more solve.points."
    )


def time_reached(problem: Problem, state: State, group: Group, weights: Tensor) -> str | None:
    """A note about the time up to which the causal order has come. weights: those of the group's points."""
    if problem.domain.time is None or bool((weights >= REACHED).all()):
        return None
    low, high = problem.domain.time
    t = group.x[:, problem.scope.axes.index(TIME)]
    first = float(t[weights < REACHED].min())
    size = float(residual_of(state, group).detach().square().mean().sqrt())
    return (
        f"solved up to t = {first:.3g} of {low:g} to {high:g} (residual {size:.1e} over all of it): more time, or a "
        "smaller solve.causal."
    )


@torch.no_grad()
def rounding_floor(state: State, groups: Sequence[Group], residual: float) -> str | None:
    """A note about a field in float32 whose residual is hardly more than the rounding of its derivatives.

    The equations are evaluated in float32 and in float64 with the same parameters, and their difference is a part of
    the largest term, as `residual` is. groups: prepared.
    """
    field = state.field
    if not isinstance(field, NestedField) or not field.is_float32:
        return None
    exact, numbers, floor = field.in_float64(), state.numbers, 0.0
    for group in groups:
        if group.kind == "equation":
            rounded, _, _, squares = group.linearised(field.network(group.jets, group.streams.plan), numbers)
            off = rounded - group.residuals(exact.network(group.jets, group.streams.plan), numbers)
            size = float(squares.max().sqrt())
            floor = max(floor, float(off.square().mean().sqrt()) / max(size, 1e-300))
    if not residual <= FLOOR * floor:
        return None
    return (
        f"the residual of {residual:.1e} is about what float32 rounds it to ({floor:.1e}): set solve.precision to "
        '"float64".'
    )


def slow_steps(n_steps: int, seconds: float, n_params: int) -> str | None:
    """A note about Gauss-Newton whose steps take so long that few were taken."""
    if n_steps >= FEW_STEPS or not n_steps:
        return None
    each = seconds / n_steps
    return (
        f"Gauss-Newton took {n_steps} steps of {each:.2g} s for {n_params:,} parameters, and needs some hundred "
        f"(about {max(1, round(100 * each / 60))} min): more time, a smaller solve.width or fewer solve.points."
    )
