"""Poly-INR for one signal.  Singh et al. 2023 (CVPR), arXiv:2303.11424."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.identity import Identity
from inr.fields._field import FIELDS
from inr.fields.mlp import Mlp
from inr.layers import ActivationConfig, BlockConfig, InitialiserConfig
from inr.layers.activations.elementwise import LeakyRelu
from inr.layers.blocks.poly_inr import PolyInrBlock
from inr.layers.initialisers.unchanged import Unchanged


@FIELDS.register("poly_inr")
@dataclass(frozen=True, kw_only=True)
class PolyInr(Mlp):
    """Features multiplied by affine maps of the coordinate, level by level: 10 levels of 256, leaky ReLU.

    The paper trains a generator of many pictures, of width 1024, with affine maps from a latent vector; here the maps
    are parameters of one signal, and width 256 trains on a CPU in minutes.
    """

    paper: ClassVar[str] = "Singh et al. 2023, arXiv:2303.11424"

    encoding: EncodingConfig = param(Identity(low=0.0, high=1.0), "coordinates to features")
    depth: int = param(10, "levels", ge=1, le=1024)
    activation: ActivationConfig = param(LeakyRelu(slope=0.2), "after both maps of a level")
    block: BlockConfig = param(PolyInrBlock(), "structure of a layer", was="cell")
    init: InitialiserConfig = param(Unchanged(), "initialiser of the linear maps")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        return {"lr": 2e-3, "steps": 1000, "batch": 4096}
