"""Conjugate gradients for losses that are quadratic in the parameters.  Hestenes and Stiefel 1952; Polak and Ribiere
1969."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from inr.core.config import param
from inr.fitting.optimizers._base import OPTIMIZERS, Eager, OptimizerConfig

SIMILAR = 10.0
"""A trial length is good if the step that it predicts is within this factor of it; rounding is small then."""


@OPTIMIZERS.register("conjugate_gradients")
@dataclass(frozen=True, kw_only=True)
class ConjugateGradients(OptimizerConfig):
    """w <- w + t d, d = -g + b d', t the exact minimiser along d of a quadratic loss.

    g: the gradient. d': the direction before. b = max(0, g (g - g') / |g'|^2). The second derivative along d comes
    from the gradient at a trial point: one evaluation per direction. For fields that are linear in what is trained,
    such as grids without a network, with a squared loss; it has no line search for others. A step of the fit is
    `iterations` directions; it begins with the gradient itself, so that rounding does not add up. Rates have no
    meaning. It needs all samples in every batch.
    """

    is_closed: ClassVar[bool] = True

    iterations: int = param(5, "directions per step of the fit", ge=1)

    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        params = [p for role in groups.values() for p in role if p.requires_grad]
        return ConjugateGradientsOptimizer(params, self.iterations)


class ConjugateGradientsOptimizer(Eager):
    """See `ConjugateGradients`. Its closure returns the loss and leaves its gradients in the parameters."""

    def __init__(self, params: list[nn.Parameter], iterations: int) -> None:
        super().__init__(params, {"lr": 1.0})
        self._iterations = iterations

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch overloads it for closures
        """Move along `iterations` directions; ends early at a zero gradient."""
        assert closure is not None
        params: list[nn.Parameter] = self.param_groups[0]["params"]
        state = self.state[params[0]]
        gradient = _gradient_of(closure, params)
        for _ in range(self._iterations):
            direction = self._direction(gradient, state)
            slope = float(gradient @ direction)
            if not slope < 0:
                state.clear()
                return
            curved, length = self._curvature(closure, params, gradient, direction, state.get("length"))
            bend = float(curved @ direction)
            if not bend > 0:
                state.clear()
                return
            t = -slope / bend
            _move(params, direction, t - length)
            state.update(direction=direction, gradient=gradient, length=t)
            gradient = gradient + t * curved

    def _direction(self, gradient: Tensor, state: dict[str, Any]) -> Tensor:
        if "direction" not in state:
            return -gradient
        before: Tensor = state["gradient"]
        part = max(0.0, float(gradient @ (gradient - before)) / float(before @ before))
        direction: Tensor = part * state["direction"] - gradient
        return direction if float(direction @ gradient) < 0 else -gradient

    def _curvature(
        self,
        closure: Callable[[], Any],
        params: list[nn.Parameter],
        gradient: Tensor,
        direction: Tensor,
        length: float | None,
    ) -> tuple[Tensor, float]:
        """The Hessian times d, and how far the parameters stand from where they were, in d."""
        at, trial, slope = 0.0, 1.0 if length is None else length, float(gradient @ direction)
        while True:
            _move(params, direction, trial - at)
            at = trial
            curved = (_gradient_of(closure, params) - gradient) / trial
            bend = float(curved @ direction)
            if not bend > 0 or 1 / SIMILAR < -slope / bend / trial < SIMILAR or length is not None:
                return curved, at
            length = trial = -slope / bend


def _gradient_of(closure: Callable[[], Any], params: list[nn.Parameter]) -> Tensor:
    with torch.enable_grad():
        closure()
    return torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in params])


def _move(params: list[nn.Parameter], direction: Tensor, length: float) -> None:
    start = 0
    for p in params:
        p.add_(direction[start : start + p.numel()].view_as(p), alpha=length)
        start += p.numel()
