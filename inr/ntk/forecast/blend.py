"""A rehearsal's forecast, the kernel's and the flow's together: their errors differ, so a mean is off by less.

In benchmarks/rehearsals.py rehearsals leave too little where the effect of the batch is carried on too far, kernels too
much where they still change. The flow along kernels that are read again (`kernel_path`) is the best of the three for
grids, and leaves too little for networks with SOAP. The weights were chosen on the runs of 2026-11-30 and checked on
those of --apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inr.ntk.forecast.calibration import GRID

KERNEL_WEIGHT = ((0.1, 0.1), (0.03, 0.5), (0.0, 0.7))
"""(share of the run's samples from which, weight of the kernel's forecast); descending."""
WITH_FLOW = (0.2, 0.6)
"""Weights of the kernel's forecast and of the flow's, for grids."""
LEAST_FLOW = 0.1
"""Share of the run's samples from which the flow counts. With 3 % it helped some groups of runs and not others."""
LEAST = 1e-6


def kernel_weight(share: float) -> float:
    """Of the kernel's forecast beside a rehearsal with `share` of the run's samples: less for larger ones."""
    return next(weight for least, weight in KERNEL_WEIGHT if share >= least * (1 - 1e-9))


def uses_flow(kind: str, share: float) -> bool:
    """Whether forecasts of a class of families use the flow in a rehearsal with this share of the run's samples."""
    return kind == GRID and share >= LEAST_FLOW * (1 - 1e-9)


def blended(rehearsed: Tensor, others: Sequence[tuple[Tensor, float]]) -> Tensor:
    """Forecasts by step and band [T, B] whose last row is the geometric mean of the rehearsal's and of others.

    rehearsed: of a rehearsal [T, B], steps evenly spaced in the logarithm; its first row is kept, the rows between
    change evenly. others: forecasts for the last step [B] and their weights, of sum at most 1; the rehearsal has the
    rest. Bands of which a rehearsal leaves nothing, or that the signal does not have (0), stay 0.
    """
    last = rehearsed[-1].clamp_min(LEAST)
    shift = torch.zeros_like(last)
    for forecast, weight in others:
        shift = shift + weight * (forecast.to(last).clamp_min(LEAST) / last).log()
    progress = torch.linspace(0, 1, len(rehearsed), dtype=rehearsed.dtype)
    return rehearsed * (progress[:, None] * shift).exp()


def blend(rehearsed: Tensor, kernel: Tensor | None, flow: Tensor | None, share: float) -> Tensor:
    """The forecast [T, B] of a rehearsal with a share of the run's samples, and of those that there are besides [B]."""
    if flow is not None:
        of_kernel, of_flow = WITH_FLOW
        return blended(rehearsed, [(flow, of_flow), *([] if kernel is None else [(kernel, of_kernel)])])
    return rehearsed if kernel is None else blended(rehearsed, [(kernel, kernel_weight(share))])
