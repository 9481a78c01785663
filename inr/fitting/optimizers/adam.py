"""Adam, in torch's fused form, or for the entries that have a gradient.  Kingma and Ba 2015, arXiv:1412.6980."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from inr.core.config import param
from inr.core.errors import UsageError
from inr.fitting.optimizers._base import OPTIMIZERS, Eager, Joint, OptimizerConfig
from inr.kernels.touched_adam import Rates, touched_adam


@OPTIMIZERS.register("adam")
@dataclass(frozen=True, kw_only=True)
class Adam(OptimizerConfig):
    """m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  w <- w - lr m^ / (sqrt(v^) + eps), hats debiased.

    `l2` is added to the gradient of the network's matrices and never to an encoding's (as tiny-cuda-nn does). For
    tables of which a batch meets a few entries, two settings leave the others alone. `lazy`: moments decay meanwhile
    as Adam's do. `skip_zero_grad`: each entry counts its own steps, so its moments stay (as in tiny-cuda-nn).
    """

    is_adam_like: ClassVar[bool] = True

    beta1: float = param(0.9, "decay of the first moment", ge=0, lt=1)
    beta2: float = param(0.999, "decay of the second moment", ge=0, lt=1)
    eps: float = param(1e-8, "added to the root of the second moment", gt=0)
    l2: float = param(0.0, "L2 regularisation of the network's parameters", ge=0)
    skip_zero_grad: bool = param(False, "leave an encoding's entries, moments included, where their gradient is 0")
    lazy: bool = param(False, "leave an encoding's entries where their gradient is 0, while their moments decay")

    @property
    def is_capturable(self) -> bool:
        return not (self.skip_zero_grad or self.lazy)

    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        if self.lazy and self.skip_zero_grad:
            raise UsageError("optimizer 'adam' has both lazy and skip_zero_grad set", "set one of the two")
        if not (self.lazy or self.skip_zero_grad) or "encoding" not in groups:
            return self._fused(groups, lr)
        betas = self.beta1, self.beta2
        skipping = TouchedAdam(groups["encoding"], lr["encoding"], betas, self.eps, is_counting=self.skip_zero_grad)
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


class TouchedAdam(Eager):
    """Adam for entries that have a gradient: see `inr.kernels.touched_adam`, of which is_counting is an option.

    State: step, exp_avg, exp_avg_sq, and for each entry a count of its steps or the last of them.
    """

    def __init__(
        self, params: list[nn.Parameter], lr: float, betas: tuple[float, float], eps: float, *, is_counting: bool
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps})
        self._is_counting = is_counting
        self._mark = "count" if is_counting else "last"

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch overloads it for closures
        for group in self.param_groups:
            b1, b2 = group["betas"]
            rates = Rates(float(group["lr"]), b1, b2, group["eps"])
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                for name in ("exp_avg", "exp_avg_sq", self._mark):
                    if name not in state:
                        state[name] = torch.zeros_like(p, memory_format=torch.contiguous_format)
                state["step"] = torch.tensor(int(state["step"] if "step" in state else state[self._mark].max()) + 1)
                touched_adam(
                    p, state["exp_avg"], state["exp_avg_sq"], state[self._mark], p.grad, rates, int(state["step"]),
                    is_counting=self._is_counting,
                )  # fmt: skip
