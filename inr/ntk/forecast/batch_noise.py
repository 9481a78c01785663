"""From runs with small batches to the run with its own: how much less a larger batch leaves of each band.

A run on few samples per step is cheap and goes through the same change of the kernel as the whole one, with the same
optimizer and schedule. It leaves more, because its gradients are noisier. In benchmarks/rehearsals.py the logarithm of
what is left fell about in proportion to the logarithm of the batch, so two such runs give the rest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

GAIN = 1.0
"""Of the slope, for the whole batch. Chosen with the weights of `blend` over the runs of 2026-11-30: at 0.75 bands are
called unlearned too often (81 % of such forecasts are right, 84 % at 1.0), above 1 the error of the energy left grows.
Runs that chose nothing (`rehearsals.py --apart`) agree.
"""
SPREAD = 1.5
"""Bands over which slopes are averaged."""
LEAST = 1e-12


def extrapolated(large: Tensor, small: Tensor, batches: tuple[int, int], full: int) -> Tensor:
    """What a run with batches of `full` samples leaves of each band [..., B], as large and small.

        log e(full) = log e(large) + g s log(full / large),     s = log(e(large) / e(small)) / log(large / small)

    s is a Gaussian mean over neighbouring bands, and at most 0: more samples never leave more. Bands of which nothing
    is left, or that the signal does not have, stay 0.

    large, small: energies left [..., B] by runs with `batches` (descending) samples per step.
    """
    if batches[0] <= batches[1] or full <= batches[0]:
        return large.double()
    log = [e.double().clamp_min(LEAST).log() for e in (large, small)]
    slope = (log[0] - log[1]) / math.log(batches[0] / batches[1])
    place = torch.arange(slope.shape[-1], dtype=torch.float64)
    weight = torch.exp(-0.5 * ((place[:, None] - place) / SPREAD).square())
    known = ((large > 0) & (small > 0)).double()
    slope = ((slope * known) @ weight / (known @ weight).clamp_min(1e-300)).clamp_max(0)
    return torch.where(large > 0, (log[0] + GAIN * slope * math.log(full / batches[0])).exp(), 0.0)
