"""A second opinion for any problem: the same settings with another seed, in half the time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch
from torch import Generator

from inr.kernels.jet_plan import JetPlan
from inr.solving.problem import Problem
from inr.solving.solver import Solution, solve

POINTS = 4000


@dataclass(frozen=True)
class SeedCheck:
    """difference: relative L2 between two solutions, the worst channel; of eigenvalues and of unknown numbers the
    largest relative difference, if that is more."""

    seed: int
    difference: float

    @property
    def sentence(self) -> str:
        return f"differs by {self.difference:.1e} from a solution with seed {self.seed}, in half the time"


@torch.no_grad()
def second_seed(problem: Problem, solution: Solution) -> SeedCheck:
    """Solve again with the next seed. Two solutions differ by about their errors; by much if more than one exists."""
    settings = problem.settings
    again = dataclasses.replace(settings, seed=settings.seed + 1, time_s=settings.time_s / 2)
    other = solve(dataclasses.replace(problem, settings=again))
    pairs = [(solution.unknowns[key], other.unknowns[key]) for key in solution.unknowns]
    found = [abs(a - b) / max(abs(a), abs(b), 1e-300) for a, b in pairs]
    if not problem.states:  # functions of eigenvalues that occur several times are any of a plane
        x = problem.domain.inside(POINTS, Generator().manual_seed(4)).x
        first, second = (each.field.jets(x, JetPlan(0))[0] for each in (solution, other))
        for at, channel in enumerate(problem.scope.channels):
            a, b = first[:, at], second[:, at]
            if channel in problem.floating:
                b = b - b.mean() + a.mean()
            found.append(float((a - b).norm() / torch.maximum(a.norm(), b.norm()).clamp_min(1e-300)))
    return SeedCheck(again.seed, max(found))
