"""Quality over training time, evaluated at log-spaced steps; evaluation time is excluded."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from typing import Any

from inr.signals import Signal


@dataclasses.dataclass(frozen=True)
class Evaluation:
    step: int
    seconds: float
    quality: float


class Curve:
    """The evaluations of a run (of `inr.fitting`, or a similar one). Each call of `advance` adds one.

    quality is the signal's headline metric of the written result. context: entered during training, to choose a
    backend.
    """

    def __init__(
        self,
        run: Any,
        signal: Signal,
        step_ratio: float = 1.15,
        context: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self.run, self.signal, self.step_ratio, self.context = run, signal, step_ratio, context
        self.evaluations: list[Evaluation] = []
        self.is_over = False

    @property
    def seconds(self) -> float:
        seconds: float = self.run.seconds
        return seconds

    def advance(self, limit_s: float = math.inf) -> Evaluation:
        """Train until the next evaluation, the run's end, or `limit_s` seconds of training in all."""
        run = self.run
        due = max(run.step + 1, math.floor(run.step * self.step_ratio))
        with self.context():
            outcome = run.advance(should_stop=lambda: run.step >= due or run.seconds >= limit_s)
        fit = run.result("done", with_metrics=False)
        self.evaluations.append(Evaluation(run.step, run.seconds, self.signal.metrics(fit)[self.signal.headline]))
        self.is_over = outcome != "interrupted" or run.seconds >= limit_s
        return self.evaluations[-1]

    def until(self, limit_s: float) -> list[Evaluation]:
        while not self.is_over:
            self.advance(limit_s)
        return self.evaluations

    def seconds_to(self, target: float) -> float | None:
        """When the target was reached, by linear interpolation between evaluations; None if it was not."""
        before: Evaluation | None = None
        for one in self.evaluations:
            if one.quality >= target:
                if before is None or one.quality == before.quality:
                    return one.seconds
                part = (target - before.quality) / (one.quality - before.quality)
                return before.seconds + part * (one.seconds - before.seconds)
            before = one
        return None
