"""Rounds a pyramid's network integers up or down for the rate and the distortion instead of to the nearest.

The nearest integers of a thousand weights move the loss along its gradient at random. The change of the loss by one
weight is estimated by its gradient and the bits of its symbol; the most promising changes by +-1 are tried one after
the other, and those that lower the measured loss stay. Steps of the groups are given, so the decoder sees a file like
any other. After the rate-distortion optimised quantisation of networks in Cool-chic 5.0.1 (Orange, 2026), which tries
every weight in random order; Nagel et al. 2020 (arXiv:2004.10568) round the weights of networks by their loss.
Diagonals of the Hessian from random probes gained nothing: a third of their entries were negative, and no change that
they predicted lowered the loss.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from inr.codec.profiles.pyramid.architecture import Architecture, Array
from inr.codec.profiles.pyramid.distortion import Distortion
from inr.codec.profiles.pyramid.groups import (
    LARGEST_CONTEXT_WEIGHT,
    LARGEST_WEIGHT,
    Groups,
    base_of,
    group_of,
    is_of_context,
    shapes_of,
)
from inr.codec.profiles.pyramid.network import rate

AT_ONCE = 64
"""Changes tried between two gradients."""
PATIENCE = 1.5
"""A change that was in vain is tried again once its estimated gain is larger by this factor."""


@dataclasses.dataclass(frozen=True)
class _Change:
    """One weight by +-1. estimate: of the loss, below 0; bits: of its symbol, times the rate weight per pixel."""

    estimate: float
    bits: float
    name: str
    at: int
    by: int


def refined(
    architecture: Architecture,
    groups: Groups,
    integers: Mapping[str, Array],
    grids: Sequence[Tensor],
    target: Tensor,
    rate_weight: float,
    distortion: Distortion,
    trials: int,
) -> dict[str, Array]:
    """The integers after at most this many trials, each of which evaluates the rate or the distortion once.

    The loss  distortion + rate_weight * bits per pixel  of the result is not above that of the given integers, with
    the bits of the symbols at the groups' scales.
    """
    rounding = _Rounding(architecture, groups, integers, grids, target, rate_weight, distortion)
    left = trials
    while left > 0:
        changes = rounding.changes()[: min(AT_ONCE, left)]
        if not changes:
            break
        for change in changes:
            rounding.attempt(change)
        left -= len(changes)
    return rounding.integers


class _Rounding:
    def __init__(
        self,
        architecture: Architecture,
        groups: Groups,
        integers: Mapping[str, Array],
        grids: Sequence[Tensor],
        target: Tensor,
        rate_weight: float,
        distortion: Distortion,
    ) -> None:
        self._architecture, self._grids, self._target, self._distortion = architecture, grids, target, distortion
        self._per_bit = rate_weight / (architecture.height * architecture.width)
        self.integers = {name: value.copy() for name, value in integers.items()}
        self._names = list(shapes_of(architecture))
        self._group = {name: group_of(architecture, name) for name in self._names}
        self._step = {name: 2.0 ** -groups[self._group[name]].bits for name in self._names}
        self._base = {
            name: np.resize(base_of(name, groups[self._group[name]].bits), self.integers[name].size)
            for name in self._names
        }
        bounded = {group: own.bits for group, own in groups.items() if is_of_context(group) and group != "context.bias"}
        finest = max(bounded.values(), default=0)
        self._most = {
            name: LARGEST_CONTEXT_WEIGHT >> (finest - bounded[group]) if group in bounded else LARGEST_WEIGHT
            for name, group in self._group.items()
        }
        self._values = {
            name: torch.from_numpy((self.integers[name] * self._step[name]).astype(np.float32)).to(target.device)
            for name in self._names
        }
        self._bits = {group: self._table(group, groups) for group in groups}
        self._costs = {is_context: self._cost(is_context) for is_context in (True, False)}
        self._in_vain: dict[tuple[str, int, int], float] = {}

    def changes(self) -> list[_Change]:
        """Those that should lower the loss, the most promising first."""
        with torch.enable_grad():
            values = {name: value.clone().requires_grad_() for name, value in self._values.items()}
            bits = rate(self._architecture, values, self._grids)
            loss = self._distortion(self._architecture, values, self._grids, self._target)[0] + self._per_bit * bits
            slopes = torch.autograd.grad(loss, [values[name] for name in self._names])
        found = []
        for name, slope in zip(self._names, slopes, strict=True):
            steps = self._step[name] * slope.double().cpu().numpy().reshape(-1)
            integers = self.integers[name].reshape(-1)
            symbols = integers - self._base[name]
            table = self._bits[self._group[name]]
            most = len(table) // 2
            for by in (-1, 1):
                is_out = (np.abs(integers + by) > self._most[name]) | (np.abs(symbols + by) > most)
                moved = np.clip(symbols + by, -most, most)
                bits_by = self._per_bit * (table[moved + most] - table[symbols + most])
                estimates = np.where(is_out, 0, by * steps + bits_by)
                found += [
                    _Change(float(estimates[at]), float(bits_by[at]), name, int(at), by)
                    for at in np.flatnonzero(estimates < 0)
                ]
        tried = [change for change in found if change.estimate < self._limit(change)]
        return sorted(tried, key=lambda change: change.estimate)

    def attempt(self, change: _Change) -> None:
        """Make a change, and take it back if the loss does not fall."""
        is_context = is_of_context(self._group[change.name])
        self._move(change, change.by)
        cost = self._cost(is_context)
        if cost + change.bits < self._costs[is_context]:
            self._costs[is_context] = cost
            return
        self._move(change, -change.by)
        self._in_vain[change.name, change.at, change.by] = change.estimate

    def _limit(self, change: _Change) -> float:
        return PATIENCE * self._in_vain.get((change.name, change.at, change.by), 0.0)

    def _move(self, change: _Change, by: int) -> None:
        integers = self.integers[change.name].reshape(-1)
        integers[change.at] += by
        self._values[change.name].view(-1)[change.at] = float(integers[change.at]) * self._step[change.name]

    def _cost(self, is_context: bool) -> float:
        """The part of the loss that the context model changes, or the synthesis: the grids' bits, or the distortion."""
        with torch.no_grad():
            if is_context:
                return self._per_bit * float(rate(self._architecture, self._values, self._grids))
            return float(self._distortion(self._architecture, self._values, self._grids, self._target)[0])

    def _table(self, group: str, groups: Groups) -> Array:
        """Bits of symbols -m to m: twice the largest magnitude in the group, and some more."""
        members = [name for name in self._names if self._group[name] == group]
        largest = max(
            int(np.abs(self.integers[name].reshape(-1) - self._base[name]).max(initial=0)) for name in members
        )
        symbols = np.arange(-2 * largest - AT_ONCE, 2 * largest + AT_ONCE + 1, dtype=np.int32)
        model = groups[group].model(self._architecture)
        return model.bits_of_each(symbols)
