"""Work that other processes can import: it echoes, fails, and kills its own process."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Generator, Sequence
from pathlib import Path

from inr.batch import Attempt, Executor, Result, Work
from inr.core.errors import UnreadableError
from inr.core.workers import attempt


@dataclasses.dataclass(frozen=True)
class Echo:
    """Returns the input's bytes. `bad` is an error of the user, `bug` is one of the program, `die` kills the
    process as often as `deaths` says, counted by files in `marks`."""

    marks: Path
    deaths: int = 1

    def __call__(self, path: Path) -> Result:
        data = path.read_bytes()
        if data == b"bad":
            raise UnreadableError(f"cannot read {path.name!r}", "another file")
        if data == b"bug":
            raise KeyError("oops")
        if data == b"die":
            n = len(list(self.marks.glob("*")))
            if n < self.deaths:
                (self.marks / str(n)).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return Result(data, {"outcome": "done", "pid": os.getpid()})


class Inline(Executor):
    """Runs in this process and counts."""

    n_runs = 0

    def run(self, work: Work, paths: Sequence[Path]) -> Generator[Attempt, None, None]:
        for index, path in enumerate(paths):
            self.n_runs += 1
            yield Attempt(index, attempt(work, path))
