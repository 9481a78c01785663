"""Jobs in local processes."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path

from inr.batch._executor import EXECUTORS, Attempt, Executor, Work
from inr.core.workers import attempts


@EXECUTORS.register("local")
class Local(Executor):
    """Separate processes, one by default: a killed job does not affect others, and is started once more.

    The processes end when this process ends for any reason.
    """

    def run(self, work: Work, paths: Sequence[Path]) -> Generator[Attempt, None, None]:
        for index, outcome in attempts(work, paths, self.workers or 1):
            yield Attempt(index, outcome)
