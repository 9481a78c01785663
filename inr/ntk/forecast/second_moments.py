"""Mean squares of a field's gradients: Adam's second moments for fixed parameters."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import torch
from torch import Generator, Tensor

from inr.core.samples import Samples
from inr.fields import Field

FEWEST, MOST = 4, 48


def second_moments(
    field: Field, samples: Samples, batch: int, generator: Generator, most: int = MOST
) -> dict[str, Tensor]:
    """v = E g^2 by parameter name, g the gradient of the mean square error of a batch, without replacement.

    Over the batches of one pass through the samples, at least 4 and at most `most`; 4 suffice for a sum over all
    parameters.
    """
    field = copy.deepcopy(field).eval()
    trained = {n: p for n, p in field.named_parameters() if p.requires_grad}
    moments = {n: torch.zeros_like(p) for n, p in trained.items()}
    batch = min(batch, samples.size)
    count = min(most, max(FEWEST, math.ceil(samples.size / batch)))
    if batch == samples.size:
        count = 1
    device = next(iter(trained.values())).device
    for _ in range(count):
        index = torch.randint(samples.size, (batch,), generator=generator) if count > 1 else torch.arange(batch)
        x, y = samples.at(index)
        with torch.enable_grad():
            loss = (field(x.to(device)) - y.to(device)).square().mean()
            slopes = torch.autograd.grad(loss, list(trained.values()), allow_unused=True, materialize_grads=True)
        for moment, slope in zip(moments.values(), slopes, strict=True):
            moment += slope.square() / count
    return moments


def preconditioner(moments: Mapping[str, Tensor], eps: float) -> dict[str, Tensor]:
    """W = 1 / (sqrt(v) + eps), and 0 for parameters that no sample depends on."""
    return {n: torch.where(v > 0, 1 / (v.double().sqrt() + eps), 0.0) for n, v in moments.items()}
