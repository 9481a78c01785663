"""Muon: orthogonalised momentum for hidden matrices, Adam for everything else."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from inr.core.config import param
from inr.core.errors import UsageError
from inr.fitting.optimizers._base import OPTIMIZERS, Eager, Joint, OptimizerConfig


@OPTIMIZERS.register("muon")
@dataclass(frozen=True, kw_only=True)
class Muon(OptimizerConfig):
    """m <- b m + (1-b) g;  W <- W - lr_muon sqrt(max(1, rows/columns)) NS(b m + (1-b) g).  Jordan et al. 2024.

    NS is five Newton-Schulz steps, X <- a X + (b A + c A^2) X for A = X X^T, from X = u / |u|, which bring the larger
    singular values to about 1 and leave tiny ones small. The paper: in bfloat16; here: in float32 on a CPU, because few
    have units for bfloat16. It is for matrices of role "hidden"; first and last layers, biases and encodings take Adam
    with the fit's `lr` and `lr_encoding`, as for neural fields in arXiv:2512.14366, which uses lr_muon = 0.1 with
    lr = 1e-3 on pictures and 1e-3 with 1e-4 on sound, under a cosine.

    lr_muon wants tuning: in benchmarks/claims.py (64 x 64 picture, SIREN of width 128, 400 steps) the default reached
    18 dB where Adam had 45 to 49.
    """

    lr_muon: float = param(0.02, "learning rate of the hidden matrices", gt=0)
    momentum: float = param(0.95, "decay of the gradient's average", ge=0, lt=1)
    beta1: float = param(0.9, "decay of Adam's first moment", ge=0, lt=1)
    beta2: float = param(0.999, "decay of Adam's second moment", ge=0, lt=1)
    eps: float = param(1e-8, "added to the root of Adam's second moment", gt=0)

    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        hidden = [p for p in groups.get("hidden", []) if p.ndim == 2]
        if not hidden:
            raise UsageError(
                "optimizer 'muon' is for hidden matrices, but this field has none",
                "use `fit.optimizer=adam`, or a deeper field (`field.depth=3`)",
            )
        taken = {id(p) for p in hidden}
        rest = {role: [p for p in params if id(p) not in taken] for role, params in groups.items()}
        entries = [{"params": params, "lr": lr[role]} for role, params in rest.items() if params]
        muon = MuonOptimizer(hidden, self.lr_muon, self.momentum)
        if not entries:
            return muon
        return Joint(muon, torch.optim.Adam(entries, betas=(self.beta1, self.beta2), eps=self.eps, fused=True))


class MuonOptimizer(Eager):
    """Orthogonalised momentum for matrices. Its state is that of torch's Muon, of which checkpoints can be read."""

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float) -> None:
        super().__init__(params, {"lr": lr})
        self.momentum = momentum

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # torch overloads it for closures
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(p)
                mean = state["momentum_buffer"].lerp_(p.grad, 1 - self.momentum)
                move = orthogonalised(p.grad.lerp(mean, self.momentum))
                p.sub_(move, alpha=group["lr"] * math.sqrt(max(1.0, p.shape[0] / p.shape[1])))

    step.hooked = True  # type: ignore[attr-defined]  # torch's sign that its profiler has no marks to add


def orthogonalised(u: Tensor) -> Tensor:
    """NS(u) [m, n]: five Newton-Schulz steps, with singular values of about 0.7 to 1.2 where u has no tiny ones."""
    x = u.to(torch.bfloat16 if u.is_cuda else torch.float32)
    is_tall = x.shape[0] > x.shape[1]
    x = x.mT if is_tall else x
    x = x / x.norm().clamp_min(_LEAST_NORM)
    for _ in range(5):
        square = x @ x.mT
        x = _A * x + (_B * square + _C * (square @ square)) @ x
    found: Tensor = (x.mT if is_tall else x).to(u.dtype)
    return found


_A, _B, _C = 3.4445, -4.7750, 2.0315
_LEAST_NORM = 1e-7
