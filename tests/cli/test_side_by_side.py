"""Several inputs in separate processes: results in order, and a killed or failed one does not affect the others."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from inr_cli._batch import Document, FailedInput, each

from inr.core.errors import UnreadableError


def work(task: tuple[str, Path]) -> Document:
    """Does what the task's name states."""
    name, marks = task
    with (marks / name).open("a") as file:
        file.write(".")
    n = len((marks / name).read_text())
    if name.startswith("killed") or (name.startswith("once") and n == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("crashes"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("damaged"):
        raise UnreadableError("cut short", "another file")
    if name.startswith("bug"):
        raise KeyError("oops")
    if name.startswith("large"):
        raise MemoryError("too much")
    return {"output": name, "pid": os.getpid()}


def outcomes(marks: Path, *names: str, jobs: int = 2) -> list[Any]:
    found = list(each([(name, marks) for name in names], work, lambda task: task[0], jobs))
    return [(f.name, f.failure.exit_code) if isinstance(f, FailedInput) else f["output"] for f in found]


def test_a_killed_or_failed_job_does_not_affect_the_others(tmp_path: Path) -> None:
    names = ("a", "killed", "crashes", "once", "damaged", "bug", "large", "b")
    assert outcomes(tmp_path, *names, jobs=3) == [
        "a", ("killed", 4), ("crashes", 1), "once", ("damaged", 3), ("bug", 1), ("large", 4), "b"
    ]  # fmt: skip
    tries = {path.name: len(path.read_text()) for path in tmp_path.iterdir()}
    assert tries == dict.fromkeys(names, 1) | {"killed": 2, "crashes": 2, "once": 2}


def test_a_killed_process_is_reported_without_the_output_of_libraries(tmp_path: Path) -> None:
    (found,) = (
        f for f in each([("killed", tmp_path), ("a", tmp_path)], work, lambda t: t[0], 2) if type(f) is FailedInput
    )
    assert found.failure.message == "its process was killed 2 times (SIGKILL), probably for lack of memory"
    assert found.document()["hint"] == "use fewer -j, or settings that need less memory"


def test_one_job_at_a_time_runs_in_this_process(tmp_path: Path) -> None:
    (found,) = each([("a", tmp_path)], work, lambda task: task[0], 4)
    assert isinstance(found, dict)
    assert found["pid"] == os.getpid()
