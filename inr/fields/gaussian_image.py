"""Sum of trained Gaussians.  Zhang et al. 2024 (GaussianImage), arXiv:2403.08551."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.assemblies import AssemblyConfig
from inr.assemblies.bare import BareConfig
from inr.core.config import param
from inr.core.domain import Spec
from inr.encodings import EncodingConfig
from inr.encodings.gaussians import Gaussians
from inr.fields._field import FIELDS, Deviation
from inr.fields._full_batch import n_samples
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.mlp import Mlp

CENTRES_STEP = 2.56
"""The rate of the centres of a sound, times its samples: the 1e-2 of a picture of 256 pixels."""


@FIELDS.register("gaussian_image")
@dataclass(frozen=True, kw_only=True)
class GaussianImage(Mlp):
    """Sum of trained anisotropic Gaussians, one per 8 samples, of sound per 4; no network. In any dimension.

    Values are clamped to [0, 1] only when a picture is written. Width, depth, linear, activation and block are not
    used, unless another assembly puts a network behind `encoding.features` sums (`assembly=single`).
    """

    paper: ClassVar[str] = "Zhang et al. 2024, arXiv:2403.08551"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice={**cosine("adam", 3e-2, 2048, 8000), "lr_encoding": 1e-2},
        sound=cosine("adam", 3e-2, 2048, 8000),
        rest={**cosine("adam", 3e-2, 8192, 1000), "lr_encoding": 1e-2},
        record="recipes",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.encoding.n_gaussians",
            "50000 for every picture",
            "one per 8 samples, of sound per 4",
            "the size follows the signal; on the paper's pictures of 768 x 512 it is 49152",
        ),
        Deviation("fit.optimizer", "Adan", "Adam", "this package has no Adan"),
    )

    encoding: EncodingConfig = param(Gaussians(), "the Gaussians")
    depth: int = param(0, "layers of a network behind the sums", ge=0, le=1024)
    assembly: AssemblyConfig = param(BareConfig(), "how bodies combine")

    def recipe(self, spec: Spec) -> Mapping[str, Any]:
        """Of sound a step of the centres, which are shares of the signal, is as many samples long as of a picture."""
        found = super().recipe(spec)
        if spec.shape is None or not spec.traits.is_waveform:
            return found
        return {**found, "lr_encoding": min(1e-2, CENTRES_STEP / spec.shape[0])}

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """50,000 steps of all samples, with half the rate after 20,000 and 40,000; the paper's optimizer is Adan."""
        schedule = {"type": "step", "at": [0.4, 0.8], "decay": 0.5}
        return {"lr": 1e-3, "steps": 50_000, "batch": n_samples(spec), "schedule": schedule, "optimizer": "adam"}
