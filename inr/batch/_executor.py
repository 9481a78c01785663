"""The contract of an executor: it runs jobs somewhere, and hands back what became of each as it ends."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from inr._errors import InrError
from inr._registry import Registry
from inr.batch._job import Result

EXECUTORS: Registry[type[Executor]] = Registry("executor", "inr.batch.executors")

ATTEMPTS = 3
"""How often a job is begun whose process dies (killed, or out of memory) before it counts as failed."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why there is no result: one line, what to do about it, and the exit code that says what sort of failure it is."""

    message: str
    hint: str | None = None
    exit_code: int = 1


Work = Callable[[Path], Result]
"""What is done to an input's path. It is sent to other processes, so it is a plain function or a dataclass."""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """index: of the path among those given."""

    index: int
    outcome: Result | Failure


class Executor(ABC):
    """Runs jobs on `workers` processes at most; None: as many as suit the place. on_gpu: each needs one."""

    def __init__(self, workers: int | None = None, *, on_gpu: bool = False) -> None:
        self.workers, self.on_gpu = workers, on_gpu

    @abstractmethod
    def run(self, work: Work, paths: Sequence[Path]) -> Generator[Attempt, None, None]:
        """What became of every path, in the order in which jobs end. A job whose process dies is begun again.

        Closing the iterator ends what still runs.
        """


def attempt(work: Work, path: Path) -> Result | Failure:
    """The result, or the failure that an exception means: a job never takes its process with it."""
    try:
        return work(path)
    except InrError as error:
        return Failure(error.message, error.hint, error.exit_code)
    except MemoryError as error:
        return Failure(f"not enough memory: {error}", "ask for less", 4)
    except Exception as error:  # noqa: BLE001  one bad input must not end the others
        text = " ".join(str(error).split())[:300]
        return Failure(f"{type(error).__name__}: {text}", "this is a bug in inr; inr fit -vv shows where")
