"""Rounds all weights of a network together: integers z of least  loss + bits of z,  where the loss is a quadratic

    loss(z) = g^T d + d^T H d / 2        d = origin + z step - w

of the change of the weights. Each weight in turn takes the integer that is cheapest for its share of the loss and for
its own bits, and those after it move to make up for its error (Babai's nearest plane, as in optimal brain quantisation
(Frantar & Alistarh 2022, arXiv:2208.11580) and GPTQ (Frantar et al. 2023, arXiv:2210.17323), with a cost of the bits).
Then single integers change by 1 or 2 as long as that lowers the sum. With H^-1 = U^T U, U upper triangular, the share
of weight i's error e is (e / U_ii)^2 / 2, and weight j > i moves by -e U_ij / U_ii.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from inr.codec.profiles.pyramid.architecture import Array
from inr.core.jit import compiled

PASSES = 2
"""Bits of symbols and integers are found from each other so often."""
MOVED = 2
"""An integer changes by at most this at once."""

Cost = Callable[[Array], tuple[float, Array]]
"""The integers of a group -> their bits in units of the loss, and those of the integers -m ... m."""


@dataclasses.dataclass(frozen=True)
class Rounded:
    """integers: [P]. loss: of the quadratic, with the bits."""

    integers: Array
    loss: float


@dataclasses.dataclass(frozen=True)
class Lattice:
    """The values that weights can have. steps, origins, most: [P], of integers up to `most`. costs: by group."""

    steps: Array
    origins: Array
    most: Array
    costs: Sequence[Cost]


class Quadratic:
    """w, g, H as in the formula: [P], [P], [P, P]. group: the number of each weight's group [P].

    damping: of the diagonal and of its mean over the group, added to it: no large change may look free because of a
    sample.
    """

    def __init__(self, weights: Array, slope: Array, curvature: Array, group: Array, damping: float = 0.01) -> None:
        self.weights, self.slope, self.group = weights, slope, group
        diagonal = np.diag(curvature)
        means = np.array([diagonal[group == i].mean() for i in range(group.max() + 1)])
        self._curvature = curvature
        self._damped = curvature + np.diag(damping * (diagonal + means[group]) + 1e-9 * diagonal.max() + 1e-30)
        self._upper = np.linalg.cholesky(np.linalg.inv(self._damped)).T.copy()

    def rounded(self, lattice: Lattice) -> Rounded:
        """The integers of a lattice."""
        steps, most, costs = lattice.steps, lattice.most, lattice.costs
        given = self.weights - lattice.origins
        integers = self.nearest(lattice)
        for _ in range(PASSES):
            tables = self._tables(integers, costs)[1]
            _nearest_plane(given, self._upper, steps, most, self.group, *tables, integers)
        tables = self._tables(integers, costs)[1]
        slope = self.slope + self._damped @ (integers * steps - given)
        _descend(integers, slope, self._damped, steps, most, self.group, *tables)
        change = integers * steps - given
        loss = self.slope @ change + change @ (self._curvature @ change) / 2
        return Rounded(integers, float(loss) + self._tables(integers, costs)[0])

    def improved(self, integers: Array, slope: Array, damping: float, lattice: Lattice) -> Array:
        """Integers of less loss, by the slope at these and H with so many times its diagonal more."""
        found, tables = integers.copy(), self._tables(integers, lattice.costs)[1]
        damped = self._damped + damping * np.diag(np.diag(self._damped))
        _descend(found, slope.copy(), damped, lattice.steps, lattice.most, self.group, *tables)
        return found

    def nearest(self, lattice: Lattice) -> Array:
        """The nearest integers."""
        integers = np.rint((self.weights - lattice.origins) / lattice.steps)
        held: Array = np.clip(integers, -lattice.most, lattice.most).astype(np.int64)
        return held

    def _tables(self, integers: Array, costs: Sequence[Cost]) -> tuple[float, tuple[Array, Array]]:
        """The cost of the integers; a table of costs by group, and the place of 0 in it."""
        made = [cost(integers[self.group == i]) for i, cost in enumerate(costs)]
        longest = max(len(table) for _, table in made)
        tables = np.full((len(made), longest), np.inf)
        for row, (_, table) in zip(tables, made, strict=True):
            row[: len(table)] = table
        middles = np.array([len(table) // 2 for _, table in made], np.int64)
        return sum(total for total, _ in made), (tables, middles)


@compiled
def _nearest_plane(
    weights: Array,
    upper: Array,
    steps: Array,
    most: Array,
    group: Array,
    tables: Array,
    middles: Array,
    integers: Array,
) -> None:
    """Write the integers of Babai's nearest plane."""
    moved = weights.copy()
    for i in range(len(weights)):
        table, middle = tables[group[i]], middles[group[i]]
        nearest = int(np.rint(moved[i] / steps[i]))
        best, least = 0, np.inf
        for k in range(-4, 6):
            z = nearest + k if k < 5 else 0
            if abs(z) > most[i] or abs(z) > middle:
                continue
            error = (moved[i] - z * steps[i]) / upper[i, i]
            cost = error * error / 2 + table[z + middle]
            if cost < least:
                best, least = z, cost
        if least == np.inf:  # far beyond what a symbol can be
            best = int(max(min(nearest, most[i], middle), -most[i], -middle))
        integers[i] = best
        part = (moved[i] - best * steps[i]) / upper[i, i]
        for j in range(i, len(weights)):
            moved[j] -= part * upper[i, j]


@compiled
def _descend(
    integers: Array,
    slope: Array,
    curvature: Array,
    steps: Array,
    most: Array,
    group: Array,
    tables: Array,
    middles: Array,
) -> None:
    """Change single integers while the sum of the quadratic and the bits falls. slope: at the integers; it follows."""
    for _ in range(50):
        n_changed = 0
        for i in range(len(integers)):
            table, middle = tables[group[i]], middles[group[i]]
            best, least = 0, -1e-15
            for k in range(-MOVED, MOVED + 1):
                z = integers[i] + k
                if k == 0 or abs(z) > most[i] or abs(z) > middle:
                    continue
                by = k * steps[i]
                bits = table[z + middle] - table[integers[i] + middle]
                cost = by * slope[i] + by * by * curvature[i, i] / 2 + bits
                if cost < least:
                    best, least = k, cost
            if best != 0:
                integers[i] += best
                by = best * steps[i]
                for j in range(len(integers)):
                    slope[j] += by * curvature[i, j]
                n_changed += 1
        if n_changed == 0:
            return
