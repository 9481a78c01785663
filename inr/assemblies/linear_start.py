"""Networks of rectified layers that start as a given linear map."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from inr.assemblies._body import Body
from inr.assemblies._fused import linears_between
from inr.layers.activations.relu import ReluActivation
from inr.layers.linear.dense import DenseLinear


def read_through(body: nn.Module, start: Callable[[], Tensor], rest: float = 0.0) -> bool:
    """Make the network of a body start as the linear map A [C, E] of its features that `start` returns.

    With A = sum_k s_k u_k w_k^T (singular values), z = relu(z) - relu(-z) needs two units for each k: their weights are
    sqrt(s_k) w_k and -sqrt(s_k) w_k in the first layer, further layers pass them on, and the last has sqrt(s_k) u_k and
    -sqrt(s_k) u_k. The other units keep their weights, but the last layer does not read them, nor do those two.

    rest: above 0, the other units form a separate network of the features that A does not read; the last layer reads
    it with `rest` times its initial weights. So the field starts near A, and features that have small values at the
    start have gradients from the first step on.

    Returns False, before `start` is called, where the network cannot: other layers than dense ones between ReLUs, or
    fewer than 2 C units.
    """
    if not isinstance(body, Body):
        return False
    linears = linears_between(ReluActivation, list(body.blocks), body.last)
    if linears is None or not all(isinstance(linear, DenseLinear) for linear in linears):
        return False
    n = 2 * body.last.d_out
    if any(linear.d_out < n for linear in linears[:-1]):
        return False
    read = start().double()
    left, sizes, right = torch.linalg.svd(read, full_matrices=False)
    roots = sizes.sqrt()
    signs = torch.tensor([1.0, -1.0], dtype=torch.float64)
    inner = ((roots[:, None] * right)[:, None] * signs[:, None]).flatten(0, 1)
    outer = ((left * roots)[..., None] * signs).flatten(1, 2)
    for i, linear in enumerate(linears):
        weight, bias = (None if part is None else part.detach().clone() for part in linear.effective())
        assert weight is not None
        used = read.abs().sum(0) > 0 if linear is linears[0] else torch.arange(weight.shape[1]) < len(inner)
        if rest:
            weight[:, used] = 0
        if linear is linears[-1]:
            weight *= rest
            weight[:, : outer.shape[1]] = outer.to(weight)
        else:
            weight[: len(inner)] = inner.to(weight) if i == 0 else torch.eye(len(inner), weight.shape[1]).to(weight)
        linear.assign(weight)
        if bias is not None:
            bias[: len(inner) if linear is not linears[-1] else None] = 0
            linear.assign_bias(bias)
    return True
