"""Points and weights of equations: new uniform points, points where the residual is large, and order in time."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from inr.solving.equation import TIME
from inr.solving.problem import Problem
from inr.solving.rows import Group
from inr.solving.state import State

CANDIDATES = 10
"""Per point, of which `rad` chooses."""
CHUNKS = 32
"""Of time, for causal weights."""


def residual_of(state: State, group: Group) -> Tensor:
    """The residuals [N] of a prepared group, with gradients by the network and the unknown numbers."""
    net = state.field.network(group.jets, group.streams.plan)
    return group.residuals(net, state.differentiable_numbers())


@torch.no_grad()
def adaptive_points(state: State, candidates: list[Group], n: int, generator: Generator) -> Tensor:
    """n of the candidates' points, drawn with probability |r| / mean |r| + 1.

    Wu, Zhu, Tan, Kartha and Lu 2023, arXiv:2207.10289 (RAD, with k = c = 1).
    """
    size = torch.zeros(len(candidates[0].x), dtype=torch.float64)
    for group in candidates:
        r = residual_of(state, group).abs()
        size += r / r.mean().clamp_min(1e-300)
    chosen = torch.multinomial(size + 1, n, replacement=False, generator=generator)
    return candidates[0].x[chosen]


@torch.no_grad()
def causal_weights(problem: Problem, state: State, group: Group, epsilon: float) -> Tensor:
    """Weights [N]: exp(-epsilon times the mean squared residuals of all earlier chunks of time).

    Wang, Sankaranarayanan and Perdikaris 2022, arXiv:2203.07404.
    """
    assert problem.domain.time is not None
    low, high = problem.domain.time
    t = group.x[:, problem.scope.axes.index(TIME)]
    chunk = ((t - low) / (high - low) * CHUNKS).long().clamp(0, CHUNKS - 1)
    square = (residual_of(state, group) / group.scale).square()
    counts = torch.bincount(chunk, minlength=CHUNKS).clamp_min(1)
    means = torch.zeros(CHUNKS, dtype=square.dtype).index_add_(0, chunk, square) / counts
    earlier = torch.cat([means.new_zeros(1), means.cumsum(0)[:-1]])
    return torch.exp(-epsilon * earlier)[chunk]


def points_inside(problem: Problem, n: int, generator: Generator) -> Tensor:
    """n points [n, D], evenly spread; a third of them near the spots, at distances with uniform logarithms."""
    x = problem.domain.inside(n, generator).x
    if not problem.spots:
        return x
    space = [problem.scope.axes.index(axis) for axis in problem.domain.space]
    far = max(problem.domain.shape.radius / 3, *(spot.size for spot in problem.spots))
    for k, spot in enumerate(problem.spots):
        rows = torch.arange(k, n // 3, len(problem.spots))
        ways = torch.randn(len(rows), len(space), generator=generator, dtype=x.dtype)
        near = spot.size / 10
        sizes = near * (far / near) ** torch.rand(len(rows), 1, generator=generator, dtype=x.dtype)
        moved = x[rows].clone()
        moved[:, space] = x.new_tensor(spot.at) + sizes * ways / ways.norm(dim=1, keepdim=True)
        there = problem.domain.contains(moved)
        x[rows[there]] = moved[there]
    return x
