"""Gaussians with variable period.  Zhu et al. 2024 (FINER++), arXiv:2407.19434."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS
from inr.fields._periodic import Periodic, lattice_or_points
from inr.layers import ActivationConfig
from inr.layers.activations.gauss import Gauss


@FIELDS.register("finer_pp")
@dataclass(frozen=True, kw_only=True)
class FinerPlusPlus(Periodic):
    """Gaussians with variable period: h' = exp(-(s sin(w (|z| + 1) z))^2), z = W h + b, first layer + 3 hidden of 256.

    FINER++ has two more variants: the sine (`finer`), and the wavelet, `wire` with
    `activation.warp=5 activation.omega=4 activation.scale=2` at rate 1e-3.
    """

    paper: ClassVar[str] = "Zhu et al. 2024, arXiv:2407.19434"

    activation: ActivationConfig = param(Gauss(scale=10.0, warp=3.0), "the authors' s = 10, w = 3")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The authors' rate, decaying tenfold; 1000 steps of at most 16384 samples instead of 5000 full batches."""
        return lattice_or_points(spec, {"lr": 1e-3, "schedule": "exponential"})
