"""Coefficients times repeated bases, and a small network.  Chen et al. 2023, arXiv:2302.01226."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.dictionary import Dictionary
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp


@FIELDS.register("dictionary")
@dataclass(frozen=True, kw_only=True)
class DictionaryField(Mlp):
    """Factor field: a coefficient grid times bases under periodic coordinates, read by a 2 x 64 ReLU network."""

    paper: ClassVar[str] = "Chen et al. 2023, arXiv:2302.01226"

    encoding: EncodingConfig = param(Dictionary(), "coordinates to features")
    width: int = param(64, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(2, "hidden layers", ge=0, le=1024)

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The paper's rates for distances, 0.002 and 0.02 for grids; fewer steps than its 10000."""
        return {"lr": 2e-3, "lr_encoding": 2e-2, "steps": 600, "batch": 8192, "schedule": "cosine"}
