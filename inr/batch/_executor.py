"""The contract of an executor: it runs jobs somewhere, and returns the outcome of each as it ends."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from inr.batch._job import Result
from inr.core.registry import Registry
from inr.core.workers import Failure

EXECUTORS: Registry[type[Executor]] = Registry("executor", "inr.batch.executors")


Work = Callable[[Path], Result]
"""A job for an input's path. It must be picklable: a module-level function or a dataclass."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """index: position of the path in the given list."""

    index: int
    outcome: Result | Failure


class Executor(ABC):
    """Runs jobs on at most `workers` processes; None: the executor chooses. on_gpu: each job needs a GPU."""

    def __init__(self, workers: int | None = None, *, on_gpu: bool = False) -> None:
        self.workers, self.on_gpu = workers, on_gpu

    def check(self) -> None:
        """Raise UnavailableError if the executor cannot run here, before any work. The default checks nothing."""
        return

    @abstractmethod
    def run(self, work: Work, paths: Sequence[Path]) -> Generator[Attempt, None, None]:
        """The outcome of every path, in the order in which jobs end. A job whose process dies is started again.

        Closing the iterator ends what still runs.
        """
