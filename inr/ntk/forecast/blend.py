"""A rehearsal's forecast and the kernel's together: their errors differ, so a mean of both is off by less than either.

In benchmarks/rehearsals.py rehearsals leave too little where the effect of the batch is carried on too far, kernels too
much where they still change. The weights were chosen on the runs of 2026-11-30 and checked on those of --apart.
"""

from __future__ import annotations

import torch
from torch import Tensor

KERNEL_WEIGHT = ((0.1, 0.1), (0.03, 0.5), (0.0, 0.7))
"""(share of the run's samples from which, weight of the kernel's forecast); descending."""
LEAST = 1e-6


def kernel_weight(share: float) -> float:
    """Of the kernel's forecast beside a rehearsal with `share` of the run's samples: less for larger ones."""
    return next(weight for least, weight in KERNEL_WEIGHT if share >= least * (1 - 1e-9))


def blended(rehearsed: Tensor, kernel: Tensor, weight: float) -> Tensor:
    """Forecasts by step and band [T, B] whose last row is rehearsed^(1 - weight) kernel^weight.

    rehearsed: of a rehearsal [T, B], steps evenly spaced in the logarithm; its first row is kept, the rows between
    change evenly. kernel: the kernel's forecast for the last step [B]. Bands of which a rehearsal leaves nothing, or
    that the signal does not have (0), stay 0.
    """
    last = rehearsed[-1].clamp_min(LEAST)
    shift = weight * (kernel.to(last).clamp_min(LEAST) / last).log()
    progress = torch.linspace(0, 1, len(rehearsed), dtype=rehearsed.dtype)
    return rehearsed * (progress[:, None] * shift).exp()
