"""Child processes with this process's module path (without the current folder), which end when this process ends."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from inr.core.child import spawn_main; spawn_main()"
)


class Child:
    """A process that calls `main(arguments)` of a module. A context manager that kills the process on exit.

    When this process ends for any reason, even SIGKILL, a pipe to the child closes and the child ends. The child
    ignores Ctrl-C. Its `stdin` is empty. pass_fds, options: as for `subprocess.Popen`.
    """

    def __init__(self, module: str, arguments: Sequence[str], *, pass_fds: Sequence[int] = (), **options: Any) -> None:
        watched, self._held = os.pipe()
        command = [sys.executable, "-P", "-c", _START, json.dumps(module_path()), str(watched), module, *arguments]
        fds = (*pass_fds, watched)
        try:
            with _interrupts_blocked():
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, pass_fds=fds, **options)
        except BaseException:
            os.close(self._held)
            raise
        finally:
            os.close(watched)

    def end(self) -> None:
        """Kill the process and wait until it has ended. Does nothing if it has already ended."""
        self.process.kill()
        self.process.wait()
        if self._held >= 0:
            os.close(self._held)
            self._held = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()


def module_path() -> list[str]:
    """Module path of a child: sys.path without the current folder, with the folder that contains this `inr`."""
    path = [entry for entry in sys.path if isinstance(entry, str) and entry]
    package = Path(__file__).parent.parent
    found = importlib.machinery.PathFinder.find_spec(package.name, path)
    if found is None or found.origin is None or Path(found.origin).parent != package:
        path.insert(0, str(package.parent))
    return path


def spawn_main() -> None:
    """Entry point of a child. It is called before any large module is imported."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _, watched, module, *arguments = sys.argv
    threading.Thread(target=_end_with_parent, args=(int(watched),), daemon=True).start()
    importlib.import_module(module).main(arguments)


def _end_with_parent(watched: int) -> None:
    os.read(watched, 1)  # nothing is written: it returns when the other end closes
    os._exit(1)


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block SIGINT. A child started inside the block inherits the blocked signal until it unblocks it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
