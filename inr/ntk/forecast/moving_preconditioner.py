"""The preconditioner of Adam or SOAP along a run, for batches other than those that the run takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from inr.fitting import FitConfig, Run
from inr.fitting.optimizers.soap import SoapOptimizer
from inr.ntk.forecast.second_moments import with_moments

Slopes = Mapping[str, Tensor]
"""A gradient by parameter name."""


class MovingPreconditioner:
    """W = Q 1 / (sqrt(v) + eps) Q^T, with v the mean square of gradients, weighted as the optimizer does.

        v(t_j) (1 - b^t_j) = b^d v(t_(j-1)) (1 - b^t_(j-1)) + (1 - b^d) (s_(j-1) + s_j) / 2,        d = t_j - t_(j-1)

    s_j: the mean of (Q^T g)^2 over gradients g of batches of the size that is forecast, at step t_j. Q: SOAP's
    eigenbases at that step; of Adam, the identity. An encoding's own learning rate is part of W.
    """

    def __init__(self, settings: FitConfig) -> None:
        optimizer = with_moments(settings.optimizer)
        self._beta2, self._eps = optimizer.beta2, optimizer.eps
        self._of_encoding = 1.0 if settings.lr_encoding is None else settings.lr_encoding / settings.lr
        self._mean: dict[str, Tensor] = {}
        self._last: dict[str, Tensor] = {}
        self._step = 0
        self._is_turned = False
        self._weights: dict[str, Tensor] = {}
        self._run: Run | None = None

    def move(self, run: Run, drawn: Sequence[Slopes]) -> None:
        """To the present step of a run; drawn: gradients of its loss there. `apply` is valid until its next step."""
        self._run = run
        encoding = {id(p) for p in run.field.param_groups().get("encoding", [])}
        trained = {n: p for n, p in run.field.named_parameters() if p.requires_grad}
        found = {
            n: torch.stack([self._turned(p, g[n].double()).square() for g in drawn]).mean(0) for n, p in trained.items()
        }
        is_turned = any(len(run.optimizer.state.get(p, {})) > 0 for p in trained.values())
        before = self._last if is_turned == self._is_turned and self._last else found  # of the same bases
        keep = self._beta2 ** (run.step - self._step)
        old, new = (1 - self._beta2**step for step in (self._step, run.step))
        for name, square in found.items():
            between = (square + before[name]) / 2
            v = square if new == 0 else (keep * old * self._mean.get(name, square) + (1 - keep) * between) / new
            scale = self._of_encoding if id(trained[name]) in encoding else 1.0
            self._mean[name] = v
            self._weights[name] = torch.where(v > 0, scale / (v.sqrt() + self._eps), 0.0)
        self._last, self._step, self._is_turned = found, run.step, is_turned

    def apply(self, g: Tensor) -> Tensor:
        """W g for g [P], the trained parameters in their order."""
        assert self._run is not None
        trained = {n: p for n, p in self._run.field.named_parameters() if p.requires_grad}
        parts = []
        for (name, p), part in zip(trained.items(), torch.split(g, [p.numel() for p in trained.values()]), strict=True):
            turned = self._turned(p, part.double().reshape(p.shape)) * self._weights[name]
            parts.append(self._turned(p, turned, is_back=True).reshape(-1))
        return torch.cat(parts).to(g)

    def _turned(self, parameter: Tensor, x: Tensor, *, is_back: bool = False) -> Tensor:
        optimizer = None if self._run is None else self._run.optimizer
        return optimizer.turned(parameter, x, is_back=is_back) if isinstance(optimizer, SoapOptimizer) else x
