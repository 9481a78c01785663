"""Rounds a pyramid's networks to integers: a power-of-two step per group of tensors, found by search."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from inr.codec.profiles.pyramid.architecture import Architecture, Array
from inr.codec.profiles.pyramid.distortion import Distortion, squared
from inr.codec.profiles.pyramid.group_code import best_code
from inr.codec.profiles.pyramid.groups import (
    LARGEST_CONTEXT_WEIGHT,
    LARGEST_WEIGHT,
    Group,
    base_of,
    group_of,
    groups_of,
    is_of_context,
    shapes_of,
)
from inr.codec.profiles.pyramid.joint_rounding import rounded_together
from inr.codec.profiles.pyramid.network import rate

FINEST, COARSEST = 13, 2
"""Bits that the search begins with and ends at."""


def quantise(
    architecture: Architecture,
    values: Mapping[str, Tensor],
    grids: Sequence[Tensor],
    target: Tensor,
    rate_weight: float,
    n_pixels: int | None = None,
    distortion: Distortion = squared,
    is_together: bool = False,
) -> tuple[dict[str, Group], dict[str, Array]]:
    """The groups and integers of least  distortion + rate_weight * bits per pixel:  twice one group after the other.

    values: float tensors by name. grids: rounded. The cost of a candidate is the bits of the symbols plus the change
    in the grids' bits (context model) or in the error of the picture (synthesis). n_pixels: of the whole picture, if
    grids and target are a part of it. is_together: these integers are the nearest ones; then steps and integers are
    chosen again, all weights together (`joint_rounding.py`), for a whole picture.
    """
    n_here = architecture.height * architecture.width
    n_pixels = n_pixels or n_here
    given = {name: value.detach() for name, value in values.items()}
    held = dict(given)
    members: dict[str, list[str]] = {group: [] for group in groups_of(architecture)}
    for name in shapes_of(architecture):
        members[group_of(architecture, name)].append(name)
    finest = _finest([value for name, value in given.items() if _is_bounded(group_of(architecture, name))])
    bits: dict[str, int] = {}

    def rounded(group: str, b: int) -> dict[str, Tensor]:
        most = LARGEST_CONTEXT_WEIGHT >> (finest - b) if _is_bounded(group) else LARGEST_WEIGHT - 1
        return {name: _rounded(given[name], b, most) for name in members[group]}

    def cost(group: str, b: int) -> float:
        trial = held | rounded(group, b)
        own = (
            rate_weight
            * best_code(architecture, _symbols(_integers(trial, members[group], b), members[group], b), b)[0]
            / n_pixels
        )
        with torch.no_grad():
            if is_of_context(group):
                return own + rate_weight * float(rate(architecture, trial, grids)) / n_here
            return own + float(distortion(architecture, trial, grids, target)[0])

    for group in members:
        candidates = range(COARSEST, (finest if _is_bounded(group) else FINEST) + 1)
        bits[group] = _least(partial(cost, group), candidates)
        held |= rounded(group, bits[group])
    for group, b in list(bits.items()):  # once more, now that all others are rounded
        last = finest if _is_bounded(group) else FINEST
        bits[group] = min(range(max(b - 1, COARSEST), min(b + 1, last) + 1), key=partial(cost, group))
        held |= rounded(group, bits[group])
    if is_together:
        bits, own = rounded_together(architecture, given, bits, finest, grids, target, rate_weight, distortion)
    else:
        own = {name: v for group, names in members.items() for name, v in _integers(held, names, bits[group]).items()}
    integers = {name: own[name] for name in shapes_of(architecture)}
    groups = {
        group: best_code(architecture, _symbols(integers, names, bits[group]), bits[group])[1]
        for group, names in members.items()
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


def _is_bounded(group: str) -> bool:
    """Whether the tensors of a group are weights of the context model, which are bounded in its finest step."""
    return is_of_context(group) and group != "context.bias"


def _finest(weights: Sequence[Tensor]) -> int:
    """The largest number of bits for which these weights of the context model are within their bound."""
    largest = max((float(weight.abs().max()) for weight in weights if weight.numel()), default=0.0)
    bits = math.floor(math.log2(LARGEST_CONTEXT_WEIGHT / max(largest, 1.0)))
    return min(max(bits, COARSEST), FINEST)


def _rounded(value: Tensor, bits: int, most: int) -> Tensor:
    """Values in units of 2^-bits, at most so many of them."""
    return torch.ldexp(torch.round(torch.ldexp(value, torch.tensor(bits))).clamp(-most, most), torch.tensor(-bits))


def _integers(values: Mapping[str, Tensor], names: Sequence[str], bits: int) -> dict[str, Array]:
    return {name: np.rint(np.ldexp(values[name].double().cpu().numpy(), bits)).astype(np.int64) for name in names}


def _symbols(values: Mapping[str, Array], names: Sequence[str], bits: int) -> Array:
    parts = [values[name].reshape(-1) - base_of(name, bits) for name in names]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)
