"""Network with factored hidden layers that can be truncated to any rank after training.

Horvath, Laskaridis, Rajput and Wang 2024, Maestro (ICML), arXiv:2308.14929.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Generator

from inr.core.config import param
from inr.core.domain import Spec
from inr.core.errors import UsageError
from inr.fields._field import FIELDS, Deviation, Field
from inr.fields._limits import Limits
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

    At rank 64 a hidden layer of 256 has half the dense layer's parameters. As in the authors' example command, each
    step trains a network with one layer cut short, without the whole network beside it (`linear.has_full_pass`), and
    columns of an importance below 1e-5 are not used. `truncate` reduces the rank of a fitted field. Any other family
    can use the same layers (`field.linear=low_rank`), and this one
    others: `field.linear=dlrt` (dynamical low-rank training) chooses the rank of each layer in training (`ranks`).
    """

    paper: ClassVar[str] = "Horvath et al. 2024, arXiv:2308.14929"
    limits: ClassVar[Limits] = Limits(
        purpose="It is for choosing the size after training: `truncate` cuts a fitted field to any rank.",
    )
    best: ClassVar[BestRecipe] = BestRecipe(
        lattice=cosine("soap", 3e-3, 4096, 1800),
        sound=cosine("soap", 3e-3, 4096, 1800),
        shape={**cosine("soap", 3e-3, 4096, 1800), "loss": "l1"},
        rest={"lr": 3e-3},
        record="recipes",
        searched="relu_pe",
    )

    deviations: ClassVar[tuple[Deviation, ...]] = (
        Deviation(
            "field.linear.rank",
            "the full rank at the start, in every layer",
            "rank 64, in the hidden layers",
            "a network of full rank has more parameters than a dense one",
        ),
        Deviation(
            "field.linear.lasso",
            "1e-6 in the example command, 5e-3 as the program's default",
            "0",
            "it pulls all columns towards 0, and a fit keeps the rank that was chosen",
        ),
        Deviation(
            "fit.optimizer", "SGD with momentum 0.9 and weight decay 1e-4", "Adam", "there is no optimizer SGD here"
        ),
        Deviation("fit.lr", "1e-2, for SGD", "1e-3", "it is Adam's usual rate"),
    )

    linear: LinearConfig = param(LowRank(rank=64, cut_below=1e-5), "parameterisation of the matrices")

    def paper_recipe(self, spec: Spec) -> Mapping[str, Any]:
        """The batch and steps of the authors' example command, for MNIST; the paper has no field."""
        return {"optimizer": "adam", "lr": 1e-3, "schedule": "constant", "batch": 256, "steps": 470}


def truncate(field: Field, rank: int) -> Field:
    """The field with only the first `rank` columns of every factored layer.

    field: any composed field with linear layers of type "low_rank", or "dlrt", whose matrices are then replaced by
    their best approximations; at max(`ranks(field)`) they keep their values. Raises UsageError for other fields, and
    for rank < 1.
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
    for layer, given in zip(linears_of(cut), linears_of(field), strict=True):
        if isinstance(layer, DlrtLinear):
            layer.assign(given.effective()[0])
    return cut


def ranks(field: Field) -> list[int]:
    """The ranks that the layers of type "dlrt" use, from first to last."""
    return [layer.rank_in_use for layer in linears_of(field) if isinstance(layer, DlrtLinear)]
