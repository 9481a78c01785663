"""Fields that sum over all kernels, evaluated in chunks of points."""

from __future__ import annotations

import torch
from torch import Tensor

from inr.assemblies import Body
from inr.core.domain import Spec
from inr.core.errors import ConfigError
from inr.fields._limits import Limits
from inr.fields.mlp import MlpField
from inr.kernels import is_functional

_ROWS = 2**12

FEW_CENTRES = Limits(
    pictures=(
        "A solve has the cost of the third power of the centres, hence 1024 of them by default: one for 64 pixels "
        "of a picture of 256 x 256."
    ),
    sound=(
        "A solve has the cost of the third power of the centres, hence 1024 of them by default: one for 86 samples "
        "of 2 s, between which waves above 256 Hz are lost. Half of the power of `bach.wav` lies above that."
    ),
    purpose="It is for smooth functions that are known at few points; more centres give more detail.",
)


class KernelSumField(MlpField):
    """`MlpField` with many features: without gradients, points are evaluated in chunks to limit memory."""

    def forward(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        if is_functional(x):  # comparing a traced number of points would specialise the graph
            return self._sum(flat).reshape(*x.shape[:-1], self.d_out)
        parts = [self._sum(part) for part in torch.split(flat, _ROWS)]
        return torch.cat(parts).reshape(*x.shape[:-1], self.d_out)

    def _sum(self, x: Tensor) -> Tensor:
        body = self.body
        if not isinstance(body, Body) or body.blocks:
            return super().forward(x)
        weight, bias = body.last.effective()
        y = body.encoding.weighted(x, weight.T)
        return self.head(y if bias is None else y + bias)


def refuse_points(spec: Spec) -> None:
    """Raises ConfigError for a point cloud: it has no values to solve for."""
    if spec.traits.is_surface_only:
        raise ConfigError(
            ["the field is solved for given values, and a point cloud has no values"],
            "use a trained field, for example `field=siren`",
        )
