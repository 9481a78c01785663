"""One wide layer of Gaussian units on learned features.  Bouzidi et al. 2025, arXiv:2503.06762."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.hash_grid import HashGridEncodingConfig
from inr.fields._field import FIELDS, Deviation
from inr.fields.mlp import Mlp
from inr.layers import BlockConfig
from inr.layers.blocks.radial import Radial


@FIELDS.register("rbfnet")
@dataclass(frozen=True, kw_only=True)
class RbfNet(Mlp):
    """Hash-grid features read by a single layer of 128 Gaussian units: f = W exp(-sum_d b_id (e_d - c_id)^2 / 2) + b.

    Gaussian RBFNet, later called GNF: kernels in a learned feature space replace the network behind a grid. The grid is
    this package's hash grid; with `field.block.is_isotropic` a unit has one width for all features.
    """

    paper: ClassVar[str] = "Bouzidi et al. 2025, arXiv:2503.06762"
    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.encoding",
            "grids that repeat with 32 to 128 periods, or a hash grid of 16 levels as an option",
            "a hash grid with the levels of `hash_grid`",
            "the family is the layer of units, and this grid is the one that was tuned for CPUs",
        ),
        Deviation("field.width", "64 units", "128", "the grid here has fewer levels"),
    )

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

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The authors' scripts: 15,000 steps on pictures; for distances 40 epochs of 65 steps."""
        common = {"optimizer": "adam", "schedule": {"type": "exponential", "end": 0.1}}
        if spec.shape is None:
            return {**common, "lr": 5e-3, "loss": "mape", "batch": 2**17, "steps": 2600}
        return {**common, "lr": 1e-2, "loss": "l1", "batch": 2**18, "steps": 15_000}
