"""The residuals of a batch and their derivatives, for optimizers that solve for a step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inr.fields import Field
from inr.fitting.losses import predict
from inr.signals import Batch

LARGEST_SYSTEM = 2**13
"""Rows of the largest linear system: half a gibibyte in float64."""

_CHUNK = 2**9


class BatchResiduals:
    """r = sqrt(w) (y - f(x)) [N, C], w = 1 but where the batch says otherwise; mean r^2 is loss "mse"."""

    def __init__(self, field: Field, batch: Batch) -> None:
        self._field, self._batch = field, batch
        self._root = None if batch.weight is None else batch.weight.sqrt()

    @torch.no_grad()
    def value(self) -> Tensor:
        """r for the present parameters."""
        return self._weighted(self._batch.y - predict(self._field, self._batch))

    def linearised(self, params: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """r [N, C] and sqrt(w) df/dw [N, C, P], with the columns in the order of `params`, the field's parameters."""
        names = {id(p): name for name, p in self._field.named_parameters()}
        own = {names[id(p)]: p.detach() for p in params}

        def values(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
            out: Tensor = torch.func.functional_call(self._field, parameters, (x[None],))
            return out[0]

        rows = torch.func.vmap(torch.func.jacrev(values), (None, 0), chunk_size=_CHUNK)(own, self._points())
        jacobian = torch.cat([rows[name].flatten(2) for name in own], dim=-1)
        return self.value(), self._weighted(jacobian.permute(2, 0, 1)).permute(1, 2, 0)

    def _points(self) -> Tensor:
        batch = self._batch
        if batch.axes is None:
            return batch.x
        return torch.stack(torch.meshgrid(*batch.axes, indexing="ij"), dim=-1).flatten(0, -2)

    def _weighted(self, values: Tensor) -> Tensor:
        return values if self._root is None else values * self._root
