"""L-BFGS with a line search, on all samples.  Liu and Nocedal 1989; for neural fields see arXiv:2305.08552."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from inr.core.config import param
from inr.fitting.optimizers._base import OPTIMIZERS, OptimizerConfig


@OPTIMIZERS.register("lbfgs")
@dataclass(frozen=True, kw_only=True)
class Lbfgs(OptimizerConfig):
    """w <- w + t d, d = -H g for H from the last `history` changes of w and g, t by a strong-Wolfe line search.

    A step of the fit is `iterations` of these. Rates have no meaning here: every line search starts from
    `first_t` times the schedule's factor. It needs all samples in every batch, and is for small fits and last polish.
    """

    is_closed: ClassVar[bool] = True

    iterations: int = param(20, "directions per step of the fit", ge=1)
    history: int = param(100, "pairs of changes that are kept", ge=1)
    first_t: float = param(1.0, "where a line search starts", gt=0)

    def build(self, groups: dict[str, list[nn.Parameter]], lr: dict[str, float]) -> torch.optim.Optimizer:
        params = [p for role in groups.values() for p in role]
        return torch.optim.LBFGS(
            params,
            lr=self.first_t,
            max_iter=self.iterations,
            history_size=self.history,
            line_search_fn="strong_wolfe",
        )
