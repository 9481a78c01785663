"""Network of Cauchy activations.  Li, Xia and Zhang 2024 (XNet), arXiv:2409.19221."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from inr.core.config import param
from inr.fields._field import FIELDS
from inr.fields._limits import Limits
from inr.fields._periodic import Periodic
from inr.fields._recipe import EIKONAL, BestRecipe, cosine
from inr.layers import ActivationConfig
from inr.layers.activations.cauchy import Cauchy


@FIELDS.register("xnet")
@dataclass(frozen=True, kw_only=True)
class Xnet(Periodic):
    """Cauchy activations: h' = (l1 z + l2) / (z^2 + d^2), z = W h + b, with l1, l2, d trained in each layer.

    The paper is not about fields; size, starting values and recipe are ours.
    """

    paper: ClassVar[str] = "Li, Xia and Zhang 2024, arXiv:2409.19221"
    limits: ClassVar[Limits] = Limits(
        pictures=(
            "A unit is a rational function with one peak and one dip, and the three numbers of its shape are those of "
            "the whole layer, so texture needs many units. Networks with this activation run layer by layer."
        ),
        sound=(
            "A unit is a rational function with one peak and one dip, not a wave: 1024 units have far fewer peaks than "
            "a sound has waves."
        ),
        shapes=(
            "The three numbers of the activation are shared by all units of a layer, and its networks run layer by "
            "layer: a minute has half the steps of `siren`."
        ),
        purpose="It is here for comparisons with its source, which is not about fields.",
    )
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("adam", 1e-3, 4096, 900),
        shape={**cosine("soap", 1e-3, 4096, 500), "loss": "l1"},
        rest={"lr": 1e-3, "schedule": "exponential", "steps": 1000},
        surface=EIKONAL,
        record="recipes",
    )

    activation: ActivationConfig = param(Cauchy(), "rational function with three parameters per layer")
