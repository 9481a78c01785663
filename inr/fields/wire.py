"""Wavelet networks.  Saragadam et al. 2023 (WIRE, CVPR), arXiv:2301.05187."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS
from inr.fields._periodic import Periodic, lattice_or_points
from inr.layers import ActivationConfig, LinearConfig
from inr.layers.activations.gabor import Gabor
from inr.layers.linear.complex import Complex


@FIELDS.register("wire")
@dataclass(frozen=True, kw_only=True)
class Wire(Periodic):
    """Complex Gabor wavelets: h' = exp(j omega z - |s z|^2), z = W h + b, Re of a linear output.

    The nominal `width` of 256 means 181 complex units. omega = 20 and s = 10 are from FINER's comparison on pictures
    (WIRE's own: s = 30).
    """

    paper: ClassVar[str] = "Saragadam et al. 2023, arXiv:2301.05187"

    linear: LinearConfig = param(Complex(), "parameterisation of the matrices")
    activation: ActivationConfig = param(Gabor(), "omega = 20, s = 10")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The paper's rate, decaying tenfold; 1000 steps of at most 16384 samples instead of full batches."""
        return lattice_or_points(spec, {"lr": 5e-3, "schedule": "exponential"})


@FIELDS.register("wire2d")
@dataclass(frozen=True, kw_only=True)
class Wire2d(Wire):
    """Complex Gabor wavelets with two branches: h' = exp(j omega z - s^2 (|z|^2 + |u|^2)), z and u linear in h.

    The nominal `width` of 256 means 128 complex units with two branches each.
    """

    paper: ClassVar[str] = "Saragadam et al. 2023, arXiv:2301.05187"

    activation: ActivationConfig = param(Gabor(branches=2), "omega = 20, s = 10")
