"""Eigenvalue problems: the lowest eigenvalues of a symmetric operator and their functions, by the Rayleigh-Ritz method.

L u = E b u with u = 0 on the boundary, or periodic. The functions are combinations of random sines times the factor
that is 0 on the boundary; integrals are Gauss-Legendre sums. Each eigenvalue has an estimate of its error, the lower of
two: Kato 1949, doi:10.1143/JPSJ.4.334, |E - E_n| <= |r|^2 / gap for a residual r of a function of norm 1; and how much
lower it is than with half the frequencies, because eigenvalues of larger spans fall towards the exact ones.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.core.formula import ZERO, Node, name, negate, number, substituted
from inr.core.tensor_formula import tensor_of
from inr.fields.solution import Solution as Config
from inr.fields.solution import SolutionField
from inr.solving.conditions import Condition
from inr.solving.equation import by_name, is_linear, streams_of
from inr.solving.hard import Hard, hard_conditions
from inr.solving.helmholtz import number_of_features
from inr.solving.least_squares import features_of, with_features
from inr.solving.problem import Problem
from inr.solving.rows import Group, Streams

PANELS = {1: 240, 2: 12, 3: 4}
"""Of the quadrature, per axis, by the number of axes: edges at simple fractions, where potentials may jump."""
CHECKED = 4001
"""Points at which residuals are measured."""
INDEPENDENT = 1e-9
"""Least share of a direction of the features that is used."""
ASYMMETRY = 1e-4
EQUAL = 1e-6
"""Relative distance below which eigenvalues count as one that occurs several times."""
MORE = 4
"""Eigenvalues above the wanted ones, for the gap of the last."""


@dataclass(frozen=True)
class States:
    """values: the eigenvalues, from the lowest. errors: estimates of their absolute errors. names: E1, E2, ...
    field: one channel each."""

    values: Sequence[float]
    errors: Sequence[float]
    names: Sequence[str]
    field: SolutionField

    @property
    def score(self) -> float:
        """The largest relative error of an eigenvalue."""
        return max(self.relative.values())

    @property
    def relative(self) -> dict[str, float]:
        """Relative errors by name; of the largest eigenvalue's thousandth, where one is near 0."""
        least = 1e-3 * max(map(abs, self.values))
        rows = zip(self.names, self.values, self.errors, strict=True)
        return {key: error / max(abs(value), least, 1e-300) for key, value, error in rows}


class EigenSolver:
    """The operator of a problem of kind "eigen". Raises UsageError for a problem that it cannot solve."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        (self.channel,) = problem.scope.channels
        (node,) = problem.residuals
        self.weight = _weight(node, self.channel, problem.eigenvalue)
        self.operator = substituted(node, {problem.eigenvalue: ZERO})
        self.hard = _hard(problem)
        self.n_features = number_of_features(problem)
        if problem.states > self.n_features // 2:
            raise UsageError(
                f"{problem.states} states, and there are {self.n_features} features",
                "set solve.features to at least twice the number of states",
            )
        self.x, self.w = problem.domain.shape.quadrature(PANELS[len(problem.scope.axes)])
        b = self._weight_at(self.x)
        if float(b.min()) < 0 < float(b.max()):
            raise UsageError(f"the factor of {problem.eigenvalue} changes its sign in the domain, expected one sign")
        if float(b.max()) <= 0:
            self.weight, self.operator = negate(self.weight), negate(self.operator)
        self.b = self._weight_at(self.x)
        for letters in (axis + axis for axis in problem.scope.axes):
            factor = self._at(by_name(self.operator, f"{self.channel}|{letters}"), self.x)
            if float(factor.max()) > 0:
                raise UsageError(
                    f"the eigenvalues have no lowest: the factor of {self.channel}_{letters} is positive on the left",
                    "change the signs of the equation: -lap(u) = E*u",
                )

    def solve(self, config: Config, scale: float, generator: Generator) -> States:
        """The lowest eigenvalues within the span of features whose frequencies go up to `scale`."""
        n = self.problem.states
        field = with_features(config, self.n_features, scale, generator)
        values, applied = self._features(field, self.x)
        levels, heads = self._levels(values, applied)
        if len(levels) < n + MORE:
            raise UsageError(f"{len(levels)} independent features, expected {n + MORE}", "set solve.features higher")
        heads = heads[:, :n]
        u = values @ heads
        heads = heads * torch.sign(u.gather(0, u.abs().argmax(0, keepdim=True)))  # positive where it is largest
        names = [f"{self.problem.eigenvalue}{k}" for k in range(1, n + 1)]
        bounds = self._bounds(field, heads, levels[: n + MORE])
        return States(levels[:n].tolist(), bounds.tolist(), names, _with_states(field, heads))

    def _levels(self, values: Tensor, applied: Tensor) -> tuple[Tensor, Tensor]:
        """Eigenvalues within the span of trial functions, and weights [M, states] of the functions for each."""
        root = (self.w * self.b).sqrt()[:, None]
        _, sizes, ways = torch.linalg.svd(root * values, full_matrices=False)
        used = sizes > INDEPENDENT * sizes[0]
        basis = ways[used].T / sizes[used]
        matrix = (self.w[:, None] * values @ basis).T @ (applied @ basis)
        asymmetry = float((matrix - matrix.T).norm() / matrix.norm())
        if asymmetry > ASYMMETRY:
            raise UsageError(
                f"the operator is not symmetric (by {asymmetry:.1g} of its size), so its eigenvalues may not be real",
                "write diffusion as div(a*grad(u)), and leave out first derivatives",
            )
        levels, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
        return levels, basis @ vectors

    def _weight_at(self, x: Tensor) -> Tensor:
        return self._at(self.weight, x)

    def _at(self, formula: Node, x: Tensor) -> Tensor:
        return tensor_of(formula, {axis: x[:, a] for a, axis in enumerate(self.problem.scope.axes)}, x[:, 0])

    def _group(self, field: SolutionField, x: Tensor) -> Group:
        axes = self.problem.scope.axes
        streams = Streams.of(axes, {letters for _, letters in streams_of(self.operator)} | {""})
        fixed = {axis: x[:, a] for a, axis in enumerate(axes)}
        group = Group("equation", "equation", x, self.operator, streams, [self.channel], (), fixed=fixed)
        group.prepare(field)
        return group

    @torch.no_grad()
    def _features(self, field: SolutionField, x: Tensor) -> tuple[Tensor, Tensor]:
        """The trial functions [N, M] (a feature times the factor), and the operator applied to them."""
        group = self._group(field, x)
        features = features_of(field, group)
        seeds = group.linearised(features[..., :1], {})[1]
        return group.factor[0] * features[0], (seeds * features).sum(0)

    @torch.no_grad()
    def _bounds(self, field: SolutionField, heads: Tensor, levels: Tensor) -> Tensor:
        """Kato's bounds [states], with the residual at points between those of the quadrature."""
        x = self.problem.domain.inside(CHECKED, Generator().manual_seed(self.problem.settings.seed + 1)).x
        b = self._weight_at(x)
        values, applied = self._features(field, x)
        u, lu = values @ heads, applied @ heads
        found = []
        for k in range(u.shape[1]):
            level = levels[k]
            r = lu[:, k] - level * b * u[:, k]
            square = float((r.square() / b).mean() / (b * u[:, k].square()).mean())
            away = (levels - level).abs()
            others = away[away > EQUAL * level.abs().clamp_min(1e-300)]
            gap = float(others.min()) if len(others) else math.inf
            found.append(min(square / gap, math.sqrt(square)))
        return torch.tensor(found, dtype=levels.dtype)


def with_estimates(states: States, half: States) -> States:
    """The states with errors of at most their distance from those with half the frequencies, where all are lower."""
    falls = [before - after for before, after in zip(half.values, states.values, strict=True)]
    if min(falls) < 0:
        return states
    return dataclasses.replace(states, errors=[min(pair) for pair in zip(states.errors, falls, strict=True)])


def _weight(node: Node, channel: str, eigenvalue: str) -> Node:
    """b where an equation says L u - E b u = 0."""
    by_value = by_name(node, eigenvalue)
    if not is_linear(node) or eigenvalue in by_value.names() or streams_of(by_value) != {(channel, "")}:
        raise UsageError(
            f"an eigenvalue equation is linear in the field and in {eigenvalue}, which multiplies the field",
            '-lap(u) + V*u = E*u',
        )  # fmt: skip
    rest = substituted(node, {f"{channel}|{letters}": ZERO for _, letters in streams_of(node)})
    if not rest.is_zero:
        raise UsageError("an eigenvalue equation has no source: every term has the field")
    return negate(by_name(by_value, f"{channel}|"))


def _hard(problem: Problem) -> Hard:
    hard = hard_conditions(problem)
    wanted = {
        (at, side, part)
        for at, condition in enumerate(problem.conditions)
        for side in condition.sides
        for part in range(len(condition.residuals))
    }
    if wanted - hard.met or any(not lift.is_zero for lift in hard.lift.values()):
        raise UsageError(
            "an eigenvalue problem needs u = 0 on every side, or periodic axes, on a box, disc or annulus",
            '[[condition]] on = "boundary", equation = "u = 0"',
        )
    return hard


@torch.no_grad()
def _with_states(field: SolutionField, heads: Tensor) -> SolutionField:
    """The field with a channel per state, from the weights [M + 1, states] of its last layer."""
    n = heads.shape[1]
    config: Config = field.config
    wide = dataclasses.replace(config, lift=config.lift * n, factor=config.factor * n)
    found = SolutionField(wide, Generator().manual_seed(0))
    found.weights[0].copy_(field.weights[0])
    found.biases[0].copy_(field.biases[0])
    found.weights[-1].copy_(heads[:-1].T)
    found.biases[-1].copy_(heads[-1])
    return found


def pinned(problem: Problem, states: States) -> Problem:
    """The problem with a field per state, u1, u2, ..., and the eigenvalues as numbers: for errors and pictures."""
    (channel,), (node,) = problem.scope.channels, problem.residuals
    names = [f"{channel}{k}" for k in range(1, len(states.values) + 1)]

    def of(part: Node, to: str, level: float) -> Node:
        moved: Mapping[str, Node] = {f"{channel}|{letters}": name(f"{to}|{letters}") for _, letters in streams_of(part)}
        return substituted(part, {**moved, problem.eigenvalue: number(level)})

    pairs = [*zip(names, states.values, strict=True)]
    conditions = [
        Condition(c.sides, tuple(of(r, to, level) for r in c.residuals for to, level in pairs), c.text, True)
        for c in problem.conditions
    ]
    scope = dataclasses.replace(problem.scope, fields=dict.fromkeys(names, False), unknowns=())
    return dataclasses.replace(
        problem, scope=scope, residuals=tuple(of(node, to, level) for to, level in pairs), conditions=tuple(conditions),
        unknowns={},
    )  # fmt: skip
