"""Coefficients of overlapping windowed cosines, in closed form: a grid of latents and a linear map.

Princen and Bradley 1986, doi:10.1109/TASSP.1986.1164954; Malvar 1990, doi:10.1109/29.56057.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.samples import Samples
from inr.encodings import EncodingConfig
from inr.encodings.local_cosine import LocalCosine, LocalCosineConfig
from inr.fields._field import FIELDS, Field
from inr.fields.mlp import Mlp, MlpField
from inr.layers import Linear


@FIELDS.register("local_cosine")
@dataclass(frozen=True, kw_only=True)
class LocalCosineField(Mlp):
    """Windowed cosines in overlapping frames (MDCT), then a linear map; solved in closed form, no training.

    f(x) = W e(x) + b, with e of `local_cosine` one feature per channel. W is the rotation onto the principal axes of
    the channels, b is 0, and the coefficients are the lapped transform of the rotated samples, so that samples are
    exact up to rounding. There is one coefficient per sample: the field is meant for compression, which sets most of
    them to zero.
    """

    paper: ClassVar[str] = "Princen and Bradley 1986, doi:10.1109/TASSP.1986.1164954"

    encoding: EncodingConfig = param(LocalCosineConfig(), "coordinates to features")
    depth: int = param(0, "no layers: the sum is the output", ge=0, le=0)

    def build(self, spec: Spec, generator: Generator) -> Field:
        return LocalCosineMlp(self, spec, generator)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Nothing to train."""
        return {"steps": 0}


class LocalCosineMlp(MlpField):
    def initialise(self, samples: Samples, generator: Generator) -> None:
        super().initialise(samples, generator)
        encoding = getattr(self.body, "encoding", None)
        last = getattr(self.body, "last", None)
        if not isinstance(encoding, LocalCosine) or not isinstance(last, Linear) or encoding.d_out != self.d_out:
            return
        axes = principal_axes(samples)
        with torch.no_grad():
            last.assign(axes.to(encoding.table))
            last.assign_bias(encoding.table.new_zeros(self.d_out))
            encoding.table.copy_(torch.einsum("jf...,fg->jg...", encoding.table.double(), axes))


def principal_axes(samples: Samples) -> Tensor:
    """The rotation [C, C] whose columns are the principal axes of the channels about 0, strongest first, float64."""
    grid = samples.grid()
    assert grid is not None, "settings are resolved for lattices only"
    y = grid.reshape(-1, grid.shape[-1]).double()
    axes: Tensor = torch.linalg.eigh(y.T @ y)[1].flip(-1)
    return axes * torch.where(axes.sum(0) < 0, -1.0, 1.0)
