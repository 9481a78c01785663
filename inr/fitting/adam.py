"""Adam, in torch's fused form.  Kingma and Ba 2015, arXiv:1412.6980."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from inr._config import param
from inr.fitting._optimizer import OPTIMIZERS, OptimizerConfig


@OPTIMIZERS.register("adam")
@dataclass(frozen=True, kw_only=True)
class Adam(OptimizerConfig):
    """m <- b1 m + (1-b1) g;  v <- b2 v + (1-b2) g^2;  w <- w - lr m^ / (sqrt(v^) + eps), hats debiased.

    `l2` is added to the gradient of the network's matrices and never to an encoding's (as tiny-cuda-nn does).
    """

    beta1: float = param(0.9, "decay of the first moment", ge=0, lt=1)
    beta2: float = param(0.999, "decay of the second moment", ge=0, lt=1)
    eps: float = param(1e-8, "added to the root of the second moment", gt=0)
    l2: float = param(0.0, "L2 regularisation of the network's parameters", ge=0)

    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        entries = [
            {"params": params, "lr": lr[role], "weight_decay": 0.0 if role == "encoding" else self.l2}
            for role, params in groups.items()
        ]
        return torch.optim.Adam(entries, betas=(self.beta1, self.beta2), eps=self.eps, fused=True)
