"""Network with factored hidden layers that can be truncated to any rank after training.

Horvath, Laskaridis, Rajput and Wang 2024, Maestro (ICML), arXiv:2308.14929.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from torch import Generator

from inr.core.config import param
from inr.core.errors import UsageError
from inr.fields._field import FIELDS, Field
from inr.fields._recipe import BestRecipe, cosine
from inr.fields.mlp import Mlp, MlpField
from inr.layers import LinearConfig
from inr.layers.folding import linears_of
from inr.layers.linear.dlrt import Dlrt, DlrtLinear
from inr.layers.linear.low_rank import LowRank


@FIELDS.register("low_rank")
@dataclass(frozen=True, kw_only=True)
class LowRankMlp(Mlp):
    """ReLU network on octave frequencies, hidden matrices U V^T of rank 64 with columns in order of importance.

    Maestro starts at full rank; at 64 a hidden layer of 256 has half the dense layer's parameters. `truncate`
    reduces the rank of a fitted field. Any other family can use the same layers (`field.linear=low_rank`), and this one
    others: `field.linear=dlrt` (dynamical low-rank training) chooses the rank of each layer in training (`ranks`).
    """

    paper: ClassVar[str] = "Horvath et al. 2024, arXiv:2308.14929"
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 3e-3, 4096, 1800), rest={"lr": 3e-3}, record="recipes", searched="relu_pe"
    )

    linear: LinearConfig = param(LowRank(rank=64), "parameterisation of the matrices")


def truncate(field: Field, rank: int) -> Field:
    """The field with only the first `rank` columns of every factored layer.

    field: any composed field with linear layers of type "low_rank" or "dlrt". At max(`ranks(field)`) the latter keeps
    its values. Raises UsageError for other fields and for rank < 1.
    """
    if not isinstance(field, MlpField) or not isinstance(field.config.linear, LowRank | Dlrt):
        raise UsageError(
            "only a field with linear layers of type 'low_rank' or 'dlrt' can be truncated",
            "fit with `field.linear=low_rank`",
        )
    if rank < 1:
        raise UsageError(f"`rank` is {rank}, expected at least 1")
    linear = dataclasses.replace(field.config.linear, rank=min(rank, field.config.linear.rank or rank))
    cut = MlpField(dataclasses.replace(field.config, linear=linear), field.spec, Generator())
    shapes = {name: tensor.shape for name, tensor in cut.state_dict().items()}
    state = field.state_dict()
    cut.load_state_dict({k: t[tuple(slice(n) for n in shapes[k])] for k, t in state.items()})
    return cut


def ranks(field: Field) -> list[int]:
    """The ranks that the layers of type "dlrt" use, from first to last."""
    return [layer.rank_in_use for layer in linears_of(field) if isinstance(layer, DlrtLinear)]
