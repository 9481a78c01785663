"""Jobs in processes of this machine."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Generator, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from inr.batch._executor import ATTEMPTS, EXECUTORS, Attempt, Executor, Failure, Work, attempt
from inr.batch._job import Result

_CONTEXT = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork


@EXECUTORS.register("local")
class Local(Executor):
    """Processes of their own, one by default: a job that is killed takes no other with it, and is begun again.

    They end with this process, however it ends.
    """

    def run(self, work: Work, paths: Sequence[Path]) -> Generator[Attempt, None, None]:
        waiting = deque(range(len(paths)))
        begun = [0] * len(paths)
        workers = [_Worker(work) for _ in range(min(self.workers or 1, len(paths)))]
        try:
            while waiting or any(worker.index is not None for worker in workers):
                for worker in workers:
                    if worker.index is None and waiting:
                        index = waiting.popleft()
                        begun[index] += 1
                        worker.give(index, paths[index])
                busy = [worker for worker in workers if worker.index is not None]
                ready = wait([worker.connection for worker in busy])
                for worker in [worker for worker in busy if worker.connection in ready]:
                    index, outcome = worker.take()
                    if outcome is not None:
                        yield Attempt(index, outcome)
                        continue
                    if begun[index] < ATTEMPTS:
                        waiting.appendleft(index)
                    else:
                        yield Attempt(index, Failure(f"its process died {ATTEMPTS} times ({worker.death})", _ADVICE))
                    worker.end()
                    workers[workers.index(worker)] = _Worker(work)
        finally:
            for worker in workers:
                worker.end()


_ADVICE = "where it was killed for memory: smaller fit.batch, or fewer -j"


class _Worker:
    """A process, our end of the pipe to it, and the job it has."""

    def __init__(self, work: Work) -> None:
        self.connection, theirs = _CONTEXT.Pipe()
        self._process = _CONTEXT.Process(target=_serve, args=(theirs, work), daemon=True)
        self._process.start()
        theirs.close()
        self.index: int | None = None
        self.death = ""

    def give(self, index: int, path: Path) -> None:
        self.index = index
        with contextlib.suppress(OSError):  # it died while idle: `take` finds that out
            self.connection.send(path)

    def take(self) -> tuple[int, Result | Failure | None]:
        """The job's index and what became of it; None: the process is dead."""
        assert self.index is not None
        index, self.index = self.index, None
        try:
            return index, self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            self.death = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return index, None

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()


def _serve(connection: Connection[Any, Any], work: Work) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends us
    threading.Thread(target=_die_with_parent, daemon=True).start()
    while True:
        try:
            path = connection.recv()
        except EOFError:
            return
        connection.send(attempt(work, path))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
