"""Frequencies and a ReLU network with row-equilibrated hidden layers.

Saratchandran, Wang and Lucey 2024, Weight Conditioning for Smooth Optimization of Neural Networks (ECCV),
arXiv:2409.03424.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from inr.core.config import param
from inr.fields._field import FIELDS, Deviation
from inr.fields._limits import Limits
from inr.fields.mlp import Mlp
from inr.layers import LinearConfig
from inr.layers.linear.row_equilibrated import RowEquilibrated


@FIELDS.register("row_equilibrated")
@dataclass(frozen=True, kw_only=True)
class RowEquilibratedMlp(Mlp):
    """ReLU network on octave frequencies whose hidden matrices have rows of equal fixed norm, for better conditioning.

    Any other family can use the same layers (`field.linear=row_equilibrated`).
    """

    paper: ClassVar[str] = "Saratchandran et al. 2024, arXiv:2409.03424"
    limits: ClassVar[Limits] = Limits(
        purpose=(
            "It is here to compare weight conditioning, which every family can have (`field.linear=row_equilibrated`)."
        ),
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            subject="forward",
            paper="rows of length 1",
            here="rows as long as the root mean square of the initial rows",
            because="activations then keep their initial scale",
        ),
    )

    linear: LinearConfig = param(RowEquilibrated(), "parameterisation of the matrices")
