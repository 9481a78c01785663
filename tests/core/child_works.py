"""The work of child processes in tests: report, wait, compute, or be killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import inr

NAMES = ("json", "numpy", "queue", "random", "secrets", "socket", "tempfile")
"""Modules that people's folders may hold files of the names of."""


def main(arguments: Sequence[str]) -> None:
    """Write the origin of modules into a file, then wait."""
    report, seconds = arguments
    found = {name: str(__import__(name).__file__) for name in NAMES} | {"inr": str(inr.__file__)}
    Path(report + ".new").write_text(json.dumps(found | {"pid": os.getpid()}))
    Path(report + ".new").rename(report)
    time.sleep(float(seconds))


def work(task: tuple[str, Path, int]) -> str:
    """The task's name in capitals; the process is killed as often as the task states, by a file; 'bug' raises."""
    name, marks, deaths = task
    if name == "bug":
        raise KeyError("oops")
    mark = marks / name
    n = int(mark.read_text()) if mark.exists() else 0
    if n < deaths:
        mark.write_text(str(n + 1))
        os.kill(os.getpid(), signal.SIGKILL)
    return name.upper()
