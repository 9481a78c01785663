"""The error of a ReLU network over a hash grid, with all gradients, in one pass over the points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from inr.core.errors import UsageError
from inr.kernels import hash_grid, mlp_shape, relu_mlp
from inr.kernels import tcnn_layout as _tcnn_layout
from inr.kernels._dispatch import Backend, Need, Op
from inr.kernels.hash_grid import GridGeometry, Interpolation
from inr.kernels.mlp_shape import MlpShape
from inr.kernels.precision import PRECISIONS, precision

__all__ = ["OP", "Power", "grid_mlp_loss"]

Power = Literal[1, 2]


class GridMlpShape(NamedTuple):
    """What backends need to know of a call."""

    geometry: GridGeometry
    n_features: int
    network: MlpShape


def refused_by_triton(shape: GridMlpShape) -> list[str]:
    return mlp_shape.refused_by_triton(shape.network)


def refused_by_tcnn(shape: GridMlpShape) -> list[str]:
    grid = _tcnn_layout.grid_reasons(shape.geometry, shape.n_features)
    return [*grid, *mlp_shape.refused_by_tcnn(shape.network)]


# The sums are those of hash_grid and relu_mlp one after the other.
OP = Op(
    name="grid_mlp_loss",
    backends=(
        Backend(
            "reference",
            priority=0,
            target="inr.kernels.grid_mlp_loss.reference:grid_mlp_loss",
            is_functional=True,
            precisions=PRECISIONS,
        ),
        Backend(
            "cpu",
            priority=10,
            target="inr.kernels.grid_mlp_loss.cpu:grid_mlp_loss",
            package="numba",
            devices=frozenset({"cpu"}),
            dtypes=frozenset({torch.float32, torch.float64}),
            max_order=1,
            precisions=PRECISIONS,
        ),
        Backend(
            "cuda",
            priority=20,
            target="inr.kernels.grid_mlp_loss.composed:grid_mlp_loss",
            package="triton",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            precisions=PRECISIONS,
            refuses="inr.kernels.grid_mlp_loss:refused_by_triton",
        ),
        Backend(
            "tcnn",
            priority=30,
            target="inr.kernels.grid_mlp_loss.tcnn:grid_mlp_loss",
            package="tinycudann",
            devices=frozenset({"cuda"}),
            dtypes=frozenset({torch.float32}),
            max_order=1,
            is_deterministic=False,
            precisions=frozenset({"float16"}),
            refuses="inr.kernels.grid_mlp_loss:refused_by_tcnn",
        ),
    ),
    tolerances={torch.float64: 1e-12, torch.float32: 4e-5},
)


def grid_mlp_loss(
    x: Tensor,  # [N, D] in [0, 1]
    y: Tensor,  # [N, C]
    weight: Tensor | None,  # [N, C] or [N, 1]
    power: Power,
    table: Tensor,  # [T, F]
    geometry: GridGeometry,
    interpolation: Interpolation,
    weights: Sequence[Tensor],  # [H_i, H_{i-1}] each, H_0 = L F and H_n = C
    biases: Sequence[Tensor | None],  # [H_i] each
) -> Tensor:  # scalar
    """mean over points and channels of  weight |relu_mlp(hash_grid(x, table), weights, biases) - y|^power.

    x, table, geometry, interpolation: as in `hash_grid`, x and table of one type.
    weights, biases: as in `relu_mlp`, at least two layers.
    y, weight: targets and their loss weights, or None for ones; dtype and device of x.
    power: 1 or 2; at power 1 an error of exactly zero has no gradient.

    If gradients may be needed, they are computed together with the value, from features and activations that
    never leave the cache. Derivatives by x and of higher order are computed by the reference.

    Raises UsageError when shapes or dtypes do not fit; UnavailableError for a forced backend that cannot run the
    call.
    """
    hash_grid.check(x, table, geometry, interpolation)
    relu_mlp.check(x.new_empty(0, geometry.n_levels * table.shape[1]), weights, biases)
    shape = (len(x), weights[-1].shape[0])
    if tuple(y.shape) != shape or (weight is not None and tuple(weight.shape) not in (shape, (len(x), 1))):
        raise UsageError(f"targets {tuple(y.shape)} and their weights do not fit predictions of shape {shape}")
    if x.dtype != table.dtype:
        raise UsageError(f"points are {x.dtype} and the table is {table.dtype}", "both must be the same")
    if len(weights) < 2 or power not in (1, 2):
        raise UsageError(f"{len(weights)} layers and power {power}: at least 2 layers, and power 1 or 2")
    given = [bias for bias in biases if bias is not None]
    call = GridMlpShape(geometry, table.shape[1], MlpShape.of(weights, biases))
    need = Need.of(x, y, table, *weights, *given, precision=precision(), shape=call)
    result: Tensor = OP.choose(need).function(x, y, weight, power, table, geometry, interpolation, weights, biases)
    return result
