"""Damped Gauss-Newton steps.  Levenberg 1944, doi:10.1090/qam/10666; Nocedal and Wright 2006, section 10.3."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from inr.core.config import param
from inr.fitting.optimizers._base import OPTIMIZERS, Eager, OptimizerConfig, Residuals


@OPTIMIZERS.register("gauss_newton")
@dataclass(frozen=True, kw_only=True)
class GaussNewton(OptimizerConfig):
    """w <- w + t d, (J^T J + damping I) d = J^T r, for residuals r = sqrt(c) (y - f(x)) and J = sqrt(c) df/dw.

    One linear solve for all parameters per batch, with sums over the batch's samples and channels; c are the loss
    weights, t is the schedule's factor, and rates have no meaning. With fewer residuals than parameters
    d = J^T (J J^T + damping I)^-1 r, which is equal. Channels that share no parameters are solved one by one. Sums and
    solves use float64.

    `is_adaptive` is Levenberg's rule: a step that does not lower the batch's sum of squares is taken back and tried
    again with a larger damping; an accepted one lowers the damping for the next batch. Without it every step has the
    same damping, as in Bakhvalov 2025, arXiv:2512.17671. With `halvings`, lengths 1, 1/2, 1/4 ... of a step are tried
    until they improve no more; the damping falls by the factor for length 1, stays for 1/4, and rises for less.

    For small fields and loss "mse": a step needs the Jacobian, one row per residual, and the Cholesky factors of a
    matrix with as many rows as there are residuals or parameters, whichever are fewer (at most 8192).
    """

    is_least_squares: ClassVar[bool] = True

    damping: float = param(1.0, "added to the diagonal in the first step", gt=0)
    is_adaptive: bool = param(True, "accept only steps that lower the batch's loss, and adapt the damping")
    factor: float = param(4.0, "by which the damping changes", gt=1)
    tries: int = param(8, "solves per step before it is given up", ge=1)
    halvings: int = param(0, "of a step, at most, before the damping rises", ge=0, le=30)

    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        params = [p for role in groups.values() for p in role]
        tries = self.tries if self.is_adaptive else 0
        return GaussNewtonOptimizer(params, self.damping, self.factor, tries, self.halvings)


class GaussNewtonOptimizer(Eager):
    """tries: 0 takes every step, with the same damping. The damping is part of the state."""

    def __init__(
        self, params: Iterable[nn.Parameter], damping: float, factor: float, tries: int, halvings: int = 0
    ) -> None:
        super().__init__(params, {"lr": 1.0, "damping": damping})
        self._factor, self._tries, self._halvings = factor, tries, halvings

    @torch.no_grad()
    def step(self, closure: Residuals) -> None:  # type: ignore[override]  # torch's closure returns a loss
        (group,) = self.param_groups
        params: list[Tensor] = group["params"]
        residual, jacobian = closure.linearised(params)
        solve = _solver(residual, jacobian)
        before, start = _energy(residual), [p.clone() for p in params]
        for _ in range(max(1, self._tries)):
            move = solve(group["damping"])
            if move is not None:
                move = move * group["lr"]
                if not self._tries:
                    _set(params, start, move)
                    return
                halved = self._best_length(params, start, move, closure, before)
                if halved is not None:
                    change = self._factor ** min(halved / 2 - 1, 0.5)
                    group["damping"] = min(max(group["damping"] * change, _LEAST), _MOST)
                    return
            elif not self._tries:
                return
            group["damping"] = min(group["damping"] * self._factor, _MOST)
        for p, origin in zip(params, start, strict=True):
            p.copy_(origin)

    def _best_length(
        self, params: list[Tensor], start: list[Tensor], move: Tensor, closure: Residuals, before: float
    ) -> int | None:
        """Take the step, halved as often as it improves; the number of halvings. None if no length lowers the sum."""
        best, chosen = before, None
        for halved in range(self._halvings + 1):
            _set(params, start, move * 0.5**halved)
            energy = _energy(closure.value())
            if energy < best:
                best, chosen = energy, halved
            elif chosen is not None:
                break
        if chosen is not None and chosen != halved:
            _set(params, start, move * 0.5**chosen)
        return chosen

    step.hooked = True  # type: ignore[attr-defined]  # torch's sign that its profiler has no marks to add


_LEAST, _MOST = 1e-12, 1e12


def _energy(residual: Tensor) -> float:
    """The sum of squares; infinity instead of NaN."""
    energy = float(residual.double().square().sum())
    return energy if math.isfinite(energy) else math.inf


def _set(params: list[Tensor], start: list[Tensor], move: Tensor) -> None:
    for p, origin, part in zip(params, start, _split(move, params), strict=True):
        p.copy_(origin + part)


def _split(move: Tensor, params: list[Tensor]) -> list[Tensor]:
    parts = torch.split(move, [p.numel() for p in params])
    return [part.view(p.shape).to(p.dtype) for part, p in zip(parts, params, strict=True)]


def _solver(residual: Tensor, jacobian: Tensor) -> Callable[[float], Tensor | None]:
    """damping -> d [P] for r [N, C] and J [N, C, P]; None where the matrix is not positive definite."""
    used = (jacobian != 0).any(0)  # [C, P]
    n_channels = jacobian.shape[1]
    if n_channels > 1 and int(used.sum(0).max()) <= 1:
        blocks = [(residual[:, c], jacobian[:, c, used[c]], used[c]) for c in range(n_channels)]
    else:
        blocks = [(residual.flatten(), jacobian.flatten(0, 1), torch.ones_like(used[0]))]
    parts = [(_system(r.double(), j.double()), columns) for r, j, columns in blocks]

    def solve(damping: float) -> Tensor | None:
        move = torch.zeros(jacobian.shape[-1], dtype=torch.float64, device=jacobian.device)
        for system, columns in parts:
            part = system(damping)
            if part is None:
                return None
            move[columns] = part
        return move

    return solve


def _system(r: Tensor, j: Tensor) -> Callable[[float], Tensor | None]:
    """damping -> d [P] for r [R] and J [R, P], by the smaller of the two systems."""
    is_dual = len(j) < j.shape[1]
    gram = j @ j.T if is_dual else j.T @ j
    right = r if is_dual else j.T @ r

    def solve(damping: float) -> Tensor | None:
        damped = gram + damping * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        factors, fails = torch.linalg.cholesky_ex(damped)
        if int(fails):
            return None
        found = torch.cholesky_solve(right[:, None], factors)[:, 0]
        move: Any = j.T @ found if is_dual else found
        return move if bool(move.isfinite().all()) else None

    return solve
