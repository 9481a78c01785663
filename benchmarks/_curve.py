"""Quality over seconds of training, looked at in log-spaced steps; looking is not on the clock."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Callable
from typing import Any

from inr.signals import Signal


@dataclasses.dataclass(frozen=True)
class Look:
    step: int
    seconds: float
    quality: float


class Curve:
    """The looks at a run (of `inr.fitting`, or alike), which goes on by one more with every call of `advance`.

    quality is the signal's headline metric of what would be written. context: entered while it trains, for a backend.
    """

    def __init__(
        self,
        run: Any,
        signal: Signal,
        step_ratio: float = 1.15,
        context: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> None:
        self.run, self.signal, self.step_ratio, self.context = run, signal, step_ratio, context
        self.looks: list[Look] = []
        self.is_over = False

    @property
    def seconds(self) -> float:
        seconds: float = self.run.seconds
        return seconds

    def advance(self, limit_s: float = math.inf) -> Look:
        """Train until the next look, or the run's end, or `limit_s` seconds of training in all."""
        run = self.run
        due = max(run.step + 1, math.floor(run.step * self.step_ratio))
        with self.context():
            outcome = run.advance(should_stop=lambda: run.step >= due or run.seconds >= limit_s)
        fit = run.result("done", with_metrics=False)
        self.looks.append(Look(run.step, run.seconds, self.signal.metrics(fit)[self.signal.headline]))
        self.is_over = outcome != "interrupted" or run.seconds >= limit_s
        return self.looks[-1]

    def until(self, limit_s: float) -> list[Look]:
        while not self.is_over:
            self.advance(limit_s)
        return self.looks

    def seconds_to(self, target: float) -> float | None:
        """When the target was reached: on the line between the looks before and after, None where it was not."""
        before: Look | None = None
        for look in self.looks:
            if look.quality >= target:
                if before is None or look.quality == before.quality:
                    return look.seconds
                part = (target - before.quality) / (look.quality - before.quality)
                return before.seconds + part * (look.seconds - before.seconds)
            before = look
        return None
