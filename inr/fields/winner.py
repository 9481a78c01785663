"""Sines with noise of the signal's band (WINNER, SIREN^2).  Chandravamsi et al. 2025, arXiv:2509.09719."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from inr._config import param
from inr._domain import Spec
from inr.fields._field import FIELDS
from inr.fields._periodic import Periodic, lattice_or_points
from inr.layers import ActivationConfig, InitialiserConfig
from inr.layers.sine import Sine
from inr.layers.winner import Winner as WinnerInit

_WIDTH = {"audio": 222}


@FIELDS.register("winner")
@dataclass(frozen=True, kw_only=True)
class Winner(Periodic):
    """Network of sines that starts with noise of the signal's band on its first two matrices; 4 hidden layers.

    omega is 30 in all layers, for sound too. Width 256, and 222 for sound, as many parameters as SIREN's. For signals
    other than sounds and pictures set the noise: `init.s0` and `init.s1`.

    The authors report 64.5 dB against SIREN's 34.8 on sounds after 1000 full batches. In benchmarks/claims.py (half a
    second, 300 batches of 4096, two seeds) the order was not the same for both seeds; on a 128 x 128 picture of noise
    it led by more than 20 dB with both (record claims-4).
    """

    paper: ClassVar[str] = "Chandravamsi et al. 2025, arXiv:2509.09719"

    width: int | None = param(  # type: ignore[assignment]  # an int once resolved
        None, "units H per hidden layer; none: 222 for sound, else 256", ge=1, le=65536
    )
    depth: int = param(5, "layers before the last linear map: the first and 4 hidden", ge=1, le=1024)
    activation: ActivationConfig = param(Sine(omega_first=30.0), "omega = 30 in all layers")
    init: InitialiserConfig = param(WinnerInit(), "how linear maps start")

    def resolve(self, spec: Spec) -> Self:
        return dataclasses.replace(super().resolve(spec), width=self.width or _WIDTH.get(spec.kind, 256))

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The authors' rate and its total decay over 1000 epochs (0.99 or, for pictures, 0.998 every 20).

        Steps of at most 16384 samples where theirs take all, up to 150 000.
        """
        end = 0.998**50 if spec.kind == "image" else 0.99**50
        return lattice_or_points(spec, {"lr": 1e-4, "schedule": {"type": "exponential", "end": end}})
