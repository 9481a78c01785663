"""The rows of a least-squares problem: weighted residuals of equations, conditions and data at points."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.formula import Node, name, number, subtract
from inr.core.tensor_formula import tensor_of
from inr.fields.solution import combine, pulled_back
from inr.kernels.jet_plan import JetPlan
from inr.solving.conditions import DOMAIN, Condition
from inr.solving.equation import SIDE_NORMALS, by_name, streams_of
from inr.solving.geometry import Domain, Points
from inr.solving.hard import Hard
from inr.solving.nested import AnyField
from inr.solving.problem import Problem

EXACTNESS = 1e-3
"""Relative residual of an equation that weighs as much as the noise of a measured value: with more weight, a solution
follows the noise and leaves the equation."""
PANELS = {1: 16, 2: 5, 3: 2, 4: 1}
"""Parts per axis, with 8 points each, of the integral that is a mean over a domain."""
PER_PART = 8
"""Points that are drawn for one that is used, on sides where a condition holds in a part."""


@dataclass(frozen=True)
class Streams:
    """Which stream of a plan each derivative is: letters to a number."""

    plan: JetPlan
    number: Mapping[str, int]

    @classmethod
    def of(cls, axes: Sequence[str], letters: set[str]) -> Streams:
        """The plan that has these derivatives."""
        pairs = sorted({each for each in letters if len(each) == 2})
        used = [axis for axis in axes if any(axis in each for each in letters)]
        n_first = 1 + max((axes.index(axis) for axis in used), default=-1)
        seconds = tuple(((axes.index(pair[0]), axes.index(pair[1]), 1.0),) for pair in pairs)
        numbers = {"": 0, **{axis: 1 + k for k, axis in enumerate(axes[:n_first])}}
        return cls(JetPlan(n_first, seconds), numbers | {pair: 1 + n_first + q for q, pair in enumerate(pairs)})


@dataclass
class Group:
    """Rows of one kind: one residual at some points.

    kind: "equation", "condition", "observed" or "mean", which is one row for all points; shares [N]: of its points,
    whose sum is 1. weight: of the mean square. scale: what a residual of 1 is compared with.
    """

    kind: str
    title: str
    x: Tensor
    residual: Node
    streams: Streams
    channels: list[str]
    unknowns: tuple[str, ...]
    weight: float = 1.0
    scale: float = 1.0
    fixed: dict[str, Tensor] = field(default_factory=dict)
    row_weights: Tensor | None = None
    shares: Tensor | None = None

    def __post_init__(self) -> None:
        pairs = sorted(streams_of(self.residual))
        self.partials = {pair: by_name(self.residual, f"{pair[0]}|{pair[1]}") for pair in pairs}
        self._by_unknown = {key: by_name(self.residual, key) for key in self.unknowns}

    def part(self, start: int, stop: int) -> Group:
        """The same at some of the points, in their order; without weights of rows, and not prepared."""
        found = copy.copy(self)
        found.x, found.row_weights, found.shares = self.x[start:stop], None, None
        found.fixed = {key: value[start:stop] for key, value in self.fixed.items()}
        return found

    @torch.no_grad()
    def prepare(self, solution: AnyField) -> None:
        """Evaluate what depends on the points alone."""
        self.jets = solution.inputs(self.x, self.streams.plan)
        self.lift, self.factor = solution.conditions(self.x, self.streams.plan)

    def first(self, n: int) -> Group:
        """The same with the first n points only, without weights of rows; of a group that is prepared. A mean keeps all
        its points."""
        if self.kind == "mean":
            return copy.copy(self)
        found = copy.copy(self)
        found.x, found.row_weights = self.x[:n], None
        found.fixed = {key: value[:n] for key, value in self.fixed.items()}
        found.jets, found.lift, found.factor = self.jets[:, :n], self.lift[:, :n], self.factor[:, :n]
        return found

    def _names(self, u: Tensor, numbers: Mapping[str, float | Tensor]) -> dict[str, Tensor]:
        values = dict(self.fixed)
        for channel, letters in self.partials:
            values[f"{channel}|{letters}"] = u[self.streams.number[letters], :, self.channels.index(channel)]
        return values | {key: torch.as_tensor(value, dtype=self.x.dtype) for key, value in numbers.items()}

    def fields(self, net: Tensor) -> Tensor:
        """Jets of the channels from those of the network."""
        return combine(self.lift, self.factor, net, self.streams.plan)

    def _places(self) -> list[tuple[int, int]]:
        """Stream and channel of each derivative in the residual."""
        return [(self.streams.number[letters], self.channels.index(ch)) for ch, letters in self.partials]

    def residuals(self, net: Tensor, numbers: Mapping[str, float | Tensor]) -> Tensor:
        """[N], without weights; differentiable by numbers that are tensors."""
        return tensor_of(self.residual, self._names(self.fields(net), numbers), self.x[:, 0])

    def linearised(self, net: Tensor, numbers: Mapping[str, float]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """r [N], its cotangents [S, N, C] by the jets of the network, those [N, K] by unknown numbers, and the mean
        square of each term [T]."""
        u = self.fields(net)
        names = self._names(u, numbers)
        r = tensor_of(self.residual, names, self.x[:, 0])
        seeds = torch.zeros_like(u)
        for (channel, letters), node in self.partials.items():
            s, c = self.streams.number[letters], self.channels.index(channel)
            seeds[s, :, c] = tensor_of(node, names, self.x[:, 0])
        by_number = [tensor_of(node, names, self.x[:, 0]) for node in self._by_unknown.values()]
        columns = torch.stack(by_number, -1) if by_number else r.new_zeros(len(r), 0)
        terms = [seeds[s, :, c] * u[s, :, c] for s, c in self._places()]
        known = r - torch.stack(terms).sum(0)
        squares = torch.stack([*terms, known]).square().mean(1)
        return r, pulled_back(self.factor, seeds, self.streams.plan), columns, squares

    def unit_size(self, domain: Domain, numbers: Mapping[str, float]) -> float:
        """The largest term for a function of size 1 that varies once over the domain."""
        lengths = {a: (h - low) / math.pi for a, low, h in zip(domain.axes, domain.low, domain.high, strict=True)}
        net = torch.zeros_like(self.lift)
        net[0] = 1
        names = self._names(self.fields(net), numbers)
        size = 0.0
        for (_, letters), node in self.partials.items():
            slope = float(tensor_of(node, names, self.x[:, 0]).square().mean().sqrt())
            size = max(size, slope / math.prod(lengths[letter] for letter in letters))
        return size if math.isfinite(size) and size > 1e-200 else 1.0

    def weighted(self, rows: Tensor) -> Tensor:
        """Rows [N, P] with the weights of the group; a mean becomes one row."""
        factor = math.sqrt(self.weight) / self.scale
        if self.kind == "mean":
            return self.mean(rows)[None] * factor
        rows = rows * (factor / math.sqrt(len(self.x)))
        return rows if self.row_weights is None else rows * self.row_weights.sqrt()[:, None]

    def mean(self, rows: Tensor) -> Tensor:
        """The mean [...] of rows [N, ...], by shares."""
        assert self.shares is not None
        mean: Tensor = torch.tensordot(self.shares, rows, 1)
        return mean


def _over(domain: Domain, part: str, n: int, generator: Generator, more: int) -> tuple[Points, Tensor]:
    """Points of a domain or of a side, and the share [N] of each in the mean. n: of those that are drawn.

    Gauss-Legendre points where the domain has them; more: parts per axis of these, beside `PANELS`.
    """
    if part != DOMAIN:
        points = domain.on(part, n, generator)
        return points, points.x.new_full((len(points.x),), 1 / len(points.x))
    quadrature = domain.quadrature(PANELS[len(domain.axes)] + more)
    x = domain.inside(n, generator).x if quadrature is None else quadrature[0]
    shares = x.new_full((len(x),), 1 / len(x)) if quadrature is None else quadrature[1] / quadrature[1].sum()
    return Points(x, torch.zeros_like(x)), shares


def _points_on(problem: Problem, condition: Condition, side: str, n: int, generator: Generator) -> Points:
    """About n points of a side where the condition holds; none where it holds nowhere."""
    if condition.within is None:
        return problem.domain.on(side, n, generator)
    points = problem.domain.on(side, PER_PART * n, generator)
    values = {axis: points.x[:, a] for a, axis in enumerate(problem.scope.axes)}
    there = tensor_of(condition.within, values, points.x[:, 0]) > 0.5
    return Points(points.x[there][:n], points.normals[there][:n])


def groups_of(
    problem: Problem,
    hard: Hard,
    n_inside: int,
    n_side: int,
    generator: Generator,
    inside: Tensor | None = None,
    *,
    is_held_out: bool = False,
) -> list[Group]:
    """Points and rows of a problem. inside: points for the equations, in place of new ones. is_held_out: whether means
    have other points than those of training, too.

    Raises UsageError for a condition on a part of the boundary (`expr:`) that has no point.
    """
    channels, axes, unknowns = problem.scope.channels, problem.scope.axes, problem.scope.unknowns
    found: list[Group] = []

    def add(
        kind: str,
        title: str,
        x: Tensor,
        normals: Tensor | None,
        node: Node,
        weight: float,
        shares: Tensor | None = None,
    ) -> Group:
        streams = Streams.of(axes, {letters for _, letters in streams_of(node)})
        fixed = {axis: x[:, a] for a, axis in enumerate(axes)}
        if normals is not None:
            fixed |= {key: normals[:, axes.index(key[2:])] for key in SIDE_NORMALS if key[2:] in axes}
        found.append(Group(kind, title, x, node, streams, channels, unknowns, weight, fixed=fixed, shares=shares))
        return found[-1]

    def add_mean(title: str, part: str, node: Node, weight: float) -> None:
        points, shares = _over(problem.domain, part, n_inside if part == DOMAIN else n_side, generator, is_held_out)
        add("mean", title, points.x, points.normals, node, weight, shares)

    x = problem.domain.inside(n_inside, generator).x if inside is None else inside
    for at, node in enumerate(problem.residuals, 1):
        add("equation", f"equation {at}" if len(problem.residuals) > 1 else "equation", x, None, node, 1.0)
    soft = problem.settings.weight
    for at, condition in enumerate(problem.conditions):
        weight = soft if condition.weight is None else condition.weight
        for node in condition.residuals if condition.mean else ():
            add_mean(condition.text, condition.mean, node, weight)
        for node in condition.residuals if condition.places is not None else ():
            places = condition.places
            assert places is not None
            add("condition", places.file, places.x, places.normals, node, weight).fixed |= places.values
        for node in condition.residuals if condition.is_inside else ():
            add("condition", condition.text, x, None, node, weight)
        on = {side: _points_on(problem, condition, side, n_side, generator) for side in condition.sides}
        if condition.is_part and not any(len(points.x) for points in on.values()):
            raise UsageError(f"{condition.text!r} holds at no point of the boundary", "change the formula of expr:")
        for side, points in on.items():
            for part, node in enumerate(condition.residuals):
                if (at, side, part) not in hard.met:
                    if not len(points.x):
                        continue
                    add("condition", side, points.x, points.normals, node, weight)
    for data in problem.observed:
        fixed = {axis: data.x[:, a] for a, axis in enumerate(axes)} | {"observed": data.y}
        node = subtract(name(f"{data.channel}|"), name("observed"))
        streams, title = Streams.of(axes, {""}), f"observed {data.channel}"
        weight = min(soft, (EXACTNESS / data.noise) ** 2)
        found.append(Group("observed", title, data.x, node, streams, channels, unknowns, weight, fixed=fixed))
    for channel in problem.floating:
        if hard.factor[channel] == number(1):
            add_mean(f"mean of {channel}", DOMAIN, name(f"{channel}|"), soft)
    return found
