"""Shared settings of the two forms of Pi-nets.  Chrysos et al. 2020, arXiv:2003.03828."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar, Self

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.random_fourier import RandomFourier
from inr.fields._field import Deviation
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.mlp import Mlp
from inr.layers import ActivationConfig, InitialiserConfig
from inr.layers.activations.identity import NoActivation
from inr.layers.initialisers.unchanged import Unchanged

PICTURES, DISTANCES = 30.0, 3.0
"""Sigma, in cycles per side. With those of `rff`, 10 and 1, texture and details come late."""


@dataclass(frozen=True, kw_only=True)
class PiNet(Mlp):
    """A polynomial of the encoding's features; its degree is the number of blocks.

    The features are 128 random frequencies with sigma 30 for pictures and 3 for distances; with encoding=identity it is
    a polynomial of degree `depth` of the raw coordinates. Maps of e have no bias (`has_bias` concerns the last map).
    All start at torch's default, as in the authors' tutorial. The paper is not about fields: sizes and recipe are ours.
    """

    paper: ClassVar[str] = "Chrysos et al. 2020, arXiv:2003.03828"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 3e-3, 4096, 1000),
        sound=cosine("adam", 2e-3, 4096, 2000),
        shape={**cosine("soap", 3e-3, 4096, 700), "loss": "l1"},
        rest={"lr": 2e-3, "steps": 1000, "batch": 8192},
        record="recipes",
        searched="pi_ccp",
    )
    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            subject="field.encoding",
            paper="the input itself",
            here="128 random frequencies of the coordinates",
            because="a polynomial of degree 4 of the coordinates cannot follow a picture",
        ),
    )

    encoding: EncodingConfig = param(RandomFourier(n_frequencies=128), "coordinates to features, in [-1, 1]")
    depth: int = param(4, "degree N: multiplications", ge=1, le=64)
    activation: ActivationConfig = param(NoActivation(), "after each block; identity keeps it a polynomial")
    init: InitialiserConfig = param(Unchanged(), "initialiser of the linear maps")

    def resolve(self, spec: Spec) -> Self:
        is_picture = spec.shape is not None and spec.d_in == 2
        encoding = self.encoding
        if isinstance(encoding, RandomFourier) and encoding.sigma is None and (is_picture or spec.has_distances):
            encoding = dataclasses.replace(encoding, sigma=DISTANCES if spec.has_distances else PICTURES)
        return super(PiNet, dataclasses.replace(self, encoding=encoding)).resolve(spec)
