"""Wavelet networks.  Saragadam et al. 2023 (WIRE, CVPR), arXiv:2301.05187."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS, Deviation
from inr.fields._full_batch import n_samples
from inr.fields._limits import Limits
from inr.fields._periodic import Periodic, lattice_or_points
from inr.fields._recipe import EIKONAL, BestRecipe, cosine
from inr.layers import ActivationConfig, LinearConfig
from inr.layers.activations.gabor import Gabor
from inr.layers.linear.complex import Complex


@FIELDS.register("wire")
@dataclass(frozen=True, kw_only=True)
class Wire(Periodic):
    """Complex Gabor wavelets: h' = exp(j omega z - |s z|^2), z = W h + b, Re of a linear output; first + 2 hidden.

    The nominal `width` of 256 means 181 complex units. The authors have omega = 20 and s = 30 for pictures; FINER's
    comparison has omega = 20, s = 10 and a hidden layer more.
    """

    paper: ClassVar[str] = "Saragadam et al. 2023, arXiv:2301.05187"
    limits: ClassVar[Limits] = Limits(
        sound=(
            "A wavelet is at most exp(omega^2 / (4 s^2)) high, so its envelope cannot be much wider than its wave: a "
            "unit has a few waves, at one place, and a sound has thousands."
        ),
    )
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("adam", 5e-3, 4096, 1000),
        shape={**cosine("soap", 3e-3, 4096, 600), "loss": "l1"},
        rest={"lr": 5e-3, "schedule": "exponential", "batch": 16384, "steps": 1000},
        surface=EIKONAL,
        record="recipes",
    )
    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.activation.omega",
            "20 for pictures",
            "10",
            "a picture gets 29.0 dB in 20 s with 10 and 10, 23.2 with 20 and 30 (record frequencies)",
        ),
        Deviation(
            "field.activation.scale",
            "30 for pictures",
            "10",
            "a picture gets 29.0 dB in 20 s with 10 and 10, 23.2 with 20 and 30 (record frequencies)",
        ),
        Deviation(
            "field.activation.omega",
            "10",
            "3 for distances",
            "a torus gets IoU .99 in 120 steps with 3 and 3, .08 with the paper's (record shape-frequencies)",
            for_distances=10,
        ),
        Deviation(
            "field.activation.scale",
            "40",
            "3 for distances",
            "a torus gets IoU .99 in 120 steps with 3 and 3, .08 with the paper's (record shape-frequencies)",
            for_distances=40,
        ),
    )

    linear: LinearConfig = param(Complex(), "parameterisation of the matrices")
    depth: int = param(3, "layers before the last linear map: the first and 2 hidden", ge=1, le=1024)
    activation: ActivationConfig = param(Gabor(), "omega = 10, s = 10; distances: 3 and 3")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """2000 passes over a picture, 65536 samples a step; distances: 200 passes over 512^3 points, 200 000 a step.

        The rate of pictures is 5e-3 times the share of the samples in a step, and falls tenfold; of shapes fivefold.
        """
        if spec.has_distances:
            schedule = {"type": "exponential", "end": 0.2}
            steps = 200 * math.ceil(512**3 / 200_000)
            return {"lr": 5e-3, "steps": steps, "batch": 200_000, "schedule": schedule}
        n = n_samples(spec)
        steps, batch = 2000 * math.ceil(n / 65536), min(n, 65536)
        lattice = {"lr": 5e-3 * batch / n, "steps": steps, "batch": batch, "schedule": "exponential"}
        return lattice_or_points(spec, lattice)


@FIELDS.register("wire2d")
@dataclass(frozen=True, kw_only=True)
class Wire2d(Wire):
    """Complex Gabor wavelets with two branches: h' = exp(j omega z - s^2 (|z|^2 + |u|^2)), z and u linear in h.

    The nominal `width` of 256 means 128 complex units with two branches each.
    """

    paper: ClassVar[str] = "Saragadam et al. 2023, arXiv:2301.05187"
    limits: ClassVar[Limits] = Limits(
        pictures=(
            "A layer has a second complex branch, so a step costs nearly twice that of `wire`: in equal time it learns "
            "less."
        ),
        sound=Wire.limits.sound,
        purpose="It is here for comparisons with its source.",
    )
    # Of shapes: the fit of record shape-frequencies; of others it has no fits of its own.
    best: ClassVar[BestRecipe] = dataclasses.replace(Wire.best, record="")
    deviations: ClassVar[tuple[Deviation, ...]] = tuple(
        Deviation(
            f"field.activation.{number}",
            "10",
            "3 for distances",
            "a torus gets IoU .996 in 120 steps with 3 and 3, .90 with the paper's (record shape-frequencies)",
            for_distances=10,
        )
        for number in ("omega", "scale")
    )

    activation: ActivationConfig = param(Gabor(branches=2), "omega = 10, s = 10; distances: 3 and 3")
