"""Mean squares of a field's gradients: Adam's second moments for fixed parameters."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from inr.core.samples import Samples
from inr.fields import Field
from inr.fitting.optimizers import OptimizerConfig
from inr.fitting.optimizers.adam import Adam
from inr.fitting.optimizers.muon import Muon
from inr.fitting.optimizers.soap import Soap

FEWEST, MOST = 4, 48
_PARTS, _SMALL = 8, 1024  # a batch is measured by draws of this part of it, if they have so many samples


def with_moments(optimizer: OptimizerConfig) -> Adam | Muon | Soap:
    """An optimizer that keeps moments; for any other, Adam with its defaults."""
    return optimizer if isinstance(optimizer, Adam | Muon | Soap) else Adam()


def second_moments(
    field: Field, samples: Samples, batch: int, generator: Generator, most: int = MOST
) -> dict[str, Tensor]:
    """v = E g^2 by parameter name, g the gradient of the mean square error of a batch, without replacement.

    Over the batches of one pass through the samples, at least 4 and at most `most`; 4 suffice for a sum over all
    parameters. From 8 batches on, draws of an eighth of the batch serve: with their mean m and variance s^2 over K
    draws of b samples, v = m^2 + s^2 (b / batch - 1 / K), which has the expectation of that of whole batches.
    """
    field = copy.deepcopy(field).eval()
    trained = {n: p for n, p in field.named_parameters() if p.requires_grad}
    batch = min(batch, samples.size)
    count = min(most, max(FEWEST, math.ceil(samples.size / batch)))
    if batch == samples.size:
        count = 1
    drawn = batch if count < _PARTS else min(batch, max(_SMALL, batch // _PARTS))
    sums, squares = ({n: torch.zeros_like(p) for n, p in trained.items()} for _ in range(2))
    device = next(iter(trained.values())).device
    for _ in range(count):
        index = torch.randint(samples.size, (drawn,), generator=generator) if count > 1 else torch.arange(batch)
        x, y = samples.at(index)
        with torch.enable_grad():
            loss = (field(x.to(device)) - y.to(device)).square().mean()
            slopes = torch.autograd.grad(loss, list(trained.values()), allow_unused=True, materialize_grads=True)
        for name, slope in zip(trained, slopes, strict=True):
            sums[name] += slope
            squares[name] += slope.square()
    if drawn == batch:
        return {n: v / count for n, v in squares.items()}
    moments = {}
    for name, total in sums.items():
        mean = total / count
        variance = (squares[name] / count - mean.square()) * (count / (count - 1))
        moments[name] = (mean.square() + variance.clamp_min(0) * (drawn / batch - 1 / count)).clamp_min(0)
    return moments


def preconditioner(moments: Mapping[str, Tensor], eps: float) -> dict[str, Tensor]:
    """W = 1 / (sqrt(v) + eps), and 0 for parameters that no sample depends on."""
    return {n: torch.where(v > 0, 1 / (v.double().sqrt() + eps), 0.0) for n, v in moments.items()}
