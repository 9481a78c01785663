"""Muon: orthogonalised momentum for hidden matrices, Adam for everything else."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from inr.core.config import param
from inr.core.errors import UsageError
from inr.fitting.optimizers._base import OPTIMIZERS, Joint, OptimizerConfig


@OPTIMIZERS.register("muon")
@dataclass(frozen=True, kw_only=True)
class Muon(OptimizerConfig):
    """m <- b m + (1-b) g;  W <- W - lr_muon sqrt(max(1, rows/columns)) NS(b m + (1-b) g).  Jordan et al. 2024.

    NS is five Newton-Schulz steps in bfloat16, X <- a X + (b A + c A^2) X for A = X X^T, from X = u / |u|, which bring
    the larger singular values to about 1 and leave tiny ones small. It is for matrices of role "hidden"; first and
    last layers, biases and encodings take Adam with the fit's `lr` and `lr_encoding`, as for neural fields in
    arXiv:2512.14366, which uses lr_muon = 0.1 with lr = 1e-3 on pictures and 1e-3 with 1e-4 on sound, under a cosine.

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
        muon = torch.optim.Muon(hidden, lr=self.lr_muon, momentum=self.momentum, weight_decay=0.0)
        if not entries:
            return muon
        return Joint(muon, torch.optim.Adam(entries, betas=(self.beta1, self.beta2), eps=self.eps, fused=True))
