"""Poly-INR for one signal.  Singh et al. 2023 (CVPR), arXiv:2303.11424."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.identity import Identity
from inr.fields._field import FIELDS, Deviation
from inr.fields._limits import Limits
from inr.fields.mlp import Mlp
from inr.layers import ActivationConfig, BlockConfig, InitialiserConfig
from inr.layers.activations.elementwise import LeakyRelu
from inr.layers.blocks.poly_inr import PolyInrBlock
from inr.layers.initialisers.unchanged import Unchanged


@FIELDS.register("poly_inr")
@dataclass(frozen=True, kw_only=True)
class PolyInr(Mlp):
    """Features multiplied by affine maps of the coordinates, which every level moves: 10 levels of 256, leaky ReLU.

    The paper trains a generator of many pictures, against a discriminator, with maps that follow from a latent vector.
    Here the maps are parameters of one signal, which is fitted; rates and steps are this package's.
    """

    paper: ClassVar[str] = "Singh et al. 2023, arXiv:2303.11424"
    limits: ClassVar[Limits] = Limits(
        pictures=(
            "Its input are the coordinates themselves: ten levels of multiplications make a polynomial of low degree "
            "between the kinks of leaky ReLUs, so fine detail comes late. A level has two maps of all features, so a "
            "step costs about five times that of `mlp`."
        ),
        sound=(
            "Its input is time itself, without frequencies: ten levels of multiplications make a polynomial of low "
            "degree between the kinks of leaky ReLUs, and a sound has thousands of waves."
        ),
        shapes=(
            "Its input are the coordinates themselves, and a step costs about five times that of `mlp`, so a minute on "
            "a CPU has few steps."
        ),
        purpose=(
            "Its paper has it as a generator of many pictures, whose maps follow from a latent vector; it is here for "
            "comparisons with that."
        ),
    )
    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation("field.width", "1024", "256", "a field of one signal then trains on a CPU in minutes"),
        Deviation(
            "initial.body.blocks.*.linear.weight",
            "U(+-1/sqrt(fan_in)), torch's default",
            "uniform, with the variance that keeps the size of the features",
            "without the latent vector's large maps, torch's default would shrink the output to 1e-6 over ten levels",
        ),
    )

    encoding: EncodingConfig = param(Identity(low=0.0, high=1.0), "coordinates to features")
    depth: int = param(10, "levels", ge=1, le=1024)
    activation: ActivationConfig = param(LeakyRelu(slope=0.2), "after both maps of a level")
    block: BlockConfig = param(PolyInrBlock(), "structure of a layer", was="cell")
    init: InitialiserConfig = param(Unchanged(), "initialiser of the linear maps")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        return {"lr": 2e-3, "steps": 1000, "batch": 4096}
