"""Jobs in child processes, one at a time per process; a job whose process dies is started once more."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from inr.core.child import Child
from inr.core.errors import InrError, UnavailableError, UsageError

T = TypeVar("T")
R = TypeVar("R")

ATTEMPTS = 2
"""Number of starts of a job whose process dies (killed, or out of memory) before it counts as failed."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """Why a task failed: one line, a hint, and the exit code of this kind of failure."""

    message: str
    hint: str | None = None
    exit_code: int = 1


def attempt(work: Callable[[T], R], task: T) -> R | Failure:
    """The result of a task, or its exception as a `Failure`, so that one bad task does not stop the others."""
    try:
        return work(task)
    except InrError as error:
        return Failure(error.message, error.hint, error.exit_code)
    except MemoryError as error:
        return Failure(f"not enough memory: {error}", "use fewer `workers`", UnavailableError.exit_code)
    except Exception as error:  # noqa: BLE001  a job may raise anything; the caller reports it as that job's failure
        text = " ".join(str(error).split())[:300]
        return Failure(f"{type(error).__name__}: {text}", "this is a bug in inr")


def attempts(
    work: Callable[[T], R], tasks: Sequence[T], n_workers: int
) -> Generator[tuple[int, R | Failure], None, None]:
    """`attempt` in child processes: index and outcome of every task, in order of completion."""
    for index, outcome in run(functools.partial(attempt, work), tasks, n_workers):
        yield (
            index,
            Failure(outcome.message, outcome.hint, outcome.exit_code) if isinstance(outcome, Death) else outcome,
        )


@dataclasses.dataclass(frozen=True)
class Death:
    """A job whose process died at every attempt. how: `SIGKILL`, or `exit code 1`."""

    how: str

    @property
    def message(self) -> str:
        if self.is_out_of_memory:
            return f"its process was killed {ATTEMPTS} times ({self.how}), probably for lack of memory"
        return f"its process died {ATTEMPTS} times ({self.how})"

    @property
    def hint(self) -> str:
        return "use fewer `workers`, or settings that need less memory"

    @property
    def exit_code(self) -> int:
        return UnavailableError.exit_code if self.is_out_of_memory else 1

    @property
    def is_out_of_memory(self) -> bool:
        """True for SIGKILL, the signal of the system's out-of-memory killer."""
        return self.how == "SIGKILL"


def run(work: Callable[[T], R], tasks: Sequence[T], n_workers: int) -> Generator[tuple[int, R | Death], None, None]:
    """Index and result of every task, in order of completion.

    work: a module-level function, or an instance of a module-level class, that catches its own exceptions. Closing the
    iterator ends running processes. Raises UsageError for work that other processes cannot import, UnavailableError if
    a process cannot be started.
    """
    module = getattr(work, "__module__", None) or type(work).__module__
    if module == "__main__":
        raise UsageError("the work is defined in __main__, which other processes cannot import", "put it in a module")
    waiting = deque(range(len(tasks)))
    begun = [0] * len(tasks)
    workers: list[_Worker[R]] = []
    try:
        while waiting or any(worker.index is not None for worker in workers):
            while waiting and len(workers) < min(n_workers, len(tasks)):
                workers.append(_Worker(work))
            for worker in workers:
                if worker.index is None and waiting:
                    index = waiting.popleft()
                    begun[index] += 1
                    worker.give(index, tasks[index])
            busy = [worker for worker in workers if worker.index is not None]
            ready = wait([worker.connection for worker in busy])
            for worker in [worker for worker in busy if worker.connection in ready]:
                index, results = worker.take()
                if results:
                    yield index, results[0]
                    continue
                workers.remove(worker)
                worker.end()
                if begun[index] < ATTEMPTS:
                    waiting.append(index)  # at the end of the queue, when more memory may be free
                else:
                    yield index, Death(worker.death)
    finally:
        for worker in workers:
            worker.end()


class _Worker(Generic[R]):
    """A process, our end of the pipe to it, and its current job."""

    def __init__(self, work: Callable[[Any], R]) -> None:
        self.connection, theirs = Pipe()
        self.index: int | None = None
        self.death = ""
        try:
            handle = theirs.fileno()
            self._child = Child(__name__, [str(handle)], pass_fds=[handle], stdout=2)  # stdout is only for results
        except OSError as error:
            raise UnavailableError(
                f"cannot start a process: {error.strerror or error}", "use fewer `workers`"
            ) from error
        finally:
            theirs.close()
        self._send(work)

    def give(self, index: int, task: object) -> None:
        self.index = index
        self._send(task)

    def _send(self, value: object) -> None:
        with contextlib.suppress(OSError):  # it died while idle; `take` detects that
            self.connection.send(value)

    def take(self) -> tuple[int, tuple[R, ...]]:
        """The job's index and its result; no result if the process died. Raises the exception of the work."""
        assert self.index is not None
        index, self.index = self.index, None
        try:
            result = self.connection.recv()
        except (EOFError, OSError):
            code = self._child.process.wait()
            self.death = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return index, ()
        if isinstance(result, Exception):
            raise result
        return index, (result,)

    def end(self) -> None:
        self._child.end()
        self.connection.close()


def main(arguments: Sequence[str]) -> None:
    """A worker process: receive the work, then run tasks until the connection closes."""
    (handle,) = arguments
    connection: Connection[Any, Any] = Connection(int(handle))
    with contextlib.suppress(EOFError):
        work = connection.recv()
        while True:
            task = connection.recv()
            try:
                result = work(task)
            except Exception as error:  # noqa: BLE001  raised again in the parent
                result = error
            connection.send(result)
