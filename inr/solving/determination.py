"""How well equations, conditions and data determine a solution: what small residuals say about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from inr.fields.solution import SolutionField
from inr.solving.errors import MISFIT
from inr.solving.least_squares import features_of, last_layer_rows
from inr.solving.newton import Rows, parameters_of
from inr.solving.problem import Problem
from inr.solving.rows import Group
from inr.solving.state import State

MOST_COLUMNS = 500
"""Of a last layer, for the sensitivity: it takes a fraction of a solve then."""
ROWS_PER_COLUMN = 3
RIDGE = 1e-11
"""Of normalised columns: directions that change nothing but rounding do not count."""
UNDETERMINED = 1e6
"""Sensitivity from which on a solution counts as not determined."""
DELICATE, LARGE = 1e3, 0.1
"""A smaller one from which on it does where its product with the relative residual, an estimate of the relative error,
is large too."""
HALF = 0.5
"""Of a number: the standard deviation from which on it counts as not determined."""


@torch.no_grad()
def sensitivity(state: State, groups: Sequence[Group]) -> float:
    """The largest |du| / |dr| of a change du of the last layer's values and the change dr of all weighted residuals.

    Residuals are parts of those of a function of size 1 that varies once over the domain, so well-posed problems have
    numbers near 1, and where a condition is missing a du exists with almost no dr. The largest singular value of
    V R^-1, with the values V and Q R = the rows. groups: prepared.
    """
    field = state.network
    n_channels, m = field.d_out, field.weights[-1].shape[1]
    n = min(m, MOST_COLUMNS // n_channels)
    n_equations = sum(group.kind == "equation" for group in groups)
    most = ROWS_PER_COLUMN * n * n_channels // n_equations
    few = [group.first(min(len(group.x), most)) for group in groups if group.kind != "observed"]
    blocks: list[Tensor] = []
    values: list[Tensor] = []
    for group in few:
        phi = features_of(field, group)
        head = torch.cat([field.weights[-1], field.biases[-1][:, None]], 1).T
        seeds = group.linearised(phi @ head, state.numbers)[1]
        kept = torch.cat([phi[..., :n], phi[..., -1:]], -1)
        blocks.append(group.weighted(torch.cat([(s[..., None] * kept).sum(0) for s in seeds.unbind(-1)], 1)))
        if group.kind == "equation" and not values:
            each = [group.factor[0, :, c, None] * kept[0] for c in range(n_channels)]
            block_diagonal: Any = torch.block_diag  # torch gives it no types
            values.append(block_diagonal(*each) / math.sqrt(len(group.x)))
    rows = torch.cat(blocks)
    sizes = torch.linalg.vector_norm(rows, dim=0).clamp_min(1e-300)
    triangle = torch.linalg.qr(_with_ridge(rows / sizes), mode="r").R
    whole = torch.linalg.solve_triangular(triangle, values[0] / sizes, upper=True, left=False)
    return math.sqrt(max(0.0, float(torch.linalg.eigvalsh(whole.T @ whole)[-1])))


@torch.no_grad()
def standard_deviations(problem: Problem, state: State, groups: Sequence[Group]) -> dict[str, float]:
    """Standard deviations of the unknown numbers, from the noise of the measured values: a linear least-squares
    estimate (J^T J)^-1 J^T r changes by its rows times the noise of r.

    J: by the parameters of the last layer, or of all layers of a deep network, and by the numbers. Empty without data,
    and for fields of other families. groups: prepared. They hold for a solution that fits the data.
    """
    if not problem.unknowns or not problem.observed or not isinstance(state.field, SolutionField):
        return {}
    if len(state.field.weights) == 2:
        rows = last_layer_rows(state, groups)
    else:
        rows = -Rows(state, groups).linearised(parameters_of(state))[1][:, 0]
    noise = torch.cat([group.weighted(_noise(problem, group))[:, 0] for group in groups])
    sizes = torch.linalg.vector_norm(rows, dim=0).clamp_min(1e-300)
    q, r = torch.linalg.qr(_with_ridge(rows / sizes))
    k = len(problem.unknowns)
    unit = torch.eye(len(sizes), dtype=rows.dtype)[:, -k:] / sizes[-k:]
    influence = q[: len(rows)] @ torch.linalg.solve_triangular(r.T, unit, upper=False)  # [R, K]
    found = (influence * noise[:, None]).norm(dim=0) * state.slopes()
    return dict(zip(problem.unknowns, found.tolist(), strict=True))


def _with_ridge(rows: Tensor) -> Tensor:
    return torch.cat([rows, RIDGE * torch.eye(rows.shape[1], dtype=rows.dtype)])


def _noise(problem: Problem, group: Group) -> Tensor:
    """The standard deviation [N, 1] of a group's rows."""
    found = next((d.noise for d in problem.observed if d.x is group.x and group.title == f"observed {d.channel}"), 0.0)
    return torch.full((len(group.x), 1), found, dtype=torch.float64)


def undetermined(found: float, residual: float) -> str | None:
    """A note about a solution that little determines. found: its sensitivity; residual: the relative one."""
    if found < UNDETERMINED and not (found > DELICATE and found * residual > LARGE):
        return None
    return (
        f"the equations and conditions hardly determine the solution: a change of it by its size changes them by "
        f"{1 / found:.0e} of theirs. A condition is missing, or small errors grow without bound (an ill-posed problem)."
    )


def doubts_about_numbers(problem: Problem, numbers: Mapping[str, float], deviations: Mapping[str, float]) -> list[str]:
    """Notes about unknown numbers at their bounds, and about those that the data leave open."""
    found = []
    for key, unknown in problem.unknowns.items():
        value = numbers[key]
        span = math.log(unknown.high / unknown.low) if unknown.is_logarithmic else unknown.high - unknown.low
        for end, name in ((unknown.low, "low"), (unknown.high, "high")):
            off = abs(math.log(value / end)) if unknown.is_logarithmic and 0 < end < math.inf else abs(value - end)
            if math.isfinite(end) and off <= 1e-6 * (span if math.isfinite(span) else max(1.0, abs(end))):
                found.append(f"{key} = {value:g} is at its bound: the data want a number beyond it, or set {name}.")
        if deviations.get(key, 0.0) > HALF * abs(value):
            found.append(
                f"{key} = {value:.3g} has a standard deviation of {deviations[key]:.2g}: the data hardly determine it."
            )
    return found


def doubts_about_data(problem: Problem, observed: Mapping[str, float]) -> list[str]:
    """Notes about measured values that a solution does not fit, or that have a noise larger than what they are off.

    observed: by channel, root mean square of what they are off over their noise.
    """
    found = []
    for channel, off in observed.items():
        noise = max(data.noise for data in problem.observed if data.channel == channel)
        size = max(float(data.y.square().mean().sqrt()) for data in problem.observed if data.channel == channel)
        if not off <= MISFIT:
            found.append(
                f"the solution is {off:.2g} times the noise of {noise:g} off the measured {channel}: an equation, a "
                "condition or a bound does not agree with them, or noise is larger."
            )
        elif noise > size:
            found.append(
                f"noise = {noise:g} is more than the measured {channel} ({size:.2g} in root mean square), so these "
                "values count for little: set noise in [[observed]]."
            )
    return found
