"""Rounds of a run: its steps, done again and twice as many each time, each round with the whole schedule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rounds:
    """Round r = 0, 1, ... has 2^r `steps` steps. count: of rounds, at most."""

    steps: int
    count: int

    @property
    def total(self) -> int:
        """Steps of all rounds."""
        return self.start(self.count)

    def start(self, number: int) -> int:
        """Steps before a round."""
        return self.steps * ((1 << number) - 1)

    def number(self, step: int) -> int:
        """The round of the step that follows `step` steps."""
        return (step // self.steps + 1).bit_length() - 1 if self.steps else self.count

    def end(self, step: int) -> int:
        """Steps at the end of that round."""
        return min(self.total, self.start(self.number(step) + 1))

    def fraction(self, step: int) -> float:
        """How much of that round is done, in [0, 1)."""
        if step >= self.total:
            return 1.0
        start = self.start(self.number(step))
        return (step - start) / (self.end(step) - start)

    def is_at_end(self, step: int) -> bool:
        """Whether a round has just ended."""
        return step > 0 and step == self.start(self.number(step))
