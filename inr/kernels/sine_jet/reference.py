"""Jets of networks in plain torch: the definition that every other backend is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import linear

from inr.kernels.jet_plan import JetPlan
from inr.kernels.pointwise import Pointwise


def sine_jet(
    jets: Tensor,  # [S, N, K]
    weights: Sequence[Tensor],
    biases: Sequence[Tensor | None],
    activations: Sequence[Pointwise],
    plan: JetPlan,
) -> Tensor:  # [S, N, C]
    """See `inr.kernels.sine_jet.sine_jet`. Any device and dtype, any order of derivative, any transform."""
    h = jets
    for weight, bias, activation in zip(weights[:-1], biases[:-1], activations, strict=True):
        h = activated(affine(h, weight, bias), activation, plan)
    return affine(h, weights[-1], biases[-1])


def affine(h: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """W h + b of the value, and W h of every derivative."""
    z = linear(h, weight)
    return z if bias is None else torch.cat([z[:1] + bias, z[1:]])


def activated(z: Tensor, activation: Pointwise, plan: JetPlan) -> Tensor:
    """Jets [S, N, H] of f(z) from those of z."""
    value, slope, bend = derivatives(z[0], activation)[:3]
    firsts = z[1 : 1 + plan.n_first]
    streams = [value, *(slope * first for first in firsts)]
    for second, terms in zip(z[1 + plan.n_first :], plan.seconds, strict=True):
        products = [c * firsts[i] * firsts[j] for i, j, c in terms]
        streams.append(slope * second + bend * torch.stack(products).sum(0) if products else slope * second)
    return torch.stack(streams)


def derivatives(z: Tensor, activation: Pointwise) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """f, f', f'' and f''' at z."""
    if activation.name == "tanh":
        t = torch.tanh(z)
        slope = 1 - t * t
        return t, slope, -2 * t * slope, slope * (6 * t * t - 2)
    omega = activation.a
    s, c = torch.sin(omega * z), torch.cos(omega * z)
    return s, omega * c, -(omega**2) * s, -(omega**3) * c
