"""Differences of a field instead of its values: gradient-domain pictures.  Perez, Gangnet and Blake 2003."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator, Tensor

from inr.core.errors import UsageError
from inr.fields import Field
from inr.fitting.losses._base import LOSSES, LossConfig
from inr.signals import Batch


@LOSSES.register("edge")
@dataclass(frozen=True, kw_only=True)
class Edge(LossConfig):
    """mean w (sum_k a_k f(x_k) - y)^2: f(q) - f(p) along edges of pixels, or sums over more of them.

    No derivative of the field is taken, so every field can be fitted. The points and factors are the batch's `stencil`.
    """

    def value(self, field: Field, batch: Batch, generator: Generator) -> Tensor:
        if batch.stencil is None:
            raise UsageError(
                "loss 'edge' needs wanted differences, which this signal does not have", "`inr solve clone`"
            )
        square = (batch.stencil.sums(field(batch.stencil.points)) - batch.y).square()
        loss: Tensor = square.mean() if batch.weight is None else (square * batch.weight).mean()
        return loss
