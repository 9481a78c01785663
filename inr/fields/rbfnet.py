"""One wide layer of Gaussian units on learned features.  Bouzidi et al. 2025, arXiv:2503.06762."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp
from inr.layers import BlockConfig
from inr.layers.blocks.radial import Radial


@FIELDS.register("rbfnet")
@dataclass(frozen=True, kw_only=True)
class RbfNet(Mlp):
    """Hash-grid features read by a single layer of 128 Gaussian units: f = W exp(-|e - c_i|^2 / (2 s_i^2)) + b.

    Based on Gaussian RBFNet: kernels in a learned feature space replace the network behind a grid. We could not verify
    the paper's architecture and settings; grid and recipe are those of this package's hash grid.
    """

    paper: ClassVar[str] = "Bouzidi et al. 2025, arXiv:2503.06762 (details not verified)"

    encoding: EncodingConfig = param(HashGridEncodingConfig(), "coordinates to features")
    width: int = param(128, "Gaussian units K", ge=1, le=65536)
    depth: int = param(1, "layers of units", ge=0, le=1024)
    block: BlockConfig = param(Radial(), "structure of a layer", was="cell")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        adam = {"type": "adam", "beta2": 0.99, "eps": 1e-15}
        return {
            "optimizer": adam,
            "lr": 1e-2,
            "steps": 1000,
            "batch": 8192,
            "schedule": {"type": "cosine", "end": 0.05},
        }
