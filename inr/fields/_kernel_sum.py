"""Fields that are a sum over all kernels, evaluated some points at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from inr._domain import Spec
from inr._errors import ConfigError
from inr.assemblies._body import Body
from inr.fields.mlp import MlpField
from inr.kernels._dispatch import is_functional

_ROWS = 2**12


class KernelSumField(MlpField):
    """`MlpField` whose features are many: points go through in parts, so that memory stays small without gradients."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        if is_functional(x):  # a traced number of points is not to be compared with a number of rows
            return self._sum(flat).reshape(*x.shape[:-1], self.d_out)
        parts = [self._sum(part) for part in torch.split(flat, _ROWS)]
        return torch.cat(parts).reshape(*x.shape[:-1], self.d_out)

    def _sum(self, x: Tensor) -> Tensor:
        body = self.body
        if not isinstance(body, Body) or body.cells:
            return super().forward(x)
        weight, bias = body.last.effective()
        y = body.encoding.weighted(x, weight.T)
        return self.head(y if bias is None else y + bias)


def refuse_points(spec: Spec) -> None:
    """Raises ConfigError for a point cloud, which has no values that a sum could be solved for."""
    if spec.kind == "points":
        raise ConfigError(
            ["the field is solved for given values, and a point cloud has none"],
            "choose a field that is trained: siren",
        )
