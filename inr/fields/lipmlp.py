"""Network with learned Lipschitz bounds.

Liu, Williams, Jacobson, Fidler and Litany 2022, Learning Smooth Neural Functions via Lipschitz Regularization
(SIGGRAPH), arXiv:2202.08345.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from inr.core.config import param
from inr.core.domain import Spec
from inr.fields._field import FIELDS, Deviation
from inr.fields._full_batch import n_samples
from inr.fields._limits import Limits
from inr.fields.mlp import Mlp
from inr.layers import LinearConfig
from inr.layers.linear.lipschitz import Lipschitz


@FIELDS.register("lipmlp")
@dataclass(frozen=True, kw_only=True)
class LipMlp(Mlp):
    """ReLU network with learned bounds on the row sums of its layers; the loss adds linear.weight times their product.

    The paper regularises networks of shape codes and coordinates; here the inputs are octave frequencies of the
    coordinates, and the trained bound is that of the network behind them (`Field.lipschitz_bound` includes the
    encoding, in the 2-norm).
    """

    paper: ClassVar[str] = "Liu et al. 2022, arXiv:2202.08345"
    limits: ClassVar[Limits] = Limits(
        purpose=(
            "It is for functions that should change slowly between samples: the loss keeps the product of the layers' "
            "bounds small, and more detail needs larger bounds."
        ),
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.encoding",
            "coordinates and a code of the shape",
            "octave frequencies of the coordinates",
            "ReLU networks of raw coordinates do not follow pictures, and one signal has no code",
        ),
        Deviation("field.width", "64 in the port's script for two shapes", "256", "pictures have more detail"),
        Deviation("field.depth", "4 in that script", "3", "it is that of the other ReLU networks"),
        Deviation(
            "field.linear.weight",
            "1e-5 in that script",
            "1e-6",
            "the product of the bounds starts three times as large in the wider network",
        ),
    )

    linear: LinearConfig = param(Lipschitz(), "parameterisation of the matrices")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The PyTorch port's, for two shapes in the plane: 200,000 steps of all samples."""
        common = {"optimizer": "adam", "lr": 1e-4, "schedule": "constant", "loss": "mse"}
        return {**common, "steps": 200_000, "batch": n_samples(spec)}
