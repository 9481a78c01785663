"""Adam, in torch's fused form, or skipping entries without a gradient.  Kingma and Ba 2015, arXiv:1412.6980."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from inr.core.config import param
from inr.fitting.optimizers._base import OPTIMIZERS, Eager, Joint, OptimizerConfig


@OPTIMIZERS.register("adam")
@dataclass(frozen=True, kw_only=True)
class Adam(OptimizerConfig):
    """m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  w <- w - lr m^ / (sqrt(v^) + eps), hats debiased.

    `l2` is added to the gradient of the network's matrices and never to an encoding's (as tiny-cuda-nn does).
    """

    is_adam_like: ClassVar[bool] = True

    beta1: float = param(0.9, "decay of the first moment", ge=0, lt=1)
    beta2: float = param(0.999, "decay of the second moment", ge=0, lt=1)
    eps: float = param(1e-8, "added to the root of the second moment", gt=0)
    l2: float = param(0.0, "L2 regularisation of the network's parameters", ge=0)
    skip_zero_grad: bool = param(False, "leave an encoding's entries, moments included, where their gradient is 0")

    @property
    def is_capturable(self) -> bool:
        return not self.skip_zero_grad

    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        if not self.skip_zero_grad or "encoding" not in groups:
            return self._fused(groups, lr)
        skipping = SkippingAdam(groups["encoding"], lr["encoding"], (self.beta1, self.beta2), self.eps)
        rest = {role: params for role, params in groups.items() if role != "encoding"}
        return Joint(skipping, self._fused(rest, lr)) if rest else skipping

    def _fused(self, groups: Mapping[str, list[nn.Parameter]], lr: Mapping[str, float]) -> torch.optim.Optimizer:
        alike: dict[tuple[float, float], list[nn.Parameter]] = {}  # one launch for all of a group
        for role, params in groups.items():
            alike.setdefault((lr[role], 0.0 if role == "encoding" else self.l2), []).extend(params)
        entries = [{"params": params, "lr": rate, "weight_decay": l2} for (rate, l2), params in alike.items()]
        return FusedAdam(entries, betas=(self.beta1, self.beta2), eps=self.eps, fused=True)


class FusedAdam(Eager, torch.optim.Adam):
    """torch's own Adam."""

    _step = inspect.unwrap(torch.optim.Adam.step)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        return self._step(closure)

    # Else torch wraps it in marks for its profiler; the attribute is torch's own sign, which no type knows.
    step.hooked = True  # type: ignore[attr-defined]


class SkippingAdam(Eager):
    """Adam whose entries count their own steps, and take one only where their gradient is not 0.

    For tables of which a batch meets a few entries: the others neither drift on old momentum nor lose their moments.
    """

    def __init__(self, params: list[nn.Parameter], lr: float, betas: tuple[float, float], eps: float) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch overloads it for closures
        for group in self.param_groups:
            (b1, b2), lr, eps = group["betas"], group["lr"], group["eps"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    for name in ("count", "exp_avg", "exp_avg_sq"):
                        state[name] = torch.zeros_like(p, memory_format=torch.contiguous_format)
                at = p.grad.nonzero(as_tuple=True)
                g = p.grad[at]
                t = state["count"][at] + 1
                m = state["exp_avg"][at].lerp(g, 1 - b1)
                v = state["exp_avg_sq"][at].lerp(g * g, 1 - b2)
                p[at] -= lr * (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + eps)
                state["count"][at], state["exp_avg"][at], state["exp_avg_sq"][at] = t, m, v
