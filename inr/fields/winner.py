"""Sines initialised with noise in the signal's band (WINNER, SIREN^2).  Chandravamsi et al. 2025, arXiv:2509.09719."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.identity import Identity
from inr.fields._field import FIELDS
from inr.fields._full_batch import n_samples
from inr.fields._periodic import Periodic, all_samples
from inr.fields._recipe import EIKONAL, BestRecipe, cosine
from inr.layers import ActivationConfig, InitialiserConfig
from inr.layers.activations.sine import Sine
from inr.layers.initialisers.winner import Winner as WinnerInit

_WIDTH, _WAVEFORM_WIDTH = 256, 222


@FIELDS.register("winner")
@dataclass(frozen=True, kw_only=True)
class Winner(Periodic):
    """Network of sines with initial noise in the signal's band on its first two matrices; 4 hidden layers.

    omega is 30 in all layers, also for sound. Width 256; 222 for sound, which matches SIREN's number of parameters.
    Signals other than sounds and pictures need `field.init.s0` and `field.init.s1`, the noise.

    The authors report 64.5 dB against SIREN's 34.8 on sounds after 1000 full batches. In benchmarks/claims.py (half a
    second, 300 batches of 4096, two seeds) the order was not the same for both seeds; on a 128 x 128 picture of noise
    it led by more than 20 dB with both (record claims-4).
    """

    paper: ClassVar[str] = "Chandravamsi et al. 2025, arXiv:2509.09719"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 1e-3, 4096, 1500),
        rest={"lr": 1e-4, "schedule": {"type": "exponential", "end": 0.99**50}, "batch": 16384, "steps": 1000},
        surface=EIKONAL,
        record="recipes",
        searched="siren",
    )

    width: int | None = param(  # type: ignore[assignment]  # an int once resolved
        None, "units H per hidden layer; none: 222 for sound, else 256", ge=1, le=65536
    )
    encoding: EncodingConfig = param(Identity(low=-1.0, high=1.0), "coordinates to features")
    depth: int = param(5, "layers before the last linear map: the first and 4 hidden", ge=1, le=1024)
    activation: ActivationConfig = param(Sine(omega_first=30.0), "omega = 30 in all layers")
    init: InitialiserConfig = param(WinnerInit(), "initialiser of the linear maps")

    def resolve(self, spec: Spec) -> Self:
        return dataclasses.replace(
            super().resolve(spec), width=self.width or (_WAVEFORM_WIDTH if spec.traits.is_waveform else _WIDTH)
        )

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """1000 steps of all samples, of sounds 150 000; every 20 steps the rate falls by 0.99 (pictures: 0.998)."""
        schedule = {"type": "step", "at": [i / 50 for i in range(1, 50)], "decay": _decay(spec)}
        most = 150_000 if spec.traits.is_waveform else n_samples(spec)
        return all_samples(spec, 1000, {"lr": 1e-4, "schedule": schedule, "batch": min(n_samples(spec), most)})


def _decay(spec: Spec) -> float:
    return 0.998 if spec.traits.is_picture else 0.99
