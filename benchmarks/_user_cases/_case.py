"""One case: a private copy of its folder, the commands run in it, and the list of faults."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Check = Callable[["Case"], None]
CHECKS: dict[str, Check] = {}
"""Case name ("shapes/07-obj-concave-ngon") to the function that tries it."""


def case(name: str) -> Callable[[Check], Check]:
    """Register a function as the check of the case of this name."""

    def register(check: Check) -> Check:
        if name in CHECKS:
            raise ValueError(f"case {name!r} has two checks")
        CHECKS[name] = check
        return check

    return register


@dataclasses.dataclass(frozen=True)
class Result:
    """The result of one command. code: its exit code, negative for a signal, None after its time limit."""

    args: tuple[str, ...]
    code: int | None
    stdout: bytes
    stderr: bytes
    seconds: float

    @property
    def out(self) -> str:
        return self.stdout.decode(errors="replace")

    @property
    def err(self) -> str:
        return self.stderr.decode(errors="replace")

    @property
    def json(self) -> dict[str, Any]:
        """The JSON document on stdout; an empty one if stdout is not JSON."""
        try:
            document = json.loads(self.out)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}


class Case:
    """folder: the private copy, in which commands run. problems: one sentence for each fault."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.problems: list[str] = []

    def path(self, name: str) -> Path:
        return self.folder / name

    def run(
        self,
        *args: str,
        stdin: bytes | None = None,
        env: Mapping[str, str | None] | None = None,
        timeout_s: float = 300,
    ) -> Result:
        """Run a program in the folder; `inr` and `python` are this environment's. env: changes; None removes a name."""
        environment = dict(os.environ)
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}"
        for key, value in (env or {}).items():
            if value is None:
                environment.pop(key, None)
            else:
                environment[key] = value
        started = time.perf_counter()
        try:
            done = subprocess.run(
                args, cwd=self.folder, env=environment, input=stdin, capture_output=True, timeout=timeout_s
            )
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as error:
            code, out, err = None, error.stdout or b"", error.stderr or b""
        return Result(args, code, out, err, time.perf_counter() - started)

    def inr(self, *args: str, **options: Any) -> Result:
        """Run `inr` with these arguments. A traceback or "this is a bug" is always a problem."""
        result = self.run("inr", *args, **options)
        self.expect(result.code is not None, f"{self.shown(result)}: did not end")
        for sign in ("Traceback (most recent call last)", "this is a bug in inr"):
            self.expect(sign not in result.err, f"{self.shown(result)}: {sign!r} in {result.err[-300:]!r}")
        return result

    def shell(self, line: str, *args: str, **options: Any) -> Result:
        """Run a line of bash, whose "$@" are the arguments. A sign of a bug is always a problem."""
        result = self.run("bash", "-c", line, "bash", *args, **options)
        self.expect(result.code is not None, f"{line}: did not end")
        for sign in ("Traceback", "this is a bug in inr", "Exception ignored"):
            self.expect(sign not in result.err, f"{line}: {sign!r} in {result.err[-300:]!r}")
        return result

    def expect(self, holds: object, problem: str) -> bool:
        """Note the problem unless the condition holds; returns whether it does."""
        if not holds:
            self.problems.append(problem)
        return bool(holds)

    def expect_done(self, result: Result) -> bool:
        """The command ended with exit code 0."""
        return self.expect(
            result.code == 0, f"{self.shown(result)}: exit {result.code}, expected 0: {result.err[:300]!r}"
        )

    def expect_refused(self, result: Result, code: int, *words: str) -> bool:
        """The command ended with this exit code, an `error:` line and at most a hint, and the line holds the words."""
        lines = result.err.strip().splitlines()
        is_clear = sum(line.startswith("error: ") for line in lines) == 1
        missing = [word for word in words if word.lower() not in result.err.lower()]
        return self.expect(
            result.code == code and is_clear and not missing,
            f"{self.shown(result)}: exit {result.code}, expected {code} and one error line with {words}: "
            f"{result.err[:300]!r}",
        )

    @staticmethod
    def shown(result: Result) -> str:
        return " ".join(_short(result.args))


def _short(args: Sequence[str]) -> list[str]:
    return [arg if len(arg) <= 60 else arg[:57] + "..." for arg in args]
