"""Learning rates by role, and rates that hold for every width (the maximal update parametrisation).

Yang et al. 2022, Tensor Programs V: Tuning Large Neural Networks via Zero-Shot Hyperparameter Transfer,
arXiv:2203.03466 (mu-P, table 3).
"""

from __future__ import annotations

import torch
from torch import nn

from inr.core.errors import UsageError
from inr.fields import Field
from inr.fields.mlp import Mlp
from inr.fitting.settings import FitConfig
from inr.layers.folding import linears_of
from inr.layers.linear.dense import DenseLinear


def parameters_and_rates(field: Field, settings: FitConfig) -> tuple[dict[str, list[nn.Parameter]], dict[str, float]]:
    """Parameters by role, as `OptimizerConfig.build` takes them, and the rate of each role.

    `lr_encoding` for the encoding, `lr` for others. With `base_width` B and width H, lr B / H for the matrices of
    hidden and last layers, whose biases then have another role.
    """
    groups = field.param_groups()
    lr_encoding = settings.lr if settings.lr_encoding is None else settings.lr_encoding
    rates = {role: lr_encoding if role == "encoding" else settings.lr for role in groups}
    if settings.base_width is None:
        return groups, rates
    matrices = {id(layer.weight) for layer in _dense_layers(field) if layer.role != "first"}
    ratio = settings.base_width / _width(field)
    parted: dict[str, list[nn.Parameter]] = {}
    for role, parameters in groups.items():
        for p in parameters:
            own = role if id(p) in matrices or role not in ("hidden", "last") else f"{role}_bias"
            parted.setdefault(own, []).append(p)
    return parted, {
        role: ratio * settings.lr if role in ("hidden", "last") else rates[role.removesuffix("_bias")]
        for role in parted
    }


def scale_output(field: Field, settings: FitConfig) -> None:
    """Multiply the last matrix, as initialised, by sqrt(B / H) for `base_width` B and width H; None: leave it.

    Its variance is then proportional to 1 / H^2, where usual initialisations have 1 / H.
    """
    if settings.base_width is None:
        return
    for layer in _dense_layers(field):
        if layer.role == "last":
            with torch.no_grad():
                layer.weight.mul_((settings.base_width / _width(field)) ** 0.5)


def check_base_width(field: Field, settings: FitConfig) -> None:
    """Refuse `base_width` for all but networks of dense layers with one last map, and for all optimizers but Adam."""
    if settings.base_width is None:
        return
    roles = [layer.role for layer in linears_of(field)]
    is_dense = all(isinstance(layer, DenseLinear) for layer in linears_of(field))
    is_plain = isinstance(field.config, Mlp) and roles.count("last") == 1 and {*roles} <= {"first", "hidden", "last"}
    if not is_dense or not is_plain or "first" not in roles:
        raise UsageError(
            f"base_width is for networks of dense layers that end in one map, but this is a "
            f"{field.config.type_name!r} field with other parts",
            "use `fit.base_width=none`, or `field=siren` or `field=mlp`",
        )
    if not settings.optimizer.is_adam_like:
        raise UsageError(
            f"base_width has the rates of Adam, but the optimizer is {settings.optimizer.type_name!r}",
            "use `fit.optimizer=adam`, or `fit.base_width=none`",
        )


def _dense_layers(field: Field) -> list[DenseLinear]:
    return [layer for layer in linears_of(field) if isinstance(layer, DenseLinear)]


def _width(field: Field) -> int:
    assert isinstance(field.config, Mlp)
    return field.config.width
