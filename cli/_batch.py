"""Commands with several inputs: where each result goes, side by side in processes, failures at the end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import typer

from inr._errors import InrError, UsageError

from ._io import PIPE
from ._output import Output

T = TypeVar("T")
Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Failure:
    """An error on its way between processes."""

    name: str
    message: str
    hint: str | None
    exit_code: int

    def document(self) -> Document:
        return {"input": self.name, "message": self.message, "hint": self.hint, "exit_code": self.exit_code}


def folder_for(inputs: Sequence[str], output: str | None) -> Path | None:
    """The folder that results go to: `-o` where it is one, or where there are several inputs; None for one file."""
    if len(inputs) == 1 and (output is None or not Path(output).is_dir()):
        return None
    if PIPE in inputs or output == PIPE:
        raise UsageError(f"there are {len(inputs)} inputs, and - can be one file only", "give -o a folder")
    folder = Path(output or ".")
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"output {str(folder)!r} is a file, expected a folder for {len(inputs)} results", "choose another -o"
        )
    stems = [Path(name).stem for name in inputs]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise UsageError(f"several inputs are named {twice[0]!r}, and would be one file", "do them apart")
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(f"can not make folder {str(folder)!r}: {error.strerror}", "choose another -o") from error
    return folder


def each(
    tasks: Sequence[T], work: Callable[[T], Document], name_of: Callable[[T], str], jobs: int
) -> Iterator[Document | Failure]:
    """The outcomes of `work` in the order of the tasks, up to `jobs` of them at a time in processes of their own."""
    if jobs == 1 or len(tasks) == 1:
        for task in tasks:
            yield _guarded(work, task, name_of(task))
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            futures = [pool.submit(_guarded, work, task, name_of(task)) for task in tasks]
            for future in futures:
                yield future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _guarded(work: Callable[[T], Document], task: T, name: str) -> Document | Failure:
    try:
        return work(task)
    except InrError as error:
        return Failure(name, error.message, error.hint, error.exit_code)


def conclude(
    out: Output, schema: str, results: Sequence[Document | Failure], line: Callable[[Document], str], is_single: bool
) -> None:
    """Say all results, then the failures, one line each; exit with the worst code. line: a result for a human.

    Lines of several results were said as they came.
    """
    done = [result for result in results if not isinstance(result, Failure)]
    failed = [result for result in results if isinstance(result, Failure)]
    if is_single:
        if failed:
            error = InrError(failed[0].message, failed[0].hint)
            error.exit_code = failed[0].exit_code
            raise error
        out.result(schema, done[0], line(done[0]), str(done[0]["output"]))
    elif out.as_json:
        out.result(schema, {"files": done, "failures": [failure.document() for failure in failed]}, "", "")
    if not is_single:
        for failure in failed:
            name = Path(failure.name).name
            text = failure.message if name in failure.message else f"{failure.name}: {failure.message}"
            out.error(InrError(text))
    worst = max([failure.exit_code for failure in failed] + [int(doc.get("outcome", "done") != "done") for doc in done])
    if worst:
        raise typer.Exit(worst)


def check_jobs(jobs: int) -> None:
    if jobs < 1:
        raise UsageError(f"--jobs is {jobs}, expected a whole number >= 1")
