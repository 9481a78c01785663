"""One network per axis, contracted.  Vemuri et al. 2026 (F-INR), arXiv:2503.21507."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.assemblies import AssemblyConfig
from inr.assemblies.cp import CpConfig
from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.identity import Identity
from inr.fields._field import FIELDS
from inr.fields._full_batch import n_samples
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.mlp import Mlp
from inr.layers import ActivationConfig, InitialiserConfig
from inr.layers.activations.sine import Sine
from inr.layers.initialisers.small_sine import SmallSine

MOST_SAMPLES = 2**20
"""In a step: the whole lattice, if it has no more."""

OFF_LATTICE = cosine("adam", 1e-3, 4096, 1000)
"""For points of a surface, which gain nothing from the factorisation."""


@FIELDS.register("f_inr")
@dataclass(frozen=True, kw_only=True)
class FInr(Mlp):
    """Factorised network: one small network per axis, contracted at rank R; fast on lattices.

    The default assembly is cp of rank 128 (`field.assembly.rank`); `field.assembly=tt` is the tensor train, and
    `field.assembly=tucker` the Tucker form. Encoding, activation and block configure the axis networks; by default they
    are 3 x 256 sines with omega 100 in the first layer, one of the paper's backends. A sound has one axis, so that
    nothing is factorised there; its coordinates are in +-30, which is ours (record sound-frequencies). On lattices of
    three axes or more, the authors' small start is scaled (`assembly.is_scaled`).
    """

    paper: ClassVar[str] = "Vemuri et al. 2026, arXiv:2503.21507"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice={**cosine("soap", 1e-3, MOST_SAMPLES, 1000), "sampler": "grid"},
        volume={**cosine("adam", 1e-3, MOST_SAMPLES, 1000), "sampler": "grid"},
        sound={**cosine("soap", 1e-3, 4096, 1500), "sampler": "grid"},
        shape={**cosine("soap", 1e-3, 4096, 600), "loss": "l1"},
        rest=OFF_LATTICE,
        record="recipes",
    )

    sound_range: ClassVar[float | None] = 30.0

    encoding: EncodingConfig = param(Identity(), "coordinate of an axis to features")
    activation: ActivationConfig = param(Sine(omega_first=100.0), "elementwise function of the hidden layers")
    assembly: AssemblyConfig = param(CpConfig(), "how bodies combine")
    init: InitialiserConfig = param(SmallSine(), "initialiser of the linear maps")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """SOAP's rate is that of sines: another activation has Adam instead, and also whole lattices."""
        own = self.best.settings(spec)
        return own if super().recipe(spec) == own else {**own, "optimizer": "adam"}

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """15,000 steps on the whole lattice."""
        sampler = {} if spec.shape is None else {"sampler": "grid"}
        return {"lr": 1e-3, "batch": n_samples(spec), "steps": 15_000, "schedule": "constant", **sampler}
