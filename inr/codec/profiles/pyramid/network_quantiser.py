"""Rounds a pyramid's networks to integers: a power-of-two step per group of tensors, found by search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from inr.codec.entropy.laplace import SCALES, cumulative
from inr.codec.profiles.pyramid.architecture import Architecture, Array
from inr.codec.profiles.pyramid.groups import GROUPS, LARGEST_WEIGHT, Group, base_of, group_of, shapes_of
from inr.codec.profiles.pyramid.network import error, rate

BITS = (range(2, 11), range(2, 13), range(4, 12), range(4, 13), range(4, 15))
"""Candidate bits for each of GROUPS."""


def quantise(
    architecture: Architecture,
    values: Mapping[str, Tensor],
    grids: Sequence[Tensor],
    target: Tensor,
    rate_weight: float,
) -> tuple[list[Group], dict[str, Array]]:
    """The groups and integers that make  MSE + rate_weight * bits per pixel  smallest, one group after the other.

    values: float tensors by name. grids: rounded. The cost of a candidate is the bits of the symbols plus the change
    in the grids' bits (context model) or in the error of the picture (synthesis).
    """
    n_pixels = architecture.height * architecture.width
    held = {name: value.detach() for name, value in values.items()}
    bits = [max(tried) for tried in BITS]

    def rounded(group: int, b: int) -> dict[str, Tensor]:
        return {name: _rounded(value, b) if group_of(name) == group else value for name, value in held.items()}

    for group in range(len(GROUPS)):
        is_context = group < 2

        def cost(b: int, group: int = group, is_context: bool = is_context) -> float:
            trial = rounded(group, b)
            symbols = _symbols(architecture, trial, group, b)
            own = rate_weight * _bits(symbols)[0] / n_pixels
            with torch.no_grad():
                if is_context:
                    return own + rate_weight * float(rate(architecture, trial, grids)) / n_pixels
                return own + float(error(architecture, trial, grids, target))

        bits[group] = _least(cost, BITS[group])
        held = rounded(group, bits[group])
    groups = [Group(b, _bits(_symbols(architecture, held, group, b))[1]) for group, b in enumerate(bits)]
    integers = {
        name: np.rint(np.ldexp(held[name].double().cpu().numpy(), bits[group_of(name)])).astype(np.int64)
        for name in shapes_of(architecture)
    }
    return groups, integers


def _least(cost: Callable[[int], float], candidates: Sequence[int]) -> int:
    """The candidate of least cost, from the finest step down until the cost has risen three times in a row."""
    best, at, rises = float("inf"), candidates[-1], 0
    for candidate in reversed(candidates):
        found = cost(candidate)
        if found < best:
            best, at, rises = found, candidate, 0
        else:
            rises += 1
            if rises == 3:
                break
    return at


def _rounded(value: Tensor, bits: int) -> Tensor:
    most = LARGEST_WEIGHT - 1
    return torch.ldexp(torch.round(torch.ldexp(value, torch.tensor(bits))).clamp(-most, most), torch.tensor(-bits))


def _symbols(architecture: Architecture, values: Mapping[str, Tensor], group: int, bits: int) -> Array:
    parts = [
        np.rint(np.ldexp(values[name].double().cpu().numpy(), bits)).astype(np.int64).reshape(-1) - base_of(name, bits)
        for name in shapes_of(architecture)
        if group_of(name) == group
    ]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _bits(symbols: Array) -> tuple[float, int]:
    """Bits of symbols at their best scale index, and that index."""
    magnitude, count = np.unique(np.abs(symbols), return_counts=True)
    costs = [float((count * _length(magnitude, s)).sum()) for s in range(0, SCALES, 2)]
    best = int(np.argmin(costs))
    return costs[best], 2 * best


def _length(magnitude: Array, scale: int) -> Array:
    out = np.empty(len(magnitude))
    escape = cumulative(0, scale, 65) - cumulative(0, scale, 64)
    for i, q in enumerate(magnitude):
        if q <= 63:
            out[i] = 16 - np.log2(cumulative(0, scale, q + 1) - cumulative(0, scale, q))
        else:
            out[i] = 16 - np.log2(escape) + 2 * np.log2(q) - 4
    return out
