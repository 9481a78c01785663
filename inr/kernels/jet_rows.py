"""Gradients of single points through the jets of a network: rows of the Jacobian that Gauss-Newton steps take."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from inr.kernels.jet_plan import JetPlan
from inr.kernels.pointwise import Pointwise
from inr.kernels.sine_jet.reference import activated, affine, derivatives


def jet_rows(
    jets: Tensor,  # [S, N, K]
    weights: Sequence[Tensor],
    biases: Sequence[Tensor],
    activations: Sequence[Pointwise],
    plan: JetPlan,
    seeds: Tensor,  # [S, N, C]
) -> Tensor:  # [N, P]
    """Row n: the gradient of sum_(s, c) seeds[s, n, c] y[s, n, c] by weight and bias of each layer, first to last.

    y: the jets of `inr.kernels.sine_jet.sine_jet`, which depend on the point n alone.
    """
    inputs, before = [jets], []
    for weight, bias, activation in zip(weights[:-1], biases[:-1], activations, strict=True):
        before.append(affine(inputs[-1], weight, bias))
        inputs.append(activated(before[-1], activation, plan))
    rows: list[Tensor] = []
    g = seeds
    for layer in range(len(weights) - 1, -1, -1):
        by_weight = torch.bmm(g.permute(1, 2, 0), inputs[layer].permute(1, 0, 2))
        rows = [by_weight.flatten(1), g[0], *rows]
        if layer:
            g = through(before[layer - 1], g @ weights[layer], activations[layer - 1], plan)
    return torch.cat(rows, 1)


def through(z: Tensor, g: Tensor, activation: Pointwise, plan: JetPlan) -> Tensor:
    """The cotangents [S, N, H] of the jets z of a layer from those of its activations, which are g."""
    _, slope, bend, third = derivatives(z[0], activation)
    first, n_first = z[1 : 1 + plan.n_first], plan.n_first
    found = slope * g
    found[0] += bend * (g[1 : 1 + n_first] * first).sum(0)
    for q, terms in enumerate(plan.seconds, 1 + n_first):
        curve = torch.zeros_like(z[0])
        for i, j, c in terms:
            curve += c * first[i] * first[j]
            found[1 + i] += c * bend * first[j] * g[q]
            found[1 + j] += c * bend * first[i] * g[q]
        found[0] += g[q] * (bend * z[q] + third * curve)
    return found
