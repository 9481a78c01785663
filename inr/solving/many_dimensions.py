"""Poisson-like equations in a ball of many dimensions: second derivatives along a few random coordinates per step.

Shi, Hu, Lin and Kawaguchi 2024, arXiv:2412.00088 (stochastic Taylor derivative estimators, the sparse one): with B of d
coordinates drawn without repetition, (d / B) sum_b u_bb has the mean lap(u).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.kernels.jet_plan import JetPlan
from inr.kernels.pointwise import Pointwise
from inr.kernels.sine_jet import sine_jet
from inr.kernels.sine_jet.reference import activated

Function = Callable[[Tensor], Tensor]
CHECKED = 500
"""New points at which the residual is measured, with all coordinates."""
TOGETHER = 50
"""Coordinates per pass of an exact Laplacian."""


@dataclass(frozen=True)
class Ball:
    """lap(u) + reaction(u) = source(x) in |x| < 1 of R^d, u = 0 on the sphere.

    source: [N, d] -> [N]. reaction: [N] -> [N], of the values; None: 0.
    """

    d: int
    source: Function
    reaction: Function | None = None

    def points(self, n: int, generator: Generator) -> Tensor:
        """n points [n, d] whose distances from the centre are uniform in [0, 1]."""
        ways = torch.randn(n, self.d, generator=generator)
        sizes: Tensor = torch.linalg.vector_norm(ways, dim=1, keepdim=True)
        return ways / sizes * torch.rand(n, 1, generator=generator)


class BallField:
    """u(x) = size (1 - |x|^2) N(x) with a network N of tanh in float32."""

    def __init__(self, d: int, width: int, depth: int, size: float, generator: Generator) -> None:
        self.d, self.size = d, size
        self.activations = [Pointwise(torch.tanh, "tanh")] * depth
        self.weights: list[Tensor] = []
        self.biases: list[Tensor] = []
        widths = (d, *[width] * depth, 1)
        for k in range(depth + 1):
            bound = math.sqrt(3 / widths[k])
            weight = bound * (2 * torch.rand(widths[k + 1], widths[k], generator=generator) - 1)
            self.weights.append(weight.requires_grad_())
            self.biases.append(torch.zeros(widths[k + 1]).requires_grad_())

    @property
    def parameters(self) -> list[Tensor]:
        return [*self.weights, *self.biases]

    def __call__(self, x: Tensor) -> Tensor:
        """Values [N] at points [N, d]."""
        with torch.no_grad():
            return self.with_laplacian(x, torch.arange(0))[0]

    def with_laplacian(self, x: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """u [N], and the estimate [N] of its Laplacian from the chosen coordinates [B]; exact with all of them.

        With f = 1 - |x|^2: lap(f N) = f lap(N) - 4 x . grad(N) - 2 d N, where the estimate is of lap(N) only.
        """
        b, first = len(chosen), self.weights[0]
        terms = tuple((1 + k, 1 + k, self.d / b) for k in range(b))
        plan = JetPlan(1 + b, (terms,))
        along = x @ first.T  # the derivative along x itself; the others are columns of the matrix
        z = [(along + self.biases[0])[None], along[None], first.T[chosen][:, None].expand(b, len(x), -1)]
        hidden = activated(torch.cat([*z, torch.zeros_like(along)[None]]), self.activations[0], plan)
        net = sine_jet(hidden, self.weights[1:], self.biases[1:], self.activations[1:], plan)[..., 0] * self.size
        factor = 1 - x.square().sum(1)
        return factor * net[0], factor * net[-1] - 4 * net[1] - 2 * self.d * net[0]

    @torch.no_grad()
    def exact_laplacian(self, x: Tensor) -> Tensor:
        """[N], from all coordinates."""
        total = torch.zeros(len(x))
        for begin in range(0, self.d, TOGETHER):
            part = torch.arange(begin, min(begin + TOGETHER, self.d))
            # each estimate is d / B times its own coordinates, plus what needs none
            total += len(part) / self.d * self.with_laplacian(x, part)[1]
        return total


@dataclass(frozen=True)
class BallSolution:
    """field: the solution. residual: root mean square at new points over that of the source. steps: of Adam."""

    field: BallField
    residual: float
    steps: int
    seconds: float


def solve_ball(
    ball: Ball,
    *,
    time_s: float = 60.0,
    steps: int | None = None,
    directions: int = 16,
    points: int = 100,
    width: int = 128,
    depth: int = 3,
    lr: float = 1e-3,
    seed: int = 0,
) -> BallSolution:
    """Adam on the mean squared residual, with new points and new coordinates every step and a rate that falls to 0.

    Args:
        ball: the problem.
        time_s: seconds, about; unused if `steps` is given, which makes the result the same on every run.
        directions: coordinates B per step, of which all points have the same.
        points: per step.
        width, depth: hidden units per layer and hidden layers.
        lr: rate at the start.
        seed: of weights, points and coordinates.

    Raises UsageError for numbers that are not positive, or a source that is zero or not finite.

    Examples:
        >>> import torch
        >>> from inr.solving import Ball, solve_ball
        >>> ball = Ball(20, lambda x: -40 + 0 * x[:, 0])  # u = 1 - |x|^2
        >>> solution = solve_ball(ball, steps=200, width=16, lr=0.01)
        >>> abs(float(solution.field(torch.zeros(1, 20))) - 1) < 0.1
        True
    """
    numbers = {"d": ball.d, "directions": directions, "points": points, "width": width, "lr": lr, "time_s": time_s}
    for key, value in numbers.items():
        if not value > 0:
            raise UsageError(f"{key} is {value!r}, expected a number above 0")
    if depth < 2:
        raise UsageError(f"depth is {depth}, expected at least 2 hidden layers")
    generator = Generator().manual_seed(seed)
    with torch.no_grad():
        strength = float(ball.source(ball.points(CHECKED, generator)).square().mean().sqrt())
    if not 0 < strength < math.inf:
        raise UsageError(f"the source has a root mean square of {strength}, expected a finite number above 0")
    field = BallField(ball.d, width, depth, strength / (2 * ball.d), generator)
    optimizer = torch.optim.Adam(field.parameters, lr=lr)
    b, start, taken = min(directions, ball.d), time.perf_counter(), 0

    def share() -> float:
        return taken / steps if steps is not None else (time.perf_counter() - start) / time_s

    while (done := share()) < 1:
        for group in optimizer.param_groups:
            group["lr"] = lr * (1 - done)
        x = ball.points(points, generator)
        chosen = torch.randperm(ball.d, generator=generator)[:b]
        u, laplacian = field.with_laplacian(x, chosen)
        loss = (_residual(ball, x, u, laplacian) / strength).square().mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        taken += 1
    x = ball.points(CHECKED, generator)
    rest = _residual(ball, x, field(x), field.exact_laplacian(x))
    relative = float(rest.square().mean().sqrt()) / strength
    return BallSolution(field, relative, taken, time.perf_counter() - start)


def _residual(ball: Ball, x: Tensor, u: Tensor, laplacian: Tensor) -> Tensor:
    rest = laplacian - ball.source(x)
    return rest if ball.reaction is None else rest + ball.reaction(u)
