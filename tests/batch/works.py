"""Work that other processes can import: it echoes, fails, and kills its own process."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Generator, Sequence
from pathlib import Path

from inr._errors import UnreadableError
from inr.batch import Attempt, Executor, Result
from inr.batch._executor import Work, attempt


@dataclasses.dataclass(frozen=True)
class Echo:
    """The input's bytes. What an input holds decides: `bad` is an error of the user's, `bug` of ours; `die` kills the
    process as often as `deaths` says, counted by files in `marks`."""

    marks: Path
    deaths: int = 1

    def __call__(self, path: Path) -> Result:
        data = path.read_bytes()
        if data == b"bad":
            raise UnreadableError(f"can not read {path.name!r}", "another file")
        if data == b"bug":
            raise KeyError("oops")
        if data == b"die":
            n = len(list(self.marks.glob("*")))
            if n < self.deaths:
                (self.marks / str(n)).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return Result(data, {"outcome": "done", "pid": os.getpid()})


class Inline(Executor):
    """In this process, counting."""

    n_runs = 0

    def run(self, work: Work, paths: Sequence[Path]) -> Generator[Attempt, None, None]:
        for index, path in enumerate(paths):
            self.n_runs += 1
            yield Attempt(index, attempt(work, path))
