"""Chooses steps and integers of a pyramid's networks together, by the curvature of the loss.

The context model changes only the rate and the synthesis only the distortion, so each has its own quadratic
(`curvature.py`), on which steps are searched group by group (`lattice_rounding.py`). The result is improved by the true
slopes at it, as long as the true loss falls. Changes of single weights are not tried on the true loss besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor

from inr.codec.profiles.pyramid.architecture import Architecture, Array
from inr.codec.profiles.pyramid.curvature import error_curvature, rate_curvature
from inr.codec.profiles.pyramid.distortion import Distortion
from inr.codec.profiles.pyramid.group_code import best_code
from inr.codec.profiles.pyramid.groups import (
    LARGEST_CONTEXT_WEIGHT,
    LARGEST_WEIGHT,
    base_of,
    group_of,
    is_of_context,
)
from inr.codec.profiles.pyramid.lattice_rounding import Lattice, Quadratic
from inr.codec.profiles.pyramid.network import rate

SEED = 0
"""Of the samples that curvatures come from."""
LEAST, MOST = 1, 13
"""Bits that steps may have."""
RELIANCE = 0.01, 0.1, 1.0
"""Dampings of the quadratics that are tried, until the true loss is below that of the nearest integers."""
ROUNDS, DAMPINGS = 12, (0.0, 1.0, 4.0, 16.0)
"""At most so many improvements by true slopes; after one in vain the next is damped by more."""


def rounded_together(
    architecture: Architecture,
    values: Mapping[str, Tensor],
    bits: Mapping[str, int],
    finest: int,
    grids: Sequence[Tensor],
    target: Tensor,
    rate_weight: float,
    distortion: Distortion,
) -> tuple[dict[str, int], dict[str, Array]]:
    """The bits of the groups' steps, and the integers by name.

    bits: to begin with. finest: of the weights of the context model, which bounds their integers.
    """
    per_bit = rate_weight / (architecture.height * architecture.width)
    found_bits: dict[str, int] = {}
    integers: dict[str, Array] = {}
    for is_context in (True, False):
        part = _Part(architecture, values, grids, target, per_bit, distortion, finest, is_context)
        own, found = part.rounded({group: b for group, b in bits.items() if is_of_context(group) == is_context})
        found_bits |= own
        integers |= found
    return {group: found_bits[group] for group in bits}, integers


class _Part:
    """The context model with the rate, or the synthesis with the distortion; all other tensors are as given."""

    def __init__(
        self,
        architecture: Architecture,
        values: Mapping[str, Tensor],
        grids: Sequence[Tensor],
        target: Tensor,
        per_bit: float,
        distortion: Distortion,
        finest: int,
        is_context: bool,
    ) -> None:
        self._architecture, self._values, self._grids, self._target = architecture, values, grids, target
        self._per_bit, self._distortion, self._finest, self._is_context = per_bit, distortion, finest, is_context
        self._shapes = architecture.context if is_context else architecture.synthesis
        self._groups = list(dict.fromkeys(group_of(architecture, name) for name in self._shapes))
        sizes = [values[name].numel() for name in self._shapes]
        numbers = [self._groups.index(group_of(architecture, name)) for name in self._shapes]
        self._ends = np.cumsum(sizes)
        at_home = {name: value.cpu() for name, value in values.items()}
        given, generator = ([grid.cpu() for grid in grids], Generator().manual_seed(SEED))
        curvature = (
            per_bit * rate_curvature(architecture, at_home, given, generator)
            if is_context
            else error_curvature(architecture, at_home, given, target.cpu(), generator)
        )
        weights = np.concatenate([at_home[name].double().numpy().reshape(-1) for name in self._shapes])
        self._damped = partial(Quadratic, weights, self._slope(values)[1], curvature, np.repeat(numbers, sizes))
        self._quadratic = self._damped(RELIANCE[0])

    def rounded(self, bits: Mapping[str, int]) -> tuple[dict[str, int], dict[str, Array]]:
        """Bits and integers by name. With those bits the nearest integers are better than a quadratic that errs."""
        best, symbols = dict(bits), self._quadratic.nearest(self._lattice(bits))
        least = self._cost(symbols, self._lattice(bits))[0]
        for damping in RELIANCE:
            if damping != RELIANCE[0]:
                self._quadratic = self._damped(damping)
            trial, made = self._searched(bits)
            cost = self._cost(made, self._lattice(trial))[0]
            if cost < least:
                best, symbols = trial, made
                break
        return best, self._improved(best, symbols)

    def _searched(self, bits: Mapping[str, int]) -> tuple[dict[str, int], Array]:
        """Bits of least loss by the quadratic, changed one by one, and the symbols [P]."""
        best = dict(bits)
        found = self._quadratic.rounded(self._lattice(best))
        is_better = True
        while is_better:
            is_better = False
            for group in self._groups:
                for by in (-1, 1):
                    while LEAST <= best[group] + by <= self._most_bits(group):
                        trial = best | {group: best[group] + by}
                        made = self._quadratic.rounded(self._lattice(trial))
                        if made.loss >= found.loss:
                            break
                        best, found, is_better = trial, made, True
        return best, found.integers

    def _improved(self, bits: Mapping[str, int], symbols: Array) -> dict[str, Array]:
        """Integers by name, after changes by the true slopes that have lowered the true loss."""
        lattice, damping = self._lattice(bits), 0
        cost, slope = self._cost(symbols, lattice)
        for _ in range(ROUNDS):
            made = self._quadratic.improved(symbols, slope, DAMPINGS[damping], lattice)
            if (made == symbols).all():
                break
            found = self._cost(made, lattice)
            if found[0] < cost:
                symbols, (cost, slope) = made, found
            elif damping + 1 < len(DAMPINGS):
                damping += 1
            else:
                break
        named = self._split(symbols)
        return {name: own + self._base(name, bits) for name, own in named.items()}

    def _cost(self, symbols: Array, lattice: Lattice) -> tuple[float, Array]:
        """The true loss of symbols, and its slope without that of their bits."""
        named = self._split((lattice.origins + symbols * lattice.steps).astype(np.float32))
        device = self._target.device
        loss, slope = self._slope(
            dict(self._values) | {name: torch.from_numpy(value).to(device) for name, value in named.items()}
        )
        own = sum(cost(symbols[self._quadratic.group == i])[0] for i, cost in enumerate(lattice.costs))
        return loss + own, slope

    def _slope(self, values: Mapping[str, Tensor]) -> tuple[float, Array]:
        """The rate, in units of the loss, or the distortion; and its slope [P]."""
        with torch.enable_grad():
            leaves = {name: values[name].detach().clone().requires_grad_() for name in self._shapes}
            given = dict(values) | leaves
            if self._is_context:
                loss = self._per_bit * rate(self._architecture, given, self._grids)
            else:
                loss = self._distortion(self._architecture, given, self._grids, self._target)[0]
            slopes = torch.autograd.grad(loss, list(leaves.values()))
        return float(loss.detach()), np.concatenate([slope.double().cpu().numpy().reshape(-1) for slope in slopes])

    def _lattice(self, bits: Mapping[str, int]) -> Lattice:
        own = [(name, group_of(self._architecture, name)) for name in self._shapes]
        sizes = [self._values[name].numel() for name, _ in own]
        steps = np.repeat([2.0 ** -bits[group] for _, group in own], sizes)
        most = np.repeat([self._largest(group, bits[group]) for _, group in own], sizes)
        origins = steps * np.concatenate(
            [np.resize(self._base(name, bits), size) for (name, _), size in zip(own, sizes, strict=True)]
        )
        costs = [partial(self._own_cost, bits[group]) for group in self._groups]
        return Lattice(steps, origins, most.astype(np.int64), costs)

    def _own_cost(self, bits: int, symbols: Array) -> tuple[float, Array]:
        total, group = best_code(self._architecture, symbols, bits)
        most = 2 * int(np.abs(symbols).max(initial=0)) + 64
        table = group.model(self._architecture).bits_of_each(np.arange(-most, most + 1, dtype=np.int32))
        return self._per_bit * total, self._per_bit * table

    def _base(self, name: str, bits: Mapping[str, int]) -> Array:
        return base_of(name, bits[group_of(self._architecture, name)])

    def _split(self, flat: Array) -> dict[str, Array]:
        parts = np.split(flat, self._ends[:-1])
        return {name: part.reshape(shape) for (name, shape), part in zip(self._shapes.items(), parts, strict=True)}

    def _most_bits(self, group: str) -> int:
        return self._finest if self._is_bounded(group) else MOST

    def _largest(self, group: str, bits: int) -> int:
        """Largest magnitude of a symbol; half of what a file can hold where symbols are differences."""
        if self._is_bounded(group):
            return LARGEST_CONTEXT_WEIGHT >> (self._finest - bits)
        return LARGEST_WEIGHT // 2

    def _is_bounded(self, group: str) -> bool:
        return self._is_context and group != "context.bias"
