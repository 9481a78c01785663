"""Coefficients times repeated bases, and a small network.  Chen et al. 2023, arXiv:2302.01226."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from inr.assemblies import BodyPlan
from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.dictionary import Dictionary
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp


@FIELDS.register("dictionary")
@dataclass(frozen=True, kw_only=True)
class DictionaryField(Mlp):
    """Factor field: a coefficient grid times bases under periodic coordinates, read by a ReLU layer of 64 units.

    Distances are read by a linear map alone. The last map has no bias.
    """

    paper: ClassVar[str] = "Chen et al. 2023, arXiv:2302.01226"

    encoding: EncodingConfig = param(Dictionary(), "coordinates to features")
    width: int = param(64, "units H per hidden layer", ge=1, le=65536)
    depth: int | None = param(  # type: ignore[assignment]  # `resolve` makes it a number
        None, "hidden layers; none: 1 on lattices, 0 for distances", ge=0, le=1024
    )
    has_last_bias: bool = param(False, "the last map has a bias, if the others have one", absent=True)

    def resolve(self, spec: Spec) -> Self:
        depth = self.depth if self.depth is not None else 0 if spec.shape is None else 1
        return super(DictionaryField, dataclasses.replace(self, depth=depth)).resolve(spec)

    def plan(self) -> BodyPlan:
        return dataclasses.replace(super().plan(), has_last_bias=self.has_last_bias)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The paper's rates for distances, 0.002 and 0.02 for grids; fewer steps than its 10000."""
        return {"lr": 2e-3, "lr_encoding": 2e-2, "steps": 600, "batch": 8192, "schedule": "cosine"}

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """10,000 steps at a constant rate. The authors multiply the loss by 0.1^(step / 10000), which Adam ignores."""
        common = {"optimizer": {"type": "adam", "beta2": 0.99}, "steps": 10_000, "schedule": "constant", "loss": "mse"}
        if spec.shape is None:
            return {"lr": 2e-3, "lr_encoding": 2e-2, "batch": 40_960, **common}
        return {"lr": 2e-3, "batch": 102_400, **common}
