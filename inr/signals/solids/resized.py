"""A solid in another unit box: smaller, and moved."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Generator

from inr.signals.solids.distances import Solid
from inr.signals.solids.faces import Floats


@dataclass(frozen=True)
class Resized:
    """The points x = factor y + start of a solid's points y; distances are in lengths of the new box."""

    solid: Solid
    factor: float
    start: Floats

    @property
    def slack(self) -> float:
        return self.solid.slack * self.factor

    @property
    def low(self) -> Floats:
        return self.factor * self.solid.low + self.start

    @property
    def high(self) -> Floats:
        return self.factor * self.solid.high + self.start

    def distance(self, x: Floats) -> Floats:
        return self.factor * self.solid.distance((x - self.start) / self.factor)

    def depth(self, x: Floats) -> Floats:
        return self.factor * self.solid.depth((x - self.start) / self.factor)

    def surface(self, n: int, generator: Generator) -> Floats:
        return self.factor * self.solid.surface(n, generator) + self.start
