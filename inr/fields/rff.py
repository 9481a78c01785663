"""ReLU network on random Fourier features.  Tancik et al. 2020, arXiv:2006.10739."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.random_fourier import RandomFourier
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp
from inr.layers import HeadConfig
from inr.layers.heads.standard import TanhHeadConfig


@FIELDS.register("rff")
@dataclass(frozen=True, kw_only=True)
class Rff(Mlp):
    """ReLU network on random Fourier features, 3 hidden layers of 256, tanh output (the paper's sigmoid on our range).

    sigma 10 is the paper's for natural pictures, 14 for pictures of text. Signed distances lie well inside the head's
    range.
    """

    paper: ClassVar[str] = "Tancik et al. 2020, arXiv:2006.10739"

    encoding: EncodingConfig = param(RandomFourier(), "sigma 10, 256 frequencies")
    head: HeadConfig = param(TanhHeadConfig(), "last features to values")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The paper's rate without a schedule; 1000 steps instead of 2000. Adam ignores the factor 1/2 of its loss."""
        return {"lr": 1e-3, "steps": 1000, "schedule": "constant"}
