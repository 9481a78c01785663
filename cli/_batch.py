"""Commands with several inputs: where each result goes, side by side in processes, failures at the end."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import typer

from inr.core.errors import InrError, UsageError
from inr.core.files import check_folder, descriptor_of, reason_of
from inr.core.workers import Failure, attempts

from ._interrupts import Interrupted, number
from ._io import PIPE
from ._output import Output, say, say_exactly
from ._parameters import as_flags

T = TypeVar("T")
Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class FailedInput:
    """An input without a result."""

    name: str
    failure: Failure

    def document(self) -> Document:
        found = self.failure
        hint = None if found.hint is None else as_flags(found.hint)
        return {"input": self.name, "message": as_flags(found.message), "hint": hint, "exit_code": found.exit_code}


def folder_for(inputs: Sequence[str], output: str | None) -> Path | None:
    """The folder that results go to: `-o` if it is a folder or there are several inputs; None for one file."""
    if len(inputs) == 1 and (output is None or not os.path.isdir(output)):
        return None
    if PIPE in inputs or output == PIPE:
        raise UsageError(f"there are {len(inputs)} inputs, but - is one file only", "give -o a folder")
    folder = Path(output or ".")
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise UsageError(
            f"output {str(folder)!r} is a file, expected a folder for {len(inputs)} results", "choose another -o"
        )
    stems = [Path(name.removeprefix("analytic:")).stem for name in inputs]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise UsageError(f"several inputs would write {twice[0]!r}", "run them separately")
    try:
        if not os.path.isdir(folder):
            check_folder(folder.parent, "the parent of the output folder,")
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"output folder {str(folder)!r} cannot be made: {reason_of(error)}", "choose another -o"
        ) from error
    check_folder(folder)
    return folder


def each(
    tasks: Sequence[T], work: Callable[[T], Document], name_of: Callable[[T], str], jobs: int
) -> Iterator[Document | FailedInput]:
    """The outcomes of `work` in the order of the tasks, up to `jobs` of them at a time in separate processes."""
    outcomes = _one_by_one(tasks, work) if jobs == 1 or len(tasks) == 1 else _in_order(attempts(work, tasks, jobs))
    for task, outcome in zip(tasks, outcomes, strict=True):
        yield FailedInput(name_of(task), outcome) if isinstance(outcome, Failure) else outcome


def run_all(
    out: Output,
    schema: str,
    tasks: Sequence[T],
    work: Callable[[T], Document],
    name_of: Callable[[T], str],
    line: Callable[[Document], str],
    jobs: int,
    *,
    is_single: bool,
) -> None:
    """Run all tasks, print each result as it comes (a single one at the end), and end with `conclude`."""
    results: list[Document | FailedInput] = []
    for result in each(tasks, work, name_of, jobs):
        results.append(result)
        if isinstance(result, FailedInput):
            continue
        out.notes(result.pop("notes"))
        if not is_single and not out.as_json:
            say_result(result, line, is_quiet=out.is_quiet)
    conclude(out, schema, results, line, is_single)


def _one_by_one(tasks: Sequence[T], work: Callable[[T], Document]) -> Iterator[Document | Failure]:
    for task in tasks:
        try:
            yield work(task)
        except InrError as error:
            yield Failure(error.message, error.hint, error.exit_code)


def _in_order(ended: Iterator[tuple[int, Document | Failure]]) -> Iterator[Document | Failure]:
    """Outcomes by index, which come in any order, from the first index on."""
    waiting: dict[int, Document | Failure] = {}
    n_yielded = 0
    for index, outcome in ended:
        waiting[index] = outcome
        while n_yielded in waiting:
            yield waiting.pop(n_yielded)
            n_yielded += 1


def conclude(
    out: Output,
    schema: str,
    results: Sequence[Document | FailedInput],
    line: Callable[[Document], str],
    is_single: bool,
) -> None:
    """Print all results, then the failures, one line each; exit with the worst code. line: a result for a human.

    Lines of several results were printed as they came.
    """
    done = [result for result in results if not isinstance(result, FailedInput)]
    failed = [result for result in results if isinstance(result, FailedInput)]
    if is_single:
        if failed:
            raise _error(failed[0].failure, failed[0].failure.message)
        out.result(schema, done[0], line(done[0]), str(done[0]["output"]))
    elif out.as_json:
        out.result(schema, {"files": done, "failures": [failure.document() for failure in failed]}, "", "")
    if not is_single:
        for each_ in failed:
            message = each_.failure.message
            text = message if Path(each_.name).name in message else f"{each_.name}: {message}"
            out.error(_error(each_.failure, text))
    worst = max(
        [each_.failure.exit_code for each_ in failed] + [_exit_code(doc.get("outcome", "done")) for doc in done]
    )
    if worst:
        raise typer.Exit(worst)


def _exit_code(outcome: str) -> int:
    if outcome == "interrupted":
        return Interrupted(number() or signal.SIGINT).exit_code
    return int(outcome != "done")


def _error(failure: Failure, message: str) -> InrError:
    error = InrError(message, failure.hint)
    error.exit_code = failure.exit_code
    return error


def say_result(result: Document, line: Callable[[Document], str], *, is_quiet: bool) -> None:
    """One of several results, as it comes."""
    if is_quiet:
        say_exactly(str(result["output"]))
    else:
        say(line(result))


def check_jobs(jobs: int, inputs: Sequence[str]) -> None:
    if jobs < 1:
        raise UsageError(f"--jobs is {jobs}, expected a whole number >= 1")
    for name in inputs if jobs > 1 and len(inputs) > 1 else ():
        if descriptor_of(Path(name)) is not None:
            raise UsageError(f"input {name!r} is a pipe, which separate processes cannot read", "use -j 1")
