"""B-spline wavelets of ReLUs.  Shenouda, Zhou and Nowak 2024 (BW-ReLU), arXiv:2406.02529."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS
from inr.fields._periodic import Periodic, all_samples, lattice_or_points
from inr.layers import ActivationConfig
from inr.layers.activations.bspline_wavelet import BsplineWavelet


@FIELDS.register("bw_relu")
@dataclass(frozen=True, kw_only=True)
class BwRelu(Periodic):
    """Quadratic B-spline wavelets made of ReLUs: h' = psi(c (W h + b)), 3 layers of 300, linear output."""

    paper: ClassVar[str] = "Shenouda, Zhou and Nowak 2024, arXiv:2406.02529"

    width: int = param(300, "units H per hidden layer", ge=1, le=65536)
    depth: int = param(3, "layers before the last linear map", ge=1, le=1024)
    activation: ActivationConfig = param(BsplineWavelet(), "c = 9")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """1000 steps of all samples at the rate of the authors' signal representation, which falls tenfold."""
        return all_samples(spec, 1000, {"lr": 3e-3, "schedule": "exponential"})

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The paper's rate, decaying tenfold; 1000 steps of at most 16384 samples instead of all."""
        return lattice_or_points(spec, {"lr": 3e-3, "schedule": "exponential"})
