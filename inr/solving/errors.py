"""How far a solution is off: residuals between training points, errors on the boundary, bounds, a known solution."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Generator, Tensor

from inr.core.tensor_formula import tensor_of
from inr.core.text import finite_json
from inr.kernels.jet_plan import JetPlan
from inr.solving.bounds import Off, largest_error, mean_error
from inr.solving.conditions import value_given
from inr.solving.equation import by_name
from inr.solving.hard import Hard
from inr.solving.problem import Problem
from inr.solving.regions import AT_ONCE, regions_of
from inr.solving.rows import EXACTNESS, Group, groups_of
from inr.solving.state import State

HELD_OUT = 4
"""Times as many points of an equation as it was trained on, at which it is measured in the end."""
LEAST_POINTS = 4000
MISFIT = 2.0
"""Root mean square of what measured values are off, over their noise, from which on a solution does not fit them."""


@dataclass(frozen=True)
class Errors:
    """Measured at points that training never saw.

    residual: root mean square of the equations' residuals, as a part of their largest term (the worst equation).
    regions: the same in parts of the domain, by name (`inr.solving.regions`). residual_max: the largest residual, in
    the equation's units. ratio: residual here over that at the training points. boundary: root mean square by side,
    file of points or mean, for conditions that are not built in; 0 for the others. boundary_relative: the worst of
    them, as a part of the condition's largest term. exact, exact_max: by field, relative L2 and largest error against
    the given solution. bound: on the largest error, bound_mean: on its root mean square, for equations that have one
    (`inr.solving.bounds`); maxima are sampled. size: of the largest value. worst_at: where the residual is largest.
    eigenvalues: estimates of the relative errors of eigenvalues, by name. observed: by field, root mean square of what
    the measured values are off, over their noise. n_points: at which the equations were evaluated. Numbers that are not
    finite anywhere make theirs infinite.
    """

    residual: float
    residual_max: float
    ratio: float
    boundary: Mapping[str, float]
    boundary_relative: float
    exact: Mapping[str, float] = field(default_factory=dict)
    exact_max: Mapping[str, float] = field(default_factory=dict)
    bound: float | None = None
    bound_mean: float | None = None
    size: float = 1.0
    worst_at: tuple[float, ...] = ()
    eigenvalues: Mapping[str, float] = field(default_factory=dict)
    observed: Mapping[str, float] = field(default_factory=dict)
    regions: Mapping[str, float] = field(default_factory=dict)
    n_points: int = 0

    @property
    def score(self) -> float:
        """What solutions are compared by: the worse of residual and boundary; of eigenvalues, their worst error.

        Measured values that are off by more than `MISFIT` times their noise count too, as in the sum of squares.
        """
        if self.eigenvalues:
            return max(self.eigenvalues.values())
        return max(self.residual, self.boundary_relative, EXACTNESS * self.misfit)

    @property
    def misfit(self) -> float:
        """What the values of the worst field are off over their noise, if that is more than `MISFIT`; or 0."""
        return max((off for off in self.observed.values() if not off <= MISFIT), default=0.0)

    def to_json(self) -> dict[str, Any]:
        """By name; numbers that are not finite are null."""
        found: dict[str, Any] = finite_json(dataclasses.asdict(self))
        return found


@torch.no_grad()
def measure(
    problem: Problem,
    state: State,
    hard: Hard,
    generator: Generator,
    trained: Sequence[Group] = (),
    n: int = LEAST_POINTS,
) -> Errors:
    """The errors of a state. trained: groups whose points it was trained on. n: points of the equations."""
    groups = groups_of(problem, hard, n, 500, generator, is_held_out=True)
    inside = problem.domain.inside(n, generator).x
    values = torch.cat([state.field.jets(part, JetPlan(0))[0] for part in torch.split(inside, AT_ONCE)])
    field_size = float(values.square().mean().sqrt())
    residual = largest = mean = boundary_relative = edge = 0.0
    boundary = {side: 0.0 for condition in problem.conditions for side in condition.sides}
    at = next(group.x for group in groups if group.kind == "equation")
    parts = regions_of(problem.domain, at)
    means = {condition.text for condition in problem.conditions if condition.mean}
    rms: dict[str, float] = {}
    worst_at: tuple[float, ...] = ()
    observed: dict[str, float] = {}
    regions: dict[str, float] = {}
    for group in groups:
        r, size = _residuals(state, group)
        if group.kind == "mean":  # one number
            r = group.mean(r)[None]
        r = r.abs().nan_to_num(math.inf)
        root = float(r.square().mean().sqrt())
        if group.kind == "equation":
            residual, mean = max(residual, root / max(size, 1e-300)), max(mean, root)
            if float(r.max()) > largest:
                largest, worst_at = float(r.max()), tuple(group.x[int(r.argmax())].tolist())
            for key, mask in parts.items():
                there = float(r[mask].square().mean().sqrt()) / max(size, 1e-300)
                regions[key] = max(regions.get(key, 0.0), there)
            rms[group.title] = root
        elif group.kind == "condition" or group.title in means:
            boundary[group.title] = max(boundary.get(group.title, 0.0), root)
            group.prepare(state.field)
            scale = max(size, field_size * group.unit_size(problem.domain, state.numbers), 1e-300)
            boundary_relative = max(boundary_relative, root / scale)
            edge = max(edge, _edge(group, r) if group.kind == "condition" else 0.0)
        elif group.kind == "observed":
            channel = group.title.removeprefix("observed ")
            noise = next(data.noise for data in problem.observed if data.x is group.x and data.channel == channel)
            observed[channel] = max(observed.get(channel, 0.0), root / noise)
    seen = [(g.title, float(_residuals(state, g)[0].square().mean().sqrt())) for g in trained if g.kind == "equation"]
    ratio = max((rms[title] / max(root, 1e-300) for title, root in seen), default=1.0)
    exact, exact_max = _against(problem, values, inside)
    off = Off(largest, mean, edge)
    return Errors(
        residual, largest, ratio, boundary, boundary_relative, exact, exact_max, bound=largest_error(problem, off),
        bound_mean=mean_error(problem, off), size=float(values.abs().max()), worst_at=worst_at, observed=observed,
        regions=regions, n_points=len(at),
    )  # fmt: skip


def _edge(group: Group, r: Tensor) -> float:
    """The largest error of the values that a condition gives; infinite for one that gives something else."""
    for channel in group.channels:
        if value_given(group.residual, channel) is not None:
            return float(r.max()) / abs(by_name(group.residual, f"{channel}|").value)
    return math.inf


def _residuals(state: State, group: Group) -> tuple[Tensor, float]:
    """Residuals [N] of a group, and its largest term (root mean square)."""
    found, squares = [], []
    for start in range(0, len(group.x), AT_ONCE):
        part = group.part(start, start + AT_ONCE)
        part.prepare(state.field)
        r, _, _, terms = part.linearised(state.field.network(part.jets, part.streams.plan), state.numbers)
        found.append(r)
        squares.append(terms * len(r))
    largest = torch.stack(squares).sum(0) / len(group.x)
    return torch.cat(found), math.sqrt(float(largest.nan_to_num(0.0, posinf=math.inf).max()))


def _against(problem: Problem, values: Tensor, x: Tensor) -> tuple[dict[str, float], dict[str, float]]:
    names = {axis: x[:, a] for a, axis in enumerate(problem.scope.axes)}
    relative, largest = {}, {}
    for key, is_complex in problem.scope.fields.items():
        channels = [f"{key}.re", f"{key}.im"] if is_complex else [key]
        if any(channel not in problem.exact for channel in channels):
            continue
        wanted = torch.stack([tensor_of(problem.exact[channel], names, x[:, 0]) for channel in channels], -1)
        found = values[:, [problem.scope.channels.index(channel) for channel in channels]]
        if channels[0] in problem.floating:  # only determined up to a constant
            found = found - found.mean(0) + wanted.mean(0)
        off = found - wanted
        relative[key] = float(off.norm() / wanted.norm().clamp_min(1e-300))
        largest[key] = float(off.norm(dim=-1).max())
    return relative, largest
