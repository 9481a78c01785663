"""Runs the blocks of a guide in the current folder, in order: `python guide_runner.py GUIDE.md`.

Shell blocks run in bash, with the `inr` of `forked_programs`; Python blocks run in this process, one namespace for all
of them. Each line of a `text` block must be among what the block before it printed, in this order, whatever the numbers
are. Prints the number of blocks run.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parent.parent))

from tests.forked_programs import Programs

BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"\binr ")
NUMBER = re.compile(r"[-+]?\d[\d.,]*")


def blocks_of(guide: Path) -> list[tuple[str, str, int]]:
    """(language, text, first line) of the blocks that run, and of what they print."""
    text = guide.read_text("utf-8")
    return [(m[1], m[2], text.count("\n", 0, m.start(2)) + 1) for m in BLOCK.finditer(text)]


def run(guide: Path) -> int:
    blocks = blocks_of(guide)
    with contextlib.ExitStack() as stack:
        environment = dict(os.environ)
        if any(language == "sh" and CALL.search(text) for language, text, _ in blocks):
            folder = stack.enter_context(Programs()).folder
            environment["PATH"] = f"{folder}{os.pathsep}{environment['PATH']}"
        return _run(guide, blocks, environment)


def _run(guide: Path, blocks: list[tuple[str, str, int]], environment: dict[str, str]) -> int:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed, n_run = "", 0
    for language, text, line in blocks:
        if language == "text":
            check_printed(text, printed, f"{guide.name}:{line}")
            continue
        n_run += 1
        if language == "sh":
            command = ["bash", "-e", "-o", "pipefail", "-c", text]
            done = subprocess.run(command, capture_output=True, text=True, env=environment)
            printed = done.stdout + done.stderr
            if done.returncode != 0:
                raise SystemExit(f"{guide.name}:{line}: exit code {done.returncode}\n{text}\n{printed}")
        else:
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile("\n" * (line - 1) + text, str(guide), "exec"), namespace)
            printed = output.getvalue()
    return n_run


def check_printed(shown: str, printed: str, place: str) -> None:
    """Raises SystemExit for a line that was not printed."""
    lines = iter(like(line) for line in printed.splitlines())
    for line in filter(str.strip, shown.splitlines()):
        if not any(like(line) == each for each in lines):
            raise SystemExit(f"{place}: this line is not in what was printed:\n{line}\n--- printed:\n{printed}")


def like(line: str) -> str:
    """The line without its numbers and its spacing."""
    return " ".join(NUMBER.sub("#", line).split())


if __name__ == "__main__":
    sys.stdout.write(f"{run(Path(sys.argv[1]))}\n")
